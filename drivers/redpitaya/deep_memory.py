"""Deep records of a Red Pitaya board: megasamples of all inputs together, read in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymeasure.instruments import Instrument
from pymeasure.instruments.validators import strict_discrete_set

from drivers.errors import InstrumentError, Refused
from drivers.redpitaya.forms import whole_number
from drivers.redpitaya.inputs import BUFFER_GRANULE_BYTES, BUFFER_SAMPLES
from drivers.redpitaya.properties import choice, decimation_of
from drivers.redpitaya.server import RedPitayaServer

PAGE_BYTES = 4096
LARGEST_PIECE = 2**20
"""Samples of one input in one reply; larger ones only take memory, here and on the board."""
MOST_LOOKS = 1000
"""Looks for the end of a record by `deep_record`, each at least one round trip."""

_SAMPLE_BYTES = 2
_KINDS = {"VOLTS": "<f4", "RAW": "<i2"}


@dataclass(frozen=True)
class DeepRecord:
    """A deep record as it was started: of the inputs `channels`, `samples` of each, `before` of them before the
    trigger. `origins` are where they begin in their buffers, of `buffer_samples` each, once the record is complete."""

    channels: tuple[int, ...]
    samples: int
    before: int
    buffer_samples: int
    origins: tuple[int, ...] = ()


class DeepRecorder(RedPitayaServer):
    """The deep memory: reserved RAM of the board that the inputs write at full rate, beside the usual buffers.

    Decimation, averaging, gain and trigger level are those of the usual acquisition; decimation has two names for one
    setting. One record at a time: `start_deep_record`, `is_deep_record_done`, `read_deep_record` or `deep_pieces`,
    `end_deep_record`; or `deep_record` for all of it. Needs OS 2.00-18, or 2.00-30 for four inputs.
    """

    trigger_sources: tuple[str, ...] = ()

    deep_memory_start = Instrument.measurement(
        "ACQ:AXI:START?", """Get the first address of the deep memory (int, in bytes).""", cast=int, maxsplit=0
    )
    deep_memory_size = Instrument.measurement(
        "ACQ:AXI:SIZE?", """Get the size of the deep memory (int, in bytes).""", cast=int, maxsplit=0
    )
    deep_decimation = decimation_of(
        "ACQ:AXI:DEC",
        "Control the decimation of 125 MS/s, of all acquisition (int, 1, 2, 4, 8 or 16 to 65536).",
    )
    deep_units = choice(
        "ACQ:AXI:DATA:Units",
        "Control the unit of deep data (str, VOLTS or RAW); shared by all clients of the board.",
        ("VOLTS", "RAW"),
    )

    def __init__(self, adapter: Any, name: str = "Red Pitaya", **kwargs: Any) -> None:
        self._deep: DeepRecord | None = None
        super().__init__(adapter, name, **kwargs)

    def start_deep_record(
        self, channels: Sequence[int], samples: int, decimation: int, trigger: str = "NOW", before: int = 0
    ) -> None:
        """Start a record of `samples` samples of each of the fast inputs `channels`, and return at once.

        It waits for `trigger`, one of `trigger_sources`, and begins `before` samples before it; what it shows before
        the moment of starting is old data. All inputs are sampled together. A record from before is lost.

        Raises `Refused` where the deep memory is too small, or the board refuses.
        """
        inputs = tuple(channels)
        if not inputs or len(set(inputs)) != len(inputs):
            raise ValueError(f"Inputs {inputs} are none, or some of them twice")
        for channel in inputs:
            strict_discrete_set(channel, range(1, self.fast_input_count + 1))
        whole_number(samples, (1, 2**31 - 1))
        whole_number(before, (0, samples))
        source = strict_discrete_set(trigger, self.trigger_sources)
        with self.transaction():
            addresses, size = self._places(len(inputs), samples)
            self.end_deep_record()
            self.deep_decimation = decimation
            for channel, address in zip(inputs, addresses, strict=True):
                one = self.inputs[channel]
                one.deep_delay = samples - before
                one.place_deep_buffer(address, size)
                one.deep_on = True
            self.write("ACQ:START")
            self.write(f"ACQ:TRig {source}")  # after START, which forgets the trigger
            self.check_errors()
            self._deep = DeepRecord(inputs, samples, before, size // _SAMPLE_BYTES)

    def _places(self, count: int, samples: int) -> tuple[list[int], int]:
        """Return the addresses of `count` buffers for `samples` samples, and their size in bytes.

        Each begins at a page, and never at the end of the one before: the server takes that for an overlap.
        """
        start, available = self.deep_memory_start, self.deep_memory_size
        granules = -(-samples * _SAMPLE_BYTES // BUFFER_GRANULE_BYTES)
        size = granules * BUFFER_GRANULE_BYTES
        step = (size // PAGE_BYTES + 1) * PAGE_BYTES
        if start % PAGE_BYTES or (count - 1) * step + size > available:
            raise Refused(
                self.name,
                f"has no deep memory for {samples} samples of {count} inputs, {2 * samples * count} bytes",
                command="ACQ:AXI:SIZE?",
                reply=str(available),
                remedy="Take fewer samples or inputs, or reserve more memory on the board.",
            )
        return [start + place * step for place in range(count)], size

    def is_deep_record_done(self) -> bool:
        """Return whether the deep record is complete; raises `Refused` where none was started."""
        with self.transaction():
            return all(self.inputs[channel].deep_filled for channel in self._started().channels)

    def read_deep_record(self, first: int, count: int, units: str = "VOLTS") -> NDArray[Any]:
        """Return `count` samples of the deep record from number `first` on, shape (inputs, count).

        The rows are simultaneous, in the order of the inputs at the start; in V (float64), or with `units` RAW in ADC
        codes (int16). Raises `Refused` where no record was started or it is not complete yet, `BadReply` where a block
        has another length, ValueError where the record does not hold these samples.
        """
        kind = _KINDS[strict_discrete_set(units, tuple(_KINDS))]
        with self.transaction():
            record = self._complete()
            if not 1 <= count <= LARGEST_PIECE or not 0 <= first <= record.samples - count:
                raise ValueError(f"A record of {record.samples} samples has no {count} samples from {first} on")
            self._prepare_deep_transfer(units)
            piece = np.empty((len(record.channels), count), dtype=np.int16 if units == "RAW" else np.float64)
            for row, channel, origin in zip(piece, record.channels, record.origins, strict=True):
                position = (origin + first) % record.buffer_samples
                row[:] = self.read_samples(f"ACQ:AXI:SOUR{channel:d}:DATA:Start:N? {position:d},{count:d}", count, kind)
        return piece

    def deep_pieces(self, samples: int = BUFFER_SAMPLES, units: str = "VOLTS") -> Iterator[NDArray[Any]]:
        """Yield the deep record in pieces of `samples` samples, the last one shorter, each as `read_deep_record`
        returns it; never more than one piece is held."""
        whole_number(samples, (1, LARGEST_PIECE))
        total = self._started().samples
        for first in range(0, total, samples):
            yield self.read_deep_record(first, min(samples, total - first), units)

    def deep_record(
        self,
        channels: Sequence[int],
        samples: int,
        decimation: int,
        trigger: str = "NOW",
        before: int = 0,
        piece: int = BUFFER_SAMPLES,
        units: str = "VOLTS",
    ) -> Iterator[NDArray[Any]]:
        """Take a deep record and yield it in pieces of `piece` samples; the deep memory is released at the end.

        For records that last no longer than `MOST_LOOKS` questions (some tenths of a second): a longer one raises
        `Refused`, and is taken with `start_deep_record`. Else as `start_deep_record` and `deep_pieces`.
        """
        whole_number(piece, (1, LARGEST_PIECE))
        strict_discrete_set(units, tuple(_KINDS))
        self.start_deep_record(channels, samples, decimation, trigger, before)
        try:
            for _ in range(MOST_LOOKS):
                if self.is_deep_record_done():
                    break
            yield from self.deep_pieces(piece, units)
        except BaseException:
            with suppress(InstrumentError):  # the first error says more
                self.end_deep_record()
            raise
        self.end_deep_record()

    def end_deep_record(self) -> None:
        """Let the inputs write to the deep memory no more; the record is lost."""
        with self.transaction():
            self._deep = None
            for channel in range(1, self.fast_input_count + 1):
                self.inputs[channel].deep_on = False

    def forget_outputs(self) -> None:
        """Forget the deep record: after a power cut it is gone."""
        super().forget_outputs()
        self._deep = None

    def _started(self) -> DeepRecord:
        if self._deep is None:
            raise Refused(self.name, "has no deep record", remedy="Start one with start_deep_record.")
        return self._deep

    def _complete(self) -> DeepRecord:
        """Return the record with its origins; raises `Refused` with what it waits for."""
        record = self._started()
        if record.origins:
            return record
        if not self.is_deep_record_done():
            waits = self.ask("ACQ:TRig:STAT?").strip() == "WAIT"
            self.demand(
                False,
                "waits for the trigger of its deep record" if waits else "has not filled its deep record yet",
                "ACQ:TRig:STAT?" if waits else f"ACQ:AXI:SOUR{record.channels[0]}:Trig:Fill?",
                "WAIT" if waits else "0",
                "Look again with is_deep_record_done." if not waits else "Check trigger level and signal, or use NOW.",
            )
        positions = [self.inputs[channel].deep_trigger_position for channel in record.channels]
        origins = tuple((position - record.before) % record.buffer_samples for position in positions)
        self._deep = replace(record, origins=origins)
        return self._deep

    def _prepare_deep_transfer(self, units: str) -> None:
        for setting in ("DATA:FORMAT BIN", f"AXI:DATA:Units {units}", "DATA:BYTE:ORDER LEND"):
            self.write(f"ACQ:{setting}")
        self.check_errors()
