"""Losses that are made on purpose, one after the other on one quiet table: does the sentence say what was done?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from ideal_table import open_table, station_at

from labctl.errors import LockError
from labctl.locks.causes import Cause, CauseKind, explain
from labctl.locks.loops import Loops, build_loops, build_supervisor
from labctl.locks.losses import Evidence
from labctl.locks.supervisor import Supervisor
from labctl.simulation.table import SimulatedTable
from labctl.station.clock import Clock

STEP_S = 0.1
REST_S = 30.0
GAIN_THAT_SWINGS = 8.0
LOOPS = ("opa_length", "pump_phase", "lo1", "lo2", "lo3", "lo4")


@dataclass(frozen=True)
class Staged:
    """What was done, what the cause should be, and what was said of each loss that followed."""

    what: str
    truth: CauseKind
    said: tuple[Cause, ...]
    evidence: tuple[Evidence, ...]


@dataclass
class Stage:
    """A table with all loops locked, and the ways to spoil it."""

    table: SimulatedTable
    clock: Clock
    supervisor: Supervisor

    def knock(self) -> None:
        """Move the cavity by three half linewidths, and every path by a radian or two."""
        room = self.table.room
        room.source_length.strike(6e-9)
        for knock, size in zip([room.pump_path, *room.path], (1.0, 1.5, -2.0, 1.2, -1.0), strict=True):
            knock.strike(size)

    def hop(self) -> None:
        """Let the laser hop by 300 MHz."""
        self.table.room.laser_hop_hz += 300e6

    def big_hop(self) -> None:
        """Let the laser hop down by 900 MHz: the resonance is gone from the range of a small scan."""
        self.table.room.laser_hop_hz -= 900e6

    def dim(self) -> None:
        """Take half of the laser's light away for 40 s."""
        self.table.room.light = 0.45
        self.clock.sleep(40.0)
        self.table.room.light = 1.0

    def close(self, shutter: str, seconds: float) -> None:
        """Close a shutter for a while."""
        self.table.set_shutter(shutter, False)
        self.clock.sleep(seconds)
        self.table.set_shutter(shutter, True)

    def drift_to_the_rail(self) -> None:
        """Let the length of the source cavity drift, which has no other lock point in reach."""
        knock = self.table.room.source_length
        sign = 1.0 if self.table.source.length_servo.output_volts() < 0.0 else -1.0
        for _ in range(4000):
            knock.value += sign * 0.15e-9  # 1.5 nm/s
            self.clock.sleep(STEP_S)
            if self.supervisor.losses and not self.supervisor.machines["opa_length"].is_locked:
                break
        knock.value = 0.0

    def cool_the_crystal(self) -> None:
        """Let the crystal leave its temperature, so that the seed fades."""
        for _ in range(600):
            self.table.room.crystal_offset_k += 1.5e-3
            self.clock.sleep(STEP_S)
            if not self.supervisor.machines["pump_phase"].is_locked:
                break
        self.table.room.crystal_offset_k = 0.0

    def fade(self, sensor: int) -> None:
        """Let one photodiode fade."""
        for _ in range(600):
            self.table.room.photodiode[sensor - 1] -= 0.4e-3
            self.clock.sleep(STEP_S)
            if not self.supervisor.machines[f"lo{sensor}"].is_locked:
                break
        self.table.room.photodiode[sensor - 1] = 1.0

    def oscillate(self, sensor: int) -> None:
        """Somebody turns the gain of one servo up until it swings."""
        servo = self.table.sensors[sensor - 1].servo
        servo.apply(replace(servo.settings, integral_gain=GAIN_THAT_SWINGS * servo.settings.integral_gain))
        self.clock.sleep(2.0)


def _acts(stage: Stage) -> Iterator[tuple[str, CauseKind, Callable[[], None]]]:
    yield "knock", CauseKind.KNOCK, stage.knock
    yield "mode hop of 300 MHz", CauseKind.MODE_HOP, stage.hop
    yield "mode hop of -900 MHz", CauseKind.MODE_HOP, stage.big_hop
    yield "laser at 45 %", CauseKind.POWER_STEP, stage.dim
    yield "pump shutter closed", CauseKind.LIGHT_GONE, lambda: stage.close("pump", 40.0)
    yield "signal shutter closed", CauseKind.LIGHT_GONE, lambda: stage.close("signal", 10.0)
    yield "local-oscillator shutter closed", CauseKind.LIGHT_GONE, lambda: stage.close("local_oscillator", 10.0)
    yield "photodiode fades", CauseKind.DETECTOR, lambda: stage.fade(3)
    yield "gain turned up", CauseKind.OSCILLATION, lambda: stage.oscillate(2)
    yield "crystal off its temperature", CauseKind.TEMPERATURE, stage.cool_the_crystal
    yield "length drifts to the rail", CauseKind.RAIL, stage.drift_to_the_rail


def _bring_up(supervisor: Supervisor, clock: Clock) -> None:
    """Lock all loops; one that had given up over what was done before gets a second chance."""
    with suppress(LockError):
        supervisor.bring_up(LOOPS, clock.sleep)
        return
    for machine in supervisor.machines.values():
        machine.release()
    supervisor.bring_up(LOOPS, clock.sleep)


def staged_losses(seed: int) -> list[Staged]:
    """Bring a quiet table up, spoil it in every way, and return what was said."""
    opened = open_table(station_at(seed))
    clock = opened.station.clock
    built = build_loops(opened.station)
    loops = Loops({name: loop for name, loop in built.by_name.items() if name in LOOPS})
    supervisor = build_supervisor(opened.station, loops)
    needs = {name: [need for need in opened.station.file.loops[name].needs if need in LOOPS] for name in LOOPS}
    stage = Stage(opened.table, clock, supervisor)
    done = []
    for what, truth, act in _acts(stage):
        _bring_up(supervisor, clock)
        for machine in supervisor.machines.values():
            machine.budget.refill()
        clock.sleep(REST_S)
        known = len(supervisor.losses)
        act()
        clock.sleep(REST_S)
        evidence = tuple(supervisor.history.evidence(loss) for loss in supervisor.losses[known:])
        done.append(Staged(what, truth, tuple(explain(one, needs) for one in evidence), evidence))
    return done
