"""What is done with an instrument while its device has a fault and what tells it, and why other instruments cannot have
that fault. This is the one list of both."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from instruments_alone import ALONE, SWEEP, Operation, take_trace

from labctl.configuration.fault_kinds import FaultKind
from labctl.configuration.instrument_kinds import DriverName
from labctl.errors import BadReply, InstrumentError, NoReply, Refused
from labctl.simulation.instruments.meerstetter_tec import SENSOR_SHORT
from labctl.station.bindings.environment import MOTION_POLL_S, MOTION_POLLS
from labctl.station.bindings.light import TUNING_POLL_S, TUNING_POLLS
from labctl.station.roles import PressureState
from labctl.station.station import Station

WHY_NOT: Mapping[FaultKind, Mapping[str, tuple[DriverName, ...]]] = {
    FaultKind.BAD_CRC: {
        "its replies carry no checksum": (
            "keysight-x-series", "rohde-schwarz-fsv", "newport-8742", "srs-sim900", "thorlabs-mdt693b",
            "thorlabs-mdt694b", "thorlabs-ted4015", "redpitaya-4-input", "redpitaya-125-14", "thorlabs-ell14",
            "pfeiffer-tpg", "mks-937b", "santec-tsl570", "keysight-33500", "thorlabs-pm100",
        ),
    },
    FaultKind.BUSY: {
        "it takes commands while it is at work, and *OPC? or a register says so": (
            "keysight-x-series", "rohde-schwarz-fsv", "redpitaya-4-input", "redpitaya-125-14",
        ),
        "it answers at once": (
            "thorlabs-mdt693b", "thorlabs-mdt694b", "thorlabs-ted4015", "pfeiffer-tpg", "mks-937b", "keysight-33500",
            "thorlabs-pm100",
        ),
        "a module that is at work is silent, which is a fault of the wire": ("srs-sim900",),
        "what it refuses in motion has an error of its own, see `OTHER_FAULTS`": ("newport-8742",),
    },
    FaultKind.STUCK_MOTOR: {
        "it has no motor": (
            "keysight-x-series", "rohde-schwarz-fsv", "srs-sim900", "thorlabs-mdt693b", "thorlabs-mdt694b",
            "meerstetter-tec", "thorlabs-ted4015", "redpitaya-4-input", "redpitaya-125-14", "pfeiffer-tpg", "mks-937b",
            "keysight-33500", "thorlabs-pm100",
        ),
        "it tunes without an end, which is busy": ("santec-tsl570",),
    },
    FaultKind.RAILED_OUTPUT: {
        "it has no output that follows an input": (
            "keysight-x-series", "rohde-schwarz-fsv", "newport-8742", "redpitaya-4-input", "redpitaya-125-14",
            "thorlabs-ell14", "pfeiffer-tpg", "mks-937b", "santec-tsl570", "keysight-33500", "thorlabs-pm100",
        ),
        "it does not say when its output is at a limit": ("thorlabs-mdt693b", "thorlabs-mdt694b"),
        "it regulates on at its current limit, and the temperature shows it": ("meerstetter-tec", "thorlabs-ted4015"),
    },
    FaultKind.OPEN_SENSOR: {
        "it has no sensor on a cable": (
            "keysight-x-series", "rohde-schwarz-fsv", "newport-8742", "thorlabs-mdt693b", "thorlabs-mdt694b",
            "thorlabs-ell14", "santec-tsl570", "keysight-33500",
        ),
        "an open input is a voltage like any other": ("srs-sim900", "redpitaya-4-input", "redpitaya-125-14"),
        "without its head it is not opened": ("thorlabs-pm100",),
    },
    FaultKind.ERROR_FLOOD: {
        "its errors are bits of a register or one number, and have an end": (
            "srs-sim900", "meerstetter-tec", "pfeiffer-tpg",
        ),
        "an error is the reply to its command": (
            "thorlabs-mdt693b", "thorlabs-mdt694b", "thorlabs-ell14", "mks-937b",
        ),
    },
    FaultKind.SLOW_SWEEP: {
        "it does not sweep": tuple(
            alone.driver for alone in ALONE.values() if alone.driver not in ("keysight-x-series", "rohde-schwarz-fsv")
        ),
    },
}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """What is done while a fault lasts, and what tells it: an error of class `error` whose text has `words`, or `seen`
    of what the operation returned. `lab_s` is the longest lab time of it. `mend` is what a person does afterwards."""

    operate: Operation
    error: type[InstrumentError] | None = None
    words: str = ""
    seen: Callable[[Any], bool] = lambda result: False
    lab_s: float = 1.0
    mend: Operation = lambda station: None
    answers: bool = True


def nothing_but_the_queue(name: str) -> Operation:
    return lambda station: station.driver(name).check_errors()


def trace_in_time(station: Station) -> Any:
    station.analyzer.configure_sweep(SWEEP)
    station.analyzer.start()
    station.clock.sleep(1.5 * station.analyzer.duration_s())
    return station.analyzer.read_trace()


def reset_oven(station: Station) -> None:
    oven: Any = station.driver("oven")
    oven.gate_with(None)  # a person does it, at the controller
    oven.reset()
    oven.gate_with(station.gate)
    station.clock.sleep(3.0)
    oven.initialise()


def regulate(station: Station) -> bool:
    station.oven.set_target(26.0, 0.02)
    return station.oven.regulating()


def gauge_state(station: Station) -> PressureState:
    return station.gauges["chamber"].read().state


_ENDLESS = Cell(take_trace, BadReply, "reported 50 errors and did not stop.*Switch it off and on")
_LATE_SWEEP = Cell(trace_in_time, BadReply, "holds no sweep")
_STUCK_PICOMOTOR = Cell(
    lambda s: s.mirrors["sensor1"].move("pitch", 10),
    BadReply,
    "sensor1: the pitch motor never reported the end of its motion .*Check the motor and its cable",
    lab_s=1.1 * MOTION_POLLS * MOTION_POLL_S,
)
_MOTOR_QUEUE = Cell(
    lambda s: s.mirrors["sensor1"].move("pitch", 10), BadReply, "reports errors without end.*Switch it off and on"
)
_NO_PRESSURE = Cell(gauge_state, seen=lambda state: state is PressureState.SENSOR_ERROR)

CELLS: Mapping[tuple[str, FaultKind], Cell] = {
    ("X-series", FaultKind.ERROR_FLOOD): _ENDLESS,
    ("X-series", FaultKind.SLOW_SWEEP): _LATE_SWEEP,
    ("FSV", FaultKind.ERROR_FLOOD): _ENDLESS,
    ("FSV", FaultKind.SLOW_SWEEP): _LATE_SWEEP,
    ("8742", FaultKind.STUCK_MOTOR): _STUCK_PICOMOTOR,
    ("8742", FaultKind.ERROR_FLOOD): _MOTOR_QUEUE,
    ("8742 of a chain", FaultKind.STUCK_MOTOR): _STUCK_PICOMOTOR,
    ("8742 of a chain", FaultKind.ERROR_FLOOD): _MOTOR_QUEUE,
    ("SIM900 with SIM960", FaultKind.RAILED_OUTPUT): Cell(
        lambda s: s.servos["lo1"].state(), seen=lambda state: state.at_limit
    ),
    ("TEC", FaultKind.BAD_CRC): Cell(
        lambda s: s.oven.temperature_c(), BadReply, r"sent a wrong checksum after '\?VR03E801'", answers=False
    ),
    ("TEC", FaultKind.BUSY): Cell(
        lambda s: s.oven.temperature_c(), Refused, "parameter 1000 of channel 1: it is busy.*Try again", answers=False
    ),
    ("TEC", FaultKind.OPEN_SENSOR): Cell(
        nothing_but_the_queue("oven"),
        Refused,
        "outputs off: .*sensor open.*error 134, channel 1.* reset",
        mend=reset_oven,
    ),
    ("TED4015", FaultKind.OPEN_SENSOR): Cell(
        lambda s: s.oven.temperature_c(), BadReply, "gives no temperature.*sensor.*Check the sensor and its cable"
    ),
    ("TED4015", FaultKind.ERROR_FLOOD): Cell(regulate, BadReply, "reported 50 errors and did not stop"),
    ("Red Pitaya, four inputs", FaultKind.ERROR_FLOOD): Cell(
        lambda s: s.digitizer.record(), Refused, "refused after 'ACQ:.*'-200 Execution error; "
    ),
    ("Red Pitaya, two inputs", FaultKind.ERROR_FLOOD): Cell(
        lambda s: s.shutters["signal"].open(), Refused, "refused after 'DIG:PIN.*'-200 Execution error; "
    ),
    ("ELL14", FaultKind.BUSY): Cell(
        ALONE["ELL14"].operate,
        Refused,
        "rotator 0 did not do it: it is busy after '0.*Wait until it stands",
        answers=False,
    ),
    ("ELL14", FaultKind.STUCK_MOTOR): Cell(
        ALONE["ELL14"].operate, Refused, "mechanical timeout.*after '0(ma|ho).*check that it turns freely", lab_s=10.0
    ),
    ("TPG", FaultKind.OPEN_SENSOR): _NO_PRESSURE,
    ("937B", FaultKind.OPEN_SENSOR): _NO_PRESSURE,
    ("TSL-570", FaultKind.BUSY): Cell(
        ALONE["TSL-570"].operate,
        BadReply,
        "did not finish tuning within 60 s after .*front panel",
        lab_s=1.1 * TUNING_POLLS * TUNING_POLL_S,
    ),
    ("TSL-570", FaultKind.ERROR_FLOOD): Cell(ALONE["TSL-570"].operate, BadReply, "reported 50 errors and did not stop"),
    ("33500", FaultKind.ERROR_FLOOD): Cell(ALONE["33500"].operate, BadReply, "reported 50 errors and did not stop"),
    ("PM100", FaultKind.ERROR_FLOOD): Cell(ALONE["PM100"].operate, BadReply, "reported 50 errors and did not stop"),
}


# ---- faults that a station file does not name: switched on at the twin -----------------------------------------------


@dataclass(frozen=True)
class Other:
    """A fault that only a twin knows, and its end."""

    label: str
    begin: Callable[[Any], object]
    end: Callable[[Any], object]
    cell: Cell
    after: Operation | None = None


def _pull_element(twin: Any, connected: bool) -> None:
    twin.element_connected = connected


def _move_another(twin: Any) -> None:
    twin.on_bytes(b"2PR100000\r")


def _switch_slave_off(twin: Any, until_s: float) -> None:
    twin._units[1].booted_at = until_s


def _put_light(twin: Any, watts: float | None) -> None:
    twin._light._watts = lambda: 0.0 if watts is None else watts


OTHER_FAULTS: Mapping[str, Other] = {
    "a sensor that is short": Other(
        "TEC",
        lambda twin: twin.break_sensor(SENSOR_SHORT),
        lambda twin: twin.break_sensor(None),
        Cell(nothing_but_the_queue("oven"), Refused, "sensor short.*error 133", mend=reset_oven),
    ),
    "an element that is not connected": Other(
        "TED4015",
        lambda twin: _pull_element(twin, False),
        lambda twin: _pull_element(twin, True),
        Cell(
            lambda s: s.oven.set_target(26.0, 0.02),
            Refused,
            "keeps its output off: the thermoelectric element is not connected.*Remove the cause",
        ),
        after=regulate,
    ),
    "an output at its lower limit": Other(
        "SIM900 with SIM960",
        lambda twin: twin.modules[3].rail(False),
        lambda twin: twin.modules[3].rail(None),
        Cell(lambda s: s.servos["lo1"].state(), seen=lambda state: state.at_limit),
    ),
    "another motor of the controller in motion": Other(
        "8742",
        _move_another,
        lambda twin: twin.on_bytes(b"AB\r"),
        Cell(
            lambda s: s.driver("picomotors").controllers[1].axes[1].move_by(10),  # type: ignore[attr-defined]
            Refused,
            "controller 1 refused: axis 1: .*after '1PR10'.*wait until none is moving",
        ),
    ),
    "a slave that is switched off": Other(
        "8742 of a chain",
        lambda twin: _switch_slave_off(twin, math.inf),
        lambda twin: _switch_slave_off(twin, 0.0),
        Cell(lambda s: s.mirrors["sensor1"].move("pitch", 10), NoReply, "after '(2>|.IDN)", lab_s=3.0),
    ),
    "too much light": Other(
        "PM100",
        lambda twin: _put_light(twin, 1.0),
        lambda twin: _put_light(twin, 1e-6),
        Cell(ALONE["PM100"].operate, InstrumentError, "is over range after 'MEAS:POW.'.*Attenuate the beam"),
    ),
}
