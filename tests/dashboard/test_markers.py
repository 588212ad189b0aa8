from __future__ import annotations

import numpy as np
import pytest
from spectrum_scene import NOW, SHOT_V2_PER_HZ, axis, spectrum

from labctl.bus.latest import Latest
from labctl.dashboard.markers import MOST_MARKERS, MarkerKind, MarkerSet, nearest, read
from labctl.dashboard.trace_store import Trace, TraceStore


def trace_of(power: np.ndarray, shot: np.ndarray | None = None, averaging: str = "power") -> Trace:
    latest, store = Latest(), TraceStore()
    latest.put_spectrum(spectrum("joint", power, averaging=averaging, taken_at=NOW))
    if shot is not None:
        latest.put_spectrum(spectrum("joint", shot, "shot"))
    store.take(latest)
    trace = store.trace("joint")
    assert trace is not None
    return trace


def test_a_marker_reads_the_nearest_point() -> None:
    power = np.full(481, SHOT_V2_PER_HZ)
    power[221] *= 10
    trace = trace_of(power, np.full(481, SHOT_V2_PER_HZ))
    reading = read(trace, 4.3013e6, relative=True)
    assert reading is not None
    assert (reading.frequency_hz, reading.level_db) == (pytest.approx(4.301e6), pytest.approx(10.0))
    assert read(trace, 4.6e6, relative=True) is None


def test_absolute_levels_are_dbm_per_hertz_into_50_ohm() -> None:
    reading = read(trace_of(np.full(11, 50e-3 * 1e-12)), 4.3e6, relative=False)
    assert reading is not None
    assert reading.level_db == pytest.approx(-120.0)
    assert read(trace_of(np.ones(11)), 4.3e6, relative=True) is None


def test_a_noise_marker_reads_the_mean_power_and_its_scatter() -> None:
    random = np.random.default_rng(5)
    levels, sigmas = [], []
    for _ in range(60):
        power = 0.4 * random.gamma(50, 1 / 50, 10_001)
        reading = read(trace_of(power, np.ones(10_001)), 4.3e6, relative=True, noise=True)
        assert reading is not None
        levels.append(reading.level_db)
        sigmas.append(reading.sigma_db)
    assert np.mean(levels) == pytest.approx(10 * np.log10(0.4), abs=0.05)
    # The shot noise of this scene is as wide as it says, though here it does not scatter at all.
    assert np.std(levels) == pytest.approx(np.mean(sigmas) / np.sqrt(2), rel=0.3)


def test_a_noise_marker_mends_averages_of_logarithms() -> None:
    noise = np.random.default_rng(6).exponential(size=(200, 2001))
    power = np.exp(np.mean(np.log(noise), axis=0))
    reading = read(trace_of(power, np.ones(2001), "log"), 4.3e6, relative=True, noise=True)
    plain = read(trace_of(power, np.ones(2001)), 4.3e6, relative=True, noise=True)
    assert reading is not None and plain is not None
    assert plain.level_db == pytest.approx(-2.51, abs=0.15)
    assert reading.level_db == pytest.approx(0.0, abs=0.15)


def test_a_noise_marker_knows_that_a_wide_filter_makes_neighbours_alike() -> None:
    power = np.ones(10_001)
    narrow = read(trace_of(power), 4.3e6, relative=False, noise=True)
    fine = trace_of(power)
    finer = spectrum("joint", power, frequency_hz=np.linspace(4.3e6, 4.301e6, 10_001))
    latest, store = Latest(), TraceStore()
    latest.put_spectrum(finer)
    store.take(latest)
    trace = store.trace("joint")
    assert trace is not None and fine is not trace
    wide = read(trace, 4.3005e6, relative=False, noise=True)
    assert narrow is not None and wide is not None
    assert wide.sigma_db > 3 * narrow.sigma_db


def test_nearest_is_nearest() -> None:
    x = axis(101)
    for wanted in np.linspace(x[0], x[-1], 37):
        assert nearest(x, wanted) == int(np.argmin(np.abs(x - wanted)))


def test_six_markers_and_no_more() -> None:
    markers = MarkerSet()
    assert [markers.add("joint", 1.0) is not None for _ in range(7)] == [True] * MOST_MARKERS + [False]


def test_a_delta_goes_with_its_reference() -> None:
    markers = MarkerSet()
    markers.add("joint", 1.0)
    delta = markers.add_delta()
    assert delta is not None and (delta.kind, delta.reference) == (MarkerKind.DELTA, 1)
    second = markers.add_delta()
    assert second is not None and second.reference == 1
    markers.selected = 1
    markers.remove()
    assert markers.markers == {}
    assert markers.add("joint", 1.0).number == 1  # type: ignore[union-attr]


def test_steps_stop_at_the_ends() -> None:
    trace, markers = trace_of(np.ones(11)), MarkerSet()
    markers.add("joint", trace.frequency_hz[9])
    markers.step(trace, 1)
    markers.step(trace, 1)
    assert markers.current is not None
    assert markers.current.frequency_hz == trace.frequency_hz[10]


def test_next_peak_is_the_next_lower_one_in_view() -> None:
    power = np.random.default_rng(2).gamma(50, 1 / 50, 5001)
    for index, height in ((700, 5.0), (2500, 8.0), (4100, 6.0)):
        power[index] = height
    trace, markers = trace_of(power), MarkerSet()
    markers.add("joint", 4.1e6)
    found = []
    for lower in (False, True, True):
        assert markers.to_peak(trace, 4.08e6, 4.56e6, False, lower)
        assert markers.current is not None
        found.append(nearest(trace.frequency_hz, markers.current.frequency_hz))
    assert found == [2500, 4100, 700]
    assert not markers.to_peak(trace, 4.08e6, 4.56e6, False, lower=True)
    assert markers.to_peak(trace, 4.08e6, 4.2e6, False)
    assert nearest(trace.frequency_hz, markers.current.frequency_hz) == 700
