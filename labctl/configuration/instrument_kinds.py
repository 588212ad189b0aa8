"""The instruments that a station file can name: the driver of each, the roles it can fill, and what it has to offer.

Channel counts and voltages are those of the makers' data sheets. They bound what a station file may ask for; limits
that protect one particular table belong into the station file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

DriverName = Literal[
    "keysight-x-series",
    "newport-8742",
    "srs-sim900",
    "thorlabs-mdt693b",
    "meerstetter-tec",
    "redpitaya-4-input",
    "redpitaya-125-14",
    "rohde-schwarz-fsv",
    "thorlabs-mdt694b",
    "pfeiffer-tpg",
    "mks-937b",
    "thorlabs-ell14",
    "santec-tsl570",
    "keysight-33500",
    "thorlabs-pm100",
    "thorlabs-ted4015",
]


class Role(StrEnum):
    """What an instrument does on the table; the value is how a message calls it."""

    ANALYZER = "spectrum analyzer"
    PICOMOTOR = "picomotor"
    SERVO = "servo"
    PIEZO = "piezo driver"
    OVEN = "temperature controller"
    DIGITIZER = "digitizer"
    SCAN = "scan generator"
    SLOW_INPUT = "slow monitor"
    SLOW_OUTPUT = "slow output"
    DIGITAL_OUTPUT = "digital output"
    GAUGE = "vacuum gauge"
    ROTATOR = "rotator"
    TUNABLE_LASER = "tunable laser"
    TONE_SOURCE = "tone source"
    POWER_METER = "power meter"


@dataclass(frozen=True, slots=True)
class InstrumentKind:
    """What one driver's instrument can be on the table; `fast_inputs` counts its digitizer inputs.

    `channels` are those that roles can name; empty where every channel that a role can name is there, or the instrument
    has none.
    """

    roles: frozenset[Role]
    fast_inputs: int = 0
    channels: tuple[int | str, ...] = ()


INSTRUMENT_KINDS: Mapping[DriverName, InstrumentKind] = {
    "keysight-x-series": InstrumentKind(frozenset({Role.ANALYZER})),
    "newport-8742": InstrumentKind(frozenset({Role.PICOMOTOR})),
    "srs-sim900": InstrumentKind(frozenset({Role.SERVO})),
    "thorlabs-mdt693b": InstrumentKind(frozenset({Role.PIEZO})),
    "meerstetter-tec": InstrumentKind(frozenset({Role.OVEN})),
    # The board with four inputs has no fast output, so it cannot scan.
    "redpitaya-4-input": InstrumentKind(
        frozenset({Role.DIGITIZER, Role.SLOW_INPUT, Role.SLOW_OUTPUT, Role.DIGITAL_OUTPUT}), fast_inputs=4
    ),
    "redpitaya-125-14": InstrumentKind(
        frozenset({Role.DIGITIZER, Role.SCAN, Role.SLOW_INPUT, Role.SLOW_OUTPUT, Role.DIGITAL_OUTPUT}), fast_inputs=2
    ),
    "rohde-schwarz-fsv": InstrumentKind(frozenset({Role.ANALYZER})),
    "thorlabs-mdt694b": InstrumentKind(frozenset({Role.PIEZO}), channels=("x",)),
    "pfeiffer-tpg": InstrumentKind(frozenset({Role.GAUGE}), channels=(1, 2)),
    "mks-937b": InstrumentKind(frozenset({Role.GAUGE}), channels=(1, 2, 3, 4, 5, 6)),
    "thorlabs-ell14": InstrumentKind(frozenset({Role.ROTATOR})),
    "santec-tsl570": InstrumentKind(frozenset({Role.TUNABLE_LASER})),
    "keysight-33500": InstrumentKind(frozenset({Role.TONE_SOURCE}), channels=(1, 2)),
    "thorlabs-pm100": InstrumentKind(frozenset({Role.POWER_METER})),
    "thorlabs-ted4015": InstrumentKind(frozenset({Role.OVEN}), channels=(1,)),
}

SERVO_MODULE = "SIM960"
"""The module of a SIM900 mainframe that is a servo."""

SERVO_LIMIT_V = 10.0
"""A SIM960's output reaches from minus to plus this voltage."""

SLOW_OUTPUT_V = (0.0, 1.8)
"""A Red Pitaya's slow outputs reach from one to the other."""

HIGHEST_SOFTWARE_RATE_HZ = 1000.0
"""No wire answers twice within a millisecond."""

PIEZO_LIMIT_V = 150.0
"""An MDT693B's outputs reach from 0 V to this voltage."""

LASER_WAVELENGTHS_M = (1.24e-6, 1.68e-6)
"""The TSL-570 family tunes within these wavelengths; each unit has a part of them."""

LASER_POWERS_W = (3e-5, 0.02)
"""A TSL-570 takes powers within these."""

TONE_FREQUENCIES_HZ = (1e-6, 120e6)
"""The 33500 family makes sines within these frequencies; each model has a part of them."""

TONE_AMPLITUDES_V = (0.5e-3, 5.0)
"""A 33500 makes sines of these amplitudes, peak across 50 ohm."""

METER_WAVELENGTHS_M = (100e-9, 30e-6)
"""Heads of a PM100 see light of these wavelengths; each has a part of them."""
