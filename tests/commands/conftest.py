"""A short night: the whole way from a cold table to results, with few averages."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from in_process import run_labctl

from labctl.configuration.templates import template_directory

SHORT_RECIPE = Path(__file__).parent / "short_recipe.toml"
SHORT_STEPS = 15  # of that recipe, for four sensors


@pytest.fixture(scope="session")
def short_recipe() -> Path:
    """The recipe of a short night; nobody may change it."""
    return SHORT_RECIPE


@pytest.fixture(scope="session")
def finished_night(short_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short night that ended as it should; nobody may change it. The processes of one test run share
    it; two that want it at once each make one."""
    note = tmp_path_factory.getbasetemp().parent / f"finished-night-{os.environ.get('PYTEST_XDIST_TESTRUNUID', '')}"
    if note.exists():
        return Path(note.read_text(encoding="utf-8"))
    runs = tmp_path_factory.mktemp("night")
    done = run_labctl("overnight", "--recipe", short_recipe, "--runs", runs, "--no-report")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Run complete, {SHORT_STEPS} of {SHORT_STEPS} steps." in done.stdout
    assert "of lab time in" in done.stdout
    (folder,) = [path for path in runs.iterdir() if path.is_dir()]
    if "PYTEST_XDIST_TESTRUNUID" in os.environ:
        written = runs / "note"
        written.write_text(str(folder), encoding="utf-8")
        written.replace(note)
    return folder


@pytest.fixture
def station_with(tmp_path: Path) -> Callable[[str], Path]:
    """Return a maker of station files that extend the simulated table."""

    def make(text: str) -> Path:
        path = tmp_path / "station.toml"
        path.write_text(f'extends = "{template_directory() / "simulated.toml"}"\n{text}', encoding="utf-8")
        return path

    return make


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of a report are made but not rendered, which takes seconds; the tests of the report render them."""
    monkeypatch.setattr("labctl.report.figures.as_data_uri", lambda figure: "data:image/svg+xml;base64,PHN2Zy8+")
