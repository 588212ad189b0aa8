"""The Python that labctl runs in: its version, its packages, how it writes text, and where its log is."""

from __future__ import annotations

import locale
import platform
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata, resources
from pathlib import Path

from labctl import logs
from labctl.doctor.findings import Check, Finding, Patient, Voice

GROUP = "environment"
OLDEST_PYTHON = (3, 11)
CONSTRAINTS = "constraints.txt"
OPTIONAL = {"PyQt5": "the screens", "pyqtgraph": "the plots of the screens"}
MOST_NAMED = 6


def checks() -> list[Check]:
    """Return the checks of this group."""
    return [
        Check(GROUP, "python", _python),
        Check(GROUP, "packages", _packages),
        Check(GROUP, "optional packages", _optional),
        Check(GROUP, "text", _text),
        Check(GROUP, "log", _log),
    ]


def known_good() -> dict[str, str]:
    """Return the versions that labctl was tested with by package; empty where they are not at hand."""
    packaged = resources.files("labctl.doctor") / CONSTRAINTS
    in_tree = Path(__file__).parents[2] / CONSTRAINTS
    for place in (packaged, in_tree):
        if place.is_file():
            lines = place.read_text(encoding="utf-8").splitlines()
            pins = (line.partition("==") for line in lines if "==" in line and not line.startswith("#"))
            return {name.strip(): version.strip() for name, _, version in pins}
    return {}


def _python(patient: Patient) -> Iterator[Finding]:
    say = Voice(GROUP, "python")
    text = f"Python {platform.python_version()} on {platform.system()} {platform.release()}."
    if sys.version_info[:2] < OLDEST_PYTHON:
        yield say.fault(text, "Install Python 3.11 or newer.")
    elif platform.python_implementation() != "CPython":
        yield say.warning(text, "labctl was tested with CPython only.")
    else:
        yield say.ok(text)


def _packages(patient: Patient) -> Iterator[Finding]:
    say = Voice(GROUP, "packages")
    pins = known_good()
    if not pins:
        yield say.warning("The list of versions that were tested is not there.", "Install labctl anew.")
        return
    needed = _needed_by("labctl")
    missing, others, same = [], [], 0
    for name, tested in pins.items():
        try:
            there = metadata.version(name)
        except metadata.PackageNotFoundError:
            if name.lower() in needed:
                missing.append(name)
            continue
        if there == tested:
            same += 1
        else:
            others.append(f"{name} {there} (tested: {tested})")
    if missing:
        yield say.fault(f"Not installed: {_some(missing)}.", f"Install them: pip install -c {CONSTRAINTS} labctl")
    if others:
        yield say.warning(
            f"Not as tested: {_some(others)}.", f"Install what was tested: pip install -c {CONSTRAINTS} labctl"
        )
    if not missing and not others:
        yield say.ok(f"{same} packages, all as tested.")


def _optional(patient: Patient) -> Iterator[Finding]:
    say = Voice(GROUP, "optional packages")
    missing = [name for name in OPTIONAL if not _is_installed(name)]
    if missing:
        yield say.warning(f"Without {_some(missing)} this machine shows no screens.", "pip install 'labctl[gui]'")
    else:
        yield say.ok(f"{', '.join(OPTIONAL)} are there.")


def _text(patient: Patient) -> Iterator[Finding]:
    say = Voice(GROUP, "text")
    preferred = locale.getpreferredencoding(False)
    names = f"Files are written as {preferred}, file names as {sys.getfilesystemencoding()}."
    if "utf" in preferred.lower() and "utf" in sys.getfilesystemencoding().lower():
        yield say.ok(names)
    else:
        yield say.warning(names, "Set LANG=C.UTF-8, or PYTHONUTF8=1, so that other programs read the same letters.")


def _log(patient: Patient) -> Iterator[Finding]:
    say = Voice(GROUP, "log")
    current = logs.current
    if current is None:
        yield say.ok(f"{logs.log_folder() / logs.FILE_NAME}")
    elif current.dropped:
        yield say.warning(
            f"{current.dropped} lines could not be written to {current.path}.",
            f"Make room or give rights there, or name another folder in {logs.FOLDER_VARIABLE}.",
        )
    else:
        yield say.ok(f"{current.path}")


def _needed_by(package: str) -> set[str]:
    """Return what a package needs without any extra, in small letters."""
    try:
        lines = metadata.requires(package) or []
    except metadata.PackageNotFoundError:
        return set()
    plain = (line for line in lines if "extra ==" not in line)
    return {line.partition(";")[0].strip().rstrip("0123456789.,<>=!~* ").lower() for line in plain}


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - MOST_NAMED} more" if len(listed) > MOST_NAMED else ""
    return ", ".join(listed[:MOST_NAMED]) + more
