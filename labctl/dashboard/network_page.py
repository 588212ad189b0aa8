"""Page 4: the network of sensors and its squeezing, from the results of the run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from pyqtgraph.Qt import QtWidgets

from labctl.bus.latest import Latest
from labctl.bus.messages import LoopRow, ResultRow
from labctl.dashboard import network_results
from labctl.dashboard.advantage_plot import AdvantagePlot
from labctl.dashboard.dressing import HEADING_UNITS, TEXT_UNITS, dress
from labctl.dashboard.filter_field import FilterField
from labctl.dashboard.look import Look
from labctl.dashboard.network_results import Advantage, Doubts, Level, Line
from labctl.dashboard.number_text import UNKNOWN_TEXT, age_text, number_parts, short_duration_text, value_text
from labctl.dashboard.page import Commander
from labctl.dashboard.plain_label import PlainLabel
from labctl.dashboard.readout_plot import ReadoutPlot
from labctl.dashboard.text_rows import Cell, TextRow
from labctl.dashboard.text_table import TextTable

HATCH = "▨"
MOST_REASONS = 3  # lines above the chart
NOT_MEASURED = "not measured"
NOT_MEASURED_YET = "not measured yet"
Row = TextRow


class NetworkPage(QtWidgets.QWidget):  # type: ignore[misc]
    """Noise of the sensors and of their sums, advantage, weights, RMSE and force, and a table of all results.

    Nothing is asked of the core here. A level that does not hold now, for want of a lock or of clearance, stays in
    sight, hatched, with the reason.
    """

    title = "Network"

    def __init__(self, look: Look, commander: Commander) -> None:
        super().__init__()
        self._look = look
        self._commander = commander
        self._shown: object = None
        self._latest: Latest | None = None
        self._now = math.nan
        self._heading = PlainLabel("Noise relative to shot noise")
        self._doubts = PlainLabel(wraps=True)
        self._readout = ReadoutPlot(look)
        self._advantage_heading = PlainLabel("Advantage against M")
        self._advantage = AdvantagePlot(look)
        self._lines = TextTable(look, ("Quantity", "Value"), right=(1,), wrapped={0: 1.0}, is_choosable=False)
        self._lines.horizontalHeader().hide()
        self._count = PlainLabel("Results")
        self._filter = FilterField("Filter (Ctrl+F): words of name, step …", self)
        headings = ("Result", "Value ± sigma", "Unit", "Convention", "Step", "Age", "Now")
        self._table = TextTable(look, headings, right=(1,), wrapped={3: 1.0})
        self._filter.textChanged.connect(self._table.filter)
        self._lay_out()
        self.use_look(look)

    # ---- layout -----------------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        left, right = QtWidgets.QVBoxLayout(), QtWidgets.QVBoxLayout()
        for part in (self._heading, self._doubts):
            left.addWidget(part)
        left.addWidget(self._readout, 1)
        right.addWidget(self._advantage_heading)
        right.addWidget(self._advantage, 1)
        right.addWidget(self._lines, 1)
        charts = QtWidgets.QHBoxLayout()
        charts.addLayout(left, 68)
        charts.addLayout(right, 32)
        bar = QtWidgets.QHBoxLayout()
        bar.addWidget(self._count)
        bar.addStretch(1)
        bar.addWidget(self._filter)
        page = QtWidgets.QVBoxLayout(self)
        page.addLayout(charts, 64)
        page.addLayout(bar)
        page.addWidget(self._table, 36)
        self._layouts = (page, charts, left, right, bar)

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look, self._shown = look, None
        dress(self, look)
        theme = look.theme
        for label in (self._heading, self._advantage_heading, self._count):
            label.dress(look, HEADING_UNITS, theme.text, bold=True)
        self._doubts.dress(look, TEXT_UNITS, theme.minor)
        self._filter.use_look(look)
        for part in (self._readout, self._advantage, self._lines, self._table):
            part.use_look(look)
        for layout in self._layouts:
            layout.setSpacing(look.px(6))
        self._layouts[1].setSpacing(look.px(12))
        edge = look.px(10)
        self._layouts[0].setContentsMargins(edge, edge, edge, edge)
        if self._latest is not None:
            self.show_latest(self._latest, self._now)

    # ---- what the core told -----------------------------------------------------------------------------------------

    def show_latest(self, latest: Latest, now: float) -> None:
        """Draw the results; ages and doubts are told anew once a second, the rest when the core told something new."""
        self._latest, self._now = latest, now
        rows, loops = latest.rows(ResultRow), latest.rows(LoopRow)
        standing = tuple((loop.name, loop.kind, loop.sensor, loop.state, self._is_stale(loop)) for loop in loops)
        shown = (rows, standing, latest.core is not None and latest.core.sensors, int(now))
        if shown == self._shown:
            return
        self._shown = shown
        results = network_results.by_name(rows)
        doubts = Doubts(results, loops, self._is_stale)
        self._show_levels(results, doubts)
        sensors = latest.core.sensors if latest.core else len(network_results.sensors_in(results))
        self._show_advantage(results, doubts, sensors)
        self._show_lines(results, doubts, sensors)
        self._show_table(results, doubts)

    def _is_stale(self, loop: LoopRow) -> bool:
        return self._latest is None or self._latest.is_stale(loop.looked_at, self._now)

    def _age_s(self, row: ResultRow) -> float:
        return self._latest.age_s(row.measured_at, self._now) if self._latest else math.nan

    def _show_levels(self, results: Mapping[str, ResultRow], doubts: Doubts) -> None:
        levels = network_results.levels(results, doubts)
        self._readout.show_levels(levels, self._sentence)
        self._doubts.say("\n".join(_why(levels, self._age_s)))
        self._doubts.setVisible(bool(self._doubts.text()))

    def _sentence(self, level: Level) -> str:
        row = level.result
        place = f"Sensor {level.sensor}, " if level.sensor else ""
        text = f"{place}{level.series.long}: {value_text(row.value, row.sigma, row.unit)}, from {row.source}"
        measured = f"measured {short_duration_text(self._age_s(row))} ago"
        return f"{text}. {HATCH} {level.doubt}: {measured}." if level.doubt else f"{text}, {measured}."

    def _show_advantage(self, results: Mapping[str, ResultRow], doubts: Doubts, sensors: int) -> None:
        points = network_results.advantages(results, doubts, sensors)
        joint = network_results.best_joint(results)
        self._advantage.show_points(points, joint.value if joint else None, _advantage_sentence)

    def _show_lines(self, results: Mapping[str, ResultRow], doubts: Doubts, sensors: int) -> None:
        rows = [
            *self._block("RMSE of the mean, √(V/4M)", network_results.errors_of_the_mean(results, doubts, sensors)),
            *self._block("Force resolution", network_results.forces(results)),
            *self._block("Weights in the sum", network_results.weights(results), NOT_MEASURED),
        ]
        self._lines.show_rows(rows)

    def _block(self, heading: str, lines: Sequence[Line], missing: str = NOT_MEASURED_YET) -> list[Row]:
        if not lines:
            return [Row(heading, (Cell(heading, bold=True), Cell(missing, self._look.theme.dim)))]
        rows = [Row(heading, (Cell(heading, bold=True), Cell("")))]
        for line in lines:
            text = value_text(line.value, line.sigma, line.unit)
            tip = ". ".join(part for part in (line.note, line.doubt and f"{HATCH} {line.doubt}") if part)
            colour = self._look.theme.dim if line.doubt else ""
            value = Cell(f"{HATCH} {text}" if line.doubt else text, colour, tip, hatched=bool(line.doubt))
            rows.append(Row(f"{heading}/{line.label}", (Cell(f"   {line.label}", "", tip), value)))
        return rows

    def _show_table(self, results: Mapping[str, ResultRow], doubts: Doubts) -> None:
        rows = [self._result(row, doubts.of(name)) for name, row in results.items()]
        self._table.show_rows(rows)
        self._count.say(f"Results ({len(rows)})" if rows else "Results: none yet")

    def _result(self, row: ResultRow, doubt: str) -> Row:
        theme = self._look.theme
        number = number_parts(row.value, row.sigma, row.unit)
        text = f"{number.value} ± {number.sigma}" if number.sigma else number.value
        unit = number.unit
        if number.own_sigma:
            text, unit = number.text, ""
        value = Cell(text, theme.dim if doubt else "", doubt, hatched=bool(doubt))
        now = Cell(f"{HATCH} not current", theme.minor, doubt) if doubt else Cell("")
        age = age_text(self._age_s(row))
        cells = (Cell(row.name), value, Cell(unit), Cell(row.convention or UNKNOWN_TEXT), Cell(row.source))
        return Row(row.name, (*cells, Cell(age), now))


def _why(levels: Sequence[Level], age_s: Callable[[ResultRow], float]) -> list[str]:
    """Return a line for each reason, with what it is about."""
    about: dict[str, list[Level]] = {}
    for level in sorted(levels, key=lambda level: level.sensor):
        if level.doubt:
            about.setdefault(level.doubt, []).append(level)
    lines = [f"{HATCH} {doubt}: {_measured(found, age_s)}: {_named(found)}" for doubt, found in about.items()]
    if len(lines) <= MOST_REASONS:
        return lines
    more = len(lines) - MOST_REASONS + 1
    return [*lines[: MOST_REASONS - 1], f"{HATCH} {more} more reasons: point at a mark to read its own"]


def _measured(levels: Sequence[Level], age_s: Callable[[ResultRow], float]) -> str:
    ages = [age_s(level.result) for level in levels]
    youngest, oldest = short_duration_text(min(ages)), short_duration_text(max(ages))
    return f"measured {youngest} ago" if youngest == oldest else f"measured {youngest} to {oldest} ago"


def _named(levels: Sequence[Level]) -> str:
    """Return what the levels are of, in few words: "raw, digital; conditional of sensors 1 to 4"."""
    sums = ", ".join(level.series.short for level in levels if not level.sensor)
    of_sensors: dict[str, list[int]] = {}
    for level in levels:
        if level.sensor:
            of_sensors.setdefault(level.series.short, []).append(level.sensor)
    by_sensors: dict[str, list[str]] = {}
    for kind, sensors in of_sensors.items():
        by_sensors.setdefault(_numbers(sensors), []).append(kind)
    parts = [f"{', '.join(kinds)} of {numbers}" for numbers, kinds in by_sensors.items()]
    return "; ".join([sums, *parts] if sums else parts)


def _numbers(sensors: Sequence[int]) -> str:
    if len(sensors) == 1:
        return f"sensor {sensors[0]}"
    if list(sensors) == list(range(sensors[0], sensors[-1] + 1)):
        return f"sensors {sensors[0]} to {sensors[-1]}"
    return "sensors " + ", ".join(str(number) for number in sensors)


def _advantage_sentence(point: Advantage) -> str:
    text = f"{point.series.long}: {value_text(point.value, point.sigma, 'dB')} below the mean of one sensor alone"
    text += f", with {point.sensors} sensors"
    return f"{text}. {HATCH} {point.doubt}." if point.doubt else f"{text}."
