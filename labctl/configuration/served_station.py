"""Station files for a table whose simulated instruments another process serves."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from labctl.configuration.extended_toml import EXTENDS
from labctl.errors import ConfigurationError

FIRST_LINE = "# Written by `labctl simulate`: the table below, at the addresses where its simulated instruments answer."


def write_served_station(path: Path, extended: Path, addresses: Mapping[str, str], speed: float) -> None:
    """Write a station file that is `extended` with these addresses, and lab time `speed` times as fast as real time.

    The file appears as a whole. One that this function wrote before is replaced; raises ConfigurationError for any
    other that is there, and where it cannot be written.
    """
    if not _is_ours_or_new(path):
        raise ConfigurationError(
            f"{path} is there already and was not written by labctl simulate; it was left as it is.",
            remedy="Give --write-station another name.",
        )
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_text(served_station_text(extended, addresses, speed), encoding="utf-8")
        aside.replace(path)
    except (OSError, ValueError) as error:
        with suppress(OSError, ValueError):
            aside.unlink()
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a path"
        raise ConfigurationError(f"{path} cannot be written: {reason}.", remedy="Give another file.") from None


def served_station_text(extended: Path, addresses: Mapping[str, str], speed: float) -> str:
    """Return the text of the file; `extended` is named by its whole path, so that the file may lie anywhere."""
    lines = [
        FIRST_LINE,
        f"{EXTENDS} = {_quoted(str(extended.resolve()))}",
        "",
        "[backend]",
        'kind = "visa"',
        'library = "@py"',
        f"speed = {speed!r}",
    ]
    for name, address in addresses.items():
        lines += ["", f"[instruments.{name}]", f"address = {_quoted(address)}"]
    return "\n".join(lines) + "\n"


def _is_ours_or_new(path: Path) -> bool:
    try:
        if path.exists() and not path.is_file():  # a pipe would keep who opens it waiting
            return False
        with path.open(encoding="utf-8") as file:
            return file.readline(len(FIRST_LINE) + 2).rstrip("\r\n") == FIRST_LINE
    except UnicodeDecodeError:
        return False
    except (OSError, ValueError):  # not there, or no path at all: writing will say so
        return not os.path.lexists(path)


def _quoted(text: str) -> str:
    """Return a TOML string; JSON's escapes are TOML's, but for the one character that JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
