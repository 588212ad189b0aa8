"""Acquire a lock, prove it, watch it."""
