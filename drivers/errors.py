"""The root of labctl's one error family, and the errors that an instrument can cause.

They live in the lowest room so that drivers need nothing above them; `labctl.errors` adds the rest of the family.
"""

from __future__ import annotations

import re

_UNPRINTABLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    """`text` as a terminal can show it: control characters, marks that turn the direction of writing, and what is no
    character are written out as escapes. Ends of lines stay."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


class LabError(Exception):
    """Root of every error that labctl raises on purpose; its text is one sentence that an operator can act on.

    `remedy` says what to do next and is appended to the text. The text is made `plain`: it may quote what an instrument
    or a stranger's file said.
    """

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(plain(f"{message} {remedy}".strip() if remedy else message))
        self.remedy = remedy


class InstrumentError(LabError):
    """An instrument did not do what it was asked; names the instrument, the command, what came back and the remedy."""

    usual_remedy = ""  # of those that name none

    def __init__(
        self,
        instrument: str,
        message: str,
        *,
        command: str = "",
        reply: str | bytes | None = None,
        remedy: str = "",
    ) -> None:
        remedy = remedy or self.usual_remedy
        parts = [f"{instrument}: {message}"]
        if command:
            parts.append(f"after {command!r}")
        if reply is not None:
            parts.append(f"(it answered {_shorten(reply)})")
        super().__init__(" ".join(parts) + ".", remedy=remedy)
        self.instrument = instrument
        self.command = command
        self.reply = reply


class NoReply(InstrumentError):
    """Nothing, or only part of a reply, arrived within the time-out."""


class BadReply(InstrumentError):
    """The reply is not what the protocol allows: garbage, wrong checksum, wrong length, not a number."""

    usual_remedy = "Check cable and address, and that no other program talks to it; then try again."


class Refused(InstrumentError):
    """The instrument understood and said no: its error queue or error code names the reason."""


class WrongInstrument(InstrumentError):
    """Another model answers behind the address."""


class ConnectionLost(InstrumentError):
    """The link cannot be opened, or it broke."""


_LONGEST_QUOTED_REPLY = 80


def _shorten(reply: str | bytes) -> str:
    text = repr(reply)
    return text if len(text) <= _LONGEST_QUOTED_REPLY else text[: _LONGEST_QUOTED_REPLY - 3] + "..."
