"""The base of all drivers on a simulated wire: whole transactions, strict casts, blocks, and what a late reply, a
broken link and Ctrl-C leave behind."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymeasure.instruments.validators import strict_range
from stepped_time import SteppedTime

from drivers.base import Driver, DriverChannel, Identity
from drivers.errors import BadReply, ConnectionLost, LabError, NoReply, Refused
from labctl.simulation.visa_library import simulated_library
from labctl.simulation.wire import WireInstrument

ADDRESS = "TCPIP::127.0.0.1::5025::SOCKET"
TIMEOUT_S = 1.0
SOON_S = 20.0  # real time that is never needed


class Parrot(WireInstrument):
    """Answers `SAY x?` with x; `LEV n` puts an error into its queue where n is beyond 1, and ERR? takes it out."""

    def __init__(self, timebase: SteppedTime) -> None:
        super().__init__(timebase)
        self.delay_s = 0.0
        self.reply: bytes | None = None
        self.heard: list[str] = []
        self.errors: list[int] = []
        self.on_command: Callable[[str], None] = lambda command: None
        self.on_take: Callable[[], None] = lambda: None

    def on_bytes(self, data: bytes) -> None:
        command = data.decode().strip()
        self.heard.append(command)
        self.on_command(command)
        verb, _, argument = command.rstrip("?").partition(" ")
        if verb == "LEV" and float(argument) > 1:
            self.errors.append(int(float(argument)))
        elif verb == "ERR":
            self.send(b"%d\n" % (self.errors.pop(0) if self.errors else 0))
        elif command.endswith("?"):
            said = self.reply if self.reply is not None else argument.encode() + b"\n"
            self.send(said, self.delay_s)

    def take(self) -> bytes:
        self.on_take()
        return super().take()


class Voice(DriverChannel):
    """One of two channels."""

    def say(self, number: int) -> float:
        return float(self.values(f"SAY {{ch}}.{number}?")[0])


class ParrotDriver(Driver):
    """The smallest driver that has everything."""

    voices = Driver.MultiChannelCreator(Voice, [1, 2])
    level = Driver.setting(
        "LEV %g", "Set the level in V (0 to 100).", validator=strict_range, values=(0, 100), check_set_errors=True
    )

    def check_errors(self) -> list[Any]:
        code = int(self.values("ERR?", cast=int)[0])
        if code:
            raise Refused(self.name, f"error {code}", command="LEV")
        return []


class Bench:
    """A parrot, and the driver that talks to it."""

    def __init__(self) -> None:
        self.time = SteppedTime()
        self.twin = Parrot(self.time)
        self.library = simulated_library(self.time, {ADDRESS: self.twin})
        self.driver = ParrotDriver(
            ADDRESS,
            "parrot",
            visa_library=self.library,
            timeout=round(1000 * TIMEOUT_S),
            read_termination="\n",
            write_termination="\n",
        )


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Let threads change places as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


# ---- whole transactions ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("eager_threads")
def test_two_threads_never_get_each_other_s_reply(bench: Bench) -> None:
    numbers = range(5000)

    def ask_all(voice: int) -> list[float]:
        return [bench.driver.voices[voice].say(number) for number in numbers]

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(ask_all, [1, 2])
    assert first == [float(f"1.{number}") for number in numbers]
    assert second == [float(f"2.{number}") for number in numbers]


def test_nothing_is_sent_between_a_question_and_its_reply(bench: Bench) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def hold_the_first() -> None:
        asked.set()
        assert go_on.wait(SOON_S)

    bench.twin.on_take = hold_the_first
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(bench.driver.ask, "SAY 1?")
        assert asked.wait(SOON_S)
        second = pool.submit(bench.driver.ask, "SAY 2?")
        set_level = pool.submit(setattr, bench.driver, "level", 1)
        wait([second], timeout=0.05)
        assert bench.twin.heard == ["SAY 1?"]
        go_on.set()
        assert (first.result(SOON_S), second.result(SOON_S)) == ("1", "2")
        set_level.result(SOON_S)


@pytest.mark.usefixtures("eager_threads")
def test_the_error_of_a_setting_reaches_the_thread_that_set_it(bench: Bench) -> None:
    def set_good() -> int:
        for _ in range(300):
            bench.driver.level = 1.0
        return 300

    def set_bad() -> int:
        refused = 0
        for _ in range(300):
            with pytest.raises(Refused, match="error 7"):
                bench.driver.level = 7.0
            refused += 1
        return refused

    with ThreadPoolExecutor(2) as pool:
        good, bad = pool.submit(set_good), pool.submit(set_bad)
        assert (good.result(SOON_S), bad.result(SOON_S)) == (300, 300)
    assert bench.twin.heard[1::2] == ["ERR?"] * 600


# ---- what an exchange that failed leaves behind ---------------------------------------------------------------------


def test_silence_takes_the_timeout_and_names_the_instrument(bench: Bench) -> None:
    with pytest.raises(NoReply, match=r"parrot: did not answer in time after 'LEV 0'\. Check that") as failure:
        bench.driver.ask("LEV 0")
    assert bench.time.now() == pytest.approx(TIMEOUT_S, abs=1e-3)
    assert failure.value.remedy


@pytest.mark.parametrize("lateness_s", [1e-3, 0.02, 5.0])
def test_a_late_reply_never_answers_the_next_question(bench: Bench, lateness_s: float) -> None:
    bench.twin.delay_s = TIMEOUT_S + lateness_s
    with pytest.raises(NoReply):
        bench.driver.ask("SAY 1?")
    bench.twin.delay_s = 0.0
    if lateness_s > 1.0:
        bench.time.elapse(lateness_s)
    assert bench.driver.ask("SAY 2?") == "2"
    assert bench.driver.ask("SAY 3?") == "3"


def test_a_flood_of_late_replies_is_dropped(bench: Bench) -> None:
    with pytest.raises(NoReply):
        bench.driver.ask("LEV 0")
    bench.twin.send(b"1\n" * 500)
    assert bench.driver.ask("SAY 2?") == "2"


def test_half_a_reply_is_no_reply_and_the_rest_is_dropped(bench: Bench) -> None:
    bench.twin.reply = b"1.25"
    with pytest.raises(NoReply):
        bench.driver.values("SAY 1?")
    bench.twin.reply = None
    bench.twin.send(b"e3\n")
    assert bench.driver.values("SAY 2?") == [2.0]


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_ctrl_c_between_question_and_reply_leaves_the_next_question_its_own(
    bench: Bench, interrupt: type[BaseException]
) -> None:
    def strike() -> None:
        bench.twin.on_take = lambda: None
        raise interrupt

    bench.twin.on_take = strike
    with pytest.raises(interrupt):
        bench.driver.ask("SAY 1?")
    assert bench.driver.ask("SAY 2?") == "2"


def test_ctrl_c_between_setting_and_error_check_leaves_no_reply_behind(bench: Bench) -> None:
    def strike() -> None:
        bench.twin.on_take = lambda: None
        raise KeyboardInterrupt

    bench.twin.on_take = strike
    with pytest.raises(KeyboardInterrupt):
        bench.driver.level = 1.0
    assert bench.driver.voices[2].say(5) == 2.5


def test_a_value_error_of_the_caller_drops_nothing(bench: Bench) -> None:
    with pytest.raises(ValueError, match="not in range"), bench.driver.transaction():
        bench.driver.level = 1e6
    before = bench.time.now()
    assert bench.driver.ask("SAY 2?") == "2"
    assert bench.time.now() - before < 0.01  # no drain


def test_a_closed_link_is_a_lost_connection_every_time(bench: Bench) -> None:
    bench.driver.close()
    for _ in range(3):
        with pytest.raises(ConnectionLost, match=r"parrot: .* Check cable, power and address"):
            bench.driver.ask("SAY 1?")
    bench.driver.close()


def test_a_link_that_breaks_at_the_other_end_is_a_lost_connection(bench: Bench) -> None:
    def broken(command: str) -> None:
        raise ConnectionResetError("peer has gone")

    bench.twin.on_command = broken
    for _ in range(2):
        with pytest.raises(ConnectionLost, match="peer has gone"):
            bench.driver.ask("SAY 1?")
    bench.twin.on_command = lambda command: None
    assert bench.driver.ask("SAY 2?") == "2"


# ---- strict casts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply", ["nan", "NaN", "inf", "-Infinity", "1e400", "", "   ", "ten", "1,x", "1,,2", "1 2", "0x10", "1.2.3", "1_0"]
)
def test_what_is_no_finite_number_is_a_bad_reply(bench: Bench, reply: str) -> None:
    bench.twin.reply = reply.encode() + b"\n"
    with pytest.raises(BadReply, match="parrot: expected a number after 'SAY 0\\?'") as failure:
        bench.driver.values("SAY 0?")
    assert failure.value.reply == reply.strip()


@pytest.mark.parametrize(("reply", "cast"), [("1.5", int), ("nan", bool), ("inf", bool), ("yes", bool), ("", int)])
def test_other_casts_are_strict_too(bench: Bench, reply: str, cast: Callable[[str], Any]) -> None:
    bench.twin.reply = reply.encode() + b"\n"
    with pytest.raises(BadReply, match="expected a number"):
        bench.driver.values("SAY 0?", cast=cast)


@given(reply=st.text(st.characters(codec="ascii", exclude_characters="\r\n"), max_size=12))
@settings(max_examples=300, deadline=None)
def test_a_reply_is_numbers_or_a_bad_reply(reply: str) -> None:
    bench = Bench()
    bench.twin.reply = reply.encode() + b"\n"
    try:
        numbers = bench.driver.values("SAY 0?")
    except BadReply:
        return
    assert numbers == [float(part) for part in reply.strip().split(",")]
    assert all(isinstance(number, float) and math.isfinite(number) for number in numbers)


def test_bytes_that_are_no_text_are_a_bad_reply_and_forgotten(bench: Bench) -> None:
    bench.twin.reply = b"\xff\xfe1.0\n"
    with pytest.raises(BadReply, match="bytes that are no text"):
        bench.driver.ask("SAY 1?")
    bench.twin.reply = None
    assert bench.driver.ask("SAY 2?") == "2"


def test_who_answers_is_read_from_four_fields(bench: Bench) -> None:
    bench.twin.reply = b"Maker, M1 ,123,1.0,beta\n"
    assert bench.driver.read_identity() == Identity("Maker", "M1", "123", "1.0,beta")
    bench.twin.reply = b"Maker,M1\n"
    assert str(bench.driver.read_identity()) == "Maker, M1"
    bench.twin.reply = b"nobody\n"
    with pytest.raises(BadReply, match="did not identify itself"):
        bench.driver.read_identity()


# ---- blocks ---------------------------------------------------------------------------------------------------------


def block_reply(bench: Bench, reply: bytes, dtype: str) -> Any:
    bench.twin.reply = reply
    with bench.driver.transaction("DATA?"):
        bench.driver.write("DATA?")
        return bench.driver.read_block(dtype, "DATA?")


@given(
    values=st.lists(st.floats(allow_nan=False, width=32), max_size=40),
    dtype=st.sampled_from(["<f4", ">f4", "<f8", ">f8"]),
    zeros=st.integers(0, 4),
)
@settings(max_examples=150, deadline=None)
def test_a_block_comes_back_as_it_was_sent(values: list[float], dtype: str, zeros: int) -> None:
    bench = Bench()
    sent = np.array(values, dtype=dtype)
    length = "0" * zeros + str(sent.nbytes)
    got = block_reply(bench, f"#{len(length)}{length}".encode() + sent.tobytes() + b"\n", dtype)
    assert got.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(got, sent)
    assert bench.driver.read() == ""  # what follows the block is left to the caller


def test_a_block_of_line_feeds_is_read_by_length(bench: Bench) -> None:
    assert block_reply(bench, b"#210" + b"\n" * 10 + b"\n", "u1").tolist() == [10] * 10


@given(reply=st.binary(max_size=40) | st.binary(max_size=30).map(lambda tail: b"#" + tail))
@settings(max_examples=300, deadline=None)
def test_bytes_that_are_no_block_end_in_an_error_of_the_family(reply: bytes) -> None:
    bench = Bench()
    try:
        got = block_reply(bench, reply, "<f4")
    except LabError:
        bench.twin.reply = None
        assert bench.driver.ask("SAY 2?") == "2"
    else:
        digits = int(reply[1:2])
        assert got.nbytes == int(reply[2 : 2 + digits])


@pytest.mark.parametrize("reply", [b"1.0,2.0\n", b"#0\n", b"##4", b"#A1", b"#1x", b"#13abc", b"#9999999999", b"#210"])
def test_a_block_with_an_impossible_header_or_end_is_refused(bench: Bench, reply: bytes) -> None:
    with pytest.raises((BadReply, NoReply)):
        block_reply(bench, reply, "<f4")


def test_silence_instead_of_a_block_is_no_reply_outside_a_transaction_too(bench: Bench) -> None:
    with pytest.raises(NoReply, match="after 'DATA\\?'"):
        bench.driver.read_block("<f4", "DATA?")
