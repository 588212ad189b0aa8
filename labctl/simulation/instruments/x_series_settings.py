"""The commands that set up the receiver of a simulated X-series analyzer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from labctl.simulation.instruments.x_series_receiver import (
    RBW_STEPS_HZ,
    SWEEP_TIME_RANGE_S,
    VBW_STEPS_HZ,
    Receiver,
    nearest_step,
)
from labctl.simulation.scpi import Call, ScpiInstrument
from labctl.simulation.scpi_syntax import DECIBELS, HERTZ, SECONDS

MOST_POINTS = 40001
LARGEST_ATTENUATION_DB = 70
ATTENUATION_STEP_DB = 2.0

_Change = Callable[[], None]


def register_receiver(instrument: ScpiInstrument, receiver: Receiver, changed: _Change) -> None:
    """Add the frequency, bandwidth, sweep, averaging and input commands; `changed` is called after each change."""
    settings = _Settings(instrument, receiver, changed)
    settings.frequency()
    settings.bandwidth()
    settings.sweep()
    settings.averaging()
    settings.input()


class _Settings:
    def __init__(self, instrument: ScpiInstrument, receiver: Receiver, changed: _Change) -> None:
        self._instrument = instrument
        self._receiver = receiver
        self._changed = changed
        self._previous_span_hz = receiver.span_hz

    def frequency(self) -> None:
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
                self._get(name),
                self._band(set_),
                minimum=0.0,
                maximum=receiver.highest_hz,
                units=HERTZ,
            )
        middle_hz = receiver.highest_hz / 2
        spans: dict[str, Callable[[float], None]] = {
            "ZERO": lambda _: receiver.set_band(receiver.center_hz, 0.0),
            "FULL": lambda _: receiver.set_band(middle_hz, receiver.highest_hz),
            "PREVious": lambda previous: receiver.set_band(receiver.center_hz, previous),
        }
        for node, set_ in spans.items():
            self._instrument.register(f"[:SENSe]:FREQuency:SPAN:{node}", self._span(self._band(set_)))

    def bandwidth(self) -> None:
        for root in ("[:SENSe]:BANDwidth", "[:SENSe]:BWIDth"):
            for node, name, steps in (("[:RESolution]", "rbw", RBW_STEPS_HZ), (":VIDeo", "vbw", VBW_STEPS_HZ)):
                self._instrument.number(
                    root + node,
                    self._get(f"{name}_hz"),
                    self._set(f"{name}_set_hz", _quantiser(steps)),
                    minimum=steps[0],
                    maximum=steps[-1],
                    units=HERTZ,
                )
                self._automatic(f"{root}{node}:AUTO", f"{name}_set_hz", f"{name}_hz")
            self._choice(f"{root}:TYPE", "bandwidth_type", "bandwidth_type", ("DB3", "DB6", "IMPulse", "NOISe"))

    def sweep(self) -> None:
        self._instrument.number(
            "[:SENSe]:SWEep:POINts",
            self._get("points"),
            self._set("points", round),
            minimum=1,
            maximum=MOST_POINTS,
            default=1001,
            form="{:.0f}".format,
        )
        shortest, longest = SWEEP_TIME_RANGE_S
        self._instrument.number(
            "[:SENSe]:SWEep:TIME",
            self._get("sweep_time_s"),
            self._set("time_set_s"),
            minimum=shortest,
            maximum=longest,
            units=SECONDS,
        )
        self._automatic("[:SENSe]:SWEep:TIME:AUTO", "time_set_s", "sweep_time_s")
        self._choice("[:SENSe]:SWEep:TYPE", "sweep_type", "type_set", ("FFT", "SWEep"))
        self._automatic("[:SENSe]:SWEep:TYPE:AUTO", "type_set", "sweep_type")

    def averaging(self) -> None:
        self._choice("[:SENSe]:AVERage:TYPE", "average_type", "average_type_set", ("RMS", "LOG", "SCALar"))
        self._automatic("[:SENSe]:AVERage:TYPE:AUTO", "average_type_set", "average_type")
        self._automatic("[:SENSe]:DETector:AUTO", "detector_set", "detector")

    def input(self) -> None:
        power = "[:SENSe]:POWer[:RF]"
        self._instrument.number(
            f"{power}:ATTenuation",
            self._get("attenuation_db"),
            self._set("attenuation_set_db", lambda v: ATTENUATION_STEP_DB * round(v / ATTENUATION_STEP_DB)),
            minimum=0,
            maximum=LARGEST_ATTENUATION_DB,
            units=DECIBELS,
            form="{:.2f}".format,
        )
        self._automatic(f"{power}:ATTenuation:AUTO", "attenuation_set_db", "attenuation_db")
        self._instrument.switch(
            f"{power}:GAIN[:STATe]", lambda: self._receiver.preamplifier, self._set("preamplifier", bool)
        )

    def _get(self, name: str) -> Callable[[], float]:
        return lambda: float(getattr(self._receiver, name))

    def _set(self, name: str, cast: Callable[[float], object] = float) -> Callable[[float], None]:
        def set_(value: float) -> None:
            setattr(self._receiver, name, cast(value))
            self._changed()

        return set_

    def _band(self, change: Callable[[float], None]) -> Callable[[float], None]:
        def set_(value: float) -> None:
            before = self._receiver.span_hz
            change(value)
            if self._receiver.span_hz != before:
                self._previous_span_hz = before
            self._changed()

        return set_

    def _span(self, set_: Callable[[float], None]) -> Callable[[Call], None]:
        return lambda call: set_(self._previous_span_hz)

    def _automatic(self, pattern: str, set_name: str, effective_name: str) -> None:
        """Add the switch of a coupling: on forgets the setting, off keeps the coupled value as the setting."""

        def switch(coupled: bool) -> None:
            setattr(self._receiver, set_name, None if coupled else getattr(self._receiver, effective_name))
            self._changed()

        self._instrument.switch(pattern, lambda: getattr(self._receiver, set_name) is None, switch)

    def _choice(self, pattern: str, get_name: str, set_name: str, choices: Sequence[str]) -> None:
        def set_(choice: str) -> None:
            setattr(self._receiver, set_name, choice)
            self._changed()

        self._instrument.choice(pattern, lambda: str(getattr(self._receiver, get_name)), set_, choices)


def _quantiser(steps: Sequence[float]) -> Callable[[float], float]:
    return lambda value: nearest_step(value, steps)
