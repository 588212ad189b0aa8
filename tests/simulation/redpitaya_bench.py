"""A simulated Red Pitaya on small ports, and what a host says to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stepped_time import SteppedTime

from drivers.redpitaya.stemlab import RedPitaya, RedPitaya125_14
from labctl.simulation.instruments.redpitaya_stemlab import SimulatedRedPitaya
from labctl.simulation.ports import FastInputs, Waveform
from labctl.simulation.visa_library import simulated_library

ADDRESS = "TCPIP::192.168.10.14::5000::SOCKET"
STEP_V = 1 / 8192

Volts = NDArray[np.float64]


class Ramps:
    """Fast inputs whose voltage is a function of lab time: input n sees n x 0.1 V + (time in ms) x 0.1 V."""

    def __init__(self) -> None:
        self.captures: list[tuple[Any, ...]] = []

    def capture(
        self, inputs: Sequence[int], started_at: float, sample_rate_hz: float, samples: int, average: int
    ) -> Volts:
        self.captures.append((tuple(inputs), started_at, sample_rate_hz, samples, average))
        return np.array([volts_at(number, started_at + np.arange(samples) / sample_rate_hz) for number in inputs])


def volts_at(number: int, at: Any) -> Any:
    return 0.1 * number + 100.0 * at


class Signals(Ramps):
    """Fast inputs that see `signals`, functions of lab time in s, by number; others carry nothing."""

    def __init__(self, **signals: Callable[[Volts], Volts]) -> None:
        super().__init__()
        self.signals = {int(name.removeprefix("in")): signal for name, signal in signals.items()}

    def capture(
        self, inputs: Sequence[int], started_at: float, sample_rate_hz: float, samples: int, average: int
    ) -> Volts:
        self.captures.append((tuple(inputs), started_at, sample_rate_hz, samples, average))
        time = started_at + np.arange(samples) / sample_rate_hz
        return np.array([self.signals.get(number, np.zeros_like)(time) for number in inputs])


class Voltages:
    def __init__(self) -> None:
        self.by_name = {f"AIN{n}": 0.0 for n in range(4)}

    def volts(self, name: str) -> float:
        return self.by_name[name]


class Levels:
    def __init__(self) -> None:
        self.by_pin: dict[str, int] = {}

    def set_level(self, pin: str, level: int) -> None:
        self.by_pin[pin] = level

    def level(self, pin: str) -> int:
        return self.by_pin.get(pin, 0)


class Output:
    def __init__(self) -> None:
        self.history: list[tuple[Waveform, float]] = []

    def generate(self, waveform: Waveform, started_at: float) -> None:
        self.history.append((waveform, started_at))


class Bench:
    """One simulated board with its wiring, and what a host says to it."""

    def __init__(self, fast: FastInputs | None = None, **options: Any) -> None:
        self.time = SteppedTime()
        self.slow, self.levels, self.out = Voltages(), Levels(), Output()
        self.fast: Any = fast or Ramps()
        rng = np.random.default_rng(1)
        self.board = SimulatedRedPitaya(self.time, self.fast, self.slow, self.levels, {1: self.out}, rng, **options)

    def say(self, *commands: str) -> bytes:
        self.board.on_bytes("".join(command + "\r\n" for command in commands).encode())
        return self.board.take()

    def ask(self, command: str) -> str:
        return self.say(command).decode().removesuffix("\r\n")

    def errors(self) -> list[int]:
        """Return the codes in the error queue, and empty it."""
        codes: list[int] = []
        while code := int(self.ask("SYST:ERR?").split(",")[0]):
            codes.append(code)
        return codes

    def codes(self, query: str) -> NDArray[np.int64]:
        """Return ADC codes, read as text."""
        self.say("ACQ:DATA:FORMAT ASCII", "ACQ:DATA:Units RAW", "ACQ:AXI:DATA:Units RAW")
        reply = self.say(query).decode()
        assert reply.startswith("{")
        assert reply.endswith("}\r\n")
        return np.array([int(code) for code in reply[1:-3].split(",")])

    def open(self, driver: type[RedPitaya] = RedPitaya125_14) -> Any:
        return driver(ADDRESS, visa_library=simulated_library(self.time, {ADDRESS: self.board}), timeout=1000)
