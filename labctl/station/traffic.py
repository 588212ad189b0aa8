"""A log of every command and reply of one instrument, for the hour in which nothing makes sense."""

from __future__ import annotations

import logging
from pathlib import Path

from labctl.errors import StoreError

_FORMAT = "%(asctime)s %(message)s"
_ROOT = "labctl.traffic"


def traffic_logger(instrument: str) -> logging.Logger:
    """Return the logger that the link of an instrument writes to; silent until `log_traffic` switches it on."""
    logger = logging.getLogger(f"{_ROOT}.{instrument}")
    logger.propagate = False
    return logger


def log_traffic(instrument: str, path: Path) -> None:
    """Append what goes over the wire of `instrument` to the file `path`.

    Raises `StoreError` when it cannot be written.
    """
    try:
        handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise StoreError(f"The traffic log {path} cannot be written ({error.strerror}).") from error
    handler.setFormatter(logging.Formatter(_FORMAT))
    logger = traffic_logger(instrument)
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
