"""Pound-Drever-Hall slope from the whole error signal, with sidebands as ruler; refusals."""

import math

import numpy as np
import pytest

from labctl.errors import AnalysisRefused
from labctl.estimation.pdh_slope import fit_pdh
from labctl.physics.cavity import decay_linewidth, pound_drever_hall_error

VOLTS = np.linspace(-0.6, 0.6, 1000)
MODULATION_HZ, FSR_HZ, HZ_PER_V = 36e6, 3.69e9, 120e6
R_IN, R_REST = math.sqrt(1 - 0.022), math.sqrt(1 - 0.01)


def error(detuning_hz, r_in=R_IN, r_rest=R_REST):
    return pound_drever_hall_error(detuning_hz, MODULATION_HZ, FSR_HZ, r_in, r_rest)


def scan(seed=1, sign=1.0, centre=0.07, noise=0.02, mirrors=(R_IN, R_REST), volts=VOLTS):
    signal = 0.02 + sign * error((volts - centre) * HZ_PER_V, *mirrors)
    return signal + noise * np.random.default_rng(seed).standard_normal(len(volts))


def slope_of(*mirrors):
    ends = error(np.array([-1e4, 1e4]), *mirrors)
    return (ends[1] - ends[0]) / 2e4


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("mirrors", [(R_IN, R_REST), (R_REST, R_IN), (R_IN, R_IN)])
def test_slope_and_linewidth_for_any_coupling(sign, mirrors):
    fit = fit_pdh(VOLTS, scan(sign=sign, mirrors=mirrors), modulation_hz=MODULATION_HZ)
    width = float(decay_linewidth(mirrors[0] * mirrors[1], FSR_HZ))
    assert abs(fit.slope_v_per_hz.value - sign * slope_of(*mirrors)) < 4 * fit.slope_v_per_hz.sigma
    assert abs(fit.linewidth_hz.value - width) < 4 * fit.linewidth_hz.sigma
    assert fit.slope.value == pytest.approx(fit.slope_v_per_hz.value * HZ_PER_V, rel=2e-3)
    assert fit.slope_v_per_hz.relative_sigma < 0.005
    assert fit.reason == ""
    assert np.std(fit.model(VOLTS) - scan(sign=sign, mirrors=mirrors)) == pytest.approx(0.02, rel=0.1)


def test_without_a_ruler_there_is_a_slope_but_no_scale():
    fit = fit_pdh(VOLTS, scan())
    assert fit.slope.value == pytest.approx(slope_of(R_IN, R_REST) * HZ_PER_V, rel=0.01)
    with pytest.raises(AnalysisRefused, match="no scale in Hz"):
        _ = fit.slope_v_per_hz


def test_an_uneven_scan_is_noticed():
    bent = scan(volts=VOLTS + 0.1 * VOLTS**2)
    assert "uneven scan" in fit_pdh(VOLTS, bent, modulation_hz=MODULATION_HZ).reason


def test_refusals():
    rng = np.random.default_rng(2)
    for volts, signal, words in (
        (VOLTS, rng.standard_normal(1000), "No error signal"),
        (VOLTS, scan(centre=0.45), "not within the scan"),
        (VOLTS[::60], scan()[::60], "needs 50 pairs"),
        (np.concatenate([VOLTS, VOLTS[::-1]]), np.concatenate([scan(), scan()]), "turns round"),
        (VOLTS, np.full(1000, np.nan), "finite"),
    ):
        with pytest.raises(AnalysisRefused, match=words):
            fit_pdh(volts, signal, modulation_hz=MODULATION_HZ)
    with pytest.raises(AnalysisRefused, match="saturated"):
        fit_pdh(VOLTS, np.clip(scan(), -0.8, 0.8), saturation=(-0.8, 0.8))
    wide = np.linspace(-30.0, 30.0, 1000)
    with pytest.raises(AnalysisRefused, match=r"samples; it needs|No error signal fits|did not settle"):
        fit_pdh(wide, scan(volts=wide, noise=0.001))


def test_a_turned_demodulation_is_refused():
    d = (VOLTS - 0.07) * HZ_PER_V / 9.5e6
    o = MODULATION_HZ / 9.5e6
    turned = 1 / (1 - 1j * d) + 1 / (1 + 1j * (d + o)) - 1 / (1 + 1j * d) - 1 / (1 - 1j * (d - o))
    signal = 2 * np.imag(np.exp(1.4j) * turned) + 0.02 * np.random.default_rng(3).standard_normal(1000)
    with pytest.raises(AnalysisRefused, match="demodulation phase is off"):
        fit_pdh(VOLTS, signal, modulation_hz=MODULATION_HZ)
