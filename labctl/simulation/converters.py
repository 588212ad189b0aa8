"""How the converters of loops that labctl closes itself are wired to the table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from labctl.configuration.servos import FastInputMean, MonitorInput, SlowOutput
from labctl.configuration.software_loops import software_loops
from labctl.configuration.station_file import StationFile
from labctl.simulation.analog_servo import AnalogServo
from labctl.simulation.output_record import OutputTrack
from labctl.simulation.ports import ServoSettings
from labctl.simulation.truth import generator

FAST_INPUT_NOISE_V = 1.5e-3

Signal = Callable[[], float]


class LoopConverters:
    """The wires of every software loop of a station: from the error signal of its name (`signals`) to its input, and
    from its slow output to where the analog servo of its name would sit (`servos`).

    Such a servo is a piece of wire: open, its output what the board puts out.
    """

    def __init__(
        self, station: StationFile, servos: Mapping[str, AnalogServo], signals: Mapping[str, Signal], seed: int
    ) -> None:
        self._loops = [
            (servos[name], signals[name], servo) for name, _, servo in software_loops(station) if name in servos
        ]
        self._rng = generator(seed, "servo inputs")
        for wire, _, _ in self._loops:
            _put(wire, 0.0)

    def slow_outputs(self, board: str) -> SlowOutputWires:
        """Return what the slow outputs of one board drive."""
        return SlowOutputWires(
            {
                servo.output.pin: _amplified(wire, servo.output)
                for wire, _, servo in self._loops
                if isinstance(servo.output, SlowOutput) and servo.output.instrument == board
            }
        )

    def fast_inputs(self, board: str) -> SteadyInputs:
        """Return what the fast inputs of one board see."""
        return SteadyInputs(
            {
                servo.input.input: _shifted(signal, servo.input)
                for _, signal, servo in self._loops
                if isinstance(servo.input, FastInputMean) and servo.input.instrument == board
            },
            self._rng,
        )

    def idle_servo(self) -> AnalogServo:
        """Return a module that is seated and wired to nothing."""
        return AnalogServo(lambda output_v: 0.0, 1.0, 0.0, self._rng)

    def monitor_signal(self, monitor: str) -> Signal:
        """Return the error signal of the loop whose input a monitor is; nothing is connected to any other."""
        for _, signal, servo in self._loops:
            if isinstance(servo.input, MonitorInput) and servo.input.name == monitor:
                return signal
        return lambda: 0.0


class SlowOutputWires:
    """Implements `SlowOutputs`: what the pins of one board drive, nothing at those not named."""

    def __init__(self, driven: Mapping[str, Callable[[float], None]]) -> None:
        self._driven = dict(driven)
        self.tracks = {pin: OutputTrack("V") for pin in self._driven}

    def set_volts(self, name: str, volts: float) -> None:
        """Put `volts` out at pin `name`."""
        if name in self._driven:
            self.tracks[name].at(volts)
            self._driven[name](volts)


class SteadyInputs:
    """Implements `FastInputs` for slow signals: constant during a record, with the noise of the input."""

    def __init__(self, signals: Mapping[int, Signal], rng: np.random.Generator) -> None:
        self._signals = dict(signals)
        self._rng = rng

    def capture(
        self, inputs: Sequence[int], started_at: float, sample_rate_hz: float, samples: int, average: int
    ) -> NDArray[np.float64]:
        """Return volts, shape (len(inputs), samples); an input without a signal carries nothing."""
        volts = np.zeros((len(inputs), samples))
        for row, number in enumerate(inputs):
            if number in self._signals:
                noise = FAST_INPUT_NOISE_V / math.sqrt(average) * self._rng.standard_normal(samples)
                volts[row] = self._signals[number]() + noise
        return volts


def _put(wire: AnalogServo, volts: float) -> None:
    wire.apply(ServoSettings(closed=False, manual_output_v=volts, lower_limit_v=-math.inf, upper_limit_v=math.inf))


def _amplified(wire: AnalogServo, output: SlowOutput) -> Callable[[float], None]:
    return lambda pin_v: _put(wire, output.gain * (pin_v - output.offset))


def _shifted(signal: Signal, source: FastInputMean) -> Signal:
    return lambda: source.offset + source.gain * signal()
