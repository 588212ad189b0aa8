"""The operator's screens, in Qt: they know a core only by what its bus tells, and change it only by commands.

Widgets take `Latest` (what the core told last) and a `Look` (theme and sizes), and send commands through a `Commander`.
Qt comes through `pyqtgraph.Qt`, so that PyQt5, PyQt6 and PySide6 all do.
"""
