"""What is written when a command ends by a defect or is aborted in the middle of its work: one file to send.

It holds no secrets: every text goes through the same redaction as the log, and addresses lose their user:pass.
"""

from __future__ import annotations

import io
import json
import os
import platform
import shutil
import sys
import tempfile
import threading
import traceback
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Final

import platformdirs

from labctl import last_words, logs
from labctl.host.private_files import new_private_file, private_folder
from labctl.secrecy import Redaction

FOLDER_VARIABLE: Final = "LABCTL_CRASH_FOLDER"
BEGINNING: Final = "labctl-crash-"
MOST_REPORTS: Final = 20  # in the folder; the oldest go
MOST_CHARACTERS: Final = 500_000  # of one entry
MOST_VARIABLES: Final = ("LABCTL_", "EPICS_", "LANG", "LC_", "TZ", "QT_", "NUMBA_", "OMP_", "PYTHON", "VIRTUAL_ENV")


def crash_folder() -> Path:
    """Return where crash reports lie: in the state folder of the user; LABCTL_CRASH_FOLDER names another one."""
    given = os.environ.get(FOLDER_VARIABLE)
    return Path(given) if given else Path(platformdirs.user_state_dir("labctl", appauthor=False)) / "crashes"


def crash_reports(folder: Path | None = None) -> list[Path]:
    """Return the reports that lie about, oldest first."""
    with suppress(OSError):
        found = (folder or crash_folder()).glob(f"{BEGINNING}*.zip")
        return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))
    return []


def report_crash(error: BaseException, arguments: Sequence[str], folder: Path | None = None) -> Path | None:
    """Write a report of `error` and return where it is; None where nothing can be written, not even among temporary
    files. Never raises."""
    with suppress(Exception):
        content = _zipped(_entries(error, arguments))
        name = f"{BEGINNING}{datetime.now(UTC):%Y%m%dT%H%M%S-%fZ}-{os.getpid()}.zip"
        for place in (folder or crash_folder(), Path(tempfile.gettempdir())):
            with suppress(OSError):
                private_folder(place)
                path = _unused(place / name)
                with new_private_file(path) as file:
                    file.write(content)
                _remove_oldest(place)
                return path
    return None


def crash_sentence(error: BaseException, path: Path | None, *, aborted: bool = False) -> str:
    """Return the one sentence for the operator: what happened, how the table is, and where the report is."""
    redaction = logs.current.redaction if logs.current is not None else Redaction.of_environment()
    what = "aborted." if aborted else f"unexpected {type(error).__name__}: {redaction.clean(str(error))}. A defect."
    where = "No report could be written." if path is None else f"Report: {path}"
    return f"labctl: {what} {last_words.table.sentence()} {where}"


def _entries(error: BaseException, arguments: Sequence[str]) -> dict[str, Callable[[], str]]:
    """Return what the report holds, by file name; each is made by itself, and one that fails says so."""
    entries: dict[str, Callable[[], str]] = {
        "summary.txt": lambda: _summary(error, arguments),
        "traceback.txt": lambda: "".join(traceback.format_exception(error)),
        "threads.txt": _threads,
        "versions.txt": _versions,
        "environment.txt": _environment,
        "disk.txt": _disk,
        "log.jsonl": lambda: "\n".join(logs.current.last.lines) if logs.current is not None else "",
        "station.txt": lambda: _station_files(arguments),
    }
    for name, told in last_words.all_told().items():
        entries[f"{name}.txt"] = lambda told=told: told  # type: ignore[misc]
    with suppress(Exception):
        from labctl.station.recent_traffic import all_recent_traffic

        for instrument, lines in all_recent_traffic().items():
            entries[f"traffic/{_file_name(instrument)}.txt"] = lambda lines=lines: "\n".join(lines)  # type: ignore[misc]
    return entries


def _zipped(entries: dict[str, Callable[[], str]]) -> bytes:
    redaction = logs.current.redaction if logs.current is not None else Redaction.of_environment()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, make in entries.items():
            try:
                text = make()
            except Exception as failed:  # one part that cannot be told is no reason to lose the others
                text = f"could not be told ({type(failed).__name__}: {failed})"
            zipped.writestr(name, redaction.clean(text)[-MOST_CHARACTERS:])
    return file.getvalue()


def _summary(error: BaseException, arguments: Sequence[str]) -> str:
    lines = [
        f"time (UTC)    {datetime.now(UTC).isoformat()}",
        f"command line  {' '.join(map(repr, arguments))}",
        f"error         {type(error).__name__}: {error}",
        f"run           {logs.surroundings.run or logs.surroundings.last_run or 'none'}",
        f"table         {last_words.table.sentence()}",
        f"log           {logs.current.path if logs.current is not None else 'none'}",
        f"dropped lines {logs.current.dropped if logs.current is not None else 0}",
        f"folder        {Path.cwd()}",
    ]
    return "\n".join(lines)


def _threads() -> str:
    frames = sys._current_frames()
    told = []
    for thread in threading.enumerate():
        frame = frames.get(thread.ident or 0)
        stack = "".join(traceback.format_stack(frame)) if frame is not None else "no stack\n"
        told.append(f"{thread.name}{' (daemon)' if thread.daemon else ''}\n{stack}")
    return "\n".join(told)


def _versions() -> str:
    packages = sorted({f"{one.name}=={one.version}" for one in metadata.distributions() if one.name}, key=str.lower)
    system = f"{platform.platform()}, {platform.machine()}, {os.cpu_count()} processors"
    return "\n".join([f"Python {sys.version}", system, *packages])


def _environment() -> str:
    """Return the variables that matter here; all others are nobody's business."""
    chosen = {name: value for name, value in sorted(os.environ.items()) if name.startswith(MOST_VARIABLES)}
    return json.dumps(chosen, indent=1)


def _disk() -> str:
    lines = []
    for place in dict.fromkeys((Path.cwd(), crash_folder().parent, Path(tempfile.gettempdir()))):
        with suppress(OSError):
            usage = shutil.disk_usage(place)
            lines.append(f"{place}: {usage.free / 2**30:.2f} GiB free of {usage.total / 2**30:.2f} GiB")
    return "\n".join(lines)


def _station_files(arguments: Sequence[str]) -> str:
    """Return the TOML files that the command line names."""
    named = [Path(word.partition("=")[2] or word) for word in arguments if word.endswith(".toml")]
    return "\n\n".join(f"# {path}\n{path.read_text(encoding='utf-8', errors='replace')}" for path in named)


def _unused(path: Path) -> Path:
    number = 1
    found = path
    while found.exists():
        number += 1
        found = path.with_stem(f"{path.stem}-{number}")
    return found


def _remove_oldest(folder: Path) -> None:
    for path in crash_reports(folder)[:-MOST_REPORTS]:
        with suppress(OSError):
            path.unlink()


def _file_name(text: str) -> str:
    return "".join(character if character.isalnum() or character in "-_" else "_" for character in text)
