"""Force resolution with the thermal motion as ruler, and the budget of a night's calibration against its spectrum."""

import math
from dataclasses import replace

import numpy as np
import pytest

from labctl.errors import AnalysisRefused
from labctl.estimation.estimate import Estimate
from labctl.estimation.fitted_budget import NightCalibration, compare_with_spectrum, fit_budget
from labctl.estimation.force_resolution import Calibration, ForceResolution, Reading, Sidedness, force_resolution
from labctl.estimation.line_shape import broadened_lorentzian
from labctl.estimation.mechanical_mode import ModeFit, fit_mode
from labctl.physics.force_noise import imprecision_force_psd, phase_noise_psd, thermal_force_psd
from labctl.physics.membrane import susceptibility_m_per_n
from labctl.spectra.trace import Acquisition, Spectrum, Unit

F0, GAMMA, A, V, MASS, TEMPERATURE = 4.3e6, 41.0, 5.0, 0.8, 1.69e-11, 300.0
POWER, WAVELENGTH, EFFICIENCY = 5e-6, 1550e-9, 0.82
RULER = Calibration(Estimate(MASS, 0.02 * MASS, "kg"), Estimate(TEMPERATURE, 1.0, "K"))
ACQUISITION = Acquisition.of_hann_records(1.0, 4000)


def drawn(seed: int, v: float = V, extra: float = 0.0) -> Spectrum:
    """A spectrum relative to shot noise, exactly distributed; `extra` noise beside what the model has."""
    rng = np.random.default_rng(seed)
    f = F0 + np.arange(-3000.0, 3000.0, 2.0)
    s = v + extra + A * broadened_lorentzian(f, F0, GAMMA, ACQUISITION)
    acquisition = replace(ACQUISITION, effective_k=4000.0)
    return Spectrum(f, s * rng.gamma(4000.0, 1 / 4000.0, len(f)), Unit.RATIO_TO_SHOT, acquisition)


@pytest.fixture(scope="module")
def measured() -> tuple[Spectrum, ModeFit]:
    spectrum = drawn(1)
    return spectrum, fit_mode(spectrum)


def true_resolution(detuning_hz: float) -> float:
    """sqrt(S_th (1 + V / (A L))), one-sided."""
    line = 1 / (1 + (2 * detuning_hz / GAMMA) ** 2)
    return math.sqrt(float(thermal_force_psd(GAMMA, MASS, TEMPERATURE)) * (1 + V / (A * line)))


def resolution(measured: tuple[Spectrum, ModeFit], **choice: object) -> ForceResolution:
    return force_resolution(*measured, RULER, **choice)  # type: ignore[arg-type]


def test_resolution_on_and_off_resonance(measured: tuple[Spectrum, ModeFit]) -> None:
    found = resolution(measured)
    on, off = found.on_resonance(), found.off_resonance(1600.0, 100.0)
    assert on.value == pytest.approx(true_resolution(4.0), rel=0.03)
    assert abs(on.value - true_resolution(4.0)) < 4 * on.sigma
    assert abs(off.value - true_resolution(1600.0)) < 4 * off.sigma
    assert off.relative_sigma < 0.03
    assert "one-sided" in on.convention and "marginal" in on.convention and "on resonance" in on.convention
    assert "+1600 Hz off" in off.convention
    assert found.best((F0 - 5, F0 + 5)).value == pytest.approx(on.value, rel=0.02)


def test_on_resonance_the_ruler_is_the_published_thermal_force() -> None:
    """Two-sided 6.6 fN/rtHz at 50 Hz and 300 K: section 2."""
    assert math.sqrt(float(thermal_force_psd(50.0, 1.6875e-11, 300.0)) / 2) == pytest.approx(6.63e-15, rel=5e-3)


def test_conventions_differ_by_what_they_say(measured: tuple[Spectrum, ModeFit]) -> None:
    one = resolution(measured)
    two = resolution(measured, sidedness=Sidedness.TWO_SIDED, reading=Reading.JOINT)
    assert two.resolution == pytest.approx(one.resolution / math.sqrt(2))
    assert "two-sided" in two.convention and "joint" in two.convention
    together = resolution(measured, moved_together=4)
    assert together.resolution == pytest.approx(one.resolution / 4)


def test_scale_uncertainty_covers_the_fit(measured: tuple[Spectrum, ModeFit]) -> None:
    """Over 16 seeds the off-resonance reading scatters as its sigma says, the ruler's own 1 % left out."""
    exact = Calibration(Estimate(MASS, 0.0), Estimate(TEMPERATURE, 0.0))
    readings = []
    for seed in range(16):
        spectrum = drawn(50 + seed)
        readings.append(force_resolution(spectrum, fit_mode(spectrum), exact).off_resonance(1600.0, 100.0))
    spread = float(np.std([r.value for r in readings], ddof=1))
    assert float(np.mean([r.sigma for r in readings])) == pytest.approx(spread, rel=0.55)


def test_force_refusals(measured: tuple[Spectrum, ModeFit]) -> None:
    spectrum, fit = measured
    with pytest.raises(AnalysisRefused, match="not relative to shot"):
        force_resolution(replace(spectrum, unit=Unit.V2_PER_HZ), fit, RULER)
    with pytest.raises(AnalysisRefused, match="positive mass"):
        force_resolution(spectrum, fit, replace(RULER, mass_kg=Estimate(0.0, 0.0)))
    with pytest.raises(AnalysisRefused, match="moves none"):
        force_resolution(spectrum, fit, RULER, moved_together=0)
    with pytest.raises(AnalysisRefused, match="the mode lies at"):
        force_resolution(spectrum.within((F0 + 500, F0 + 900)), fit, RULER)
    negative = replace(spectrum, values=np.where(np.arange(len(spectrum.values)) == 5, -1.0, spectrum.values))
    with pytest.raises(AnalysisRefused, match="not positive at every point"):
        force_resolution(negative, fit, RULER)
    with pytest.raises(AnalysisRefused, match="No point"):
        resolution(measured).off_resonance(1e6, 10.0)


# ---- the budget of a night -------------------------------------------------------------------------------------------

NIGHT = NightCalibration(
    f0_hz=Estimate(F0, 0.2),
    gamma_hz=Estimate(GAMMA, 0.5),
    peak_to_shot=Estimate(A, 0.08),
    squeezed=Estimate(V, 0.004),
    efficiency=Estimate(EFFICIENCY, 0.01),
    power_w=Estimate(POWER, 0.02 * POWER),
    mass_kg=RULER.mass_kg,
    temperature_k=RULER.temperature_k,
)


def test_the_slope_gives_back_the_peak() -> None:
    budget = fit_budget(NIGHT, WAVELENGTH)
    s = budget.phase_slope_rad_per_m
    chi = susceptibility_m_per_n(F0, F0, GAMMA, MASS)
    shot = imprecision_force_psd(phase_noise_psd(POWER, WAVELENGTH, EFFICIENCY), s.value, chi)
    assert float(thermal_force_psd(GAMMA, MASS, TEMPERATURE) / shot) == pytest.approx(A)
    relatives = (0.08 / A, 0.5 / GAMMA, 0.02, 1 / 300, 0.02, 0.01 / EFFICIENCY)
    assert s.relative_sigma == pytest.approx(math.hypot(*relatives) / 2)
    parts = budget.at(np.array([F0, F0 + 1600.0]))
    for index, detuning in enumerate((0.0, 1600.0)):
        total = math.sqrt(float((parts.thermal + parts.imprecision)[index]))
        assert total == pytest.approx(true_resolution(detuning), rel=2e-3)
        named = budget.resolution(F0 + detuning)
        assert named["total"].value == pytest.approx(total, rel=1e-6)
        assert named["total"].sigma > 0


def test_contributions_have_the_uncertainty_of_their_calibration() -> None:
    """Thermal force goes as the root of Gamma m T."""
    thermal = fit_budget(NIGHT, WAVELENGTH).resolution(F0)["thermal"]
    assert thermal.relative_sigma == pytest.approx(math.hypot(0.5 / GAMMA, 0.02, 1 / 300) / 2, rel=1e-4)


def test_a_night_s_spectrum_agrees_with_its_budget_or_says_where_not() -> None:
    budget = fit_budget(NIGHT, WAVELENGTH)
    good = compare_with_spectrum(budget, drawn(3))
    assert good.reason == "" and good.p_value > 1e-3
    assert abs(good.on_resonance.value - 1) < 4 * good.on_resonance.sigma
    assert good.beside is not None and abs(good.beside.value - 1) < 4 * good.beside.sigma
    noisy = compare_with_spectrum(budget, drawn(4, extra=0.05))
    assert "more noise" in noisy.reason and "beside the line" in noisy.reason


def test_budget_refusals() -> None:
    with pytest.raises(AnalysisRefused, match="gamma_hz above 0"):
        fit_budget(replace(NIGHT, gamma_hz=Estimate(0.0, 1.0)), WAVELENGTH)
    with pytest.raises(AnalysisRefused, match="make no sense"):
        fit_budget(replace(NIGHT, efficiency=Estimate(1.2, 0.1)), WAVELENGTH)
    budget = fit_budget(NIGHT, WAVELENGTH)
    with pytest.raises(AnalysisRefused, match="not relative to shot"):
        compare_with_spectrum(budget, replace(drawn(1), unit=Unit.V2_PER_HZ))
    with pytest.raises(AnalysisRefused, match="too few"):
        compare_with_spectrum(budget, drawn(1).at(slice(0, 5)))
    with pytest.raises(AnalysisRefused, match="no point on the resonance"):
        compare_with_spectrum(budget, drawn(1).within((F0 + 500, F0 + 900)))
