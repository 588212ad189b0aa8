"""SIM960 driver: what each property sends and understands, and the errors on the way."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymeasure.test import expected_protocol

from drivers.errors import BadReply, Refused
from drivers.srs.sim900 import SIM900
from drivers.srs.sim960_status import Monitor, RampState, ServoCondition, StandardEvent

SLOT = 3
Pairs = list[tuple[str | None, str | None]]


def asked(question: str, answer: str) -> Pairs:
    """What goes over the wire for one question."""
    count = len(answer) + 1
    return [
        (f'SNDT {SLOT},"{question}"', None),
        (f"NINP? {SLOT}", str(count)),
        (f"RAWN? {SLOT},{count}", f"{answer}\n"),
    ]


def told(line: str, events: str = "0") -> Pairs:
    """What goes over the wire for one checked setting."""
    return [(f'SNDT {SLOT},"{line}"', None), *asked("*ESR?", events)]


SETTINGS = [
    ("proportional_gain", "GAIN", -0.5, "-5.0E-01", "-0.5E+0"),
    ("proportional_gain", "GAIN", 150.0, "+1.5E+02", "+1.5E+2"),
    ("integral_gain", "INTG", 1500.0, "1.5E+03", "+1.5E+3"),
    ("derivative_gain", "DERV", 1.5e-5, "1.5E-05", "+1.5E-5"),
    ("offset", "OFST", -0.123, "-0.123", "-0.123"),
    ("proportional_on", "PCTL", True, "1", "1"),
    ("integral_on", "ICTL", False, "0", "0"),
    ("derivative_on", "DCTL", True, "1", "1"),
    ("offset_on", "OCTL", False, "0", "0"),
    ("closed", "AMAN", True, "1", "1"),
    ("closed", "AMAN", False, "0", "0"),
    ("internal_setpoint", "INPT", True, "0", "0"),
    ("internal_setpoint", "INPT", False, "1", "1"),
    ("setpoint", "SETP", -1.234, "-1.234", "-1.234"),
    ("ramp", "RAMP", True, "1", "1"),
    ("ramp_rate", "RATE", 2e-3, "2.0E-03", "+0.2E-2"),
    ("manual_output", "MOUT", 8.0, "+8.000", "+8.000"),
    ("upper_limit", "ULIM", 4.5, "+4.50", "+4.50"),
    ("lower_limit", "LLIM", -4.5, "-4.50", "-4.50"),
]


@pytest.mark.parametrize(("name", "mnemonic", "value", "sent", "reply"), SETTINGS)
def test_setting(name: str, mnemonic: str, value: Any, sent: str, reply: str) -> None:
    pairs = [*told(f"{mnemonic} {sent}"), *asked(f"{mnemonic}?", reply)]
    with expected_protocol(SIM900, pairs) as mainframe:
        servo = mainframe.modules[SLOT]
        setattr(servo, name, value)
        found = getattr(servo, name)
    assert found == value
    assert type(found) is type(value)


READINGS = [
    ("setpoint_monitor", "SMON?", "+00.483159", 0.483159),
    ("measured", "MMON?", "+01.106139", 1.106139),
    ("error_monitor", "EMON?", "-00.000012", -0.000012),
    ("output", "OMON?", "-09.999870", -9.99987),
    ("new_readings", "ADSR?", "9", Monitor.SETPOINT | Monitor.OUTPUT),
    ("ramp_state", "RMPS?", "2", RampState.RAMPING),
    ("latched_conditions", "INSR?", "3", ServoCondition.OVERLOAD | ServoCondition.UPPER_LIMIT),
    ("present_conditions", "INCR?", "28", ServoCondition(28)),
    ("last_execution_error", "LEXE?", "21", 21),
    ("last_command_error", "LCME?", "0", 0),
]


@pytest.mark.parametrize(("name", "question", "reply", "value"), READINGS)
def test_reading(name: str, question: str, reply: str, value: Any) -> None:
    with expected_protocol(SIM900, asked(question, reply)) as mainframe:
        found = getattr(mainframe.modules[SLOT], name)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "question", "reply"),
    [
        ("proportional_gain", "GAIN?", "+1.5E"),
        ("measured", "MMON?", "nan"),
        ("closed", "AMAN?", "2"),
        ("closed", "AMAN?", "PID"),
        ("ramp_state", "RMPS?", "7"),
        ("latched_conditions", "INSR?", "300"),
        ("present_conditions", "INCR?", ""),
    ],
)
def test_garbled_reply(name: str, question: str, reply: str) -> None:
    with (
        expected_protocol(SIM900, asked(question, reply)) as mainframe,
        pytest.raises(BadReply, match=rf"SRS SIM900.*SNDT 3,.*{question[:-1]}"),
    ):
        getattr(mainframe.modules[SLOT], name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("proportional_gain", 0.05),
        ("proportional_gain", 1001.0),
        ("integral_gain", -1.0),
        ("derivative_gain", 11.0),
        ("offset", 10.001),
        ("setpoint", float("nan")),
        ("closed", 2),
        ("ramp", "ON"),
        ("ramp_rate", 0.0),
        ("manual_output", -10.5),
        ("upper_limit", 10.01),
        ("lower_limit", -10.01),
    ],
)
def test_out_of_range_is_never_sent(name: str, value: Any) -> None:
    with expected_protocol(SIM900, []) as mainframe, pytest.raises(ValueError):
        setattr(mainframe.modules[SLOT], name, value)


@pytest.mark.parametrize(
    ("name", "value", "line"), [("upper_limit", 4.509, "ULIM +4.50"), ("lower_limit", -4.509, "LLIM -4.50")]
)
def test_limits_are_rounded_inwards(name: str, value: float, line: str) -> None:
    with expected_protocol(SIM900, told(line)) as mainframe:
        setattr(mainframe.modules[SLOT], name, value)


VALUES = {
    "proportional_gain": st.one_of(st.floats(0.1, 1e3), st.floats(-1e3, -0.1)),
    "integral_gain": st.floats(1e-2, 5e5),
    "derivative_gain": st.floats(1e-6, 10.0),
    "ramp_rate": st.floats(1e-3, 1e4),
    **dict.fromkeys(["offset", "setpoint", "manual_output", "upper_limit", "lower_limit"], st.floats(-10.0, 10.0)),
    **dict.fromkeys(["closed", "internal_setpoint", "ramp", "integral_on"], st.booleans()),
}


@given(st.sampled_from(sorted(VALUES)).flatmap(lambda name: st.tuples(st.just(name), VALUES[name])))
def test_every_line_fits_the_input_buffer(setting: tuple[str, Any]) -> None:
    adapter = MagicMock()
    adapter.read.return_value = "2"
    adapter.read_bytes.return_value = b"0\n"
    setattr(SIM900(adapter).modules[SLOT], *setting)
    lines = [call.args[0].split('"')[1] for call in adapter.write.mock_calls if call.args[0].startswith("SNDT")]
    assert len(lines) == 2
    assert all(len(line) + 1 < 32 for line in lines)


@pytest.mark.parametrize(
    ("events", "codes", "reason"),
    [
        ("16", asked("LEXE?", "1"), "illegal value"),
        ("16", asked("LEXE?", "99"), "execution error 99"),
        ("32", asked("LCME?", "2"), "undefined command"),
        ("48", [*asked("LEXE?", "21"), *asked("LCME?", "9")], "limits conflict, bad floating"),
        ("2", [], "input buffer overflowed"),
        ("4", [], "a reply was lost"),
    ],
)
def test_refused_setting(events: str, codes: Pairs, reason: str) -> None:
    pairs = [*told("SETP +1.000", events), *codes]
    with (
        expected_protocol(SIM900, pairs) as mainframe,
        pytest.raises(Refused, match=rf"SRS SIM900: the SIM960 in slot 3 .*{reason}.*SETP \+1\.000"),
    ):
        mainframe.modules[SLOT].setpoint = 1.0


@pytest.mark.parametrize(("events", "codes"), [("192", []), ("1", []), ("16", asked("LEXE?", "18"))])
def test_what_is_no_refusal(events: str, codes: Pairs) -> None:
    with expected_protocol(SIM900, [*told("AMAN 1", events), *codes]) as mainframe:
        mainframe.modules[SLOT].close_loop()


def test_garbled_event_register() -> None:
    with expected_protocol(SIM900, told("AMAN 1", "x")) as mainframe, pytest.raises(BadReply, match="event register"):
        mainframe.modules[SLOT].closed = True


def test_checks_of_settings_do_not_swallow_events() -> None:
    pairs = [*told("AMAN 1", "64"), *asked("*ESR?", "128"), *asked("*ESR?", "0")]
    with expected_protocol(SIM900, pairs) as mainframe:
        servo = mainframe.modules[SLOT]
        servo.closed = True
        assert servo.events_since_last_look() == StandardEvent.BUTTON_PRESSED | StandardEvent.POWER_ON
        assert servo.events_since_last_look() == StandardEvent.NONE


def test_conditions_since_last_look_join_what_began_and_what_goes_on() -> None:
    with expected_protocol(SIM900, [*asked("INSR?", "17"), *asked("INCR?", "18")]) as mainframe:
        seen = mainframe.modules[SLOT].conditions_since_last_look()
    assert seen == ServoCondition.OVERLOAD | ServoCondition.UPPER_LIMIT


def test_open_loop_copies_the_output() -> None:
    pairs = [*asked("AMAN?", "1"), *asked("OMON?", "+01.106139"), *told("MOUT +1.106;AMAN 0")]
    with expected_protocol(SIM900, pairs) as mainframe:
        assert mainframe.modules[SLOT].open_loop() == 1.106


def test_open_loop_stays_in_range() -> None:
    pairs = [*asked("AMAN?", "1"), *asked("OMON?", "-10.000210"), *told("MOUT -10.000;AMAN 0")]
    with expected_protocol(SIM900, pairs) as mainframe:
        assert mainframe.modules[SLOT].open_loop() == -10.0


def test_open_loop_leaves_an_open_loop() -> None:
    with expected_protocol(SIM900, [*asked("AMAN?", "0"), *asked("MOUT?", "+0.250")]) as mainframe:
        assert mainframe.modules[SLOT].open_loop() == 0.25


@pytest.mark.parametrize(
    ("upper_now", "order"),
    [("+10.00", ["LLIM +1.00", "ULIM +3.00"]), ("+0.50", ["ULIM +3.00", "LLIM +1.00"])],
)
def test_limit_output_never_makes_the_limits_conflict(upper_now: str, order: list[str]) -> None:
    pairs = [*asked("ULIM?", upper_now), *told(order[0]), *told(order[1])]
    with expected_protocol(SIM900, pairs) as mainframe:
        mainframe.modules[SLOT].limit_output(1.0, 3.0)


@pytest.mark.parametrize("limits", [(1.0, 1.0), (2.0, 1.0), (-11.0, 1.0), (0.0, 11.0), (float("nan"), 1.0)])
def test_limit_output_refuses_what_is_no_range(limits: tuple[float, float]) -> None:
    with expected_protocol(SIM900, []) as mainframe, pytest.raises(ValueError, match="limits"):
        mainframe.modules[SLOT].limit_output(*limits)


def test_check_errors() -> None:
    with expected_protocol(SIM900, [*asked("*ESR?", "32"), *asked("LCME?", "3"), *asked("*ESR?", "0")]) as mainframe:
        assert mainframe.modules[SLOT].check_errors() == ["illegal query"]
        assert mainframe.modules[SLOT].check_errors() == []


def test_write_and_read_reach_the_module() -> None:
    with expected_protocol(SIM900, asked("LBTN?", "0")) as mainframe:
        mainframe.modules[SLOT].write("LBTN?")
        assert mainframe.modules[SLOT].read() == "0"
