from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from spectrum_scene import NOW, axis, fill, spectrum

from labctl.bus.latest import Latest
from labctl.bus.messages import EventRow
from labctl.dashboard.trace_modes import TraceMode
from labctl.dashboard.trace_store import MOST_DETECTORS, TraceStore


@pytest.fixture
def latest() -> Latest:
    latest = Latest()
    fill(latest, points=501)
    return latest


def test_only_new_spectra_change_anything(latest: Latest) -> None:
    store = TraceStore()
    assert store.take(latest)
    assert not store.take(latest)
    latest.put_rows(EventRow, ())
    assert not store.take(latest)
    fill(latest, points=501, taken_at=NOW + 1, only_psd=True)
    assert store.take(latest)


def test_traces_come_in_order_with_the_references_of_their_channel(latest: Latest) -> None:
    store = TraceStore()
    store.take(latest)
    traces = store.traces()
    assert [trace.channel for trace in traces] == ["bhd1", "bhd2", "bhd3", "bhd4", "joint", "rephased"]
    for trace in traces:
        assert trace.shot is not None and trace.dark is not None
        assert trace.shot.spectrum is latest.spectrum(trace.channel, "shot")
        assert trace.dark.spectrum is latest.spectrum(trace.channel, "dark")
        assert trace.low_clearance == ()


def test_a_reference_on_another_axis_is_brought_onto_that_of_the_trace(latest: Latest) -> None:
    latest.put_spectrum(spectrum("joint", np.full(51, 7.0), "shot", axis(51)))
    store = TraceStore()
    store.take(latest)
    trace = store.trace("joint")
    assert trace is not None and trace.shot is not None
    np.testing.assert_allclose(trace.shot.power, np.full(501, 7.0))


def test_a_shot_noise_that_is_not_valid_makes_the_trace_so(latest: Latest) -> None:
    shot = latest.spectrum("joint", "shot")
    assert shot is not None
    latest.put_spectrum(replace(shot, valid=False, reason="signal not blocked"))
    store = TraceStore()
    store.take(latest)
    trace = store.trace("joint")
    assert trace is not None and not trace.valid
    assert "signal not blocked" in trace.reason


def test_without_dark_noise_the_clearance_is_unknown_everywhere() -> None:
    latest, store = Latest(), TraceStore()
    latest.put_spectrum(spectrum("joint", np.ones(11)))
    latest.put_spectrum(spectrum("joint", np.ones(11), "shot"))
    store.take(latest)
    trace = store.trace("joint")
    assert trace is not None
    ((low, high),) = [(span.low_hz, span.high_hz) for span in trace.low_clearance]
    assert (low, high) == (4.08e6, 4.56e6)


def test_of_many_detectors_eight_are_shown_and_can_be_chosen() -> None:
    latest, store = Latest(), TraceStore()
    fill(latest, 12, 11)
    store.take(latest)
    assert store.channels == (*(f"bhd{number}" for number in range(1, MOST_DETECTORS + 1)), "joint", "rephased")
    store.choose(["bhd12", "bhd2"])
    assert store.channels == ("bhd2", "bhd12", "joint", "rephased")
    store.choose(f"bhd{number}" for number in range(1, 13))
    assert len(store.chosen) == MOST_DETECTORS


def test_what_the_core_forgot_is_gone(latest: Latest) -> None:
    store = TraceStore()
    store.take(latest)
    latest.forget_measured()
    assert store.take(latest)
    assert store.traces() == ()


def test_restart_says_whether_there_was_anything(latest: Latest) -> None:
    store = TraceStore()
    store.take(latest)
    assert not store.restart()
    store.use_mode("joint", TraceMode.AVERAGE)
    assert store.restart()
