"""The scan of one stage of the network: light on every sensor against the angle of its wave plate."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from labctl.errors import AnalysisRefused
from labctl.estimation.wave_plate_scan import PERIOD_DEG, TapScan
from labctl.store.records import TraceRecord
from procedures.base import LabProcedure
from procedures.network_light import LightReading, NetworkLight
from procedures.network_settings import ARRIVAL_DEG, RUN_UP_DEG

SCAN_BEGIN_DEG: Final = 20.0
SCAN_RANGE_DEG: Final = 96.0  # more than the period, from which on all repeats
FEWEST_SEEN: Final = (
    8  # readings of the tapped output within the range of its monitor; with fewer a closer scan follows
)
CLOSER_TAPS: Final = (0.3, 0.6, 0.9, 1.2)  # of the wanted tap, on both sides of the zero
LEAST_LIGHT_SIGMAS: Final = 20.0


@dataclass
class StageScan:
    """Readings of the light at angles of the plate of one stage, counted from 1, upwards and downwards.

    `scales` (M,): light of each output behind the stage over that of the last, for equal shares.
    """

    procedure: LabProcedure
    light: NetworkLight
    stage: int
    scales: NDArray[np.float64]
    angles_deg: list[float] = field(default_factory=list)
    from_below: list[bool] = field(default_factory=list)
    looks: list[LightReading] = field(default_factory=list)

    def take(self, points: int, tap: float) -> TapScan:
        """Scan more than a period; closer to the zero as well, about the angle of `tap`, where the output was seldom
        within the range of its monitor. Raises `AnalysisRefused` where an output gets no light."""
        started_at = self.procedure.on_bench.clock.now()
        self._both_ways(SCAN_BEGIN_DEG + np.linspace(0.0, SCAN_RANGE_DEG, points))
        if sum(not look.beyond[self.stage - 1] for look in self.looks) < FEWEST_SEEN:
            self._both_ways(self._closer(tap))
        self._keep(started_at)
        self._require_light()
        light, stage = self.light, self.stage
        return TapScan(
            np.array(self.angles_deg),
            np.array([math.nan if look.beyond[stage - 1] else look.light[stage - 1] for look in self.looks]),
            np.array([math.nan if look.beyond[stage:].any() else self._behind(look) for look in self.looks]),
            np.array(self.from_below),
            light.sigma,
            light.sigma * float(np.linalg.norm(1.0 / self.scales[stage:])),
            light.relative_sigma,
            ARRIVAL_DEG,
        )

    def _both_ways(self, angles_deg: NDArray[np.float64]) -> None:
        mount = self.procedure.on_bench.station.rotators[f"network{self.stage}"]
        for way, run_up in ((angles_deg, -RUN_UP_DEG), (angles_deg[::-1], RUN_UP_DEG)):
            mount.move_to(float(way[0]) + run_up)
            for angle in way:
                self.procedure.check_stop()
                mount.move_to(float(angle))
                self.angles_deg.append(float(angle))
                self.from_below.append(run_up < 0.0)
                self.looks.append(self.light.look())

    def _behind(self, look: LightReading) -> float:
        return float((look.light / self.scales)[self.stage :].sum())

    def _closer(self, tap: float) -> NDArray[np.float64]:
        """Return angles about the zero where the tapped output is as bright as it will be."""
        turn = np.radians(4.0 * np.array(self.angles_deg))
        basis = np.column_stack([np.ones_like(turn), np.cos(turn), np.sin(turn)])
        behind = np.array([self._behind(look) for look in self.looks])
        _, cosine, sine = np.linalg.lstsq(basis, behind, rcond=None)[0]
        zero = math.degrees(0.25 * math.atan2(sine, cosine)) % PERIOD_DEG + PERIOD_DEG
        away = np.degrees(0.5 * np.arcsin(np.sqrt(np.minimum(np.array(CLOSER_TAPS) * tap, 1.0))))
        return np.concatenate([zero - away[::-1], zero + away])

    def _require_light(self) -> None:
        most = np.max([look.light for look in self.looks], axis=0)
        for index in range(self.stage - 1, len(most)):
            if not most[index] > LEAST_LIGHT_SIGMAS * self.light.sigma:
                raise AnalysisRefused(
                    f"Sensor {index + 1} gets no light at any angle of stage {self.stage} of the network.",
                    remedy="Look at its beam, at its cavity, and at the stages before it.",
                )

    def _keep(self, started_at: float) -> None:
        bench = self.procedure.on_bench
        lost = not all(bench.supervisor.machines[loop.name].is_locked for loop in bench.loops.source)
        bench.record.add_trace(
            TraceRecord(
                name=f"network.stage{self.stage}_scan",
                step=self.procedure.step_name,
                axis_name="angle",
                axis_unit="deg",
                values_unit="V",
                axis=np.array(self.angles_deg),
                values=np.array([look.light for look in self.looks]).T,
                conventions={
                    "rows": "monitors behind the sensor cavities, dark level off, at the seed of the first look",
                    "from_below": sum(self.from_below),
                    "order": "as taken",
                    "beyond_range": int(sum(look.beyond.sum() for look in self.looks)),
                },
                valid=not lost,
                invalid_reason="The source was not locked." if lost else "",
                started_at=started_at,
                ended_at=bench.clock.now(),
            )
        )
