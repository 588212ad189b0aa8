"""The log of what goes over a wire: readable, bounded, on the disk line by line, and never in anybody's way."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from station_bench import Bench, open_bench

from labctl.errors import StoreError
from labctl.station.traffic import (
    LONGEST_TEXT,
    TrafficLog,
    listen_to,
    log_name,
    logged_traffic,
    older,
    readable,
    traffic_logger,
)

LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) +(-|\d+\.\d{6}) ([<>]) (.*)")
WRITE, READ = "WRITE:%s", "READ:%s"


def messages(path: Path) -> list[tuple[str, str, str]]:
    """Return lab time, direction and content of every line but the headings."""
    found = []
    for line in path.read_text(encoding="ascii").splitlines():
        if not line.startswith("#"):
            match = LINE.fullmatch(line)
            assert match is not None, line
            found.append((match[2], match[3], match[4]))
    return found


@pytest.fixture
def log(tmp_path: Path) -> Iterator[TrafficLog]:
    with logged_traffic(["meter"], most_bytes=4000) as logs:
        yield logs["meter"]


@pytest.fixture
def link() -> logging.Logger:
    """What the adapter of the instrument logs to."""
    return traffic_logger("meter").getChild("Adapter")


# ---- what a message looks like --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("*IDN?", "*IDN?"),
        ("line\r\n", "line\\r\\n"),
        ("a\\b", "a\\\\b"),
        ("10 µs", "10 \\xb5s"),
        ("→", "\\u2192"),
        (b"#6131072", "#6131072"),
        (b"-1.25E+00\n", "-1.25E+00\\n"),
        (b"\x05", "<1 bytes: 05>"),
        (bytes(range(128, 138)), "<10 bytes: 80 81 82 83 84 85 86 87 88 89>"),
        (b"\x3f\x80\x00\x00" * 16384, "<65536 bytes: " + " ".join(["3f 80 00 00"] * 4) + " ...>"),
        ("1.0," * 1000, "1.0," * (LONGEST_TEXT // 4) + " ... (4000 characters)"),
        (b"", ""),
    ],
)
def test_messages_are_readable(content: str | bytes, shown: str) -> None:
    assert readable(content) == shown


@given(st.binary(max_size=2000) | st.text(max_size=2000) | st.integers())
def test_any_message_is_one_short_line_of_printable_ascii(content: object) -> None:
    shown = readable(content)
    assert shown.isascii() and (shown.isprintable() or not shown)
    assert len(shown) < 11 * LONGEST_TEXT


# ---- into the file --------------------------------------------------------------------------------------------------


def test_what_came_before_the_file_is_in_it_and_every_line_is_there_at_once(
    log: TrafficLog, link: logging.Logger, tmp_path: Path
) -> None:
    path = tmp_path / log_name("meter")
    link.debug(WRITE, "*IDN?")
    log.write_to(path, lambda: 12.5)
    link.debug(READ, "Maker,Meter")
    assert messages(path) == [("-", ">", "*IDN?"), ("12.500000", "<", "Maker,Meter")]
    assert path.name == "traffic-meter.log"


def test_a_reply_that_is_read_byte_by_byte_is_one_line(log: TrafficLog, link: logging.Logger, tmp_path: Path) -> None:
    log.write_to(tmp_path / "log")
    for byte in b"0PO\r\n0G":
        link.debug(READ, bytes([byte]))
    link.debug(WRITE, "0gs")
    assert [content for _, _, content in messages(tmp_path / "log")] == ["0PO\\r\\n", "0G", "0gs"]


def test_the_log_stays_below_its_bound_and_keeps_the_latest(
    log: TrafficLog, link: logging.Logger, tmp_path: Path
) -> None:
    path = tmp_path / "log.log"
    log.write_to(path)
    for number in range(1000):
        link.debug(WRITE, f"command {number}")
    assert {entry.name for entry in tmp_path.iterdir()} == {"log.log", "log.older.log"}
    assert path.stat().st_size <= 4000 and older(path).stat().st_size <= 4000
    kept = [content for file in (older(path), path) for _, _, content in messages(file)]
    assert kept == [f"command {number}" for number in range(1000 - len(kept), 1000)]
    assert 50 < len(kept) < 200
    assert path.read_text().startswith("# Goes on from log.older.log; what is older than that is gone.")


def test_after_the_block_nothing_is_logged(link: logging.Logger, tmp_path: Path) -> None:
    with logged_traffic(["meter"]) as logs:
        logs["meter"].write_to(tmp_path / "log")
        assert link.isEnabledFor(logging.DEBUG)
    assert not link.isEnabledFor(logging.DEBUG)
    assert not any(isinstance(handler, TrafficLog) for handler in traffic_logger("meter").handlers)


def test_whoever_listens_hears_all_until_the_last_one_ends(link: logging.Logger) -> None:
    foreign = logging.NullHandler()  # of somebody who does not ask for more
    traffic_logger("meter").addHandler(foreign)
    first, second = listen_to("meter", logging.NullHandler()), listen_to("meter", logging.NullHandler())
    first()
    assert link.isEnabledFor(logging.DEBUG)
    second()
    assert not link.isEnabledFor(logging.DEBUG)
    traffic_logger("meter").removeHandler(foreign)


def test_a_file_that_cannot_be_made_is_told(log: TrafficLog, link: logging.Logger, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"traffic log .* cannot be written"):
        log.write_to(tmp_path / "no folder" / "log")
    link.debug(WRITE, "goes on")
    assert "ended early" in log.problem


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full disk here")  # noqa: PTH110
def test_a_full_disk_ends_the_log_and_nothing_else(log: TrafficLog, link: logging.Logger) -> None:
    with pytest.raises(StoreError):
        log.write_to(Path("/dev/full"))
    for _ in range(3):
        link.debug(WRITE, "goes on")
    assert "No space left" in log.problem


def test_a_clock_that_fails_ends_the_log_and_nothing_else(
    log: TrafficLog, link: logging.Logger, tmp_path: Path
) -> None:
    log.write_to(tmp_path / "log", lambda: 1 / 0)
    link.debug(WRITE, "goes on")
    assert "ended early" in log.problem


# ---- on the wire ----------------------------------------------------------------------------------------------------


def use(bench: Bench) -> float:
    """Exchange text and blocks with an instrument, and return the lab time afterwards."""
    station = bench.station
    station.driver("analyzer").resolution_bandwidth_hz = 1000.0
    station.digitizer.record()
    return station.clock.now()


def test_text_and_blocks_of_open_instruments_are_logged_and_lab_time_does_not_notice(tmp_path: Path) -> None:
    without = use(open_bench())
    with logged_traffic(["analyzer", "digitizer"]) as logs:
        bench = open_bench()
        for name, log in logs.items():
            log.write_to(tmp_path / log_name(name), bench.clock.now)
        assert use(bench) == without
    said = messages(tmp_path / "traffic-analyzer.log")
    assert said[0] == ("-", ">", "*IDN?")
    assert [content for _, direction, content in said if direction == ">" and content.startswith(":BAND")]
    blocks = [content for _, _, content in messages(tmp_path / "traffic-digitizer.log") if " bytes: " in content]
    assert len(blocks) == 4 and all(block.startswith("<65536 bytes: ") for block in blocks)
    times = [float(at) for at, _, _ in said if at != "-"]
    assert times == sorted(times) and times[-1] <= without
