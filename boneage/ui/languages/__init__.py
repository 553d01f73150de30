"""The page's texts, one flat table per language; the keys are the same in all (a test compares them)."""
