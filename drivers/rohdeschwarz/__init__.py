"""Rohde & Schwarz."""
