"""The last of everything that a core told: what a screen draws from, never a queue."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import TypeVar, cast

from labctl.bus.messages import CoreRow, Row, RunRow
from labctl.bus.spectra import Curve, Kind, LiveSpectrum

RowT = TypeVar("RowT", bound=Row)

STALE_AFTER_S = 1.5  # a value that is older is masked
GONE_AFTER_S = 2.0  # without a word a core is gone


class Latest:
    """The latest tables, spectra and curves of one core.

    Filled by one thread and read by another; what is in it is never changed, only replaced. `revision` counts the
    changes. `heard_at` is when the core was heard last, in the wall time of this machine; -inf before the first word.
    `clock_offset_s` is this machine's wall time minus that of the core, so that ages come out right across a network.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._rows: dict[type, tuple[Row, ...]] = {}
        self._spectra: dict[tuple[str, Kind], LiveSpectrum] = {}
        self._curves: dict[tuple[str, str], Curve] = {}
        self.revision = 0
        self.heard_at = float("-inf")
        self.clock_offset_s = 0.0

    # ---- filling ----------------------------------------------------------------------------------------------------

    def hear(self, at: float, core_time: float) -> None:
        """Note that the core said at `at`, of this machine's wall time, that its own is `core_time`."""
        with self._guard:
            if self.heard_at == float("-inf") or abs(at - core_time - self.clock_offset_s) > STALE_AFTER_S:
                self.clock_offset_s = at - core_time
            # The quickest message tells the offset best; it may drift back slowly.
            self.clock_offset_s = min(self.clock_offset_s + 1e-3, at - core_time)
            self.heard_at = at

    def put_rows(self, kind: type[RowT], rows: Sequence[RowT]) -> None:
        """Replace a table."""
        with self._guard:
            self._rows[kind] = tuple(rows)
            self.revision += 1

    def put_spectrum(self, spectrum: LiveSpectrum) -> None:
        """Replace the spectrum of its channel and kind."""
        with self._guard:
            self._spectra[spectrum.channel, spectrum.kind] = spectrum
            self.revision += 1

    def put_curve(self, curve: Curve) -> None:
        """Replace a curve."""
        with self._guard:
            self._curves[curve.system, curve.name] = curve
            self.revision += 1

    def forget_measured(self) -> None:
        """Forget spectra and curves: another core is behind the name now."""
        with self._guard:
            self._spectra.clear()
            self._curves.clear()
            self.revision += 1

    # ---- looking ----------------------------------------------------------------------------------------------------

    def rows(self, kind: type[RowT]) -> tuple[RowT, ...]:
        """Return the rows of a table; none before it came."""
        with self._guard:
            return cast(tuple[RowT, ...], self._rows.get(kind, ()))

    @property
    def core(self) -> CoreRow | None:
        """Return what the core says of itself."""
        rows = self.rows(CoreRow)
        return rows[0] if rows else None

    @property
    def run(self) -> RunRow | None:
        """Return the run that goes on, or the last one."""
        rows = self.rows(RunRow)
        return rows[0] if rows else None

    def spectrum(self, channel: str, kind: Kind = "psd") -> LiveSpectrum | None:
        """Return the latest spectrum of a channel."""
        with self._guard:
            return self._spectra.get((channel, kind))

    def spectra(self) -> tuple[LiveSpectrum, ...]:
        """Return all spectra."""
        with self._guard:
            return tuple(self._spectra.values())

    def curve(self, system: str, name: str) -> Curve | None:
        """Return the latest curve of that name."""
        with self._guard:
            return self._curves.get((system, name))

    def age_s(self, at: float, now: float) -> float:
        """Return how old something is that the core stamped `at`, when this machine's wall time is `now`; inf of what
        has no stamp."""
        return math.inf if math.isnan(at) else max(0.0, now - self.clock_offset_s - at)

    def is_stale(self, at: float, now: float) -> bool:
        """Return whether something that the core stamped `at` must no longer be shown as present."""
        return not self.age_s(at, now) <= STALE_AFTER_S

    def is_gone(self, now: float) -> bool:
        """Return whether the core was not heard for so long that it counts as gone."""
        return not now - self.heard_at <= GONE_AFTER_S
