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
    DIGITAL_OUTPUT = "digital output"


@dataclass(frozen=True, slots=True)
class InstrumentKind:
    """What one driver's instrument can be on the table; `fast_inputs` counts its digitizer inputs."""

    roles: frozenset[Role]
    fast_inputs: int = 0


INSTRUMENT_KINDS: Mapping[DriverName, InstrumentKind] = {
    "keysight-x-series": InstrumentKind(frozenset({Role.ANALYZER})),
    "newport-8742": InstrumentKind(frozenset({Role.PICOMOTOR})),
    "srs-sim900": InstrumentKind(frozenset({Role.SERVO})),
    "thorlabs-mdt693b": InstrumentKind(frozenset({Role.PIEZO})),
    "meerstetter-tec": InstrumentKind(frozenset({Role.OVEN})),
    # The board with four inputs has no fast output, so it cannot scan.
    "redpitaya-4-input": InstrumentKind(
        frozenset({Role.DIGITIZER, Role.SLOW_INPUT, Role.DIGITAL_OUTPUT}), fast_inputs=4
    ),
    "redpitaya-125-14": InstrumentKind(
        frozenset({Role.DIGITIZER, Role.SCAN, Role.SLOW_INPUT, Role.DIGITAL_OUTPUT}), fast_inputs=2
    ),
}

SERVO_MODULE = "SIM960"
"""The module of a SIM900 mainframe that is a servo."""

SERVO_LIMIT_V = 10.0
"""A SIM960's output reaches from minus to plus this voltage."""

PIEZO_LIMIT_V = 150.0
"""An MDT693B's outputs reach from 0 V to this voltage."""
