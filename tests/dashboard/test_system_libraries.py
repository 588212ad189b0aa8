"""The check before Qt: what is missing is named, with its package."""

from __future__ import annotations

import subprocess
import sys

import pytest

from labctl.dashboard.system_libraries import check_system_libraries
from labctl.errors import LabError

OFFSCREEN = {"QT_QPA_PLATFORM": "offscreen", "PYQTGRAPH_QT_LIB": "PyQt5"}
SCREEN = {"DISPLAY": ":0", "PYQTGRAPH_QT_LIB": "PyQt5"}


def check(environment: dict[str, str], *missing: str, system: str = "linux", answers: bool = True) -> None:
    check_system_libraries(
        environment, system, is_there=lambda name: name not in missing, answers=lambda display: answers
    )


def test_it_passes_where_nothing_is_missing() -> None:
    check(OFFSCREEN)
    check(SCREEN)
    check({"WAYLAND_DISPLAY": "wayland-0", "PYQTGRAPH_QT_LIB": "PyQt5"})


def test_this_machine_passes_in_truth() -> None:
    check_system_libraries(OFFSCREEN)


def test_missing_libraries_are_named_with_their_packages() -> None:
    with pytest.raises(LabError, match=r"lacks libGL\.so\.1.*apt-get install libfontconfig1 libgl1$"):
        check(OFFSCREEN, "libGL.so.1", "libfontconfig.so.1")
    with pytest.raises(LabError, match=r"\(xcb\).*apt-get install libxcb-icccm4 libxkbcommon-x11-0$"):
        check(SCREEN, "libxcb-icccm.so.4", "libxkbcommon-x11.so.0")
    check(OFFSCREEN, "libxcb-icccm.so.4")  # needs it not


@pytest.mark.parametrize("platform", ["xcb", "xcb;wayland", "xcb:nativePainting"])
def test_the_platform_is_the_one_that_qt_takes(platform: str) -> None:
    with pytest.raises(LabError, match=r"\(xcb\)"):
        check({**OFFSCREEN, "QT_QPA_PLATFORM": platform}, "libX11-xcb.so.1")


def test_without_a_screen_it_says_so() -> None:
    with pytest.raises(LabError, match="neither DISPLAY nor WAYLAND_DISPLAY is set"):
        check({"PYQTGRAPH_QT_LIB": "PyQt5"})
    with pytest.raises(LabError, match="No X server answers on DISPLAY=':0'"):
        check(SCREEN, answers=False)


def test_an_x_server_that_is_not_there_does_not_answer() -> None:
    with pytest.raises(LabError, match="No X server answers"):
        check_system_libraries({**SCREEN, "DISPLAY": ":987"}, "linux", is_there=lambda name: True)


def test_a_binding_that_is_not_installed_is_named() -> None:
    with pytest.raises(LabError, match=r'needs? NoQtAtAll.*pip install "labctl\[gui\]"'):
        check({**OFFSCREEN, "PYQTGRAPH_QT_LIB": "NoQtAtAll"})


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_elsewhere_it_checks_nothing(system: str) -> None:
    check({"PYQTGRAPH_QT_LIB": "PyQt5"}, "libGL.so.1", system=system)


def test_it_loads_no_qt_and_neither_does_the_way_to_it() -> None:
    code = (
        "import sys, labctl.dashboard.application as a, labctl.dashboard.system_libraries as s\n"
        f"s.check_system_libraries({OFFSCREEN!r})\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('PyQt5', 'PyQt6', 'PySide6', 'pyqtgraph')])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == "[]"
