"""White noise made squeezed: the root is exact, its cost linear, and the covariance that of the closed form."""

from __future__ import annotations

import numpy as np
import pytest
from detector_states import ANTISQUEEZED, SQUEEZED, check_matrix
from hypothesis import given, settings
from hypothesis import strategies as st

from labctl.physics.shared_state import shared_state
from labctl.simulation.squeezed_noise import SqueezedBeam

ANGLES = st.floats(-np.pi, np.pi)


def coloured(beam: SqueezedBeam, angle_rad: np.ndarray, width: int, seed: int = 1) -> np.ndarray:
    white = np.random.default_rng(seed).standard_normal((len(beam.share), angle_rad.shape[0] * width), np.float32)
    beam.colour(white, angle_rad)
    return white


@given(
    st.lists(st.tuples(st.floats(0.0, 0.2), ANGLES), min_size=1, max_size=6),
    st.floats(0.001, 1.0),
    st.floats(1.0, 50.0),
)
@settings(max_examples=60, deadline=None)
def test_what_colours_is_the_symmetric_root_of_the_covariance(
    detectors: list[tuple[float, float]], squeezed: float, antisqueezed: float
) -> None:
    share, angle = (np.array(column) for column in zip(*detectors, strict=True))
    root = np.eye(len(share), dtype=np.float32)
    SqueezedBeam(squeezed, antisqueezed, share).colour(root, angle[None, :])
    expected = shared_state(squeezed, antisqueezed, share, angle).matrix()
    assert root == pytest.approx(root.T, abs=1e-5 * antisqueezed)
    assert root @ root == pytest.approx(expected, abs=2e-5 * antisqueezed)


def test_one_detector_alone_has_its_share_of_the_squeezing() -> None:
    noise = coloured(SqueezedBeam(SQUEEZED, ANTISQUEEZED, np.array([0.82])), np.zeros((1, 1)), 200_000)
    expected = 1.0 - 0.82 * (1.0 - SQUEEZED)
    assert noise.var() == pytest.approx(expected, rel=3.3 * np.sqrt(2 / noise.size))


@pytest.mark.parametrize("detectors", [2, 4, 64])
def test_the_noise_has_the_covariance_of_the_closed_form(detectors: int) -> None:
    rng = np.random.default_rng(detectors)
    share = rng.uniform(0.5, 1.5, detectors) * 0.8 / detectors
    angle = rng.normal(0.0, 0.3, detectors)
    samples = coloured(SqueezedBeam(SQUEEZED, ANTISQUEEZED, share), np.broadcast_to(angle, (16, detectors)), 1024)
    pairs = samples.view(np.complex64).astype(complex)
    expected = 2.0 * shared_state(SQUEEZED, ANTISQUEEZED, share, angle).matrix()
    check_matrix(pairs.conj() @ pairs.T / pairs.shape[1], expected.astype(complex), pairs.shape[1])


def test_angles_hold_for_their_own_stretch_alone() -> None:
    beam = SqueezedBeam(SQUEEZED, ANTISQUEEZED, np.full(2, 0.45))
    angle = np.array([[0.0, 0.0], [0.5 * np.pi, 0.5 * np.pi], [0.0, np.pi]])
    plus = coloured(beam, angle, 40_000).reshape(2, 3, -1)
    joint = (plus[0] + plus[1]).var(axis=1) / 2.0
    low, high = 1.0 + 0.9 * (SQUEEZED - 1.0), 1.0 + 0.9 * (ANTISQUEEZED - 1.0)
    assert joint == pytest.approx([low, high, 1.0], rel=3.5 * np.sqrt(2 / 40_000))


def test_without_light_white_noise_stays_as_it_is() -> None:
    beam = SqueezedBeam(SQUEEZED, ANTISQUEEZED, np.zeros(3))
    white = np.random.default_rng(1).standard_normal((3, 64), np.float32)
    assert (coloured(beam, np.zeros((4, 3)), 16) == white).all()


def test_twenty_thousand_detectors_need_no_matrix() -> None:
    detectors = 20_000  # their covariance would have 3 GB
    noise = coloured(
        SqueezedBeam(SQUEEZED, ANTISQUEEZED, np.full(detectors, 0.8 / detectors)), np.zeros((1, detectors)), 100
    )
    joint = noise.sum(axis=0).var() / detectors
    assert joint == pytest.approx(1.0 - 0.8 * (1.0 - SQUEEZED), rel=3.5 * np.sqrt(2 / 100))
    assert noise.var() == pytest.approx(1.0, rel=3.5 * np.sqrt(2 / noise.size) + 1e-4)
