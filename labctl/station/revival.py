"""Bring back instruments that were away: a pulled cable, a power cycle, a server that was restarted."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from drivers.base import Driver
from labctl.configuration.station_file import Instrument
from labctl.errors import LabError
from labctl.station.opening import require_model
from labctl.station.station import Station

PIEZO_TOLERANCE_V = 5.0  # read-backs are off by a volt or two


@dataclass(frozen=True)
class Revival:
    """What was found and done: one sentence each, who is still away, and whether anything was lost."""

    sentences: tuple[str, ...] = ()
    away: tuple[str, ...] = ()
    changed: bool = False

    def then(self, later: Revival) -> Revival:
        """Return this and a later look together."""
        fresh = tuple(sentence for sentence in later.sentences if sentence not in self.sentences)
        return Revival(self.sentences + fresh, later.away, self.changed or later.changed)


def revive(station: Station) -> Revival:
    """Reconnect every instrument that does not answer, and hold all settings against the ledger.

    Settings that move nothing are put back; outputs are not: the next step brings them up in order. Bindings start
    anew where anything changed. Never raises for a single instrument.
    """
    sentences: list[str] = []
    away: list[str] = []
    changed = False
    for health in station.health():
        driver = station.driver(health.name)
        if not health.answers:
            try:
                _reconnect(driver, station.file.instruments[health.name])
            except LabError as error:
                sentences.append(str(error))
                away.append(health.name)
                continue
            sentences.append(f"{health.name} answers again.")
            changed = True
        try:
            differences = station.ledger.differences(driver, put_back=True)
        except LabError as error:
            sentences.append(f"{health.name}: its settings cannot be compared: {error}")
            continue
        sentences += [str(difference) for difference in differences]
        changed = changed or bool(differences)
    lost = [] if away else _lost_outputs(station)
    changed = changed or bool(lost)
    if changed:
        station.rebind()
    return Revival((*sentences, *lost), tuple(away), changed)


def _lost_outputs(station: Station) -> list[str]:
    """Find piezos that are not where they were put: their set point cannot be read back, so the output is measured."""
    lost, amplifiers = [], set()
    for name, piezo in station.piezos.items():
        try:
            difference = piezo.missing_v()
        except LabError as error:
            lost.append(f"piezo {name} cannot be measured: {error}")
            continue
        if abs(difference) > PIEZO_TOLERANCE_V:
            lost.append(f"piezo {name} is {difference:+.1f} V from where it was put; it will be raised again.")
            piezo.forget()
            amplifiers.add(piezo.amplifier)
    for amplifier in amplifiers:
        with suppress(LabError):  # it is told already, and initialised if its power was cut
            amplifier.require_uninterrupted()
    return lost


def _reconnect(driver: Driver, instrument: Instrument) -> None:
    driver.reconnect()
    require_model(driver.name, instrument, driver.read_identity())
    driver.initialise()
