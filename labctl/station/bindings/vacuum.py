"""Vacuum gauges: pressures in Pa, whatever unit the controller shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from drivers.mks.controller_937b import GaugeChannel, GaugeWord, Unit
from drivers.pfeiffer.tpg import Gauge as TpgGauge
from drivers.pfeiffer.tpg import GaugeStatus
from labctl.station.roles import PressureReading, PressureState

TORR_PA: Final = 101_325 / 760
UNITS_PA: Final[Mapping[Unit, float]] = {
    Unit.Torr: TORR_PA,
    Unit.mbar: 100.0,
    Unit.Pa: 1.0,
    Unit.uHg: 1e-3 * TORR_PA,
}

_STATES: Final[Mapping[GaugeWord, PressureState]] = {
    GaugeWord.UNDER_RANGE: PressureState.UNDER_RANGE,
    GaugeWord.OVER_RANGE: PressureState.OVER_RANGE,
    GaugeWord.OFF: PressureState.SENSOR_OFF,
    GaugeWord.STARTING: PressureState.SENSOR_OFF,
    GaugeWord.NO_GAUGE: PressureState.NO_SENSOR,
    GaugeWord.FAULT: PressureState.SENSOR_ERROR,
}

_TPG_STATES: Final[Mapping[GaugeStatus, PressureState]] = {
    GaugeStatus.OK: PressureState.VALID,
    GaugeStatus.UNDERRANGE: PressureState.UNDER_RANGE,
    GaugeStatus.OVERRANGE: PressureState.OVER_RANGE,
    GaugeStatus.SENSOR_ERROR: PressureState.SENSOR_ERROR,
    GaugeStatus.SENSOR_OFF: PressureState.SENSOR_OFF,
    GaugeStatus.NO_SENSOR: PressureState.NO_SENSOR,
    GaugeStatus.IDENTIFICATION_ERROR: PressureState.SENSOR_ERROR,
    GaugeStatus.GAUGE_ERROR: PressureState.SENSOR_ERROR,
}


class BoundTpgGauge:
    """The `Gauge` role on one gauge of a Pfeiffer TPG, whatever unit its display shows."""

    def __init__(self, name: str, gauge: TpgGauge) -> None:
        self.name = name
        self._gauge = gauge

    def read(self) -> PressureReading:
        """Return the pressure, or why there is none. Raises `Refused` where the display shows volts."""
        reading = self._gauge.measure()
        return PressureReading(_TPG_STATES[reading.status], reading.pressure_pa, reading.status.name)


class BoundMksGauge:
    """The `Gauge` role on one channel of an MKS 937B; asks the unit with every reading, since it is a key at the
    front."""

    def __init__(self, name: str, channel: GaugeChannel) -> None:
        self.name = name
        self._channel = channel

    def read(self) -> PressureReading:
        """Return the pressure, or why there is none; a capacitance gauge at or below zero is under range."""
        controller = self._channel.parent
        with controller.transaction():
            unit_pa = UNITS_PA[controller.unit]
            reply = self._channel.reading
        if reply.word is not None:
            return PressureReading(_STATES[reply.word], said=reply.text)
        if reply.pressure <= 0:
            return PressureReading(PressureState.UNDER_RANGE, said=reply.text)
        return PressureReading(PressureState.VALID, reply.pressure * unit_pa, reply.text)
