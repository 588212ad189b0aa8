"""Who may ask what of a core, and how it is done."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass

from labctl.bus import commands as asked
from labctl.bus.commands import Command, Controlled
from labctl.bus.messages import Severity
from labctl.bus.replies import Reply
from labctl.configuration.recipe_file import Recipe
from labctl.core.core import Core
from labctl.core.stored_runs import StoredRuns
from labctl.core.traffic_tail import TrafficTail
from labctl.core.wanted_steps import step_of
from labctl.errors import LabError
from labctl.station.asking import asking


class NotAllowed(LabError):
    """A command came from somewhere, or so often, that it is not looked at."""


@dataclass
class CommandDesk:
    """Does the commands of the bus on one core.

    The software stop is taken from anyone, and nothing else from who floods. What changes something is taken only from
    where `[bus] allow_control_from` says, and from who holds the lease; questions and notes from everywhere. `recipes`
    are those that may be asked for by name.
    """

    core: Core
    runs: StoredRuns
    traffic: TrafficTail
    recipes: Mapping[str, Recipe]

    def execute(self, command: Command, peer: str) -> Reply:
        """Do a command that came from the address `peer`. Raises `LabError` where it may not or cannot be done."""
        if isinstance(command, asked.Stop):
            return Reply(self.core.stop(command.reason, f"{command.client} ({peer})"))
        self._require_admission(command, peer)
        with asking(f"{command.client} ({peer})"):
            if isinstance(command, Controlled):
                self.core.lease.require(command.lease, time.time())
                return self._change(command)
            return self._answer(command, peer)

    def _require_admission(self, command: Command, peer: str) -> None:
        now = time.time()
        if not self.core.flood.admit(peer, command.client, now):
            complaint = self.core.flood.complaint(peer, command.client, now)
            if complaint:
                self.core.board.say("warning", "bus", complaint)
                condition = f"flood {peer}"  # over at once, and latched until somebody acknowledges it
                self.core.board.alarms.raise_alarm("bus", complaint, Severity.MINOR, now, condition=condition)
                self.core.board.alarms.clear("bus", now, condition=condition)
            raise NotAllowed("Too many commands: this one was not looked at.", remedy="Wait a few seconds.")
        if isinstance(command, Controlled | asked.TakeControl) and not self.core.file.bus.may_control(peer):
            raise NotAllowed(
                f"Commands are not taken from {peer}, except the software stop.",
                remedy="Name the address in [bus] allow_control_from of the station file.",
            )

    # ---- questions and notes, for everybody -------------------------------------------------------------------------

    def _answer(self, command: Command, peer: str) -> Reply:
        core = self.core
        match command:
            case asked.TakeControl():
                return Reply(core.lease.take(command.client, peer, time.time(), command.force))
            case asked.Note():
                where = core.log_book.note(command.text, _picture(command.picture), command.client, time.time())
                core.board.say("info", command.client, f"{command.text} (log book)")
                return Reply(f"Noted in {where.name}.")
            case asked.ListRuns():
                return Reply(rows=tuple(self.runs.newest(command.most)))
            case asked.ListFigures():
                return Reply(rows=tuple(self.runs.figures(command.run)))
            case asked.ReadFigure():
                return Reply(data=self.runs.figure(command.run, command.figure))
            case asked.ReadTraffic():
                return Reply(self.traffic.read(command.instrument))
        raise LabError(f"Nobody does {command.name}.")

    # ---- changes, for who holds the lease ---------------------------------------------------------------------------

    def _change(self, command: Controlled) -> Reply:
        core = self.core
        match command:
            case asked.KeepControl():
                core.lease.keep(command.lease, time.time())
                return Reply("Kept.")
            case asked.GiveControl():
                core.lease.give(command.lease)
                return Reply("Given back.")
            case asked.Reset():
                return Reply(core.reset(command.reason, command.client))
            case asked.LockLoop():
                core.require_not_stopped()
                return Reply(core.lock(command.loop))
            case asked.HoldLoop():
                core.require_not_stopped()
                return Reply(core.hold(command.loop, command.client))
            case asked.ReleaseLoop():
                core.require_not_stopped()
                return Reply(core.release(command.loop))
            case asked.ChangeSetting():
                return Reply(repr(core.change_setting(command.setting, command.value)))
            case asked.Acknowledge():
                count = core.board.alarms.acknowledge(command.identity, command.client, time.time())
                return Reply(f"{count} acknowledged.")
            case asked.Shelve():
                core.board.alarms.shelve(command.identity, command.seconds, command.client, command.reason, time.time())
                return Reply("Shelved." if command.seconds else "Back.")
        return self._change_queue(command)

    def _change_queue(self, command: Controlled) -> Reply:
        core, queue = self.core, self.core.queue
        match command:
            case asked.AddStep():
                queued = queue.add(*step_of(command.procedure, command.parameters, core.bench))
                return Reply(str(queued.identity))
            case asked.AddRecipe():
                return Reply(self._add_recipe(command.recipe))
            case asked.RemoveStep():
                queue.remove(command.identity)
                return Reply("Removed.")
            case asked.SkipStep():
                queue.skip(command.identity)
                core.bench.clock.interrupt()
                return Reply("It will be skipped.")
            case asked.MoveStep():
                queue.move(command.identity, command.place)
                return Reply("Moved.")
            case asked.ClearQueue():
                queue.clear()
                return Reply("The queue is empty.")
            case asked.StartQueue():
                return Reply(core.start(command.title))
            case asked.PauseQueue():
                queue.pause()
                return Reply("No further step begins.")
            case asked.ResumeQueue():
                core.require_not_stopped()
                queue.resume()
                return Reply("Going on.")
        raise LabError(f"Nobody does {command.name}.")

    def _add_recipe(self, name: str) -> str:
        if name not in self.recipes:
            raise LabError(f"There is no recipe {name}.", remedy=f"There are {', '.join(self.recipes)}.")
        steps = self.recipes[name].expand(self.core.file.station.sensors)
        self.core.queue.add_all(steps)
        return f"{len(steps)} steps added."


def _picture(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:  # not ASCII, or no base64
        raise LabError("The picture is not base64.") from error
