"""The fast outputs of a Red Pitaya board: generators with bursts, pulse widths and arbitrary shapes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pymeasure.instruments import Instrument
from pymeasure.instruments.validators import strict_range

from drivers.base import DriverChannel
from drivers.errors import BadReply
from drivers.redpitaya.forms import (
    microseconds,
    seconds_of_microseconds,
)
from drivers.redpitaya.properties import choice, count, switch
from drivers.scpi_properties import number

SHAPES = ("SINE", "SQUARE", "TRIANGLE", "SAWU", "SAWD", "DC", "DC_NEG", "PWM", "ARBITRARY")
LARGEST_FREQUENCY_HZ = 50e6
FULL_SCALE_OUT_V = 1.0
LONGEST_TABLE = 16384
MOST_CYCLES = 50_000
WITHOUT_END = 65536
"""Repetitions of a burst that never stop."""
BURST_PERIODS_S = (1e-6, 500.0)


class FastOutput(DriverChannel):
    """A fast analog output with its generator; volts are those into the load that `load` says.

    |amplitude| + |offset| may not exceed 1 V into high impedance, half of that into 50 ohm; the board checks that at
    every single setting, see `configure`. Nothing comes out before `start`, or the edge of `trigger_source`, but
    offset and `initial_value`. Most settings start a generator that runs again at its phase.
    """

    function = choice(
        "SOUR{ch}:FUNC",
        """Control the shape (str, SINE, SQUARE, TRIANGLE, SAWU, SAWD, DC, DC_NEG, PWM or ARBITRARY).

        PWM is a square of `duty_cycle`, ARBITRARY the table of `set_table`.
        """,
        SHAPES,
    )
    frequency = number(
        "SOUR{ch}:FREQ:FIX",
        "Control the frequency in Hz (float strictly from 0 to 50e6); the board keeps single precision.",
        [0.0, LARGEST_FREQUENCY_HZ],
    )
    amplitude = number(
        "SOUR{ch}:VOLT",
        "Control the amplitude (half of peak to peak) in V (float strictly from 0 to 1).",
        [0.0, FULL_SCALE_OUT_V],
    )
    offset = number(
        "SOUR{ch}:VOLT:OFFS",
        "Control the offset in V (float strictly from -1 to 1).",
        [-FULL_SCALE_OUT_V, FULL_SCALE_OUT_V],
    )
    phase_deg = number(
        "SOUR{ch}:PHAS",
        "Control the phase at the start in degrees (float strictly from -360 to 360).",
        [-360.0, 360.0],
    )
    duty_cycle = number(
        "SOUR{ch}:DCYC",
        "Control the part of the period that PWM is high (float strictly from 0 to 1).",
        [0.0, 1.0],
    )
    load = choice(
        "SOUR{ch}:LOAD",
        "Control the load that volts are meant for (str, INF or L50); amplitude and offset are to be set after it.",
        ("INF", "L50"),
    )
    mode = choice(
        "SOUR{ch}:BURS:STAT",
        "Control whether the generator runs on or in bursts (str, CONTINUOUS or BURST).",
        ("CONTINUOUS", "BURST"),
        answers=("CONTINUOUS", "BURST", "STREAM"),
    )
    burst_cycles = count(
        "SOUR{ch}:BURS:NCYC",
        "Control the periods of one burst (int strictly from 1 to 50000).",
        (1, MOST_CYCLES),
    )
    burst_repetitions = count(
        "SOUR{ch}:BURS:NOR",
        "Control the number of bursts (int strictly from 1 to 65536, which is without end).",
        (1, WITHOUT_END),
    )
    burst_period = Instrument.control(
        "SOUR{ch}:BURS:INT:PER?",
        "SOUR{ch}:BURS:INT:PER %.0f",
        """Control the time from burst to burst in s (float strictly from 1e-6 to 500, in whole us).

        Where it is not longer than a burst, the board lengthens it without a word.
        """,
        validator=strict_range,
        values=BURST_PERIODS_S,
        set_process=microseconds,
        get_process=seconds_of_microseconds,
        maxsplit=0,
        check_set_errors=True,
    )
    initial_value = number(
        "SOUR{ch}:INITValue",
        "Control what comes out beside the offset before the start, in V (float strictly from -1 to 1).",
        [-FULL_SCALE_OUT_V, FULL_SCALE_OUT_V],
    )
    last_value = number(
        "SOUR{ch}:BURS:LASTValue",
        "Control what comes out beside the offset between and after bursts, in V (float strictly from -1 to 1).",
        [-FULL_SCALE_OUT_V, FULL_SCALE_OUT_V],
    )
    trigger_source = choice(
        "SOUR{ch}:TRig:SOUR",
        "Control what starts the generator beside `start` (str, INT, EXT_PE or EXT_NE): edges of DIO0_P.",
        ("INT", "EXT_PE", "EXT_NE"),
        answers=("INT", "EXT_PE", "EXT_NE", "GATED"),
    )
    on = switch(
        "OUTPUT{ch}:STATE",
        "Control whether the output is switched on (bool).",
    )

    def start(self) -> None:
        """Trigger the generator: it starts at its phase, and AWG_PE triggers an acquisition that waits for it."""
        with self.parent.transaction():
            self.write("SOUR{ch}:TRig:INT")
            self.check_errors()

    def configure(
        self, function: str, frequency: float, amplitude: float, offset: float = 0.0, phase_deg: float = 0.0
    ) -> None:
        """Set shape, frequency (Hz), amplitude and offset (V) and phase (degrees) at once; does not start or switch on.

        Amplitude and offset go in the order in which their sum never exceeds 1 V on the way.
        Raises ValueError when the sum itself exceeds 1 V, `Refused` when the board refuses.
        """
        if abs(amplitude) + abs(offset) > FULL_SCALE_OUT_V:
            raise ValueError(f"Amplitude {amplitude} V and offset {offset} V together exceed {FULL_SCALE_OUT_V} V")
        with self.parent.transaction():
            self.function = function
            self.frequency = frequency
            self.phase_deg = phase_deg
            if abs(self.amplitude) + abs(offset) <= FULL_SCALE_OUT_V:
                self.offset = offset
                self.amplitude = amplitude
            else:
                self.amplitude = amplitude
                self.offset = offset

    def configure_burst(self, cycles: int, repetitions: int, period: float) -> None:
        """Put out `cycles` periods every `period` seconds, `repetitions` times (65536: without end), from `start` on.

        Raises ValueError where a burst at the present frequency is as long as the period.
        """
        with self.parent.transaction():
            frequency = self.frequency
            if frequency * period <= cycles:
                raise ValueError(f"{cycles} periods of {frequency} Hz last as long as the {period} s to the next burst")
            self.mode = "BURST"
            self.burst_cycles = cycles
            self.burst_repetitions = repetitions
            self.burst_period = period

    def set_table(self, values: Sequence[float] | NDArray[np.float64]) -> None:
        """Set one period of the shape ARBITRARY: 1 to 16384 values from -1 to 1, times the amplitude.

        Six digits of each are sent, and the board keeps 14 bits. Raises ValueError where they are not such values.
        """
        table = np.asarray(values, dtype=np.float64)
        if table.ndim != 1 or not 1 <= table.size <= LONGEST_TABLE or not np.all(np.abs(table) <= 1.0):
            raise ValueError(f"A table has 1 to {LONGEST_TABLE} values from -1 to 1")
        with self.parent.transaction():
            self.write("SOUR{ch}:TRAC:DATA:DATA " + ",".join(f"{value:.6g}" for value in table))
            self.check_errors()

    def read_table(self) -> NDArray[np.float64]:
        """Return one period of the shape ARBITRARY as the board has it, shape (values,), from -1 to 1.

        The form of data replies is ASCII afterwards. Raises `BadReply` where that is no list of numbers.
        """
        command = f"SOUR{self.id}:TRAC:DATA:DATA?"
        with self.parent.transaction():
            self.parent.data_format = "ASCII"
            reply = self.parent.ask(command)
        try:
            return np.array([float(text) for text in reply.strip().removeprefix("{").removesuffix("}").split(",")])
        except ValueError as error:
            raise BadReply(self.parent.name, "expected numbers in braces", command=command, reply=reply) from error
