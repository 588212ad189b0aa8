"""The channels of a simulated FSW: applications that are open side by side, one of them active."""

from __future__ import annotations

from collections.abc import Callable

from labctl.simulation.scpi import Answer, Call, ScpiInstrument
from labctl.simulation.scpi_syntax import ScpiError, read_choice

SPECTRUM = "SANALYZER"
_TYPES = {SPECTRUM: "SAN", "IQ": "IQ", "PNOISE": "PNO"}
_FIRST_NAMES = {SPECTRUM: "Spectrum", "IQ": "IQ Analyzer", "PNOISE": "Phase Noise"}
_CHOICES = ("SANalyzer", "IQ", "PNOise")
_MOST_CHANNELS = 10


class Channels:
    """Channels by name, with the commands for them; `changed` is called after each change of the active one.

    `INST?` answers the short type where the channel has the first name of its type, else the name.
    """

    def __init__(self, instrument: ScpiInstrument, changed: Callable[[], None]) -> None:
        self._types = {_FIRST_NAMES[SPECTRUM]: SPECTRUM}
        self._active = _FIRST_NAMES[SPECTRUM]
        self._changed = changed
        instrument.register(":INSTrument[:SELect]", self._select, arguments=1)
        instrument.register(":INSTrument[:SELect]?", self._selected)
        instrument.register(":INSTrument:LIST?", self._list)
        instrument.register(":INSTrument:CREate[:NEW]", self._create, arguments=2)
        instrument.register(":INSTrument:DELete", self._delete, arguments=1)
        instrument.register(":INSTrument:REName", self._rename, arguments=2)

    @property
    def sweeps(self) -> bool:
        """Whether the active channel is one of the Spectrum application."""
        return self._types[self._active] == SPECTRUM

    def _activate(self, name: str) -> None:
        if name not in self._types:
            raise ScpiError(-224)
        if name != self._active:
            self._active = name
            self._changed()

    def _select(self, call: Call) -> None:
        argument = call.arguments[0]
        if argument[:1] in "'\"":
            self._activate(_text(argument))
            return
        kind = _type(argument)
        self._activate(next((name for name, found in self._types.items() if found == kind), ""))

    def _selected(self, call: Call) -> Answer:
        kind = self._types[self._active]
        return _TYPES[kind] if self._active == _FIRST_NAMES[kind] else self._active

    def _list(self, call: Call) -> Answer:
        return ",".join(f"'{kind}','{name}'" for name, kind in self._types.items())

    def _create(self, call: Call) -> None:
        kind, name = _type(call.arguments[0]), _text(call.arguments[1])
        if not name or name in self._types or len(self._types) >= _MOST_CHANNELS:
            raise ScpiError(-224)
        self._types[name] = kind
        self._activate(name)

    def _delete(self, call: Call) -> None:
        name = _text(call.arguments[0])
        if name not in self._types or len(self._types) == 1:
            raise ScpiError(-224)
        del self._types[name]
        if name == self._active:
            self._active = next(iter(self._types))
            self._changed()

    def _rename(self, call: Call) -> None:
        old, new = (_text(argument) for argument in call.arguments)
        if old not in self._types or not new or new in self._types:
            raise ScpiError(-224)
        self._types = {new if name == old else name: kind for name, kind in self._types.items()}
        if old == self._active:
            self._active = new


def _type(text: str) -> str:
    short = read_choice(text, _CHOICES)
    return next(kind for kind, found in _TYPES.items() if found == short)


def _text(argument: str) -> str:
    if len(argument) < 2 or argument[0] not in "'\"" or argument[-1] != argument[0]:
        raise ScpiError(-104)
    return argument[1:-1]
