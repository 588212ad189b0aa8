"""Length, free spectral range, finesse and linewidth of the sensor cavities: the laser tuned over several fringes, and
piezo scans at two laser frequencies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pymeasure.experiment import BooleanParameter, FloatParameter, IntegerParameter

from labctl.errors import AnalysisRefused, LockError
from labctl.estimation.cavity_scan import CavityScanFit
from labctl.estimation.free_spectral_range import cavity_length_m
from labctl.estimation.laser_scan import fit_laser_scan
from labctl.estimation.two_colours import fsr_of_two_colours
from labctl.locks.cavity_scan import CavityScan, Found
from labctl.locks.loop import Verdict
from labctl.physics.constants import SPEED_OF_LIGHT_M_PER_S
from labctl.spectra.estimate import Estimate
from labctl.station.roles import TunableLaser
from labctl.store.records import ConventionValue, TraceRecord
from procedures.base import LabProcedure
from procedures.laser_light import Cavity, cavity_of, held, light_behind, metres, shining, wavelength_m
from procedures.traces import LOCKING_S, TRIES, open_beams

GHZ, UM = 1e9, 1e-6
UPWARDS = (True, False, False, True)  # of four passes: what drifts evenly, or ever slower, has no share in their mean
COLOURS = (0, 1, 0, 1, 0)  # of the piezo scans that count: creep, which slows down, has no share in the step
DWELL_S = 0.4  # at each voltage: a slow scan creeps like the one before it
CREPT_S = 150.0  # locked for so long, a piezo creeps evenly enough to be left alone for a sweep
DISAGREEMENT_SIGMAS = 3.0
LASER_START_S, TUNING_S, PIEZO_SCAN_S = 4.0, 0.21, 65.0  # for estimates: on, a wavelength, one scan of the piezo
SHARE_OF_SCANS = 0.45  # of the progress
FSR = "c / 2 L, L with the depth at which the membrane reflects; wavelengths as the laser says them"
LENGTH = (
    "c / 2 FSR of the fringe that was held: from the membrane to the mirror, and the depth at which the membrane "
    "reflects, some 0.1 um"
)


class CavityLength(LabProcedure):
    """Tune the laser over several fringes with the cavities held, and fit each; before that, scan the piezos at two
    laser frequencies as a check that needs no tuning range.

    The laser comes in where the probe does, before the network. It is off afterwards, and the loops that were locked
    are locked again, or asked for after an error.
    """

    title = "Lengths of the sensor cavities"
    roles = ("cavity", "homodyne", "laser")
    sensor = IntegerParameter("Sensor (0 is all together)", default=0, minimum=0, maximum=64)
    span = FloatParameter("Range of the laser", units="m", default=10e-9, minimum=1e-9, maximum=100e-9)
    points = IntegerParameter("Wavelengths", default=121, minimum=60, maximum=5001)
    readings = IntegerParameter("Readings at each", default=3, minimum=1, maximum=1000)
    power = FloatParameter("Power of the laser", units="W", default=1e-3, minimum=1e-5, maximum=0.02)
    two_colours = BooleanParameter("Check by piezo scans at two frequencies", default=True)
    colour_step = FloatParameter("Step between the two", units="Hz", default=100e9, minimum=1e9, maximum=1e12)
    DATA_COLUMNS = ["Sensor", "Free spectral range (GHz)", "Linewidth (GHz)", "Length (um)"]

    def expected_s(self) -> float:
        """Return the time of the passes, of the piezo scans and of locking again, in s."""
        locking_s = LOCKING_S * len(self._numbers())
        sweeps_s = len(UPWARDS) * int(self.points) * TUNING_S + LASER_START_S + locking_s + CREPT_S
        scans_s = (1 + len(COLOURS)) * PIEZO_SCAN_S + LASER_START_S + locking_s
        return sweeps_s + (scans_s if self.two_colours else 0.0)

    def measure(self) -> None:
        """Raises `LockError` when the source is lost in every try, `AnalysisRefused` where no cavity can be fitted."""
        cavities = [cavity_of(self, number) for number in self._numbers()]
        open_beams(self)
        loops = [cavity.loop for cavity in cavities]
        self.ensure_locked(loops)
        two_colours: dict[int, Estimate] = {}
        if self.two_colours:
            with held(self):
                two_colours = self._by_two_colours(cavities)
        self._let_creep_pass(cavities)
        with held(self):  # last: the fringe that is measured is the one that is locked from now on
            fits = self._by_laser(cavities)
        for sensor, fit in fits.items():
            self._report(sensor, fit, two_colours.get(sensor))
        if not fits:
            raise AnalysisRefused("No cavity could be fitted.", remedy="See the events of the run.")

    def _numbers(self) -> list[int]:
        return [int(self.sensor)] if self.sensor else list(range(1, self.on_bench.station.file.station.sensors + 1))

    def _let_creep_pass(self, cavities: Sequence[Cavity]) -> None:
        """Wait until every cavity has been locked for `CREPT_S`."""
        bench = self.on_bench
        while True:
            self.ensure_locked([cavity.loop for cavity in cavities])
            since = max(bench.supervisor.machines[cavity.loop.name].since for cavity in cavities)
            left_s = since + CREPT_S - bench.clock.now()
            if left_s <= 0.0:
                return
            self.wait(left_s)

    # ---- the laser over fringes -------------------------------------------------------------------------------------

    def _by_laser(self, cavities: Sequence[Cavity]) -> dict[int, CavityScanFit]:
        """Return the fit of every cavity that can be fitted. A sweep during which the source was lost is repeated."""
        bench, wanted_m = self.on_bench, self._wavelengths_m()
        for attempt in range(1, TRIES + 1):
            self.ensure_locked(bench.loops.source)
            started_at = bench.clock.now()
            with (
                bench.supervisor.watch([loop.name for loop in bench.loops.source]) as watch,
                shining(self, wanted_m[0], float(self.power)) as laser,
            ):
                frequencies, volts = self._passes(laser, wanted_m, cavities)
                verdict = watch.verdict()
            how: dict[str, ConventionValue] = {"rows": "passes up, down, down, up", "readings": int(self.readings)}
            for row, cavity in enumerate(cavities):
                name = f"sensor{cavity.sensor}.laser_scan"
                self._keep_scan(name, "optical frequency", "Hz", frequencies, volts[:, row], how, verdict, started_at)
            if verdict.locked:
                return self._fitted(cavities, frequencies, volts.mean(axis=0))
            self.event("warning", f"The laser scan of try {attempt} is invalid: {verdict.reason}")
        raise LockError(
            f"A lock was lost in each of {TRIES} tries; last: {verdict.reason}", remedy="See the events of the run."
        )

    def _wavelengths_m(self) -> list[float]:
        """Return wavelengths in m, evenly spaced in frequency about that of the table's light, frequency upwards."""
        middle_m, half_m = wavelength_m(self), 0.5 * float(self.span)
        low, high = (SPEED_OF_LIGHT_M_PER_S / (middle_m + sign * half_m) for sign in (1.0, -1.0))
        return [metres(frequency) for frequency in np.linspace(low, high, int(self.points))]

    def _passes(
        self, laser: TunableLaser, wanted_m: Sequence[float], cavities: Sequence[Cavity]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the frequencies that the laser says it took, in Hz (frequencies,), and the light behind every cavity
        in V, (passes, cavities, frequencies)."""
        count = len(wanted_m)
        frequencies, volts = np.empty(count), np.empty((len(UPWARDS), len(cavities), count))
        begin = SHARE_OF_SCANS if self.two_colours else 0.0
        for turn, upwards in enumerate(UPWARDS):
            for done, point in enumerate(range(count) if upwards else reversed(range(count))):
                self.check_stop()
                laser.tune(wanted_m[point])
                frequencies[point] = SPEED_OF_LIGHT_M_PER_S / laser.wavelength_m()
                volts[turn, :, point] = light_behind(self, cavities, int(self.readings))
                self.progress(begin + (1.0 - begin) * (turn + done / count) / len(UPWARDS))
        return frequencies, volts

    def _fitted(
        self, cavities: Sequence[Cavity], frequencies: NDArray[np.float64], volts: NDArray[np.float64]
    ) -> dict[int, CavityScanFit]:
        fits = {}
        for row, cavity in enumerate(cavities):
            try:
                fits[cavity.sensor] = fit_laser_scan(frequencies, volts[row])
            except AnalysisRefused as refusal:
                self.event("warning", f"sensor{cavity.sensor}: no length from the laser: {refusal}")
        return fits

    # ---- the piezos at two frequencies ------------------------------------------------------------------------------

    def _by_two_colours(self, cavities: Sequence[Cavity]) -> dict[int, Estimate]:
        """Return the free spectral range in Hz of every cavity that shows it; all are scanned together."""
        bench = self.on_bench
        low_hz = SPEED_OF_LIGHT_M_PER_S / wavelength_m(self)
        frequencies = [low_hz + colour * float(self.colour_step) for colour in COLOURS]
        self.ensure_locked(bench.loops.source)
        started_at = bench.clock.now()
        taken: list[list[Found]] = []
        with (
            bench.supervisor.watch([loop.name for loop in bench.loops.source]) as watch,
            shining(self, metres(low_hz), float(self.power)) as laser,
        ):
            self._piezo_scans(cavities)  # not counted: every scan that counts follows another like it
            for done, frequency in enumerate(frequencies, start=1):
                laser.tune(metres(frequency))
                taken.append(self._piezo_scans(cavities))
                self.progress(SHARE_OF_SCANS * done / len(COLOURS))
            verdict = watch.verdict()
        found = {}
        how: dict[str, ConventionValue] = {"rows": ", ".join(f"{frequency:.9g} Hz" for frequency in frequencies)}
        for row, cavity in enumerate(cavities):
            name, scans = f"sensor{cavity.sensor}", [together[row] for together in taken]
            drive_v, light_v = scans[0].drive_v, np.array([scan.light_v for scan in scans])
            self._keep_scan(f"{name}.piezo_scan", "piezo", "V", drive_v, light_v, how, verdict, started_at)
            if not verdict.locked:
                self.event("warning", f"{name}: its piezo scans are invalid: {verdict.reason}")
                continue
            try:
                found[cavity.sensor] = fsr_of_two_colours(drive_v, light_v, [scan.fit for scan in scans], frequencies)
            except AnalysisRefused as refusal:
                self.event("warning", f"{name}: no free spectral range by two colours: {refusal}")
        return found

    def _piezo_scans(self, cavities: Sequence[Cavity]) -> list[Found]:
        """Scan the piezos of all cavities upwards, each a step at a time, and return what was found in each."""
        station = self.on_bench.station
        walks: Mapping[int, Iterator[object]] = {
            row: CavityScan(
                cavity.loop.name,
                station.cavity_piezos[cavity.loop.name],
                station.monitors[cavity.witness],
                station.file.loops[cavity.loop.name].bias,
            ).everywhere()
            for row, cavity in enumerate(cavities)
        }
        found: dict[int, Found] = {}
        while len(found) < len(walks):
            for row, walk in walks.items():
                if row not in found:
                    try:
                        next(walk)
                    except StopIteration as end:
                        found[row] = end.value
            self.wait(DWELL_S)
        return [found[row] for row in walks]

    # ---- what is kept -----------------------------------------------------------------------------------------------

    def _keep_scan(
        self,
        name: str,
        axis_name: str,
        axis_unit: str,
        axis: NDArray[np.float64],
        volts: NDArray[np.float64],
        how: Mapping[str, ConventionValue],
        verdict: Verdict,
        started_at: float,
    ) -> None:
        bench = self.on_bench
        bench.record.add_trace(
            TraceRecord(
                name=name,
                step=self.step_name,
                axis_name=axis_name,
                axis_unit=axis_unit,
                values_unit="V",
                axis=axis,
                values=volts,
                conventions={"light": "behind the mirror of the cavity", **how},
                valid=verdict.locked,
                invalid_reason=verdict.reason,
                started_at=started_at,
                ended_at=bench.clock.now(),
            )
        )

    def _report(self, sensor: int, fit: CavityScanFit, two_colours: Estimate | None) -> None:
        name, fsr, length = f"sensor{sensor}", fit.fsr_hz, cavity_length_m(fit.fsr_hz)
        self.keep(f"{name}.fsr_hz", fsr, unit="Hz", convention=FSR)
        self.keep(f"{name}.length_m", length, unit="m", convention=LENGTH)
        self.keep(f"{name}.finesse", fit.finesse)
        self.keep(f"{name}.kappa_hz", fit.kappa_hz, unit="Hz", convention="FWHM of the fitted Airy line")
        self.row(
            sensor=sensor,
            free_spectral_range=fsr.value / GHZ,
            linewidth=fit.kappa_hz.value / GHZ,
            length=length.value / UM,
        )
        if fit.reason:
            self.event("warning", f"{name}: {fit.reason}")
        if two_colours is None:
            return
        self.keep(f"{name}.fsr_two_colour_hz", two_colours)
        apart = abs(two_colours.value - fsr.value) / float(np.hypot(two_colours.sigma, fsr.sigma))
        if apart > DISAGREEMENT_SIGMAS:
            self.event(
                "warning",
                f"{name}: the laser gives a free spectral range of {fsr.value / GHZ:.3f} GHz, two piezo scans "
                f"{two_colours.value / GHZ:.2f} +- {two_colours.sigma / GHZ:.2f} GHz, {apart:.1f} sigma apart: look at "
                "the laser's wavelengths, and whether more volts make this cavity longer.",
            )
