"""`labctl analyse shot-linearity`."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from labctl.commands.analyse_output import Curves, Fact, Findings
from labctl.commands.analyse_sources import chosen_unit, open_source
from labctl.errors import AnalysisRefused
from labctl.estimation.shot_noise_linearity import ShotNoiseLinearity, fit_shot_noise_linearity
from labctl.estimation.squeezing_file import FileUnit
from labctl.spectra.acquisition import FloatArray
from labctl.spectra.column_units import Quantity
from labctl.spectra.recording import Order
from labctl.spectra.trace import MILLIWATT

POWER_UNIT = {
    FileUnit.VOLT: "V^2",
    FileUnit.WATT: "W",
    FileUnit.V2_PER_HZ: "V^2/Hz",
    FileUnit.DBM: "W",
    FileUnit.DB: "",
}


def shot_linearity_findings(path: Path, dark: float | None, unit: str | None, columns: str) -> Findings:
    """Fit noise power against light; rows without light are dark noise unless it is given.

    Raises LabError in one sentence.
    """
    recording = open_source(path, columns, Order.ANY, (Quantity.POWER, Quantity.VOLTAGE, Quantity.CURRENT)).recording
    file_unit, recording = chosen_unit(unit, recording)
    light, noise = recording.x, _power(recording.y, file_unit, str(path))
    notes = list(recording.notes)
    if recording.x_unit == "dBm":
        light = MILLIWATT * 10 ** (light / 10)
    unlit = light == 0
    dark_power = float(_power(np.array([dark]), file_unit, "--dark")[0]) if dark is not None else None
    if unlit.any():
        if dark_power is None:
            dark_power = float(noise[unlit].mean())
            notes.append(f"{int(unlit.sum())} rows without light were taken as dark noise.")
        light, noise = light[~unlit], noise[~unlit]
    fit = fit_shot_noise_linearity(light, noise, dark_power)
    symbol = POWER_UNIT[file_unit]
    numbers = {"exponent": fit.exponent, "raw_exponent": fit.raw_exponent}
    facts: dict[str, Fact] = {
        "slope": [fit.slope.value, fit.slope.sigma],
        "intercept": [fit.intercept.value, fit.intercept.sigma],
        "dark": dark_power,
        "noise_unit": symbol,
        "linear": fit.linear,
        "levels": len(light),
    }
    curves = _curves(light, noise, fit, dark_power, recording.x_unit, symbol)
    return Findings(numbers, facts, (fit.reason,) if fit.reason else (), tuple(notes), curves)


def _power(values: FloatArray, unit: FileUnit, where: str) -> FloatArray:
    if unit is FileUnit.DBM:
        return np.asarray(MILLIWATT * 10 ** (values / 10))
    if unit is FileUnit.DB:
        return np.asarray(10 ** (values / 10))
    if (values < 0).any():
        raise AnalysisRefused(f"{where} holds negative noise, which {unit} cannot have.", remedy="Say --unit dBm?")
    return values**2 if unit is FileUnit.VOLT else values


def _curves(
    light: FloatArray, noise: FloatArray, fit: ShotNoiseLinearity, dark: float | None, unit: str, noise_unit: str
) -> Curves:
    """Noise and the power law through it, its scale from the points."""
    order = np.argsort(light)
    light, noise = light[order], noise[order]
    floor = fit.dark.value if fit.dark is not None else 0.0
    law = (light / math.exp(float(np.log(light).mean()))) ** fit.exponent.value
    scale = math.exp(float(np.log(np.maximum(noise - floor, 0.05 * noise) / law).mean()))
    model = floor + scale * law
    return Curves(
        light,
        noise,
        f"light ({unit or 'as recorded'})",
        f"noise power ({noise_unit or 'relative'})",
        model,
        100 * (noise / model - 1),
        "residual (%)",
        points=True,
        log_x=True,
        log_y=True,
    )
