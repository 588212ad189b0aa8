"""What would spoil a night, looked for before it begins: a file for each group of checks. Nothing is moved."""
