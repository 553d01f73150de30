"""Compare bone age with chronological age: difference, z-score and probabilities from named tables."""
