"""Draw simulated hand radiographs with known bone age, sex, mask and landmarks, from a table of hand anatomy."""
