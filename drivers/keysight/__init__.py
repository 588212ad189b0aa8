"""Keysight Technologies."""
