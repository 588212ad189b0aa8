"""Boards in a chain with the Red Pitaya driver, exchange by exchange."""

from __future__ import annotations

import pytest
from pymeasure.test import expected_protocol

from drivers.errors import BadReply
from drivers.redpitaya.chain import CHAIN_TRIGGER
from drivers.redpitaya.stemlab import RedPitaya4Input, RedPitaya125_14

OK = ("SYST:ERR?", '0,"No error"')


def test_the_trigger_goes_on_to_the_next_board() -> None:
    with expected_protocol(
        RedPitaya4Input,
        [("DAISY:SYNC:TRig ON", None), OK, ("DAISY:SYNC:TRig OFF", None), OK, ("DAISY:SYNC:TRig?", "ON")],
    ) as board:
        board.shares_trigger = True
        board.shares_trigger = False
        assert board.shares_trigger is True


def test_the_clock_goes_on_to_the_next_board() -> None:
    with expected_protocol(
        RedPitaya4Input,
        [("DAISY:SYNC:CLK ON", None), OK, ("DAISY:SYNC:CLK OFF", None), OK, ("DAISY:SYNC:CLK?", "OFF")],
    ) as board:
        board.shares_clock = True
        board.shares_clock = False
        assert board.shares_clock is False


def test_only_true_and_false_are_sent_and_only_on_and_off_understood() -> None:
    with expected_protocol(RedPitaya125_14, [("DAISY:SYNC:TRig?", "maybe"), ("DAISY:SYNC:CLK?", "2")]) as board:
        for setting in ("shares_trigger", "shares_clock"):
            with pytest.raises(ValueError, match="yes"):
                setattr(board, setting, "yes")
            with pytest.raises(BadReply, match="ON or OFF"):
                getattr(board, setting)


def test_a_board_waits_for_the_one_before_it() -> None:
    assert CHAIN_TRIGGER in RedPitaya4Input.trigger_sources
    with expected_protocol(
        RedPitaya4Input,
        [
            ("ACQ:DEC:Factor 8", None),
            OK,
            ("ACQ:TRig:DLY 8192", None),
            OK,
            ("ACQ:START", None),
            (f"ACQ:TRig {CHAIN_TRIGGER}", None),
            OK,
        ],
    ) as board:
        board.arm(8, CHAIN_TRIGGER)
