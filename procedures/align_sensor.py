"""Align the mirror of one sensor by the visibility of its fringe."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from pymeasure.experiment import IntegerParameter

from labctl.alignment.axes import MirrorAxis, StepHint
from labctl.alignment.fringe_power import FringePower, visibility_of
from labctl.alignment.knob import AxisKnob
from labctl.alignment.mirror import Alignment, align_axes
from labctl.alignment.raster import find_light
from labctl.alignment.search import Search, is_lit
from labctl.errors import ConfigurationError, LabError
from labctl.locks.homodyne import HomodyneLock
from labctl.locks.states import LockState
from labctl.physics.homodyne import fringe_amplitude_a
from labctl.spectra.estimate import Estimate
from labctl.store.records import NamedResult
from procedures.base import LabProcedure
from procedures.shown_curves import show_alignment
from procedures.traces import open_beams

AXES = ("pitch", "yaw")
READING_S = 1.2  # one scan with its way there, for estimates
TYPICAL_READINGS = 110
TYPICAL_MOVES, MOVE_S = 65, 0.4
MOST_MOVES = 600
POWER_RELATIVE_SIGMA = 0.01  # of each of the two powers that the station file states
LEVEL_READINGS = 5  # of the light to begin with
LOST_STRIDE = 8.0  # of a search for lost light, over the first step
LOST_STEPS, LOST_S = 500_000, 1200.0
RATIO_MAY_CHANGE, BACKLASH_MAY_CHANGE = 0.1, 5.0  # since it was found: with the load, in steps


class AlignSensor(LabProcedure):
    """Turn pitch and yaw of the mirror of one sensor until its fringe is largest, whatever the steps are.

    Its homodyne loop is open meanwhile, and asked for again afterwards where it was locked.
    """

    title = "Align a sensor"
    roles = ("homodyne", "mirrors")
    sensor = IntegerParameter("Sensor", default=1, minimum=1, maximum=64)
    first_step = IntegerParameter("First step", units="steps", default=300, minimum=10, maximum=2000)
    DATA_COLUMNS = ["Lab time (s)", "Moves", "Visibility"]

    def expected_s(self) -> float:
        """Return the time of a typical alignment from a tenth of the power, in s."""
        return READING_S * TYPICAL_READINGS + MOVE_S * TYPICAL_MOVES

    def measure(self) -> None:
        """Raises `LockError` where there is no light to be found, or no top."""
        loop = self.on_bench.loops.of_sensor(self.sensor)
        axes = self._axes()
        self.ensure_locked(self.on_bench.loops.source)
        open_beams(self)
        self._axes_turned = axes
        self._looks: list[tuple[int, int, float]] = []
        with self._open_loop(loop):
            search = Search(
                self._objective(loop),
                check_stop=self.check_stop,
                moving=lambda: self._loop_stays_open(loop),
                on_look=self._tell,
                most_moves=MOST_MOVES,
            )
            knobs = [AxisKnob(search, axis, self._hint(axis.name)) for axis in axes]
            self._find_light(search, knobs)
            self._keep_findings(align_axes(search, knobs, self.first_step))

    # ---- what is aligned --------------------------------------------------------------------------------------------

    def _axes(self) -> list[MirrorAxis]:
        station, name = self.on_bench.station, f"sensor{self.sensor}"
        if name not in station.mirrors or station.file.mirror_limits is None:
            raise ConfigurationError(
                f"This station has no motorized mirror {name}.", remedy=f"Add [mirrors.{name}], or align by hand."
            )
        most = int(station.file.mirror_limits.steps_per_move)
        return [MirrorAxis(station.mirrors[name], axis, most) for axis in AXES]

    def _objective(self, loop: HomodyneLock) -> Callable[[], Estimate]:
        """Return readings of the visibility squared, each with the source locked before and after."""
        source = self.on_bench.loops.source
        machines = self.on_bench.supervisor.machines
        scan = FringePower(loop.servo, self.on_bench.station.monitors[self._monitor(loop)], self._full_v())
        scan.light = self._light()

        def reading() -> Estimate:
            while True:
                self.ensure_locked(source)
                power = scan()
                if all(machines[needed.name].is_locked for needed in source):
                    return power

        return reading

    def _monitor(self, loop: HomodyneLock) -> str:
        name = self.on_bench.station.file.loops[loop.name].witness
        assert name is not None  # `build_loops` refuses a loop without one
        return name

    def _full_v(self) -> float:
        """Return the amplitude of a perfect fringe, in V, by the powers of the station file."""
        file = self.on_bench.station.file
        if file.light is None or file.detectors is None:
            raise ConfigurationError(
                "Visibility needs [light] and [detectors].", remedy="Add them to the station file."
            )
        return file.detectors.dc_volts_per_ampere * float(
            fringe_amplitude_a(
                file.detectors.responsivity, file.light.local_oscillator_power, file.light.probe_power, 1.0
            )
        )

    def _light(self) -> Callable[[], float]:
        """Return readings of the probe's power over that of now, where the station has a monitor of the seed."""
        file = self.on_bench.station.file
        names = [entry.witness for entry in file.loops.values() if entry.kind == "pump_phase"]
        if not names or names[0] is None:
            return lambda: 1.0
        volts = self.on_bench.station.monitors[names[0]].volts
        at_start_v = sum(volts() for _ in range(LEVEL_READINGS)) / LEVEL_READINGS
        return lambda: volts() / at_start_v

    # ---- its loop ---------------------------------------------------------------------------------------------------

    @contextmanager
    def _open_loop(self, loop: HomodyneLock) -> Iterator[None]:
        """Open the homodyne loop, and ask for it again afterwards where somebody wanted it."""
        supervisor = self.on_bench.supervisor
        wanted = supervisor.machines[loop.name].wanted
        self._let_go(loop)
        try:
            yield
        finally:
            with suppress(LabError):  # the error that brought us here is the one to tell
                loop.servo.set_output(0.0)
            if wanted:
                supervisor.request([loop.name])

    @contextmanager
    def _loop_stays_open(self, loop: HomodyneLock) -> Iterator[None]:
        """Open the loop again if somebody asked for it: a servo must not follow the mirror while it moves."""
        if self.on_bench.supervisor.machines[loop.name].state is not LockState.OFF:
            self.event("warning", f"{loop.name} was asked for while its mirror is aligned; it stays open.")
            self._let_go(loop)
        yield

    def _let_go(self, loop: HomodyneLock) -> None:
        """Open the loop where it is, whatever it is doing, and let its output go to rest."""
        self.on_bench.supervisor.hold([loop.name], "Its mirror is aligned.")
        self.on_bench.supervisor.release([loop.name])

    # ---- light, progress, findings ----------------------------------------------------------------------------------

    def _find_light(self, search: Search, knobs: list[AxisKnob]) -> None:
        if is_lit(search.look()):
            return
        self.event("warning", f"Sensor {self.sensor} shows no fringe; its mirror is searched in growing rings.")
        found = find_light(
            search,
            knobs[0],
            knobs[1],
            LOST_STRIDE * self.first_step,
            most_steps=LOST_STEPS,
            most_s=LOST_S,
            now=self.on_bench.clock.now,
        )
        self.event("info", f"A visibility of {visibility_of(found).value:.3f} was found after {search.moves} moves.")

    def _tell(self, moves: int, power: Estimate) -> None:
        pitch, yaw = (axis.turned for axis in self._axes_turned)
        self._looks.append((pitch, yaw, visibility_of(power).value))
        show_alignment(self.on_bench, self.sensor, self._looks)
        self.row(lab_time=self.on_bench.clock.now(), moves=moves, visibility=visibility_of(power).value)
        self.progress(moves / (moves + 0.3 * TYPICAL_MOVES))

    def _name(self, what: str) -> str:
        return f"sensor{self.sensor}.{what}"

    def _hint(self, axis: str) -> StepHint:
        """Return what an earlier alignment found of the steps, a little less sure."""
        known = self.on_bench.results()
        ratio, backlash = known.get(self._name(f"{axis}_step_ratio")), known.get(self._name(f"{axis}_backlash_steps"))
        if ratio is None or backlash is None:
            return StepHint()
        return StepHint(_widened(ratio, RATIO_MAY_CHANGE), _widened(backlash, BACKLASH_MAY_CHANGE))

    def _keep_findings(self, found: Alignment) -> None:
        """Keep visibilities, moves, and what the steps were found to be, and say it in a sentence."""
        before, after = (self._absolute(visibility_of(power)) for power in (found.before, found.after))
        self.keep(self._name("visibility_before"), before)
        self.keep(self._name("visibility_after"), after)
        self.keep(self._name("alignment_moves"), Estimate(float(found.moves), 0.0, "", "counted"))
        for axis, hint in found.steps.items():
            self.keep(self._name(f"{axis}_step_ratio"), hint.ratio)
            self.keep(self._name(f"{axis}_backlash_steps"), hint.backlash)
        self.event(
            "info",
            f"Sensor {self.sensor}: visibility {before.value:.3f} before, {after.value:.3f} after {found.moves} moves "
            f"and {found.readings} scans.",
        )

    def _absolute(self, visibility: Estimate) -> Estimate:
        relative = math.hypot(visibility.relative_sigma, POWER_RELATIVE_SIGMA / math.sqrt(2.0))
        return Estimate(visibility.value, visibility.value * relative, visibility.unit, visibility.convention)


def _widened(result: NamedResult, sigma: float) -> Estimate:
    return Estimate(result.value, math.hypot(result.sigma, sigma), result.unit, result.convention)
