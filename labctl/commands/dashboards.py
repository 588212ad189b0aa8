"""`labctl dashboard`: the operator's screen, and a core for it where none runs."""

from __future__ import annotations

import getpass
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from labctl.bus.client import CoreAddress
from labctl.commands.core_addresses import address_of, local_cores
from labctl.core.card import cards, cards_folder
from labctl.dashboard.look import THEMES
from labctl.errors import ConfigurationError, LabError

if TYPE_CHECKING:
    from labctl.dashboard.core_link import CoreLink

STARTS_WITHIN_S: Final = 30.0  # a core, with all its instruments
LOG_SHOWN: Final = 600  # characters of what a core said that did not start


def open_dashboard(connect: Sequence[str], station: Path | None, wall: bool, theme: str) -> int:
    """Show the screen until it is closed; return the exit status. Raises `LabError` where no window can be shown."""
    if theme not in THEMES:
        raise ConfigurationError(f"There is no theme {theme!r}.", remedy=f"There are {', '.join(THEMES)}.")
    addresses = [CoreAddress.parse(text) for text in connect] or local_cores()
    from labctl.dashboard.system_libraries import check_system_libraries

    check_system_libraries()
    from labctl.dashboard.application import run_dashboard
    from labctl.dashboard.core_link import CoreLink
    from labctl.dashboard.pages import all_pages

    screen = f"{getpass.getuser()}@{platform.node()}:{os.getpid()}"[:64]

    def linked(address: CoreAddress) -> CoreLink:
        return CoreLink(address, screen)

    if station is not None and not addresses:
        addresses = [start_core(str(station))]
    return run_dashboard(
        [linked(address) for address in addresses],
        all_pages,
        wall=wall,
        theme=theme,
        start_core=lambda path: linked(start_core(path)),
        connect=lambda text: linked(CoreAddress.parse(text)),
        why_none="No core runs on this machine.",
    )


def start_core(station: str) -> CoreAddress:
    """Start a core of its own, which goes on when this program ends, and return where it is; "" is the simulated table.

    Raises `LabError` with what it said where it does not come up.
    """
    if station:
        from labctl.configuration.toml_reading import load_station  # a screen that only attaches is up sooner without

        load_station(Path(station))  # a fault of the file is told here
    log = cards_folder() / f"started-{os.getpid()}-{time.time_ns()}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "labctl", "serve", *([station] if station else [])]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    wait, began_at = threading.Event(), time.monotonic()
    while time.monotonic() - began_at < STARTS_WITHIN_S and process.poll() is None:
        for card in cards():
            if card.pid == process.pid:
                log.unlink(missing_ok=True)
                return address_of(card)
        wait.wait(0.1)
    process.terminate()  # what comes up too late would hold the instruments unseen
    said = log.read_text(encoding="utf-8", errors="replace").strip()[-LOG_SHOWN:]
    raise LabError(f"The core did not start: {said or 'it said nothing.'}", remedy=f"Its log is {log}.")
