"""The joint noise against the number of sensors that share the light, and what entanglement is worth for each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

import numpy as np
from pymeasure.experiment import IntegerParameter

from labctl.errors import AnalysisRefused, LabError, LockError
from labctl.estimation.cross_spectrum import BandMatrix, CrossSpectrum
from labctl.estimation.network import marginal_variances, optimal_combination, relative_to_shot
from labctl.estimation.network_advantage import Separable, expected_points, measured_point
from labctl.locks.homodyne import HomodyneLock
from labctl.locks.loop import Loop, Verdict
from labctl.locks.sensor_cavity import CavityLock
from labctl.spectra.estimate import Estimate, in_decibels
from labctl.spectra.trace import Band
from procedures.band_matrices import FEWEST_RECORDS, keep_matrix, take_matrix
from procedures.base import LabProcedure
from procedures.frequencies import exclusions, resonances_hz
from procedures.network_light import SLOW_INPUT_FULL_SCALE_V, USED_SHARE
from procedures.network_settings import NetworkSettings, equal_weights
from procedures.traces import LOCKING_S, TRIES, Share, block_beams, open_beams

ALL_UP_TO: Final = 6  # sensors: up to here every number of them is measured, beyond powers of two
BAND_MARGIN_HZ: Final = 200e3  # noise is white there
DARK_SHARE: Final = 0.3
RECORD_S: Final = 0.06  # arming, filling and transfer
ALL_LOCKED: Final = Verdict(True)


class NetworkScaling(LabProcedure):
    """Share the light equally among the first k sensors, from all of them down to `fewest`, and record the joint noise.

    From more sensors to fewer the light on each that is left only grows, so their cavities stay locked all the while;
    the homodyne loops scan their fringes anew, for set point and gain go with the light. Afterwards the light is shared
    by all again and everything is locked.
    """

    title = "Advantage against the number of sensors"
    roles = ("digitizer", "homodyne", "cavity", "network")
    records = IntegerParameter("Records for each number", default=60, minimum=FEWEST_RECORDS, maximum=1000000)
    fewest = IntegerParameter("Fewest sensors", default=1, minimum=1, maximum=64)
    DATA_COLUMNS = ["Sensors", "Joint noise (dB)", "Advantage (percent)"]

    def expected_s(self) -> float:
        """Return the time of all records and locks, in s."""
        count = self.on_bench.station.file.station.sensors
        lit = numbers_of_sensors(count, int(self.fewest))
        records_s = (len(lit) + 1.0 + DARK_SHARE) * self.records * RECORD_S
        return float(records_s + (sum(lit) + 2 * count) * LOCKING_S)

    def measure(self) -> None:
        """Raises `LockError`; `StoreError` where the network was not calibrated, or its efficiency is not known."""
        bench = self.on_bench
        count = bench.station.file.station.sensors
        efficiency = self._efficiency()
        self._lit = count  # sensors that the light is shared among
        settings = NetworkSettings.of(self)
        with self._restored(settings, count):
            block_beams(self, signal=True, local_oscillator=False)
            settings.set_weights(equal_weights(count, count))
            shot, dark = self._references()
            open_beams(self)
            self.ensure_locked(bench.loops.homodyne)
            numbers = numbers_of_sensors(count, int(self.fewest))
            for done, lit in enumerate(numbers):
                if lit < count:
                    if not self._within_range(lit, count):
                        break
                    self._brighten(settings, lit, count)
                share = Share(0.2 + 0.7 * done / len(numbers), 0.2 + 0.7 * (done + 1) / len(numbers))
                self._report(lit, self._locked_matrix(lit, share), shot, dark, efficiency)
        self.ensure_locked(bench.loops.homodyne)

    # ---- sharing the light ------------------------------------------------------------------------------------------

    @contextmanager
    def _restored(self, settings: NetworkSettings, count: int) -> Iterator[None]:
        """Afterwards share the light among all, and ask for the loops that were wanted, on every way out."""
        bench = self.on_bench
        wanted = [name for name in bench.loops.on_probe if bench.supervisor.machines[name].wanted]
        try:
            yield
        finally:
            try:
                bench.supervisor.hold(bench.loops.on_probe, "Plates of the network turn back.")
                settings.set_weights(equal_weights(count, count))
                open_beams(self)
            except LabError as error:
                self.event("error", f"The light could not be shared by all sensors again: {error}")
                raise
            finally:
                bench.supervisor.request(wanted)

    def _brighten(self, settings: NetworkSettings, lit: int, count: int) -> None:
        """Take the light from all but the first `lit` sensors."""
        bench = self.on_bench
        homodyne = [loop.name for loop in bench.loops.homodyne]
        bench.supervisor.release(homodyne)  # those that get light are locked anew, the others have no fringe
        dark = [
            name
            for name, entry in bench.station.file.loops.items()
            if entry.kind == "cavity" and entry.sensor > lit and isinstance(bench.loops.by_name[name], CavityLock)
        ]
        bench.supervisor.hold(dark, "The network sends it no light.")
        settings.set_weights(equal_weights(count, lit))
        self._lit = lit

    def _within_range(self, lit: int, count: int) -> bool:
        """Return whether the monitors of the first `lit` sensors hold their light and their fringes; say which not."""
        bench, ratio = self.on_bench, self._lit / lit
        swings: list[tuple[str, float, float]] = []  # loop, lowest and highest level, in V
        for loop in self._homodyne(lit):
            fringe = loop.calibration
            assert fringe is not None  # it was locked with the light of more sensors
            swing_v = fringe.amplitude_v * math.sqrt(ratio)
            swings.append((loop.name, fringe.offset_v - swing_v, fringe.offset_v + swing_v))
        for name, entry in bench.station.file.loops.items():
            cavity = bench.loops.by_name.get(name)
            if entry.kind == "cavity" and entry.sensor <= lit and isinstance(cavity, CavityLock) and cavity.calibration:
                swings.append((name, 0.0, cavity.calibration.top_v * ratio))
        for name, lowest_v, highest_v in swings:
            witness = bench.station.file.loops[name].witness
            assert witness is not None  # these loops are locked by their monitor
            monitor = bench.station.file.monitors[witness]
            if not (
                USED_SHARE * (0.0 - monitor.offset) <= monitor.gain * lowest_v
                and monitor.gain * highest_v < USED_SHARE * (SLOW_INPUT_FULL_SCALE_V - monitor.offset)
            ):
                self.event(
                    "warning",
                    f"With all light on {lit} of {count} sensors the light of {name} would leave the range of its "
                    f"monitor {witness}: fewer sensors are not measured. Give the monitor less gain.",
                )
                return False
        return True

    def _homodyne(self, lit: int) -> list[HomodyneLock]:
        return [self.on_bench.loops.of_sensor(sensor) for sensor in range(1, lit + 1)]

    # ---- records ----------------------------------------------------------------------------------------------------

    @property
    def _band(self) -> Band:
        found = resonances_hz(self.on_bench)
        return min(found) - BAND_MARGIN_HZ, max(found) + BAND_MARGIN_HZ

    def _references(self) -> tuple[CrossSpectrum, CrossSpectrum]:
        """Return shot and dark noise; the signal is blocked already."""
        bench = self.on_bench
        started_at = bench.clock.now()
        shot = take_matrix(self, int(self.records), self._band, Share(0.0, 0.15))
        keep_matrix(self, "advantage.matrix_shot", shot, started_at, ALL_LOCKED)
        bench.station.shutters["local_oscillator"].close()
        started_at = bench.clock.now()
        dark = take_matrix(self, max(FEWEST_RECORDS, round(DARK_SHARE * self.records)), self._band, Share(0.15, 0.2))
        keep_matrix(self, "advantage.matrix_dark", dark, started_at, ALL_LOCKED)
        return shot, dark

    def _locked_matrix(self, lit: int, share: Share) -> CrossSpectrum:
        """Return the matrix while the first `lit` sensors are locked. Raises `LockError` where they never hold."""
        bench = self.on_bench
        needs: Sequence[Loop] = self._homodyne(lit)
        for attempt in range(1, TRIES + 1):
            self.ensure_locked(needs)
            started_at = bench.clock.now()
            with bench.supervisor.watch([loop.name for loop in needs]) as watch:
                matrix = take_matrix(self, int(self.records), self._band, share, watch)
                verdict = watch.verdict()
            keep_matrix(self, f"advantage.m{lit}_matrix_signal", matrix, started_at, verdict)
            if verdict.locked:
                return matrix
            self.event("warning", f"Records with {lit} sensors lit (try {attempt}) are invalid: {verdict.reason}")
        raise LockError(
            f"advantage.m{lit}: a lock was lost in each of {TRIES} tries.", remedy="See the events of the run."
        )

    # ---- what it says -----------------------------------------------------------------------------------------------

    def _efficiency(self) -> Estimate:
        """Return the efficiency from a pure source to the records: of the channels, and of the source where the run
        knows it."""
        channel = self.on_bench.result("network.channel_efficiency")
        source = self.on_bench.results().get("source.total_efficiency")
        if source is None:
            return Estimate(channel.value, channel.sigma, "", "channels alone")
        value = channel.value * source.value
        relative = math.hypot(channel.sigma / channel.value, source.sigma / source.value)
        return Estimate(value, value * relative, "", "source and channels")

    def _report(
        self, lit: int, signal: CrossSpectrum, shot: CrossSpectrum, dark: CrossSpectrum, efficiency: Estimate
    ) -> None:
        skip = [edges for edges in exclusions(self.on_bench) if edges[1] > self._band[0] and edges[0] < self._band[1]]
        band = (float(signal.frequency_hz[0]), float(signal.frequency_hz[-1]))
        network = relative_to_shot(*(_first(part.mean_over(band, skip), lit) for part in (signal, shot, dark)))
        joint = optimal_combination(network).variance
        name = f"advantage.m{lit}"
        self.keep(
            f"{name}_joint_db",
            in_decibels(joint),
            convention=f"light shared among the first {lit}; their records re-phased, over shot noise, dark subtracted",
        )
        alone = marginal_variances(network)
        mean = Estimate(
            float(np.mean([one.value for one in alone])),
            float(np.linalg.norm([one.sigma for one in alone])) / lit,
            "",
            "mean of the detectors, each alone",
        )
        marginal = measured_point(joint, mean, lit, separable_is=Separable.MARGINAL)
        self.keep(f"{name}_rmse_marginal", marginal.separable, convention=f"measured: {Separable.MARGINAL}")
        self.keep(f"{name}_rmse_entangled", marginal.entangled, convention="measured: sqrt(V / 4M) of the joint noise")
        self._compare(name, lit, joint, efficiency)

    def _compare(self, name: str, lit: int, joint: Estimate, efficiency: Estimate) -> None:
        """Keep what independent squeezers with as many photons in all would do: no table has them, so it is a model."""
        try:
            (point,) = expected_points(joint, efficiency, [lit])
        except AnalysisRefused as refusal:
            self.event("warning", f"{name}: nothing to compare with: {refusal}")
            return
        model = (
            f"{Separable.INDEPENDENT}, pure, by the measured joint noise and the efficiency of {efficiency.convention}"
        )
        self.keep(f"{name}_rmse_separable", point.separable, convention=f"expected: {model}")
        percent = Estimate(point.advantage_percent, 100.0 * point.advantage.sigma, "%")
        self.keep(f"{name}_percent", percent, convention=f"measured entangled against expected {model}")
        self.row(sensors=lit, joint_noise=in_decibels(joint).value, advantage=point.advantage_percent)


def numbers_of_sensors(count: int, fewest: int) -> list[int]:
    """Return how many sensors are lit, from all of them downwards: every number of a few, powers of two of many."""
    if count <= ALL_UP_TO:
        return list(range(count, min(fewest, count) - 1, -1))
    powers = [2**n for n in range(count.bit_length()) if fewest <= 2**n < count]
    return [count, *reversed(powers)]


def _first(part: BandMatrix, lit: int) -> BandMatrix:
    """Return the matrix of the first `lit` channels."""
    return replace(part, matrix=part.matrix[:lit, :lit])
