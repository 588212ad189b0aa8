"""The station file that a run kept, as the mapping that it is."""

from __future__ import annotations

import json
import tomllib
from typing import Any


def parsed_station(text: str) -> dict[str, Any]:
    """Return the tables of a station file as a run keeps it (JSON) or as it is written (TOML); empty for neither."""
    for read in (json.loads, tomllib.loads):
        try:
            found = read(text)
        except (ValueError, RecursionError):  # what both raise
            continue
        return found if isinstance(found, dict) else {}
    return {}
