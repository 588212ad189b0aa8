"""The way to one core over its bus: what it told last, and commands in the background."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from pyqtgraph.Qt import QtCore

from labctl.bus.client import ANSWER_S, BusClient, CommandRefused, CoreAddress, NoLink
from labctl.bus.commands import COMMANDS, Controlled
from labctl.bus.latest import Latest
from labctl.bus.replies import Reply
from labctl.errors import LabError

RENEW_S: Final = 3.0  # the lease of control ends after 10 s without a word
ATTACH_AGAIN_S: Final = 2.0  # between two tries to reach a core that is gone
STOP_ANSWER_S: Final = 2.0
CALLERS: Final = 2  # commands under way at a time; the software stop has a thread of its own
NO_LINK: Final = "There is no link to the core: nothing was sent."


class _Answers(QtCore.QObject):  # type: ignore[misc]
    """Carries what came in another thread into that of the screen."""

    came = QtCore.Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.came.connect(self._act)

    def _act(self, act: Callable[[], None]) -> None:
        act()


class CoreLink:
    """A `TableLink` over the bus; `name` is that of this screen, under which its commands are sent."""

    def __init__(self, address: CoreAddress, screen: str) -> None:
        self.name = str(address)
        self.latest = Latest()
        self.commander = CoreCommander(self)
        self._address = address
        self._screen = screen
        self._client: BusClient | None = None
        self._closed = threading.Event()
        self._keeper = threading.Thread(target=self._keep_attached, name="labctl link", daemon=True)

    def start(self) -> None:
        """Begin to attach."""
        self._attach()
        self._keeper.start()

    def close(self) -> None:
        """Detach for good."""
        self._closed.set()
        self.commander.close()
        if self._client is not None:
            self._client.close()

    @property
    def is_connected(self) -> bool:
        """Return whether the core was heard a moment ago."""
        return not self.latest.is_gone(time.time())

    def stop(self) -> None:
        """Send the software stop, from a thread of its own."""
        threading.Thread(target=self._send_stop, name="labctl stop", daemon=True).start()

    def ask(self, command: str, timeout_s: float, **arguments: object) -> Reply:
        """Send a command and wait for the reply. Raises `LabError`."""
        client = self._client
        if client is None or not self.is_connected:
            raise NoLink(NO_LINK)
        return client.command(command, timeout_s=timeout_s, **arguments)

    def _send_stop(self) -> None:
        client = self._client
        try:
            if client is None:
                raise NoLink(NO_LINK)
            client.command("stop", timeout_s=STOP_ANSWER_S, reason="")
        except LabError:
            return  # the window sees that the core does not say that it is stopped, and tells

    def _attach(self) -> None:
        before, self._client = self._client, BusClient(self._address, self._screen, self.latest)
        if before is not None:
            before.close()
        self._client.follow()

    def _keep_attached(self) -> None:
        """Begin anew with a core that is gone: the library itself tries again only every 10 s."""
        attached_at = time.monotonic()
        renewed_at = 0.0
        while not self._closed.wait(0.2):
            now = time.monotonic()
            if not self.is_connected and now - attached_at >= ATTACH_AGAIN_S:
                self._attach()
                attached_at = now
            if self.commander.has_control and now - renewed_at >= RENEW_S:
                renewed_at = now
                self.commander.renew()


class CoreCommander:
    """Sends commands to one core and brings the answers back into the thread of the screen."""

    def __init__(self, link: CoreLink) -> None:
        self._link = link
        self._lease = ""
        self._answers = _Answers()
        self._waiting: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._callers = [
            threading.Thread(target=self._call, name="labctl commands", daemon=True) for _ in range(CALLERS)
        ]
        for caller in self._callers:
            caller.start()

    @property
    def has_control(self) -> bool:
        """Return whether this screen holds the lease."""
        return bool(self._lease)

    def send(
        self,
        command: str,
        then: Callable[[Reply], None] | None = None,
        refused: Callable[[str], None] | None = None,
        **arguments: object,
    ) -> None:
        """Send a command in the background."""
        self._waiting.put(lambda: self._do(command, then, refused, arguments))

    def renew(self) -> None:
        """Keep the lease."""
        self.send("keep_control")

    def close(self) -> None:
        """Give the lease back and end; no answer comes any more."""
        if self._lease:
            self.send("give_control")
        for _ in self._callers:
            self._waiting.put(None)
        for caller in self._callers:
            caller.join(STOP_ANSWER_S)

    def _call(self) -> None:
        while (act := self._waiting.get()) is not None:
            act()

    def _do(
        self,
        command: str,
        then: Callable[[Reply], None] | None,
        refused: Callable[[str], None] | None,
        arguments: dict[str, Any],
    ) -> None:
        if issubclass(COMMANDS[command], Controlled):
            arguments = {"lease": self._lease, **arguments}
        try:
            reply = self._link.ask(command, ANSWER_S, **arguments)
        except LabError as error:
            if command == "keep_control" and isinstance(error, CommandRefused):
                self._lease = ""
            if refused is not None:
                text = str(error)
                self._answers.came.emit(lambda: refused(text))
            return
        if command == "take_control":
            self._lease = reply.text
        elif command == "give_control":
            self._lease = ""
        if then is not None:
            self._answers.came.emit(lambda: then(reply))
