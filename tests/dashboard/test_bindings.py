"""The window goes with every binding of Qt that is installed, each in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from bindings_tour import NOT_THIS_ONE

TOUR = Path(__file__).with_name("bindings_tour.py")
WITHIN_S = 60.0


@pytest.mark.parametrize("binding", ["PyQt6", "PySide6"])
def test_every_page_dialog_and_theme_is_shown(binding: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(binding) is None:
        pytest.skip(f"{binding} is not installed")
    environment = {
        **os.environ, "PYQTGRAPH_QT_LIB": binding, "QT_QPA_PLATFORM": "offscreen", "XDG_RUNTIME_DIR": str(tmp_path),
    }  # fmt: skip
    tour = subprocess.run(
        [sys.executable, str(TOUR)], env=environment, capture_output=True, text=True, timeout=WITHIN_S, check=False
    )
    if tour.returncode == NOT_THIS_ONE:
        pytest.skip(f"this {binding} takes references from None on this Python")
    assert (tour.returncode, tour.stdout.splitlines()[-1:]) == (0, [binding]), tour.stdout + tour.stderr
