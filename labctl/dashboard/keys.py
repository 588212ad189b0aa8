"""The keys of the window: one list, from which the short cuts are made and the help is drawn.

No single key starts a run, and none but the stop works while a text is typed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SPECTRUM_LETTERS: Final = {
    "M": "put a marker; Del removes it",
    "D": "delta to a second marker",
    "P": "peak: marker to the highest point",
    "N": "marker to the next lower peak",
    "H": "max hold",
    "A": "restart averaging",
    "R": "relative to shot noise, or absolute",
}
PAGES: Final = 5


@dataclass(frozen=True)
class Key:
    """One key, what it does in words, and the action that the window binds to it."""

    group: str
    keys: tuple[str, ...]  # as Qt names them; any of them
    does: str
    action: str
    while_typing: bool = False

    @property
    def shown(self) -> str:
        """Return the keys as the help shows them."""
        return " or ".join(self.keys)


KEYS: Final[tuple[Key, ...]] = (
    Key("Safety", ("Ctrl+Shift+S",), "software stop of this table", "stop", while_typing=True),
    Key("Safety", ("F2",), "acknowledge all alarms", "acknowledge"),
    Key("Safety", ("F5",), "lock the selected loop again", "relock"),
    Key("Safety", ("Ctrl+Z",), "undo the last change of a setting", "undo"),
    *(Key("Spectrum", (letter,), does, f"spectrum_{letter}") for letter, does in SPECTRUM_LETTERS.items()),
    *(Key("Screen", (str(n),), f"page {n}", f"page_{n}") for n in range(1, PAGES + 1)),
    Key("Screen", ("F3",), "runs on disk and their figures", "runs"),
    Key("Screen", ("F4",), "procedures, to queue one", "procedures"),
    Key("Screen", ("Ctrl+Tab",), "next table", "next_table"),
    Key("Screen", ("Space",), "freeze the display, or go on", "freeze"),
    Key("Screen", ("T",), "next theme: day, dark, red", "theme"),
    Key("Screen", ("F11",), "wall mode", "wall"),
    Key("Log book", ("F12", "Ctrl+P"), "picture of this screen into the log book", "picture"),
    Key("Help", ("F1",), "show these keys, or hide them", "help"),
    Key("Help", ("Esc",), "hide help; close a dialog; leave a field; dismiss the message", "escape", while_typing=True),
)


def help_groups() -> dict[str, list[tuple[str, str]]]:
    """Return keys and what they do by group, as the help shows them; the pages share a line."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for key in KEYS:
        if key.action.startswith("page_") and key.action != "page_1":
            continue
        line = (f"1 – {PAGES}", "choose the page") if key.action == "page_1" else (key.shown, key.does)
        groups.setdefault(key.group, []).append(line)
    groups["Safety"].insert(1, ("Shift+click on STOP", "software stop of all tables"))
    return groups
