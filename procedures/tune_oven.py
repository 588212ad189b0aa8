"""Find the temperature of the crystal at which the source works best, and bring the oven there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pymeasure.experiment import BooleanParameter, FloatParameter

from labctl.configuration.station_file import SourceLoop
from labctl.errors import ConfigurationError, LabError
from labctl.locks.double_resonance import DoubleResonanceSearch, FineTuning, Place
from labctl.locks.length_walk import SourceCavity
from labctl.locks.oven_approach import OvenApproach
from labctl.station.roles import Monitor
from procedures.base import LabProcedure
from procedures.warm_oven import BEST_TEMPERATURE

TYPICAL_SEARCH_S = 2700.0
TYPICAL_RECENTRING_S = 300.0


class TuneOven(LabProcedure):
    """Visit every double resonance of seed and pump that oven and piezo reach, take the one with the lowest threshold,
    and set the oven to it, to some millikelvin; or follow the drift of the one found before.

    The loops of the source are open meanwhile, and asked for again afterwards where they were wanted. The table may be
    cold: the search begins at the temperature that it finds.
    """

    title = "Tune the oven"
    roles = ("oven", "scan", "opa_length", "pump_phase")
    runs_while_paused = True
    ramp = FloatParameter("Ramp", units="K/s", default=0.02, minimum=1e-4, maximum=1.0)
    recentre = BooleanParameter("Only follow the drift", default=False)
    DATA_COLUMNS = ["Lab time (s)", "Temperature", "Pump parameter", "Seed"]

    def expected_s(self) -> float:
        """Return the time of a typical search, or of following a drift, in s."""
        return TYPICAL_RECENTRING_S if self.recentre else TYPICAL_SEARCH_S

    def measure(self) -> None:
        """Raises `LockError` where there is no double resonance with gain, `StepTimeout` where the oven does not
        settle, `ConfigurationError` for a station that lacks what it takes."""
        search = self._search()
        with self._open_loops():
            self.on_bench.station.raise_piezos()
            self.let_pump_in()
            if self.recentre:
                tuning = search.recentre(self.on_bench.result(BEST_TEMPERATURE).value)
            else:
                places, best = search.find()
                self._keep_places(places, best)
                tuning = search.fine_tune(best.forecast_c.value)
            self._keep(tuning)
            search.settle(tuning.best_c.value)

    def _search(self) -> DoubleResonanceSearch:
        station = self.on_bench.station
        entry = station.file.oven
        if entry is None:
            raise ConfigurationError("This station has no oven.", remedy="Add [oven] to the station file.")
        length, phase = self._loop("opa_length"), self._loop("pump_phase")
        cavity = SourceCavity(
            servo=station.servos[length],
            scan=station.scan,
            seed=self._seed(),
            pump=station.shutters.get("pump"),
            wait=self.wait,
            unity_gain_hz=self._entry(length).unity_gain,
        )
        ramp = min(self.ramp, entry.ramp)
        oven = OvenApproach(station.oven, self.on_bench.clock, self.wait, entry.minimum, entry.maximum, ramp)
        return DoubleResonanceSearch(
            cavity,
            station.servos[phase],
            oven,
            tell=lambda text: self.event("info", text),
            on_progress=self.progress,
        )

    def _loop(self, kind: str) -> str:
        """Return the name of the loop of a kind."""
        for name, loop in self.on_bench.station.file.loops.items():
            if loop.kind == kind:
                return name
        raise ConfigurationError(f"This station has no loop of kind {kind}.", remedy="Add it under [loops].")

    def _entry(self, name: str) -> SourceLoop:
        entry = self.on_bench.station.file.loops[name]
        assert isinstance(entry, SourceLoop)  # both kinds asked for are
        return entry

    def _seed(self) -> Monitor:
        station, name = self.on_bench.station, self._loop("pump_phase")
        witness = self._entry(name).witness
        if witness is None:
            raise ConfigurationError(f"[loops.{name}] has no witness.", remedy="Name the monitor of the seed.")
        return station.monitors[witness]

    @contextmanager
    def _open_loops(self) -> Iterator[None]:
        """Open the loops of the source and what needs them; ask for those that were wanted again afterwards."""
        supervisor = self.on_bench.supervisor
        wanted = [name for name, machine in supervisor.machines.items() if machine.wanted]
        opened = supervisor.that_need([self._loop("opa_length")])
        supervisor.release(opened)
        try:
            yield
        finally:
            for kind in ("pump_phase", "opa_length"):
                with suppress(LabError):  # the error that brought us here is the one to tell
                    self.on_bench.station.servos[self._loop(kind)].set_output(0.0)
            again = [name for name in wanted if name in opened]
            if again:
                supervisor.request(again)

    def _keep_places(self, places: list[Place], best: Place) -> None:
        """Keep what every double resonance showed, upwards in temperature, and say which is taken."""
        for number, place in enumerate(places, start=1):
            name = f"source.double_resonance{number}"
            self.keep(f"{name}.temperature_c", place.forecast_c)
            if place.level is None:
                continue
            ratio = place.threshold_ratio(best)
            self.keep(f"{name}.parametric_gain", place.level.gain.amplification)
            self.keep(f"{name}.threshold_ratio", ratio)
            self.event("info", f"{place.forecast_c.value:.2f} degC has {ratio.value:.2f} times the lowest threshold.")
            self.row(
                lab_time=self.on_bench.clock.now(),
                temperature=place.forecast_c.value,
                pump_parameter=place.level.gain.x.value,
                seed=place.level.unpumped.value,
            )
        self.event("info", f"{best.forecast_c.value:.2f} degC is taken.")

    def _keep(self, tuning: FineTuning) -> None:
        """Keep the temperature, and the points that it comes from as rows."""
        for temperature_c, level in tuning.points:
            self.row(
                lab_time=self.on_bench.clock.now(),
                temperature=temperature_c,
                pump_parameter=level.gain.x.value,
                seed=level.unpumped.value,
            )
        best_c = tuning.best_c
        self.keep(BEST_TEMPERATURE, best_c)
        self.event("info", f"Best at {best_c.value:.4f} degC, known to {1e3 * best_c.sigma:.1f} mK.")
