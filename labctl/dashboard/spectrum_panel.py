"""The spectrum panel: live noise of all homodyne channels against shot noise, with trace modes and markers."""

from __future__ import annotations

import time
from collections.abc import Callable

from pyqtgraph.Qt import QtCore, QtGui, QtWidgets

from labctl.bus.latest import Latest
from labctl.dashboard.channel_chooser import ChannelChooser
from labctl.dashboard.look import Look
from labctl.dashboard.marker_readouts import readout_cells, shown_markers
from labctl.dashboard.markers import MarkerKind, MarkerSet
from labctl.dashboard.spectrum_controls import ModeRow, TraceButton, TraceRow, plain_style
from labctl.dashboard.spectrum_plot import SpectrumPlot
from labctl.dashboard.spectrum_text import age, clock_time, head_parts, notes
from labctl.dashboard.text_strip import Cell, TextStrip
from labctl.dashboard.trace_lines import fitting_range
from labctl.dashboard.trace_modes import TraceMode
from labctl.dashboard.trace_picture import DARK_DASHES, DOTS, Picture
from labctl.dashboard.trace_store import MOST_DETECTORS, Trace, TraceStore
from labctl.dashboard.trace_style import TraceStyle, style_of

RELATIVE, ABSOLUTE = "dB rel. shot noise", "dBm/Hz (50 Ω)"
COARSE_STEP = 10  # bins that an arrow key moves a marker together with Shift
FIT_BINS = 200  # in which the range of levels is judged: without the scatter of the finest bins


class SpectrumPanel(QtWidgets.QWidget):  # type: ignore[misc]
    """Shows the spectra of a core; asks nothing of it. `settings_requested` asks for the dialog with its settings.

    `data_age_s` is how old the newest spectrum was at the end of the last painting; nan before the first.
    """

    settings_requested = QtCore.Signal()

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.data_age_s = float("nan")
        self._look = look
        self._store, self._markers = TraceStore(), MarkerSet()
        self._latest: Latest = Latest()
        self._now = 0.0
        self._shown_at = 0.0  # perf_counter
        self._traces: tuple[Trace, ...] = ()
        self._stale: dict[str, str] = {}
        self._labels: dict[str, tuple[str, ...]] = {}
        self._selected = self._chosen = ""  # the second by the operator
        self._wants_relative = True
        self._follows_x = self._follows_y = True
        self.chooser: ChannelChooser | None = None
        self._build()
        self.use_look(look)

    def _build(self) -> None:
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
        self.head = TextStrip("Settings of the selected trace", separator="│")
        self.readouts = TextStrip("Markers", rows=2)
        self.plot = SpectrumPlot(self._moved, self._painted)
        self.plot.setFocusProxy(self)
        self.plot.box.drag, self.plot.box.select = self._drag_marker, self._select_marker
        self.plot.box.show_all = self._show_all
        self.trace_row = TraceRow(self._select, self._redraw, self._open_chooser, self.settings_requested.emit)
        actions: dict[str, Callable[[], None]] = {
            "restart": lambda: self.spectrum_key("A"),
            "marker": lambda: self.spectrum_key("M"),
            "delta": lambda: self.spectrum_key("D"),
            "peak": lambda: self.spectrum_key("P"),
            "next": lambda: self.spectrum_key("N"),
            "noise": self._toggle_noise,
            "remove": self._remove_marker,
            "relative": lambda: self.spectrum_key("R"),
            "auto": self._toggle_auto,
        }
        self.mode_row = ModeRow(self._use_mode, actions, self._levels_typed)
        self._column = QtWidgets.QVBoxLayout(self)
        for widget in (self.head, self.trace_row, self.mode_row):
            self._column.addWidget(widget)
        self._column.addWidget(self.plot, 1)
        self._column.addWidget(self.readouts)

    # ---- what the window asks ---------------------------------------------------------------------------------------

    def show_latest(self, latest: Latest, now: float) -> None:
        """Draw what is new; does nothing where neither a spectrum nor its age in words changed."""
        self._latest, self._now, self._shown_at = latest, now, time.perf_counter()
        changed = self._store.take(latest)
        if changed:
            self._traces = self._store.traces()
        stale, labels = self._freshness(latest, now)
        if changed or stale != self._stale or labels != self._labels:
            self._stale, self._labels = stale, labels
            self._draw()

    def use_look(self, look: Look) -> None:
        """Take another theme or other sizes."""
        self._look = look
        palette = self.palette()
        palette.setColor(QtGui.QPalette.ColorRole.Window, QtGui.QColor(look.theme.panel))
        self.setPalette(palette)
        self.setAutoFillBackground(True)
        edge = look.px(8)
        self._column.setContentsMargins(edge, look.px(4), edge, look.px(4))
        self._column.setSpacing(look.px(4))
        for part in (self.head, self.trace_row, self.mode_row, self.plot, self.readouts):
            part.use_look(look)
        self._draw()

    def spectrum_key(self, letter: str) -> None:
        """Do what a key says: M marker, D delta, P peak, N next peak, H max hold, A restart averaging, R relative."""
        actions = {
            "M": self._add_marker,
            "D": self._add_delta,
            "P": lambda: self._to_peak(False),
            "N": lambda: self._to_peak(True),
            "H": self._toggle_hold,
            "A": self._restart,
            "R": self._toggle_relative,
        }
        action = actions.get(letter.upper())
        if action is not None:
            action()
            self._redraw()

    @property
    def is_relative(self) -> bool:
        """Return whether levels are shown relative to shot noise; that needs the shot noise of one trace at least."""
        return self._wants_relative and (not self._traces or any(trace.shot is not None for trace in self._traces))

    # ---- drawing ----------------------------------------------------------------------------------------------------

    def _freshness(self, latest: Latest, now: float) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
        """Return when the stale traces were alive last, and the second line of the labels that have one."""
        stale: dict[str, str] = {}
        labels: dict[str, tuple[str, ...]] = {}
        for trace in self._traces:
            if trace.mode is TraceMode.VIEW:
                labels[trace.channel] = ("view", clock_time(trace.taken_at, latest))
            elif latest.is_stale(trace.taken_at, now):
                stale[trace.channel] = clock_time(trace.taken_at, latest)
                labels[trace.channel] = (f"STALE {age(latest.age_s(trace.taken_at, now))}",)
        return stale, labels

    def _redraw(self) -> None:
        self._traces = self._store.traces()
        self._stale, self._labels = self._freshness(self._latest, self._now)
        self._draw()

    def _draw(self) -> None:
        channels = self._store.channels
        if self._chosen not in channels:  # the sum matters most, and comes after the detectors
            self._chosen = ""
        self._selected = self._chosen or ("joint" if "joint" in channels else next(iter(channels), ""))
        relative = self.is_relative
        shown = [trace for trace in self._traces if not relative or trace.shot is not None]
        self._fit(shown, relative)
        self.plot.show_picture(self._picture(shown, relative), RELATIVE if relative else ABSOLUTE)
        self._show_controls(relative)
        self._show_head(relative)
        self._show_readouts(relative)

    def _styles(self) -> dict[str, TraceStyle]:
        return {
            channel: style_of(channel, place, self._look.theme) for place, channel in enumerate(self._store.channels)
        }

    def _picture(self, shown: list[Trace], relative: bool) -> Picture:
        styles, theme = self._styles(), self._look.theme
        without = [trace.channel for trace in self._traces if trace.shot is None]
        items = []
        for trace in shown:
            style, extra = styles[trace.channel], self._labels.get(trace.channel, ())
            items.append((trace, style, (style.name, *extra), bool(extra)))
        return Picture(
            tuple(items),
            *(self._selected, relative),
            plain_style("shot", theme, DOTS) if self.trace_row.shot.isChecked() else None,
            plain_style("dark", theme, DARK_DASHES) if self.trace_row.dark.isChecked() else None,
            tuple(notes(self._traces, without, relative, self._stale, self._wants_relative)),
            shown_markers(self._markers, {trace.channel: trace for trace in self._traces}, relative, styles),
            "" if self._traces else "no spectra yet" if not self._store.channels else "all traces are blank",
        )

    def _fit(self, shown: list[Trace], relative: bool) -> None:
        if not shown:
            return
        low = min(float(trace.frequency_hz[0]) for trace in shown if len(trace.frequency_hz))
        high = max(float(trace.frequency_hz[-1]) for trace in shown if len(trace.frequency_hz))
        self.plot.limit(low, high, max(len(trace.frequency_hz) for trace in shown))
        if self._follows_x and self.plot.x_range != (low, high):
            self.plot.box.setXRange(low, high, padding=0)
        if self._follows_y:
            picture = self._picture(shown, relative)
            lines = [line.y_db for line in picture.lines(*self.plot.x_range, FIT_BINS)]
            wanted = fitting_range(lines, self.plot.y_range)
            if wanted != self.plot.y_range:
                self.plot.box.setYRange(*wanted, padding=0)

    def _show_controls(self, relative: bool) -> None:
        styles = self._styles()
        buttons = tuple(
            TraceButton(channel, styles[channel], self._store.mode(channel), channel == self._selected)
            for channel in self._store.channels
        )
        self.trace_row.show_buttons(buttons, len(self._store.detectors) > MOST_DETECTORS)
        mode = self._store.mode(self._selected) if self._selected else TraceMode.WRITE
        for each, button in self.mode_row.modes.items():
            button.setChecked(each is mode)
        current = self._markers.current
        self.mode_row.markers["noise"].setChecked(current is not None and current.kind is MarkerKind.NOISE)
        self.mode_row.relative.setChecked(relative)
        self.mode_row.auto.setChecked(self._follows_x and self._follows_y)
        self.mode_row.show_levels(*self.plot.y_range)

    def _show_head(self, relative: bool) -> None:
        theme, trace = self._look.theme, self._trace(self._selected)
        if trace is None:
            self.head.show_cells([Cell("no spectrum" if not self._selected else "blank", theme.dim)])
            return
        shot_age = "" if trace.shot is None else age(self._latest.age_s(trace.shot.spectrum.taken_at, self._now))
        parts = head_parts(trace, RELATIVE if relative else ABSOLUTE, self.plot.x_range, shot_age)
        cells = [Cell(parts[0], self._styles()[self._selected].colour, bold=True)]
        self.head.show_cells(cells + [Cell(part, theme.text) for part in parts[1:]])

    # ---- markers ----------------------------------------------------------------------------------------------------

    def _trace(self, channel: str) -> Trace | None:
        return next((trace for trace in self._traces if trace.channel == channel), None)

    def _show_readouts(self, relative: bool) -> None:
        shown = {trace.channel: trace for trace in self._traces}
        styles, theme = self._styles(), self._look.theme
        self.readouts.show_cells(readout_cells(self._markers, shown, relative, self._stale, styles, theme))

    def _add_marker(self) -> None:
        trace = self._trace(self._selected)
        if trace is not None:
            self._markers.add(trace.channel, sum(self.plot.x_range) / 2)

    def _add_delta(self) -> None:
        if self._markers.current is None:
            self._add_marker()
        self._markers.add_delta()

    def _to_peak(self, lower: bool) -> None:
        if self._markers.current is None:
            self._add_marker()
        current = self._markers.current
        trace = None if current is None else self._trace(current.channel)
        if trace is not None:
            self._markers.to_peak(trace, *self.plot.x_range, self.is_relative and trace.shot is not None, lower)

    def _toggle_noise(self) -> None:
        self._markers.toggle_noise()
        self._redraw()

    def _remove_marker(self) -> None:
        self._markers.remove()
        self._redraw()

    def _drag_marker(self, number: int, frequency_hz: float) -> None:
        low, high = self.plot.x_range
        self._markers.move(number, min(max(frequency_hz, low), high))
        self._redraw()

    def _select_marker(self, number: int) -> None:
        self._markers.selected = number
        self._redraw()

    # ---- traces and scale -------------------------------------------------------------------------------------------

    def _select(self, channel: str) -> None:
        self._chosen = channel
        self._redraw()

    def _use_mode(self, mode: TraceMode) -> None:
        if self._selected:
            self._store.use_mode(self._selected, mode)
        self._redraw()

    def _toggle_hold(self) -> None:
        if self._selected:
            held = self._store.mode(self._selected) is TraceMode.MAX_HOLD
            self._store.use_mode(self._selected, TraceMode.WRITE if held else TraceMode.MAX_HOLD)

    def _restart(self) -> None:
        """Restart all averages and holds; where there is none, begin to average the selected trace."""
        if not self._store.restart() and self._selected:
            self._store.use_mode(self._selected, TraceMode.AVERAGE)

    def _toggle_relative(self) -> None:
        self._wants_relative = not self._wants_relative
        self._follows_y = True

    def _moved(self) -> None:
        """Keep what the operator set by the mouse: the view no longer follows."""
        self._follows_x = self._follows_y = False
        self._redraw()

    def _show_all(self) -> None:
        self._follows_x = self._follows_y = True
        self._redraw()

    def _toggle_auto(self) -> None:
        self._follows_x = self._follows_y = not (self._follows_x and self._follows_y)
        self._redraw()

    def _levels_typed(self) -> None:
        low, high = self.mode_row.low.value(), self.mode_row.high.value()
        if high > low:
            self._follows_y = False
            self.plot.box.setYRange(low, high, padding=0)
        self._redraw()

    def _open_chooser(self) -> None:
        button = self.trace_row.chooser
        self.chooser = ChannelChooser(self._store.detectors, self._store.chosen, self._look, self._choose)
        self.chooser.move(button.mapToGlobal(QtCore.QPoint(0, button.height())))
        self.chooser.show()

    def _choose(self, channels: list[str]) -> None:
        self._store.choose(channels)
        self._redraw()

    # ---- events -----------------------------------------------------------------------------------------------------

    def _painted(self) -> None:
        taken = [trace.taken_at for trace in self._traces if trace.mode is not TraceMode.VIEW]
        if taken:
            now = self._now + time.perf_counter() - self._shown_at
            self.data_age_s = self._latest.age_s(max(taken), now)

    def keyPressEvent(self, ev: QtGui.QKeyEvent) -> None:  # noqa: N802
        """Move the selected marker by a bin with the arrows (ten with Shift), remove it with Del, next peak with N."""
        key, keys = ev.key(), QtCore.Qt.Key
        current = self._markers.current
        trace = None if current is None else self._trace(current.channel)
        if key in (keys.Key_Left, keys.Key_Right) and trace is not None:
            coarse = bool(ev.modifiers() & QtCore.Qt.KeyboardModifier.ShiftModifier)
            bins = (COARSE_STEP if coarse else 1) * (1 if key == keys.Key_Right else -1)
            self._markers.step(trace, bins)
            self._redraw()
        elif key in (keys.Key_Delete, keys.Key_Backspace) and current is not None:
            self._remove_marker()
        elif key == keys.Key_N:
            self.spectrum_key("N")
        else:
            super().keyPressEvent(ev)
