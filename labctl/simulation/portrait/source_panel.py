"""Where the source locks: its Pound-Drever-Hall error and its transmission over the voltage of its piezo."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from labctl.physics.cavity import airy_transmission, peak_finesse, pound_drever_hall_error
from labctl.simulation import source_plant as plant
from labctl.simulation.portrait.style import GREY, ONE, PLAIN_SUM, SOLID, title
from labctl.simulation.working_point import WorkingPoint

FloatArray = NDArray[np.float64]

REACH_V = 1.6
POINTS = 1601
_R_IN = float(np.sqrt(1.0 - plant.PUMP_COUPLER_TRANSMISSION))
_R_REST = float(np.sqrt(1.0 - plant.PUMP_LOSS))


def source_scan(point: WorkingPoint) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return volts at the piezo, the error signal in V, and the transmission relative to resonance; no drift."""
    resonance_v = point.truth.opa_resonance_v
    volts = resonance_v + np.linspace(-REACH_V, REACH_V, POINTS)
    detuning_hz = plant.PUMP_FSR_HZ * plant.PIEZO_M_PER_V * (volts - resonance_v) / plant.PUMP_LENGTH_FSR_M
    error = pound_drever_hall_error(detuning_hz, plant.PDH_MODULATION_HZ, plant.PUMP_FSR_HZ, _R_IN, _R_REST)
    finesse = float(peak_finesse(_R_IN * _R_REST))
    return volts, plant.PDH_VOLTS * error, airy_transmission(detuning_hz, plant.PUMP_FSR_HZ, finesse)


def draw_source(error: Axes, transmission: Axes, point: WorkingPoint, width_in: float) -> None:
    """Draw error signal and transmission near the resonance."""
    volts, error_v, through = source_scan(point)
    error.plot(volts, error_v, color=ONE, linestyle=SOLID)
    error.axhline(0.0, color=GREY, linewidth=0.8)
    error.plot([point.truth.opa_resonance_v], [0.0], "o", color=GREY, markersize=5)
    error.set_ylabel("PDH error (V)")
    error.tick_params(labelbottom=False)
    transmission.plot(volts, through, color=PLAIN_SUM, linestyle=SOLID)
    transmission.set_ylim(0.0, 1.08)
    transmission.set_ylabel("transmission")
    transmission.set_xlabel("piezo of the source (V)")
    for axes in (error, transmission):
        axes.axvline(point.truth.opa_resonance_v, color=GREY, linewidth=0.8)
        axes.set_xlim(volts[0], volts[-1])
    title(error, _lesson(point), width_in)


def _lesson(point: WorkingPoint) -> str:
    capture_v = plant.PDH_MODULATION_HZ / plant.PUMP_FSR_HZ * plant.PUMP_LENGTH_FSR_M / plant.PIEZO_M_PER_V
    drift_v = plant.LENGTH_DRIFT_M / plant.PIEZO_M_PER_V
    return (
        f"The source is resonant at {point.truth.opa_resonance_v:.1f}\u00a0V (it drifts by {drift_v:.0f}\u00a0V rms); "
        f"its error signal leads there from within ±{capture_v:.2f}\u00a0V"
    )
