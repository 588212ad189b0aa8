"""On what kind of file system a path lies."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
NETWORKED = (
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "afs",
    "9p",
    "ncpfs",
    "ceph",
    "glusterfs",
    "lustre",
    "gpfs",
    "davfs",
)
NETWORKED_BEHIND_FUSE = ("sshfs", "rclone", "glusterfs", "davfs", "s3fs", "gvfsd")


@dataclass(frozen=True)
class FileSystem:
    """Its kind as the system names it ("" if it does not), and whether it is another machine's; None: not known."""

    kind: str
    is_networked: bool | None


def file_system_of(path: Path) -> FileSystem:
    """Return the file system of a path, or of the nearest folder above it that is there."""
    if sys.platform == "win32":
        return FileSystem("", True) if str(path.absolute()).startswith("\\\\") else FileSystem("", None)
    try:
        lines = MOUNTS.read_text(errors="replace").splitlines()
    except OSError:
        return FileSystem("", None)
    where = Path(os.path.realpath(path))
    best, kind = -1, ""
    for line in lines:
        before, separator, after = line.partition(" - ")
        fields = before.split()
        if not separator or len(fields) < 5:
            continue
        point = Path(_unescaped(fields[4]))
        if (point == where or point in where.parents) and len(point.parts) >= best:
            best, kind = len(point.parts), after.split()[0]
    return FileSystem(kind, _is_networked(kind) if kind else None)


def _is_networked(kind: str) -> bool:
    return kind in NETWORKED or (kind.startswith("fuse.") and any(name in kind for name in NETWORKED_BEHIND_FUSE))


def _unescaped(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
