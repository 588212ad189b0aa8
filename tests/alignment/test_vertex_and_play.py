"""The top from a line in one direction, and what a path there and back tells of the steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.alignment.axes import StepHint
from labctl.alignment.knob import Path
from labctl.alignment.play import learn_steps, travel
from labctl.alignment.vertex import fit_vertex
from labctl.errors import AnalysisRefused
from labctl.simulation.sensor_plant import MirrorTilt
from labctl.spectra.estimate import Estimate


class Exact(np.random.Generator):
    """A generator whose steps are all alike."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(1))

    def standard_normal(self, *args: object, **kwargs: object) -> float:  # type: ignore[override]
        return 0.0


def line(position: np.ndarray, top: float, at: float, width: float, sigma: float, seed: int) -> list[Estimate]:
    rng = np.random.default_rng(seed)
    power = top * np.exp(-(((position - at) / width) ** 2))
    return [Estimate(float(p * (1.0 + sigma * rng.standard_normal())), float(sigma * p)) for p in power]


def test_the_vertex_is_where_it_is_within_honest_errors() -> None:
    position = np.linspace(0.0, 2400.0, 8)
    off = []
    for seed in range(300):
        vertex = fit_vertex(position, line(position, 0.8, 1100.0, 2500.0, 0.01, seed))
        off.append(
            [
                (vertex.position.value - 1100.0) / vertex.position.sigma,
                (vertex.top.value - 0.8) / vertex.top.sigma,
                (vertex.width.value - 2500.0) / vertex.width.sigma,
            ]
        )
    off_sigmas = np.array(off)
    assert np.abs(off_sigmas.mean(axis=0)).max() < 0.3
    # Errors grow where a fit is poor by chance and never shrink, so they are a little too large: 0.85 and not 1.
    assert off_sigmas.std(axis=0).min() > 0.7
    assert off_sigmas.std(axis=0).max() < 1.1


@given(st.floats(-1e4, 1e4), st.floats(0.01, 10.0))
def test_the_vertex_goes_with_origin_and_unit(shift: float, unit: float) -> None:
    position = np.linspace(0.0, 2400.0, 8)
    power = line(position, 0.8, 1100.0, 2500.0, 0.01, 1)
    plain = fit_vertex(position, power)
    moved = fit_vertex(unit * position + shift, power)
    assert moved.position.value == pytest.approx(unit * plain.position.value + shift, rel=1e-6, abs=1e-6)
    assert moved.width.value == pytest.approx(unit * plain.width.value, rel=1e-6)
    assert moved.top.value == pytest.approx(plain.top.value, rel=1e-6)


@pytest.mark.parametrize(
    ("position", "at", "width", "match"),
    [
        (np.linspace(0.0, 900.0, 4), 450.0, 1000.0, "it takes 5"),
        (np.linspace(0.0, 9000.0, 9), 4500.0, 1000.0, "it takes 5"),  # most points are far from the top
        (np.linspace(0.0, 900.0, 8), 450.0, 1e5, "does not bend"),
        (np.linspace(0.0, 900.0, 8), 1500.0, 2000.0, "not within"),
    ],
)
def test_a_line_that_shows_no_top_is_refused(position: np.ndarray, at: float, width: float, match: str) -> None:
    with pytest.raises(AnalysisRefused, match=match):
        fit_vertex(position, line(position, 0.8, at, width, 1e-3, 3))


@given(
    st.lists(st.integers(-300, 300).filter(bool), min_size=1, max_size=20),
    st.floats(0.2, 3.0),
    st.floats(0.0, 60.0),
)
def test_travel_is_that_of_the_mirror(moves: list[int], ratio: float, backlash: float) -> None:
    mirror = MirrorTilt(0.0, 1.0, ratio, Exact(), backlash)
    tilts = [0.0]
    for steps in moves:
        mirror.step(steps)
        tilts.append(mirror.tilt_rad)
    assert travel(moves, ratio, backlash) == pytest.approx(np.array(tilts), abs=1e-6)


def test_after_a_move_backwards_the_play_lies_ahead() -> None:
    assert travel([10, 10], 1.0, 15.0, before=-1) == pytest.approx([0.0, 0.0, 5.0])


def test_a_path_over_the_top_tells_ratio_and_backlash() -> None:
    off = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        ratio, backlash, width = rng.uniform(0.4, 1.6), rng.uniform(5.0, 20.0), 400.0
        back = [-round(60 / ratio), -round(60 / ratio), -round(80 / ratio)]
        path = Path(moves=[*back, 60, *[40] * 9])
        places = travel(path.moves, ratio, backlash) - travel([back[0]], ratio, backlash)[-1] + 50.0
        power = line(places, 0.9, 0.0, width, 0.005, seed)
        path.looks = list(enumerate(power))
        began = len(back) + 1
        vertex = fit_vertex(np.cumsum([0, *[40] * 9]), power[began:])
        found = learn_steps(path, began, vertex, StepHint())
        off.append(
            [(found.ratio.value - ratio) / found.ratio.sigma, (found.backlash.value - backlash) / found.backlash.sigma]
        )
        assert found.width == vertex.width.value
        assert found.backlash.sigma < 15.0
    off_sigmas = np.array(off)
    assert np.abs(off_sigmas.mean(axis=0)).max() < 0.5
    assert np.abs(off_sigmas).max() < 5.0
    assert off_sigmas.std(axis=0).min() > 0.6
    assert off_sigmas.std(axis=0).max() < 1.4  # errors to first order, and play has a kink
