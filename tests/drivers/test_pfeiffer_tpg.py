"""The TPG driver byte by byte: acknowledgement and enquiry, states before numbers, units, and who it is."""

from __future__ import annotations

from unittest.mock import MagicMock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymeasure.test import expected_protocol

from drivers.base import Identity
from drivers.errors import BadReply, Refused
from drivers.pfeiffer.tpg import (
    NAMELESS_MODELS,
    ControllerError,
    DisplayedValue,
    GaugeReading,
    GaugeStatus,
    PfeifferTPG,
    PressureUnit,
    displayed_values,
    error_word,
    gauge_types,
    pressure_unit,
)

Pairs = list[tuple[bytes | str | None, bytes | str | None]]
ACK, NAK, ENQ = b"\x06\r", b"\x15\r", b"\x05"


def asked(command: str, data: str) -> Pairs:
    """Return one whole handshake."""
    return [(command, ACK), (ENQ, data + "\r")]


def refused(command: str, word: str) -> Pairs:
    """Return a command that is not accepted, and what the error register then says."""
    return [(command, NAK), *asked("ERR", word)]


def test_a_mock_adapter_and_a_name_are_enough() -> None:
    driver = PfeifferTPG(MagicMock(), name="vacuum")
    assert driver.name == "vacuum"
    assert list(driver.gauges) == [1, 2]


@pytest.mark.parametrize(
    ("name", "command", "data", "value"),
    [
        ("unit", "UNI", "0", PressureUnit.MILLIBAR),
        ("unit", "UNI", "5", PressureUnit.VOLT),
        ("gauge_types", "TID", "PKR,noSEn", ("PKR", "noSEn")),
        ("gauge_types", "TID", "TPR/PCR", ("TPR/PCR",)),
        ("error_register", "ERR", "0000", ()),
        ("error_register", "ERR", "1001", (ControllerError.CONTROLLER, ControllerError.SYNTAX)),
    ],
)
def test_a_property_is_read(name: str, command: str, data: str, value: object) -> None:
    with expected_protocol(PfeifferTPG, asked(command, data)) as driver:
        got = getattr(driver, name)
    assert got == value
    assert type(got) is type(value)


def both(first: str, second: str = "5,+2.0000E-02") -> Pairs:
    """Return the handshake of a reading of both gauges."""
    return asked("PRX", f"{first},{second}")


@pytest.mark.parametrize("status", list(GaugeStatus))
@pytest.mark.parametrize("number", [1, 2])
def test_the_state_of_a_gauge_is_read(number: int, status: GaugeStatus) -> None:
    readings = ["0,+1.0000E-05", "0,+1.0000E-05"]
    readings[number - 1] = f"{status.value},+2.0000E-02"
    with expected_protocol(PfeifferTPG, both(*readings)) as driver:
        assert driver.gauges[number].status is status


@pytest.mark.parametrize(
    ("unit", "pascals"), [(0, 1.5e-3), (1, 1.5e-5 * 133.322368), (2, 1.5e-5), (3, 1.5e-5 * 0.133322368), (4, 1.5e-3)]
)
def test_a_pressure_is_in_pascals_whatever_the_display_shows(unit: int, pascals: float) -> None:
    with expected_protocol(PfeifferTPG, [*both("0,9.0E+01", "0,+1.5000E-05"), *asked("UNI", str(unit))]) as driver:
        assert driver.gauges[2].pressure_pa == pytest.approx(pascals, rel=1e-7)


def test_the_unit_is_read_with_every_pressure() -> None:
    pairs = [*both("0,1.0000E-05"), *asked("UNI", "0"), *both("0,1.0000E-03"), *asked("UNI", "2")]
    with expected_protocol(PfeifferTPG, pairs) as driver:
        assert [driver.gauges[1].pressure_pa, driver.gauges[1].pressure_pa] == pytest.approx([1e-3, 1e-3])


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (1, "below its range"),
        (2, "above its range"),
        (3, "its sensor failed"),
        (4, r"switched off.*Switch it on"),
        (5, r"no gauge is connected.*cable"),
        (6, "does not know the gauge"),
        (7, "reports an error"),
    ],
)
def test_a_number_without_a_good_state_is_never_a_pressure(status: int, text: str) -> None:
    reading = both(f"{status},+2.0000E-02")
    with expected_protocol(PfeifferTPG, [*reading, *reading]) as driver:
        with pytest.raises(Refused, match=f"gauge 1 gives no pressure: .*{text}"):
            _ = driver.gauges[1].pressure_pa
        assert driver.gauges[1].measure() == GaugeReading(GaugeStatus(status), None)


def test_a_controller_of_one_gauge_has_no_second() -> None:
    pairs = [*asked("PRX", "0,1.0000E-05"), *asked("PRX", "0,1.0000E-05"), *asked("UNI", "2")]
    with expected_protocol(PfeifferTPG, pairs) as driver:
        assert driver.gauges[2].status is GaugeStatus.NO_SENSOR
        assert driver.gauges[1].pressure_pa == 1e-5


def test_state_and_pressure_come_together() -> None:
    with expected_protocol(PfeifferTPG, [*both("0,-1.0000E-01"), *asked("UNI", "2")]) as driver:
        assert driver.gauges[1].measure() == GaugeReading(GaugeStatus.OK, -0.1)


def test_volts_are_no_pressure() -> None:
    with (
        expected_protocol(PfeifferTPG, [*both("0,5.0000E+00"), *asked("UNI", "5")]) as driver,
        pytest.raises(Refused, match=r"volts.*Choose a unit"),
    ):
        _ = driver.gauges[1].pressure_pa


GOOD = "0,1.0000E-05"
GARBAGE = ["", "0", "0,", ",1.0000E-05", "8,1.0000E-05", "0,nan", "0,inf", "0,1.0000", "0 1.0000E-05", "0,1_0.0E-05"]


@pytest.mark.parametrize("data", [*GARBAGE, "00,1.0000E-05", "0,1.0000E-005", f"{GOOD},0", f"{GOOD},{GOOD},{GOOD}"])
def test_garbage_is_never_a_reading(data: str) -> None:
    with pytest.raises(ValueError, match="no readings"):
        displayed_values(data)
    with expected_protocol(PfeifferTPG, asked("PRX", data)) as driver, pytest.raises(BadReply):
        _ = driver.gauges[1].pressure_pa


@pytest.mark.parametrize(
    ("question", "late"), [("gauge", "0"), ("gauge", "0000"), ("gauge", "PKR,PKR"), ("unit", "0000"), ("unit", GOOD)]
)
def test_late_data_of_another_question_are_no_answer(question: str, late: str) -> None:
    pairs = asked("PRX" if question == "gauge" else "UNI", late)
    with expected_protocol(PfeifferTPG, pairs) as driver, pytest.raises(BadReply):
        _ = driver.gauges[1].status if question == "gauge" else driver.unit


@given(st.sampled_from(GaugeStatus), st.integers(-99_999, 99_999), st.integers(-20, 20))
def test_readings_as_the_controller_writes_them(status: GaugeStatus, mantissa: int, exponent: int) -> None:
    sent = f"{status.value},{mantissa * 1e-4 * 10.0**exponent:+.4E}"
    shown = DisplayedValue(status, float(sent[2:]))
    assert displayed_values(sent) == (shown,)
    assert displayed_values(f"{GOOD},{sent}") == (DisplayedValue(GaugeStatus.OK, 1e-5), shown)


@given(st.text(max_size=20))
def test_any_text_is_a_reading_or_an_error(text: str) -> None:
    try:
        shown = displayed_values(text)
    except ValueError:
        return
    assert all(one.status in GaugeStatus and abs(one.value) < 1e101 for one in shown)


@pytest.mark.parametrize("text", ["", "000", "00000", "0002", "OOOO"])
def test_a_garbled_error_word_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="no error word"):
        error_word(text)


@pytest.mark.parametrize("text", ["", "PKR,", "PKR,PKR,PKR", "1,2", "\x06"])
def test_garbled_gauge_types_are_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="no gauge types"):
        gauge_types(text)


@pytest.mark.parametrize("text", ["", "6", "-1", "mbar"])
def test_an_unknown_unit_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):
        pressure_unit(text)
    with expected_protocol(PfeifferTPG, asked("UNI", text)) as driver, pytest.raises(BadReply):
        _ = driver.unit


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("0001", "syntax error"),
        ("0010", "inadmissible parameter"),
        ("0110", "hardware not installed, inadmissible parameter"),
        ("0000", "it gives no reason"),
        ("what", "it gives no reason"),
    ],
)
def test_a_refusal_gives_the_reason_of_the_register(word: str, reason: str) -> None:
    with expected_protocol(PfeifferTPG, refused("UNI", word)) as driver, pytest.raises(Refused) as refusal:
        _ = driver.unit
    assert reason in str(refusal.value)
    assert refusal.value.command == "UNI"


def test_a_refusal_without_a_register_is_one_all_the_same() -> None:
    with (
        expected_protocol(PfeifferTPG, [("SEN,2,0", NAK), ("ERR", NAK)]) as driver,
        pytest.raises(Refused, match="no reason"),
    ):
        driver.write("SEN,2,0")


def test_a_set_command_is_acknowledged() -> None:
    with expected_protocol(PfeifferTPG, [("UNI,2", ACK)]) as driver:
        driver.write("UNI,2")


def test_lines_of_the_continuous_output_are_skipped() -> None:
    lines: Pairs = [
        ("PRX", "0,+1.0000E-05,5,+2.0000E-02\r"),
        (None, "0,+1.0000E-05,5,+2.0000E-02\r"),
        (None, b"0,+1.0\x06\r"),  # cut short by the command
        (ENQ, "0,+3.0000E-05,5,+2.0000E-02\r"),
    ]
    with expected_protocol(PfeifferTPG, [*lines, *asked("UNI", "2")]) as driver:
        assert driver.gauges[1].pressure_pa == 3e-5


def test_a_late_acknowledgement_is_passed_over() -> None:
    with expected_protocol(PfeifferTPG, [("UNI", ACK), (ENQ, ACK), (None, "2\r")]) as driver:
        assert driver.unit is PressureUnit.PASCAL


def test_endless_talk_is_noticed() -> None:
    talk: Pairs = [(None, GOOD + "\r")] * 15
    pairs: Pairs = [("UNI", GOOD + "\r"), *talk, ("UNI", ACK), (ENQ, ACK), *[(None, ACK)] * 15]
    with expected_protocol(PfeifferTPG, pairs) as driver:
        with pytest.raises(BadReply, match="without acknowledging"):
            _ = driver.unit
        with pytest.raises(BadReply, match="no data"):
            _ = driver.unit


@pytest.mark.parametrize("data", [b"\r", NAK, b"0,\x001\r"])
def test_what_is_no_text_is_no_data(data: bytes) -> None:
    with (
        expected_protocol(PfeifferTPG, [("PRX", ACK), (ENQ, data)]) as driver,
        pytest.raises(BadReply, match="no data"),
    ):
        _ = driver.gauges[1].status


def test_a_new_controller_names_itself() -> None:
    reply = "TPG362,PTG28290,44990000,010100,010100"
    with expected_protocol(PfeifferTPG, asked("AYT", reply)) as driver:
        assert driver.read_identity() == Identity("Pfeiffer Vacuum", "TPG362", "44990000", "010100")


def test_a_new_controller_may_say_little() -> None:
    with expected_protocol(PfeifferTPG, asked("AYT", "TPG 361")) as driver:
        assert driver.read_identity() == Identity("Pfeiffer Vacuum", "TPG361", "", "")


def test_an_old_controller_is_known_by_its_gauges() -> None:
    pairs = [*refused("AYT", "0001"), *asked("TID", "PKR,noSEn")]
    with expected_protocol(PfeifferTPG, pairs) as driver:
        identity = driver.read_identity()
    assert identity.model == NAMELESS_MODELS
    assert "TPG262" in identity.model and "TPG261" in identity.model


def test_a_stranger_does_not_identify_itself() -> None:
    with expected_protocol(PfeifferTPG, asked("AYT", "hello")) as driver, pytest.raises(BadReply, match="identify"):
        driver.read_identity()
    pairs = [*refused("AYT", "0001"), *asked("TID", "???")]
    with expected_protocol(PfeifferTPG, pairs) as driver, pytest.raises(BadReply):
        driver.read_identity()


def test_initialise_clears_errors_and_reads_the_unit(caplog: pytest.LogCaptureFixture) -> None:
    with expected_protocol(PfeifferTPG, [*asked("ERR", "1010"), *asked("UNI", "0")]) as driver:
        driver.initialise()
    assert "controller error" in caplog.text
    assert "inadmissible parameter" in caplog.text


def test_initialise_refuses_volts() -> None:
    pairs = [*asked("ERR", "0000"), *asked("UNI", "5")]
    with expected_protocol(PfeifferTPG, pairs) as driver, pytest.raises(Refused, match="volts"):
        driver.initialise()


def test_errors_are_read_and_so_cleared() -> None:
    with expected_protocol(PfeifferTPG, [*asked("ERR", "0100"), *asked("ERR", "0000")]) as driver:
        assert driver.check_errors() == [ControllerError.NO_HARDWARE]
        assert driver.check_errors() == []


@pytest.mark.parametrize(
    ("command", "reads"), [("PRX", True), ("AYT", True), ("COM", False), ("RES,1", False), ("UNI,2", False)]
)
def test_raw_commands_that_only_read(command: str, reads: bool) -> None:
    assert PfeifferTPG(MagicMock()).is_question(command) is reads
