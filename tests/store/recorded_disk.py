"""What a process did to its files, and what a disk may hold of it after a power cut.

A file is as at its last fsync, but that every page of 4096 bytes that was written since, and its length, may be that of
any moment since. Names that were made, renamed or removed since the last fsync of their folder are so or are not.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PAGE_BYTES = 4096
_HEADER = struct.Struct("=c4Q")


@dataclass(frozen=True)
class Change:
    """One change: kind W(rite), T(runcate), S(ync of a file), D (sync of a folder), C(reate), M(ake folder), U(nlink),
    R(ename); of a rename `data` is the new path."""

    kind: str
    inode: int
    offset: int
    path: Path
    data: bytes


@dataclass
class _File:
    """A file: what is safe, and what was done since."""

    safe: bytearray = field(default_factory=bytearray)
    now: bytearray = field(default_factory=bytearray)
    versions: dict[int, list[bytes]] = field(default_factory=dict)  # of pages that were touched since
    lengths: list[int] = field(default_factory=list)

    def write(self, offset: int, data: bytes) -> None:
        self.now.extend(bytes(max(0, offset + len(data) - len(self.now))))
        self.now[offset : offset + len(data)] = data
        self._touched(offset, offset + len(data))

    def truncate(self, size: int) -> None:
        before = len(self.now)
        del self.now[size:]
        self.now.extend(bytes(size - len(self.now)))
        self._touched(min(before, size), max(before, size))

    def sync(self) -> None:
        self.safe, self.versions, self.lengths = bytearray(self.now), {}, []

    def after_a_cut(self, chance: random.Random) -> bytes:
        found = bytearray(self.safe)
        for page, versions in self.versions.items():
            chosen = chance.choice([bytes(self.safe[page * PAGE_BYTES : (page + 1) * PAGE_BYTES]), *versions])
            found.extend(bytes(max(0, (page + 1) * PAGE_BYTES - len(found))))
            found[page * PAGE_BYTES : (page + 1) * PAGE_BYTES] = chosen.ljust(PAGE_BYTES, b"\0")
        length = chance.choice([len(self.safe), *self.lengths])
        return bytes(found[:length].ljust(length, b"\0"))

    def _touched(self, start: int, stop: int) -> None:
        self.lengths.append(len(self.now))
        for page in range(start // PAGE_BYTES, (stop + PAGE_BYTES - 1) // PAGE_BYTES):
            self.versions.setdefault(page, []).append(bytes(self.now[page * PAGE_BYTES : (page + 1) * PAGE_BYTES]))


def read_changes(log: Path) -> list[Change]:
    """The changes in a log, in their order."""
    return list(_changes(log.read_bytes()))


def _changes(text: bytes) -> Iterator[Change]:
    place = 0
    while place < len(text):
        kind, inode, offset, size, path_size = _HEADER.unpack_from(text, place)
        place += _HEADER.size
        path, data = text[place : place + path_size], text[place + path_size : place + path_size + size]
        place += path_size + size
        yield Change(kind.decode(), inode, offset, Path(path.decode()), data)


def cut_the_power(changes: Sequence[Change], root: Path, chance: random.Random, to: Path) -> None:
    """Put below `to` what the disk may hold of `root` when the power is cut after these changes."""
    files: dict[int, _File] = {}
    safe: dict[Path, int | None] = {}  # name -> inode, None for a folder
    names: dict[Path, int | None] = {}
    pending: list[Change] = []
    for change in changes:
        if change.kind in "CMUR":
            _rename(names, change)
            pending.append(change)
        elif change.kind == "D":
            for done in [one for one in pending if one.path.parent == change.path]:
                _rename(safe, done)
                pending.remove(done)
        if change.kind in "CWTS":
            file = files.setdefault(change.inode, _File())
            if change.kind == "C":  # the number of a file that is gone may be given again
                file = files[change.inode] = _File()
            elif change.kind == "W":
                file.write(change.offset, change.data)
            elif change.kind == "T":
                file.truncate(change.offset)
            else:
                file.sync()
    for change in pending:
        if chance.random() < 0.5:
            _rename(safe, change)
    for path, inode in sorted(safe.items()):
        place = to / path.relative_to(root)
        if not place.parent.is_dir():
            continue  # its folder did not survive
        if inode is None:
            place.mkdir(exist_ok=True)
        else:
            place.write_bytes(files[inode].after_a_cut(chance))


def _rename(names: dict[Path, int | None], change: Change) -> None:
    if change.kind == "C":
        names[change.path] = change.inode
    elif change.kind == "M":
        names[change.path] = None
    elif change.kind == "U":
        names.pop(change.path, None)
    else:
        moved = names.pop(change.path, change.inode)
        if moved:
            names[Path(change.data.decode())] = moved
