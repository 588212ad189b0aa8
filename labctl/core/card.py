"""Where the cores of this machine are: a small file each, that goes with its process."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import platformdirs

from labctl.errors import LabError
from labctl.host.processes import lives

_KINDS = {"pid": int, "host": str, "port": int, "prefix": str, "station": str}


@dataclass(frozen=True)
class CoreCard:
    """A core on this machine: its process, where it listens, and the name of its station."""

    pid: int
    host: str
    port: int
    prefix: str
    station: str


def cards_folder() -> Path:
    """Return where the cards of this user's cores on this machine lie: a home may be shared by several machines."""
    return Path(platformdirs.user_state_dir("labctl", appauthor=False)) / "cores" / platform.node()


@contextmanager
def card_on_the_table(card: CoreCard) -> Iterator[None]:
    """Leave a card for the block; a folder that cannot be written costs only that others must be told the address."""
    path = cards_folder() / f"{card.pid}.json"
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(card)), encoding="utf-8")
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()


def cards() -> list[CoreCard]:
    """Return the cards of cores that live, the newest first; what is no card is left alone, one whose process is gone
    is taken away."""
    found: list[tuple[float, CoreCard]] = []
    with suppress(OSError):
        for path in cards_folder().glob("*.json"):
            with suppress(OSError, ValueError, RecursionError, LabError):
                card = _read(path)
                if lives(card.pid) is not False:  # None: nothing there asks a process without touching it
                    found.append((path.stat().st_mtime, card))
                else:
                    path.unlink()
    return [card for _, card in sorted(found, key=lambda item: -item[0])]


def _read(path: Path) -> CoreCard:
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or any(not isinstance(content.get(k), kind) for k, kind in _KINDS.items()):
        raise LabError(f"{path} is no card of a core.")
    return CoreCard(**{key: content[key] for key in _KINDS})
