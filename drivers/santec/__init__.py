"""Santec."""
