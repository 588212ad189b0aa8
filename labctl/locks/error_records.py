"""Records of error signals: a homodyne loop's at the fast input that its station file names, the length loop's at the
scan board."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from drivers.redpitaya.stemlab import BUFFER_SAMPLES, RedPitaya, RedPitaya125_14
from labctl.configuration.station_file import HomodyneLoop
from labctl.errors import BadReply, ConfigurationError
from labctl.station.bindings.loops import SCAN_DECIMATION
from labctl.station.clock import Clock
from labctl.station.roles import LengthScan
from labctl.station.station import Station

ADC_RATE_HZ: Final = 125e6
DECIMATION: Final = 1024  # 122 kS/s, 134 ms: from 30 Hz to where piezos resonate
SINE_DECIMATION: Final = 128  # 1 MS/s, 17 ms: a sample is what the records' start is off that of the sine
FILL_POLLS: Final = 50
SETTLED_SHARE: Final = 0.25  # of a record that is not used: what the start of a sine stirred up
LARGEST_SINE_V: Final = 0.1
SWEEP_OVER_UNITY_GAIN: Final = (0.3, 4.0)
SWEEP_POINTS: Final = 9


class ErrorRecorder(Protocol):
    """What records the error signal of one loop, in V at the detector."""

    @property
    def sample_rate_hz(self) -> float:
        """Samples per second, each the mean of what came since the last one."""
        ...

    @property
    def samples(self) -> int:
        """Samples of one record."""
        ...

    def record(self, count: int) -> NDArray[np.float64]:
        """Return `count` records one after another, shape (count, samples), in V."""
        ...


class BoardRecorder:
    """Implements `ErrorRecorder` on a fast input of a Red Pitaya, range +-1 V."""

    def __init__(self, board: RedPitaya, number: int, clock: Clock, decimation: int = DECIMATION) -> None:
        self._board = board
        self._number = number
        self._clock = clock
        self._decimation = decimation

    @property
    def sample_rate_hz(self) -> float:
        """Samples per second."""
        return ADC_RATE_HZ / self._decimation

    @property
    def samples(self) -> int:
        """Samples of one record."""
        return BUFFER_SAMPLES

    def record(self, count: int) -> NDArray[np.float64]:
        """Return `count` records. Raises `BadReply` where the board never completes one."""
        self._board.inputs[self._number].gain = "LV"
        self._board.averaging = True
        records = np.empty((count, BUFFER_SAMPLES))
        for row in records:
            self._board.arm(self._decimation)
            _wait_until_filled(self._board, self._clock, BUFFER_SAMPLES / self.sample_rate_hz)
            row[:] = self._board.read_records([self._number])[0]
        return records


class ScanRecorder:
    """Implements `ErrorRecorder` by the length scan with an amplitude of zero: the error signal of a closed loop."""

    def __init__(self, scan: LengthScan) -> None:
        self._scan = scan

    @property
    def sample_rate_hz(self) -> float:
        """Samples per second."""
        return ADC_RATE_HZ / SCAN_DECIMATION

    @property
    def samples(self) -> int:
        """Samples of one record: the rising half of a period."""
        return BUFFER_SAMPLES // 2

    def record(self, count: int) -> NDArray[np.float64]:
        """Return `count` records."""
        return np.array([self._scan.sweep(0.0).error_v for _ in range(count)])


class SineInjection:
    """A sine added to the output of the length servo by the generator of the scan board, and the error signal with
    it."""

    def __init__(
        self, board: RedPitaya125_14, output: int, volts_per_volt: float, error_input: int, clock: Clock
    ) -> None:
        self._board = board
        self._output = board.outputs[output]
        self._volts_per_volt = volts_per_volt
        self._error_input = error_input
        self._clock = clock

    @property
    def sample_rate_hz(self) -> float:
        """Samples per second of the records."""
        return ADC_RATE_HZ / SINE_DECIMATION

    def record(self, frequency_hz: float, amplitude_v: float, count: int) -> NDArray[np.float64]:
        """Return `count` records of the error signal, shape (count, samples), in V; each begins where the sine is zero
        and rises. `amplitude_v` is in V at the servo's output.

        The generator is off afterwards. Raises `ConfigurationError` for a sine that may throw the lock out.
        """
        if not 0.0 < amplitude_v <= LARGEST_SINE_V:
            raise ConfigurationError(
                f"A sine of {amplitude_v:g} V at the length servo is not within 0 and {LARGEST_SINE_V:g} V.",
                remedy="Take a smaller one.",
            )
        self._output.configure("SINE", frequency_hz, amplitude_v / abs(self._volts_per_volt), 0.0, 0.0)
        self._board.averaging = True
        self._output.on = True
        records = np.empty((count, BUFFER_SAMPLES))
        try:
            for row in records:
                self._board.arm(SINE_DECIMATION, "AWG_PE")
                self._output.start()
                _wait_until_filled(self._board, self._clock, BUFFER_SAMPLES / self.sample_rate_hz)
                row[:] = self._board.read_records([self._error_input])[0]
        finally:
            self._output.on = False
        return records if self._volts_per_volt > 0.0 else -records


def error_recorder(station: Station, loop: str) -> ErrorRecorder:
    """Return what records the error signal of a loop.

    Raises `ConfigurationError` where nothing does.
    """
    entry = station.file.loops.get(loop)
    if isinstance(entry, HomodyneLoop) and entry.error is not None:
        board = station.driver(entry.error.instrument)
        assert isinstance(board, RedPitaya)
        return BoardRecorder(board, entry.error.input, station.clock)
    if entry is not None and entry.kind == "opa_length":
        return ScanRecorder(station.scan)
    raise ConfigurationError(
        f"Nothing records the error signal of {loop}.",
        remedy=f'Give [loops.{loop}] an input: error = {{ instrument = "...", input = 1 }}.',
    )


def sine_injection(station: Station) -> SineInjection:
    """Return the generator at the length servo. Raises `ConfigurationError` where there is none."""
    entry = station.file.scan
    if entry is None:
        raise ConfigurationError("This station has no [scan].", remedy="It injects the sine.")
    board = station.driver(entry.instrument)
    assert isinstance(board, RedPitaya125_14)
    return SineInjection(board, entry.output, entry.volts_per_volt, entry.error_input, station.clock)


def settled(records: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Return records (m, n) without their beginning, and how many samples that was."""
    first = int(SETTLED_SHARE * records.shape[1])
    return records[:, first:], first


def sweep_frequencies(unity_gain_hz: float) -> list[float]:
    """Return where to look at a loop of about this unity gain, in Hz: evenly spaced in the logarithm, further above it
    than below, where the loop takes the sine away."""
    return [float(f) for f in unity_gain_hz * np.geomspace(*SWEEP_OVER_UNITY_GAIN, SWEEP_POINTS)]


def _wait_until_filled(board: RedPitaya, clock: Clock, seconds: float) -> None:
    for _ in range(FILL_POLLS):
        clock.sleep(seconds)
        if board.is_filled():
            return
    raise BadReply(board.name, "never completed a record", command="ACQ:TRig:FILL?", remedy="Restart its server.")
