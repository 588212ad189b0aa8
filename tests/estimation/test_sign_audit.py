"""Signs of detectors from the phases of tones, whatever the cables do to them, and what is not known is not said."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.estimation.sign_audit import DELAY_SIGMA_S, Detector, Sight, SignAudit, audit_signs
from labctl.estimation.tone_phasors import TonePhasors

HIGH_HZ, LOW_HZ = 4.2e6, 1.05e6
PATTERNS = list(itertools.product((1, -1), repeat=4))
RMS_13_NS = 13.3e-9 * np.array([-1.35, -0.45, 0.45, 1.35])


def tone(
    signs: Sequence[float],
    frequency_hz: float,
    delays_s: NDArray[np.float64] | float = 0.0,
    snr: float = 1e4,
    seed: int = 0,
) -> TonePhasors:
    """Return what a tone gives in detectors of these signs (their size is the size of the tone)."""
    rng = np.random.default_rng(seed)
    size = np.asarray(signs, dtype=float)
    sigma_v = np.full(len(size), math.sqrt(0.5 / snr / 4))
    noise_v = sigma_v * (rng.standard_normal(len(size)) + 1j * rng.standard_normal(len(size)))
    phasors = size * np.exp(-2j * math.pi * frequency_hz * np.asarray(delays_s)) + noise_v
    return TonePhasors(
        frequency_hz=frequency_hz,
        records=4,
        phasors=np.asarray(phasors),
        sigma_v=sigma_v,
        noise_v2_per_hz=np.full(len(size), 1e-14),
        snr=np.abs(size) ** 2 * snr,
        false_alarm=np.where(np.abs(size) ** 2 * snr > 20.0, 1e-30, 0.3),
        clock_offset=Estimate(0.0, 1e-7),
        coherence=1.0,
    )


def tones(signs: Sequence[float], delays_s: NDArray[np.float64] | float = 0.0, **more: float) -> list[TonePhasors]:
    """Return the high and the low tone."""
    return [tone(signs, frequency_hz, delays_s, **more) for frequency_hz in (HIGH_HZ, LOW_HZ)]  # type: ignore[arg-type]


def detectors(intended: Sequence[int] = (1, 1, 1, 1), held: Sequence[int | None] | None = None) -> list[Detector]:
    """Return detectors of these intended signs, whose servos hold what is intended unless said otherwise."""
    slopes = list(intended) if held is None else list(held)
    return [Detector(f"lo{n}", sign, slope) for n, (sign, slope) in enumerate(zip(intended, slopes, strict=True), 1)]


def names(audit: SignAudit) -> list[str]:
    return [found.detector.name for found in audit.wrong]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_pattern_is_told_from_every_other(pattern: tuple[int, ...]) -> None:
    audit = audit_signs(tones(pattern, RMS_13_NS), detectors(held=pattern))
    assert [audit.sign(index).value for index in range(4)] == list(pattern)
    assert all(0.0 < audit.sign(index).sigma < 0.01 for index in range(4))
    assert names(audit) == [f"lo{n}" for n, sign in enumerate(pattern, 1) if sign < 0]
    assert audit.is_right == (pattern == (1, 1, 1, 1))


@pytest.mark.parametrize("intended", PATTERNS)
def test_right_is_what_is_intended(intended: tuple[int, ...]) -> None:
    assert audit_signs(tones(intended, RMS_13_NS), detectors(intended)).is_right
    one_off = [-intended[0], *intended[1:]]
    assert names(audit_signs(tones(one_off, RMS_13_NS), detectors(intended, one_off))) == ["lo1"]


@given(
    st.lists(st.sampled_from([1, -1]), min_size=1, max_size=8),
    st.integers(0, 1000),
)
def test_delays_of_twice_their_usual_size_turn_no_sign(signs: list[int], seed: int) -> None:
    """Two tones of a ratio of four know a delay from a sign for every delay up to 3 sigma of what is expected."""
    delays_s = np.random.default_rng(seed).uniform(-2.0, 2.0, len(signs)) * DELAY_SIGMA_S
    audit = audit_signs(tones(signs, delays_s, seed=seed), detectors(signs))
    assert audit.is_right
    for found, delay_s in zip(audit.signs, delays_s, strict=True):
        late_s = delay_s - delays_s[audit.reference]
        assert abs(found.delay.value - late_s) <= 4.5 * found.delay.sigma + 1e-12
        assert found.delay.sigma < 2e-9


def test_one_high_tone_alone_is_less_sure_and_known_delays_make_it_sure() -> None:
    signs = (1, -1, 1, -1)
    alone = audit_signs([tone(signs, HIGH_HZ, RMS_13_NS)], detectors(signs))
    worst = max(found.chance_wrong for found in alone.signs)
    assert worst > 1e-6
    known = audit_signs([tone(signs, HIGH_HZ, RMS_13_NS)], detectors(signs), delays_s=RMS_13_NS, delay_sigma_s=1e-9)
    assert known.is_right
    assert max(found.chance_wrong for found in known.signs) < 1e-9


@pytest.mark.parametrize("turn_rad", [math.pi / 2, math.pi / 3, -2.0])
def test_a_phase_that_neither_sign_nor_delay_explains_is_undecided(turn_rad: float) -> None:
    """The same turn at both tones is no delay, even where it is nearer to one sign by far."""
    turn = np.array([1.0, 1.0, np.exp(1j * turn_rad), 1.0])
    audit = audit_signs([replace(one, phasors=one.phasors * turn) for one in tones((1, 1, 1, 1))], detectors())
    assert [found.sight for found in audit.signs] == [Sight.CLEAR, Sight.CLEAR, Sight.UNDECIDED, Sight.CLEAR]
    assert audit.signs[2].chance_wrong == pytest.approx(0.5)
    assert audit.wrong == () and not audit.is_right
    with pytest.raises(AnalysisRefused, match="lo3 has no sign"):
        audit.sign(2)


def test_a_dark_detector_is_named_and_the_others_are_judged() -> None:
    audit = audit_signs(tones((1, 0.0, -1, 1)), detectors(held=(1, 1, -1, 1)))
    assert [found.detector.name for found in audit.unseen] == ["lo2"]
    assert audit.signs[1].sight is Sight.DARK
    assert names(audit) == ["lo3"]


def test_a_tenth_of_the_tone_is_no_quadrature_however_clear_it_is() -> None:
    audit = audit_signs(tones((1, 0.1, 1, 1), snr=1e6), detectors())
    assert audit.signs[1].sight is Sight.DARK and audit.signs[1].snr > 1e3


def test_small_phases_that_filters_make_are_forgiven_whatever_the_tone() -> None:
    """50 mrad between the two tones at 90 dB, where noise alone would allow a hundredth of a milliradian."""
    turned = tones((1, -1, 1, 1), snr=1e9)
    turned[0] = replace(turned[0], phasors=turned[0].phasors * np.exp(1j * np.array([0.0, 0.05, -0.05, 0.0])))
    turned[1] = replace(turned[1], phasors=turned[1].phasors * np.exp(1j * np.array([0.05, 0.0, 0.05, 0.0])))
    audit = audit_signs(turned, detectors((1, -1, 1, 1)))
    assert audit.is_right


def test_the_tone_goes_with_the_cosine_of_the_offset() -> None:
    """A detector half way off its quadrature has half the tone; one that has half of it at its quadrature is odd."""
    off = [Detector("lo1", 1, 1), Detector("lo2", 1, 1, offset_rad=math.pi / 3), *detectors()[2:]]
    assert audit_signs(tones((1, 0.5, 1, 1)), off).signs[1].share == pytest.approx(1.0, abs=1e-6)
    assert audit_signs(tones((1, 0.5, 1, 1)), detectors()).signs[1].share == pytest.approx(0.5, abs=1e-6)


# ---- the overall sign -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", PATTERNS)
def test_without_a_slope_only_the_overall_sign_is_missing(pattern: tuple[int, ...]) -> None:
    audit = audit_signs(tones(pattern), detectors(held=(None,) * 4))
    assert audit.overall == 0 and "no servo" in audit.overall_reason
    relative = [audit.sign(index).value for index in range(4)]
    assert relative in (list(pattern), [-sign for sign in pattern])
    assert "overall sign unknown" in audit.sign(0).convention
    fewer = min(pattern.count(1), pattern.count(-1))
    assert len(audit.wrong) == fewer
    assert audit.is_right == (fewer == 0)
    assert audit.evenly_split == (fewer == 2)


def test_one_reversed_detector_is_outvoted_and_still_wrong() -> None:
    """All four servos hold +pi/2, and one detector's output is reversed: the sum sees a minus."""
    audit = audit_signs(tones((1, 1, -1, 1)), detectors())
    assert names(audit) == ["lo3"]
    assert audit.overall_chance_wrong == pytest.approx(1.0 / (1.0 + 19.0**2))
    assert audit.sign(0).sigma == pytest.approx(2.0 * math.sqrt(audit.overall_chance_wrong), rel=0.01)


def test_two_against_two_leave_the_overall_sign_open() -> None:
    audit = audit_signs(tones((1, 1, -1, -1)), detectors())
    assert audit.overall == 0 and "contradict" in audit.overall_reason
    assert audit.evenly_split and len(audit.wrong) == 2


def test_one_slope_is_enough_and_less_sure() -> None:
    audit = audit_signs(tones((-1, -1, -1, -1)), detectors(held=(None, -1, None, None)))
    assert names(audit) == ["lo1", "lo2", "lo3", "lo4"]
    assert audit.overall_chance_wrong == pytest.approx(0.05)


# ---- refusals -------------------------------------------------------------------------------------------------------


def test_a_weak_tone_is_refused_with_its_chances() -> None:
    with pytest.raises(AnalysisRefused, match=r"too weak.*lo1.* 14 dB .*needed: 20.* noise alone"):
        audit_signs(tones((1, 1, 1, 1), snr=25.0), detectors())


def test_phases_that_do_not_hold_still_are_refused() -> None:
    moving = [replace(one, coherence=0.6) for one in tones((1, 1, 1, 1))]
    with pytest.raises(AnalysisRefused, match="change from record to record: 40 %"):
        audit_signs(moving, detectors())


def test_tones_that_different_detectors_see_are_refused() -> None:
    with pytest.raises(AnalysisRefused, match="all of the tones"):
        audit_signs([tone((1, 0.0), HIGH_HZ), tone((0.0, 1), LOW_HZ)], detectors((1, 1)))


@pytest.mark.parametrize("channels", [0, 3])
def test_channels_and_detectors_must_be_as_many(channels: int) -> None:
    with pytest.raises(AnalysisRefused, match="as many channels"):
        audit_signs(tones((1,) * channels) if channels else [], detectors())
