"""The log: levels of rooms, lines that can be read by programs, bounded files, and secrets that never get in."""

from __future__ import annotations

import json
import logging
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from labctl import logs
from labctl.secrecy import HIDDEN, Redaction

CANARY = "canary-4f1e77c0"


def lines(log: logs.Log) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.path.read_text(encoding="utf-8").splitlines()]


def test_a_line_says_when_where_and_for_whom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs.surroundings, "who", lambda: "recipe")
    with logs.set_up(folder=tmp_path) as log, logs.in_run("run-7", lambda: 12.5):
        logging.getLogger("labctl.station.clock").info("the oven is %s", "warm", extra={"instrument": "oven"})
        (line,) = lines(log)
    assert line.pop("time").endswith("Z")
    assert line.pop("pid") == os.getpid()
    assert line == {
        "lab_s": 12.5,
        "level": "info",
        "room": "station",
        "logger": "labctl.station.clock",
        "message": "the oven is warm",
        "run": "run-7",
        "who": "recipe",
        "instrument": "oven",
        "thread": threading.current_thread().name,
    }


def test_rooms_have_levels_of_their_own_and_get_them_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(logs.LEVELS_VARIABLE, "station=debug,drivers=error")
    before = logging.getLogger("labctl.station").level
    with logs.set_up("bus=warning", folder=tmp_path) as log:
        for name in ("labctl.station.clock", "labctl.bus.server", "labctl.core.core", "drivers.srs", "procedures.x"):
            for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
                logging.getLogger(name).log(level, "x")
        told = [(line["room"], line["level"]) for line in lines(log)]
    assert [level for room, level in told if room == "station"] == ["debug", "info", "warning", "error"]
    assert [level for room, level in told if room == "bus"] == ["warning", "error"]
    assert [level for room, level in told if room == "core"] == ["info", "warning", "error"]
    assert [level for room, level in told if room == "drivers"] == ["error"]
    assert [level for room, level in told if room == "procedures"] == ["info", "warning", "error"]
    assert logging.getLogger("labctl.station").level == before
    assert logs.current is None


def test_a_level_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'station=loud' is no level of a log\. Write ROOM=LEVEL"):
        logs.levels_of("bus=info,station=loud")
    assert logs.levels_of("debug") == dict.fromkeys(("labctl", "drivers", "procedures"), logging.DEBUG)


def test_the_wire_costs_nothing_while_nobody_logs_it(tmp_path: Path) -> None:
    wire = logging.getLogger("labctl.traffic.analyzer.Adapter")
    with logs.set_up("debug", folder=tmp_path):
        assert not wire.isEnabledFor(logging.DEBUG)


def test_warnings_are_still_printed_and_those_of_libraries_with_a_handler_are_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quiet = logging.getLogger("labctl.quiet_one")
    quiet.addHandler(nothing := logging.NullHandler())
    with logs.set_up(folder=tmp_path):
        logging.getLogger("labctl.station").warning("the oven is cold")
        logging.getLogger("labctl.station").info("the oven is there")
        quiet.warning("nobody hears this")
    quiet.removeHandler(nothing)
    assert capsys.readouterr().err == "the oven is cold\n"


# ---- secrets --------------------------------------------------------------------------------------------------------

SECRETS = [
    f"http://operator:{CANARY}@rack.example:8080/x",
    f"https://{CANARY}@rack.example/x",
    f"TCPIP::operator:{CANARY}@10.0.0.5::INSTR",
    f"address = 'operator:{CANARY}@10.0.0.5'",
    f"http://operator:with@sign{CANARY}@rack.example",
    f"password={CANARY}",
    f"Password: {CANARY}",
    f"{{'api_key': '{CANARY}'}}",
    f'"access-key": "two words {CANARY}"',
    f"--token {CANARY}",
    f"RACK_KEY={CANARY}",
    f"MY_SECRET_2 = '{CANARY}'",
    f"Authorization: Bearer {CANARY}",
    f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}\n-----END RSA PRIVATE KEY-----",
    f"ghp_{CANARY.replace('-', '')}abcdefgh",
]


@pytest.mark.parametrize("text", SECRETS)
def test_what_looks_like_a_secret_is_hidden(text: str) -> None:
    cleaned = Redaction().clean(f"before {text} after")
    assert CANARY not in cleaned
    assert CANARY.replace("-", "") not in cleaned
    assert HIDDEN in cleaned
    assert cleaned.startswith("before ")


@pytest.mark.parametrize(
    "text",
    [
        "TCPIP::10.0.0.5::5025::SOCKET",
        "ASRL/dev/ttyUSB0::INSTR",
        "2026-01-02T03:04:05Z, 10:15:20, a@b",
        "the key of the rack",
        "labctl:lo1:state = locked",
        "servos.module_1.integral_gain = 3.5",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert Redaction().clean(text) == text


def test_no_canary_reaches_the_file_the_memory_or_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = f"{CANARY}\\with\"odd'\nletters"
    monkeypatch.setenv("LAB_RACK_TOKEN", CANARY)
    monkeypatch.setenv("LAB_ODD_PASSWORD", odd)
    log = logging.getLogger("labctl.station")
    with logs.set_up(secrets=["told-canary"], folder=tmp_path) as made:
        log.warning("message %s", f"x{CANARY}y")
        log.warning("argument %r", {"odd": odd, "bytes": CANARY.encode()})
        log.warning("told: told-canary")
        try:
            try:
                raise ValueError(f"inner {CANARY}")
            except ValueError as inner:
                raise RuntimeError(f"outer {odd!r}") from inner
        except RuntimeError:
            log.exception("failed", extra={"instrument": CANARY})
        log.warning("x" * (logs.LONGEST_MESSAGE - 4) + CANARY)
        written, kept = made.path.read_text(encoding="utf-8"), "\n".join(made.last.lines)
    printed = capsys.readouterr()
    for text in (written, kept, printed.out, printed.err):
        assert CANARY[:9] not in text
        assert "told-canary" not in text
    assert written.count(HIDDEN) >= 7
    assert "Traceback" in written
    assert "Traceback" not in printed.err


def test_long_texts_are_cleaned_in_a_moment() -> None:
    nasty = ["a.-" * 40_000, "A1_" * 40_000, "token" * 20_000, "::a" * 40_000 + "@", "://" * 30_000, "KEY" * 30_000]
    for text in nasty:
        Redaction().clean(text)  # quadratic patterns would meet the time-out of the test


# ---- bounds ---------------------------------------------------------------------------------------------------------


def test_files_stay_within_their_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MOST_BYTES", 4000)
    with logs.set_up(folder=tmp_path) as log:
        for number in range(200):
            logging.getLogger("labctl").info("line %d", number)
        last = lines(log)[-1]["message"]
    files = sorted(tmp_path.iterdir())
    assert len(files) == logs.KEPT_FILES
    assert max(path.stat().st_size for path in files) <= 4000
    assert last == "line 199"
    assert len(log.last.lines) == 200
    if os.name == "posix":
        assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_a_file_that_another_process_put_aside_is_left(tmp_path: Path) -> None:
    with logs.set_up(folder=tmp_path) as log:
        logging.getLogger("labctl").info("one")
        log.path.rename(tmp_path / "aside")
        logging.getLogger("labctl").info("two")
        assert [line["message"] for line in lines(log)] == ["two"]


def test_a_disk_that_fails_costs_lines_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    with logs.set_up(folder=tmp_path / "file" / "logs") as log:
        logging.getLogger("labctl").info("lost")
        assert log.dropped == 1
        assert "lost" in log.last.lines[-1]
    with logs.set_up(folder=tmp_path) as log:
        logging.getLogger("labctl").info("one")
        with monkeypatch.context() as patched:
            patched.setattr(logs.BoundedFile, "_open", lambda self: (_ for _ in ()).throw(OSError(28, "full")))
            log.file.handleError(logging.makeLogRecord({}))
            logging.getLogger("labctl").info("two")
        logging.getLogger("labctl").info("three")
        assert log.dropped == 2
        assert [line["message"] for line in lines(log)] == ["one", "three"]
    assert capsys.readouterr().err == ""


def test_what_cannot_be_formatted_is_dropped(tmp_path: Path) -> None:
    with logs.set_up(folder=tmp_path) as log:
        log.file.emit(logging.makeLogRecord({"msg": "%d", "args": ("no number",)}))
        assert log.dropped == 1
