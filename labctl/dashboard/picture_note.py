"""A picture of the window and its main numbers, for the log book."""

from __future__ import annotations

import base64
import time
from typing import Final

from pyqtgraph.Qt import QtCore, QtWidgets

from labctl.bus.latest import Latest
from labctl.dashboard.header_texts import alarms_said, live_said, run_said

LARGEST: Final = 12 * 2**20  # characters of a picture that a note takes


def picture_of(widget: QtWidgets.QWidget) -> str:
    """Return what `widget` shows as a PNG in base64."""
    kept = QtCore.QByteArray()
    buffer = QtCore.QBuffer(kept)
    buffer.open(QtCore.QIODevice.OpenModeFlag.WriteOnly)
    widget.grab().save(buffer, "PNG")
    buffer.close()
    return base64.b64encode(bytes(kept.data())).decode("ascii")


def note_text(name: str, page: str, latest: Latest, now: float) -> str:
    """Return the lines beside the picture: where, when, and what the header says."""
    run, live, alarms = run_said(latest, now), live_said(latest, now), alarms_said(latest, now)
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
    lines = [
        f"Picture of page {page} of {name}, {when}, {live.mark.word} {' '.join(live.detail.split())}",
        f"{run.title.text} · {run.progress}" if run.progress else run.title.text,
        f"{alarms.heading.text} {alarms.worst}".strip(),
    ]
    return "\n".join(lines)[:2000]
