"""The log book: what people at the table write down, with the picture of the screen that they saw."""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from labctl.errors import StoreError
from labctl.host.durability import sync_file
from labctl.store.durable import sync_folder, write_durably
from labctl.store.failures import reported

LOG_BOOK_FILE: Final = "logbook.jsonl"
MOST_PICTURE_BYTES: Final = 8 * 2**20
KEPT_FREE_BYTES: Final = 2**30  # for runs, which matter more than pictures

_BEGINS: Final = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"  # signature, and the head that always follows
_ENDS: Final = b"\x00\x00\x00\x00IEND\xae\x42\x60\x82"


class LogBook:
    """Lines of JSON in `folder`/logbook.jsonl, and pictures beside it under names of its own making.

    What `note` returned survives a crash. May be used by several threads of one process.
    """

    def __init__(self, folder: Path, *, kept_free_bytes: int = KEPT_FREE_BYTES) -> None:
        self._folder = folder
        self._kept_free_bytes = kept_free_bytes
        self._guard = threading.Lock()

    def note(self, text: str, picture_png: bytes, by: str, now: float) -> Path:
        """Write down what somebody says at wall time `now`, and return the path of the picture, or of the log book
        where there is none (b"").

        Raises `StoreError` where the picture is none, is too large, or the disk does not take it; then nothing is
        written.
        """
        if picture_png:
            _require_picture(picture_png)
        book = self._folder / LOG_BOOK_FILE
        with self._guard, reported("write the log book", self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            picture = self._store(picture_png, now) if picture_png else None
            line = {
                "at": now,
                "time": datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"),
                "by": by,
                "text": text,
                "picture": picture.name if picture else "",
            }
            try:
                _append(book, line)
            except OSError:
                if picture:
                    picture.unlink(missing_ok=True)
                raise
        return picture or book

    def _store(self, picture: bytes, now: float) -> Path:
        if shutil.disk_usage(self._folder).free - len(picture) < self._kept_free_bytes:
            raise StoreError(
                f"There is too little space left for pictures in {self._folder}.",
                remedy="Free space on that disk, or write without a picture.",
            )
        stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        number = 1
        while (path := self._folder / f"{stamp}-{number}.png").exists():
            number += 1
        write_durably(path, picture)
        return path


def _require_picture(data: bytes) -> None:
    if len(data) > MOST_PICTURE_BYTES:
        raise StoreError(
            f"The picture has {len(data) / 2**20:.1f} MB; the log book takes {MOST_PICTURE_BYTES / 2**20:g} MB at most."
        )
    if not (data.startswith(_BEGINS) and data.endswith(_ENDS)):
        raise StoreError("The picture is no whole PNG file.")


def _append(book: Path, line: Mapping[str, object]) -> None:
    """Add a line and make it durable; a file that cannot take all of it is left as it was."""
    # Half of a surrogate pair comes out as JSON spells it.
    data = json.dumps(line, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"
    with book.open("a+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            if file.read(1) != b"\n":  # torn by a crash: that line is lost, this one is not
                data = b"\n" + data
        try:
            if file.write(data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            sync_file(file.fileno())
        except OSError:
            os.truncate(book, size)
            raise
    if not size:
        sync_folder(book.parent)
