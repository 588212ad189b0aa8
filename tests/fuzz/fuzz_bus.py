"""Calls of the bus without a network: the handler of each command with a desk and a table behind it, and values that a
core would not tell."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from core_bench import core_on_table
from fuzz_mutators import junk, junk_text, spoilt_tree
from p4p import Type, Value

from labctl.bus import wire
from labctl.bus.commands import COMMANDS, Controlled
from labctl.bus.messages import AlarmRow, CoreRow, EventRow, LoopRow, QueueRow
from labctl.bus.server import _CommandHandler
from labctl.core.flood import FloodGuard
from labctl.errors import LabError

# What the library raises for values that it does not carry.
NOT_CARRIED = (TypeError, ValueError, OverflowError, RuntimeError, LookupError, AttributeError)
FRESH_EVERY = 50
NO_FLOOD_HZ = 1e9
PEER = "127.0.0.1:4711"


class Operation:
    """One call: what was sent, and what was answered."""

    def __init__(self, value: Any) -> None:
        self._value = value
        self.answers: list[tuple[Any, str | None]] = []

    def value(self) -> Any:
        """Return what was sent."""
        return self._value

    def peer(self) -> str:
        """Return who sent it."""
        return PEER

    def done(self, value: Any = None, error: str | None = None) -> None:
        """Take the answer."""
        self.answers.append((value, error))


class Desk:
    """The commands of a core that holds a table in this process."""

    def __init__(self, runs: Path) -> None:
        self._stack = ExitStack()
        runs.mkdir(parents=True)
        self._bench = self._stack.enter_context(core_on_table(runs))
        self._asked = 0
        self._fresh()

    def close(self) -> None:
        """Let the table go."""
        self._stack.close()

    def _fresh(self) -> None:
        self._bench.fresh()
        self._bench.core.flood = FloodGuard(NO_FLOOD_HZ, int(NO_FLOOD_HZ))
        self._bench.take_control()

    def asked(self, name: str, arguments: dict[str, Any], chance: random.Random | None) -> Callable[[], None]:
        """Return the call of a command with arguments that are spoilt; as they are where there is no `chance`."""
        if self._asked % FRESH_EVERY == 0 or self._bench.core.lease.holder(0.0)[0] != "screen":
            self._fresh()
        self._asked += 1
        command = COMMANDS[name]
        arguments["client"] = "screen"
        if issubclass(command, Controlled):
            arguments["lease"] = self._bench.lease
        if chance is None:
            operation = Operation(as_value({"scheme": "pva", "path": "x", "query": arguments}))
        else:
            operation = Operation(as_call(spoilt_tree(arguments, chance), chance))
        puts = chance is not None and chance.random() < 0.05
        handler = _CommandHandler(command, self._bench.desk.execute)

        def call() -> None:
            if puts:
                handler.put(None, operation)  # type: ignore[arg-type]
            else:
                handler.rpc(None, operation)  # type: ignore[arg-type]
            assert len(operation.answers) == 1, f"{len(operation.answers)} answers"
            _, error = operation.answers[0]
            if error is not None:
                assert not error.startswith("The core failed"), error[:1000]
                raise LabError(error)

        return call


def as_call(arguments: Any, chance: random.Random) -> Any:
    """Return the value of a call, most often as the query of an NTURI."""
    if not isinstance(arguments, dict):
        arguments = {"client": arguments}
    named = {field_name(name): content for name, content in arguments.items()}
    form = chance.random()
    try:
        if form < 0.9:
            return as_value({"scheme": "pva", "path": "x", "query": named})
        if form < 0.95:
            return as_value(named)
        return as_value({"query": chance.choice(list(named.values()) or [1])})
    except NOT_CARRIED:
        return as_value({"query": {"client": "screen"}})


def field_name(name: object) -> str:
    """Return the name as a field of the bus can be called."""
    return re.sub(r"[^A-Za-z0-9_]", "_", str(name))[:40] or "x"


def as_value(content: dict[str, Any]) -> Value:
    """Return a structure of the bus that holds a tree."""
    return Value(Type(_specification(content)), _carried(content))


def _specification(content: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(field_name(name), _type_of(value)) for name, value in content.items()]


def _type_of(value: Any) -> Any:
    if isinstance(value, dict):
        return ("S", None, _specification(value))
    if isinstance(value, list):
        return "ad" if value and all(type(item) in (int, float) for item in value) else "as"
    if isinstance(value, bool):
        return "?"
    if isinstance(value, int):
        return "l"
    return "d" if isinstance(value, float) else "s"


def _carried(value: Any) -> Any:
    if isinstance(value, dict):
        return {field_name(name): _carried(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [float(item) for item in value] if _type_of(value) == "ad" else [str(item)[:100_000] for item in value]
    if isinstance(value, bool | int | float):
        return value
    return "" if value is None else str(value).encode("utf-8", "replace").decode()


# ---- what a core tells ----------------------------------------------------------------------------------------------

_ROWS = (AlarmRow, CoreRow, EventRow, LoopRow, QueueRow)


def spoilt_value(chance: random.Random) -> Callable[[], None]:
    """Return the decoding of a value that no core of ours would tell."""
    kind = chance.choice(_ROWS)
    content: dict[str, Any] = {
        "value": {
            name: [junk_of(hint, chance)] * chance.choice((0, 1, 2)) for name, hint in wire.column_types(kind).items()
        },
        "descriptor": kind.__name__,
        "timeStamp": {"secondsPastEpoch": 1, "nanoseconds": 0},
        "rows": {"descriptor": kind.__name__, "value": {}},
        "data": [1, 2],
        "acquisition": {name: "psd" for name, _ in wire.ACQUISITION},
        "legend": {name: "1" for name, _ in wire.LEGEND},
    }
    if chance.random() < 0.9:
        content = spoilt_tree(content, chance)
    try:
        value: Any = as_value(content) if isinstance(content, dict) else content
    except NOT_CARRIED:
        value = junk(chance)
    decode: Callable[[], Any] = chance.choice(
        (
            lambda: wire.decode_rows(kind, value),
            lambda: wire.decode_spectrum(value),
            lambda: wire.decode_curve(value),
            lambda: wire.decode_reply(value),
            lambda: wire.stamped_at(value),
        )
    )

    def read() -> None:
        decode()

    return read


def junk_of(hint: type, chance: random.Random) -> Any:
    """Return a cell of a column, of its type for the most part."""
    if chance.random() < 0.1:
        return junk(chance)
    return {str: junk_text(chance), float: 1.0, int: 1, bool: True}.get(hint, "")
