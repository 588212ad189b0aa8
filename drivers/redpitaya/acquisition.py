"""Records of a Red Pitaya board: rate, trigger, and the buffers of 16384 samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymeasure.instruments import Instrument
from pymeasure.instruments.validators import strict_discrete_set, strict_range

from drivers.redpitaya.deep_memory import DeepRecorder
from drivers.redpitaya.forms import (
    binary_digit,
    microseconds,
    nanoseconds,
    one_of,
    seconds_of_microseconds,
    seconds_of_nanoseconds,
)
from drivers.redpitaya.inputs import BUFFER_SAMPLES, TRIGGER_AT_START, TRIGGER_DELAYS
from drivers.redpitaya.properties import count, decimation_of, switch
from drivers.scpi_properties import number

LONGEST_DELAY_S = 2.147  # the server tells it in 32 bits of ns
LONGEST_HOLDOFF_S = 8e-3

_BLOCK_TYPE = "<f4"
_SIDES = {"PRE_TRIG": 1, "POST_TRIG": 1, "PRE_POST_TRIG": 2}


class Recorder(DeepRecorder):
    """The acquisition of a board.

    Records are read in volts as float32 blocks, little-endian, because the server then applies the calibration of the
    board; with calibration in the FPGA it refuses raw codes. The byte order is set before every record, and a server
    that does not know that command (OS before 2.07-43) is refused, since its order could only be assumed.

    Triggers: NOW; CHn_PE, CHn_NE and CHn_AE, where input n crosses `trigger_level` upwards, downwards or either way,
    after it was `trigger_hysteresis` away from it; EXT_*, edges of the pin DIO0_P, after which the board is deaf for
    `external_trigger_holdoff`; AWG_*, the start of a generator. All inputs share one trigger, unless `split_trigger`.
    """

    decimation = decimation_of(
        "ACQ:DEC:Factor",
        "Control the decimation of 125 MS/s (int, 1, 2, 4, 8 or 16 to 65536).",
    )
    averaging = switch(
        "ACQ:AVG",
        "Control whether the samples between two kept ones are averaged (bool); without, decimation aliases.",
    )
    sample_rate_hz = Instrument.measurement(
        "ACQ:SRATe?",
        "Get the sample rate in Hz (float), after decimation.",
        preprocess_reply=lambda reply: reply.removesuffix("Hz"),
        maxsplit=0,
    )
    split_trigger = switch(
        "ACQ:SPLIT:TRig",
        "Control whether every input has a trigger and a rate of its own (bool); setting it ends acquisitions.",
    )
    trigger_level = number(
        "ACQ:TRig:LEV",
        "Control the trigger level of all inputs in V (float strictly from -20 to 20, and within the gain).",
        [-20.0, 20.0],
    )
    trigger_hysteresis = number(
        "ACQ:TRig:HYST",
        """Control how far from its level an input arms the trigger, in V (float strictly from 0 to 20).

        What exceeds the gain of an input is ignored there, without a word.
        """,
        [0.0, 20.0],
    )
    trigger_delay = count(
        "ACQ:TRig:DLY",
        """Control the trigger delay in samples (int strictly from -8192 to 2^31 - 8193).

        The trigger is in the middle of the record at 0 and at its beginning at 8192.
        """,
        TRIGGER_DELAYS,
    )
    trigger_delay_s = Instrument.control(
        "ACQ:TRig:DLY:NS?",
        "ACQ:TRig:DLY:NS %d",
        "Control the trigger delay in s (float strictly from -2.147 to 2.147), in whole samples.",
        validator=strict_range,
        values=(-LONGEST_DELAY_S, LONGEST_DELAY_S),
        set_process=nanoseconds,
        get_process=seconds_of_nanoseconds,
        maxsplit=0,
        check_set_errors=True,
    )
    trigger_status = Instrument.measurement(
        "ACQ:TRig:STAT?",
        "Get whether the acquisition has been triggered (str, TD) or waits for its trigger (str, WAIT).",
        cast=one_of("TD", "WAIT"),
    )
    filled = Instrument.measurement(
        "ACQ:TRig:FILL?",
        "Get whether the buffer holds a complete record (int, 0 or 1).",
        cast=binary_digit,
    )
    external_trigger_holdoff = Instrument.control(
        "ACQ:TRig:EXT:DEBouncer:US?",
        "ACQ:TRig:EXT:DEBouncer:US %.12g",
        """Control for how long edges after one of the external trigger are ignored, in s (float strictly from 0 to
        8e-3).""",
        validator=strict_range,
        values=(0.0, LONGEST_HOLDOFF_S),
        set_process=microseconds,
        get_process=seconds_of_microseconds,
        maxsplit=0,
        check_set_errors=True,
    )
    buffer_size = Instrument.measurement(
        "ACQ:BUF:SIZE?", """Get how many samples a buffer holds (int, 16384).""", cast=int, maxsplit=0
    )
    write_position = Instrument.measurement(
        "ACQ:WPOS?", """Get the place of the newest sample (int from 0 to 16383).""", cast=int, maxsplit=0
    )
    trigger_position = Instrument.measurement(
        "ACQ:TPOS?", """Get the place of the trigger (int from 0 to 16383).""", cast=int, maxsplit=0
    )

    def __init__(self, adapter: Any, name: str = "Red Pitaya", **kwargs: Any) -> None:
        super().__init__(adapter, name, **kwargs)

    def arm(self, decimation: int, trigger: str = "NOW", delay: int = TRIGGER_AT_START) -> None:
        """Start an acquisition that waits for `trigger`, one of `trigger_sources`, and return at once.

        The record of 16384 samples ends 8192 + `delay` samples after the trigger. What a record shows before the moment
        of arming is old data: with a smaller `delay` than 8192, let that many samples pass before the trigger.
        """
        source = strict_discrete_set(trigger, self.trigger_sources)
        with self.transaction():
            self.decimation = decimation
            self.trigger_delay = delay
            self.write("ACQ:START")
            self.write(f"ACQ:TRig {source}")  # after START, which forgets the trigger
            self.check_errors()

    def stop(self) -> None:
        """End the acquisition; the buffer keeps what it has."""
        with self.transaction():
            self.write("ACQ:STOP")
            self.check_errors()

    def is_triggered(self) -> bool:
        """Return whether the trigger has come since `arm`."""
        return bool(self.trigger_status == "TD")

    def is_filled(self) -> bool:
        """Return whether the record is complete."""
        return bool(self.filled)

    def read_records(self, channels: Sequence[int], samples: int = BUFFER_SAMPLES) -> NDArray[np.float64]:
        """Return the first `samples` samples of the record of the fast inputs `channels`, in V, oldest first.

        Shape (len(channels), samples); the rows are simultaneous. Raises `Refused` when the record is not complete,
        `BadReply` when a block has another length.
        """
        self._check_request(channels, samples, BUFFER_SAMPLES)
        with self.transaction():
            self.demand(self.is_filled(), "has no complete record", "ACQ:TRig:FILL?", "0")
            return self.read_volts(channels, "Old:N? {samples}", samples)

    def read_around_trigger(
        self, channels: Sequence[int], samples: int, side: str = "PRE_POST_TRIG"
    ) -> NDArray[np.float64]:
        """Return the sample at the trigger and `samples` samples on each `side` of it, in V, oldest first.

        `side` is PRE_TRIG, POST_TRIG or PRE_POST_TRIG; shape (len(channels), samples + 1 or 2 samples + 1). Samples
        that the record does not hold are what else is in the ring. Needs OS 2.05-37; raises as `read_records`.
        """
        sides = _SIDES[strict_discrete_set(side, tuple(_SIDES))]
        self._check_request(channels, samples, BUFFER_SAMPLES // 2 - 1)
        with self.transaction():
            self.demand(self.is_filled(), "has no complete record", "ACQ:TRig:FILL?", "0")
            return self.read_volts(channels, f"TRig? {samples:d},{side}", sides * samples + 1)

    def _check_request(self, channels: Sequence[int], samples: int, most: int) -> None:
        if not 1 <= samples <= most:
            raise ValueError(f"There are 1 to {most} samples to be had, not {samples}")
        for channel in channels:
            strict_discrete_set(channel, range(1, self.fast_input_count + 1))

    def read_volts(self, channels: Sequence[int], request: str, samples: int) -> NDArray[np.float64]:
        """Return what ACQ:SOUR<n>:DATA:`request` gives of every input, in V, shape (len(channels), samples)."""
        with self.transaction():
            self._prepare_transfer()
            records = np.empty((len(channels), samples))
            for row, channel in zip(records, channels, strict=True):
                command = f"ACQ:SOUR{channel:d}:DATA:{request.format(samples=samples)}"
                row[:] = self.read_samples(command, samples, _BLOCK_TYPE)
        return records

    def _prepare_transfer(self) -> None:
        for setting in ("FORMAT BIN", "Units VOLTS", "BYTE:ORDER LEND"):
            self.write(f"ACQ:DATA:{setting}")
        self.check_errors()
