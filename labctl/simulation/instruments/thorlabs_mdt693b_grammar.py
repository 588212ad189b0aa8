"""How the firmwares of a simulated MDT693B dress their replies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class UnknownCommand(Exception):
    """The instrument knows no such command."""


class BadArgument(Exception):
    """The instrument knows the command but not the argument."""


class Grammar(Protocol):
    """How one firmware dresses its replies."""

    def number(self, volts: float) -> str:
        """Return volts as the instrument prints them."""
        ...

    def data(self, command: str, lines: Sequence[str]) -> str:
        """Return the reply to a query."""
        ...

    def done(self) -> str:
        """Return the reply to a set."""
        ...

    def unknown(self) -> str:
        """Return the reply to an unknown command."""
        ...

    def bad_argument(self) -> str:
        """Return the reply to an argument that is not accepted."""
        ...


@dataclass(frozen=True)
class PromptGrammar:
    """Firmware 1.09 and later: data, then a prompt. In compatibility mode the prompt is a star."""

    prompt: str

    def number(self, volts: float) -> str:
        """Return volts with two decimals in six characters."""
        return f"{volts:6.2f}"

    def data(self, command: str, lines: Sequence[str]) -> str:
        """Return the lines, CR behind each, and the prompt."""
        return "".join(f"{line}\r" for line in lines) + self.prompt

    def done(self) -> str:
        """Return the bare prompt."""
        return self.prompt

    def unknown(self) -> str:
        """Return the refusal."""
        return f"CMD_NOT_DEFINED{self.prompt}"

    def bad_argument(self) -> str:
        """Return the refusal."""
        return f"CMD_ARG_INVALID{self.prompt}"


class StarGrammar:
    """Firmware up to 1.06: a star before the data, with the irregularities that units show."""

    def number(self, volts: float) -> str:
        """Return volts with one decimal in six characters."""
        return f"{volts:6.1f}"

    def data(self, command: str, lines: Sequence[str]) -> str:
        """Return a star and the lines; some replies have the star behind, or both."""
        body = "".join(f"{line}\r" for line in lines)
        if command == "serial?":
            return f"{body}*"
        if command in ("vlimit?", "cm?"):
            return f"*{body}*"
        return f"*\r\r\r{body}" if command == "id?" else f"*{body}"

    def done(self) -> str:
        """Return a star."""
        return "*"

    def unknown(self) -> str:
        """Return the refusal."""
        return "!"

    def bad_argument(self) -> str:
        """Return the refusal."""
        return "!"
