"""What makes light or changes it without a motor: laser, tones of modulators, length scan, shutters and switches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from drivers.base import Driver
from labctl.configuration.station_file import StationFile, Tone
from labctl.station.gate import SWITCH, Rule, Rules
from labctl.station.limits import Limit

ROUNDING: Final = 1e-6  # relative, of what a generator says of itself
PEAKS: Final = 2.0  # volts from peak to peak for one volt peak
DAC_V: Final = 1.0  # of the length scan, peak
ON: Final = 1.0
NONE_V: Final = 0.0


def laser_rules(file: StationFile) -> Rules:
    """Return the rules of the tunable laser: wavelength in m, power in W."""
    laser = file.laser
    if laser is None:
        return
    key = "[laser] minimum_{0} and maximum_{0}"
    wavelength = Limit("laser", laser.minimum_wavelength, laser.maximum_wavelength, "m", key.format("wavelength"))
    power = Limit("laser", laser.minimum_power, laser.maximum_power, "W", key.format("power"))
    yield (laser.instrument, "wavelength_setpoint"), Rule(wavelength)
    yield (laser.instrument, "power_setpoint"), Rule(power)
    yield (laser.instrument, "output_enabled"), Rule(Limit("laser output", *SWITCH, "", "[laser]"))


def tone_rules(file: StationFile, drivers: Mapping[str, Driver]) -> Rules:
    """Return the rules of the tones: frequency in Hz, amplitude in V from peak to peak across 50 ohm, no offset; none
    is switched on with what the generator woke up with."""
    for name, tone in file.tones.items():
        key = f"[tones.{name}] minimum_{{0}} and maximum_{{0}}"
        amplitudes = (PEAKS * tone.minimum_amplitude, PEAKS * tone.maximum_amplitude)
        channel = f"ch_{tone.output}"
        limits = {
            "frequency": (tone.minimum_frequency, tone.maximum_frequency, "Hz", key.format("frequency")),
            "amplitude": (*amplitudes, "Vpp", key.format("amplitude")),
            "offset": (NONE_V, NONE_V, "V", f"[tones.{name}]"),
            "output": (*SWITCH, "", f"[tones.{name}]"),
        }
        for output, (low, high, unit, where) in limits.items():
            limit = Limit(f"{output} of tone {name}", low, high, unit, where)
            unless = _not_as_limited(drivers, tone, limits) if output == "output" else None
            yield (tone.instrument, f"{channel}.{output}"), Rule(limit, unless=unless)


def _not_as_limited(
    drivers: Mapping[str, Driver], tone: Tone, limits: Mapping[str, tuple[float, float, str, str]]
) -> Callable[[float], str]:
    """Return what says why a tone may not be switched on: what would come out is outside its limits."""

    def unless(on: float) -> str:
        generator: Any = drivers[tone.instrument]
        for setting in ("frequency", "amplitude") if on else ():
            low, high, unit, _ = limits[setting]
            value = float(getattr(generator.channels[tone.output], setting))
            if not low * (1.0 - ROUNDING) <= value <= high * (1.0 + ROUNDING):
                return f"its {setting} is {value:g} {unit}, outside {low:g} to {high:g} {unit}"
        return ""

    return unless


def scan_rules(file: StationFile) -> Rules:
    """Return the rules of the DAC that scans the length of the source: its peak voltage, around 0 V."""
    scan = file.scan
    if scan is None:
        return
    output = f"output_{scan.output}"
    yield (scan.instrument, f"{output}.amplitude"), Rule(Limit("length scan", 0.0, DAC_V, "V", "[scan] output"))
    yield (scan.instrument, f"{output}.offset"), Rule(Limit("offset of the length scan", NONE_V, NONE_V, "V", "[scan]"))
    yield (scan.instrument, f"{output}.on"), Rule(Limit("length scan", *SWITCH, "", "[scan]"))


def switch_rules(file: StationFile) -> Rules:
    """Return the rules of the pins of shutters and of the RF switch: outputs, and never made inputs again."""
    pins = [(entry.instrument, entry.pin, f"[shutters.{name}]") for name, entry in file.shutters.items()]
    if file.rf_switch is not None:
        pins += [(file.rf_switch.instrument, pin, "[rf_switch]") for pin in file.rf_switch.pins]
    for instrument, pin, key in pins:
        yield (instrument, f"pin_{pin}.level"), Rule(Limit(f"pin {pin}", *SWITCH, "", key))
        yield (instrument, f"pin_{pin}.direction"), Rule(Limit(f"direction of pin {pin}", ON, ON, "(1: output)", key))
