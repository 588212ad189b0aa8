"""Cavity scans: finesse and spacing on every kind of axis, the pitfalls that the fit avoids, refusals."""

import math

import numpy as np
import pytest

from labctl.errors import AnalysisRefused
from labctl.estimation.cavity_scan import Axis, fit_cavity_scan
from labctl.estimation.estimate import Estimate
from labctl.estimation.free_spectral_range import cavity_length_m, fsr_from_piezo_scans, linewidth_hz
from labctl.physics.cavity import airy_finesse, airy_linewidth, airy_transmission, peak_finesse
from labctl.physics.constants import SPEED_OF_LIGHT_M_PER_S

SURVIVAL = math.sqrt(0.302)
FSR_HZ = 299.8e9
FINESSE = float(airy_finesse(SURVIVAL))
VOLTS = np.linspace(0.0, 120.0, 1000)


def line(phase, survival=SURVIVAL):
    """Airy line against half the round-trip phase."""
    return airy_transmission(phase / math.pi, 1.0, float(peak_finesse(survival)))


def piezo_scan(seed=1, fringes=4.2, bow=0.15, noise=0.01, survival=SURVIVAL, phase=0.4, n=1000):
    """Voltages, transmission with bow (relative change of rate to either end), and volts per half wavelength."""
    v = np.linspace(0.0, 120.0, n)
    x = (v - 60) / 60
    rate = math.pi * fringes / 2
    signal = 0.02 + line(phase + rate * x + rate * bow / 2 * x**2, survival)
    return v, signal + noise * np.random.default_rng(seed).standard_normal(n), 60 * math.pi / rate


def close(estimate, truth, sigmas=4.0):
    return abs(estimate.value - truth) < sigmas * estimate.sigma


@pytest.mark.parametrize(("fringes", "bow"), [(1.2, 0.0), (2.2, 0.15), (4.2, 0.15), (9.0, -0.1)])
def test_finesse_and_volts_per_half_wavelength(fringes, bow):
    v, signal, spacing = piezo_scan(fringes=fringes, bow=bow)
    fit = fit_cavity_scan(v, signal)
    assert close(fit.finesse, FINESSE)
    assert close(fit.spacing, spacing)
    assert fit.finesse.relative_sigma < 0.01
    assert fit.linewidth.value == pytest.approx(fit.spacing.value / fit.finesse.value)
    assert fit.reason == ""
    assert fit.p_value > 1e-4
    assert np.std(fit.model(v) - signal) == pytest.approx(0.01, rel=0.1)


def test_one_period_is_enough_and_so_are_many():
    v, signal, spacing = piezo_scan(fringes=1.0, bow=0.0, phase=0.1)
    fit = fit_cavity_scan(v, signal, bowed=False)
    assert close(fit.spacing, spacing)
    assert len(fit.resonances) == 1
    v, signal, spacing = piezo_scan(fringes=30.0, bow=0.05, n=6000)
    assert close(fit_cavity_scan(v, signal).spacing, spacing)


def test_resonances_and_spacing_follow_the_bow():
    v, signal, _ = piezo_scan(noise=1e-4)
    fit = fit_cavity_scan(v, signal)
    gaps = np.diff(fit.resonances)
    assert (np.diff(gaps) < 0).all()  # the rate grows
    middle = (fit.resonances[1] + fit.resonances[2]) / 2
    assert fit.spacing_at(middle).value == pytest.approx(gaps[1], rel=0.01)
    assert fit.phase_at(fit.resonances[2]).value / math.pi % 1 == pytest.approx(0.0, abs=1e-3) or (
        fit.phase_at(fit.resonances[2]).value / math.pi % 1 == pytest.approx(1.0, abs=1e-3)
    )
    with pytest.raises(AnalysisRefused, match="does not grow"):
        fit.spacing_at(-1000.0)


def test_a_bow_left_out_is_noticed():
    v, signal, _ = piezo_scan()
    with pytest.raises(AnalysisRefused, match="leaves structure"):
        fit_cavity_scan(v, signal, bowed=False)
    v, signal, _ = piezo_scan(bow=0.02)
    slightly = fit_cavity_scan(v, signal, bowed=False)
    assert "hysteresis" in slightly.reason
    assert slightly.finesse.sigma > 2 * fit_cavity_scan(v, signal).finesse.sigma


def test_a_reference_trace_takes_out_the_laser_power():
    v, signal, spacing = piezo_scan(noise=0.003)
    power = 1 + 0.3 * np.sin(np.linspace(0, 5, len(v)))
    with pytest.raises(AnalysisRefused, match="laser power that changes"):
        fit_cavity_scan(v, signal * power)
    fit = fit_cavity_scan(v, signal * power, reference=2.5 * power)
    assert close(fit.finesse, FINESSE)
    assert close(fit.spacing, spacing)
    with pytest.raises(AnalysisRefused, match="reference trace is not positive"):
        fit_cavity_scan(v, signal, reference=power - 2)
    with pytest.raises(AnalysisRefused, match="reference trace needs"):
        fit_cavity_scan(v, signal, reference=power[:-1])


@pytest.mark.parametrize("axis", [Axis.WAVELENGTH_NM, Axis.FREQUENCY_HZ])
def test_laser_tuning_over_10_nm(axis):
    """FSR to 8e-5 and kappa to 0.26 %, and never the high-finesse form, which gives 33 GHz."""
    nm = np.linspace(1545.0, 1555.0, 1000)
    hz = SPEED_OF_LIGHT_M_PER_S / (nm * 1e-9)
    signal = line(math.pi * hz / FSR_HZ) + 0.01 * np.random.default_rng(2).standard_normal(1000)
    fit = fit_cavity_scan(nm if axis is Axis.WAVELENGTH_NM else hz, signal, axis=axis)
    kappa = float(airy_linewidth(SURVIVAL, FSR_HZ))
    assert close(fit.fsr_hz, FSR_HZ)
    assert close(fit.kappa_hz, kappa)
    assert fit.fsr_hz.relative_sigma == pytest.approx(8e-5, rel=0.25)
    assert fit.kappa_hz.relative_sigma == pytest.approx(2.6e-3, rel=0.15)
    assert close(linewidth_hz(fit.survival, fit.fsr_hz), kappa)
    assert cavity_length_m(fit.fsr_hz).value == pytest.approx(0.5e-3, rel=1e-3)


def test_a_third_of_a_period_needs_the_background():
    """100 GHz with the offset free: FSR to 38 %, which is refused; with it known, a few percent."""
    hz = 193.4e12 + np.linspace(-50e9, 50e9, 1000)
    signal = line(math.pi * (hz - 193.4e12) / FSR_HZ) + 0.01 * np.random.default_rng(3).standard_normal(1000)
    fit = fit_cavity_scan(hz, signal, axis=Axis.FREQUENCY_HZ, background=0.0)
    assert close(fit.kappa_hz, float(airy_linewidth(SURVIVAL, FSR_HZ)))
    assert fit.kappa_hz.relative_sigma < 0.002
    with pytest.raises(AnalysisRefused, match=r"too uncertain|did not settle|tell the parameters apart"):
        fit_cavity_scan(hz, signal, axis=Axis.FREQUENCY_HZ)


def test_sidebands_are_a_ruler_in_seconds():
    survival, fsr, modulation = 0.915, 3.69e9, 300e6
    x = np.linspace(-1, 1, 2000)
    phi, shift = 0.3 + 1.1 * math.pi * x + 0.1 * x**2, math.pi * modulation / fsr
    signal = line(phi, survival) + 0.15 * (line(phi + shift, survival) + line(phi - shift, survival))
    signal += 0.01 * np.random.default_rng(4).standard_normal(2000)
    t = np.linspace(0, 0.02, 2000)
    fit = fit_cavity_scan(t, signal, axis=Axis.SECOND, sideband_hz=modulation)
    assert close(fit.fsr_hz, fsr)
    assert close(fit.kappa_hz, float(airy_linewidth(survival, fsr)))
    assert fit.axis_unit == "s"
    assert fit.parameters["hz_per_unit"].value == pytest.approx(fsr * 1.1 / 0.01, rel=0.01)
    assert fit.parameters["sideband_power"].value == pytest.approx(0.15, rel=0.05)
    with pytest.raises(AnalysisRefused, match="no scale in Hz"):
        _ = fit_cavity_scan(t, signal, axis=Axis.SECOND).kappa_hz
    with pytest.raises(AnalysisRefused, match="No sidebands"):
        fit_cavity_scan(*piezo_scan()[:2], sideband_hz=modulation)
    with pytest.raises(AnalysisRefused, match="needs no sidebands"):
        fit_cavity_scan(193e12 + 1e10 * x, signal, axis=Axis.FREQUENCY_HZ, sideband_hz=modulation)


@pytest.mark.parametrize("lengthens", [True, False])
@pytest.mark.parametrize("step", [100e9, -100e9])
def test_fsr_and_length_from_two_piezo_scans(lengthens, step):
    """Half a percent of a fringe makes 1.5 % of a length that 100 GHz moves by a third of a fringe."""
    sign = 1 if lengthens else -1
    first = fit_cavity_scan(*piezo_scan(5)[:2])
    second = fit_cavity_scan(*piezo_scan(6, phase=0.4 + sign * math.pi * step / FSR_HZ)[:2])
    fsr = fsr_from_piezo_scans(first, second, Estimate(step, 0.0), lengthens=lengthens)
    assert close(fsr, FSR_HZ)
    assert cavity_length_m(fsr).relative_sigma == pytest.approx(0.015, rel=0.05)


def test_two_scans_that_say_nothing_are_refused():
    first = fit_cavity_scan(*piezo_scan(5)[:2])
    step = Estimate(100e9, 0.0)
    with pytest.raises(AnalysisRefused, match="whole one or none"):
        fsr_from_piezo_scans(first, fit_cavity_scan(*piezo_scan(6)[:2]), step)
    v, signal, _ = piezo_scan(6)
    with pytest.raises(AnalysisRefused, match="in common"):
        fsr_from_piezo_scans(first, fit_cavity_scan(v + 500, signal), step)
    with pytest.raises(AnalysisRefused, match="one piezo"):
        fsr_from_piezo_scans(first, fit_cavity_scan(v, signal, axis=Axis.SECOND), step)
    with pytest.raises(AnalysisRefused, match="must change"):
        fsr_from_piezo_scans(first, first, Estimate(0.0, 0.0))
    with pytest.raises(AnalysisRefused, match="no length"):
        cavity_length_m(Estimate(0.0, 1.0))
    for rho in (0.1, 1.0):
        with pytest.raises(AnalysisRefused, match="no Airy linewidth"):
            linewidth_hz(Estimate(rho, 0.01), Estimate(FSR_HZ, 0.0))


def test_scans_without_a_resonance_are_refused():
    rng = np.random.default_rng(7)
    with pytest.raises(AnalysisRefused, match="No resonance stands out"):
        fit_cavity_scan(VOLTS, rng.standard_normal(1000))
    with pytest.raises(AnalysisRefused, match="holds no resonance"):
        fit_cavity_scan(VOLTS, VOLTS + 0.1 * rng.standard_normal(1000))


def test_clipped_and_saturated_scans_are_refused():
    v, signal, _ = piezo_scan(noise=0.002)
    digital = np.round(signal / 1e-3) * 1e-3
    fit_cavity_scan(v, digital, saturation=(-1.0, 2.0))
    clipped = np.minimum(digital, 0.8)
    with pytest.raises(AnalysisRefused, match="clipped"):
        fit_cavity_scan(v, clipped)
    with pytest.raises(AnalysisRefused, match="saturated"):
        fit_cavity_scan(v, clipped, saturation=(-1.0, 0.8))


def test_a_sharp_line_needs_samples():
    v, signal, _ = piezo_scan(survival=0.99, noise=0.001)
    with pytest.raises(AnalysisRefused, match="samples; it needs"):
        fit_cavity_scan(v, signal)


def test_a_line_that_never_falls_to_half_has_no_width():
    v, signal, _ = piezo_scan(survival=0.12, noise=0.001)
    with pytest.raises(AnalysisRefused, match="no linewidth"):
        fit_cavity_scan(v, signal - 0.02, background=0.0)


def test_malformed_scans_are_refused():
    v, signal, _ = piezo_scan()
    for axis_of, values, words in (
        (np.concatenate([v, v[::-1]]), np.concatenate([signal, signal]), "turns round"),
        (v[:10], signal[:10], "needs 30"),
        (v, np.full(1000, np.nan), "finite"),
    ):
        with pytest.raises(AnalysisRefused, match=words):
            fit_cavity_scan(axis_of, values)
    with pytest.raises(AnalysisRefused, match="not positive"):
        fit_cavity_scan(v - 1, signal, axis=Axis.WAVELENGTH_NM)
