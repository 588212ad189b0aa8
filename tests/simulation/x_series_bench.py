"""A simulated analyzer on the bench: one message at a time, waiting in lab time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stepped_time import SteppedTime

from labctl.simulation.instruments.keysight_x_series import SimulatedXSeries
from labctl.simulation.ports import Line
from labctl.simulation.wire import WireInstrument

PSD_V2_PER_HZ = 5e-12
NOISE_DBM_HZ = 10 * math.log10(PSD_V2_PER_HZ / 50 / 1e-3)
K_OF_RBW_10_VBW_1 = 5.446


class Flat:
    """White noise, `factor` times the design level; remembers the filter that looked at it."""

    def __init__(self) -> None:
        self.factor = 1.0
        self.rbw_hz: list[float] = []

    def power_spectral_density(self, frequency_hz: NDArray[np.float64], rbw_hz: float) -> NDArray[np.float64]:
        self.rbw_hz.append(rbw_hz)
        return np.full(frequency_hz.shape, self.factor * PSD_V2_PER_HZ)


class Lines(Flat):
    """White noise and lines: what each puts in, in dBm, by its frequency in Hz."""

    def __init__(self, lines_dbm: Mapping[float, float]) -> None:
        super().__init__()
        self.lines_dbm = lines_dbm

    def lines(self, start_hz: float, stop_hz: float) -> list[Line]:
        inside = {at: dbm for at, dbm in self.lines_dbm.items() if start_hz <= at <= stop_hz}
        return [Line(at, 50 * 1e-3 * 10 ** (dbm / 10)) for at, dbm in inside.items()]


def level_dbm(rbw_hz: float, psd: float = PSD_V2_PER_HZ) -> float:
    return 10 * math.log10(psd / 50 * 1.0645 * rbw_hz / 1e-3)


class AnalyzerBench:
    """The time and the input of a twin; `ask` sends one message and waits in lab time for the reply."""

    twin: WireInstrument

    def __init__(self, rf_input: Flat | None) -> None:
        self.time = SteppedTime()
        self.input = rf_input or Flat()

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

    def block(self, message: str, numbers: str) -> NDArray[np.float64]:
        """Send one message and return the block that answers it, sent as `numbers` (numpy, with byte order)."""
        reply = self.raw(message)
        digits = int(reply[1:2])
        assert reply[:1] == b"#" and reply[-1:] == b"\n"
        assert int(reply[2 : 2 + digits]) == len(reply) - 3 - digits
        return np.frombuffer(reply[2 + digits : -1], dtype=numbers).astype(float)


class Bench(AnalyzerBench):
    """An X-series analyzer."""

    def __init__(self, seed: int = 1, rf_input: Flat | None = None, **options: Any) -> None:
        super().__init__(rf_input)
        self.twin: SimulatedXSeries = SimulatedXSeries(self.time, self.input, np.random.default_rng(seed), **options)

    def doubles(self, message: str) -> NDArray[np.float64]:
        self.tell("FORM REAL,64;:FORM:BORD NORM")
        return self.block(message, ">f8")

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


class LineBench(Bench):
    """A twin on lines in white noise, which can be changed."""

    def __init__(self, lines_dbm: Mapping[float, float]) -> None:
        self.lines = Lines(lines_dbm)
        super().__init__(seed=2, rf_input=self.lines)
