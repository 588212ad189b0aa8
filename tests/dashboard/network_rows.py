"""Loops and results of a network as an ordinary night leaves them."""

from __future__ import annotations

from dataclasses import replace

from stub_table import NAN, NOW, core_row

from labctl.bus.latest import Latest
from labctl.bus.messages import CoreRow, LoopRow, ResultRow


def loop_row(name: str, kind: str, sensor: int = 0, state: str = "locked") -> LoopRow:
    """Return a loop that was looked at just now."""
    return LoopRow(
        name=name, kind=kind, sensor=sensor, state=state, why="", since=NOW - 600, wanted=True, parked="", needs="",
        unit="V", error=0.0, error_limit=1.0, residual=0.0, residual_limit=1.0, witness=1.0, witness_limit=0.5,
        output_v=0.0, low_v=-1.0, high_v=1.0, losses=0, relocks_left=5, locked_share=1.0, looked_at=NOW - 0.1,
    )  # fmt: skip


def loops(sensors: int, *unlocked: str) -> list[LoopRow]:
    """Return the loops of the source and a homodyne loop a sensor; those named are scanning."""
    rows = [loop_row("opa", "opa_length"), loop_row("pump", "pump_phase"), loop_row("cav1", "cavity", 1)]
    rows += [loop_row(f"lo{n}", "homodyne", n) for n in range(1, sensors + 1)]
    return [replace(row, state="scan") if row.name in unlocked else row for row in rows]


def result(name: str, value: float, sigma: float = NAN, unit: str = "dB", ago: float = 720.0) -> ResultRow:
    """Return a result with a convention as long as they are."""
    convention = "equal-weight sum of records over its shot noise, dark subtracted, resonances left out"
    return ResultRow(name, value, sigma, unit, convention, "joint_spectrum_digitizer", NOW - ago)


def results(sensors: int) -> list[ResultRow]:
    """Return the results of a night."""
    rows = [
        result("joint.raw_db", -3.71, 0.02),
        result("joint.digital_db", -3.65, 0.03),
        result("joint.rephased_db", -4.57, 0.03),
        result("individual.mean_db", -0.78, 0.01),
        result("source.squeezing_db", -6.9, 0.3),
        result("source.parametric_gain", 6.21, 0.05, ""),
        result("joint.clearance_db", 20.3, 0.1),
    ]
    for n in range(1, sensors + 1):
        rows += [
            result(f"sensor{n}.individual_db", -0.78 + 0.01 * n, 0.02),
            result(f"sensor{n}.marginal_db", -0.75, 0.03),
            result(f"sensor{n}.conditional_db", -1.70, 0.03),
            result(f"sensor{n}.clearance_db", 20.0, 0.1),
            result(f"sensor{n}.f0_hz", 4.3e6 + 2100 * n, 0.2, "Hz"),
        ]
    return rows


def network(sensors: int = 4, *unlocked: str) -> Latest:
    """Return what a core with so many sensors told last."""
    latest = Latest()
    latest.hear(NOW, NOW)
    latest.put_rows(CoreRow, [core_row(sensors=sensors)])
    latest.put_rows(LoopRow, loops(sensors, *unlocked))
    latest.put_rows(ResultRow, results(sensors))
    return latest
