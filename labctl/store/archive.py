"""Archiving a run: read-only from then on, for labctl by a flag in its folder, for others by the modes of its files."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from labctl.errors import StoreError
from labctl.store.archive_flag import ARCHIVE_FILE, is_archived
from labctl.store.checksums import CHECKSUM_FILE, checksum_of
from labctl.store.documents import read_manifest
from labctl.store.durable import sync_folder, write_durably
from labctl.store.ending import is_finished, now_utc
from labctl.store.failures import reported
from labctl.store.hold import Hold
from labctl.store.owner import Purpose
from labctl.store.verify import verify

FORMAT = 1
_WRITE_BITS = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def archive(folder: Path) -> None:
    """Verify a run and make it read-only; nothing when it is archived already.

    Raises StoreError that names the first fault where it is not well, and when somebody writes it.
    """
    read_manifest(folder)
    if is_archived(folder):
        return
    with reported("archive the run", folder):
        hold = Hold.take(folder, Purpose.RECOVERY)
        try:
            _require_whole(folder)
            places = [*sorted(folder.rglob("*")), folder]
            modes = {str(place.relative_to(folder)): stat.S_IMODE(place.stat().st_mode) for place in places}
            content = {
                "format": FORMAT,
                "archived": now_utc(),
                "sha256": checksum_of(folder / CHECKSUM_FILE),
                "modes": modes,
            }
            write_durably(folder / ARCHIVE_FILE, (json.dumps(content, indent=1) + "\n").encode("ascii"))
            for place in (folder / ARCHIVE_FILE, *places):
                place.chmod(stat.S_IMODE(place.stat().st_mode) & ~_WRITE_BITS)
        finally:
            hold.release()


def unarchive(folder: Path) -> None:
    """Let an archived run be written again, with the modes that it had; nothing when it is not archived."""
    read_manifest(folder)
    if not is_archived(folder):
        return
    with reported("take the run out of the archive", folder):
        modes = _modes(folder)
        folder.chmod(modes.pop(".", stat.S_IRWXU))
        for name, mode in modes.items():
            if (folder / name).exists():
                (folder / name).chmod(mode)
        (folder / ARCHIVE_FILE).unlink()
        sync_folder(folder)


def _require_whole(folder: Path) -> None:
    verdict = verify(folder)
    if not verdict.is_well:
        fault = verdict.faults[0]
        more = f" There are {len(verdict.faults) - 1} faults more." if len(verdict.faults) > 1 else ""
        raise StoreError(
            f"{folder} is not archived, for it is not whole: {fault.what}{more}",
            remedy=fault.remedy or "See labctl verify.",
        )
    if not is_finished(folder):
        raise StoreError(f"{folder} is not archived, for it has no checksums.", remedy="Run labctl recover on it.")


def _modes(folder: Path) -> dict[str, int]:
    """The modes that everything had before; only those of things that are in the folder."""
    try:
        entries = json.loads((folder / ARCHIVE_FILE).read_bytes())["modes"]
        return {
            name: stat.S_IMODE(int(mode))
            for name, mode in entries.items()
            if (folder / name).resolve().is_relative_to(folder.resolve())
        }
    except (ValueError, KeyError, TypeError, AttributeError):  # damaged: its owner may write again
        return {str(place.relative_to(folder)): stat.S_IRUSR | stat.S_IWUSR for place in folder.glob("*")}
