"""What the pins of a simulated Red Pitaya are wired to: shutters, switch, and slow monitors."""

from __future__ import annotations

from collections.abc import Callable


class BoardPins:
    """Implements `DigitalPins` of one board; `changed` is called after every setting."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self.levels: dict[str, int] = {}
        self._changed = changed

    def set_level(self, pin: str, level: int) -> None:
        """Drive a pin."""
        self.levels[pin] = level
        self._changed()

    def level(self, pin: str) -> int:
        """Return what a pin is driven to; one that floats is low."""
        return self.levels.get(pin, 0)


class BoardSlowInputs:
    """Implements `SlowInputs` of one board."""

    def __init__(self, sources: dict[str, Callable[[], float]]) -> None:
        self._sources = sources

    def volts(self, name: str) -> float:
        """Return the volts at a slow input; 0 where nothing is wired."""
        source = self._sources.get(name)
        return 0.0 if source is None else source()
