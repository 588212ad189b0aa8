"""Red Pitaya STEMlab 125-14 and 125-14 4-Input through the SCPI server of the board (TCP port 5000)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymeasure.instruments import Instrument
from pymeasure.instruments.validators import strict_discrete_set

from drivers.errors import BadReply, WrongInstrument
from drivers.moves import Move
from drivers.redpitaya.chain import ChainedRecorder
from drivers.redpitaya.forms import on_off, on_or_off
from drivers.redpitaya.inputs import BUFFER_SAMPLES, TRIGGER_AT_START, FastInput
from drivers.redpitaya.moves import moves_of
from drivers.redpitaya.outputs import FastOutput
from drivers.redpitaya.pins import (
    DIGITAL_PINS,
    LIGHTS,
    SLOW_INPUTS,
    SLOW_OUTPUTS,
    DigitalPin,
    Light,
    SlowInput,
    SlowOutput,
)

__all__ = ["BUFFER_SAMPLES", "TRIGGER_AT_START", "RedPitaya", "RedPitaya4Input", "RedPitaya125_14"]

_FOUR_INPUTS = "4-Input"  # in the name of a board that has them
_EDGES = ("PE", "NE", "AE")


class RedPitaya(ChainedRecorder):
    """What the boards have in common: acquisition, deep memory, chain, digital pins, lights, slow analog pins."""

    slow_inputs = Instrument.MultiChannelCreator(SlowInput, SLOW_INPUTS, prefix="slow_")
    slow_outputs = Instrument.MultiChannelCreator(SlowOutput, SLOW_OUTPUTS, prefix="slow_")
    pins = Instrument.MultiChannelCreator(DigitalPin, DIGITAL_PINS, prefix="pin_")
    lights = Instrument.MultiChannelCreator(Light, LIGHTS, prefix="light_")

    def slow_input_volts(self, pins: Sequence[str]) -> list[float]:
        """Return the voltages of several slow inputs, such as AIN0, in V: all questions go out at once, so that they
        cost one way there and back.

        Raises `BadReply` where one is no number.
        """
        command = "ANALOG:PIN? " + ", ".join(pins)
        with self.transaction(command):
            self.write("\r\n".join(f"ANALOG:PIN? {pin}" for pin in pins))
            replies = [self.read() for _ in pins]
            try:
                return [float(reply) for reply in replies]
            except ValueError as error:
                raise BadReply(
                    self.name, "expected a number from each", command=command, reply=" ".join(replies)
                ) from error

    moving_settings = frozenset({"on", "level", "direction", "voltage", "initial_value", "last_value", "load", "mode"})

    heartbeat_light = Instrument.control(
        "LED:HB?",
        "LED:HB %s",
        """Control whether the red light shows that the board runs (bool).""",
        validator=strict_discrete_set,
        values=(True, False),
        set_process=on_off,
        cast=on_or_off,
        check_set_errors=True,
    )
    card_light = Instrument.control(
        "LED:MMC?",
        "LED:MMC %s",
        """Control whether the orange light shows reading of the memory card (bool).""",
        validator=strict_discrete_set,
        values=(True, False),
        set_process=on_off,
        cast=on_or_off,
        check_set_errors=True,
    )
    network_light = Instrument.control(
        "LED:ETH?",
        "LED:ETH %s",
        """Control whether the lights of the network socket show traffic (bool).""",
        validator=strict_discrete_set,
        values=(True, False),
        set_process=on_off,
        cast=on_or_off,
        check_set_errors=True,
    )

    def __init__(self, adapter: Any, name: str = "Red Pitaya STEMlab", **kwargs: Any) -> None:
        super().__init__(adapter, name, **kwargs)

    def moves(self, command: str) -> Sequence[Move]:
        """Return what a command would move: fast and slow outputs in V, levels of pins (0 or 1)."""
        return moves_of(command)

    def initialise(self) -> None:
        """Clear old errors, ask for a reply to failing queries, and set form, unit and byte order of the data.

        Raises `WrongInstrument` when the board is not the one that this driver is for.
        """
        with self.transaction():
            self.write("*CLS")
            self.write("RP:RET_ON_ERROR ON")
            self._take_errors()  # an older server does not know it and stays silent instead: both are understood
            board = self.read_board_name()
            if board and self.fast_input_count and (_FOUR_INPUTS in board) != (self.fast_input_count == 4):
                raise WrongInstrument(
                    self.name,
                    f"the board does not have {self.fast_input_count} fast inputs",
                    command="SYST:BRD:Name?",
                    reply=board,
                    remedy="Name the driver of this board, or the address of the other.",
                )
            self._prepare_transfer()


def _trigger_sources(inputs: int, *others: str) -> tuple[str, ...]:
    edged = [*(f"CH{number}" for number in range(1, inputs + 1)), "EXT", *others]
    return ("DISABLED", "NOW", *(f"{source}_{edge}" for source in edged for edge in _EDGES))


class RedPitaya125_14(RedPitaya):  # noqa: N801  (as the maker writes it)
    """STEMlab 125-14: two fast inputs, two fast outputs."""

    inputs = Instrument.MultiChannelCreator(FastInput, (1, 2), prefix="input_")
    outputs = Instrument.MultiChannelCreator(FastOutput, (1, 2), prefix="output_")
    fast_input_count = 2
    trigger_sources = _trigger_sources(2, "AWG")

    def __init__(self, adapter: Any, name: str = "Red Pitaya STEMlab 125-14", **kwargs: Any) -> None:
        super().__init__(adapter, name, **kwargs)

    def start_outputs(self) -> None:
        """Start both generators at the same sample."""
        with self.transaction():
            self.write("SOUR:TRig:INT")
            self.check_errors()


class RedPitaya4Input(RedPitaya):
    """STEMlab 125-14 4-Input: four fast inputs, no fast output."""

    inputs = Instrument.MultiChannelCreator(FastInput, (1, 2, 3, 4), prefix="input_")
    fast_input_count = 4
    trigger_sources = _trigger_sources(4)

    def __init__(self, adapter: Any, name: str = "Red Pitaya STEMlab 125-14 4-Input", **kwargs: Any) -> None:
        super().__init__(adapter, name, **kwargs)
