"""The side of a core: channels that keep the last value of each, and commands that are handed on."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from p4p import Value
from p4p.server import Server, StaticProvider
from p4p.server.thread import SharedPV
from p4p.util import ThreadedWorkQueue
from pydantic import ValidationError

from labctl.bus import wire
from labctl.bus.commands import COMMANDS, Command, Stop
from labctl.bus.loopback_only import keep_search_on_loopback
from labctl.bus.messages import ChannelRow, Row, Severity
from labctl.bus.names import HEARTBEAT, TABLES, command_name, curve_name, spectrum_name
from labctl.bus.replies import Reply
from labctl.bus.spectra import Curve, LiveSpectrum
from labctl.configuration.bus import Bus
from labctl.errors import LabError

RowT = TypeVar("RowT", bound=Row)
Execute = Callable[[Command, str], Reply]
"""Does a command for a peer, an IP address; raises `LabError` where it may not or cannot."""

MOST_WAITING: Final = 256  # commands: more are refused before anybody looks at them
COMMAND_WORKERS: Final = 2
MOST_ERROR_TEXT: Final = 600  # characters of a refusal
WRITTEN: Final = "a written value"  # the client of a stop that was written, not called


class BusServer:
    """The channels of one core, on the interface and port of its `[bus]` table.

    Values may be told from any thread, at any time; who is slow to take them gets the latest only. A port that is in
    use is replaced by another: `port` says which it is. `search_from_outside` is "" where nobody on another machine can
    find the server, else why they can. Channels of spectra, curves and numbers come into being when they are told
    first, and are listed in the directory. Raises `LabError` where the interface is none of this machine.
    """

    def __init__(self, settings: Bus, execute: Execute) -> None:
        self._settings = settings
        self._execute = execute
        self._guard = threading.Lock()
        self._channels: dict[str, SharedPV] = {}
        self._columns: dict[str, tuple[str, ...]] = {}
        self._directory: dict[str, ChannelRow] = {}
        self._directory_changed = False
        self._listened: set[str] = set()
        self._provider = StaticProvider(settings.prefix)
        # The software stop has a worker of its own: it never waits behind another command.
        self._stop_queue = ThreadedWorkQueue("labctl stop", workers=1, maxsize=0, daemon=True).start()
        self._queue = ThreadedWorkQueue("labctl commands", COMMAND_WORKERS, maxsize=MOST_WAITING, daemon=True).start()
        for name, command in COMMANDS.items():
            self._add_command(name, command)
        conf = {
            "EPICS_PVAS_INTF_ADDR_LIST": settings.interface,
            "EPICS_PVAS_SERVER_PORT": str(settings.port),
            "EPICS_PVAS_AUTO_BEACON_ADDR_LIST": "NO",
            "EPICS_PVAS_BEACON_ADDR_LIST": "",
        }
        try:
            self._server = Server(providers=[self._provider], conf=conf, useenv=False)
        except RuntimeError as error:
            self._stop_queue.stop()
            self._queue.stop()
            raise LabError(
                f"The bus cannot listen on {settings.interface}: {error}.",
                remedy="Set interface in [bus] of the station file, or --interface, to an address of this machine.",
            ) from None
        used = self._server.conf()
        self.port = int(used["EPICS_PVAS_SERVER_PORT"])
        self.search_from_outside = keep_search_on_loopback(settings.interface, int(used["EPICS_PVAS_BROADCAST_PORT"]))

    def close(self) -> None:
        """Stop serving; clients see that the core is gone."""
        self._server.stop()
        self._stop_queue.stop()
        self._queue.stop()

    # ---- telling ----------------------------------------------------------------------------------------------------

    def tell_rows(self, kind: type[RowT], rows: Sequence[RowT]) -> None:
        """Tell a table."""
        self._tell(TABLES[kind], "table", lambda: wire.encode_rows(kind, rows, time.time()), kind.__doc__ or "")

    def tell_spectrum(self, spectrum: LiveSpectrum) -> None:
        """Tell a spectrum."""
        name = spectrum_name(spectrum.channel, spectrum.kind)
        self._tell(
            name, "spectrum", lambda: wire.encode_spectrum(spectrum), "Noise power density, one-sided.", "V^2/Hz"
        )

    def tell_curve(self, curve: Curve) -> None:
        """Tell a curve."""
        name = curve_name(curve.system, curve.name)
        columns = tuple(curve.columns)
        if self._columns.get(name, columns) != columns:
            channel = self._channels[name]
            channel.close()  # it has one structure for as long as it is open
            channel.open(wire.encode_curve(curve))
        else:
            self._tell(name, "curve", lambda: wire.encode_curve(curve), curve.title, curve.y_unit)
        self._columns[name] = columns

    def tell_scalar(self, name: str, scalar: wire.Scalar) -> None:
        """Tell a number with its unit, limits and alarm."""
        self._tell(name, "scalar", lambda: wire.encode_scalar(scalar), scalar.description, scalar.unit)

    def tell_text(self, name: str, text: str, description: str = "", severity: int = Severity.NONE) -> None:
        """Tell a text."""
        self._tell(name, "text", lambda: wire.encode_text(text, time.time(), severity), description)

    def tell_state(
        self,
        name: str,
        state: str,
        choices: Sequence[str],
        severity: int,
        message: str,
        description: str = "",
        at: float = math.nan,
    ) -> None:
        """Tell a state, one of `choices`, that was so at the wall time `at`; nan is now."""
        stamp = time.time() if math.isnan(at) else at
        self._tell(name, "state", lambda: wire.encode_state(state, choices, stamp, severity, message), description)

    def beat(self) -> None:
        """Tell that the core lives, and what time it has."""
        now = time.time()
        self.tell_scalar(HEARTBEAT, wire.Scalar(now, "s", now, description="Wall time of the core"))
        if self._directory_changed:
            self._directory_changed = False
            self.tell_rows(ChannelRow, self.directory)

    def has_listener(self, name: str) -> bool:
        """Return whether anybody is connected to a channel."""
        return name in self._listened

    def __contains__(self, name: object) -> bool:
        """Return whether a channel, without prefix, was told."""
        return name in self._channels

    @property
    def directory(self) -> list[ChannelRow]:
        """Return what is known of all channels, by name."""
        with self._guard:
            return sorted(self._directory.values(), key=lambda row: row.name)

    def _tell(self, name: str, form: str, encode: Callable[[], Value], description: str, unit: str = "") -> None:
        channel = self._channels.get(name)
        if channel is not None:
            channel.post(encode())
            return
        with self._guard:
            if name not in self._channels:
                channel = SharedPV(handler=_Listeners(name, self._listened), queue=self._queue)
                channel.open(encode())
                self._channels[name] = channel
                self._provider.add(f"{self._settings.prefix}:{name}", channel)
                self._list(name, form, description, unit)

    def _list(self, name: str, form: str, description: str, unit: str) -> None:
        first_line = description.strip().splitlines()[0] if description.strip() else ""
        self._directory[name] = ChannelRow(f"{self._settings.prefix}:{name}", form, unit, first_line)
        self._directory_changed = True

    # ---- commands ---------------------------------------------------------------------------------------------------

    def _add_command(self, name: str, command: type[Command]) -> None:
        queue = self._stop_queue if command is Stop else self._queue
        channel = SharedPV(handler=_CommandHandler(command, self._execute), queue=queue)
        channel.open(wire.encode_text("", time.time()))
        full = command_name(name)
        self._channels[full] = channel
        self._provider.add(f"{self._settings.prefix}:{full}", channel)
        self._list(full, "command", command.__doc__ or "", "")


class _Listeners:
    """Keeps in mind whether anybody is connected to a channel."""

    def __init__(self, name: str, listened: set[str]) -> None:
        self._name = name
        self._listened = listened

    def onFirstConnect(self, channel: SharedPV) -> None:  # noqa: N802 - the name that p4p calls
        """Note that somebody is connected."""
        self._listened.add(self._name)

    def onLastDisconnect(self, channel: SharedPV) -> None:  # noqa: N802
        """Note that nobody is."""
        self._listened.discard(self._name)


class _CommandHandler:
    """Takes the calls of one command."""

    def __init__(self, command: type[Command], execute: Execute) -> None:
        self._command = command
        self._execute = execute

    def put(self, channel: SharedPV, operation: Any) -> None:
        """Take a text written to the stop as its reason, for panels that can only write; refuse any other."""
        if self._command is not Stop:
            operation.done(error="This channel takes calls (RPC), not values.")
            return
        try:
            self._execute(Stop(client=WRITTEN, reason=_written(operation.value())), peer_address(operation.peer()))
        except Exception as error:
            operation.done(error=_defect(self._command, error))
        else:
            operation.done()

    def rpc(self, channel: SharedPV, operation: Any) -> None:
        """Check what was asked, do it, and answer."""
        try:
            command = self._command.model_validate(_arguments(operation.value()))
            reply = self._execute(command, peer_address(operation.peer()))
        except ValidationError as error:
            operation.done(error=_faults(self._command, error))
        except LabError as error:
            operation.done(error=str(error)[:MOST_ERROR_TEXT])
        except Exception as error:
            operation.done(error=_defect(self._command, error))
        else:
            operation.done(wire.encode_reply(reply, time.time()))


def _defect(command: type[Command], error: Exception) -> str:
    return f"The core failed at {command.name}: {type(error).__name__}: {error}"[:MOST_ERROR_TEXT]


def _arguments(value: Value) -> dict[str, Any]:
    """Return the arguments of a call, which come as the `query` of an NTURI."""
    query: Any = value.get("query", value) if hasattr(value, "get") else None
    if not hasattr(query, "items"):
        return {}  # what is missing is told then, and the stop needs nothing
    return {name: content for name, content in query.items() if content is not None}


def _written(value: Any) -> Any:
    """Return what was written to a channel; "" where there is no telling."""
    try:
        return value["value"]
    except (KeyError, TypeError, IndexError):
        return ""


def _faults(command: type[Command], error: ValidationError) -> str:
    faults = [f"{'.'.join(map(str, fault['loc'])) or 'arguments'}: {fault['msg']}" for fault in error.errors()]
    return f"{command.name} was refused: {'; '.join(faults)}."[:MOST_ERROR_TEXT]


def peer_address(peer: str) -> str:
    """Return the IP address of "address:port" or "[address]:port"."""
    return peer.rpartition(":")[0].strip("[]")
