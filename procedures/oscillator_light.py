"""The local oscillators alone on the detectors: their power by the meter, and the plate that dims them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import numpy as np

from labctl.errors import BadReply, ConfigurationError, LabError, LimitError
from labctl.spectra.estimate import Estimate
from labctl.station.roles import PowerMeter
from procedures.base import LabProcedure
from procedures.traces import block_beams, open_beams

LIGHT: Final = "local_oscillator"
PLATE: Final = "local_oscillator_power"
METER_READINGS: Final = 10
METER_RELATIVE_SIGMA: Final = 0.01  # of the meter's calibration, and of what its pick-off takes
SHUTTER_S: Final = 0.1
PLATE_S: Final = 0.5  # for one move, for estimates

PERIOD_DEG: Final = 90.0  # of a half-wave plate's power behind a beam splitter
PLATE_POINTS: Final = 9
TRIMS: Final = 6
SET_WITHIN: Final = 0.02  # of a power that was asked for: what counts is what the meter then says
RESTORED_WITHIN: Final = 0.004
NOT_RESTORED: Final = 0.01
SMALLEST_SLOPE_PER_DEG: Final = 1e-3  # relative; nearer to the crest the angle has no say


@contextmanager
def oscillators_alone(procedure: LabProcedure) -> Iterator[None]:
    """Block the signal within the block, its loops held; afterwards the beams are open and what was wanted is locked.

    After an error or a stop the loops are only asked for: they are locked while time goes on.
    """
    bench = procedure.on_bench
    supervisor = bench.supervisor
    again = [name for name in supervisor.that_need(bench.loops.on_probe) if supervisor.machines[name].wanted]
    try:
        block_beams(procedure, signal=True, local_oscillator=False)
        bench.station.shutters["local_oscillator"].open()
        procedure.wait(SHUTTER_S)
        yield
    except BaseException:
        with suppress(LabError):  # the error that brought us here is the one to tell
            open_beams(procedure)
            supervisor.request(again)
        raise
    open_beams(procedure)
    supervisor.bring_up(again, procedure.wait)


def close_oscillators(procedure: LabProcedure) -> None:
    """Leave the detectors in the dark."""
    procedure.on_bench.station.shutters["local_oscillator"].close()
    procedure.wait(SHUTTER_S)


def power_meter(procedure: LabProcedure) -> PowerMeter:
    """Return the meter of the local oscillators, told its wavelength.

    Raises `ConfigurationError` where the station has none.
    """
    station = procedure.on_bench.station
    meter, light = station.power_meters.get(LIGHT), station.file.light
    if meter is None or light is None:
        raise ConfigurationError(
            "The power of the local oscillators needs [light] and a meter.", remedy=f"Add [power_meters.{LIGHT}]."
        )
    meter.set_wavelength(light.wavelength)
    return meter


def metered_w(meter: PowerMeter) -> Estimate:
    """Return the mean of some readings in W; its uncertainty is that of their scatter, and not the calibration."""
    readings = [meter.power_w() for _ in range(METER_READINGS)]
    return Estimate(float(np.mean(readings)), float(np.std(readings, ddof=1)) / math.sqrt(METER_READINGS), "W")


@contextmanager
def dimming(procedure: LabProcedure, meter: PowerMeter) -> Iterator[Dimmer]:
    """Let the power be changed within the block; it is restored on every way out."""
    dimmer = Dimmer(procedure, meter)
    try:
        dimmer.learn()
        yield dimmer
    except BaseException:
        with suppress(LabError):
            dimmer.restore()
        raise
    dimmer.restore()


class Dimmer:
    """The half-wave plate that dims all local oscillators, and the meter behind it.

    The angle of its mount means nothing before it was homed, so it is the power that is remembered and restored.
    Within a turn of `PERIOD_DEG` the power is middle + swing cos(4 (angle - brightest)).
    """

    def __init__(self, procedure: LabProcedure, meter: PowerMeter) -> None:
        plate = procedure.on_bench.station.rotators.get(PLATE)
        if plate is None:
            raise ConfigurationError(
                "The local oscillators cannot be dimmed: this station has no plate for it.",
                remedy=f"Add [rotators.{PLATE}].",
            )
        self._plate, self.meter = plate, meter
        self.before_w = metered_w(meter).value
        if not self.before_w > 0.0:
            raise BadReply("oscillator_meter", f"reads {self.before_w:g} W", remedy="Look for the local oscillators.")
        self._middle_w = self._swing_w = self._brightest_deg = math.nan
        self._seen_w: list[float] = []
        self._check = procedure.check_stop

    @property
    def most_w(self) -> float:
        """Return the most that the plate lets through, in W."""
        return self._middle_w + self._swing_w

    def learn(self) -> None:
        """Turn the plate through one period and fit how the power goes with its angle; what was seen before somebody
        asked to stop counts."""
        angles = np.linspace(0.0, PERIOD_DEG, PLATE_POINTS, endpoint=False)
        for angle in angles[len(self._seen_w) :]:
            self._check()
            self._plate.move_to(float(angle))
            self._seen_w.append(self.meter.power_w())
        powers = np.array(self._seen_w)
        turn = np.exp(1j * np.radians(4.0 * angles))
        swing = 2.0 * np.mean(powers * turn)
        self._middle_w, self._swing_w = float(np.mean(powers)), float(abs(swing))
        self._brightest_deg = float(np.degrees(np.angle(swing)) / 4.0) % PERIOD_DEG
        if not self._swing_w > 0.1 * self._middle_w:
            raise BadReply(
                "rotators",
                f"the plate {PLATE} changes the power from {1e3 * powers.min():.3g} to {1e3 * powers.max():.3g} mW",
                remedy="Look whether it turns, and at what the meter sees.",
            )

    def set_power(self, power_w: float, within: float = SET_WITHIN) -> float:
        """Turn the plate until the meter reads `power_w` within a share of it, and return what it reads, in W.

        Raises `LimitError` before anything turns where the plate cannot let that through.
        """
        cosine = (power_w - self._middle_w) / self._swing_w
        if not -1.0 - within <= cosine <= 1.0 + within:
            raise LimitError(
                f"The plate {PLATE} lets through up to {1e3 * self.most_w:.3g} mW, not {1e3 * power_w:.3g}."
            )
        from_crest = math.degrees(math.acos(min(max(cosine, -1.0), 1.0))) / 4.0
        slope_per_deg = -4.0 * math.radians(1.0) * self._swing_w * math.sin(math.radians(4.0 * from_crest)) / power_w
        for _ in range(TRIMS):
            self._check()
            self._plate.move_to((self._brightest_deg + from_crest) % PERIOD_DEG)
            found_w = metered_w(self.meter).value
            off = found_w / power_w - 1.0
            if abs(off) < within or abs(slope_per_deg) < SMALLEST_SLOPE_PER_DEG:
                break
            from_crest -= off / slope_per_deg
        return found_w

    def restore(self) -> None:
        """Let through what was let through before, whoever asked to stop. Raises `BadReply` where the meter says
        otherwise afterwards."""
        self._check = lambda: None
        if math.isnan(self._middle_w):
            self.learn()
        found_w = self.set_power(self.before_w, RESTORED_WITHIN)
        if abs(found_w / self.before_w - 1.0) > NOT_RESTORED:
            raise BadReply(
                "rotators",
                f"the local oscillators have {1e3 * found_w:.4g} mW, and had {1e3 * self.before_w:.4g} before",
                remedy=f"Turn the plate {PLATE} until the meter shows that again.",
            )
