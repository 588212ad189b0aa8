"""Records that are slower than their signal: at which rate a known frequency is told from everything near it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from drivers.redpitaya.stemlab import RedPitaya
from labctl.errors import LabError, LimitError

LONGEST_DECIMATION = 65536
FEWEST_DECIMATION = 16  # from here on every whole number is one
SEARCHED = 0.15  # of the decimation: so much longer a record may become
QUARTER = 0.25


def undersampling(frequency_hz: float, seconds: float, raw_rate_hz: float, samples: int) -> int:
    """Return the decimation at which `samples` samples last `seconds` or little longer, and `frequency_hz` appears
    nearest to a quarter of the sample rate, or to three: there the two lines of a real sine are farthest apart.

    Raises `LimitError` where no record is that long.
    """
    least = max(FEWEST_DECIMATION, math.ceil(seconds * raw_rate_hz / samples))
    if least > LONGEST_DECIMATION:
        raise LimitError(
            f"A record of {seconds:g} s is longer than the {LONGEST_DECIMATION * samples / raw_rate_hz:.3g} s of the "
            "slowest one.",
            remedy="Take a shorter record.",
        )
    most = min(LONGEST_DECIMATION, math.ceil(least * (1.0 + SEARCHED)))

    def off_a_quarter(decimation: int) -> float:
        turns = frequency_hz * decimation / raw_rate_hz % 0.5
        return abs(turns - QUARTER)

    return min(range(least, most + 1), key=off_a_quarter)


@contextmanager
def without_averaging(boards: Sequence[RedPitaya]) -> Iterator[None]:
    """Let boards drop the samples between two kept ones, and average them again afterwards, whatever happens; the error
    that ended the block is the one to tell."""
    try:
        for board in boards:
            board.averaging = False
        yield
    except BaseException:
        for board in boards:
            with suppress(LabError):
                board.averaging = True
        raise
    for board in boards:
        board.averaging = True
