"""What interlocks look at: each condition is one reading over the wire, and what is bad about it in words."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, assert_never

from drivers.meerstetter.tec import MeerstetterTEC
from drivers.thorlabs.ted4015 import FAULTS, ThorlabsTED4015
from labctl.configuration.interlocks import (
    Interlock,
    LaserOffInterlock,
    LockLostInterlock,
    NoReplyInterlock,
    OvenInterlock,
    PowerInterlock,
    VacuumInterlock,
)
from labctl.errors import LabError
from labctl.station.bindings.environment import SlowMonitor
from labctl.station.bindings.light import METER_STEP_M
from labctl.station.roles import PressureState

if TYPE_CHECKING:
    from labctl.configuration.station_file import PowerMeter
    from labctl.station.station import Station

LoopState = Callable[[str], bool]
"""Whether a loop is as it should be: locked, on its way to its first lock, or wanted by nobody."""


@dataclass(frozen=True)
class Look:
    """One look at a condition: what is bad about it ("" where nothing is), the number that was read, and whether
    somebody did not answer."""

    problem: str = ""
    value: float = math.nan
    failed: bool = False

    @property
    def is_bad(self) -> bool:
        """Whether the condition of the interlock holds."""
        return bool(self.problem)


WELL = Look()


def look_at(station: Station, interlock: Interlock, loop_state: LoopState | None) -> Look:
    """Read what an interlock is about; a reading that fails is bad, whatever went wrong with it."""
    try:
        return _look(station, interlock, loop_state)
    except LabError as error:
        return Look(f"its reading fails: {error}", failed=True)
    except Exception as error:  # a defect of this program must not switch an interlock off
        return Look(f"its reading fails: unexpected {type(error).__name__}: {error}", failed=True)


def _look(station: Station, interlock: Interlock, loop_state: LoopState | None) -> Look:
    match interlock:
        case VacuumInterlock():
            return _vacuum(station, interlock)
        case OvenInterlock():
            return _oven(station, interlock)
        case LaserOffInterlock():
            return _laser_off(station, interlock)
        case PowerInterlock():
            return _power(station, interlock)
        case LockLostInterlock():
            is_lost = loop_state is not None and not loop_state(interlock.loop)
            return Look(f"the loop {interlock.loop} is lost or faulty") if is_lost else WELL
        case NoReplyInterlock():
            health = station.health_of(interlock.instrument)
            text = f"{interlock.instrument} does not answer ({health.problem})"
            return WELL if health.answers else Look(text, failed=True)
        case never:
            assert_never(never)


def _vacuum(station: Station, interlock: VacuumInterlock) -> Look:
    reading = station.gauges[interlock.gauge].read()
    if reading.state is PressureState.UNDER_RANGE:
        return WELL  # better than the gauge can tell
    if reading.pressure_pa is None:
        return Look(f"the gauge {interlock.gauge} says {reading.said or reading.state} in place of a pressure")
    if reading.pressure_pa > interlock.above:
        return Look(
            f"the gauge {interlock.gauge} reads {reading.pressure_pa:.3g} Pa, above {interlock.above:.3g} Pa",
            reading.pressure_pa,
        )
    return Look(value=reading.pressure_pa)


def _oven(station: Station, interlock: OvenInterlock) -> Look:
    assert station.file.oven is not None
    driver: Any = station.driver(station.file.oven.instrument)
    if isinstance(driver, MeerstetterTEC):
        driver.check_errors()  # raises what the controller complains of
    elif isinstance(driver, ThorlabsTED4015):
        found = driver.conditions
        if faults := [words for bit, words in FAULTS.items() if bit & found]:
            return Look(f"the oven's controller reports that {faults[0]}")
    now_c = station.oven.temperature_c()
    if not interlock.low <= now_c <= interlock.high:  # also where it is not a number
        return Look(
            f"the oven is at {now_c:.3f} degC, outside {interlock.low:g} degC to {interlock.high:g} degC", now_c
        )
    return Look(value=now_c)


def _laser_off(station: Station, interlock: LaserOffInterlock) -> Look:
    if not station.shutters[interlock.shutter].is_open():
        return WELL
    entry = station.file.monitors[interlock.monitor]
    # One of its own: that of the station may hold a value which was read ahead for a loop.
    volts = SlowMonitor(station.driver(entry.instrument), entry.input, entry.offset, entry.gain).volts()
    if volts < interlock.below:
        return Look(
            f"the monitor {interlock.monitor} reads {volts:.3g} V, below {interlock.below:.3g} V, although the shutter "
            f"{interlock.shutter} is open",
            volts,
        )
    return Look(value=volts)


def _power(station: Station, interlock: PowerInterlock) -> Look:
    entry = station.file.power_meters[interlock.meter]
    driver: Any = station.driver(entry.instrument)
    watts = float(driver.power)
    if not watts <= interlock.above and not _knows_its_light(driver, entry):
        return WELL  # what it reads means nothing
    if not watts <= interlock.above:
        return Look(f"the power meter {interlock.meter} reads {watts:.4g} W, above {interlock.above:.4g} W", watts)
    return Look(value=watts)


def _knows_its_light(driver: Any, entry: PowerMeter) -> bool:
    """Return whether a meter corrects for a wavelength of its entry, and reads watts."""
    lowest_m, highest_m = entry.minimum_wavelength - METER_STEP_M, entry.maximum_wavelength + METER_STEP_M
    is_within = lowest_m <= driver.wavelength <= highest_m
    return is_within and driver.power_unit == "W" and bool(driver.attenuation_db == entry.attenuation_db)
