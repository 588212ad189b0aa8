"""How the probe is shared among the sensors, and how to turn the plates of the network where a coupling is off."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pymeasure.experiment import FloatParameter

from labctl.configuration.station_file import CavityLoop
from labctl.errors import AnalysisRefused, LockError
from labctl.estimation.light_shares import equalising_shares, light_shares, plate_turns
from labctl.estimation.sensor_consistency import ALLOWED
from labctl.spectra.estimate import Estimate
from procedures.base import LabProcedure
from procedures.laser_light import Cavity, cavity_of, light_behind
from procedures.traces import LOCKING_S, open_beams

READING_S = 0.1
SHARE = "of the light behind all cavities on resonance, sum 1; photodiodes and mirrors alike"
FRINGE_SHARE = "of all squared DC fringe amplitudes, sum 1: probe times extraction times visibility squared"


class PowerBalance(LabProcedure):
    """Compare the light behind the locked cavities, and the DC fringes of the homodyne detectors.

    A membrane shows as strongly as g0 / kappa times the root of its light. Where couplings are known and differ, an
    event says how far each plate is to be turned; nothing is turned here.
    """

    title = "Balance of the probe"
    roles = ("cavity", "homodyne")
    look = FloatParameter("Look", units="s", default=20.0, minimum=2.0, maximum=3600.0)
    DATA_COLUMNS = ["Sensor", "Share of the light", "Share of the fringes"]

    def expected_s(self) -> float:
        """Return how long it will take, in s."""
        return LOCKING_S + float(self.look)

    def measure(self) -> None:
        """Raises `LockError` when a cavity is lost meanwhile, `AnalysisRefused` where there is no light."""
        bench = self.on_bench
        cavities = [cavity_of(self, n) for n in range(1, bench.station.file.station.sensors + 1)]
        open_beams(self)
        self.ensure_locked([cavity.loop for cavity in cavities])
        shares = self._shares(cavities)
        fringes = self._fringe_shares()
        for index, cavity in enumerate(cavities):
            self.keep(f"sensor{cavity.sensor}.probe_share", shares[index], unit="", convention=SHARE)
            if fringes:
                self.keep(f"sensor{cavity.sensor}.fringe_share", fringes[index], unit="", convention=FRINGE_SHARE)
            fringe = fringes[index].value if fringes else np.nan
            self.row(sensor=cavity.sensor, share_of_the_light=shares[index].value, share_of_the_fringes=fringe)
        self._advise(shares)

    def _shares(self, cavities: Sequence[Cavity]) -> list[Estimate]:
        """Return the share of each, from readings over whole periods of the dither."""
        bench = self.on_bench
        readings = round(float(self.look) / READING_S)
        volts = np.empty((readings, len(cavities)))
        off_m = np.empty_like(volts)
        with bench.supervisor.watch([cavity.loop.name for cavity in cavities]) as watch:
            for number in range(readings):
                self.wait(READING_S)
                volts[number] = light_behind(self, cavities, 1)
                off_m[number] = [np.nan_to_num(cavity.loop.error_m) for cavity in cavities]
                self.progress((number + 1) / readings)
            verdict = watch.verdict()
        if not verdict.locked:
            raise LockError(f"A lock was lost while the light was compared: {verdict.reason}")
        return light_shares(volts, self._top_over_seen(cavities, off_m))

    def _top_over_seen(self, cavities: Sequence[Cavity], off_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what the dither and the error about it take from the light, undone: 1 / T = 1 + (2 d / w)^2."""
        dither_m = []
        for cavity in cavities:
            entry = self.on_bench.station.file.loops[cavity.loop.name]
            assert isinstance(entry, CavityLoop)  # `cavity_of` found it
            dither_m.append(entry.servo.amplitude)
        width_m = np.array([cavity.loop.linewidth_m for cavity in cavities])
        return np.asarray(1.0 + 4.0 * (np.square(dither_m) + np.mean(off_m**2, axis=0)) / width_m**2)

    def _fringe_shares(self) -> list[Estimate]:
        """Return the shares of the squared fringe amplitudes as they were at lock; none where one is not known."""
        found = [loop.calibration for loop in self.on_bench.loops.homodyne]
        known = [calibration for calibration in found if calibration is not None]
        if len(known) < len(found) or not found:
            self.event("info", "Not every homodyne loop knows its fringe: no shares of the fringes.")
            return []
        squares = np.array([calibration.amplitude_v**2 for calibration in known])
        relative = np.array([2.0 * calibration.amplitude_sigma_v / calibration.amplitude_v for calibration in known])
        shares = squares / squares.sum()
        # A share moves with its own square by (1 - share), with each other one against it.
        moved = np.diag(shares) - np.outer(shares, shares)
        sigma = np.sqrt(np.square(moved) @ np.square(relative))
        return [Estimate(float(share), float(s)) for share, s in zip(shares, sigma, strict=True)]

    def _advise(self, shares: Sequence[Estimate]) -> None:
        """Say how to turn the plates where g0 / kappa x sqrt(power) differs by more than is allowed."""
        results = self.on_bench.results()
        names = [f"sensor{number}.g0_over_kappa" for number in range(1, len(shares) + 1)]
        missing = [name for name in names if name not in results]
        if missing:
            self.event("info", f"No {', '.join(missing)} yet: what light each sensor ought to have is not known.")
            return
        coupling = np.array([results[name].value for name in names])
        now = np.array([share.value for share in shares])
        strength = coupling * np.sqrt(now)
        off = strength / strength.mean() - 1.0
        if np.abs(off).max() <= ALLOWED:
            self.event("info", f"g0 / kappa x sqrt(power) is equal within {100 * np.abs(off).max():.1f} %.")
            return
        try:
            turns = plate_turns(now, equalising_shares(coupling.tolist()))
        except AnalysisRefused as refusal:
            self.event("warning", str(refusal))
            return
        worst = int(np.argmax(np.abs(off)))
        plates = "; ".join(
            f"network{turn.stage} by {turn.to_deg - turn.from_deg:+.2f} deg to {turn.to_deg:.2f} deg from its zero "
            f"(takes {turn.is_to_take:.4f} for {turn.takes:.4f})"
            for turn in turns
        )
        self.event(
            "warning",
            f"g0 / kappa x sqrt(power) of sensor{worst + 1} is off by {100 * off[worst]:+.1f} %. To make all equal, "
            f"turn {plates}.",
        )
