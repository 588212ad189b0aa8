"""How a fault of the device gets into a simulated instrument, and out of it again."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from labctl.configuration.fault_kinds import FAULTS, FaultKind
from labctl.configuration.instrument_kinds import DriverName
from labctl.simulation.faults import Switch
from labctl.simulation.instruments.analyzer_sweeps import SweepingAnalyzer
from labctl.simulation.instruments.meerstetter_tec import SENSOR_OPEN, SimulatedTEC
from labctl.simulation.instruments.mks_937b import SimulatedMKS937B
from labctl.simulation.instruments.newport_8742 import SimulatedNewport8742
from labctl.simulation.instruments.pfeiffer_tpg import SimulatedTPG
from labctl.simulation.instruments.santec_tsl import SimulatedTSL570
from labctl.simulation.instruments.srs_sim900 import SimulatedSIM900
from labctl.simulation.instruments.srs_sim960 import SimulatedSIM960
from labctl.simulation.instruments.thorlabs_ell14 import SimulatedELL14Bus
from labctl.simulation.instruments.thorlabs_ted4015 import SimulatedTED4015
from labctl.simulation.scpi import ScpiInstrument

EXECUTION_ERROR = -200  # what a flooded SCPI error queue holds
SLOWNESS = 10.0  # how many times longer than it says a sweep takes

_DeviceSwitch = Callable[[Any, Sequence[str], bool], None]
"""Takes the instrument, the channels meant, and whether the fault begins."""


def _busy_controller(twin: SimulatedTEC, channels: Sequence[str], begins: bool) -> None:
    twin.be_busy(math.inf if begins else 0)


def _busy(twin: SimulatedELL14Bus | SimulatedTSL570, channels: Sequence[str], begins: bool) -> None:
    twin.stay_busy(begins)


def _stuck_picomotors(twin: SimulatedNewport8742, channels: Sequence[str], begins: bool) -> None:
    for channel in channels:
        controller, axis = channel.split(".")
        twin.jam(int(controller), int(axis), begins)


def _stuck_mounts(twin: SimulatedELL14Bus, channels: Sequence[str], begins: bool) -> None:
    for channel in channels:
        twin.jam(int(channel), begins)


def _railed_servos(twin: SimulatedSIM900, channels: Sequence[str], begins: bool) -> None:
    for channel in channels:
        module = twin.modules[int(channel)]
        assert isinstance(module, SimulatedSIM960)
        module.rail(True if begins else None)


def _open_sensors(twin: SimulatedTEC, channels: Sequence[str], begins: bool) -> None:
    for channel in channels:
        twin.break_sensor(SENSOR_OPEN if begins else None, int(channel))


def _open_sensor(twin: SimulatedTED4015, channels: Sequence[str], begins: bool) -> None:
    twin.sensor_connected = not begins
    twin.advance(twin.now())


def _open_gauges(twin: SimulatedTPG | SimulatedMKS937B, channels: Sequence[str], begins: bool) -> None:
    for channel in channels:
        twin.break_sensor(int(channel), begins)


def _error_flood(twin: ScpiInstrument, channels: Sequence[str], begins: bool) -> None:
    twin.flood_errors(EXECUTION_ERROR if begins else None)


def _error_flood_of_motors(twin: SimulatedNewport8742, channels: Sequence[str], begins: bool) -> None:
    twin.flood_errors(begins)


def _slow_sweep(twin: SweepingAnalyzer[Any], channels: Sequence[str], begins: bool) -> None:
    twin.slow_down(SLOWNESS if begins else 1.0)


_SCPI_DRIVERS: tuple[DriverName, ...] = (
    "keysight-x-series",
    "rohde-schwarz-fsv",
    "redpitaya-4-input",
    "redpitaya-125-14",
    "santec-tsl570",
    "keysight-33500",
    "thorlabs-pm100",
    "thorlabs-ted4015",
)

SWITCHES: Mapping[FaultKind, Mapping[DriverName, _DeviceSwitch]] = {
    FaultKind.BUSY: {"meerstetter-tec": _busy_controller, "thorlabs-ell14": _busy, "santec-tsl570": _busy},
    FaultKind.STUCK_MOTOR: {"newport-8742": _stuck_picomotors, "thorlabs-ell14": _stuck_mounts},
    FaultKind.RAILED_OUTPUT: {"srs-sim900": _railed_servos},
    FaultKind.OPEN_SENSOR: {
        "meerstetter-tec": _open_sensors,
        "thorlabs-ted4015": _open_sensor,
        "pfeiffer-tpg": _open_gauges,
        "mks-937b": _open_gauges,
    },
    FaultKind.ERROR_FLOOD: {
        **dict.fromkeys(_SCPI_DRIVERS, _error_flood),
        "newport-8742": _error_flood_of_motors,
    },
    FaultKind.SLOW_SWEEP: {"keysight-x-series": _slow_sweep, "rohde-schwarz-fsv": _slow_sweep},
}
"""The instruments that can have each fault of the device; those of `fault_kinds`, as a test checks."""


def switch_for(kind: FaultKind, driver: DriverName, channels: Sequence[str]) -> Switch | None:
    """Return what puts a fault into an instrument with this driver; None for a fault of the wire."""
    if kind not in SWITCHES:
        return None
    switch = SWITCHES[kind][driver]
    return partial(_switched, switch, tuple(channels) if FAULTS[kind].of_channel else ())


def _switched(switch: _DeviceSwitch, channels: Sequence[str], instrument: Any, begins: bool) -> None:
    switch(instrument, channels, begins)
