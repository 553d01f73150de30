"""What a collection of labelled radiographs is like, and what is wrong with it, before anything is trained on it."""
