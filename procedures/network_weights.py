"""Calibrate the wave plates of the beam-splitter network, and share the light by wanted weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pymeasure.experiment import BooleanParameter, IntegerParameter, Parameter

from labctl.errors import AnalysisRefused, ConfigurationError, LabError
from labctl.estimation.wave_plate_scan import TapFit, fit_tap_scan
from labctl.spectra.estimate import Estimate
from procedures.base import LabProcedure
from procedures.network_light import NetworkLight
from procedures.network_settings import (
    ARRIVAL_DEG,
    RUN_UP_DEG,
    NetworkSettings,
    StageSetting,
    checked_weights,
    equal_weights,
    require_mounts,
    wanted_taps,
)
from procedures.stage_scan import StageScan
from procedures.traces import LOCKING_S, open_beams

ANGLE_S: Final = 0.4  # to turn and to look
LONGEST_HOLD_S: Final = 60.0  # a cavity that nobody holds wanders: then it is locked again between two stages
DRIFT_RELATIVE: Final = 3e-4  # of a monitor from scan to verification: the cavity stands still on the top of its fringe
AGREE_SIGMAS: Final = 6.0


class NetworkWeights(LabProcedure):
    """Scan the half-wave plate of each stage, fit what it taps, set the weights, and verify them by the light on every
    sensor.

    `weights` are shares with commas between, "" for equal ones among the first `sensors` (0: all). Without `scan` the
    last calibration is used. The sensor cavities are locked afterwards; homodyne loops that were wanted are asked for
    again.
    """

    title = "Weights of the network"
    roles = ("homodyne", "cavity", "network")
    weights = Parameter("Weights", default="")
    sensors = IntegerParameter("Equal shares among the first sensors, 0 for all", default=0, minimum=0, maximum=64)
    points = IntegerParameter("Angles of a scan, one way", default=9, minimum=6, maximum=200)
    scan = BooleanParameter("Calibrate anew", default=True)
    DATA_COLUMNS = ["Stage", "Angle (deg)", "Tap"]

    def expected_s(self) -> float:
        """Return how long it will take, in s."""
        count = self.on_bench.station.file.station.sensors
        scans_s = (count - 1) * 2 * self.points * ANGLE_S if self.scan else 0.0
        return float(scans_s + count * LOCKING_S)

    def measure(self) -> None:
        """Raises `LimitError` where a stage cannot reach its tap, `AnalysisRefused` where a scan shows no light or does
        not follow its plate, `LockError` where a cavity cannot be locked."""
        bench = self.on_bench
        count = bench.station.file.station.sensors
        wanted = self._wanted(count)
        if count == 1:
            self.event("info", "One sensor gets all light: there is nothing to share.")
            self.keep("sensor1.weight", Estimate(1.0, 0.0, "", "share of the light: the only sensor"))
            return
        require_mounts(self)
        light = NetworkLight(self)
        open_beams(self)
        self.ensure_locked(light.loops)
        with self._loops_held():
            light.learn_dark()
            settings, scales, sigmas = self._calibrated(light) if self.scan else self._recalled(count)
            angles = NetworkSettings(self, settings).set_weights(wanted)
            self._verify(light, settings, angles, scales, sigmas)
        self.ensure_locked(light.loops)

    def _wanted(self, count: int) -> NDArray[np.float64]:
        given = [word for word in str(self.weights).strip("[] ").split(",") if word.strip()]
        if not given:
            if self.sensors > count:
                raise ConfigurationError(f"This station has {count} sensors, not {self.sensors}.")
            return equal_weights(count, self.sensors or count)
        try:
            return checked_weights([float(word) for word in given], count)
        except ValueError as error:
            raise ConfigurationError(f"The weights {self.weights!r} are not numbers with commas between.") from error

    @contextmanager
    def _loops_held(self) -> Iterator[None]:
        """Hold what the light keeps locked; afterwards ask for what was wanted, on every way out."""
        bench = self.on_bench
        wanted = [name for name in bench.loops.on_probe if bench.supervisor.machines[name].wanted]
        self._hold()
        try:
            yield
        finally:
            bench.supervisor.request(wanted)

    def _hold(self) -> None:
        self.on_bench.supervisor.hold(self.on_bench.loops.on_probe, "Plates of the network turn.")
        self._held_at = self.on_bench.clock.now()

    # ---- calibration ------------------------------------------------------------------------------------------------

    def _calibrated(self, light: NetworkLight) -> tuple[list[StageSetting], NDArray[np.float64], NDArray[np.float64]]:
        """Scan all stages, the last one first, each with those behind it at equal shares. Return their settings, the
        scale of each output over that of the last (M,), and its relative uncertainty by the stage's own fit (M - 1,).
        """
        count = light.count
        scales, sigmas = np.ones(count), np.zeros(count - 1)
        taps = wanted_taps(equal_weights(count, count))
        settings: list[StageSetting] = []
        for done, stage in enumerate(range(count - 1, 0, -1)):
            if self.on_bench.clock.now() - self._held_at > LONGEST_HOLD_S:
                self.ensure_locked(light.loops)
                self._hold()
            with self._put_back(stage):
                fit = fit_tap_scan(StageScan(self, light, stage, scales).take(int(self.points), taps[stage]))
                settings.insert(0, StageSetting.of_fit(stage, fit))
                NetworkSettings(self, settings).turn(stage, settings[0].angle_deg(taps[stage]))
            scales[stage - 1], sigmas[stage - 1] = fit.scale.value, fit.scale.relative_sigma
            self._keep_stage(stage, fit, light.dark_sigma)
            self.progress(0.9 * (done + 1) / (count - 1))
        for number, scale in enumerate(scales, start=1):
            relative = math.hypot(*sigmas[number - 1 :], DRIFT_RELATIVE)
            self.keep(
                f"sensor{number}.light_scale",
                Estimate(float(scale), float(scale) * relative, "", "its monitor over that of the last, equal shares"),
            )
        return settings, scales, sigmas

    @contextmanager
    def _put_back(self, stage: int) -> Iterator[None]:
        """Leave a stage whose scan ends early where the last calibration shares equally, or say that it is off."""
        try:
            yield
        except BaseException:
            with suppress(LabError):
                count = self.on_bench.station.file.station.sensors
                self._turn_back(stage, wanted_taps(equal_weights(count, count))[stage])
            raise

    def _turn_back(self, stage: int, tap: float) -> None:
        name = f"network{stage}"
        try:
            angle = StageSetting.of_results(stage, self).angle_deg(tap)
        except LabError:
            self.event("warning", f"The plate {name} stands where its scan ended: calibrate it before it is used.")
            return
        mount = self.on_bench.station.rotators[name]
        mount.move_to(angle - RUN_UP_DEG)
        mount.move_to(angle)

    def _recalled(self, count: int) -> tuple[list[StageSetting], NDArray[np.float64], NDArray[np.float64]]:
        """Return what the last calibration found."""
        found = [self.on_bench.result(f"sensor{n}.light_scale") for n in range(1, count + 1)]
        settings = [StageSetting.of_results(stage, self) for stage in range(1, count)]
        sigmas = np.array([one.sigma / one.value for one in found[:-1]])
        return settings, np.array([one.value for one in found]), sigmas

    # ---- what it says -----------------------------------------------------------------------------------------------

    def _verify(
        self,
        light: NetworkLight,
        settings: Sequence[StageSetting],
        angles: dict[int, float],
        scales: NDArray[np.float64],
        sigmas: NDArray[np.float64],
    ) -> None:
        """Read the light at the angles that were set, and keep taps and weights. Raises `AnalysisRefused` where it is
        not what the angles say."""
        look = light.look()
        shares, noise = look.light / scales, light.sigma / scales
        left, left_variance = 1.0, 0.0
        for stage in range(1, light.count):
            index = stage - 1
            if stage in angles:
                by_angle = settings[index].tap_at(angles[stage])
                tap = _tap_read(shares, noise, index, float(sigmas[index]))
                apart = abs(tap.value - by_angle.value)
                if look.beyond[index:].any():
                    tap = by_angle
                elif apart > AGREE_SIGMAS * math.hypot(tap.sigma, by_angle.sigma):
                    raise AnalysisRefused(
                        f"Stage {stage} of the network takes {tap} of its light; its angle says {by_angle}.",
                        remedy="Somebody moved a plate or a cavity: calibrate it again.",
                    )
                self.keep(f"network.stage{stage}_tap", tap, convention=f"share that it takes, {tap.convention}")
                self.row(stage=stage, angle=angles[stage], tap=tap.value)
            else:
                tap = Estimate(0.0, 0.0)
            self._keep_weight(
                stage, left * tap.value, math.hypot(left * tap.sigma, math.sqrt(left_variance) * tap.value)
            )
            left_variance = left_variance * (1.0 - tap.value) ** 2 + (left * tap.sigma) ** 2
            left *= 1.0 - tap.value
        self._keep_weight(light.count, left, math.sqrt(left_variance))

    def _keep_weight(self, sensor: int, share: float, sigma: float) -> None:
        self.keep(f"sensor{sensor}.weight", Estimate(share, sigma, "", "share of the light in the network, sum 1"))

    def _keep_stage(self, stage: int, fit: TapFit, dark_sigma_v: float) -> None:
        """Keep what a stage is; what its extinction rests on is the dark level of its monitor as well."""
        name = f"network.stage{stage}"
        arrivals = ARRIVAL_DEG / math.sqrt(2.0 * self.points)
        zero = fit.zero_deg
        self.keep(
            f"{name}_zero_deg", Estimate(zero.value, math.hypot(zero.sigma, arrivals), zero.unit, zero.convention)
        )
        extinction = fit.extinction
        sigma = math.hypot(extinction.sigma, dark_sigma_v / fit.brightest)
        self.keep(f"{name}_extinction", Estimate(extinction.value, sigma, "", extinction.convention))
        self.keep(f"{name}_play_deg", fit.play_deg)
        self.keep(f"{name}_largest_tap", fit.largest)


def _tap_read(shares: NDArray[np.float64], noise: NDArray[np.float64], index: int, scale_sigma: float) -> Estimate:
    """Return the share of a stage from the light on its sensor and on those behind it, each over its scale."""
    total = float(shares[index:].sum())
    tap = float(shares[index]) / total
    own, rest = (1.0 - tap) * noise[index] / total, tap * float(np.linalg.norm(noise[index + 1 :])) / total
    scale = tap * (1.0 - tap) * math.hypot(scale_sigma, DRIFT_RELATIVE)
    return Estimate(tap, math.hypot(own, rest, scale), "", "by the light on the sensors")
