"""What goes around pymeasure's instrument classes: strict replies, corrected properties, and what is withdrawn."""

from __future__ import annotations

import threading
from unittest.mock import MagicMock

import pytest
from pymeasure.instruments import Channel, Instrument, SCPIUnknownMixin
from pymeasure.instruments.validators import strict_discrete_set, strict_range
from pymeasure.test import expected_protocol

from drivers.base import DriverChannel
from drivers.errors import BadReply, Refused
from drivers.pymeasure_backed import PlainConstructor, Withdrawn, corrected
from drivers.scpi import ScpiDriver


class PlainOutput(Channel):
    """A channel as pymeasure has them."""

    level = Instrument.control("LEV{ch}?", "LEV{ch} %g", "The level.")
    shape = Instrument.control("SHAP{ch}?", "SHAP{ch} %s", "The shape.", dynamic=True)


class PlainLaser(SCPIUnknownMixin, Instrument):
    """An instrument as pymeasure has them, with all the faults at once."""

    ch_1 = Instrument.ChannelCreator(PlainOutput, 1)
    mode = Instrument.control(
        "MODE?", "MODE %d", "The mode.", validator=strict_discrete_set, values={"slow": 0, "fast": 1}, map_values=True
    )
    limits = Instrument.measurement("LIM?", "The limits.")
    temperature = Instrument.measurement("TEMP?", "The temperature.")
    burst = Instrument.control("BURS?", "BURS %d", "The burst.")

    def __init__(self, adapter: object, name: str = "plain laser", **kwargs: object) -> None:
        super().__init__(adapter, name, **kwargs)
        self.write("HELLO")


class Output(DriverChannel, PlainOutput):  # type: ignore[misc]
    level = corrected(
        PlainOutput.level,
        "Control the level in V (0 to 1).",
        set_command="LEV{ch} %.12g",
        validator=strict_range,
        values=[0, 1],
        check_set_errors=True,
    )
    shape = corrected(PlainOutput.shape, "Control the shape (str).", cast=str, check_set_errors=True)


class Laser(ScpiDriver, PlainConstructor, PlainLaser):  # type: ignore[misc]
    ch_1 = Instrument.ChannelCreator(Output, 1)
    mode = corrected(PlainLaser.mode, "Control the mode (str).", check_set_errors=True)
    temperature = corrected(
        PlainLaser.temperature, "Get the temperature in K.", get_process=lambda value: value + 273.0
    )
    burst = Withdrawn("nobody needs it")


NO_ERROR = (":SYST:ERR?", '+0,"No error"')


def test_the_constructor_of_pymeasure_neither_talks_nor_warns() -> None:
    adapter = MagicMock()
    laser = Laser(adapter, "laser")
    assert adapter.method_calls == []
    assert laser.name == "laser"
    with pytest.warns(FutureWarning, match="It is not known whether"):
        PlainLaser(adapter)
    assert adapter.write.call_args_list[0].args == ("HELLO",)


def test_a_corrected_property_has_our_parameters_and_docstring() -> None:
    with expected_protocol(Laser, [("LEV1 0.123456789", None), NO_ERROR], name="laser") as laser:
        laser.ch_1.level = 0.123456789
    with expected_protocol(Laser, [], name="laser") as laser, pytest.raises(ValueError, match="not in range"):
        laser.ch_1.level = 1.5
    assert vars(Output)["level"].__doc__ == "Control the level in V (0 to 1)."
    assert vars(Laser)["temperature"].fset is None


def test_a_refusal_by_the_instrument_names_the_command_of_the_channel() -> None:
    refusal = [("LEV1 1", None), (":SYST:ERR?", '-222,"Data out of range"'), NO_ERROR]
    with (
        expected_protocol(Laser, refusal, name="laser") as laser,
        pytest.raises(Refused, match="laser: refused: -222 Data out of range after 'LEV1 1'"),
    ):
        laser.ch_1.level = 1


def test_text_comes_through_by_a_cast_and_not_by_accident() -> None:
    with expected_protocol(Laser, [("SHAP1?", "SIN")], name="laser") as laser:
        assert laser.ch_1.shape == "SIN"
    with expected_protocol(PlainOutputLaser, [("SHAP1?", "SIN")], name="laser") as plain, pytest.raises(BadReply):
        _ = plain.ch_1.shape


class GuardedOutput(DriverChannel, PlainOutput):  # type: ignore[misc]
    pass


class PlainOutputLaser(ScpiDriver, PlainConstructor, PlainLaser):  # type: ignore[misc]
    ch_1 = Instrument.ChannelCreator(GuardedOutput, 1)


@pytest.mark.parametrize("reply", ["2", "0,1", "quick", ""])
def test_a_reply_that_is_not_in_the_map_is_a_bad_reply(reply: str) -> None:
    with expected_protocol(Laser, [("MODE?", reply)], name="laser") as laser, pytest.raises(BadReply, match="MODE"):
        _ = laser.mode


def test_one_value_is_one_value() -> None:
    with expected_protocol(Laser, [("TEMP?", "20")], name="laser") as laser:
        assert laser.temperature == 293.0
    with expected_protocol(Laser, [("TEMP?", "20,30")], name="laser") as laser, pytest.raises(BadReply):
        _ = laser.temperature
    with expected_protocol(Laser, [("LIM?", "20,30")], name="laser") as laser:
        assert laser.limits == [20, 30]  # what is not corrected is as pymeasure has it


def test_what_is_withdrawn_is_not_there_and_sends_nothing() -> None:
    with expected_protocol(Laser, [], name="laser") as laser:
        assert not hasattr(laser, "burst")
        with pytest.raises(AttributeError, match="not offered by this driver: nobody needs it"):
            laser.burst = 1
    assert isinstance(Laser.burst, Withdrawn)


def test_a_parameter_that_pymeasure_does_not_know_is_noticed_when_the_class_is_made() -> None:
    with pytest.raises(TypeError, match="set_comand: not a parameter"):
        corrected(PlainLaser.mode, "Control the mode.", set_comand="MODE %d")


def test_a_setting_holds_the_transaction_until_its_errors_are_read() -> None:
    held: list[bool] = []
    with expected_protocol(Laser, [("MODE 1", None), NO_ERROR], name="laser") as laser:
        read = laser.read

        def watch(**kwargs: object) -> str:
            taken: list[bool] = []
            other = threading.Thread(target=lambda: taken.append(laser._transaction.acquire(blocking=False)))
            other.start()
            other.join()
            held.append(not taken[0])
            return str(read(**kwargs))

        laser.read = watch
        laser.mode = "fast"
    assert held == [True]
