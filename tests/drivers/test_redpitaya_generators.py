"""Bursts, pulses and tables of the Red Pitaya's generators, exchange by exchange."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pymeasure.test import expected_protocol

from drivers.errors import BadReply, Refused
from drivers.redpitaya.stemlab import RedPitaya125_14

OK = ("SYST:ERR?", '0,"No error"')

PROPERTIES = [
    ("function", "SOUR2:FUNC", "PWM", "PWM", "PWM"),
    ("duty_cycle", "SOUR2:DCYC", "0.25", 0.25, "0.25"),
    ("load", "SOUR2:LOAD", "L50", "L50", "L50"),
    ("mode", "SOUR2:BURS:STAT", "BURST", "BURST", "BURST"),
    ("burst_cycles", "SOUR2:BURS:NCYC", "50000", 50000, "50000"),
    ("burst_repetitions", "SOUR2:BURS:NOR", "65536", 65536, "65536"),
    ("burst_period", "SOUR2:BURS:INT:PER", "250000", 0.25, "250000"),
    ("initial_value", "SOUR2:INITValue", "-0.5", -0.5, "-0.5"),
    ("last_value", "SOUR2:BURS:LASTValue", "0.125", 0.125, "0.125"),
    ("trigger_source", "SOUR2:TRig:SOUR", "EXT_NE", "EXT_NE", "EXT_NE"),
]


@pytest.mark.parametrize(("name", "header", "reply", "value", "sent"), PROPERTIES)
def test_setting_of_an_output(name: str, header: str, reply: str, value: Any, sent: str) -> None:
    with expected_protocol(RedPitaya125_14, [(f"{header}?", reply), (f"{header} {sent}", None), OK]) as board:
        assert getattr(board.outputs[2], name) == (pytest.approx(value) if isinstance(value, float) else value)
        setattr(board.outputs[2], name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("function", "NOISE"),
        ("duty_cycle", 1.01),
        ("load", "50"),
        ("mode", "STREAM"),
        ("burst_cycles", 0),
        ("burst_cycles", 2.5),
        ("burst_repetitions", 65537),
        ("burst_period", 1e-7),
        ("burst_period", 501.0),
        ("initial_value", 1.1),
        ("last_value", -1.1),
        ("trigger_source", "GATED"),
    ],
)
def test_values_out_of_range_are_not_sent(name: str, value: Any) -> None:
    with expected_protocol(RedPitaya125_14, []) as board, pytest.raises(ValueError):
        setattr(board.outputs[1], name, value)


@pytest.mark.parametrize(
    ("name", "query", "reply"),
    [
        ("duty_cycle", "SOUR1:DCYC?", "half"),
        ("load", "SOUR1:LOAD?", "50"),
        ("mode", "SOUR1:BURS:STAT?", "ON"),
        ("burst_cycles", "SOUR1:BURS:NCYC?", "1.5"),
        ("burst_repetitions", "SOUR1:BURS:NOR?", "INF"),
        ("trigger_source", "SOUR1:TRig:SOUR?", "EXT"),
    ],
)
def test_garbled_replies(name: str, query: str, reply: str) -> None:
    with expected_protocol(RedPitaya125_14, [(query, reply)]) as board, pytest.raises(BadReply, match="expected"):
        getattr(board.outputs[1], name)


def test_what_others_may_have_set_can_be_read() -> None:
    exchange = [("SOUR1:TRig:SOUR?", "GATED"), ("SOUR1:BURS:STAT?", "STREAM")]
    with expected_protocol(RedPitaya125_14, exchange) as board:
        assert board.outputs[1].trigger_source == "GATED"
        assert board.outputs[1].mode == "STREAM"


def test_a_refused_mode_names_the_reason() -> None:
    exchange = [("SOUR1:BURS:STAT BURST", None), ("SYST:ERR?", '9506,"*SOUR#:BURS:STAT Value out of range."'), OK]
    with expected_protocol(RedPitaya125_14, exchange) as board, pytest.raises(Refused, match="9506"):
        board.outputs[1].mode = "BURST"


def test_a_burst() -> None:
    exchange = [
        ("SOUR1:FREQ:FIX?", "1000"),
        *[("SOUR1:BURS:STAT BURST", None), OK, ("SOUR1:BURS:NCYC 3", None), OK],
        *[("SOUR1:BURS:NOR 65536", None), OK, ("SOUR1:BURS:INT:PER 5000", None), OK],
    ]
    with expected_protocol(RedPitaya125_14, exchange) as board:
        board.outputs[1].configure_burst(3, 65536, 5e-3)


def test_a_burst_that_lasts_longer_than_its_period_is_not_sent() -> None:
    with (
        expected_protocol(RedPitaya125_14, [("SOUR1:FREQ:FIX?", "1000")]) as board,
        pytest.raises(ValueError, match=r"5 periods of 1000\.0 Hz"),
    ):
        board.outputs[1].configure_burst(5, 1, 5e-3)


def test_a_table() -> None:
    exchange = [
        ("SOUR2:TRAC:DATA:DATA 0.5,-1,0.333333", None),
        OK,
        ("ACQ:DATA:FORMAT ASCII", None),
        OK,
        ("SOUR2:TRAC:DATA:DATA?", "{0.500000,-1.000000,0.333333}"),
    ]
    with expected_protocol(RedPitaya125_14, exchange) as board:
        board.outputs[2].set_table([0.5, -1.0, 1 / 3])
        np.testing.assert_array_equal(board.outputs[2].read_table(), [0.5, -1.0, 0.333333])


@pytest.mark.parametrize("table", [[], [1.1], [float("nan")], [[0.0, 0.1]], np.zeros(16385)])
def test_tables_that_cannot_be_are_not_sent(table: Any) -> None:
    with expected_protocol(RedPitaya125_14, []) as board, pytest.raises(ValueError, match="16384 values from -1 to 1"):
        board.outputs[1].set_table(table)


def test_a_garbled_table() -> None:
    exchange = [("ACQ:DATA:FORMAT ASCII", None), OK, ("SOUR1:TRAC:DATA:DATA?", "{0.5,x}")]
    with expected_protocol(RedPitaya125_14, exchange) as board, pytest.raises(BadReply, match="numbers in braces"):
        board.outputs[1].read_table()
