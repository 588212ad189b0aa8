"""How much room a disk has left."""

from __future__ import annotations

import math
import shutil
from pathlib import Path


def free_bytes(folder: Path) -> float:
    """Bytes that may still be written where `folder` is or will be; infinite where nobody says."""
    place = next((one for one in (folder.absolute(), *folder.absolute().parents) if one.exists()), None)
    try:
        return math.inf if place is None else float(shutil.disk_usage(place).free)
    except OSError:
        return math.inf
