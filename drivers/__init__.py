"""Instrument drivers, one file per model, grouped by maker: wire protocol to Python properties, and no physics."""
