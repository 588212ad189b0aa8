"""Faults of simulated instruments as a station file, a command line or a script asks for them, and what they may be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from labctl.configuration.explanations import explain
from labctl.configuration.fault_kinds import FAULTS, FaultKind, kinds_of
from labctl.configuration.faults import Allowed, Finding, choices, guess, refusal, shown
from labctl.configuration.inspection import Inspection
from labctl.configuration.quantities import Duration, PositiveDuration
from labctl.configuration.servos import AnalogServo
from labctl.configuration.tables import Name, Table
from labctl.errors import ConfigurationError

if TYPE_CHECKING:
    from labctl.configuration.station_file import StationFile

MOST_FAULTS = 64
_HIGHEST_CHANNEL = 99
_CHANNEL = re.compile(r"[0-9]{1,2}(\.[0-9]{1,2})?")
_KINDS = choices(FaultKind)
_CHANNELS = 'the number of a slot, channel or address, such as 3, or "2.1" for axis 1 of controller 2'


def _as_kind(value: object) -> FaultKind:
    if isinstance(value, str) and value in tuple(FaultKind):
        return FaultKind(value)
    meant = guess(value, FaultKind) if isinstance(value, str) else ""
    raise refusal(f"{shown(value)} is no kind of fault{meant}", _KINDS)


def _as_channel(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _HIGHEST_CHANNEL:
        return str(value)
    if isinstance(value, str) and _CHANNEL.fullmatch(value):
        return value
    raise refusal(f"{shown(value)} is no channel", _CHANNELS)


Kind = Annotated[FaultKind, BeforeValidator(_as_kind), Allowed(_KINDS)]
Channel = Annotated[str, BeforeValidator(_as_channel), Allowed(_CHANNELS)]


class InstrumentFault(Table):
    """A fault of one simulated instrument, from `after` (s of lab time) on, for `lasting` s or for ever.

    `channel` says which motor, servo or sensor of the instrument it is, as its role's table numbers it (that of a
    picomotor as controller.axis); None is all of them.
    """

    instrument: Name
    kind: Kind
    channel: Channel | None = None
    after: Duration = 0.0
    lasting: PositiveDuration | None = None

    def __str__(self) -> str:
        """Return it as the command line takes it, with times in s."""
        place = self.instrument if self.channel is None else f"{self.instrument}.{self.channel}"
        begin = f"@{self.after:.10g}s" if self.after else ""
        return f"{place}:{self.kind}{begin}" + ("" if self.lasting is None else f"+{self.lasting:.10g}s")


Faults = Annotated[
    tuple[InstrumentFault, ...], Field(strict=False, max_length=MOST_FAULTS), Allowed("a list of faults")
]


def read_fault(content: dict[str, Any]) -> InstrumentFault:
    """Return the fault that `content` describes with the keys and units of a station file.

    Raises ConfigurationError with everything that is wrong with it.
    """
    try:
        return InstrumentFault.model_validate(content)
    except ValidationError as error:
        raise ConfigurationError("\n".join(map(str, explain(error, InstrumentFault)))) from None


def channels_in_use(station: StationFile, instrument: str) -> tuple[str, ...]:
    """Return the channels of an instrument that its station can lose to a fault: those that roles name."""
    oven = station.oven
    servos = [loop.servo for loop in station.loops.values() if isinstance(loop.servo, AnalogServo)]
    used = [str(servo.slot) for servo in servos if servo.instrument == instrument]
    for mirror in station.mirrors.values():
        if mirror.instrument == instrument:
            used += [f"{mirror.controller}.{axis}" for axis in (mirror.pitch, mirror.yaw)]
    if oven is not None and oven.instrument == instrument:
        used.append(str(oven.channel))
    used += [str(gauge.channel) for gauge in station.gauges.values() if gauge.instrument == instrument]
    used += [str(rotator.address) for rotator in station.rotators.values() if rotator.instrument == instrument]
    return tuple(dict.fromkeys(used))


def fault_findings(inspection: Inspection, faults: Sequence[InstrumentFault]) -> Iterator[Finding]:
    """What instruments of a station cannot have, and faults that contradict each other."""
    missing = {fault.instrument for fault in faults if fault.kind is FaultKind.MISSING}
    for index, fault in enumerate(faults):
        for finding in _findings_of(inspection, fault):
            yield Finding(("backend", "faults", index, *finding.key), finding.problem, finding.allowed)
        if fault.instrument in missing and fault.kind is not FaultKind.MISSING:
            yield Finding(
                ("backend", "faults", index, "kind"),
                f"{fault.instrument} is missing from the start and can have no other fault",
                "another instrument",
            )


def _findings_of(inspection: Inspection, fault: InstrumentFault) -> Iterator[Finding]:
    instruments = inspection.station.instruments
    if fault.instrument not in instruments:
        if not inspection.is_named("instruments", fault.instrument):
            problem = f'no instrument is called "{fault.instrument}"{guess(fault.instrument, instruments)}'
            yield Finding(("instrument",), problem, f"one of {', '.join(instruments)}")
        return
    driver = instruments[fault.instrument].driver
    if driver not in FAULTS[fault.kind].drivers:
        problem = f"{fault.instrument} ({driver}) cannot have the fault {fault.kind}"
        yield Finding(("kind",), problem, choices(kinds_of(driver)))
        return
    if fault.kind is FaultKind.MISSING and (fault.after or fault.lasting is not None):
        key = "after" if fault.after else "lasting"
        yield Finding((key,), "what is missing is so from the start and for ever", f"neither, or {FaultKind.DROPPED}")
    yield from _channel_findings(inspection, fault)


def _channel_findings(inspection: Inspection, fault: InstrumentFault) -> Iterator[Finding]:
    if not FAULTS[fault.kind].of_channel:
        if fault.channel is not None:
            yield Finding(("channel",), f"{fault.kind} is a fault of the whole instrument", "no channel")
        return
    if inspection.dropped:
        return  # who uses which channel may be among what is wrong
    used = channels_in_use(inspection.station, fault.instrument)
    if not used:
        problem = f"nothing on this table uses {fault.instrument}, so it has no channel for {fault.kind}"
        yield Finding(("instrument",), problem, "an instrument that a role names")
    elif fault.channel is not None and fault.channel not in used:
        problem = f"channel {fault.channel} of {fault.instrument} is not in use"
        yield Finding(("channel",), problem, f"{choices(used)}, or no channel for all of them")
