"""Pfeiffer Vacuum."""
