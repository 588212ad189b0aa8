"""pymeasure's own window runs a labctl procedure on the simulated table, offscreen.

Skipped where PyQt5 or a library that it needs is missing; no other test needs Qt.
"""

from __future__ import annotations

import gc
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ideal_table import open_table, station_at
from pymeasure.experiment import Results, unique_filename
from pymeasure.experiment.procedure import Procedure

from procedures.base import LabProcedure
from procedures.bench import Bench, MemoryRecord
from procedures.catalogue import parameters_of
from procedures.lock_homodyne import LockHomodyne
from procedures.warm_oven import WarmOven

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("QT_API", "pyqt5")

PATIENCE_MS = 60_000
POLL_MS = 20
# Qt aborts the process where a library of its platform plugin is missing, so another process tries first.
PROBE = "from PyQt5.QtWidgets import QApplication; import pymeasure.display.windows; QApplication([])"

pytestmark = pytest.mark.filterwarnings("ignore")  # of pymeasure, qtpy and pyqtgraph; labctl's own fail elsewhere


@cache
def missing_for_qt() -> str:
    """Return why Qt cannot be used here, or nothing."""
    command = [sys.executable, "-W", "ignore", "-c", PROBE]
    tried = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if tried.returncode == 0:
        return ""
    told = (tried.stderr or tried.stdout).strip().splitlines()
    return told[-1] if told else f"the process ended with {tried.returncode}"


@pytest.fixture(scope="module")
def application() -> Iterator[Any]:
    """The one QApplication of this process; a strong reference to it lives as long as the tests of this file."""
    reason = missing_for_qt()
    if reason:
        pytest.skip(f"Qt cannot start here ({reason}); on Debian install libgl1 libglib2.0-0 libfontconfig1.")
    from PyQt5.QtWidgets import QApplication

    running = QApplication.instance() or QApplication([])
    yield running
    flush(running)


def flush(application: Any) -> None:
    """Let Qt delete what was marked for it, before Python's garbage collector gets there."""
    from PyQt5.QtCore import QCoreApplication, QEvent

    for _ in range(3):
        application.processEvents()
        QCoreApplication.sendPostedEvents(None, QEvent.DeferredDelete)
    gc.collect()


def wait_until(application: Any, done: Callable[[], bool]) -> None:
    """Serve events until `done`. Fails after a minute."""
    from PyQt5.QtCore import QElapsedTimer, QEventLoop

    timer = QElapsedTimer()
    timer.start()
    while not done():
        assert timer.elapsed() < PATIENCE_MS, "the window was not done in time"
        application.processEvents(QEventLoop.AllEvents, POLL_MS)


@pytest.fixture
def window(application: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Return a maker of windows; all are closed and deleted at the end."""
    from pymeasure.display.windows import ManagedWindow

    made: list[Any] = []
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)

    class LabWindow(ManagedWindow):  # type: ignore[misc]
        """Queues into the folder of the test."""

        def queue(self, procedure: Procedure | None = None) -> None:
            filename = unique_filename(str(tmp_path), prefix="night")
            results = Results(procedure or self.make_procedure(), filename)
            self.manager.queue(self.new_experiment(results))

    def make(procedure: type[LabProcedure], x: str, y: str) -> Any:
        names = list(parameters_of(procedure))
        made.append(
            LabWindow(
                procedure_class=procedure,
                inputs=names,
                displays=names,
                x_axis=x,
                y_axis=y,
                enable_file_input=False,
            )
        )
        made[-1].show()
        return made[-1]

    yield make
    for handler in [handler for handler in root.handlers if handler not in handlers]:
        root.removeHandler(handler)  # a window never takes back the one that writes into its log
    root.setLevel(level)
    for each in made:
        if each.manager.is_running():
            each.manager.abort()
            wait_until(application, lambda each=each: not each.manager.is_running())
        each.close()
        each.deleteLater()
    made.clear()
    flush(application)


@pytest.fixture(scope="module")
def warm_bench() -> Iterator[Bench]:
    opened = open_table(station_at(12))
    bench = Bench.of(opened.station, MemoryRecord())
    for loop in bench.loops.source:
        loop.acquire()
    yield bench
    opened.station.close()


@pytest.fixture
def cold_bench() -> Iterator[Bench]:
    opened = open_table(station_at(13), warmed=False)
    yield Bench.of(opened.station, MemoryRecord())
    opened.station.close()


def experiment(window: Any) -> Any:
    """Return the one experiment of a window."""
    (only,) = window.manager.experiments.queue
    return only


def run(application: Any, window: Any) -> Results:
    """Queue what the inputs say, wait for the end, and return the results."""
    ended: list[Any] = []
    for signal in (window.manager.finished, window.manager.failed, window.manager.abort_returned):
        signal.connect(ended.append)
    window.queue_button.click()
    wait_until(application, lambda: bool(ended))
    return experiment(window).results


def test_the_oven_warms_from_a_window(application: Any, window: Callable[..., Any], cold_bench: Bench) -> None:
    shown = window(WarmOven.bind(cold_bench), "Lab time (s)", "Temperature")
    inputs = {"target": 25.4, "ramp": 0.02, "tolerance": 0.02, "window": 6.0, "patience": 600.0}
    for name, value in inputs.items():
        getattr(shown.inputs, name).setValue(value)
    results = run(application, shown)
    assert results.procedure.status == Procedure.FINISHED
    assert {name: getattr(results.procedure, name) for name in inputs} == pytest.approx(inputs)
    rows = results.data
    assert list(rows.columns) == WarmOven.DATA_COLUMNS
    assert len(rows) >= 5
    assert rows["Lab time (s)"].is_monotonic_increasing
    assert rows["Temperature"].iloc[-1] == pytest.approx(25.4, abs=0.02)
    (file,) = Path(results.data_filename).parent.glob("night*.csv")
    lines = file.read_text(encoding="utf-8").splitlines()
    assert any(line.strip() == "#Procedure: <procedures.warm_oven.WarmOven>" for line in lines)
    assert sum(not line.startswith("#") for line in lines) == len(rows) + 1
    assert "oven.temperature_c" in cold_bench.record.results()
    assert experiment(shown).browser_item.progressbar.value() == 100


def test_a_homodyne_phase_is_locked_from_a_window(
    application: Any, window: Callable[..., Any], warm_bench: Bench
) -> None:
    shown = window(LockHomodyne.bind(warm_bench), "Lab time (s)", "Residual")
    shown.inputs.sensor.setValue(3)
    results = run(application, shown)
    assert results.procedure.status == Procedure.FINISHED
    assert results.data["Residual"].tolist() == [pytest.approx(0.011, abs=0.01)]
    assert warm_bench.loops.of_sensor(3).verify().locked
    assert warm_bench.station.leases.holders() == {}


def test_a_procedure_that_fails_frees_its_window_and_its_roles(
    application: Any, window: Callable[..., Any], warm_bench: Bench
) -> None:
    shown = window(LockHomodyne.bind(warm_bench), "Lab time (s)", "Residual")
    shown.inputs.sensor.setValue(9)  # the table has four
    results = run(application, shown)
    assert results.procedure.status == Procedure.FAILED
    assert warm_bench.station.leases.holders() == {}
    assert not shown.manager.is_running()


def test_a_window_can_abort(application: Any, window: Callable[..., Any], cold_bench: Bench) -> None:
    shown = window(WarmOven.bind(cold_bench), "Lab time (s)", "Temperature")
    shown.inputs.ramp.setValue(0.0001)  # a day
    shown.inputs.patience.setValue(86_400.0)
    ended: list[Any] = []
    shown.manager.abort_returned.connect(ended.append)
    shown.queue_button.click()
    wait_until(application, lambda: shown.manager.is_running() and len(experiment(shown).results.data) > 3)
    shown.abort_button.click()
    wait_until(application, lambda: bool(ended))
    assert experiment(shown).results.procedure.status == Procedure.ABORTED
    assert cold_bench.station.leases.holders() == {}
    assert "oven.temperature_c" not in cold_bench.record.results()


def test_the_inputs_are_made_from_the_parameters(
    application: Any, window: Callable[..., Any], cold_bench: Bench
) -> None:
    shown = window(WarmOven.bind(cold_bench), "Lab time (s)", "Temperature")
    for name, parameter in parameters_of(WarmOven).items():
        element = getattr(shown.inputs, name)
        assert element.value() == parameter.value
        assert element.minimum() == parameter.minimum
        assert element.maximum() == parameter.maximum
        if parameter.units:
            assert parameter.units in element.suffix()
    made = shown.make_procedure()
    assert isinstance(made, WarmOven)
    assert made.on_bench is cold_bench
