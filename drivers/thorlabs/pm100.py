"""Thorlabs PM100 power meters (PM100D, PM100USB, PM16 and kin): the driver of pymeasure, with its defects mended.

Mended: the constructor talks and warns; a wavelength beyond the sensor's range is clipped in silence and no set is
checked for errors; the sensor's text fields come through pymeasure only as failed casts to float; an overrange reads as
the number 9.9e37; a stored attenuation and a unit of dBm scale the power unseen.

Sources: pymeasure 0.16 `thorlabs.thorlabspm100usb`; Thorlabs PM100D operation manual, SCPI commands, pages 49 to 51.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pymeasure.instruments.thorlabs import ThorlabsPM100USB
from pymeasure.instruments.validators import strict_range

from drivers.errors import BadReply, InstrumentError
from drivers.pymeasure_backed import PlainConstructor, Withdrawn, corrected
from drivers.scpi import ScpiDriver
from drivers.scpi_properties import choice, number

WAVELENGTH_RANGE_M = (100e-9, 30e-6)  # of all sensors; each has a part of it
ATTENUATION_RANGE_DB = [-60.0, 60.0]

_NANO = 1e-9
_OVER_RANGE = 1e37
_SENSOR_QUERY = "SYST:SENS:IDN?"
_IS_POWER_SENSOR, _WAVELENGTH_SETTABLE = 1, 32  # bits of the flags, manual page 51
_NO_SENSOR = "no sensor"
_UNITS = ["W", "DBM"]


def _from_nanometres(nanometres: float) -> float:
    return nanometres * _NANO


@dataclass(frozen=True)
class Sensor:
    """The head that is plugged in, as it says itself."""

    name: str
    serial: str
    calibration: str
    flags: int

    @property
    def measures_power(self) -> bool:
        """Whether it is a power sensor."""
        return bool(self.flags & _IS_POWER_SENSOR)

    @property
    def wavelength_settable(self) -> bool:
        """Whether its response is corrected for the wavelength."""
        return bool(self.flags & _WAVELENGTH_SETTABLE)


class ThorlabsPM100(ScpiDriver, PlainConstructor, ThorlabsPM100USB):  # type: ignore[misc]
    """A power meter with one head, in SI units. A reading is that of the wavelength which the meter was told."""

    def __init__(self, adapter: Any, name: str = "Thorlabs PM100", **kwargs: Any) -> None:
        super().__init__(adapter, name, **kwargs)

    wavelength_min = corrected(
        ThorlabsPM100USB.wavelength_min,
        "Get the shortest wavelength of the sensor, in m (float).",
        get_process=_from_nanometres,
    )
    wavelength_max = corrected(
        ThorlabsPM100USB.wavelength_max,
        "Get the longest wavelength of the sensor, in m (float).",
        get_process=_from_nanometres,
    )
    power_unit = choice("SENS:POW:UNIT", "Control the unit of readings on the wire (str: DBM or W).", _UNITS)
    attenuation_db = number(
        "SENS:CORR:LOSS:INP:MAGN",
        "Control the attenuation in dB in front of the sensor that readings are corrected for "
        "(float strictly from -60 to 60).",
        ATTENUATION_RANGE_DB,
    )
    energy = Withdrawn("pulses are not measured here")

    @property
    def wavelength(self) -> float:
        """Control the wavelength in m that the response is corrected for (float strictly from 100e-9 to 30e-6).

        ValueError beyond the range of the sensor; nothing is clipped. Raises `Refused` by the instrument.
        """
        command = "SENS:CORR:WAV?"
        values = self.values(command, maxsplit=0)
        return float(values[0]) * _NANO

    @wavelength.setter
    def wavelength(self, metres: float) -> None:
        strict_range(metres, WAVELENGTH_RANGE_M)
        with self.transaction():
            strict_range(metres, (self.wavelength_min, self.wavelength_max))
            self.write(f"SENS:CORR:WAV {metres / _NANO:.12g}")
            self.check_set_errors()

    @property
    def power(self) -> float:
        """Measure the power in W, with `power_unit` W.

        Raises `InstrumentError` where the reading is over range.
        """
        command = "MEAS:POW?"
        watts = float(self.values(command, maxsplit=0)[0])
        if abs(watts) >= _OVER_RANGE:
            raise InstrumentError(
                self.name, "is over range", command=command, remedy="Attenuate the beam, or let the range be automatic."
            )
        return watts

    def read_sensor(self) -> Sensor:
        """Return what head is plugged in; raises `InstrumentError` where there is none."""
        reply = self.ask(_SENSOR_QUERY).strip()
        fields = [field.strip().strip('"') for field in reply.split(",")]
        if fields[0].lower() == _NO_SENSOR:
            raise InstrumentError(
                self.name, "has no sensor", command=_SENSOR_QUERY, remedy="Plug its head in, then open it again."
            )
        if len(fields) < 6 or not fields[-1].isdecimal():
            raise BadReply(self.name, "expected six fields about its sensor", command=_SENSOR_QUERY, reply=reply)
        return Sensor(fields[0], fields[1], ",".join(fields[2:-3]), int(fields[-1]))

    def initialise(self) -> None:
        """Empty the error queue, look what head is plugged in, and let readings be in W.

        Raises `InstrumentError` where there is no head, or one that measures no power.
        """
        with self._transaction:
            self.clear()
            sensor = self.read_sensor()
            if not sensor.measures_power:
                raise InstrumentError(
                    self.name, f"has the head {sensor.name}, which measures no power", remedy="Plug in a power head."
                )
            self.power_unit = "W"
