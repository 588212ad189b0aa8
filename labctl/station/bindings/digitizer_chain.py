"""A digitizer of several Red Pitaya boards that share clock and trigger."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drivers.redpitaya.chain import CHAIN_TRIGGER
from drivers.redpitaya.stemlab import RedPitaya
from labctl.errors import BadReply
from labctl.station.bindings.radio_frequency import FILL_POLLS, RAW_RATE_HZ, RECORD_SAMPLES
from labctl.station.bindings.undersampling import undersampling, without_averaging
from labctl.station.clock import Clock
from labctl.station.roles import SlowRecord

TRIGGER_HOLDOFF_S = 1e-5
"""Of the cable's edges: shorter than any record, so that no trigger is missed after the one before."""


@dataclass(frozen=True)
class BoardInputs:
    """One board: its driver, and row of the record (from 0) -> fast input."""

    driver: RedPitaya
    rows: Mapping[int, int]


class ChainedDigitizer:
    """The `Digitizer` role on boards in a chain, the first one first: one buffer of each, rows in the order of the
    detectors, all of the same moment.

    The first board triggers the others through the cables. Boards count their samples from the moment they are armed:
    with a decimation above 1 the makers' FPGA image may leave them up to one sample apart, another for every record.
    """

    def __init__(self, boards: Sequence[BoardInputs], gain: str, decimation: int, clock: Clock) -> None:
        self._boards = tuple(boards)
        self._decimation = decimation
        self._clock = clock
        for board in self._boards:
            driver = board.driver
            driver.averaging = True  # without, decimation folds what lies above half the sample rate into the record
            driver.shares_clock = True
            driver.shares_trigger = True
            for number in board.rows.values():
                driver.inputs[number].gain = gain
        for board in self._boards[1:]:
            board.driver.external_trigger_holdoff = TRIGGER_HOLDOFF_S

    @property
    def sample_rate_hz(self) -> float:
        """Return the sample rate in Hz."""
        return RAW_RATE_HZ / self._decimation

    def record(self) -> NDArray[np.float64]:
        """Take and return one record in volts, shape (detectors, 16384).

        Raises `BadReply` that names the board whose buffer never fills.
        """
        return self._taken(self._decimation, lambda: None)

    def undersample(self, frequency_hz: float, seconds: float, begun: Callable[[], None]) -> SlowRecord:
        """Take and return one record of at least `seconds` s without the averaging, see `Digitizer`; it is switched on
        again afterwards.

        Raises `LimitError` where no record is that long, `BadReply` that names the board whose buffer never fills.
        """
        decimation = undersampling(frequency_hz, seconds, RAW_RATE_HZ, RECORD_SAMPLES)
        with without_averaging([board.driver for board in self._boards]):
            return SlowRecord(self._taken(decimation, begun), RAW_RATE_HZ / decimation)

    def _taken(self, decimation: int, begun: Callable[[], None]) -> NDArray[np.float64]:
        first, *others = self._boards
        for board in others:
            board.driver.arm(decimation, CHAIN_TRIGGER)
        first.driver.arm(decimation, "NOW")
        begun()
        record_s = RECORD_SAMPLES * decimation / RAW_RATE_HZ
        self._wait_for(first, record_s, "Restart its SCPI server.")
        for board in others:
            self._wait_for(
                board, record_s, "Look at the chain's cable to this board: it was armed and no trigger came."
            )
        record = np.empty((sum(len(board.rows) for board in self._boards), RECORD_SAMPLES))
        for board in self._boards:
            record[list(board.rows)] = board.driver.read_records(list(board.rows.values()), RECORD_SAMPLES)
        return record

    def _wait_for(self, board: BoardInputs, record_s: float, remedy: str) -> None:
        for _ in range(FILL_POLLS):
            if board.driver.is_filled():
                return
            self._clock.sleep(record_s)
        raise BadReply(board.driver.name, "never filled its buffer", command="ACQ:TRig:FILL?", remedy=remedy)


def rows_of_detectors(inputs: Mapping[str, int], detectors: Sequence[str]) -> dict[int, int]:
    """Return row of the record -> fast input, for those of `detectors` that are at this board."""
    return {row: inputs[name] for row, name in enumerate(detectors) if name in inputs}
