"""There and back between volts and shot noise, point uncertainties, and conventions that clash."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labctl.errors import AnalysisRefused
from labctl.spectra.estimate import Estimate
from labctl.spectra.noise_reduction import shot_level, shot_normalise, subtract_dark
from labctl.spectra.shot_units import from_shot_ratio
from labctl.spectra.trace import Acquisition, Averaging, Detector, Spectrum, Unit, require_same_conventions

F = np.linspace(4.2e6, 4.4e6, 401)


def trace(level: float, seed: int, k: float = 1000.0, unit: Unit = Unit.V2_PER_HZ, **changes: object) -> Spectrum:
    acquisition = replace(Acquisition.of_analyzer(100.0, 1000.0), effective_k=k, **changes)  # type: ignore[arg-type]
    values = level * np.random.default_rng(seed).gamma(k, 1 / k, len(F))
    return Spectrum(F, values, Unit.V2_PER_HZ, acquisition, f"trace {seed}").in_unit(unit)


@pytest.mark.parametrize("unit", [Unit.V2_PER_HZ, Unit.DBM, Unit.V_RMS_PER_BIN])
@pytest.mark.parametrize("with_dark", [False, True])
def test_shot_units_and_back(unit: Unit, with_dark: bool) -> None:
    signal, shot = trace(3e-15, 1, 500.0, unit), trace(2e-15, 2, 4000.0, unit)
    dark = trace(2e-17, 3, 2000.0, unit) if with_dark else None
    back = from_shot_ratio(shot_normalise(signal, shot, dark), shot, dark)
    assert back.unit is Unit.V2_PER_HZ
    assert back.in_unit(unit).values == pytest.approx(signal.values, rel=1e-9)
    assert back.acquisition.effective_k == pytest.approx(500.0, rel=1e-6)
    clean = subtract_dark(shot, dark) if dark is not None else shot.in_unit(Unit.V2_PER_HZ)
    level = shot_level(clean, (4.25e6, 4.35e6))
    by_level = from_shot_ratio(shot_normalise(signal, level, dark), level, dark)
    assert by_level.in_unit(unit).values == pytest.approx(signal.values, rel=1e-9)
    assert by_level.acquisition.effective_k == pytest.approx(500.0, rel=1e-6)


@given(level_dbm=st.floats(-170, 10))
def test_dbm_and_density_are_inverse(level_dbm: float) -> None:
    acquisition = Acquisition.of_analyzer(10.0, 10.0)
    there = Spectrum(F[:2], np.full(2, level_dbm), Unit.DBM, acquisition).in_unit(Unit.V2_PER_HZ)
    assert there.in_unit(Unit.DBM).values == pytest.approx(level_dbm, abs=1e-9)
    volts = there.in_unit(Unit.V_RMS_PER_BIN)
    assert volts.values[0] ** 2 / 50 * 1e3 == pytest.approx(10 ** (level_dbm / 10))


def test_what_has_no_volts_is_refused() -> None:
    signal, shot = trace(3e-15, 1, 500.0), trace(2e-15, 2, 4000.0)
    ratio = shot_normalise(signal, shot)
    with pytest.raises(AnalysisRefused, match="not relative to shot"):
        from_shot_ratio(signal, shot)
    with pytest.raises(AnalysisRefused, match="no density"):
        from_shot_ratio(ratio, Estimate(1e-6, 1e-9, "V"))
    with pytest.raises(AnalysisRefused, match="no density"):
        from_shot_ratio(ratio, Estimate(0.0, 1e-19, "V^2/Hz"))
    with pytest.raises(AnalysisRefused, match="more averages"):
        from_shot_ratio(ratio, trace(2e-15, 2, 100.0))
    with pytest.raises(AnalysisRefused, match="RBW"):
        from_shot_ratio(ratio, trace(2e-15, 2, 4000.0, rbw_hz=300.0))


@pytest.mark.parametrize("unit", list(Unit))
def test_point_sigma_is_the_scatter(unit: Unit) -> None:
    drawn = [trace(2e-15, seed, 400.0) for seed in range(60)]
    if unit is Unit.RATIO_TO_SHOT:
        drawn = [replace(one, values=one.values / 2e-15, unit=unit) for one in drawn]
    else:
        drawn = [one.in_unit(unit) for one in drawn]
    scatter = float(np.mean(np.std([one.values for one in drawn], axis=0, ddof=1)))
    assert float(np.mean([one.point_sigma.mean() for one in drawn])) == pytest.approx(scatter, rel=0.02)


def test_vbw_clashes_only_where_it_sets_the_level() -> None:
    narrow, wide = trace(1e-15, 1, vbw_hz=10.0), trace(1e-15, 2, vbw_hz=1000.0)
    require_same_conventions(narrow, wide)  # averages of power: VBW changes the scatter alone
    for changes in ({"averaging": Averaging.LOG}, {"detector": Detector.PEAK}, {"averaging": Averaging.VOLTAGE}):
        a, b, c = (replace(one, acquisition=replace(one.acquisition, **changes)) for one in (narrow, wide, narrow))
        require_same_conventions(a, c)
        with pytest.raises(AnalysisRefused, match="VBW 10 Hz and 1000 Hz"):
            require_same_conventions(a, b)
    none = replace(wide, acquisition=replace(wide.acquisition, averaging=Averaging.LOG, vbw_hz=None))
    with pytest.raises(AnalysisRefused, match="VBW 10 Hz and none"):
        require_same_conventions(
            replace(narrow, acquisition=replace(narrow.acquisition, averaging=Averaging.LOG)), none
        )


def test_dark_subtraction_widens_as_the_point_sigmas_say() -> None:
    """Variance of a difference: P^2/K + d^2/K_d, over the difference squared."""
    light, dark = trace(2e-15, 1, 500.0), trace(5e-16, 2, 250.0)
    clean = subtract_dark(light, dark)
    p, d = float(light.values.mean()), float(dark.values.mean())
    expected = math.hypot(p / math.sqrt(500), d / math.sqrt(250))
    assert float(clean.point_sigma.mean()) == pytest.approx(expected, rel=0.01)
