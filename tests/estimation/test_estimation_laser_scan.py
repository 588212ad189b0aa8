"""A laser scan over nanometres: neither a laser that fades nor a membrane that reflects less at one end biases it."""

from __future__ import annotations

import numpy as np
import pytest

from labctl.estimation.cavity_scan import fit_cavity_scan
from labctl.estimation.laser_scan import fit_laser_scan
from labctl.estimation.scan_axis import Axis
from labctl.physics.cavity import airy_finesse

FSR_HZ = 3.0e11
FREQUENCY_HZ = np.linspace(1.928e14, 1.9405e14, 121)
RHO = 0.55


def test_even_changes_of_height_and_finesse_have_no_share_in_the_result() -> None:
    rng = np.random.default_rng(4)
    along = np.linspace(-1.0, 1.0, len(FREQUENCY_HZ))
    rho = RHO * (1.0 - 3e-3 * along)
    line = 1.0 / (1.0 + 4.0 * rho / (1.0 - rho) ** 2 * np.sin(np.pi * FREQUENCY_HZ / FSR_HZ) ** 2)
    light = 0.5 * (1.0 + 6e-3 * along) * line + 3e-4 * rng.standard_normal(len(along))
    plain, fit = fit_cavity_scan(FREQUENCY_HZ, light, axis=Axis.FREQUENCY_HZ), fit_laser_scan(FREQUENCY_HZ, light)
    assert abs(fit.fsr_hz.value - FSR_HZ) < 3.5 * fit.fsr_hz.sigma
    assert fit.fsr_hz.relative_sigma == pytest.approx(1.4e-5, rel=0.3)
    assert abs(fit.finesse.value - float(airy_finesse(RHO))) < 3.5 * fit.finesse.sigma
    assert plain.chi2_per_dof > 2.0 * fit.chi2_per_dof
    assert not fit.reason
