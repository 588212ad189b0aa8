"""Station files and recipes: models over TOML, quantities with units, and what is wrong with a file."""
