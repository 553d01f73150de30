"""Read radiographs and their labels in any usual layout, and draw splits and folds once."""
