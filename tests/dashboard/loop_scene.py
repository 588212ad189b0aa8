"""A table of two sensors as a core tells of it: rows of loops, calibrations and events, and curves with their fits."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from labctl.bus.latest import Latest
from labctl.bus.messages import CalibrationRow, CoreRow, EventRow, LoopRow
from labctl.bus.spectra import Curve

NOW = 1.7638e9
NAN = math.nan
LOCKED = LoopRow(
    "", "homodyne", 1, "locked", "Locked, residual 0.021 rad.", NOW - 725.0, True, "", "", "rad",
    -0.012, 0.8, 0.021, 0.35, 0.98, 0.9, 3.21, -10.0, 10.0, 1, 9, 0.9934, NOW - 0.1,
)  # fmt: skip


def loops() -> list[LoopRow]:
    """Return two loops of the source and two of each sensor, all locked."""
    source = [
        replace(LOCKED, name="opa_length", kind="opa_length", sensor=0, unit="linewidths"),
        replace(LOCKED, name="pump_phase", kind="pump_phase", sensor=0, needs="opa_length"),
    ]
    needs = "opa_length, pump_phase"
    sensors = []
    for sensor in (1, 2):
        sensors.append(replace(LOCKED, name=f"cavity{sensor}", kind="cavity", sensor=sensor, needs=needs))
        sensors.append(replace(LOCKED, name=f"lo{sensor}", sensor=sensor, needs=needs))
    return source + sensors


def changed(name: str, **fields: object) -> list[LoopRow]:
    """Return the loops with one of them changed."""
    return [replace(row, **fields) if row.name == name else row for row in loops()]  # type: ignore[arg-type]


def calibrations() -> list[CalibrationRow]:
    """Return the calibrations of both sensors; the visibility of the second is outside its window."""
    rows = []
    for sensor in (1, 2):
        visibility = 0.971 if sensor == 1 else 0.941
        for quantity, label, value, sigma, unit, low, high in (
            ("f0", "f₀", 4.3008e6, 1.0, "Hz", 4.25e6, 4.35e6),
            ("kappa", "κ", 1.203e6, 1.4e4, "Hz", NAN, NAN),
            ("visibility", "Visibility", visibility, 0.004, "", 0.95, NAN),
        ):
            step = f"individual_spectrum[{sensor}]"
            rows.append(
                CalibrationRow(
                    sensor, quantity, label, value, sigma, unit, low, high, NOW - 1500.0, step, "night_7", ""
                )
            )
    return rows


def events() -> list[EventRow]:
    """Return a loss of lo2 with its cause, and something of another loop."""
    told = (
        ("warning", "lo2", "The error is 0.91 rad, more than 0.80 rad."),
        ("info", "lo1", "Locked, residual 0.021 rad."),
        ("info", "lo2", "Locked, residual 0.023 rad."),
        ("warning", "lo2", "14:02:11: lo2 was knocked: it and lo1 jumped within 200 ms."),
    )
    return [
        EventRow(number, NOW - 900.0 + number, 10.0 * number, level, source, text)
        for number, (level, source, text) in enumerate(told, start=1)
    ]


def table() -> Latest:
    """Return what a core of two sensors told at `NOW`, without curves."""
    latest = Latest()
    latest.hear(NOW, NOW)
    core = CoreRow(
        "labctl", "simulated table", "simulated", "0.1", 1, 2, NOW - 9000.0, NOW, 9000.0, 1.0, "me", NOW + 10.0,
        False, "", "", NAN,
    )  # fmt: skip
    latest.put_rows(CoreRow, [core])
    latest.put_rows(LoopRow, loops())
    latest.put_rows(CalibrationRow, calibrations())
    latest.put_rows(EventRow, events())
    return latest


def fringe(system: str = "lo1", points: int = 1200) -> Curve:
    """Return a fringe scan of V_pi = 4.3 V with its fit."""
    x = np.linspace(0.0, 20.0, points)
    fit = 0.02 + 0.78 * np.cos(np.pi * x / 4.3)
    noise = 0.02 * np.random.default_rng(1).normal(size=points)
    text = "V_π = 4.302 ± 0.012 V\nAmplitude = 0.781 ± 0.002 V\nVisibility = 0.971 ± 0.004"
    columns = {"signal": fit + noise, "fit": fit}
    return Curve(
        system, "scan", "Fringe scan", "Piezo", "V", "Homodyne difference", "V", x, columns, text, taken_at=NOW - 720.0
    )


def history(system: str = "lo1", taken_at: float = NOW - 0.3) -> Curve:
    """Return two minutes of a loop, ten looks a second."""
    ago = np.arange(1200.0)[::-1] / 10.0
    columns = {
        "error": 0.03 * np.sin(ago),
        "witness": 0.98 + 0.01 * np.cos(ago),
        "output": 3.2 - 0.01 * ago,
    }
    return Curve(system, "history", "Last 2 min", "Before now", "s", "", "", ago, columns, taken_at=taken_at)


def alignment(system: str = "sensor1") -> Curve:
    """Return a walk towards more light; the best of its 40 points is the 31st."""
    move = np.arange(40.0)
    pitch, yaw = 20.0 * (move - 30.0), 10.0 * np.sin(move)
    power = 0.97 - 0.0006 * (move - 30.0) ** 2
    columns = {"yaw": yaw, "power": power}
    return Curve(
        system, "alignment", "Alignment", "Pitch", "steps", "Yaw", "steps", pitch, columns, taken_at=NOW - 5400.0
    )


@dataclass
class NotedCommands:
    """A commander that notes what is sent."""

    has_control: bool = True
    sent: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def send(self, command: str, then: object = None, refused: object = None, **arguments: object) -> None:
        """Note a command."""
        self.sent.append((command, arguments))
