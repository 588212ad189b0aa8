"""What a simulated X-series analyzer takes for a peak, and its peak table."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from labctl.simulation.analyzer_noise import FloatArray
from labctl.simulation.instruments.analyzer_markers import Screen
from labctl.simulation.instruments.analyzer_units import level
from labctl.simulation.scpi import ScpiInstrument
from labctl.simulation.scpi_syntax import DBM, DECIBELS, NOT_A_NUMBER, ScpiError

NO_PEAK_FOUND = 202
THRESHOLD_RANGE_DBM = (-200.0, 30.0)
LARGEST_EXCURSION_DB = 100.0
MOST_PEAKS = 20
_ROOT = ":CALCulate:MARKer<n>:PEAK"


class PeakCriteria:
    """Excursion and threshold of peaks, with the commands that set them; also whether the peak table is on.

    A search for the highest point pays no heed to them unless `same_criteria`.
    """

    def __init__(self, instrument: ScpiInstrument) -> None:
        self.preset()
        low, high = THRESHOLD_RANGE_DBM
        for node, name, least, most, units in (
            ("EXCursion", "excursion_db", 0.0, LARGEST_EXCURSION_DB, DECIBELS),
            ("THReshold", "threshold_dbm", low, high, DBM),
        ):
            get, set_ = self._setting(name)
            instrument.number(
                f"{_ROOT}:{node}", get, set_, minimum=least, maximum=most, units=units, form="{:.2f}".format
            )
        for node, name in (
            ("EXCursion:STATe", "excursion_on"),
            ("THReshold:STATe", "threshold_on"),
            ("TABLe[:STATe]", "table_on"),
        ):
            instrument.switch(f"{_ROOT}:{node}", *self._setting(name))
        for node, name, choices in (
            ("SEARch:MODE", "search_mode", ("MAXimum", "PARameter")),
            ("SORT", "sort", ("FREQuency", "AMPLitude")),
        ):
            instrument.choice(f"{_ROOT}:{node}", *self._setting(name), choices)

    def preset(self) -> None:
        """Return to 6 dB above -90 dBm, no table."""
        self.excursion_db, self.threshold_dbm = 6.0, -90.0
        self.excursion_on = self.threshold_on = True
        self.search_mode, self.sort = "MAX", "AMPL"
        self.table_on = False

    @property
    def same_criteria(self) -> bool:
        """Whether the search for the highest point also heeds excursion and threshold."""
        return self.search_mode == "PAR"

    def peaks(self, screen: Screen) -> list[int]:
        """Return the points of a trace that are peaks."""
        excursion = self.excursion_db if self.excursion_on else 0.0
        # A signal has to rise by the excursion above the threshold.
        least = self.threshold_dbm + excursion if self.threshold_on else -np.inf
        return screen.peaks(excursion, least)

    def refuse_table(self) -> None:
        """Raise ScpiError -221 while the table is off."""
        if not self.table_on:
            raise ScpiError(-221, "Settings conflict; peak table must be on")

    def table(self, screen: Screen, unit: str) -> FloatArray:
        """Return x and level in `unit` of the 20 highest peaks one after the other, in the order of the table.

        Without any peak it is one pair of not-a-numbers.
        """
        power = screen.power_w
        found = self.peaks(screen)
        if power is None or not found:
            return np.full(2, NOT_A_NUMBER)
        highest = sorted(found, key=lambda index: -power[index])[:MOST_PEAKS]
        order = sorted(highest) if self.sort == "FREQ" else highest
        return np.array([(screen.axis[index], level(power[index], unit)) for index in order]).ravel()

    def _setting(self, name: str) -> tuple[Callable[[], Any], Callable[[Any], None]]:
        return partial(getattr, self, name), partial(setattr, self, name)
