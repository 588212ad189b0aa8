"""Tables of what was calibrated: one column a sensor, and what belongs to the table as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labctl.report.contents import RunContents
from labctl.report.origins import why_missing
from labctl.report.published import in_unit
from labctl.report.station_design import StationDesign, station_design
from labctl.report.windows import Window, judged, window_of
from labctl.report.wording import Mark, same_unit, shown_result, shown_unit, value_with_sigma

SENSORS_PER_BLOCK = 6  # columns that fit the page

_Entries = tuple[tuple[str, str, str], ...]
_GROUPS: tuple[tuple[str, _Entries], ...] = (
    (
        "Mechanics",
        (
            ("f0_hz", "Resonance frequency f₀", "Hz"),
            ("gamma_hz", "Damping rate Γ, spectrum, FWHM", "Hz"),
            ("gamma_ringdown_hz", "Damping rate Γ, decay, FWHM", "Hz"),
            ("gamma_difference_sigmas", "Decay against spectrum, in σ", ""),
            ("peak_to_shot", "Thermal peak A over shot noise", ""),
            ("phase_rms_rad", "Thermal phase, rms", "rad"),
            ("g0_over_kappa", "Coupling over linewidth g₀/κ", ""),
            ("g0_hz", "Coupling g₀/2π", "Hz"),
        ),
    ),
    (
        "Cavity",
        (
            ("fsr_hz", "Free spectral range, laser scan", "Hz"),
            ("fsr_two_colour_hz", "Free spectral range, two colours", "Hz"),
            ("length_m", "Length L", "m"),
            ("finesse", "Finesse", ""),
            ("kappa_hz", "Linewidth κ, FWHM", "Hz"),
        ),
    ),
    (
        "Alike? (eq. 2)",
        (
            ("inconsistency_gamma", "Force noise off the design by Γ alone", "%"),
            ("inconsistency_coupling", "by g₀ alone", "%"),
            ("inconsistency_linewidth", "by κ alone", "%"),
            ("inconsistency", "by all, on resonance", "%"),
            ("inconsistency_off", "by all, off resonance", "%"),
        ),
    ),
    (
        "Noise",
        (
            ("individual_db", "Noise beside the mode, analyzer", "dB"),
            ("marginal_db", "Noise alone, records (marginal)", "dB"),
            ("conditional_db", "Noise given the others (conditional)", "dB"),
            ("clearance_db", "Shot noise over dark noise", "dB"),
        ),
    ),
    (
        "Light and detector",
        (
            ("weight", "Share of the light", ""),
            ("extraction", "Let through by the quarter-wave plate", ""),
            ("visibility", "Homodyne visibility", ""),
            ("balance", "Balance (I₁ − I₂)/(I₁ + I₂)", ""),
            ("common_mode_rejection_db", "Common-mode rejection", "dB"),
            ("shot_exponent", "Exponent of shot noise in the power", ""),
            ("dark_intercept", "Intercept over dark noise", ""),
            ("lock_residual_rad", "Residual phase of the lock, rms", "rad"),
        ),
    ),
)
_TABLE_QUANTITIES = (
    ("oven.temperature_c", "Crystal temperature", "degC"),
    ("source.threshold_w", "Pump power at threshold", "W"),
    ("source.pump_parameter", "Pump amplitude over threshold x", ""),
    ("source.parametric_gain", "Parametric gain of the seed", ""),
    ("source.squeezing_db", "Squeezing of the source", "dB"),
    ("source.antisqueezing_db", "Antisqueezing of the source", "dB"),
    ("source.total_efficiency", "Efficiency of the source", ""),
    ("source.phase_noise_rad", "Phase noise of the source, rms", "rad"),
    ("network.channel_efficiency", "Channel efficiency", ""),
    ("joint.clearance_db", "Shot noise over dark noise, sum", "dB"),
    ("force.detuning_hz", "Detuning of the force noise off resonance", "Hz"),
)
_PLACED_ELSEWHERE = {"joint.raw_db", "joint.digital_db", "joint.rephased_db", "individual.mean_db"}


@dataclass(frozen=True)
class Cell:
    """A value ± sigma, or why there is none; `mark` says whether it lies in its window."""

    text: str
    missing: str = ""
    mark: Mark | None = None


@dataclass(frozen=True)
class Row:
    """One quantity: its unit as shown, a cell for each column, and the window that it is judged by."""

    quantity: str
    unit: str
    cells: tuple[Cell, ...]
    window: str = ""


@dataclass(frozen=True)
class Group:
    """Rows that belong together."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Block:
    """Some sensors side by side; `unmeasured` names the quantities that none of them has, `why` the reason."""

    sensors: tuple[int, ...]
    groups: tuple[Group, ...]
    unmeasured: tuple[tuple[str, str], ...]


def sensor_blocks(run: RunContents) -> list[Block]:
    """The calibration of every sensor, so many columns at a time; empty when the run knows no sensor."""
    design = station_design(run.manifest)
    parts = [run.sensors[i : i + SENSORS_PER_BLOCK] for i in range(0, len(run.sensors), SENSORS_PER_BLOCK)]
    return [_block(run, part, design) for part in parts]


def table_rows(run: RunContents) -> list[Row]:
    """What belongs to no single sensor."""
    return [_row(run, label, unit, (name,), None) for name, label, unit in _TABLE_QUANTITIES]


def further_rows(run: RunContents) -> list[Row]:
    """Every further result, which the tables of this section have no place for, by its name."""
    placed = {name for name, _, _ in _TABLE_QUANTITIES} | _PLACED_ELSEWHERE
    placed |= {f"sensor{n}.{suffix}" for n in run.sensors for _, entries in _GROUPS for suffix, _, _ in entries}
    rows = []
    for name in sorted(set(run.results) - placed):
        text, unit = shown_result(run.results[name])
        rows.append(Row(name, unit, (Cell(text),)))
    return rows


def windows_summary(blocks: Sequence[Block]) -> str:
    """How many judged numbers lie inside their windows, in a sentence."""
    marks = [
        cell.mark.word
        for block in blocks
        for group in block.groups
        for row in group.rows
        for cell in row.cells
        if cell.mark
    ]
    if not marks:
        return ""
    counts = [f"{marks.count(word)} {word}" for word in ("inside", "at the edge", "outside") if word in marks]
    return f"Of {len(marks)} numbers with a window: {', '.join(counts)}."


def _block(run: RunContents, sensors: tuple[int, ...], design: StationDesign) -> Block:
    groups, unmeasured = [], []
    for title, entries in _GROUPS:
        rows = []
        for suffix, label, unit in entries:
            names = tuple(f"sensor{n}.{suffix}" for n in sensors)
            if any(name in run.results for name in names):
                rows.append(_row(run, label, unit, names, window_of(suffix, design)))
            else:
                unmeasured.append((label, why_missing(names[0], run)))
        if rows:
            groups.append(Group(title, tuple(rows)))
    return Block(sensors, tuple(groups), tuple(unmeasured))


def _row(run: RunContents, label: str, unit: str, names: Sequence[str], window: Window | None) -> Row:
    """One row in one unit, with a prefix that suits its largest value; a result in another unit says its own."""
    found = {name: in_unit(run.results[name], unit) for name in names if name in run.results}
    sizes = [max(abs(one.value), one.sigma) for one in found.values() if same_unit(one.unit, unit)]
    shown, factor = shown_unit(unit, max(sizes, default=None))

    def cell(name: str) -> Cell:
        result = found.get(name)
        if result is None:
            return Cell("", why_missing(name, run))
        if not same_unit(result.unit, unit):
            return Cell(" ".join(shown_result(result)))
        text = value_with_sigma(factor * result.value, factor * result.sigma)
        return Cell(text, mark=judged(in_unit(result, "") if unit == "%" else result, window) if window else None)

    return Row(label, shown, tuple(map(cell, names)), window.text if window else "")
