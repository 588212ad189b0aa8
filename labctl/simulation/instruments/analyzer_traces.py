"""The six traces of a simulated spectrum analyzer, all fed by the same sweeps."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, ItemsView, Iterator, Mapping
from functools import partial

import numpy as np

from labctl.simulation.analyzer_noise import FloatArray, NoiseDraw
from labctl.simulation.instruments.analyzer_receiver import AnalyzerReceiver
from labctl.simulation.instruments.analyzer_trace import MOST_HELD_ONE_BY_ONE, Trace
from labctl.simulation.ports import RfInput
from labctl.simulation.scpi_syntax import ScpiError

FIRST_TRACE, LAST_TRACE = TRACES = 1, 6


class TraceBank:
    """Traces 1 to 6 by number; after preset trace 1 is live, the others are blank.

    A live trace that is alone draws the sweeps that finished together as one. Several are fed sweep by sweep: those
    behind one detector see the same sweep, those behind different ones sweeps made of the same random numbers. Of more
    than 32 sweeps at once all but the last 31 are then one step, with no more averages than an average remembers.
    """

    def __init__(self, rng: np.random.Generator, rf_input: RfInput) -> None:
        self._rng = rng
        self._rf_input = rf_input
        self._traces = {number: Trace() for number in range(FIRST_TRACE, LAST_TRACE + 1)}
        self._noise: dict[str, NoiseDraw] = {}
        self._followers: dict[str, tuple[np.random.Generator, NoiseDraw]] = {}
        self.preset()

    def __getitem__(self, number: int) -> Trace:
        return self._traces[number]

    def items(self) -> ItemsView[int, Trace]:
        """Return numbers and traces."""
        return self._traces.items()

    def __iter__(self) -> Iterator[Trace]:
        return iter(self._traces.values())

    def preset(self) -> None:
        """Blank all traces but the first, and forget what they hold."""
        for number, trace in self._traces.items():
            trace.preset(live=number == FIRST_TRACE)
        self._forget_noise()

    def clear(self, *, frozen: bool = False) -> None:
        """Forget the sweeps of live traces, of `frozen` ones too if asked to, and what followed from the settings."""
        for trace in self:
            if trace.live or frozen:
                trace.clear()
        self._forget_noise()

    def _forget_noise(self) -> None:
        self._noise.clear()
        self._followers.clear()

    @property
    def live(self) -> list[int]:
        """Numbers of the traces that new sweeps change."""
        return [number for number, trace in self._traces.items() if trace.live]

    @property
    def only_rewritten(self) -> bool:
        """Whether no live trace remembers more than its last sweep."""
        return all(trace.kind == "WRIT" for trace in self if trace.live)

    @property
    def sweeps(self) -> int:
        """How many sweeps the live traces have seen: the fewest, counting those that remember where there are any."""
        live = [trace for trace in self if trace.live]
        return min((trace.sweeps for trace in live if self.only_rewritten or trace.kind != "WRIT"), default=0)

    def add(self, seen_by: Callable[[int], AnalyzerReceiver], sweeps: int) -> None:
        """Add `sweeps` (at least 1) sweeps that finished now to the live traces.

        `seen_by` returns the receiver as the trace of that number sees it.
        """
        receivers = {number: seen_by(number) for number in self.live}
        if len(receivers) > 1:
            self._add_together(receivers, sweeps)
            return
        for number, receiver in receivers.items():
            self[number].add(receiver, sweeps, partial(self._draw, receiver))

    def _draw(self, receiver: AnalyzerReceiver, sweeps: float) -> FloatArray:
        power, line = self._input(receiver)
        return receiver.draw(self._leading(receiver), power, sweeps, line)

    def _input(self, receiver: AnalyzerReceiver) -> tuple[FloatArray, FloatArray | None]:
        """Return the power of the noise at each point in W, and that of lines over it where there are any."""
        power = receiver.mean_power_w(self._rf_input)
        return power, receiver.line_share(self._rf_input, power)

    def _add_together(self, receivers: Mapping[int, AnalyzerReceiver], sweeps: int) -> None:
        by_detector = {receiver.detector: receiver for receiver in receivers.values()}
        seen = {detector: self._input(receiver) for detector, receiver in by_detector.items()}
        remembered = 2 * max(receiver.average_count for receiver in receivers.values()) - 1
        for step, averages in _steps(sweeps, remembered, one_is_enough=self.only_rewritten):
            sweep = self._draw_together(by_detector, seen, averages)
            for number, receiver in receivers.items():
                self[number].add(receiver, step, partial(_as_drawn, sweep[receiver.detector]))

    def _draw_together(
        self,
        receivers: Mapping[str, AnalyzerReceiver],
        seen: Mapping[str, tuple[FloatArray, FloatArray | None]],
        sweeps: int,
    ) -> dict[str, FloatArray]:
        """Return one sweep, or the mean of `sweeps`, as each detector shows it.

        The first detector draws from the stream of the instrument, the others from where that stream stood before.
        """
        state = self._rng.bit_generator.state
        drawn: dict[str, FloatArray] = {}
        for detector, receiver in receivers.items():
            if not drawn:
                noise = self._leading(receiver)
            else:
                generator, noise = self._following(receiver)
                generator.bit_generator.state = state
            power, line = seen[detector]
            drawn[detector] = receiver.draw(noise, power, sweeps, line)
        return drawn

    def _leading(self, receiver: AnalyzerReceiver) -> NoiseDraw:
        if receiver.detector not in self._noise:
            self._noise[receiver.detector] = receiver.noise(self._rng)
        return self._noise[receiver.detector]

    def _following(self, receiver: AnalyzerReceiver) -> tuple[np.random.Generator, NoiseDraw]:
        if receiver.detector not in self._followers:
            generator = copy.deepcopy(self._rng)
            self._followers[receiver.detector] = (generator, receiver.noise(generator))
        return self._followers[receiver.detector]


def trace_number(name: str) -> int:
    """Return the number of a trace by its name; raises ScpiError -224 for what is none."""
    match = re.fullmatch(r"TRACE?([1-6])", name.upper())
    if match is None:
        raise ScpiError(-224)
    return int(match[1])


def _as_drawn(drawn: FloatArray, sweeps: float) -> FloatArray:
    return drawn


def _steps(sweeps: int, remembered: int, *, one_is_enough: bool) -> Iterator[tuple[int, int]]:
    """Yield how many sweeps to add at once, and how many averages to draw for them."""
    if one_is_enough:
        yield sweeps, 1
        return
    older = sweeps - MOST_HELD_ONE_BY_ONE + 1 if sweeps > MOST_HELD_ONE_BY_ONE else 0
    if older:
        yield older, min(older, remembered)
    for _ in range(sweeps - older):
        yield 1, 1
