"""What the program says in words: one folder per language, found by its name; `texts` looks words up."""
