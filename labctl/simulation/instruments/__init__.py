"""Byte-level simulated instruments, one file per model."""
