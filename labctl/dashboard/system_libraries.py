"""Looks, before Qt does, whether this machine has what Qt needs to show a window: Qt itself would abort the program.

Imports no Qt. Only Linux needs the check; elsewhere the wheels of Qt bring all that they need.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from typing import Final

from labctl.errors import LabError

BINDINGS: Final = ("PyQt6", "PySide6", "PyQt5")  # in the order in which pyqtgraph takes them

EVERY_PLATFORM: Final = {
    "libGL.so.1": "libgl1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libX11.so.6": "libx11-6",
    "libXext.so.6": "libxext6",
}
BY_PLATFORM: Final[Mapping[str, Mapping[str, str]]] = {
    "offscreen": {},
    "xcb": {
        "libX11-xcb.so.1": "libx11-xcb1",
        "libxcb.so.1": "libxcb1",
        "libxcb-icccm.so.4": "libxcb-icccm4",
        "libxcb-image.so.0": "libxcb-image0",
        "libxcb-keysyms.so.1": "libxcb-keysyms1",
        "libxcb-randr.so.0": "libxcb-randr0",
        "libxcb-render.so.0": "libxcb-render0",
        "libxcb-render-util.so.0": "libxcb-render-util0",
        "libxcb-shape.so.0": "libxcb-shape0",
        "libxcb-shm.so.0": "libxcb-shm0",
        "libxcb-sync.so.1": "libxcb-sync1",
        "libxcb-xfixes.so.0": "libxcb-xfixes0",
        "libxcb-xinerama.so.0": "libxcb-xinerama0",
        "libxcb-xkb.so.1": "libxcb-xkb1",
        "libxkbcommon.so.0": "libxkbcommon0",
        "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
        "libdbus-1.so.3": "libdbus-1-3",
    },
    "wayland": {
        "libwayland-client.so.0": "libwayland-client0",
        "libwayland-cursor.so.0": "libwayland-cursor0",
        "libxkbcommon.so.0": "libxkbcommon0",
        "libdbus-1.so.3": "libdbus-1-3",
    },
}
QT6_TOO: Final[Mapping[str, Mapping[str, str]]] = {
    "offscreen": {"libEGL.so.1": "libegl1"},
    "xcb": {"libEGL.so.1": "libegl1", "libxcb-cursor.so.0": "libxcb-cursor0"},
    "wayland": {"libEGL.so.1": "libegl1"},
}


def check_system_libraries(
    environment: Mapping[str, str] = os.environ,
    system: str = sys.platform,
    *,
    is_there: Callable[[str], bool] | None = None,
    answers: Callable[[str], bool] | None = None,
) -> None:
    """Raise `LabError`, which names what to install or to set, if no window can be shown.

    `is_there` tells whether a shared library loads and `answers` whether an X server does, for tests.
    """
    binding = _binding(environment)
    if not system.startswith("linux"):
        return
    platform = _platform(environment)
    wanted = {**EVERY_PLATFORM, **BY_PLATFORM.get(platform, {})}
    if binding.endswith("6"):
        wanted |= QT6_TOO.get(platform, {})
    missing = {name: package for name, package in wanted.items() if not (is_there or _loads)(name)}
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        raise LabError(
            f"Qt cannot show a window ({platform}): this machine lacks {', '.join(missing)}.",
            remedy=f"On Debian or Ubuntu: sudo apt-get install {packages}",
        )
    display = environment.get("DISPLAY", "")
    if platform == "xcb" and not (answers or _x_answers)(display):
        raise LabError(
            f"No X server answers on DISPLAY={display!r}.",
            remedy="Log in at the screen, or use ssh -X, or set DISPLAY to a screen that is yours.",
        )


def _binding(environment: Mapping[str, str]) -> str:
    asked = environment.get("PYQTGRAPH_QT_LIB", "")
    found = [name for name in ((asked,) if asked else BINDINGS) if importlib.util.find_spec(name)]
    if not found or not importlib.util.find_spec("pyqtgraph"):
        lacking = "pyqtgraph" if found else asked or "Qt"
        raise LabError(f"The screens need {lacking}, which is not installed.", remedy='pip install "labctl[gui]"')
    return found[0]


def _platform(environment: Mapping[str, str]) -> str:
    """Return the platform plugin that Qt will take."""
    asked = environment.get("QT_QPA_PLATFORM", "").split(";")[0].split(":")[0]
    if asked:
        return asked.split("-")[0]
    if environment.get("DISPLAY"):
        return "xcb"
    if environment.get("WAYLAND_DISPLAY"):
        return "wayland"
    raise LabError(
        "There is no screen: neither DISPLAY nor WAYLAND_DISPLAY is set.",
        remedy="Log in at the screen, or use ssh -X; without a screen use the commands of labctl instead.",
    )


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _x_answers(display: str) -> bool:
    xcb = ctypes.CDLL("libxcb.so.1")
    xcb.xcb_connect.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(xcb.xcb_connect(display.encode() or None, None))
    is_faulty = bool(xcb.xcb_connection_has_error(connection))
    xcb.xcb_disconnect(connection)
    return not is_faulty
