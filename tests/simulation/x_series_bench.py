"""A simulated analyzer on the bench: one message at a time, waiting in lab time."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from stepped_time import SteppedTime

from labctl.simulation.instruments.keysight_x_series import SimulatedXSeries

PSD_V2_PER_HZ = 5e-12
K_OF_RBW_10_VBW_1 = 5.446


class Flat:
    """White noise, `factor` times the design level; remembers the filter that looked at it."""

    def __init__(self) -> None:
        self.factor = 1.0
        self.rbw_hz: list[float] = []

    def power_spectral_density(self, frequency_hz: NDArray[np.float64], rbw_hz: float) -> NDArray[np.float64]:
        self.rbw_hz.append(rbw_hz)
        return np.full(frequency_hz.shape, self.factor * PSD_V2_PER_HZ)


def level_dbm(rbw_hz: float, psd: float = PSD_V2_PER_HZ) -> float:
    return 10 * math.log10(psd / 50 * 1.0645 * rbw_hz / 1e-3)


class Bench:
    """A twin, its time and its input; `ask` sends one message and waits in lab time for the reply."""

    def __init__(self, seed: int = 1, **options: float) -> None:
        self.time = SteppedTime()
        self.input = Flat()
        self.twin = SimulatedXSeries(self.time, self.input, np.random.default_rng(seed), **options)  # type: ignore[arg-type]

    def tell(self, *messages: str) -> None:
        for message in messages:
            self.twin.on_bytes(message.encode() + b"\n")

    def raw(self, message: str) -> bytes:
        self.tell(message)
        ready = self.twin.ready_at()
        if ready is not None:
            self.time.elapse(max(0.0, ready - self.time.now()) + 1e-9)
        return self.twin.take()

    def ask(self, message: str) -> str:
        return self.raw(message).decode().removesuffix("\n")

    def number(self, message: str) -> float:
        return float(self.ask(message))

    def doubles(self, message: str) -> NDArray[np.float64]:
        self.tell("FORM REAL,64;:FORM:BORD NORM")
        reply = self.raw(message)
        digits = int(reply[1:2])
        assert reply[:1] == b"#" and reply[-1:] == b"\n"
        assert int(reply[2 : 2 + digits]) == len(reply) - 3 - digits
        return np.frombuffer(reply[2 + digits : -1], dtype=">f8").astype(float)

    def set_up(self, *, span_hz: float = 100e3, rbw_hz: float = 10, vbw_hz: float = 1, averages: int = 1) -> None:
        self.tell(
            "*CLS;*RST",
            f"FREQ:CENT 4.3 MHZ;SPAN {span_hz};:BAND {rbw_hz};:BAND:VID {vbw_hz}",
            f"TRAC:TYPE AVER;:DET:TRAC AVER;:AVER:TYPE RMS;COUN {averages}",
        )
        assert self.ask("SYST:ERR?") == '+0,"No error"'

    def sweep(self) -> NDArray[np.float64]:
        assert self.ask("INIT;*OPC?") == "1"
        return self.doubles("TRAC? TRACE1")
