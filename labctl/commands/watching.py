"""`labctl watch` and `labctl bus`: values and channels of a core, in a terminal."""

from __future__ import annotations

import fnmatch
import json
import math
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import Console

from labctl.bus import wire
from labctl.bus.client import BusClient
from labctl.bus.messages import ChannelRow, Severity
from labctl.bus.names import HEARTBEAT, TABLES
from labctl.commands.core_addresses import addresses_of
from labctl.commands.signals import on_signals

NAME: Final = "labctl watch"
SHOWN: Final = ("scalar", "state", "text")
SETTLED_S: Final = 1.0  # within which the present values have come
ARCHIVED: Final = ("scalar", "state")
ARCHIVE_PERIOD_S: Final = 1.0
NO_TIME: Final = "--:--:--.---"


def watch_values(pattern: str, connect: Sequence[str], once: bool) -> int:
    """Print values whose name fits `pattern`, as they change; return the exit status."""
    console = Console(soft_wrap=True, emoji=False)
    clients = [BusClient(address, NAME) for address in addresses_of(connect)]
    over = threading.Event()
    guard = threading.Lock()
    seen: dict[str, tuple[str, ...]] = {}

    def printer(name: str) -> Callable[[Any], None]:
        def show(value: Any) -> None:
            line = line_of(name, value)
            with guard:
                if seen.get(name) != line[1:]:
                    seen[name] = line[1:]
                    console.print("  ".join(line), highlight=False, markup=False)

        return show

    try:
        for client in clients:
            for row in channels_of(client):
                is_beat = row.name.endswith(HEARTBEAT) and "heartbeat" not in pattern  # ten times a second
                if row.form in SHOWN and fnmatch.fnmatchcase(row.name, pattern) and not is_beat:
                    client.monitor(row.name, printer(row.name))
        with on_signals(over.set):
            over.wait(SETTLED_S if once else None)
    finally:
        for client in clients:
            client.close()
    if not seen:
        console.print(f"No value of a core fits {pattern!r}; labctl bus --list shows what there is.", markup=False)
        return 1
    return 0


def line_of(name: str, value: Any) -> tuple[str, str, str]:
    """Return time, name and value with unit and alarm as text."""
    stamp = wire.stamped_at(value)
    at = NO_TIME if math.isnan(stamp) else datetime.fromtimestamp(stamp).strftime("%H:%M:%S.%f")[:-3]
    content = value["value"]
    if hasattr(content, "get") and "choices" in content:
        text = str(content["choices"][content["index"]])
    elif isinstance(content, float):
        text = f"{content:.6g} {value['display.units']}".strip()
    else:
        text = str(content)
    severity, message = Severity(value["alarm.severity"]), value["alarm.message"]
    alarm = f"  {severity.name} {message}".rstrip() if severity else ""
    return at, name, text + alarm


def channels_of(client: BusClient) -> tuple[ChannelRow, ...]:
    """Return all channels of a core. Raises `NoLink`."""
    return wire.decode_rows(ChannelRow, client.get(TABLES[ChannelRow]))


def list_bus(connect: Sequence[str], list_channels: bool, archiver: bool) -> int:
    """Print the cores, or the channels of each, or those for an archiver as the EPICS Archiver Appliance takes them;
    return the exit status."""
    console = Console(soft_wrap=True, emoji=False, markup=False, highlight=False)
    kept: list[dict[str, str]] = []
    for address in addresses_of(connect):
        if not (list_channels or archiver):
            console.print(str(address))
            continue
        client = BusClient(address, NAME)
        try:
            rows = channels_of(client)
        finally:
            client.close()
        if archiver:
            kept += [_archived(row) for row in rows if row.form in ARCHIVED and not row.name.endswith(HEARTBEAT)]
        else:
            console.print("\n".join((f"# {address}", *_lines(rows))))
    if archiver:
        console.print(json.dumps(kept, indent=1))
    return 0


def _archived(row: ChannelRow) -> dict[str, str]:
    return {"pv": f"pva://{row.name}", "samplingperiod": str(ARCHIVE_PERIOD_S), "samplingmethod": "MONITOR"}


def _lines(rows: Sequence[ChannelRow]) -> list[str]:
    """Return one line for each channel, its columns in line with those of the others."""
    cells = [(row.name, row.form, row.unit) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    texts = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells)
    return [f"{text}  {row.description}".rstrip() for text, row in zip(texts, rows, strict=True)]
