"""A simulated Rohde & Schwarz analyzer on the bench: one message at a time, waiting in lab time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from stepped_time import SteppedTime
from x_series_bench import Flat

from labctl.simulation.instruments.rohde_schwarz_fsv import SimulatedFSV

NO_ERROR = '0,"No error"'


class FsvBench:
    """A twin, its time and its input; `ask` sends one message and waits in lab time for the reply."""

    def __init__(self, seed: int = 1, **options: Any) -> None:
        self.time = SteppedTime()
        self.input = Flat()
        self.twin = SimulatedFSV(self.time, self.input, np.random.default_rng(seed), **options)

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

    def singles(self, message: str) -> NDArray[np.float64]:
        self.tell("FORM REAL,32")
        reply = self.raw(message)
        digits = int(reply[1:2])
        assert reply[:1] == b"#" and reply[-1:] == b"\n"
        assert int(reply[2 : 2 + digits]) == len(reply) - 3 - digits
        return np.frombuffer(reply[2 + digits : -1], dtype="<f4").astype(float)

    def set_up(
        self, *more: str, span_hz: float = 100e3, rbw_hz: float = 10, vbw_hz: float = 10, sweeps: int = 1
    ) -> None:
        """Set up power averages behind the RMS detector in single sweeps, then what `more` says."""
        self.tell(
            "*CLS;*RST;INIT:CONT OFF",
            f"FREQ:CENT 4.3 MHZ;SPAN {span_hz};:BAND {rbw_hz};:BAND:VID {vbw_hz}",
            f"DISP:TRAC:MODE AVER;:DET RMS;:AVER:TYPE POW;:SWE:COUN {sweeps}",
            *more,
        )
        assert self.ask("SYST:ERR?") == NO_ERROR

    def sweep(self) -> NDArray[np.float64]:
        assert self.ask("INIT;*OPC?") == "1"
        return self.singles("TRAC? TRACE1")
