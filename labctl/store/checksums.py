"""checksums.sha256: what the files of a closed run were when it was closed, in the format of sha256sum.

`sha256sum -c checksums.sha256` in the folder of a run checks them without labctl. Files that may be written again, such
as reports, are not in it.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from labctl.errors import StoreError
from labctl.store.database import RUN_DATABASE, is_sealed
from labctl.store.documents import END_FILE, MANIFEST_FILE, RESULTS_FILE
from labctl.store.durable import sync_folder, write_durably
from labctl.store.failures import reported
from labctl.store.netcdf import DATA_FILE

CHECKSUM_FILE = "checksums.sha256"
COVERED = (MANIFEST_FILE, RUN_DATABASE, DATA_FILE, RESULTS_FILE, END_FILE)

_LINE = re.compile(r"([0-9a-f]{64}) [ *]([^/\\\0]+)")


def write_checksums(folder: Path, *, database: bool = True) -> None:
    """Write the checksums of what is there and will not change; raises StoreError.

    run.db is among them only once it is sealed, and not without `database`, as when part of it is damaged.
    """
    left_out = () if database and is_sealed(folder) else (RUN_DATABASE,)
    with reported("write the checksums", folder):
        names = [name for name in COVERED if name not in left_out and (folder / name).is_file()]
        text = "".join(f"{checksum_of(folder / name)}  {name}\n" for name in names)
        write_durably(folder / CHECKSUM_FILE, text.encode("ascii"))


def forget_checksums(folder: Path) -> None:
    """Take the checksums away, durably, before anything that they cover is changed; raises OSError."""
    if (folder / CHECKSUM_FILE).exists():
        (folder / CHECKSUM_FILE).unlink()
        sync_folder(folder)


def read_checksums(folder: Path) -> dict[str, str] | None:
    """File name -> SHA-256 in hexadecimal digits; None where there are none; raises StoreError for damaged ones."""
    file = folder / CHECKSUM_FILE
    if not file.is_file():
        return None
    with reported("read the checksums", folder):
        lines = file.read_bytes().decode("ascii", "replace").splitlines()
    found = {}
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            raise StoreError(f"{file} is damaged: it has the line {line[:40]!r}.", remedy="Restore it from a copy.")
        found[match[2]] = match[1]
    return found


def checksum_of(file: Path) -> str:
    """SHA-256 of a file in hexadecimal digits; raises OSError."""
    with file.open("rb") as contents:
        return hashlib.file_digest(contents, "sha256").hexdigest()
