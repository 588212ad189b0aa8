"""Spectrum analyzer, RF switch and digitizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from drivers.redpitaya.stemlab import RedPitaya
from drivers.sweep import SweepSettings
from labctl.errors import BadReply, LimitError
from labctl.station.bindings.undersampling import undersampling, without_averaging
from labctl.station.clock import Clock
from labctl.station.roles import SlowRecord, SpectrumAnalyzer

RAW_RATE_HZ = 125e6
RECORD_SAMPLES = 16384
FILL_POLLS = 200
SWITCH_SETTLE_S = 0.05


class AnalyzerDriver(SpectrumAnalyzer, Protocol):
    """What a driver of a spectrum analyzer has, of whatever maker."""

    name: str


class BoundAnalyzer:
    """The `SpectrumAnalyzer` role; refuses a trace that would take longer than the station allows."""

    def __init__(self, driver: AnalyzerDriver, longest_s: float) -> None:
        self._driver = driver
        self._longest_s = longest_s

    def configure_sweep(self, settings: SweepSettings) -> SweepSettings:
        """Set the sweep up and return what the instrument accepted.

        Raises `LimitError` with the arithmetic if it takes too long.
        """
        accepted = self._driver.configure_sweep(settings)
        duration = self._driver.duration_s()
        if duration > self._longest_s:
            raise LimitError(
                f"{self._driver.name}: {accepted.averages} sweeps over "
                f"{accepted.stop_hz - accepted.start_hz:g} Hz at RBW "
                f"{accepted.rbw_hz:g} Hz and VBW {accepted.vbw_hz:g} Hz take {duration / 3600:.1f} h, more than the "
                f"{self._longest_s / 3600:.1f} h of [analyzer] longest_sweep; nothing was started.",
                remedy="Take a smaller span, fewer averages or a wider bandwidth, or raise the limit.",
            )
        return accepted

    def duration_s(self) -> float:
        """Return how long the averaged trace takes, in s."""
        return self._driver.duration_s()

    def start(self) -> None:
        """Start the trace."""
        self._driver.start()

    def is_sweeping(self) -> bool:
        """Return True until all averages are in."""
        return self._driver.is_sweeping()

    def abort(self) -> None:
        """Stop the sweep."""
        self._driver.abort()

    def read_trace(self) -> NDArray[np.float64]:
        """Return the trace in dBm."""
        return self._driver.read_trace()


class PinSwitch:
    """The `RfSwitch` role on digital pins: the position is a binary code, least significant bit first."""

    def __init__(self, board: RedPitaya, pins: Sequence[str], positions: Mapping[str, int], clock: Clock) -> None:
        self._pins = [board.pins[pin] for pin in pins]
        self._codes = dict(positions)
        self._clock = clock
        self._driven = False

    @property
    def positions(self) -> Sequence[str]:
        """Return the names of the positions."""
        return tuple(self._codes)

    def select(self, position: str) -> None:
        """Connect `position` and let the relay settle."""
        if position not in self._codes:
            raise LimitError(
                f"The RF switch has no position {position!r}.",
                remedy=f"It has {', '.join(self._codes)}; see [rf_switch] positions.",
            )
        for bit, pin in enumerate(self._pins):
            if not self._driven:
                pin.direction = "OUT"  # pins wake up as inputs
            pin.level = self._codes[position] >> bit & 1
        self._driven = True
        self._clock.sleep(SWITCH_SETTLE_S)


class BoundDigitizer:
    """The `Digitizer` role on a Red Pitaya: one buffer a record, rows in the order of the detectors."""

    def __init__(self, driver: RedPitaya, inputs: Sequence[int], gain: str, decimation: int, clock: Clock) -> None:
        self._driver = driver
        self._inputs = list(inputs)
        self._decimation = decimation
        self._clock = clock
        driver.averaging = True  # without, decimation folds what lies above half the sample rate into the record
        for number in self._inputs:
            driver.inputs[number].gain = gain

    @property
    def sample_rate_hz(self) -> float:
        """Return the sample rate in Hz."""
        return RAW_RATE_HZ / self._decimation

    def record(self) -> NDArray[np.float64]:
        """Take and return one record in volts, shape (detectors, 16384).

        Raises `BadReply` if the buffer never fills.
        """
        self._driver.arm(self._decimation, "NOW")
        return self._filled(RECORD_SAMPLES / self.sample_rate_hz)

    def undersample(self, frequency_hz: float, seconds: float, begun: Callable[[], None]) -> SlowRecord:
        """Take and return one record of at least `seconds` s without the averaging, see `Digitizer`; it is switched on
        again afterwards.

        Raises `LimitError` where no record is that long, `BadReply` if the buffer never fills.
        """
        decimation = undersampling(frequency_hz, seconds, RAW_RATE_HZ, RECORD_SAMPLES)
        rate_hz = RAW_RATE_HZ / decimation
        with without_averaging([self._driver]):
            self._driver.arm(decimation, "NOW")
            begun()
            return SlowRecord(self._filled(RECORD_SAMPLES / rate_hz), rate_hz)

    def _filled(self, record_s: float) -> NDArray[np.float64]:
        for _ in range(FILL_POLLS):
            if self._driver.is_filled():
                return self._driver.read_records(self._inputs, RECORD_SAMPLES)
            self._clock.sleep(record_s)
        raise BadReply(
            self._driver.name, "never filled its buffer", command="ACQ:TRig:FILL?", remedy="Restart its SCPI server."
        )
