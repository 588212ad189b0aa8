from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from spectrum_scene import fill

from labctl.bus.latest import Latest
from labctl.dashboard.markers import Marker, MarkerKind, Reading
from labctl.dashboard.shot_reference import Span
from labctl.dashboard.spectrum_text import age, bandwidth, head_parts, megahertz, names, notes, offset, readout, signed
from labctl.dashboard.trace_modes import TraceMode
from labctl.dashboard.trace_store import Trace, TraceStore


@pytest.fixture
def trace() -> Trace:
    latest, store = Latest(), TraceStore()
    fill(latest, points=11)
    store.take(latest)
    found = store.trace("joint")
    assert found is not None
    return found


def test_numbers_have_units_signs_and_no_spare_digits() -> None:
    assert (signed(-3.724), signed(0.31, plus=True), signed(np.nan)) == ("−3.72", "+0.31", "–")
    assert (bandwidth(10.0), bandwidth(1500.0), bandwidth(np.nan)) == ("10 Hz", "1.5 kHz", "–")
    assert (age(12.9), age(240), age(9000), age(np.nan)) == ("12 s", "4 min", "2 h", "–")
    assert megahertz(4.301e6, 48.0) == "4.30100 MHz"
    assert (offset(1200.0, 48.0), offset(-12.0, 1.0)) == ("+1.20 kHz", "−12 Hz")


def test_the_head_says_how_the_trace_was_taken(trace: Trace) -> None:
    parts = head_parts(trace, "dB rel. shot noise", (4.08e6, 4.56e6), "4 min")
    assert parts == [
        *("joint", "RBW 10 Hz  VBW off  avg 50/50 power", "dB rel. shot noise", "4.08–4.56 MHz", "digitizer"),
        "shot 4 min old",
    ]
    held = replace(trace, made_by=TraceMode.MAX_HOLD, count=6, spectrum=replace(trace.spectrum, vbw_hz=1.0))
    assert head_parts(held, "", (0, 1), "")[1] == "RBW 10 Hz  VBW 1 Hz  avg 50/50 power  max hold of 6"


def test_a_reading_is_one_line() -> None:
    marker, reading = Marker(1, "joint", 4.301e6), Reading(4.301e6, -3.724, 48.0)
    assert readout(marker, reading, None, "dB", False) == "M1 4.30100 MHz −3.72 dB"
    noise = replace(marker, kind=MarkerKind.NOISE)
    assert readout(noise, replace(reading, sigma_db=0.051), None, "dB", True) == "N1 joint 4.30100 MHz −3.72 ± 0.05 dB"
    delta = Marker(2, "joint", 4.3022e6, MarkerKind.DELTA, 1)
    assert readout(delta, Reading(4.3022e6, -3.4, 48.0), reading, "dB", False) == "Δ2−1 +1.20 kHz +0.32 dB"
    assert readout(marker, None, None, "dB", False) == "M1 –"


def test_notes_say_what_is_wrong_and_gather_who_it_is(trace: Trace) -> None:
    other = replace(trace, channel="bhd2", low_clearance=(Span(4.1e6, 4.2e6, 7.84),))
    invalid = replace(trace, valid=False, reason="LO2 lock lost")
    found = notes([other, invalid], ["bhd3"], True, {"bhd2": "14:03:22", "joint": "14:03:22"}, True)
    assert found == [
        "▨ BHD 2: clearance 7.8 dB < 10 dB, 4.100–4.200 MHz",
        "◌ BHD 2, joint: STALE, last 14:03:22",
        "▨ joint: not valid: LO2 lock lost",
        "▨ BHD 3: no shot reference, not shown relative to it",
    ]
    assert notes([trace], [], True, {}, True) == []


def test_an_average_says_why_it_waits(trace: Trace) -> None:
    waiting = replace(
        trace, mode=TraceMode.AVERAGE, skipped=3, spectrum=replace(trace.spectrum, valid=False, reason="LO1 off")
    )
    assert notes([waiting], [], True, {}, True) == ["▨ joint: average waits: LO1 off"]


def test_many_notes_end_with_a_count(trace: Trace) -> None:
    traces = [replace(trace, channel=f"bhd{n}", valid=False, reason=f"reason {n}") for n in range(1, 8)]
    found = notes(traces, [], True, {}, True)
    assert len(found) == 5
    assert found[-1] == "and 3 more"


def test_names_are_short() -> None:
    assert names(["bhd1", "bhd2", "joint", "rephased"]) == "BHD 1, 2, joint, re-phased"
    assert names([f"bhd{n}" for n in range(1, 9)]) == "BHD 1, 2, …, 8"
