"""What `labctl faults` says of every fault is what happens: the error, what a second try meets, and the way back."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from station_bench import Bench, open_bench, station_file
from test_station_more_instruments import MORE, SWAPPED, bench_with

from labctl.configuration.fault_kinds import EVERY_DRIVER, FAULTS, FaultKind, Recovery
from labctl.errors import BadReply, LabError, Refused
from labctl.locks.homodyne import HomodyneLock
from labctl.simulation.analog_servo import AnalogServo
from labctl.simulation.faults import LATE_S
from labctl.station.bring_up import ask_instruments, link_to
from labctl.station.revival import revive
from labctl.station.roles import PressureState
from labctl.station.station import Station
from procedures.traces import sweep

SWEEP = sweep(4.3e6, 4000.0, 100.0, 100.0, 2)
FRINGE_V, FRINGE_V_PI = 1.0, 1.0

Operation = Callable[[Station], object]


def trace_in_time(station: Station) -> None:
    """Take a trace and read it when the analyzer said that it would be complete."""
    station.analyzer.configure_sweep(SWEEP)
    promised_s = station.analyzer.duration_s()
    station.analyzer.start()
    station.clock.sleep(1.5 * promised_s)
    assert np.all(np.isfinite(station.analyzer.read_trace()))


def oven_without_errors(station: Station) -> None:
    station.driver("oven").check_errors()


# One operation of one instrument for every fault that can come while a station is open.
EXAMPLES: dict[FaultKind, tuple[str, Operation]] = {
    FaultKind.SILENT: ("piezo_a", lambda s: s.piezos["lo1"].ramp_to(5.0)),
    FaultKind.GARBAGE: ("servos", lambda s: s.servos["lo1"].output_v()),
    FaultKind.LATE: ("digitizer", lambda s: s.digitizer.record()),
    FaultKind.TRUNCATED: ("scan", lambda s: s.shutters["signal"].open()),
    FaultKind.CORRUPT: ("oven", lambda s: s.oven.temperature_c()),
    FaultKind.DROPPED: ("picomotors", lambda s: s.mirrors["sensor1"].move("pitch", 10)),
    FaultKind.POWER_CYCLE: ("analyzer", lambda s: s.analyzer.configure_sweep(SWEEP)),
    FaultKind.BAD_CRC: ("oven", lambda s: s.oven.temperature_c()),
    FaultKind.BUSY: ("oven", lambda s: s.oven.temperature_c()),
    FaultKind.STUCK_MOTOR: ("picomotors", lambda s: s.mirrors["sensor3"].move("yaw", 10)),
    FaultKind.OPEN_SENSOR: ("oven", oven_without_errors),
    FaultKind.ERROR_FLOOD: ("analyzer", lambda s: s.analyzer.configure_sweep(SWEEP)),
    FaultKind.SLOW_SWEEP: ("analyzer", trace_in_time),
}
AT_OPENING = (FaultKind.MISSING, FaultKind.WRONG_MODEL)
BY_CHANCE = (FaultKind.CORRUPT,)  # which bit is flipped decides between the listed errors


def error_of(operation: Operation, station: Station) -> LabError:
    with pytest.raises(LabError) as raised:
        operation(station)
    return raised.value


def check_error(kind: FaultKind, error: LabError, instrument: str) -> None:
    listed = FAULTS[kind].errors
    assert type(error) in (listed if kind in BY_CHANCE else listed[:1])
    named = (instrument, "sensor3") if kind is FaultKind.STUCK_MOTOR else (instrument,)
    assert str(error).startswith(named)
    assert len(str(error).splitlines()) == 1


def mend(kind: FaultKind, station: Station) -> None:
    """Do what the list says that a person has to do when the cause is gone."""
    if kind is FaultKind.OPEN_SENSOR:
        assert type(error_of(oven_without_errors, station)) is Refused, "the error outlives its cause"
        oven = station.driver("oven")
        oven.gate_with(None)  # a person does it, at the controller
        oven.reset()
        oven.gate_with(station.gate)
        station.clock.sleep(3.0)
        oven.initialise()


@pytest.mark.parametrize("kind", EXAMPLES)
def test_what_is_listed_is_what_happens(kind: FaultKind) -> None:
    bench = open_bench()
    station, (instrument, operation) = bench.station, EXAMPLES[kind]
    operation(station)
    fault = bench.simulation.inject(instrument, kind)
    check_error(kind, error_of(operation, station), instrument)
    recovery = FAULTS[kind].recovery
    if recovery is not Recovery.RETRIED:
        check_error(kind, error_of(operation, station), instrument)
    fault.end()
    if kind is FaultKind.LATE:
        bench.clock.sleep(LATE_S)  # replies keep their order: what comes next comes after the late ones
    if recovery is Recovery.RECONNECTED:
        check_error(kind, error_of(operation, station), instrument)
        revival = revive(station)
        assert revival.away == ()
        assert f"{instrument} answers again." in revival.sentences
    mend(kind, station)
    operation(station)


@pytest.mark.parametrize("kind", AT_OPENING)
def test_what_is_listed_happens_at_the_opening(kind: FaultKind) -> None:
    file = station_file([{"instrument": "analyzer", "kind": str(kind)}])
    failed = {name: answer.error for name, answer in ask_instruments(file, link_to(file)).items() if answer.error}
    assert list(failed) == ["analyzer"]
    check_error(kind, failed["analyzer"], "analyzer")
    assert FAULTS[kind].recovery is Recovery.REPORTED


class Fringe:
    """A steady fringe at the measure input of a servo, and the monitor that shows it; a dark table has none."""

    def __init__(self, servo: AnalogServo) -> None:
        self._servo = servo
        servo._plant = self.volts_at

    def volts_at(self, output_v: float) -> float:
        return FRINGE_V * math.cos(math.pi * output_v / FRINGE_V_PI)

    def volts(self) -> float:
        return self.volts_at(self._servo.output_volts())


def test_a_railed_servo_is_no_lock() -> None:
    bench = open_bench()
    fringe = Fringe(bench.servo("lo1"))
    lock = HomodyneLock("lo1", bench.station.servos["lo1"], fringe, bench.clock, quadrature=1, unity_gain_hz=1e3)
    assert lock.acquire().locked
    fault = bench.simulation.inject("servos", "railed_output", channel=3)
    with pytest.raises(LabError, match="lo1: the servo output is at its limit") as raised:
        lock.acquire()
    check_error(FaultKind.RAILED_OUTPUT, raised.value, "lo1")
    fault.end()
    assert lock.acquire().locked


# ---- the other instruments that can have a fault of the device ------------------------------------------------------


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return bench_with(MORE, tmp_path_factory.mktemp("more"))


@pytest.fixture(scope="module")
def swapped(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return bench_with(SWAPPED, tmp_path_factory.mktemp("swapped"))


def turn(station: Station) -> None:
    plate = station.rotators["signal_plate"]
    plate.move_to(20.0 if plate.angle_deg() < 15.0 else 10.0)


def look_into_queue(name: str) -> Operation:
    return lambda station: station.driver(name).check_errors()


OTHERS: list[tuple[FaultKind, str, str, Operation, type[LabError]]] = [
    (FaultKind.BUSY, "more", "plates", turn, Refused),
    (FaultKind.BUSY, "more", "laser", lambda s: s.laser.tune(1550e-9), BadReply),
    (FaultKind.STUCK_MOTOR, "more", "plates", turn, Refused),
    (FaultKind.OPEN_SENSOR, "swapped", "oven", lambda s: s.oven.temperature_c(), BadReply),
    (FaultKind.ERROR_FLOOD, "more", "picomotors", lambda s: s.mirrors["sensor1"].move("pitch", 10), BadReply),
    (FaultKind.ERROR_FLOOD, "more", "digitizer", lambda s: s.digitizer.record(), Refused),
    (FaultKind.ERROR_FLOOD, "more", "scan", lambda s: s.shutters["signal"].open(), Refused),
    (FaultKind.ERROR_FLOOD, "more", "laser", lambda s: s.laser.tune(1550e-9), BadReply),
    (FaultKind.ERROR_FLOOD, "more", "generator", look_into_queue("generator"), BadReply),
    (FaultKind.ERROR_FLOOD, "more", "meter", lambda s: s.power_meters["probe"].set_wavelength(1550e-9), BadReply),
    (FaultKind.ERROR_FLOOD, "swapped", "oven", look_into_queue("oven"), BadReply),
    (FaultKind.ERROR_FLOOD, "swapped", "analyzer", lambda s: s.analyzer.configure_sweep(SWEEP), BadReply),
    (FaultKind.SLOW_SWEEP, "swapped", "analyzer", trace_in_time, BadReply),
]
GAUGES = {"vacuum": "chamber", "other_vacuum": "pump"}


@pytest.mark.parametrize(("kind", "table", "instrument", "operation", "expected"), OTHERS)
def test_other_instruments_end_in_a_listed_error(
    kind: FaultKind,
    table: str,
    instrument: str,
    operation: Operation,
    expected: type[LabError],
    request: pytest.FixtureRequest,
) -> None:
    bench: Bench = request.getfixturevalue(table)
    operation(bench.station)
    fault = bench.simulation.inject(instrument, kind)
    for _ in range(2):
        assert type(error_of(operation, bench.station)) is expected
    assert expected in FAULTS[kind].errors
    fault.end()
    operation(bench.station)


@pytest.mark.parametrize(("instrument", "gauge"), GAUGES.items())
def test_a_gauge_without_sensor_says_so_and_raises_nothing(more: Bench, instrument: str, gauge: str) -> None:
    fault = more.simulation.inject(instrument, "open_sensor")
    reading = more.station.gauges[gauge].read()
    assert (reading.state, reading.pressure_pa) == (PressureState.SENSOR_ERROR, None)
    assert FAULTS[FaultKind.OPEN_SENSOR].unnoticed
    fault.end()
    assert more.station.gauges[gauge].read().state is PressureState.VALID


def test_an_oven_with_an_open_sensor_does_not_regulate_until_it_is_switched_on_again(swapped: Bench) -> None:
    oven = swapped.station.oven
    oven.set_target(26.0, 0.02)
    assert oven.regulating()
    fault = swapped.simulation.inject("oven", "open_sensor")
    assert not oven.regulating()
    fault.end()
    assert not oven.regulating()
    oven.set_target(26.0, 0.02)
    assert oven.regulating()


def test_every_instrument_of_every_fault_of_the_device_was_looked_at(more: Bench, swapped: Bench) -> None:
    benches = {"more": more, "swapped": swapped}
    seen = {(kind, more.file.instruments[name].driver) for kind, (name, _) in EXAMPLES.items()}
    seen |= {(kind, benches[table].file.instruments[name].driver) for kind, table, name, *_ in OTHERS}
    seen |= {(FaultKind.OPEN_SENSOR, more.file.instruments[name].driver) for name in GAUGES}
    seen |= {(FaultKind.RAILED_OUTPUT, "srs-sim900")}
    wanted = {(kind, d) for kind, said in FAULTS.items() if said.drivers != EVERY_DRIVER for d in said.drivers}
    assert wanted <= seen
    assert set(EXAMPLES) | set(AT_OPENING) | {FaultKind.RAILED_OUTPUT} == set(FaultKind)
