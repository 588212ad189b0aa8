"""Thorlabs."""
