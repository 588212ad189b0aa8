"""Faults put onto a table that is switched on: on open connections, several at once, and back to work when they end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from stepped_time import SteppedTime

from labctl.configuration.fault_kinds import EVERY_DRIVER, FAULTS, FaultKind
from labctl.configuration.instrument_faults import read_fault
from labctl.configuration.station_file import StationFile
from labctl.configuration.templates import template_directory
from labctl.configuration.toml_reading import load_station
from labctl.errors import BadReply, ConfigurationError, ConnectionLost, NoReply, Refused
from labctl.simulation.device_faults import SWITCHES
from labctl.simulation.faults import Fault, FaultyWire
from labctl.simulation.instruments.srs_sim900 import SimulatedSIM900
from labctl.simulation.simulation import Simulation
from labctl.simulation.wire import WireInstrument
from labctl.station.bring_up import link_to, open_station
from labctl.station.station import Station

WAKING_UP_S = 10.0


def station_with(*faults: dict[str, Any]) -> StationFile:
    file = load_station(template_directory() / "simulated.toml")
    changes = {"scenario": "ideal", "faults": tuple(map(read_fault, faults))}
    return file.model_copy(update={"backend": file.backend.model_copy(update=changes)})


class Table:
    """The shipped station, open, with the faults of its file."""

    def __init__(self, *faults: dict[str, Any]) -> None:
        link = link_to(station_with(*faults))
        assert link.simulation is not None
        self.simulation: Simulation = link.simulation
        self.station: Station = open_station(self.simulation.station, link)

    def wait(self, seconds: float) -> None:
        self.station.clock.sleep(seconds)

    def oven_c(self) -> float:
        return self.station.oven.temperature_c()


def test_every_fault_of_a_device_can_be_put_into_those_that_are_listed_and_no_others() -> None:
    listed = {
        kind: said.drivers
        for kind, said in FAULTS.items()
        if said.drivers != EVERY_DRIVER and kind is not FaultKind.BAD_CRC  # which is one of the wire
    }
    assert {kind: set(switches) for kind, switches in SWITCHES.items()} == listed


def test_an_open_connection_meets_the_fault_at_once_and_its_end() -> None:
    table = Table()
    sound = table.simulation.wires["oven"]
    fault = table.simulation.inject("oven", "silent")
    assert fault.asked.kind is FaultKind.SILENT
    with pytest.raises(NoReply):
        table.oven_c()
    fault.end()
    fault.end()
    assert table.oven_c() == pytest.approx(25.0, abs=1.0)
    assert table.simulation.instruments["oven"] is sound
    assert table.simulation.wires["oven"] is not sound


def test_times_count_from_now_and_take_units() -> None:
    table = Table()
    table.wait(100.0 - table.station.clock.now())
    table.simulation.inject("oven", "dropped", after="1 min", lasting=30.0)
    table.wait(59.0)
    table.oven_c()
    table.wait(1.5)
    with pytest.raises(ConnectionLost):
        table.oven_c()
    with pytest.raises(ConnectionLost):
        table.station.driver("oven").reconnect()
    table.wait(30.0)
    table.station.driver("oven").reconnect()
    table.oven_c()


def test_a_fault_of_the_file_and_one_of_the_command_are_told_apart_in_time() -> None:
    table = Table({"instrument": "oven", "kind": "busy", "after": "1 min", "lasting": "10 s"})
    table.oven_c()
    table.simulation.inject("oven", "bad_crc", lasting="5 s")
    with pytest.raises(BadReply, match="checksum"):
        table.oven_c()
    table.wait(6.0)
    table.oven_c()
    table.wait(60.5 - table.station.clock.now())
    with pytest.raises(Refused, match="busy"):
        table.oven_c()
    table.wait(10.0)
    table.oven_c()


def test_of_two_faults_of_one_kind_the_first_end_is_not_that_of_the_other() -> None:
    table = Table()
    short, long = (table.simulation.inject("oven", "busy", lasting=lasting) for lasting in (5.0, 50.0))
    table.wait(6.0)
    with pytest.raises(Refused, match="busy"):
        table.oven_c()
    short.end()
    with pytest.raises(Refused, match="busy"):
        table.oven_c()
    long.end()
    table.oven_c()


def test_what_is_broken_is_broken_after_power_on_as_well() -> None:
    table = Table()
    sensor = table.simulation.inject("oven", "open_sensor")
    table.simulation.inject("oven", "power_cycle", lasting=2.0)
    table.wait(WAKING_UP_S)
    oven = table.station.driver("oven")
    oven.reconnect()
    with pytest.raises(Refused, match="sensor open"):
        oven.check_errors()
    sensor.end()
    oven.gate_with(None)  # a person does it, at the controller
    oven.reset()
    table.wait(WAKING_UP_S)
    assert oven.check_errors() == []


def test_one_channel_fails_and_the_others_work() -> None:
    table = Table()
    table.simulation.inject("picomotors", "stuck_motor", channel="1.1")
    mirror, other = table.station.mirrors["sensor1"], table.station.mirrors["sensor2"]
    with pytest.raises(BadReply, match="pitch motor never reported"):
        mirror.move("pitch", 10)
    mirror.move("yaw", 10)
    other.move("pitch", 10)
    table.simulation.inject("servos", "railed_output", channel=3)
    servos = table.station.servos
    assert servos["lo1"].state().at_limit
    assert not servos["lo2"].state().at_limit


def test_without_a_channel_all_of_them_fail() -> None:
    table = Table()
    fault = table.simulation.inject("servos", "railed_output")
    assert all(servo.state().at_limit for servo in table.station.servos.values())
    fault.end()
    table.wait(1.0)
    for servo in table.station.servos.values():
        servo.state()  # what its registers remember of earlier
        assert not servo.state().at_limit
    twin = table.simulation.instruments["servos"]
    assert isinstance(twin, SimulatedSIM900)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("oven", "sleepy"), 'kind: "sleepy" is no kind of fault (did you mean "slow_sweep"?); allowed: missing'),
        (("ovn", "silent"), 'no instrument is called "ovn" (did you mean "oven"?)'),
        (("piezo_a", "busy"), "piezo_a (thorlabs-mdt693b) cannot have the fault busy; allowed: missing, silent"),
        (("oven", "missing"), "oven was there when the table was switched on, so it cannot be missing. Take dropped."),
        (("scan", "silent"), "scan is missing from the start and can have no other fault."),
        (("oven", "silent", 1), "silent is a fault of the whole instrument"),
        (("servos", "railed_output", 8), "channel 8 of servos is not in use; allowed: 1, 2, 3, 4, 5 or 6"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(asked: tuple[Any, ...], words: str) -> None:
    simulation = link_to(station_with({"instrument": "scan", "kind": "missing"})).simulation
    assert simulation is not None
    before = dict(simulation.wires)
    instrument, kind, *channel = asked
    with pytest.raises(ConfigurationError) as refused:
        simulation.inject(instrument, kind, channel=channel[0] if channel else None)
    assert words in str(refused.value)
    assert simulation.wires == before


def test_a_negative_time_is_refused_in_the_words_of_a_file() -> None:
    simulation = Table().simulation
    with pytest.raises(ConfigurationError, match=r'lasting: "3 V" is a voltage, not a duration; allowed: a duration'):
        simulation.inject("oven", "silent", lasting="3 V")
    with pytest.raises(ConfigurationError, match="after: -1 is too low"):
        simulation.inject("oven", "silent", after=-1)


def test_a_table_without_faults_has_nothing_between_host_and_instrument() -> None:
    simulation = Table().simulation
    assert simulation.wires == simulation.instruments
    assert not any(isinstance(wire, FaultyWire) for wire in simulation.wires.values())


def test_a_thousand_short_faults_leave_one_wire() -> None:
    table = Table()
    for _ in range(1000):
        table.simulation.inject("oven", "garbage").end()
    wire = table.simulation.wires["oven"]
    assert isinstance(wire, FaultyWire) and not isinstance(wire._instrument, FaultyWire)
    assert wire._faults == []
    table.oven_c()


# ---- the wire itself ------------------------------------------------------------------------------------------------


class Device(WireInstrument):
    """Remembers how it was switched and how far it got."""

    def __init__(self, time: SteppedTime) -> None:
        super().__init__(time)
        self.switched: list[bool] = []
        self.advanced: list[float] = []

    def on_bytes(self, data: bytes) -> None:
        self.send(b"!00" + data + b"ABCD\r")

    def advance(self, now: float) -> None:
        self.advanced.append(now)


def faulty(time: SteppedTime, *devices: Device) -> FaultyWire:
    spare = iter(devices[1:])
    return FaultyWire(devices[0], time, np.random.default_rng(1), lambda: next(spare))


def switch(device: WireInstrument, begins: bool) -> None:
    assert isinstance(device, Device)
    device.switched.append(begins)


def test_a_fault_of_the_device_is_switched_at_its_times_and_no_more_often() -> None:
    time = SteppedTime()
    device = Device(time)
    wire = faulty(time, device)
    wire.add(Fault(FaultKind.BUSY, 1.0, 2.0, switch))
    for seen in ([], [True], [True], [True, False], [True, False]):
        assert device.switched == seen
        time.elapse(0.5 if time.now() else 1.0)
        wire.advance(time.now())


def test_a_fault_that_is_over_before_anybody_looks_never_touched_the_device() -> None:
    time = SteppedTime()
    device = Device(time)
    wire = faulty(time, device)
    wire.add(Fault(FaultKind.BUSY, 1.0, 2.0, switch))
    time.elapse(5.0)
    assert wire.link_is_up()
    assert device.switched == []


def test_nothing_goes_on_without_power_and_the_instrument_that_comes_back_is_another() -> None:
    time = SteppedTime()
    old, new = Device(time), Device(time)
    wire = faulty(time, old, new)
    wire.add(Fault(FaultKind.BUSY, 0.0, switch=switch))
    wire.add(Fault(FaultKind.POWER_CYCLE, 1.0, 3.0))
    for _ in range(5):
        time.elapse(0.8)
        wire.advance(time.now())
    assert old.advanced == pytest.approx([0.8])
    assert new.advanced == pytest.approx([3.2, 4.0])
    assert old.switched == new.switched == [True]


def test_a_bad_checksum_changes_the_last_digit_of_every_frame_and_nothing_else() -> None:
    time = SteppedTime()
    wire = faulty(time, Device(time))
    wire.add(Fault(FaultKind.BAD_CRC, 0.0))
    wire.on_bytes(b"1234")
    wire.on_bytes(b"0000")
    assert wire.take() == b"!001234ABC0\r!000000ABC0\r"
