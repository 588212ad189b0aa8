"""`labctl talk`: one raw command to one instrument."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from labctl.commands.stations import default_station
from labctl.configuration.fault_arguments import with_faults
from labctl.configuration.station_file import StationFile
from labctl.configuration.toml_reading import load_station
from labctl.errors import ConfigurationError, LimitError, Refused
from labctl.station.asking import asking
from labctl.station.bring_up import Link, ask_instruments, link_to
from labctl.station.gate import OutputGate
from labctl.station.opening import require_all
from labctl.station.output_rules import output_rules
from labctl.station.right_of_way import RightOfWay
from labctl.station.table_hold import Intent, table_held
from labctl.station.traffic import logged_traffic


def talk_to(
    instrument: str, command: str, station: Path | None, write: bool, log: Path | None, faults: Sequence[str] = ()
) -> None:
    """Open the one instrument, send `command`, print the reply. What is no question needs `write`."""
    file = with_faults(load_station(station or default_station()), faults)
    if instrument not in file.instruments:
        raise ConfigurationError(
            f"There is no instrument {instrument!r}.", remedy=f"There are {', '.join(file.instruments)}."
        )
    link = link_to(file)
    alone = table_held(file, Intent.LOOK, [instrument])  # a write too is over at once
    with alone, logged_traffic([instrument] if log else [], most_bytes=None) as logs:
        if log is not None:
            logs[instrument].write_to(log, link.clock.now)
        _exchange(file, link, instrument, command, write)


def _unknown_servo_v(piezo: str) -> tuple[float, float]:
    raise LimitError(
        f"piezo {piezo}: what its servo adds is not known here, nor where it is; nothing was sent.",
        remedy="Move it by its loop.",
    )


def _exchange(file: StationFile, link: Link, instrument: str, command: str, write: bool) -> None:
    one = file.model_copy(update={"instruments": {instrument: file.instruments[instrument]}})
    driver = require_all(ask_instruments(one, link))[instrument]
    try:
        if driver.is_question(command):
            typer.echo(driver.ask(command))
            return
        if not write:
            raise Refused(instrument, "was sent nothing: that is no question", command=command, remedy="Add --write.")
        gate = OutputGate(link.clock, RightOfWay())
        gate.add(output_rules(file, {instrument: driver}, _unknown_servo_v))
        driver.gate_with(gate)
        with asking("labctl talk"):
            driver.write(command)
        for error in driver.check_errors():
            typer.echo(str(error), err=True)
    finally:
        driver.close()
