"""The slow readings of a table, and whether its instruments answer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from labctl.bus.messages import InstrumentRow, ReadingRow, Severity
from labctl.configuration.station_file import Oven
from labctl.errors import LabError
from labctl.station.roles import PressureState
from labctl.station.station import Station

READ_PERIOD_S: Final = 1.0  # of lab time
IDENTITY_PERIOD_S: Final = 10.0  # between two instruments that are asked who they are
VACUUM_LIMIT_PA: Final = 1.33e-4  # 1e-6 Torr: gas damps the membranes above


@dataclass(frozen=True)
class _Answer:
    answers: bool
    latency_s: float
    checked_at: float
    identity: str


class Environment:
    """Reads oven and gauges once a second of lab time, and asks one instrument after the other who it is.

    Everything is read in the thread of the clock's periodic tasks; rows may be taken from any thread.
    """

    def __init__(self, station: Station) -> None:
        self._station = station
        self._readings: dict[str, ReadingRow] = {}
        self._answers = {
            name: _Answer(True, math.nan, time.time(), str(answer.identity)) for name, answer in station.answers.items()
        }
        self._next = 0
        clock = station.clock
        self._registrations = [
            clock.every(READ_PERIOD_S, self._read, "slow readings"),
            clock.every(IDENTITY_PERIOD_S, self._ask_next, "instruments"),
        ]

    def stop(self) -> None:
        """Read no more."""
        for registration in self._registrations:
            registration.cancel()

    @property
    def readings(self) -> list[ReadingRow]:
        """Return the last slow readings."""
        return list(self._readings.values())

    @property
    def instruments(self) -> list[InstrumentRow]:
        """Return every instrument and how it answered last."""
        return [self._instrument(name) for name in self._station.file.instruments]

    def _read(self) -> None:
        file = self._station.file
        if file.oven is not None:
            target_c = self._oven_target_c(file.oven)
            low, high = target_c - file.oven.tolerance, target_c + file.oven.tolerance
            self._keep(
                ReadingRow("oven", "Oven", math.nan, "degC", math.nan, math.nan, 0, "", math.nan),
                lambda row: self._oven(row, low, high),
            )
        for name in file.gauges:
            row = ReadingRow(name, name.capitalize(), math.nan, "Pa", math.nan, VACUUM_LIMIT_PA, 0, "", math.nan)
            self._keep(row, self._gauge)

    def _keep(self, row: ReadingRow, read: Callable[[ReadingRow], ReadingRow]) -> None:
        try:
            self._readings[row.name] = replace(read(row), read_at=time.time())
        except LabError:
            before = self._readings.get(row.name, row)
            self._readings[row.name] = replace(before, state="no reply", severity=Severity.INVALID)

    def _oven_target_c(self, oven: Oven) -> float:
        """Return the target that was asked for last, else that of the station file."""
        asked = self._station.ledger.wanted(oven.instrument)
        targets = [value for path, value in asked.items() if path.endswith("target_temperature_c")]
        return float(targets[-1]) if targets else oven.target

    def _oven(self, row: ReadingRow, low: float, high: float) -> ReadingRow:
        oven = self._station.oven
        temperature_c = oven.temperature_c()
        if not oven.regulating():
            return replace(row, value=temperature_c, state="off")
        settled = low <= temperature_c <= high
        return replace(row, value=temperature_c, low=low, high=high, state="settled" if settled else "ramping")

    def _gauge(self, row: ReadingRow) -> ReadingRow:
        reading = self._station.gauges[row.name].read()
        pascal = math.nan if reading.pressure_pa is None else reading.pressure_pa
        return replace(row, value=pascal, state="" if reading.state is PressureState.VALID else str(reading.state))

    def _ask_next(self) -> None:
        names = list(self._station.file.instruments)
        if not names:
            return
        name = names[self._next % len(names)]
        self._next += 1
        health = self._station.health_of(name)
        known = self._answers.get(name)
        identity = known.identity if known is not None else ""
        self._answers[name] = _Answer(health.answers, health.latency_s, time.time(), identity)

    def _instrument(self, name: str) -> InstrumentRow:
        entry, answer = self._station.file.instruments[name], self._answers.get(name)
        driver = self._station.driver(name)
        error_at, error = driver.last_error
        return InstrumentRow(
            name=name,
            model=entry.model,
            driver=entry.driver,
            address=entry.address,
            identity="" if answer is None else answer.identity,
            answers=answer is not None and answer.answers,
            latency_s=math.nan if answer is None else answer.latency_s,
            last_error=error,
            last_error_at=error_at or math.nan,
            checked_at=math.nan if answer is None else answer.checked_at,
            messages=driver.exchanges,
        )
