"""The simulated TEC controller: raw bytes against the protocol, then the real driver over the simulated library."""

from __future__ import annotations

import binascii
import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyvisa.constants import Parity, StopBits
from stepped_time import SteppedTime

from drivers.base import Identity
from drivers.errors import BadReply, NoReply, Refused
from drivers.meerstetter.tec import DeviceStatus, MeerstetterTEC
from labctl.simulation.instruments.meerstetter_loop import ramp
from labctl.simulation.instruments.meerstetter_tec import SimulatedTEC
from labctl.simulation.visa_library import simulated_library

ADDRESS = "ASRL/dev/ttyUSB1::INSTR"
STEP_S = 0.1
CRYSTAL_LAG_S = 2.0


class Oven:
    """A crystal that follows the nominal temperature with a lag, and stays where it is without one."""

    def __init__(self, timebase: SteppedTime, temperature_c: float = 25.0) -> None:
        self.timebase = timebase
        self.temperature_c = temperature_c
        self.nominal_c: float | None = None
        self._followed_to = 0.0

    def regulate(self, nominal_c: float | None) -> None:
        self._follow()
        self.nominal_c = nominal_c

    def object_temperature_c(self) -> float:
        self._follow()
        return self.temperature_c

    def sink_temperature_c(self) -> float:
        return 22.5

    def output_current_a(self) -> float:
        return 0.5

    def _follow(self) -> None:
        seconds, self._followed_to = self.timebase.now() - self._followed_to, self.timebase.now()
        if self.nominal_c is not None:
            self.temperature_c += (self.nominal_c - self.temperature_c) * -math.expm1(-seconds / CRYSTAL_LAG_S)


class Table:
    """A controller with its ovens, and the driver that opens it."""

    def __init__(
        self,
        channels: int = 1,
        temperature_c: float = 25.0,
        stored: Mapping[int, float] | None = None,
        twin_class: type[SimulatedTEC] = SimulatedTEC,
        device_type: int = 1091,
    ) -> None:
        self.time = SteppedTime()
        self.ovens = {channel: Oven(self.time, temperature_c) for channel in range(1, channels + 1)}
        rng = np.random.default_rng(1)
        self.twin = twin_class(self.time, self.ovens, rng, device_type=device_type, stored=stored)

    def open(self, **kwargs: Any) -> MeerstetterTEC:
        library = simulated_library(self.time, {ADDRESS: self.twin})
        return MeerstetterTEC(ADDRESS, visa_library=library, timeout=1000, **kwargs)

    def nominal_c(self, channel: int = 1) -> float | None:
        """Return what the oven of a channel is told to follow, None without regulation."""
        return self.ovens[channel].nominal_c

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP_S)):
            self.time.elapse(STEP_S)
            self.twin.advance(self.time.now())

    def say(self, data: bytes) -> bytes:
        """Send bytes and return what comes back within 50 ms."""
        self.twin.on_bytes(data)
        self.time.elapse(0.05)
        return self.twin.take()

    def tell(self, payload: str, address: int = 0) -> str:
        """Send a sound frame and return the payload of the answer, "" for an acknowledgement, "silence" for none."""
        body = f"#{address:02X}0001{payload}".encode()
        frame = body + f"{crc(body):04X}\r".encode()
        reply = self.say(frame)
        if not reply:
            return "silence"
        assert reply.startswith(f"!{address:02X}0001".encode())
        assert reply.endswith(b"\r")
        if len(reply) == len("!0000010000\r"):
            assert reply[-5:-1] == frame[-5:-1]
            return ""
        assert int(reply[-5:-1], 16) == crc(reply[:-5])
        return reply[7:-5].decode()


def crc(data: bytes) -> int:
    return binascii.crc_hqx(data, 0)


def single(value: float) -> str:
    return struct.pack(">f", value).hex().upper()


def status(tec: MeerstetterTEC) -> DeviceStatus:
    return DeviceStatus(tec.status)


def stable(tec: MeerstetterTEC) -> bool:
    return bool(tec.ch_1.temperature_stable)


def value_of(digits: str) -> float:
    return float(struct.unpack(">f", bytes.fromhex(digits))[0])


# ---- raw bytes -------------------------------------------------------------------------------------------------------


def test_published_exchanges() -> None:
    table = Table(device_type=1089)
    table.ovens[1].temperature_c = value_of("41CD2F28")
    assert table.say(b"#0015AA?IF62AE\r") == b"!0015AA8065-TEC SW G01     7199\r"
    assert table.say(b"#0015AB?VR0064018000\r") == b"!0015AB000004411DBD\r"
    assert table.say(b"#0015AB?VR03E801C21A\r") == b"!0015AB41CD2F28D5C2\r"
    assert table.say(b"#0015B0VS0BB80141AE0000C482\r") == b"!0015B0C482\r"
    assert table.say(b"#0015AEVS07DA01000000028F97\r") == b"!0015AE8F97\r"
    assert table.say(b"#0015AC?VR04D2017BFE\r") == b"!0015AC+0532DA\r"
    assert table.say(b"#00BDE2RS9780\r") == b"!00BDE29780\r"


def test_the_published_target_is_stored() -> None:
    table = Table()
    table.say(b"#0015B0VS0BB80141AE0000C482\r")
    assert value_of(table.tell("?VR0BB801")) == 21.75
    assert value_of(table.tell("?VR03F201")) == 21.75


def test_a_frame_that_is_too_long_is_noise() -> None:
    assert Table().tell("?" + "A" * 100) == "+01"
    assert Table().tell("?" + "A" * 200) == "silence"


def test_control_variable() -> None:
    table = Table(stored={2010: 1})
    assert value_of(table.tell("?VR040801")) == pytest.approx(25.0, abs=1.0)  # 0.5 A of 2 A
    assert table.tell("VS07EE01" + single(0.0)) == ""
    assert value_of(table.tell("?VR040801")) == 0.0


def test_addresses() -> None:
    table = Table(stored={2051: 0x15})
    assert table.tell("?VR006401", address=0) == f"{1091:08X}"
    assert table.tell("?VR006401", address=0x15) == f"{1091:08X}"
    assert table.tell("?VR006401", address=0x16) == "silence"
    assert table.tell(f"VS0BB801{single(30.0)}", address=255) == "silence"
    assert value_of(table.tell("?VR0BB801")) == 30.0


def test_error_reply_repeats_the_address() -> None:
    assert Table().tell("?VR04D201", address=1) == "+05"


@pytest.mark.parametrize(
    "data",
    [
        b"#0015AA?IF62AF\r",  # wrong checksum
        b"#0015AA?IF62ae\r",  # lower case
        b"#0015AA?IF62AE",  # not ended
        b"?IF\r",
        b"\r\r\r",
        b"#\r",
        b"#0015AA\r",
        b"#" + b"A" * 1000 + b"\r",
        b"#0015AA?IF62AE\n",
    ],
)
def test_what_is_no_sound_frame_is_ignored(data: bytes) -> None:
    table = Table()
    assert table.say(data) == b""
    assert table.say(b"#0015AA?IF62AE\r") == b"!0015AA8065-TEC SW G01     7199\r"


def test_frames_in_pieces_and_together() -> None:
    table = Table()
    assert table.say(b"#0015A") == b""
    assert table.say(b"A?IF62AE\r#0015AB?VR0064") == b"!0015AA8065-TEC SW G01     7199\r"
    reply = table.say(b"#0015AA?IF62AE\r#0015AC?VR04D2017BFE\r")
    assert reply == b"!0015AA8065-TEC SW G01     7199\r!0015AC+0532DA\r"


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ("?XX", "+01"),
        ("SP", "+01"),
        ("?IFX", "+01"),
        ("?VR03E8", "+04"),
        ("?VR03E80100", "+04"),
        ("?VR03G801", "+04"),
        ("VS0BB80141AE00", "+04"),
        ("VS0BB80141ae0000", "+04"),
        ("?VR04D201", "+05"),
        ("VS03E80141AE0000", "+06"),
        ("VS0064010000043F", "+06"),
        (f"VS0BB801{single(1000.5)}", "+07"),
        (f"VS0BBB01{single(0.0)}", "+07"),
        (f"VS0BBB01{single(50.1)}", "+07"),
        (f"VS0BB801{single(math.nan)}", "+07"),
        (f"VS07EE01{single(4.1)}", "+07"),
        ("VS006C0100000002", "+07"),
        ("VS07DA01FFFFFFFF", "+07"),
        ("?VR03E802", "+08"),
        ("?VR03E800", "+08"),
        ("?VR006402", "+08"),
    ],
)
def test_refusals(payload: str, code: str) -> None:
    assert Table().tell(payload) == code


@pytest.mark.parametrize("value", [1e-6, 50.0])
def test_the_ends_of_a_range_are_within_it(value: float) -> None:
    table = Table()
    assert table.tell(f"VS0BBB01{single(value)}") == ""
    assert table.tell("?VR0BBB01") == single(value)


def test_limits_and_description_of_a_parameter() -> None:
    table = Table(channels=2)
    assert table.tell("?VL0BBB01") == "00" + single(1e-6) + single(50.0)
    assert table.tell("?VL07DA01") == "01" + "00000000" + "00000003"
    assert table.tell("?VM0BBB01") == "00" + "03" + "02" + "00000001" + single(1e-6) + single(50.0) + single(1.0)
    assert table.tell("?VM006401") == "01" + "01" + "01" + "00000001" + "00000000" + "7FFFFFFF" + f"{1091:08X}"


def test_ratings_depend_on_the_model() -> None:
    assert value_of(Table(device_type=1091).tell("?VL07EE01")[10:]) == 4.0
    assert value_of(Table(device_type=1092).tell("?VL07EE01")[10:]) == pytest.approx(1.2)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=10))
def test_survives_any_bytes(chunks: list[bytes]) -> None:
    table = Table()
    for chunk in chunks:
        table.say(chunk)
    table.say(b"\r")
    assert table.tell("?VR006401") == f"{1091:08X}"


commands = st.sampled_from(["?VR", "?VL", "?VM", "VS", "RS", "ES", "?IF", "?TT", "SP", ""])
digits = st.text("0123456789ABCDEF", max_size=16)
numbers = st.sampled_from(
    [1000, 1020, 1021, 1032, 1042, 2000, 2010, 2030, 2051, 2052, 2060, 3002, 3003, 4042, 6301, 108]
)
words = st.builds(
    lambda number, rest: f"{number:04X}01{rest}", numbers, st.text("0123456789ABCDEF", min_size=8, max_size=8)
)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(commands, digits | words), min_size=1, max_size=12))
def test_survives_any_sound_frames(payloads: list[tuple[str, str]]) -> None:
    table = Table()
    for command, rest in payloads:
        table.tell(command + rest)
        table.run(0.2)
    assert table.twin.flash_writes >= 0


def test_replies_take_time_on_the_wire() -> None:
    table = Table()
    table.twin.on_bytes(b"#0015AA?IF62AE\r")
    assert table.twin.take() == b""
    table.time.elapse(0.001)
    assert table.twin.take() == b"!0015AA8065-TEC SW G01     7199\r"
    table.tell("VS0804010000C350")  # 50 ms before each answer, from the next one on
    table.twin.on_bytes(b"#0015AA?IF62AE\r")
    ready_at = table.twin.ready_at()
    assert ready_at is not None
    assert ready_at - table.time.now() == pytest.approx(0.051, abs=1e-6)


# ---- the ramp --------------------------------------------------------------------------------------------------------


def test_ramp_by_hand() -> None:
    assert ramp(25.0, 35.0, rate=0.5, proximity=0.0, seconds=4.0) == pytest.approx(27.0)
    assert ramp(25.0, 15.0, rate=0.5, proximity=0.0, seconds=4.0) == pytest.approx(23.0)
    assert ramp(25.0, 35.0, rate=0.5, proximity=0.0, seconds=30.0) == 35.0
    assert ramp(25.0, 35.0, rate=0.5, proximity=2.0, seconds=16.0) == pytest.approx(33.0)
    assert ramp(25.0, 35.0, rate=0.5, proximity=2.0, seconds=20.0) == pytest.approx(35.0 - 2.0 * math.exp(-1.0))


@given(
    start=st.floats(-50, 150),
    target=st.floats(-50, 150),
    rate=st.floats(1e-3, 10),
    proximity=st.sampled_from([0.0, 0.2, 5.0]),
    first=st.floats(0, 1000),
    second=st.floats(0, 1000),
)
def test_ramp_does_not_depend_on_the_steps(
    start: float, target: float, rate: float, proximity: float, first: float, second: float
) -> None:
    at_once = ramp(start, target, rate=rate, proximity=proximity, seconds=first + second)
    halfway = ramp(start, target, rate=rate, proximity=proximity, seconds=first)
    in_steps = ramp(halfway, target, rate=rate, proximity=proximity, seconds=second)
    assert in_steps == pytest.approx(at_once, abs=2e-4)  # twice what counts as arrived
    assert min(start, target) - 1e-9 <= at_once <= max(start, target) + 1e-9
    assert abs(at_once - start) <= rate * (first + second) + 1e-4


# ---- driver and twin together ----------------------------------------------------------------------------------------


def test_identity() -> None:
    assert Table().open().read_identity() == Identity("Meerstetter", "1091", "4711", "3.10")


def test_the_serial_port_is_set_up_and_may_be_set_up_otherwise() -> None:
    table = Table()
    connection = table.open().adapter.connection
    assert (connection.baud_rate, connection.data_bits, connection.timeout) == (57600, 8, 1000)
    assert (connection.parity, connection.stop_bits) == (Parity.none, StopBits.one)
    assert (connection.read_termination, connection.write_termination) == ("\r", "\r")
    assert table.open(asrl={"baud_rate": 115200}).adapter.connection.baud_rate == 115200


def test_settings_are_read_back() -> None:
    table = Table(channels=2)
    tec = table.open()
    tec.initialise()
    for channel in tec.channels.values():
        for name, value in {
            "coarse_ramp_k_per_s": 0.02,
            "proximity_width_k": 0.4,
            "stability_deviation_k": 0.005,
            "stability_time_s": 20.0,
            "stability_timeout_s": 3600.0,
            "lower_temperature_limit_c": 15.0,
            "upper_temperature_limit_c": 45.0,
            "target_temperature_c": 35.0,
        }.items():
            setattr(channel, name, value + channel.id)
            assert getattr(channel, name) == pytest.approx(value + channel.id, rel=1e-6)
    tec.watchdog_s = 30.0
    assert tec.watchdog_s == 30.0
    assert tec.ch_2.sink_temperature_c == 22.5
    assert tec.check_errors() == []


def test_a_model_of_one_channel_refuses_the_second() -> None:
    with pytest.raises(Refused, match="parameter 1000 of channel 2: it has no such channel"):
        _ = Table().open().ch_2.object_temperature_c


def test_nothing_goes_to_flash_after_initialise() -> None:
    table = Table()
    tec = table.open()
    tec.initialise()
    for turn in range(50):
        tec.ch_1.target_temperature_c = 30.0 + 0.01 * turn
    tec.ch_1.coarse_ramp_k_per_s = 0.02
    tec.ch_1.upper_temperature_limit_c = 45.0
    tec.ch_1.output_enabled = True
    table.run(2.0)
    assert table.twin.flash_writes == 0


def test_settings_wear_the_flash_without_initialise_but_the_target_does_not() -> None:
    table = Table()
    tec = table.open()
    tec.ch_1.target_temperature_c = 35.0
    table.run(1.0)
    assert table.twin.flash_writes == 0
    tec.ch_1.coarse_ramp_k_per_s = 0.02
    tec.ch_1.coarse_ramp_k_per_s = 0.02  # no change
    tec.ch_1.lower_temperature_limit_c = 15.0
    assert table.twin.flash_writes == 2
    assert table.tell("?VR006D01") == "00000001"
    table.run(1.0)
    assert table.tell("?VR006D01") == "00000000"
    assert table.twin.flash_writes == 2


def test_initialise_in_time_cancels_a_save() -> None:
    table = Table()
    tec = table.open()
    tec.ch_1.coarse_ramp_k_per_s = 0.02
    tec.initialise()
    assert table.twin.flash_writes == 0
    assert table.tell("?VR006D01") == "00000002"


def test_nominal_temperature_ramps_in_lab_time() -> None:
    table = Table()
    tec = table.open()
    tec.initialise()
    tec.ch_1.coarse_ramp_k_per_s = 0.05
    tec.ch_1.proximity_width_k = 0.1
    tec.ch_1.target_temperature_c = 27.0
    assert status(tec) is DeviceStatus.READY
    tec.ch_1.output_enabled = True
    started_at = table.time.now()
    assert status(tec) is DeviceStatus.RUNNING
    table.run(20.0)
    elapsed = table.time.now() - started_at
    assert tec.ch_1.nominal_temperature_c == pytest.approx(25.0 + 0.05 * elapsed, abs=0.005)
    assert table.nominal_c() == pytest.approx(tec.ch_1.nominal_temperature_c, abs=0.005)
    assert tec.ch_1.object_temperature_c == pytest.approx(
        tec.ch_1.nominal_temperature_c - 0.05 * CRYSTAL_LAG_S, abs=0.02
    )
    table.run(60.0)
    assert tec.ch_1.nominal_temperature_c == 27.0
    assert tec.ch_1.object_temperature_c == pytest.approx(27.0, abs=1e-3)
    tec.ch_1.target_temperature_c = 26.0
    table.run(10.0)
    assert tec.ch_1.nominal_temperature_c == pytest.approx(26.5, abs=0.01)


def test_switching_off_ends_the_regulation_at_once() -> None:
    table = Table()
    tec = table.open()
    tec.initialise()
    tec.ch_1.target_temperature_c = 30.0
    tec.ch_1.output_enabled = True
    table.run(1.0)
    assert tec.ch_1.output_current_a == pytest.approx(0.5, abs=0.01)
    assert tec.ch_1.output_voltage_v == pytest.approx(1.0, abs=0.02)
    tec.ch_1.output_enabled = False
    assert table.nominal_c() is None
    assert tec.ch_1.output_current_a == 0.0
    assert tec.ch_1.output_voltage_v == 0.0
    assert tec.ch_1.nominal_temperature_c == tec.ch_1.object_temperature_c
    assert status(tec) is DeviceStatus.READY


def test_the_sensor_is_read_ten_times_a_second() -> None:
    table = Table()
    table.time.elapse(1.01)
    assert value_of(table.tell("?VR03E801")) == 25.0
    table.ovens[1].temperature_c = 25.5
    assert value_of(table.tell("?VR03E801")) == 25.0  # 1.06 s, the same turn of the loop
    table.time.elapse(0.05)
    assert value_of(table.tell("?VR03E801")) == 25.5


def test_stability_needs_deviation_and_time() -> None:
    table = Table(temperature_c=30.0)
    tec = table.open()
    tec.initialise()
    tec.ch_1.stability_deviation_k = 0.01
    tec.ch_1.stability_time_s = 5.0
    tec.ch_1.target_temperature_c = 30.0
    assert stable(tec) is False  # off
    tec.ch_1.output_enabled = True
    table.run(4.5)
    assert stable(tec) is False
    table.run(1.0)
    assert stable(tec) is True
    table.ovens[1].temperature_c += 0.05
    table.run(STEP_S)
    assert stable(tec) is False
    table.run(15.0)
    assert stable(tec) is True
    tec.ch_1.target_temperature_c = 31.0
    table.run(STEP_S)
    assert stable(tec) is False


def test_stability_that_never_comes_is_an_error() -> None:
    table = Table(temperature_c=30.0)
    tec = table.open()
    tec.initialise()
    tec.ch_1.coarse_ramp_k_per_s = 1e-4
    tec.ch_1.stability_timeout_s = 10.0
    tec.ch_1.target_temperature_c = 31.0
    tec.ch_1.output_enabled = True
    table.run(9.0)
    assert tec.check_errors() == []
    table.run(2.0)
    with pytest.raises(Refused, match="error 182, channel 1"):
        tec.check_errors()


def test_the_time_without_stability_counts_from_its_loss() -> None:
    table = Table(temperature_c=30.0, stored={3000: 30.0, 2010: 1, 4040: 0.01, 4041: 1.0, 4042: 10.0})
    table.run(30.0)
    table.ovens[1].temperature_c = 30.5
    table.run(5.0)
    assert table.tell("?VR006901") == "00000000"
    assert table.tell("?VR04B001") == "00000001"
    table.run(10.0)
    assert table.tell("?VR04B001") == "00000002"


def test_the_first_error_stays() -> None:
    table = Table()
    table.ovens[1].temperature_c = 80.0
    table.run(STEP_S)
    table.tell("ES")
    assert int(table.tell("?VR006901"), 16) == 138


@pytest.mark.parametrize(("temperature_c", "number"), [(55.0, 138), (5.0, 137)])
def test_a_temperature_out_of_its_limits_switches_off_until_a_reset(temperature_c: float, number: int) -> None:
    table = Table()
    tec = table.open()
    tec.initialise()
    tec.ch_1.lower_temperature_limit_c = 15.0
    tec.ch_1.upper_temperature_limit_c = 45.0
    tec.ch_1.target_temperature_c = 30.0
    tec.ch_1.output_enabled = True
    table.run(1.0)
    assert table.nominal_c() is not None
    table.ovens[1].temperature_c = temperature_c
    table.run(STEP_S)
    assert table.nominal_c() is None
    assert status(tec) is DeviceStatus.ERROR
    assert (tec.error_number, tec.error_instance) == (number, 1)
    with pytest.raises(Refused, match=f"error {number}, channel 1"):
        tec.check_errors()

    table.ovens[1].temperature_c = 25.0  # the cause is gone, the error stays
    table.run(10.0)
    tec.ch_1.output_enabled = True
    assert status(tec) is DeviceStatus.ERROR
    assert table.nominal_c() is None

    tec.reset()
    assert tec.is_reset_done() is False
    table.run(2.0)
    assert tec.is_reset_done() is True
    assert tec.check_errors() == []
    assert tec.ch_1.output_enabled is False
    assert tec.ch_1.lower_temperature_limit_c == 5.0  # what the flash holds
    assert tec.flash_saving_disabled is False
    assert value_of(table.tell("?VRC35C01")) == 0.0
    assert tec.ch_1.target_temperature_c == 25.0  # the stored one


def test_a_jump_of_the_temperature_is_an_error() -> None:
    table = Table()
    tec = table.open()
    table.run(1.0)
    table.ovens[1].temperature_c += 2.0  # in 0.1 s, where 10 K/s is the limit
    table.run(STEP_S)
    assert tec.error_number == 139


def test_the_error_of_one_channel_switches_both_off() -> None:
    table = Table(channels=2)
    tec = table.open()
    tec.initialise()
    for channel in tec.channels.values():
        channel.target_temperature_c = 30.0
        channel.output_enabled = True
    table.run(1.0)
    table.ovens[2].temperature_c = 80.0
    table.run(STEP_S)
    assert tec.error_instance == 2
    assert [oven.nominal_c for oven in table.ovens.values()] == [None, None]


def test_the_controller_is_silent_while_it_restarts() -> None:
    table = Table()
    tec = table.open(retries=0)
    tec.reset()
    assert status(tec) is DeviceStatus.RESETTING
    table.run(0.3)
    with pytest.raises(NoReply, match=r"did not answer in time after '\?VR006401'"):
        _ = tec.device_type
    assert tec.device_type == 1091


def test_is_reset_done_waits_for_the_start() -> None:
    table = Table()
    tec = table.open(retries=0)
    tec.reset()
    table.run(0.8)
    assert status(tec) is DeviceStatus.INITIALISING
    assert tec.is_reset_done() is False
    table.run(0.5)
    assert tec.is_reset_done() is True


def test_an_output_saved_as_on_comes_back_with_the_stored_target() -> None:
    table = Table(stored={2010: 1, 3000: 26.0})
    table.run(10.0)
    assert table.nominal_c() == pytest.approx(26.0, abs=1e-3)
    tec = table.open()
    tec.initialise()
    tec.ch_1.target_temperature_c = 30.0
    tec.ch_1.output_enabled = False  # not saved
    tec.reset()
    table.run(10.0)
    assert tec.ch_1.output_enabled is True
    assert table.nominal_c() == pytest.approx(26.0, abs=1e-3)


def test_a_saved_setting_survives_a_restart() -> None:
    table = Table()
    tec = table.open()
    tec.ch_1.coarse_ramp_k_per_s = 0.25
    tec.reset()  # restarts in 0.2 s, before the save is due
    table.run(2.0)
    assert tec.ch_1.coarse_ramp_k_per_s == 1.0
    tec.ch_1.coarse_ramp_k_per_s = 0.25
    table.run(1.0)
    tec.reset()
    table.run(2.0)
    assert tec.ch_1.coarse_ramp_k_per_s == 0.25


@pytest.mark.parametrize(("wait_s", "kept"), [(0.35, 0.25), (0.0, 1.0)])
def test_only_a_save_that_was_due_before_the_restart_is_made(wait_s: float, kept: float) -> None:
    table = Table()
    assert table.tell("VS0BBB01" + single(0.25)) == ""
    table.time.elapse(wait_s)
    assert table.tell("RS") == ""
    table.time.elapse(2.0)  # nobody steps the controller meanwhile
    assert value_of(table.tell("?VR0BBB01")) == kept


def test_watchdog() -> None:
    table = Table()
    tec = table.open()
    tec.initialise()
    tec.ch_1.target_temperature_c = 30.0
    tec.ch_1.output_enabled = True
    tec.watchdog_s = 2.0
    for _ in range(5):
        table.run(1.5)
        assert status(tec) is DeviceStatus.RUNNING
    table.run(2.5)
    assert table.nominal_c() is None
    with pytest.raises(Refused, match="communication watchdog"):
        tec.check_errors()


def test_emergency_stop() -> None:
    table = Table()
    assert table.tell("ES") == ""
    with pytest.raises(Refused, match="emergency stop"):
        table.open().check_errors()


def test_live_enable_and_static_current() -> None:
    table = Table(stored={3000: 30.0, 2010: 2})
    table.run(1.0)
    assert table.nominal_c() is None
    assert table.tell("VSC35001" + "00000001") == ""
    assert table.nominal_c() is not None
    assert table.tell("VS07D001" + "00000000") == ""  # static current
    assert table.nominal_c() is None


# ---- a bad line ------------------------------------------------------------------------------------------------------


class BadLine(SimulatedTEC):
    """Loses, garbles or delays what it sends, as scripted; keeps what it heard."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.faults: list[str] = []
        self.heard = bytearray()

    def on_bytes(self, data: bytes) -> None:
        self.heard += data
        super().on_bytes(data)

    def send(self, data: bytes, delay: float = 0.0) -> None:
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "lost":
            return
        if fault == "late":
            delay += 1.5
        if fault == "cut":
            data = data[:5]
        if fault == "garbled":
            data = data[:8] + bytes([data[8] ^ 1]) + data[9:]
        super().send(data, delay)

    def frames(self) -> list[bytes]:
        return bytes(self.heard).split(b"\r")[:-1]


def bad_line(*faults: str) -> tuple[Table, BadLine]:
    table = Table(twin_class=BadLine)
    assert isinstance(table.twin, BadLine)
    table.twin.faults = list(faults)
    return table, table.twin


@pytest.mark.parametrize(
    ("faults", "requests"),
    [
        (["lost"], 2),
        (["garbled"], 2),
        (["cut"], 2),
        (["late"], 2),
        (["lost", "garbled"], 3),
        (["late", "lost"], 2),  # the late answer, to the same number, comes while the second is awaited
    ],
)
def test_a_bad_line_is_survived(faults: list[str], requests: int) -> None:
    table, twin = bad_line(*faults)
    tec = table.open(first_sequence=0x15AA)
    assert tec.device_type == 1091
    assert tec.serial_number == 4711
    assert tec.ch_1.object_temperature_c == 25.0
    *repeated, _, _ = twin.frames()
    assert len(repeated) == requests
    assert {frame[3:7] for frame in repeated} == {b"15AA"}
    assert [frame[3:7] for frame in twin.frames()[-2:]] == [b"15AB", b"15AC"]


def test_a_lost_acknowledgement_is_survived() -> None:
    table, twin = bad_line("lost")
    table.open().ch_1.coarse_ramp_k_per_s = 0.5
    assert value_of(table.tell("?VR0BBB01")) == 0.5
    first, second = twin.frames()[:2]
    assert first == second


@pytest.mark.parametrize(("fault", "error"), [("lost", NoReply), ("garbled", BadReply)])
def test_retries_are_bounded(fault: str, error: type[Exception]) -> None:
    table, twin = bad_line(*[fault] * 3)
    tec = table.open(retries=2)
    with pytest.raises(error):
        _ = tec.device_type
    assert len(twin.frames()) == 3
    assert tec.device_type == 1091


class Banner(SimulatedTEC):
    """Behind an Ethernet adapter that greets."""

    def on_connect(self) -> None:
        self.send(b"LTR-1200 Ethernet adapter\r\nready\r\n")


def test_a_banner_at_connect_is_discarded() -> None:
    table = Table(twin_class=Banner)
    address = "TCPIP::192.168.10.20::50000::SOCKET"
    library = simulated_library(table.time, {address: table.twin})
    tec = MeerstetterTEC(address, visa_library=library)
    assert tec.device_type == 1091
    assert tec.ch_1.object_temperature_c == 25.0
