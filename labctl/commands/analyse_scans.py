"""`labctl analyse cavity` and `labctl analyse fringe`: scans of a piezo or of a laser."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from labctl.commands.analyse_output import Curves, Fact, Findings
from labctl.commands.analyse_sources import open_source
from labctl.errors import AnalysisRefused, ConfigurationError
from labctl.estimation.cavity_scan import CavityScanFit, fit_cavity_scan
from labctl.estimation.free_spectral_range import cavity_length_m
from labctl.estimation.fringe import FringeFit, fit_fringe
from labctl.estimation.scan_axis import Axis, ordered_scan
from labctl.spectra.acquisition import FloatArray
from labctl.spectra.column_units import Quantity
from labctl.spectra.estimate import Estimate
from labctl.spectra.recording import Order, Recording

NANOMETRES_PER_METRE = 1e9
_QUANTITY = {
    Axis.VOLT: Quantity.VOLTAGE,
    Axis.SECOND: Quantity.TIME,
    Axis.FREQUENCY_HZ: Quantity.FREQUENCY,
    Axis.WAVELENGTH_NM: Quantity.LENGTH,
}
_SYMBOL = {Axis.VOLT: "V", Axis.SECOND: "s", Axis.FREQUENCY_HZ: "Hz", Axis.WAVELENGTH_NM: "m"}


def cavity_findings(
    path: Path, axis: str, reference: Path | None, sidebands_hz: float | None, columns: str
) -> Findings:
    """Fit an Airy line; fsr and linewidth are in Hz on an optical axis or with sidebands, else in the axis's unit."""
    if axis not in tuple(Axis):
        raise ConfigurationError(f"--axis {axis!r} is unknown.", remedy=f"Use one of {', '.join(Axis)}.")
    if sidebands_hz is not None and not (math.isfinite(sidebands_hz) and sidebands_hz > 0):
        raise ConfigurationError(f"--sidebands {sidebands_hz:g} makes no sense.", remedy="Give their frequency in Hz.")
    kind = Axis(axis)
    recording = open_source(path, columns, Order.SCAN, (_QUANTITY[kind],)).recording
    x, notes = _in_axis_unit(recording, kind)
    power = None
    if reference is not None:
        power, more = _reference(reference, columns, kind, x)
        notes += more
    fit = fit_cavity_scan(x, recording.y, axis=kind, reference=power, sideband_hz=sidebands_hz)
    numbers = _cavity_numbers(fit, kind, sidebands_hz)
    facts: dict[str, Fact] = {
        "axis": str(kind),
        "chi2_per_dof": fit.chi2_per_dof,
        "p_value": fit.p_value,
        "resonances": list(fit.resonances),
    }
    position, signal = _as_fitted(x, recording.y, power, kind)
    curves = _curves(position, signal, fit.model(position), f"scan ({fit.axis_unit})", recording, fit.resonances)
    return Findings(numbers, facts, (fit.reason,) if fit.reason else (), tuple(notes), curves)


def fringe_findings(path: Path, columns: str) -> Findings:
    """Fit a fringe; `v_pi` is in the unit of the axis."""
    recording = open_source(path, columns, Order.SCAN, (Quantity.VOLTAGE, Quantity.TIME)).recording
    fit = fit_fringe(recording.x, recording.y)
    unit, signal_unit = recording.x_unit or "V", recording.y_unit or "V"
    notes = list(recording.notes)
    if not recording.x_unit:
        notes.append("the file does not say the unit of its axis; volts were assumed.")
    numbers = {
        "v_pi": _in_unit(fit.v_pi, unit),
        "amplitude": _in_unit(fit.amplitude, signal_unit),
        "offset": _in_unit(fit.offset, signal_unit),
        "phase": fit.phase,
    }
    if fit.offset.value > 0:
        numbers["contrast"] = _contrast(fit)
    facts: dict[str, Fact] = {
        "fringes": fit.fringes,
        "middle": fit.middle_v,
        "chi2_per_dof": fit.chi2_per_dof,
        "p_value": fit.p_value,
    }
    curves = _curves(recording.x, recording.y, fit.model(recording.x), f"scan ({unit})", recording, ())
    return Findings(numbers, facts, (fit.reason,) if fit.reason else (), tuple(notes), curves)


def _cavity_numbers(fit: CavityScanFit, axis: Axis, sidebands_hz: float | None) -> dict[str, Estimate]:
    numbers = {"fsr": fit.spacing, "linewidth": fit.linewidth, "finesse": fit.finesse}
    if axis.is_optical:
        numbers |= {"fsr": fit.fsr_hz, "linewidth": fit.kappa_hz, "length_m": cavity_length_m(fit.fsr_hz)}
    elif sidebands_hz is not None:
        unit = fit.axis_unit
        numbers |= {"fsr": fit.fsr_hz, "linewidth": fit.kappa_hz}
        numbers |= {f"fsr_{'v' if unit == 'V' else unit}": fit.spacing, "length_m": cavity_length_m(fit.fsr_hz)}
    return numbers


def _in_axis_unit(recording: Recording, axis: Axis) -> tuple[FloatArray, list[str]]:
    """The axis in V, s, Hz or nm; refuses a file that says that it is something else."""
    notes = list(recording.notes)
    if recording.x_unit == "":
        return recording.x, notes
    if recording.x_unit != _SYMBOL[axis]:
        raise AnalysisRefused(
            f"{recording.path} has an axis in {recording.x_unit}, not {axis}.", remedy="Check --axis or --columns."
        )
    return recording.x * (NANOMETRES_PER_METRE if axis is Axis.WAVELENGTH_NM else 1.0), notes


def _reference(path: Path, columns: str, axis: Axis, x: FloatArray) -> tuple[FloatArray, list[str]]:
    """Input power at the positions of the scan, between the reference's own points where they differ."""
    recording = open_source(path, columns, Order.SCAN, (_QUANTITY[axis],)).recording
    at, notes = _in_axis_unit(recording, axis)
    margin = 2 * float(np.diff(at).mean())
    if at[0] - margin > x[0] or at[-1] + margin < x[-1]:
        raise AnalysisRefused(
            f"{path} spans {at[0]:.6g} to {at[-1]:.6g} and the scan {x[0]:.6g} to {x[-1]:.6g}.",
            remedy="Record the reference over the same scan.",
        )
    return np.interp(x, at, recording.y), [f"{path.name}: {note}" for note in notes]


def _as_fitted(x: FloatArray, y: FloatArray, power: FloatArray | None, axis: Axis) -> tuple[FloatArray, FloatArray]:
    """Position in the unit of the fit, ascending, and the signal that was fitted."""
    signal = y if power is None else y * power.mean() / power
    scan = ordered_scan(x, signal, fewest=2, what="The scan", axis=axis)
    return scan.position, scan.signal


def _contrast(fit: FringeFit) -> Estimate:
    """a / y0, (max - min) / (max + min) where the dark level is zero."""
    i, j = fit.names.index("amplitude"), fit.names.index("offset")
    a, y0 = fit.amplitude.value, fit.offset.value
    c = fit.covariance
    variance = c[i, i] / a**2 + c[j, j] / y0**2 - 2 * c[i, j] / (a * y0)
    return Estimate(a / y0, a / y0 * math.sqrt(max(float(variance), 0.0)), "", "(max - min) / (max + min)")


def _in_unit(number: Estimate, unit: str) -> Estimate:
    return Estimate(number.value, number.sigma, unit, number.convention)


def _curves(
    x: FloatArray, y: FloatArray, model: FloatArray, label: str, recording: Recording, marks: tuple[float, ...]
) -> Curves:
    unit = recording.y_unit or "as recorded"
    return Curves(x, y, label, f"signal ({unit})", model, y - model, f"data − fit ({unit})", marks)
