"""Audit a collection of labelled radiographs before anything is trained on it: labels, films, duplicates, leaks."""
