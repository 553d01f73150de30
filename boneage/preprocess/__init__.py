"""Prepare radiographs: background, the one object, contrast and resize, as every network sees them."""
