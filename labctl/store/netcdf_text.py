"""Texts as HDF5 holds them."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return a text that HDF5 keeps whole: its texts end at the first NUL and are UTF-8."""
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")
