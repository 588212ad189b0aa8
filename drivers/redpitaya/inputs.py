"""The fast inputs of a Red Pitaya board: range, own trigger and own deep memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pymeasure.instruments import Instrument
from pymeasure.instruments.validators import strict_discrete_set

from drivers.base import DriverChannel
from drivers.redpitaya.forms import (
    binary_digit,
    on_off,
    one_of,
    seconds_of_nanoseconds,
    whole_number,
)
from drivers.redpitaya.properties import choice, count, decimation_of, switch
from drivers.scpi_properties import number

BUFFER_SAMPLES = 16384
TRIGGER_AT_START = BUFFER_SAMPLES // 2
"""Trigger delay in samples that puts the trigger at the beginning of the record."""
TRIGGER_DELAYS = (-TRIGGER_AT_START, 2**31 - 1 - TRIGGER_AT_START)
BUFFER_GRANULE_BYTES = 16


class FastInput(DriverChannel):
    """A fast analog input: 14 bit, 125 MS/s.

    `decimation` to `filled`, and the methods, are those of the input alone: the board takes them with `split_trigger`
    on. Names that begin with `deep` belong to its part of the deep memory, see `DeepRecorder`.
    """

    gain = choice(
        "ACQ:SOUR{ch}:GAIN",
        """Control the range that the server assumes (str, LV for +-1 V or HV for +-20 V).

        The range itself is set by jumpers; a setting that differs from them is an unnoticed factor of 20 in all volts.
        """,
        ("LV", "HV"),
    )
    trigger_level = number(
        "ACQ:TRig:LEV:CH{ch}",
        "Control the trigger level of this input in V (float strictly from -20 to 20, and within the gain).",
        [-20.0, 20.0],
    )
    decimation = decimation_of(
        "ACQ:DEC:Factor:CH{ch}",
        "Control the decimation of 125 MS/s of this input (int, 1, 2, 4, 8 or 16 to 65536).",
    )
    averaging = switch(
        "ACQ:AVG:CH{ch}",
        "Control whether the samples between two kept ones of this input are averaged (bool).",
    )
    sample_rate_hz = Instrument.measurement(
        "ACQ:SRATe:CH{ch}?",
        "Get the sample rate of this input in Hz (float), after decimation.",
        preprocess_reply=lambda reply: reply.removesuffix("Hz"),
        maxsplit=0,
    )
    trigger_delay = count(
        "ACQ:TRig:DLY:CH{ch}",
        "Control the trigger delay of this input in samples (int strictly from -8192 to 2^31 - 8193).",
        TRIGGER_DELAYS,
    )
    trigger_status = Instrument.measurement(
        "ACQ:TRig:STAT:CH{ch}?",
        "Get whether this input has been triggered (str, TD) or waits for its trigger (str, WAIT).",
        cast=one_of("TD", "WAIT"),
    )
    filled = Instrument.measurement(
        "ACQ:TRig:FILL:CH{ch}?",
        "Get whether the buffer of this input holds a complete record (int, 0 or 1).",
        cast=binary_digit,
    )
    triggered_at = Instrument.measurement(
        "ACQ:TS:CH{ch}?",
        "Get when the trigger of this input came, on the clock of the board, in s (float); OS 3.00-57 and later.",
        get_process=seconds_of_nanoseconds,
        maxsplit=0,
    )
    deep_delay = count(
        "ACQ:AXI:SOUR{ch}:Trig:Dly",
        "Control how many samples go to the deep memory after the trigger (int strictly from 0 to 2^31 - 1).",
        (0, 2**31 - 1),
    )
    deep_on = Instrument.setting(
        "ACQ:AXI:SOUR{ch}:ENable %s",
        "Set whether the input writes to its deep memory from the next start on (bool); it needs a buffer first.",
        validator=strict_discrete_set,
        values=(True, False),
        set_process=on_off,
        check_set_errors=True,
    )
    deep_filled = Instrument.measurement(
        "ACQ:AXI:SOUR{ch}:Trig:Fill?",
        "Get whether the deep memory of this input holds a complete record (int, 0 or 1).",
        cast=binary_digit,
    )
    deep_write_position = Instrument.measurement(
        "ACQ:AXI:SOUR{ch}:Write:Pos?",
        "Get where the next sample goes in the deep buffer of this input (int, in samples).",
        cast=int,
        maxsplit=0,
    )
    deep_trigger_position = Instrument.measurement(
        "ACQ:AXI:SOUR{ch}:Trig:Pos?",
        "Get where the trigger came in the deep buffer of this input (int, in samples).",
        cast=int,
        maxsplit=0,
    )

    def place_deep_buffer(self, address: int, size: int) -> None:
        """Give the input `size` bytes of the deep memory from `address` on (in bytes): whole numbers, the size a
        multiple of 16, two bytes a sample. Raises `Refused` where they are outside the memory."""
        address = whole_number(address, (0, 2**32 - 1))
        size = whole_number(size, (0, 2**32 - 1))
        if size % BUFFER_GRANULE_BYTES:
            raise ValueError(f"A buffer has a multiple of {BUFFER_GRANULE_BYTES} bytes, not {size}")
        with self.parent.transaction():
            self.write(f"ACQ:AXI:SOUR{{ch}}:SET:Buffer {address:d},{size:d}")
            self.check_errors()

    def arm(self, decimation: int, trigger: str = "NOW", delay: int = TRIGGER_AT_START) -> None:
        """Start an acquisition of this input alone, see `RedPitaya.arm`; needs `split_trigger`."""
        source = strict_discrete_set(trigger, self.parent.trigger_sources)
        with self.parent.transaction():
            self.decimation = decimation
            self.trigger_delay = delay
            self.write("ACQ:START:CH{ch}")
            self.write(f"ACQ:TRig:CH{{ch}} {source}")
            self.check_errors()

    def stop(self) -> None:
        """End the acquisition of this input; needs `split_trigger`."""
        with self.parent.transaction():
            self.write("ACQ:STOP:CH{ch}")
            self.check_errors()

    def is_triggered(self) -> bool:
        """Return whether the trigger of this input has come since `arm`."""
        return bool(self.trigger_status == "TD")

    def is_filled(self) -> bool:
        """Return whether the record of this input is complete."""
        return bool(self.filled)

    def read_record(self, samples: int = BUFFER_SAMPLES) -> NDArray[np.float64]:
        """Return the first `samples` samples of the record of this input, in V, oldest first, shape (samples,).

        Records of inputs with triggers of their own are not simultaneous. Raises as `RedPitaya.read_records` does.
        """
        whole_number(samples, (1, BUFFER_SAMPLES))
        with self.parent.transaction():
            self.parent.demand(self.is_filled(), "has no complete record", f"ACQ:TRig:FILL:CH{self.id}?", "0")
            return np.asarray(self.parent.read_volts([self.id], "Old:N? {samples}", samples)[0])
