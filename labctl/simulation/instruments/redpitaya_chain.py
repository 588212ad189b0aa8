"""The place of a simulated Red Pitaya in a chain of boards that share clock and trigger through SATA cables."""

from __future__ import annotations

from collections.abc import Callable

from labctl.simulation.instruments.redpitaya_scope import Scope
from labctl.simulation.instruments.redpitaya_server import RedPitayaServer
from labctl.simulation.scpi import Call
from labctl.simulation.scpi_syntax import read_boolean


class TriggerCable:
    """A cable from a board to the next: `send` is called with the time (s) of a trigger of the one, and calls what the
    other attached; `look` lets the one find the triggers that nobody has noticed yet."""

    def __init__(self) -> None:
        self.taker: Callable[[float], None] = lambda at: None
        self.look: Callable[[], None] = lambda: None

    def send(self, at: float) -> None:
        """Hand a trigger over; the cable takes no time."""
        self.taker(at)


class ChainPlace:
    """The commands DAISY:SYNC of `server`.

    What triggers the acquisition of a board goes to the next one as a falling edge of its external trigger, if
    DAISY:SYNC:TRig is on for both. `look` notices what came to this board from outside.

    Taken to be so: the edge takes no time, and all boards count their samples from the same tick of the clock. Without
    a shared clock the boards keep the same time here as well.
    """

    def __init__(
        self,
        server: RedPitayaServer,
        scope: Scope,
        look: Callable[[], None],
        from_before: TriggerCable | None,
        to_next: TriggerCable | None,
    ) -> None:
        self._scope = scope
        self._look = look
        self._from_before = from_before
        self._to_next = to_next
        self._shared = {"TRig": False, "CLK": False}
        for node in self._shared:
            server.register(f"DAISY:SYNC:{node}", self._setter(node), arguments=1)
            server.register(f"DAISY:SYNC:{node}?", self._getter(node))
        scope.on_trigger = self._triggered
        if from_before is not None:
            from_before.taker = self._arrived
        if to_next is not None:
            to_next.look = self._look_for_next

    def look_before(self) -> None:
        """Let the boards before this one notice their triggers."""
        if self._from_before is not None:
            self._from_before.look()

    def _look_for_next(self) -> None:
        self._look()
        self._scope.seek_levels()

    def _triggered(self, at: float) -> None:
        if self._to_next is not None and self._shared["TRig"]:
            self._to_next.send(at)

    def _arrived(self, at: float) -> None:
        if self._shared["TRig"]:
            self._scope.chain_edge(at)

    def _setter(self, node: str) -> Callable[[Call], None]:
        def set_(call: Call) -> None:
            self._shared[node] = read_boolean(call.arguments[0])

        return set_

    def _getter(self, node: str) -> Callable[[Call], str]:
        return lambda call: "ON" if self._shared[node] else "OFF"
