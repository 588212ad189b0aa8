"""What a line to a SIM900 would move: messages for modules are read by `sim960_moves`, the rest is on a list.

Whatever is not on the list is an unknown move: SEND and BRDT, which reach modules in pieces or all at once, CONN, after
which nobody can read the line any more, and resets.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence

from drivers.moves import Move, unknown_move
from drivers.srs.sim960_moves import moves_of_message

# What every poll of a lock sends, found without further reading.
_PLAIN = re.compile(r'SNDT [1-8],"(?:[A-Z]{4}|\*ESR)\?"|(?:NINP|RAWN)\? [1-8](?:,[0-9]+)?')
_LINE_ENDS = re.compile(r"[\r\n]")
_LONGEST_LINE = 255
_STATEMENT = re.compile(r"""(?:"[^"]*"|'[^']*'|[^;"'])+""")
_COMMAND = re.compile(r"(\*?[A-Z]{3,4})(\??)[ \t]*(.*)", re.IGNORECASE)
_PORT_AND_STRING = re.compile(r"""([1-8])[ \t]*,[ \t]*(?:"([^"]*)"|'([^']*)')""")
_QUESTIONS = frozenset({"*IDN", "*OPC", "*ESR", "*STB", "*ESE", "*SRE", "CTCR", "NINP", "NOUT", "RAWN", "GETN"})
_MOVE_NOTHING = frozenset({"FLSH", "SRST", "TERM", "*CLS"})


def moves_of(command: str, escapes: Container[str]) -> Sequence[Move]:
    """Return what `command` would move; `escapes` are the strings that end a connection and do nothing without one."""
    if _PLAIN.fullmatch(command):
        return ()
    if len(command) > _LONGEST_LINE or not command.isascii():
        return unknown_move(command)
    found: list[Move] = []
    for line in _LINE_ENDS.split(command):
        if _STATEMENT.sub("", line).strip(";"):
            return unknown_move(command)  # a quote that is never closed
        for statement in _STATEMENT.findall(line):
            found += _moves_of_statement(statement.strip(" \t"), escapes)
    return found


def _moves_of_statement(statement: str, escapes: Container[str]) -> Sequence[Move]:
    parsed = _COMMAND.fullmatch(statement)
    if parsed is not None:
        mnemonic, asks, rest = parsed[1].upper(), bool(parsed[2]), parsed[3]
        if mnemonic == "SNDT" and not asks and (message := _PORT_AND_STRING.fullmatch(rest.strip(" \t"))):
            port, double, single = message.groups()
            return moves_of_message(f"module_{port}", single if double is None else double)
        if mnemonic in (_QUESTIONS if asks else _MOVE_NOTHING):
            return ()
    return () if not statement or statement in escapes else unknown_move(statement)
