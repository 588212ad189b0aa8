"""The deep memory of a simulated Red Pitaya: reserved RAM that the fast inputs write, each its own buffer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labctl.simulation.instruments.redpitaya_front_end import put

REGION_START = 0x1000000
REGION_BYTES = 2 * 2**20
"""As reserved in the device tree that is delivered."""
PAGE_BYTES = 4096
_SAMPLE_BYTES = 2
_BUFFER_GRANULE_BYTES = 16
_GRACE_BYTES = 8  # by which a buffer may be too long until it is switched on
_DELAY_REGISTER = 2**32


class DeepMemoryError(Exception):
    """A buffer that cannot be had; `reason` is the number of the board's own error."""

    def __init__(self, reason: int) -> None:
        super().__init__(reason)
        self.reason = reason


OUT_OF_RANGE, CANNOT_MAP, OVERLAP = 6, 4, -1


class DeepMemory:
    """The reserved region, and one buffer for each of `count` inputs, by number from 1."""

    def __init__(self, count: int, region_bytes: int = REGION_BYTES) -> None:
        self.start = REGION_START
        self.size = region_bytes
        self._samples = np.zeros(region_bytes // _SAMPLE_BYTES, dtype=np.int16)
        self.buffers = {number: DeepBuffer(self) for number in range(1, count + 1)}

    @property
    def most_samples(self) -> int:
        """How many samples there is room for."""
        return self._samples.size

    def view(self, buffer: DeepBuffer) -> NDArray[np.int16]:
        """Return the memory of `buffer`; raises `DeepMemoryError` where it cannot be had.

        A buffer begins at a page, and its last address belongs to it: where the next one begins there, they overlap.
        """
        if buffer.address + buffer.size > self.start + self.size:
            raise DeepMemoryError(OUT_OF_RANGE)
        for other in self.buffers.values():
            if other is not buffer and other.on and buffer.overlaps(other):
                raise DeepMemoryError(OVERLAP)
        if buffer.size == 0 or buffer.address % PAGE_BYTES:
            raise DeepMemoryError(CANNOT_MAP)
        first = (buffer.address - self.start) // _SAMPLE_BYTES
        return self._samples[first : first + buffer.size // _SAMPLE_BYTES]


class DeepBuffer:
    """What one input writes, round and round until its trigger and `delay` samples more.

    `view` is its memory, None while it is off. `began`, `trigger` and `end` are indices of samples, the latter two None
    before the trigger.
    """

    def __init__(self, memory: DeepMemory) -> None:
        self._memory = memory
        self.reset()

    def reset(self) -> None:
        """Go to the state of ACQ:RST: off, no buffer."""
        self.on = False
        self.address = self._memory.start
        self.size = 0
        self.delay = 0
        self.began = 0
        self.view: NDArray[np.int16] | None = None
        self.forget()

    def forget(self) -> None:
        """Forget the recording; the memory keeps its samples."""
        self.recording = False
        self.trigger: int | None = None
        self.end: int | None = None

    def place(self, address: int, size: int) -> None:
        """Put the buffer at `address`, `size` bytes long; raises `DeepMemoryError` where the server refuses that."""
        region_end = self._memory.start + self._memory.size
        fits = self._memory.start <= address and address + size - _GRACE_BYTES <= region_end
        if size % _BUFFER_GRANULE_BYTES or not fits:
            raise DeepMemoryError(OUT_OF_RANGE)
        self.address, self.size = address, size

    def switch(self, on: bool) -> None:
        """Map the buffer or let it go; a recording ends. Raises `DeepMemoryError` where it cannot be mapped."""
        self.on = False
        self.forget()
        self.view = self._memory.view(self) if on else None
        self.on = on

    def overlaps(self, other: DeepBuffer) -> bool:
        """Return whether two buffers share an address; the one after the last byte counts."""
        return self.address <= other.address + other.size and other.address <= self.address + self.size

    # ---- recording -------------------------------------------------------------------------------------------------

    @property
    def samples(self) -> int:
        """How many samples the buffer holds, 0 while it is off."""
        return 0 if self.view is None else self.view.size

    def begin(self, index: int) -> None:
        """Record from sample `index` on, if switched on."""
        self.recording = self.on
        self.began = index
        self.trigger = self.end = None

    def trigger_at(self, index: int) -> None:
        """Record `delay` samples from sample `index` on, and stop."""
        if self.recording:
            self.trigger = index
            self.end = index + self.delay % _DELAY_REGISTER

    def last(self, written: int) -> int:
        """Return the index after the newest sample when `written` samples have been taken."""
        return written if self.end is None else min(written, self.end)

    def store(self, first: int, codes: NDArray[np.int16]) -> None:
        """Keep those of `codes`, which begin at index `first`, that belong to the recording."""
        if self.view is None or not self.recording:
            return
        start = max(first, self.began)
        stop = self.last(first + codes.size)
        if start < stop:
            put(self.view, start - self.began, codes[start - first : stop - first])

    def position(self, index: int | None) -> int:
        """Return where sample `index` is, in samples from the beginning; 0 before there is one."""
        return (index - self.began) % self.samples if index is not None and self.samples else 0
