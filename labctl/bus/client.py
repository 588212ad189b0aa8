"""The side of a screen or a script: the latest of everything that a core tells, and commands to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from p4p import Value
from p4p._p4p import logger_level_set, logLevelFatal
from p4p.client.raw import Cancelled, Disconnected, RemoteError
from p4p.client.thread import Context, Subscription
from p4p.nt import NTURI
from p4p.util import ThreadedWorkQueue

from labctl.bus import wire
from labctl.bus.latest import Latest
from labctl.bus.messages import ChannelRow, CoreRow
from labctl.bus.names import HEARTBEAT, PREFIX, TABLES, command_name
from labctl.bus.replies import Reply
from labctl.configuration.bus import PORT
from labctl.errors import LabError

# A core that is gone is told by who shows it; the library would say so in the terminal at every try.
logger_level_set("pvxs.tcp.io", logLevelFatal)

ANSWER_S: Final = 5.0  # a command that takes longer is not answered any more
LOOPBACK: Final = "127.0.0.1"


class NoLink(LabError):
    """There is no core behind an address, or it does not answer."""


class CommandRefused(LabError):
    """A core refused a command; the text is its own."""


@dataclass(frozen=True)
class CoreAddress:
    """Where a core is: host, port, and the prefix of its channels."""

    host: str = LOOPBACK
    port: int = PORT
    prefix: str = PREFIX

    @classmethod
    def parse(cls, text: str) -> CoreAddress:
        """Return the address that "HOST", "HOST:PORT" or "HOST:PORT/PREFIX" names. Raises `LabError`."""
        place, _, prefix = text.partition("/")
        host, _, port = place.rpartition(":") if ":" in place else (place, "", str(PORT))
        if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            raise LabError(f"{text!r} is no address of a core.", remedy="Write HOST, HOST:PORT or HOST:PORT/PREFIX.")
        return cls(host, int(port), prefix or PREFIX)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}/{self.prefix}"


class BusClient:
    """One core as somebody else sees it: `latest` follows what it tells, until `close`.

    A core that goes and comes back is followed again by itself. Only the latest of everything is kept. `name` is that
    under which commands are sent. `faults` are what came and was not what its channel says: it was left out.
    """

    def __init__(self, address: CoreAddress, name: str, latest: Latest | None = None) -> None:
        self.address = address
        self.name = name
        self.latest = Latest() if latest is None else latest
        self._context = Context(
            "pva",
            conf={
                "EPICS_PVA_NAME_SERVERS": f"{address.host}:{address.port}",
                "EPICS_PVA_ADDR_LIST": "",
                "EPICS_PVA_AUTO_ADDR_LIST": "NO",
            },
            useenv=False,
            nt=False,
        )
        self.faults: dict[str, str] = {}
        # One worker: with several, a value could be put over a later one of the same channel.
        self._worker = ThreadedWorkQueue("labctl following", workers=1, maxsize=0, daemon=True).start()
        self._guard = threading.Lock()
        self._followed: dict[str, Subscription] = {}
        self._measured: dict[str, Callable[[Value], None]] = {}
        self._monitored: list[Subscription] = []

    def follow(self) -> None:
        """Begin to follow everything that the core tells."""
        self._follow(f"{self.address.prefix}:{HEARTBEAT}", self._on_beat)
        for kind, name in TABLES.items():
            self._follow(f"{self.address.prefix}:{name}", self._table_follower(kind))

    def close(self) -> None:
        """End all subscriptions and the connection."""
        with self._guard:
            subscriptions = [*self._followed.values(), *self._monitored]
            self._followed, self._monitored = {}, []
        for subscription in subscriptions:
            subscription.close()
        self._context.close()
        self._worker.stop()

    # ---- asking -----------------------------------------------------------------------------------------------------

    def command(self, command: str, *, timeout_s: float = ANSWER_S, **arguments: object) -> Reply:
        """Send a command and return the reply.

        Raises `CommandRefused` with the core's own sentence, and `NoLink` where no answer comes.
        """
        given = {"client": self.name, **arguments}
        channel = f"{self.address.prefix}:{command_name(command)}"
        call = NTURI([(name, _argument_type(value)) for name, value in given.items()])
        try:
            answer = self._context.rpc(channel, call.wrap(channel, kws=given), timeout=timeout_s)
        except RemoteError as error:
            raise CommandRefused(str(error)) from None
        except (TimeoutError, Disconnected, Cancelled):
            raise NoLink(
                f"The core at {self.address} did not answer {command} within {timeout_s:g} s.",
                remedy="Whether it was done is not known: look at the table itself, and at the link.",
            ) from None
        return wire.decode_reply(answer)

    def get(self, name: str, timeout_s: float = ANSWER_S) -> Value:
        """Return the value of a channel, without prefix, as it came. Raises `NoLink`."""
        try:
            return self._context.get(f"{self.address.prefix}:{name}", timeout=timeout_s)
        except (TimeoutError, Disconnected, Cancelled, RemoteError):
            raise NoLink(
                f"There is no {self.address.prefix}:{name} at {self.address.host}:{self.address.port}.",
                remedy="Start a core with labctl serve, or see labctl bus --list for its channels.",
            ) from None

    def monitor(self, full_name: str, on_value: Callable[[Value], None]) -> None:
        """Call `on_value` with each value of a channel, by its whole name, from a thread of the bus."""
        subscription = self._subscription(full_name, on_value)
        with self._guard:
            self._monitored.append(subscription)

    # ---- following --------------------------------------------------------------------------------------------------

    def _follow(self, name: str, on_value: Callable[[Value], None]) -> None:
        with self._guard:
            if name not in self._followed:
                self._followed[name] = self._subscription(name, on_value)

    def _subscription(self, name: str, on_value: Callable[[Value], None]) -> Subscription:
        def take(value: Value | Exception) -> None:
            if isinstance(value, Exception):
                return  # gone for the moment: it comes back by itself
            try:
                on_value(value)
            except wire.BadMessage as error:  # let through, it would end the subscription
                self.faults[name] = str(error)

        return self._context.monitor(name, take, notify_disconnect=True, queue=self._worker)

    def _on_beat(self, value: Value) -> None:
        self.latest.hear(time.time(), wire.stamped_at(value))

    def _table_follower(self, kind: type[Any]) -> Callable[[Value], None]:
        def take(value: Value) -> None:
            rows = wire.decode_rows(kind, value)
            if kind is CoreRow and rows:
                self._note_core(rows[0])
            self.latest.put_rows(kind, rows)
            if kind is ChannelRow:
                self._follow_channels(rows)

        return take

    def _note_core(self, core: CoreRow) -> None:
        """Forget what another process measured, and ask anew for what this one did: it may have come before this."""
        before = self.latest.core
        if before is None or (before.pid, before.started_at) == (core.pid, core.started_at):
            return
        self.latest.forget_measured()
        with self._guard:
            for name in self._measured.keys() & self._followed.keys():  # none once it is closed
                self._followed[name].close()
                self._followed[name] = self._subscription(name, self._measured[name])

    def _follow_channels(self, rows: tuple[ChannelRow, ...]) -> None:
        for row in rows:
            if row.form == "spectrum":
                self._follow_measured(row.name, lambda value: self.latest.put_spectrum(wire.decode_spectrum(value)))
            elif row.form == "curve":
                self._follow_measured(row.name, lambda value: self.latest.put_curve(wire.decode_curve(value)))

    def _follow_measured(self, name: str, on_value: Callable[[Value], None]) -> None:
        self._measured[name] = on_value
        self._follow(name, on_value)


def _argument_type(value: object) -> str:
    match value:
        case bool():
            return "?"
        case int():
            return "l"
        case float():
            return "d"
        case _:
            return "s"
