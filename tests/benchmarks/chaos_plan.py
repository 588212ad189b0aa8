"""What happens to one night on purpose: drawn from its seed, so that a night that went wrong can be had again."""

from __future__ import annotations

import random
from dataclasses import dataclass

from chaos_causes import Cause, cause_of_disturbance, cause_of_fault

from labctl.configuration.fault_kinds import FaultKind, kinds_of
from labctl.configuration.instrument_faults import channels_in_use
from labctl.configuration.station_file import StationFile

WHOLE_NIGHT = (17000.0, 26000.0)  # s of lab time: until when the table only warms up, and until when it is measured
SHORT_NIGHT = (600.0, 6000.0)
HOUR_S = 3600.0
SHORTEST_FAULT_S, LONGEST_FAULT_S = 5.0, 1200.0
MOST_FAULTS, MOST_DISTURBANCES, MOST_KILLS = 4, 3, 2
LASTS_FOR_EVER = 0.1  # share of the faults
MISSING_SHARE = 0.03  # of the nights: they end before they begin
CLOCK_SHARE, DISK_SHARE, SCREEN_SHARE = 0.25, 0.2, 0.2
LONGEST_JUMP_S = 86400.0
DISTURBANCES = (
    '{{ kind = "kicks", after = {at:.0f}, every = 3600.0 }}',
    '{{ kind = "door_slam", after = {at:.0f} }}',
    '{{ kind = "mode_hop", after = {at:.0f}, jump = 3e8 }}',
    '{{ kind = "power_drop", after = {at:.0f}, share = 0.8, lasting = 60.0 }}',
    '{{ kind = "oven_drift", after = {at:.0f}, per_hour = 0.01 }}',
    '{{ kind = "path_drift", after = {at:.0f}, rad_per_s = 0.3 }}',
    '{{ kind = "cavity_drift", after = {at:.0f} }}',
    '{{ kind = "membrane_doublet", sensor = 1 }}',
    '{{ kind = "dying_photodiode", sensor = 2, after = {at:.0f}, lifetime = 36000.0 }}',
)
CHANGES_RESULTS = ("mode_hop", "power_drop", "oven_drift", "membrane_doublet", "dying_photodiode")
"""Disturbances after which other results are right than those of a quiet night."""


@dataclass(frozen=True)
class InjectedFault:
    """A fault of an instrument, from `after_s` of lab time on, for `lasting_s` or for ever."""

    instrument: str
    kind: FaultKind
    channel: str | None
    after_s: float
    lasting_s: float | None

    def in_toml(self) -> str:
        """Return it as in a station file."""
        channel = "" if self.channel is None else f', channel = "{self.channel}"'
        lasting = "" if self.lasting_s is None else f", lasting = {self.lasting_s:.1f}"
        what = f'instrument = "{self.instrument}", kind = "{self.kind}"{channel}'
        return f"{{ {what}, after = {self.after_s:.1f}{lasting} }}"

    def __str__(self) -> str:
        lasting = "for ever" if self.lasting_s is None else f"{self.lasting_s:.0f} s"
        channel = "" if self.channel is None else f".{self.channel}"
        return f"{self.instrument}{channel}:{self.kind}@{self.after_s:.0f}s+{lasting}"


@dataclass(frozen=True)
class ChaosPlan:
    """All that one night suffers. Moments are shares of the CPU time that a quiet night takes; a jump is in s."""

    seed: int
    faults: tuple[InjectedFault, ...] = ()
    disturbances: tuple[str, ...] = ()
    kills: tuple[float, ...] = ()
    clock_jump: tuple[float, float] | None = None
    disk_full: tuple[float, float] | None = None  # when, and for how long
    screen: bool = False
    causes: tuple[Cause, ...] = ()

    @property
    def changes_results(self) -> bool:
        """Return whether what is true of the table is another than in a quiet night."""
        return any(kind in text for text in self.disturbances for kind in CHANGES_RESULTS)

    def backend_text(self) -> str:
        """Return the keys that go at the end of the backend table of a station file."""
        faults = ",\n    ".join(fault.in_toml() for fault in self.faults)
        disturbances = ",\n    ".join(self.disturbances)
        return f"faults = [\n    {faults}\n]\ndisturbances = [\n    {disturbances}\n]\n"

    def __str__(self) -> str:
        told = [*map(str, self.faults), *(text.split('"')[1] for text in self.disturbances)]
        told += [f"kill at {share:.2f}" for share in self.kills]
        told += ["" if self.clock_jump is None else f"clock {self.clock_jump[1]:+.0f} s at {self.clock_jump[0]:.2f}"]
        told += ["" if self.disk_full is None else f"disk full at {self.disk_full[0]:.2f}"]
        told += ["screen killed" if self.screen else ""]
        return ", ".join(filter(None, told)) or "nothing"


def drawn_plan(seed: int, station: StationFile, span: tuple[float, float] = WHOLE_NIGHT) -> ChaosPlan:
    """Draw what happens to the night of this seed on the table of `station`, in lab times of its `span`."""
    rng = random.Random(seed)
    faults = [_fault(rng, station, span) for _ in range(rng.randint(0, MOST_FAULTS))]
    if rng.random() < MISSING_SHARE:
        faults = [InjectedFault(rng.choice(sorted(station.instruments)), FaultKind.MISSING, None, 0.0, None)]
    shapes = rng.sample(DISTURBANCES, rng.randint(0, MOST_DISTURBANCES))
    kills = sorted(rng.uniform(0.05, 1.0) for _ in range(rng.randint(0, MOST_KILLS)))
    jump = (rng.uniform(0.1, 0.9), rng.choice((-1, 1)) * rng.uniform(HOUR_S, LONGEST_JUMP_S))
    full = (rng.uniform(0.3, 0.8), rng.uniform(0.05, 0.3))
    moments = [_moment(rng, span) for _ in shapes]
    disturbances = tuple(shape.format(at=at) for shape, at in zip(shapes, moments, strict=True))
    causes = [cause_of_fault(one.instrument, one.kind, one.channel, one.after_s, station) for one in faults]
    causes += [
        cause_of_disturbance(text.split('"')[1], at if "after" in text else 0.0, station)
        for text, at in zip(disturbances, moments, strict=True)
    ]
    return ChaosPlan(
        seed,
        tuple(faults),
        disturbances,
        tuple(kills),
        jump if rng.random() < CLOCK_SHARE else None,
        full if rng.random() < DISK_SHARE else None,
        rng.random() < SCREEN_SHARE,
        tuple(causes),
    )


def _moment(rng: random.Random, span: tuple[float, float]) -> float:
    """Return a lab time, four times of five after the table is warm."""
    return rng.uniform(*span) if rng.random() < 0.8 else rng.uniform(0.0, span[0])


def _fault(rng: random.Random, station: StationFile, span: tuple[float, float]) -> InjectedFault:
    """Draw the kind first, for there are kinds that few instruments can have."""
    kind = rng.choice([kind for kind in FaultKind if kind is not FaultKind.MISSING])
    can = [name for name, one in station.instruments.items() if kind in kinds_of(one.driver)]
    needs_channel = kind in (FaultKind.STUCK_MOTOR, FaultKind.RAILED_OUTPUT, FaultKind.OPEN_SENSOR)
    can = [name for name in can if not needs_channel or channels_in_use(station, name)]
    if not can:
        return _fault(rng, station, span)
    instrument = rng.choice(can)
    channel = rng.choice(channels_in_use(station, instrument)) if needs_channel else None
    lasting = None if rng.random() < LASTS_FOR_EVER else _log_uniform(rng, SHORTEST_FAULT_S, LONGEST_FAULT_S)
    return InjectedFault(instrument, kind, channel, _moment(rng, span), lasting)


def _log_uniform(rng: random.Random, low: float, high: float) -> float:
    return float(low * (high / low) ** rng.random())
