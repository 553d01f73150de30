"""Radiographs and their annotations, read from whatever an archive gives, and drawn once into splits and folds."""
