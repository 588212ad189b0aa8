"""The commands that set up the receiver of a simulated spectrum analyzer, as far as makers agree on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from labctl.simulation.instruments.analyzer_receiver import AnalyzerReceiver, nearest_step
from labctl.simulation.scpi import ScpiInstrument
from labctl.simulation.scpi_syntax import DECIBELS, HERTZ, SECONDS

Change = Callable[[], None]


class ReceiverSettings:
    """Adds commands for one receiver; `changed` is called after each change.

    What is automatic is read from what `seen` returns: the receiver as trace 1 sees it. What is out of range queues
    -222, and is clipped where `clip`.
    """

    def __init__(
        self,
        instrument: ScpiInstrument,
        receiver: AnalyzerReceiver,
        changed: Change,
        seen: Callable[[], AnalyzerReceiver],
        *,
        clip: bool,
    ) -> None:
        self.previous_span_hz = receiver.span_hz
        self._instrument = instrument
        self._receiver = receiver
        self._changed = changed
        self._seen = seen
        self._clip = clip

    def frequency(self) -> None:
        """Add start, stop, center and span, which move each other."""
        receiver = self._receiver
        settings: dict[str, tuple[str, Callable[[float], None]]] = {
            "CENTer": ("center_hz", lambda v: receiver.set_band(v, receiver.span_hz)),
            "STARt": ("start_hz", receiver.set_start),
            "STOP": ("stop_hz", receiver.set_stop),
            "SPAN": ("span_hz", lambda v: receiver.set_band(receiver.center_hz, v)),
        }
        for node, (name, set_) in settings.items():
            self._instrument.number(
                f"[:SENSe]:FREQuency:{node}",
                self.get(name),
                self.band(set_),
                minimum=0.0,
                maximum=receiver.highest_hz,
                units=HERTZ,
                clip=self._clip,
            )
        middle_hz = receiver.highest_hz / 2
        full = self.band(lambda _: receiver.set_band(middle_hz, receiver.highest_hz))
        self._instrument.register("[:SENSe]:FREQuency:SPAN:FULL", lambda call: full(0.0))

    def bandwidth(self) -> None:
        """Add resolution and video bandwidth in the receiver's steps, with their couplings."""
        bandwidths = (
            ("[:RESolution]", "rbw", self._receiver.rbw_steps_hz),
            (":VIDeo", "vbw", self._receiver.vbw_steps_hz),
        )
        for root in ("[:SENSe]:BANDwidth", "[:SENSe]:BWIDth"):
            for node, name, steps in bandwidths:
                self._instrument.number(
                    root + node,
                    self.get(f"{name}_hz"),
                    self.set(f"{name}_set_hz", _quantiser(steps)),
                    minimum=steps[0],
                    maximum=steps[-1],
                    units=HERTZ,
                    clip=self._clip,
                )
                self.automatic(f"{root}{node}:AUTO", f"{name}_set_hz", f"{name}_hz")

    def sweep(self, points: tuple[int, int], time_s: tuple[float, float]) -> None:
        """Add the number of points and the sweep time, within these ranges."""
        self._instrument.number(
            "[:SENSe]:SWEep:POINts",
            self.get("points"),
            self.set("points", round),
            minimum=points[0],
            maximum=points[1],
            default=type(self._receiver).points,
            form="{:.0f}".format,
            clip=self._clip,
        )
        self._instrument.number(
            "[:SENSe]:SWEep:TIME",
            self.get("sweep_time_s"),
            self.set("time_set_s"),
            minimum=time_s[0],
            maximum=time_s[1],
            units=SECONDS,
            clip=self._clip,
        )
        self.automatic("[:SENSe]:SWEep:TIME:AUTO", "time_set_s", "sweep_time_s")

    def attenuation(self, pattern: str, largest_db: float, step_db: float) -> None:
        """Add the input attenuation in steps, with its coupling."""
        self._instrument.number(
            pattern,
            self.get("attenuation_db"),
            self.set("attenuation_set_db", lambda v: step_db * round(v / step_db)),
            minimum=0,
            maximum=largest_db,
            units=DECIBELS,
            form="{:.2f}".format,
            clip=self._clip,
        )
        self.automatic(f"{pattern}:AUTO", "attenuation_set_db", "attenuation_db")

    def preamplifier(self, pattern: str) -> None:
        """Add the switch of the preamplifier."""
        self._instrument.switch(pattern, lambda: self._receiver.preamplifier, self.set("preamplifier", bool))

    def get(self, name: str) -> Callable[[], float]:
        """Return what reads an attribute of the receiver."""
        return lambda: float(getattr(self._receiver, name))

    def set(self, name: str, cast: Callable[[float], object] = float) -> Callable[[float], None]:
        """Return what sets an attribute of the receiver."""

        def set_(value: float) -> None:
            setattr(self._receiver, name, cast(value))
            self._changed()

        return set_

    def band(self, change: Callable[[float], None]) -> Callable[[float], None]:
        """Return `change` with a note of the span that was before."""

        def set_(value: float) -> None:
            before = self._receiver.span_hz
            change(value)
            if self._receiver.span_hz != before:
                self.previous_span_hz = before
            self._changed()

        return set_

    def automatic(self, pattern: str, set_name: str, effective_name: str) -> None:
        """Add the switch of a coupling: on forgets the setting, off keeps the coupled value as the setting."""

        def switch(coupled: bool) -> None:
            setattr(self._receiver, set_name, None if coupled else getattr(self._seen(), effective_name))
            self._changed()

        self._instrument.switch(pattern, lambda: getattr(self._receiver, set_name) is None, switch)

    def choice(self, pattern: str, get_name: str, set_name: str, choices: Sequence[str]) -> None:
        """Add a setting that is one of `choices`."""

        def set_(choice: str) -> None:
            setattr(self._receiver, set_name, choice)
            self._changed()

        self._instrument.choice(pattern, lambda: str(getattr(self._seen(), get_name)), set_, choices)


def _quantiser(steps: Sequence[float]) -> Callable[[float], float]:
    return lambda value: nearest_step(value, steps)
