"""Meerstetter Engineering."""
