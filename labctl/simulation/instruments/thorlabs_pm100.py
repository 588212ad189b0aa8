"""Simulated Thorlabs PM100D power meter with one photodiode head, as on a raw socket: SCPI, LF both ways."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from labctl.simulation.ports import PowerPort
from labctl.simulation.scpi import Answer, Call, Later, ScpiInstrument, on
from labctl.simulation.scpi_syntax import DECIBELS
from labctl.simulation.wire import Timebase

READING_S = 3e-3  # one averaging count
OVER_RANGE = "9.90000000E+37"
LOWEST_W = 1e-15  # what a reading in dBm bottoms out at

IS_POWER_SENSOR, RESPONSE_SETTABLE, WAVELENGTH_SETTABLE, HAS_TEMPERATURE = 1, 16, 32, 256


@dataclass(frozen=True)
class Head:
    """A photodiode head: its range and its responsivity in A/W over wavelength in nm, straight between the points."""

    name: str = "S122C"
    serial: str = "140225301"
    calibration: str = "12-MAR-2024"
    wavelengths_nm: tuple[float, ...] = (700.0, 1000.0, 1300.0, 1550.0, 1800.0)
    responsivity_a_w: tuple[float, ...] = (0.15, 0.45, 0.75, 0.95, 0.10)
    highest_w: float = 0.04
    flags: int = IS_POWER_SENSOR | WAVELENGTH_SETTABLE | HAS_TEMPERATURE

    def responsivity(self, wavelength_nm: float) -> float:
        """Return the responsivity in A/W."""
        return float(np.interp(wavelength_nm, self.wavelengths_nm, self.responsivity_a_w))


class SimulatedPM100(ScpiInstrument):
    """A meter that looks at `light` through `head`; None is an empty socket.

    It turns the photocurrent into watts by the responsivity at the wavelength that it was *told*: a wrong one scales
    every reading. A stored attenuation does the same. It wakes up at 532 nm or the nearest that the head has.
    """

    def __init__(
        self,
        timebase: Timebase,
        light: PowerPort,
        head: Head | None = Head(),
        *,
        model: str = "PM100D",
        serial: str = "P0021010",
        firmware: str = "2.4.0",
    ) -> None:
        super().__init__(timebase)
        self.identity = f"Thorlabs,{model},{serial},{firmware}"
        self._light = light
        self._head = head
        self._attenuation_db = 0.0
        self._unit = "W"
        self._average_count = 1
        self._wavelength_nm = 532.0
        self.choice("[:SENSe]:POWer[:DC]:UNIT", lambda: self._unit, self._set_unit, ("W", "DBM"))
        self.number(
            "[:SENSe]:CORRection:LOSS[:INPut][:MAGNitude]",
            lambda: self._attenuation_db,
            self._set_attenuation,
            minimum=-60.0,
            maximum=60.0,
            default=0.0,
            units=DECIBELS,
            form="{:.6E}".format,
        )
        self.number(
            "[:SENSe]:AVERage[:COUNt]",
            lambda: self._average_count,
            self._set_average_count,
            minimum=1,
            maximum=3000,
            default=1,
            form="{:.0f}".format,
        )
        if head is not None:
            low, high = head.wavelengths_nm[0], head.wavelengths_nm[-1]
            self._wavelength_nm = min(max(self._wavelength_nm, low), high)
            self.number(
                "[:SENSe]:CORRection:WAVelength",
                lambda: self._wavelength_nm,
                self._set_wavelength,
                minimum=low,
                maximum=high,
                default=high,
                units={"NM": 1.0},
                form="{:.6E}".format,
            )

    def _set_unit(self, unit: str) -> None:
        self._unit = unit

    def _set_attenuation(self, decibels: float) -> None:
        self._attenuation_db = decibels

    def _set_average_count(self, count: float) -> None:
        self._average_count = round(count)

    def _set_wavelength(self, nanometres: float) -> None:
        self._wavelength_nm = round(nanometres, 1)

    @on(":SYSTem:SENSor:IDN?")
    def _describe_head(self, call: Call) -> Answer:
        head = self._head
        if head is None:
            return "no sensor,,,0,0,0"
        return f"{head.name},{head.serial},{head.calibration},1,18,{head.flags}"

    @on(":MEASure[:SCALar][:POWer]?")
    def _measure(self, call: Call) -> Answer:
        ready_at = self.now() + READING_S * self._average_count
        return Later(lambda: ready_at, self._reading)

    def _reading(self) -> str:
        if self._head is None:
            return OVER_RANGE
        incident_w = self._light.power_w()
        if incident_w > self._head.highest_w:
            return OVER_RANGE
        current_a = incident_w * self._head.responsivity(self._light.wavelength_m() * 1e9)
        watts = current_a / self._head.responsivity(self._wavelength_nm)
        watts *= 10 ** (self._attenuation_db / 10)
        value = watts if self._unit == "W" else 10 * math.log10(max(watts, LOWEST_W) / 1e-3)
        return f"{value:.8E}"
