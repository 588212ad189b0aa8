"""Red Pitaya."""
