"""Defining constants of the SI (exact since 2019), and the type of a number that broadcasts."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Real = float | NDArray[np.float64]
"""A number or an array of numbers."""

PLANCK_J_S = 6.62607015e-34
HBAR_J_S = PLANCK_J_S / (2.0 * math.pi)
BOLTZMANN_J_PER_K = 1.380649e-23
SPEED_OF_LIGHT_M_PER_S = 299792458.0
ELEMENTARY_CHARGE_C = 1.602176634e-19
MOLAR_GAS_J_PER_MOL_K = 8.31446261815324
