"""Takes back changes of settings, the last one first: through the same command, so through the same checks."""

from __future__ import annotations

from collections.abc import Callable

from labctl.bus.replies import Reply
from labctl.dashboard.page import Commander

MOST_KEPT = 100


class UndoStack:
    """The changes of settings that this screen made; what the bench does (light, voltages) is never in it."""

    def __init__(
        self,
        commander: Commander,
        say: Callable[[str], None] = lambda text: None,
        warn: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._commander = commander
        self._say = say
        self._warn = warn
        self._changes: list[tuple[str, float]] = []

    def __len__(self) -> int:
        return len(self._changes)

    def push(self, setting: str, old_value: float) -> None:
        """Note that `setting` was changed and was `old_value` before."""
        self._changes.append((setting, old_value))
        del self._changes[:-MOST_KEPT]

    def undo(self) -> bool:
        """Send the last change back and return True; return False where there is none. What is refused is kept."""
        if not self._changes:
            return False
        setting, value = self._changes.pop()

        def done(reply: Reply) -> None:
            self._say(f"Undone: {setting} is {value:g} again.")

        def refused(why: str) -> None:
            self.push(setting, value)
            self._warn(f"{setting} was not changed back: {why}")

        self._commander.send("change_setting", then=done, refused=refused, setting=setting, value=value)
        return True
