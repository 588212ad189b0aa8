"""What living parts of the program can still tell when it crashes, and how the table was left.

Whoever holds something worth knowing offers a way to tell it for as long as it lives; a crash report asks them all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

PATIENCE_S: Final = 2.0  # for one who tells: it may wait for a thread that will never answer
MOST_CHARACTERS: Final = 400_000  # of what one of them tells

_guard: Final = threading.Lock()
_offers: Final[dict[str, Callable[[], str]]] = {}
_last: Final[dict[str, str]] = {}  # what those told who were left by an error


@dataclass
class TableState:
    """How a table was left: whether instruments were opened to move it, and what came of making it safe."""

    opened: bool = False
    made_safe: bool = False
    problems: tuple[str, ...] = ()

    def sentence(self) -> str:
        """Return it for the operator."""
        if not self.opened:
            return "No table was open."
        if self.problems:
            return f"NOT SAFE: {' '.join(self.problems)}"
        return "The table was made safe." if self.made_safe else "The table was left as it was: look after it."


table: Final = TableState()


class Defects:
    """Who is told of an error that is a defect of the program although the program goes on; nobody at first."""

    def __init__(self) -> None:
        self.on_defect: Callable[[str, BaseException], None] = lambda where, error: None

    def tell(self, where: str, error: BaseException) -> None:
        """Tell that `error` ended what `where` names; never raises."""
        with suppress(Exception):
            self.on_defect(where, error)


defects: Final = Defects()


def table_opened() -> None:
    """Note that instruments are open that can move a table."""
    table.opened, table.made_safe, table.problems = True, False, ()


def table_made_safe(problems: Sequence[str]) -> None:
    """Note that the table was made safe, but for these sentences."""
    table.made_safe, table.problems = not problems, tuple(problems)


@contextmanager
def offered(name: str, tell: Callable[[], str]) -> Iterator[None]:
    """Offer `tell` in the block, under a name such as "loops"; the later of two of one name counts.

    Where an error leaves the block, what it tells then is kept: when the report is written it may be gone.
    """
    with _guard:
        before = _offers.get(name)
        _offers[name] = tell
    try:
        yield
    except BaseException:
        _last[name] = _told(tell)
        raise
    finally:
        with _guard:
            if before is None:
                _offers.pop(name, None)
            else:
                _offers[name] = before


def all_told() -> dict[str, str]:
    """Return what each tells, by its name; one that fails, or takes too long, says so."""
    with _guard:
        offers = dict(_offers)
    return {**_last, **{name: _told(tell) for name, tell in sorted(offers.items())}}


def forget() -> None:
    """Begin anew, as every command does."""
    table.opened, table.made_safe, table.problems = False, False, ()
    with _guard:
        _offers.clear()
        _last.clear()


def _told(tell: Callable[[], str]) -> str:
    answers: list[str] = []

    def ask() -> None:
        try:
            answers.append(tell()[-MOST_CHARACTERS:])
        except Exception as error:  # whatever it is, the others are asked
            answers.append(f"could not be told ({type(error).__name__}: {error})")

    asking = threading.Thread(target=ask, name="labctl last words", daemon=True)
    asking.start()
    asking.join(PATIENCE_S)
    return answers[0] if answers else f"did not answer within {PATIENCE_S:g} s"
