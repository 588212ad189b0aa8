"""Newport and New Focus."""
