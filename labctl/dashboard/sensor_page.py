"""Page 3: one sensor, its calibrations and the curves that they come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pyqtgraph.Qt import QtCore, QtWidgets

from labctl.bus.latest import Latest
from labctl.bus.messages import CalibrationRow, LoopRow
from labctl.dashboard.alignment_map import AlignmentMap
from labctl.dashboard.curve_frame import CurveFrame
from labctl.dashboard.curve_plot import CurvePlot
from labctl.dashboard.dressing import TEXT_UNITS, dress
from labctl.dashboard.look import Look
from labctl.dashboard.loop_words import shown_mark, worst_first
from labctl.dashboard.page import Commander
from labctl.dashboard.plain_label import PlainLabel
from labctl.dashboard.sensor_tables import CalibrationTable, SensorLoops
from labctl.dashboard.state_chooser import StateChooser
from labctl.dashboard.state_glyphs import Mark
from labctl.dashboard.thin_panel import boxed

CHOOSER_WIDTH_UNITS: Final = 270
TABLES_WIDTH_UNITS: Final = 890
NO_LOOPS: Final = Mark("–", "no loop")


class SensorPage(QtWidgets.QWidget):  # type: ignore[misc]
    """All sensors in a list, each with the state of the worst of its loops, and the chosen one in full.

    The signal `loop_chosen` tells the name of a loop that the operator wants to see.
    """

    title = "Sensor"
    loop_chosen = QtCore.Signal(str)

    def __init__(self, look: Look, commander: Commander) -> None:
        super().__init__()
        self._sensor = 1
        self.chooser = StateChooser(look, "Sensors")
        self.calibrations = CalibrationTable(look)
        self.loops = SensorLoops(look)
        self.alignment = AlignmentMap(look)
        self.scan = CurvePlot(look, title="Cavity scan", source="lock_cavity")
        self.mode = CurvePlot(look, title="Mode of the membrane", source="individual_spectrum")
        self.ringdown = CurvePlot(look, title="Ringdown")
        self._nothing = PlainLabel("The core has told of no sensors yet.")
        self._boxes = [boxed(plot) for plot in self._plots.values()]
        self._build()
        self.chooser.chosen.connect(lambda key: self.select(int(key)))
        self.loops.chosen.connect(self.loop_chosen)
        self.use_look(look)

    @property
    def _plots(self) -> dict[str, CurveFrame]:
        """The plots by the names of their curves."""
        return {"alignment": self.alignment, "scan": self.scan, "mode": self.mode, "ringdown": self.ringdown}

    def _build(self) -> None:
        self._left = QtWidgets.QVBoxLayout()
        self._left.addWidget(self.calibrations, 4)
        self._left.addWidget(self.loops)
        self._left.addWidget(self._boxes[0], 6)
        self._right = QtWidgets.QVBoxLayout()
        for box in self._boxes[1:]:
            self._right.addWidget(box, 1)
        self._detail = QtWidgets.QWidget()
        self._columns = QtWidgets.QHBoxLayout(self._detail)
        self._columns.addLayout(self._left)
        self._columns.addLayout(self._right, 1)
        self._row = QtWidgets.QHBoxLayout(self)
        self._row.addWidget(self.chooser)
        self._row.addWidget(self._nothing)
        self._row.addWidget(self._detail, 1)
        self._detail.hide()

    # ---- what the window calls --------------------------------------------------------------------------------------

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        dress(self, look)
        gap = look.px(8)
        self._row.setContentsMargins(gap, gap, gap, gap)
        self._columns.setContentsMargins(0, 0, 0, 0)
        for layout in (self._row, self._columns, self._left, self._right):
            layout.setSpacing(gap)
        self.chooser.setFixedWidth(look.px(CHOOSER_WIDTH_UNITS))
        self.calibrations.setFixedWidth(look.px(TABLES_WIDTH_UNITS))
        self._nothing.dress(look, TEXT_UNITS, look.theme.dim)
        for table in (self.chooser, self.calibrations, self.loops):
            table.use_look(look)
        for plot in self._plots.values():
            plot.use_look(look)
        for box in self._boxes:
            box.dress(look)

    def show_latest(self, latest: Latest, now: float) -> None:
        """Draw what the core told last."""
        loops = latest.rows(LoopRow)
        sensors = sensors_of(latest)
        self._nothing.setVisible(not sensors)
        self._detail.setVisible(bool(sensors))
        entries = [(str(sensor), f"Sensor {sensor}", _worst_mark(sensor, loops, latest, now)) for sensor in sensors]
        self.chooser.show_entries(entries)
        if not sensors:
            return
        if self._sensor not in sensors:
            self._sensor = sensors[0]
        if self.chooser.key != str(self._sensor):
            self.chooser.choose(str(self._sensor))
        sensor = self._sensor
        self.calibrations.show_rows([row for row in latest.rows(CalibrationRow) if row.sensor == sensor], latest, now)
        self.loops.show_rows([row for row in loops if row.sensor == sensor], latest, now)
        for name, plot in self._plots.items():
            curve = latest.curve(f"sensor{sensor}", name)
            plot.show_curve(curve, float("nan") if curve is None else latest.age_s(curve.taken_at, now))

    # ---- what an operator does --------------------------------------------------------------------------------------

    @property
    def sensor(self) -> int:
        """Return the number of the sensor that is shown, from 1."""
        return self._sensor

    def select(self, sensor: int) -> None:
        """Show that sensor from now on."""
        self._sensor = sensor
        self.chooser.choose(str(sensor))


def sensors_of(latest: Latest) -> list[int]:
    """Return the numbers of the sensors that the core has, or that its loops and calibrations speak of."""
    core = latest.core
    if core is not None and core.sensors > 0:
        return list(range(1, core.sensors + 1))
    named = {row.sensor for row in latest.rows(LoopRow)} | {row.sensor for row in latest.rows(CalibrationRow)}
    return sorted(named - {0})


def _worst_mark(sensor: int, loops: Sequence[LoopRow], latest: Latest, now: float) -> Mark:
    own = worst_first([row for row in loops if row.sensor == sensor])
    return shown_mark(own[0], latest, now) if own else NO_LOOPS
