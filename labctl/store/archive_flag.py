"""Whether a run is archived: who writes into its folder asks first."""

from __future__ import annotations

from pathlib import Path

from labctl.errors import StoreError

ARCHIVE_FILE = "archived.json"


def is_archived(folder: Path) -> bool:
    """Whether the run in this folder is archived."""
    return (folder / ARCHIVE_FILE).exists()


def refuse_archived(place: Path) -> None:
    """Raise StoreError where `place`, a run folder or something in it, belongs to an archived run."""
    for folder in (place.absolute(), *place.absolute().parents):
        if is_archived(folder):
            raise StoreError(
                f"{folder} is archived: nothing is written into it.",
                remedy=f"Write elsewhere, or make it writable again with: labctl archive --undo {folder}",
            )
