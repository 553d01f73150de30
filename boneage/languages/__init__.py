"""What the program says in words: a folder of TOML files per language; `texts` looks words up."""
