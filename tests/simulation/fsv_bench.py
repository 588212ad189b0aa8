"""A simulated Rohde & Schwarz analyzer on the bench: one message at a time, waiting in lab time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from x_series_bench import AnalyzerBench, Flat

from labctl.simulation.instruments.rohde_schwarz_fsv import SimulatedFSV

NO_ERROR = '0,"No error"'


class FsvBench(AnalyzerBench):
    """An FSV."""

    def __init__(self, seed: int = 1, rf_input: Flat | None = None, **options: Any) -> None:
        super().__init__(rf_input)
        self.twin: SimulatedFSV = SimulatedFSV(self.time, self.input, np.random.default_rng(seed), **options)

    def singles(self, message: str) -> NDArray[np.float64]:
        self.tell("FORM REAL,32")
        return self.block(message, "<f4")

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
