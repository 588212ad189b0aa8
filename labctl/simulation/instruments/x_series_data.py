"""How a simulated X-series analyzer writes traces: unit, ASCII or block, byte order."""

from __future__ import annotations

import math

import numpy as np

from labctl.simulation.analyzer_noise import FloatArray
from labctl.simulation.instruments import analyzer_units
from labctl.simulation.scpi import Reply, ScpiInstrument
from labctl.simulation.scpi_syntax import definite_block, read_choice, read_number

_WIDTHS = {"ASC": (8,), "INT": (32,), "REAL": (32, 64)}
_UNITS = ("DBM", "DBMV", "DBMA", "DBUV", "V", "W", "A")


class TraceWriter:
    """Format, byte order and unit of the traces, with the commands that set them."""

    def __init__(self, instrument: ScpiInstrument) -> None:
        self.preset()
        pattern = ":FORMat[:TRACe][:DATA]"
        instrument.register(pattern, lambda call: self._set_format(*call.arguments), arguments=(1, 2))
        instrument.register(pattern + "?", lambda call: f"{self._kind},{self._width}")
        instrument.choice(
            ":FORMat:BORDer",
            lambda: self._border,
            lambda choice: setattr(self, "_border", choice),
            ("NORMal", "SWAPped"),
        )
        instrument.choice(":UNIT:POWer", lambda: self._unit, lambda choice: setattr(self, "_unit", choice), _UNITS)

    def preset(self) -> None:
        """Return to ASCII, most significant byte first, dBm."""
        self._kind, self._width, self._border, self._unit = "ASC", 8, "NORM", "DBM"

    @property
    def unit(self) -> str:
        """The unit of levels."""
        return self._unit

    @property
    def is_text(self) -> bool:
        """Whether traces are sent as text."""
        return self._kind == "ASC"

    def displayed(self, power_w: FloatArray | None, points: int) -> FloatArray:
        """Return powers in the present unit; a trace that holds no sweep is not-a-number throughout."""
        return analyzer_units.displayed(power_w, points, self._unit)

    def written(self, values: FloatArray, *, integers: bool) -> Reply:
        """Return `values` as the present format wants; where it is INT,32 and `integers` false, as REAL,32."""
        if self._kind == "ASC":
            return ",".join(f"{value:+.5E}" for value in values.tolist())
        if self._kind == "INT" and integers:
            thousandths = np.clip(values * 1e3, -(2**31), 2**31 - 1).round()
            return definite_block(thousandths.astype(self._order("i4")).tobytes())
        return definite_block(values.astype(self._order("f8" if self._width == 64 else "f4")).tobytes())

    def _set_format(self, kind: str, width: str = "") -> None:
        self._kind = read_choice(kind, ("ASCii", "INTeger", "REAL"))
        wanted = read_number(width) if width else math.nan
        # A width that does not exist is no error, the usual one is taken.
        self._width = int(wanted) if wanted in _WIDTHS[self._kind] else _WIDTHS[self._kind][0]

    def _order(self, kind: str) -> str:
        return (">" if self._border == "NORM" else "<") + kind
