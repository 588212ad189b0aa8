"""Any bytes at the traces and markers of the simulated spectrum analyzers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from every_twin import KINDS, Kind
from test_fuzz_every_twin import fuzz

STRINGS, SLOW_STRINGS = 400, 20_000
LINES = {
    "X-series": (
        b"TRAC2:TYPE AVER", b"TRAC3:UPD ON", b"DET:TRAC4 POS", b"TRAC TRACE2,-90,-91", b"CALC:DATA2?", b"SWE:POIN 2",
        b"CALC:MARK:MODE DELT", b"CALC:MARK2:X 4.3 MHZ", b"CALC:MARK2:X:POS?", b"CALC:MARK:Y?", b"CALC:MARK3:MAX:NEXT",
        b"CALC:MARK:FUNC NOIS", b"CALC:MARK:FUNC:BAND:SPAN 1E4", b"CALC:MARK:TABL ON;:FETC:SAN8?",
        b"CALC:MARK:PEAK:TABL ON;:FETC:SAN7?", b"READ:SAN7?", b"INIT:CONT ON", b"CALC:MARK:AOFF",
    ),
    "FSV": (
        b"DISP:TRAC2:MODE MAXH", b"DISP:TRAC3:MODE VIEW", b"DET2 RMS", b"TRAC2? TRACE2", b"INIT:CONM", b"INIT:CONT ON",
        b"CALC:MARK ON", b"CALC:MARK2:X 4.3 MHZ", b"CALC:MARK:Y?", b"CALC:MARK3:MAX:NEXT", b"CALC:MARK:TRAC 2",
        b"CALC:MARK:FUNC:NOIS ON;NOIS:RES?", b"CALC:MARK:PEXC 0.1", b"SYST:ERR:ALL?", b"SWE:POIN 101",
    ),
}  # fmt: skip

each_analyzer = pytest.mark.parametrize(
    "kind",
    [replace(kind, lines=(*kind.lines, *2 * LINES[kind.name])) for kind in KINDS if kind.name in LINES],
    ids=lambda kind: kind.name,
)


@each_analyzer
def test_any_bytes_at_traces_and_markers_are_survived(kind: Kind) -> None:
    fuzz(kind, STRINGS, seed=11)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@each_analyzer
def test_very_many_bytes_at_traces_and_markers_are_survived(kind: Kind) -> None:
    fuzz(kind, SLOW_STRINGS, seed=12)
