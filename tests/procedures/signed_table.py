"""Tables whose homodyne loops were closed at chosen signs by somebody who knows their truth."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ideal_table import (
    HOMODYNE_UNITY_GAIN_HZ,
    SERVO_GAIN,
    OpenTable,
    close,
    lock_homodyne,
    lock_source,
    open_table,
    phase_error_rad,
    station_at,
)
from procedure_bench import LockedTable

from labctl.locks.loops import Loops, build_loops
from labctl.locks.supervisor import Supervisor
from procedures.bench import Bench, MemoryRecord

SETTLE_S = 0.3


@dataclass
class SignedTable(LockedTable):
    """A table on the wire with its homodyne loops closed, and a bench that knows these loops alone."""

    @classmethod
    def make(cls, seed: int = 5, scenario: str = "delays") -> SignedTable:
        opened = open_table(station_at(seed, scenario))
        loops = Loops({loop.name: loop for loop in build_loops(opened.station).homodyne})
        supervisor = Supervisor(loops.by_name, {}, opened.station.clock)
        for name, sensor in zip(loops.by_name, opened.table.sensors, strict=True):
            opened.station.servos[name].close_loop(sensor.truth.dc_offset_v, -1.0)  # registers as a lock leaves them
        lock_source(opened.table)
        lock_homodyne(opened.table)
        calibrations = {name: _calibration(opened, index) for index, name in enumerate(loops.by_name)}
        assert supervisor.take_over(calibrations) == list(loops.by_name)
        return cls(opened, Bench(opened.station, MemoryRecord(), loops, supervisor))

    def fresh_bench(self) -> Bench:
        """Return the bench with an empty record."""
        return Bench(self.opened.station, MemoryRecord(), self.bench.loops, self.bench.supervisor)

    @property
    def signs(self) -> tuple[int, ...]:
        """+1 for each loop that is at +pi/2, -1 for each at -pi/2, 0 for one that is at neither."""
        sensors = self.opened.table.sensors
        return tuple(next((q for q in (1, -1) if abs(phase_error_rad(s, q)) < 0.3), 0) for s in sensors)

    def turn(self, signs: Sequence[int]) -> None:
        """Close each loop that has another sign on the slope half a fringe nearer to the middle of its range."""
        for sensor, now, wanted in zip(self.opened.table.sensors, self.signs, signs, strict=True):
            if now != wanted:
                output_v = sensor.servo.output_volts()
                output_v -= math.copysign(sensor.truth.volts_per_pi / SERVO_GAIN, output_v)
                close(sensor.servo, output_v, sensor.truth.dc_offset_v, HOMODYNE_UNITY_GAIN_HZ)
        self.opened.table.elapse(SETTLE_S)
        assert self.signs == tuple(signs)


def one_turned_at_a_time(count: int) -> Iterator[tuple[int, ...]]:
    """Yield all 2^count patterns of signs; each differs in one place from the one before."""
    for number in range(1 << count):
        gray = number ^ number >> 1
        yield tuple(-1 if gray >> bit & 1 else 1 for bit in range(count))


def _calibration(opened: OpenTable, index: int) -> dict[str, float]:
    sensor = opened.table.sensors[index]
    turn_rad_per_v = math.pi * SERVO_GAIN / sensor.truth.volts_per_pi
    top_v, bottom_v = sensor._level(1.0), sensor._level(-1.0)
    return {
        "offset_v": 0.5 * (top_v + bottom_v),
        "offset_sigma_v": 1e-3,
        "amplitude_v": 0.5 * (top_v - bottom_v),
        "amplitude_sigma_v": 1e-3,
        "volts_per_pi": math.pi / turn_rad_per_v,
        "turn_rad_per_v": turn_rad_per_v,
        "bow_rad_per_v2": 0.0,
        "at": opened.table.now(),
    }
