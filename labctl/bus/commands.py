"""What may be asked of a core: one class each, whose fields are the arguments.

Values come from anywhere, as text or numbers, and are checked here before anybody acts on them. Those that derive from
`Controlled` are for who holds the control lease; `Stop` and those that only ask or note are for everybody.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Json

Client = Annotated[str, Field(min_length=1, max_length=64)]
Sentence = Annotated[str, Field(max_length=500)]
Reason = Annotated[str, Field(min_length=1, max_length=500)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.\-\[\]]{0,63}$")]
RunName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
FigureName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Identity = Annotated[int, Field(ge=0, le=2**31)]
MOST_SHELVED_S = 12 * 3600.0


class Command(BaseModel):
    """Something asked of a core by `client`, the name under which a screen or a script shows itself."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    name: ClassVar[str]
    client: Client


class Controlled(Command):
    """For who holds the lease; `lease` is what `TakeControl` answered."""

    lease: Annotated[str, Field(max_length=64)] = ""


SOMEBODY = "somebody"


def _cut(said: object, longest: int) -> str:
    return str(said)[:longest]


# ---- control --------------------------------------------------------------------------------------------------------


class Stop(Command):
    """The software stop: from anyone, at any time, as often as they like.

    It is never refused for how it was asked: what is too long is cut, what nobody knows is passed over.
    """

    model_config = ConfigDict(extra="ignore")
    name = "stop"
    client: Annotated[Client, BeforeValidator(lambda said: _cut(said, 64) or SOMEBODY)] = SOMEBODY
    reason: Annotated[Sentence, BeforeValidator(lambda said: _cut(said, 500))] = ""


class Reset(Controlled):
    """Release the latched stop; nothing is started again."""

    name = "reset"
    reason: Reason


class TakeControl(Command):
    """Ask for the control lease; answers its token. With `force` it is taken from who has it."""

    name = "take_control"
    force: bool = False


class KeepControl(Controlled):
    """Renew the lease."""

    name = "keep_control"


class GiveControl(Controlled):
    """Give the lease back."""

    name = "give_control"


# ---- the queue ------------------------------------------------------------------------------------------------------


class AddStep(Controlled):
    """Put a procedure at the end of the queue; answers the identity of its step. Nothing is started."""

    name = "add_step"
    procedure: Word
    parameters: Json[dict[str, float | int | str | bool]] = Field(default_factory=dict)


class AddRecipe(Controlled):
    """Put all steps of a recipe that the core knows by name at the end of the queue."""

    name = "add_recipe"
    recipe: Word


class RemoveStep(Controlled):
    """Take a waiting step out of the queue."""

    name = "remove_step"
    identity: Identity


class SkipStep(Controlled):
    """Skip a waiting step, or end the running one and go on with the next."""

    name = "skip_step"
    identity: Identity


class MoveStep(Controlled):
    """Put a waiting step at `place` among those that wait, 0 being the next."""

    name = "move_step"
    identity: Identity
    place: Annotated[int, Field(ge=0, le=10_000)]


class ClearQueue(Controlled):
    """Take out every step that waits or is over; the one that runs goes on."""

    name = "clear_queue"


class StartQueue(Controlled):
    """Run the waiting steps, as one run on disk."""

    name = "start_queue"
    title: Sentence = ""


class PauseQueue(Controlled):
    """Begin no further step."""

    name = "pause_queue"


class ResumeQueue(Controlled):
    """Go on with the next step."""

    name = "resume_queue"


# ---- loops and settings ---------------------------------------------------------------------------------------------


class LockLoop(Controlled):
    """Lock a loop and all that it needs, and keep them locked."""

    name = "lock_loop"
    loop: Word


class HoldLoop(Controlled):
    """Hold a loop, and what needs it, where it is."""

    name = "hold_loop"
    loop: Word


class ReleaseLoop(Controlled):
    """Open a loop, and what needs it, and let its output go to rest."""

    name = "release_loop"
    loop: Word


class ChangeSetting(Controlled):
    """Change a setting of the core; answers the value before, which undoes it."""

    name = "change_setting"
    setting: Word
    value: float


# ---- alarms and the log book ----------------------------------------------------------------------------------------


class Acknowledge(Controlled):
    """Acknowledge an alarm, or with identity 0 all of them."""

    name = "acknowledge"
    identity: Identity = 0


class Shelve(Controlled):
    """Put an alarm aside for some seconds; 0 brings it back."""

    name = "shelve"
    identity: Identity
    seconds: Annotated[float, Field(ge=0.0, le=MOST_SHELVED_S)]
    reason: Sentence = ""


class Note(Command):
    """Write a line into the log book; `picture` is a PNG in base64, "" none."""

    name = "note"
    text: Annotated[str, Field(min_length=1, max_length=2000)]
    picture: Annotated[str, Field(max_length=12 * 2**20)] = ""


# ---- questions ------------------------------------------------------------------------------------------------------


class ListRuns(Command):
    """Answers a table of `RunSummaryRow`, the newest first."""

    name = "list_runs"
    most: Annotated[int, Field(ge=1, le=1000)] = 100


class ListFigures(Command):
    """Answers a table of `FigureRow`."""

    name = "list_figures"
    run: RunName


class ReadFigure(Command):
    """Answers the bytes of a PNG."""

    name = "read_figure"
    run: RunName
    figure: FigureName


class ReadTraffic(Command):
    """Answers the last messages to and from an instrument, a line each."""

    name = "read_traffic"
    instrument: Word


COMMANDS: dict[str, type[Command]] = {
    command.name: command
    for command in (
        Stop, Reset, TakeControl, KeepControl, GiveControl,
        AddStep, AddRecipe, RemoveStep, SkipStep, MoveStep, ClearQueue, StartQueue, PauseQueue, ResumeQueue,
        LockLoop, HoldLoop, ReleaseLoop, ChangeSetting,
        Acknowledge, Shelve, Note, ListRuns, ListFigures, ReadFigure, ReadTraffic,
    )
}  # fmt: skip
"""All commands by name."""
