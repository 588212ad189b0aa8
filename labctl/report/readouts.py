"""How well one sensor and the sum can be read: alone, given the others, and with the phases of the sum undone."""

from __future__ import annotations

from labctl.report.contents import RunContents
from labctl.report.origins import why_missing
from labctl.report.sections import Cell, Finding, Section, Table, columns, number_cell, shown
from labctl.report.wording import Mark, percent_of_shot, printed_number, with_unit
from labctl.spectra.estimate import Estimate, from_decibels, in_decibels

_SAYS = Mark("→", "", "calm")
_SUMS = (
    ("joint.raw_db", "Hardware sum", "summing amplifier and spectrum analyzer"),
    ("joint.digital_db", "Sum of records", "digitizer, equal weights"),
    ("joint.rephased_db", "Re-phased sum", "digitizer, complex weights that undo delays and gains"),
)


def readouts(run: RunContents) -> Section:
    """Marginal and conditional noise of every sensor, and the three sums."""
    return Section(
        "readouts",
        "Readouts",
        "Readouts: alone, conditional, re-phased",
        "How far below shot noise one sensor can be read by its own detector (marginal), by its own with the records "
        "of all others at hand (conditional), and all together in a sum before and after their phases are undone.",
        tuple(found for found in (_gain_of_the_others(run), _gain_of_rephasing(run)) if found),
        (_sensor_table(run), _sum_table(run)) if run.sensors else (_sum_table(run),),
    )


def _sensor_table(run: RunContents) -> Table:
    rows = []
    for n in run.sensors:
        alone, given = _db(run, f"sensor{n}.marginal_db"), _db(run, f"sensor{n}.conditional_db")
        gain = Cell("–", soft=True)
        if alone and given:
            gain = Cell(_in_db(given.value - alone.value))
        rows.append((Cell(f"Sensor\u00a0{n}"), *(_level(run, f"sensor{n}.{kind}_db") for kind in _KINDS), gain))
    head = columns("", "Alone (marginal)", "Given the others (conditional)", "The others help by", numbers=(1, 2, 3))
    return Table(head, tuple(rows), "One sensor, from simultaneous records")


_KINDS = ("marginal", "conditional")


def _sum_table(run: RunContents) -> Table:
    rows = []
    for name, label, how in _SUMS:
        level = _db(run, name)
        share = Cell(percent_of_shot(level.value)) if level else Cell("–", soft=True)
        rows.append((Cell(label), Cell(how, soft=True), _level(run, name), share))
    head = columns("", "Read by", "Noise over shot noise", "Of shot-noise power", numbers=(2, 3))
    return Table(head, tuple(rows), "All sensors together")


def _level(run: RunContents, name: str) -> Cell:
    return number_cell(run.results.get(name), why_missing(name, run))


def _db(run: RunContents, name: str) -> Estimate | None:
    found = run.results.get(name)
    return Estimate(found.value, found.sigma, "dB") if found is not None and found.unit == "dB" else None


def _gain_of_the_others(run: RunContents) -> Finding | None:
    """For M equal shares of one beam V_conditional = 1 / (1 + (1 - V) / (M V)), V that of the re-phased sum."""
    pairs = [(_db(run, f"sensor{n}.marginal_db"), _db(run, f"sensor{n}.conditional_db")) for n in run.sensors]
    found = [(alone.value, given.value) for alone, given in pairs if alone and given]
    best = _db(run, "joint.rephased_db")
    if not found or len(found) < len(run.sensors):
        return None
    alone_db, given_db = (sum(values) / len(found) for values in zip(*found, strict=True))
    text = (
        f"With the records of the others a sensor is read at {_in_db(given_db)} on average, "
        f"{_in_db(alone_db - given_db)} better than alone ({_in_db(alone_db)})."
    )
    if best:
        text += f" Equal shares of a sum at {_in_db(best.value)} would allow {_allowed(best, len(found))}."
    return Finding(_SAYS, text)


def _allowed(best: Estimate, sensors: int) -> str:
    v = from_decibels(best)
    value = 1.0 / (1.0 + (1.0 - v.value) / (sensors * v.value))
    slope = (value / v.value) ** 2 / sensors  # d value / d v
    allowed = in_decibels(Estimate(value, slope * v.sigma, "", ""))
    return shown(allowed.value, allowed.sigma, "dB")


def _gain_of_rephasing(run: RunContents) -> Finding | None:
    plain, best = _db(run, "joint.digital_db"), _db(run, "joint.rephased_db")
    if plain is None or best is None:
        return None
    saved = 1.0 - 10.0 ** ((best.value - plain.value) / 10.0)
    return Finding(
        _SAYS,
        f"Undoing phases and gains takes {_in_db(plain.value - best.value)} off the sum of the same records: "
        f"{100.0 * saved:.0f}\u00a0% of its noise power was not loss.",
    )


def _in_db(value: float) -> str:
    return with_unit(printed_number(value, 0.01), "dB")
