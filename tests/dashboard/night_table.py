"""What a core tells in the middle of a night with four sensors, for the tests of the first page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from stub_table import NAN, NOW, alarm_row, core_row, run_row

from labctl.bus.latest import Latest
from labctl.bus.messages import (
    AlarmRow,
    CalibrationRow,
    CoreRow,
    LoopRow,
    QueueRow,
    ReadingRow,
    RunRow,
    Severity,
)
from labctl.bus.spectra import Curve

KINDS = {"opa_length": "opa_length", "pump_phase": "pump_phase", "cavity": "cavity", "lo": "homodyne"}


def night(sensors: int = 4, **lo2: Any) -> Latest:
    """Return all tables of a night, with keywords for the loop lo2."""
    latest = Latest()
    latest.hear(NOW, NOW)
    latest.put_rows(CoreRow, [core_row(sensors=sensors)])
    latest.put_rows(RunRow, [run_row()])
    latest.put_rows(LoopRow, [replace(row, **lo2) if row.name == "lo2" else row for row in loop_rows(sensors)])
    latest.put_rows(ReadingRow, reading_rows())
    latest.put_rows(CalibrationRow, calibration_rows(sensors))
    latest.put_rows(QueueRow, queue_rows())
    latest.put_rows(AlarmRow, alarm_rows())
    latest.put_curve(day_curve([row.name for row in loop_rows(sensors)]))
    return latest


def loop_row(name: str = "lo1", **changes: Any) -> LoopRow:
    """Return a loop that is locked."""
    family = name.rstrip("0123456789")
    row = LoopRow(
        name=name, kind=KINDS[family], sensor=int(name[len(family) :] or 0), state="locked", why="", since=NOW - 5000,
        wanted=True, parked="", needs="opa_length", unit="rad", error=0.004, error_limit=0.2, residual=0.021,
        residual_limit=0.06, witness=0.99, witness_limit=0.8, output_v=3.2, low_v=-10.0, high_v=10.0, losses=0,
        relocks_left=8, locked_share=0.998, looked_at=NOW - 0.1,
    )  # fmt: skip
    return replace(row, **changes)


def loop_rows(sensors: int = 4) -> list[LoopRow]:
    """Return the loops of a table, all locked."""
    names = ["opa_length", "pump_phase"]
    names += [f"cavity{n}" for n in range(1, sensors + 1)] + [f"lo{n}" for n in range(1, sensors + 1)]
    return [loop_row(name, residual=0.01 + 0.003 * (n % 9), output_v=2.0 * (n % 7) - 6) for n, name in enumerate(names)]


def reading_rows() -> list[ReadingRow]:
    """Return the oven and the vacuum as they should be."""
    return [
        ReadingRow("oven", "Oven", 35.0123, "degC", 34.99, 35.03, Severity.NONE, "settled", NOW - 0.2),
        ReadingRow("vacuum", "Vacuum", 3.2e-6, "mbar", NAN, 1e-5, Severity.NONE, "pumped", NOW - 0.2),
    ]


def calibration_rows(sensors: int = 4) -> list[CalibrationRow]:
    """Return seven quantities of each sensor and one of the source; kappa of sensor 2 is out of its window."""
    made = {
        "f0": ("f₀", 4.30102e6, 12.0, "Hz", 4.2e6, 4.4e6),
        "gamma": ("Γ", 41.2, 0.8, "Hz", 20.0, 60.0),
        "kappa": ("κ", 1.372e6, 6e3, "Hz", 1.2e6, 1.5e6),
        "fsr": ("FSR", 2.9979e9, 2e5, "Hz", NAN, NAN),
        "g0_over_kappa": ("g₀/κ", 3.21e-5, 4e-7, "1", 2e-5, 4e-5),
        "visibility": ("V", 0.9871, 0.0012, "1", 0.97, 1.0),
        "weight": ("w", 0.251, 0.003, "1", 0.2, 0.3),
    }
    rows = []
    for sensor in range(1, sensors + 1):
        for place, (quantity, (label, value, sigma, unit, low, high)) in enumerate(made.items()):
            factor = 1.2 if (sensor, quantity) == (2, "kappa") else 1 + 1e-3 * sensor
            rows.append(
                CalibrationRow(
                    sensor,
                    quantity,
                    label,
                    value * factor if quantity != "visibility" else value,
                    sigma,
                    unit,
                    low,
                    high,
                    NOW - 43_200 + 600 * place,
                    f"calibrate[{sensor}]",
                    "20251124-overnight-06",
                    "one-sided, FWHM",
                )
            )
    rows.append(CalibrationRow(0, "pump", "x", 0.612, 0.004, "1", 0.5, 0.7, NOW - 600, "lock_source", "", "amplitude"))
    return rows


def queue_rows() -> list[QueueRow]:
    """Return 31 steps of which the ninth runs and the fourth failed."""
    names = ["warm_oven", "tune_oven", "lock_source", "audit_signs"]
    for kind in ("align_sensor", "lock_cavity", "lock_homodyne", "individual_spectrum", "joint_spectrum_analyzer"):
        names += [f"{kind}[{n}]" for n in range(1, 6)]
    names += ["joint_digitizer", "source_squeezing"]
    rows = []
    for place, name in enumerate(names):
        state = "done" if place < 8 else "running" if place == 8 else "waiting"
        begun = NOW - 600 * (9 - place) if place < 9 else NAN
        rows.append(
            QueueRow(
                100 + place,
                name,
                name.split("[")[0],
                "averages = 50",
                "failed" if place == 3 else state,
                1,
                1.0 if place < 8 else 0.3 if place == 8 else 0.0,
                600.0 + 60 * place,
                begun,
                begun + 590 if place < 8 else NAN,
                "",
                "the tone was not found" if place == 3 else "",
            )
        )
    return rows


def alarm_rows() -> list[AlarmRow]:
    """Return six alarms of all sorts."""
    return [
        alarm_row(identity=11, consequences="joint invalid, cavity2 held"),
        alarm_row(
            identity=12, source="oven", text="Temperature 35.041 degC, over 35.030 degC", severity=Severity.MINOR,
            raised_at=NOW - 4000, acknowledged=True, acknowledged_by="anna", consequences="",
        ),
        alarm_row(
            identity=13, source="queue", text="Step audit_signs failed: the tone was not found", raised_at=NOW - 7000,
            active=False, cleared_at=NOW - 6000, consequences="",
        ),
        alarm_row(
            identity=14, source="analyzer", text="No reply for 12 s", severity=Severity.INVALID, raised_at=NOW - 90_000,
            shelved_until=NOW + 3000, shelved_why="being repaired", consequences="",
        ),
        alarm_row(
            identity=15, source="lo3", text="Output within 10 % of its rail", severity=Severity.MINOR,
            raised_at=NOW - 300, consequences="",
        ),
        alarm_row(
            identity=16, source="vacuum", text="No reading for 30 s", severity=Severity.INVALID, raised_at=NOW - 50,
            count=3, consequences="",
        ),
    ]  # fmt: skip


def day_curve(names: list[str], step_s: float = 30.0) -> Curve:
    """Return 24 hours: everything locked, but for a cold start, a disturbed hour and losses of 30 s."""
    x = np.arange(NOW - 86_400.0, NOW, step_s)
    rng = np.random.default_rng(5)
    hours = (x - x[0]) / 3600.0
    columns: dict[str, Any] = {}
    for place, name in enumerate(names):
        codes = np.ones(x.size)
        codes[hours < 2.0] = 5.0
        codes[(hours >= 2.0) & (hours < 2.4 + 0.05 * place)] = 2.0
        codes[rng.random(x.size) < 0.001] = 4.0
        codes[(hours > 14.0) & (hours < 14.3)] = 3.0 if name.startswith("cavity") else 1.0
        codes[(hours > 18.0) & (hours < 18.2)] = 0.0
        columns[name] = codes
    columns["oven"] = 35.012 - 12.0 * np.exp(-hours / 0.5) + 0.004 * rng.standard_normal(x.size)
    columns["vacuum"] = 3e-6 * (1 + 5 * np.exp(-hours)) * (1 + 0.02 * rng.standard_normal(x.size))
    columns["squeezing_db"] = np.where(hours > 3, -3.7 + 0.1 * rng.standard_normal(x.size), np.nan)
    return Curve("strip", "day", "24 h", "time", "s", "vacuum", "mbar", x, columns, "vacuum in mbar", taken_at=NOW)
