"""The log book: whole lines, pictures that are pictures, names of its own."""

from __future__ import annotations

import json
import os
import struct
import zlib
from pathlib import Path

import pytest

from labctl.core import log_book
from labctl.core.log_book import LOG_BOOK_FILE, MOST_PICTURE_BYTES, LogBook
from labctl.errors import StoreError

NOON = 1_700_000_000.0  # 2023-11-14T22:13:20Z


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PNG = (
    b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    + chunk(b"IDAT", zlib.compress(b"\0\0"))
    + chunk(b"IEND", b"")
)


@pytest.fixture
def book(tmp_path: Path) -> LogBook:
    return LogBook(tmp_path / "book", kept_free_bytes=0)


def lines(tmp_path: Path) -> list[dict[str, object]]:
    text = (tmp_path / "book" / LOG_BOOK_FILE).read_bytes().decode()
    return [json.loads(line) for line in text.removesuffix("\n").split("\n")]


def test_notes_are_lines_and_pictures_lie_beside_them(book: LogBook, tmp_path: Path) -> None:
    assert book.note("first\nline µ \ud800", b"", "desk", NOON).name == LOG_BOOK_FILE
    paths = [book.note("look", PNG, "../../etc", NOON) for _ in range(2)]
    assert [path.name for path in paths] == ["20231114T221320Z-1.png", "20231114T221320Z-2.png"]
    assert all(path.parent == tmp_path / "book" and path.read_bytes() == PNG for path in paths)
    first, second, _ = lines(tmp_path)
    time = "2023-11-14T22:13:20+00:00"
    assert first == {"at": NOON, "time": time, "by": "desk", "text": "first\nline µ \ud800", "picture": ""}
    assert (second["by"], second["picture"]) == ("../../etc", paths[0].name)


@pytest.mark.parametrize(
    "data", [b"GIF89a", PNG[:-1], PNG[8:], PNG[:30] + bytes(MOST_PICTURE_BYTES) + PNG[-12:]], ids=len
)
def test_what_is_no_picture_is_refused_and_nothing_is_written(book: LogBook, tmp_path: Path, data: bytes) -> None:
    with pytest.raises(StoreError, match=r"no whole PNG|8 MB at most"):
        book.note("look", data, "desk", NOON)
    assert list(tmp_path.iterdir()) == []


def test_a_line_that_a_crash_tore_costs_no_other(book: LogBook, tmp_path: Path) -> None:
    book.note("one", b"", "desk", NOON)
    path = tmp_path / "book" / LOG_BOOK_FILE
    with path.open("ab") as file:
        file.write(b'{"at": 17')
    book.note("two", b"", "desk", NOON)
    whole = path.read_bytes().split(b"\n")
    assert [json.loads(line)["text"] for line in (whole[0], whole[2])] == ["one", "two"]


def test_a_disk_that_refuses_is_told_and_leaves_all_as_it_was(
    book: LogBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = book.note("one", b"", "desk", NOON)
    before = path.read_bytes()
    fsync = os.fsync

    def refuse(descriptor: int) -> None:
        if os.fstat(descriptor).st_ino == path.stat().st_ino:
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(log_book.os, "fsync", refuse)
    with pytest.raises(StoreError, match="disk is full"):
        book.note("two", PNG, "desk", NOON)
    assert path.read_bytes() == before
    assert list((tmp_path / "book").iterdir()) == [path]


def test_pictures_leave_room_for_runs(tmp_path: Path) -> None:
    book = LogBook(tmp_path / "book", kept_free_bytes=2**60)
    with pytest.raises(StoreError, match="too little space left for pictures"):
        book.note("look", PNG, "desk", NOON)
    book.note("words are short", b"", "desk", NOON)
