"""Tunable laser and optical power meter."""

from __future__ import annotations

from typing import Final

from drivers.errors import InstrumentError
from drivers.santec.tsl570 import WAVELENGTH_STEP_M, SantecTSL570
from drivers.thorlabs.pm100 import ThorlabsPM100
from labctl.errors import BadReply, LimitError
from labctl.station.clock import Clock
from labctl.station.limits import Limit
from labctl.station.right_of_way import RightOfWay

SPEED_OF_LIGHT_M_PER_S: Final = 299_792_458.0
TUNING_POLL_S: Final = 0.1
TUNING_POLLS: Final = 600
POWER_STEP: Final = 0.003  # the laser sets powers in steps of 0.01 dB and says them with four decimals of a mW
METER_STEP_M: Final = 0.5e-9  # heads are calibrated in steps of 5 nm or more; some meters round to 1 nm

_NOT_SWEEPING: Final = 0


class BoundLaser:
    """The `TunableLaser` role on a Santec TSL-570, within its limits; every setting is read back.

    Limits are in m and W. Switching it on raises `Stopped` while the table is made safe.
    """

    def __init__(
        self,
        name: str,
        driver: SantecTSL570,
        wavelength: Limit,
        power: Limit,
        clock: Clock,
        way: RightOfWay | None = None,
    ) -> None:
        self.name = name
        self._driver = driver
        self._wavelength = wavelength
        self._power = power
        self._clock = clock
        self._way = way or RightOfWay()

    def tune(self, wavelength_m: float) -> None:
        """Tune to `wavelength_m` and wait until the laser is there.

        Raises `LimitError` before anything moves, `InstrumentError` where the laser ends up elsewhere, `BadReply` where
        the tuning never ends.
        """
        self._wavelength.check(wavelength_m)
        if self._driver.sweep_status != _NOT_SWEEPING:
            self._driver.stop_sweep()
        self._driver.wavelength_setpoint = wavelength_m
        self._wait("tuning")
        reached_m = self.wavelength_m()
        if abs(reached_m - wavelength_m) > WAVELENGTH_STEP_M:
            raise InstrumentError(
                self.name,
                f"was sent to {wavelength_m:.12g} m and says {reached_m:.12g} m",
                command=":WAVelength?",
                remedy="Look for alarms at its front panel.",
            )

    def tune_frequency(self, frequency_hz: float) -> None:
        """Tune to the optical frequency `frequency_hz`, see `tune`."""
        if not frequency_hz > 0:
            raise LimitError(f"{self.name}: {frequency_hz:g} Hz is no frequency of light; nothing was sent.")
        self.tune(SPEED_OF_LIGHT_M_PER_S / frequency_hz)

    def is_tuned(self) -> bool:
        """Return False while the wavelength moves, or the laser starts."""
        return bool(self._driver.tuning_done)

    def wavelength_m(self) -> float:
        """Return the wavelength in m that the laser is set to."""
        return float(self._driver.wavelength_setpoint)

    def set_power(self, power_w: float) -> None:
        """Set the output power in W.

        Raises `LimitError` before anything is sent, `InstrumentError` where the laser took another power.
        """
        self._power.check(power_w)
        with self._driver.transaction():
            self._pin_unit()
            self._driver.power_setpoint = power_w
            taken_w = float(self._driver.power_setpoint)
        if abs(taken_w - power_w) > POWER_STEP * power_w:
            raise InstrumentError(
                self.name,
                f"was sent to {1e3 * power_w:g} mW and took {1e3 * taken_w:g} mW",
                command=":POWer?",
                remedy="It has less power towards the ends of its range.",
            )

    def power_w(self) -> float:
        """Return the output power in W as the laser's own monitor sees it."""
        with self._driver.transaction():
            self._pin_unit()
            return float(self._driver.power)

    def switch_on(self) -> None:
        """Let light out and wait until the laser says that it is ready.

        Raises `LimitError`, and switches nothing, where wavelength or power as somebody left them are outside the
        limits.
        """
        begun = self._way.begin()
        with self._driver.transaction():
            self._way.check(begun)
            self._pin_unit()
            self._wavelength.check(self.wavelength_m())
            self._power.check(float(self._driver.power_setpoint))
            self._driver.output_enabled = True
        self._wait("starting")
        if not self.is_on():
            raise InstrumentError(
                self.name, "does not let light out", remedy="Look at its interlock, its key and its alarms."
            )

    def switch_off(self) -> None:
        """Let no light out."""
        self._driver.output_enabled = False

    def is_on(self) -> bool:
        """Return whether light comes out."""
        return bool(self._driver.output_enabled)

    def _pin_unit(self) -> None:
        # Whoever turns the unit at the front panel changes what every number on the wire means.
        if self._driver.power_unit != "mW":
            self._driver.power_unit = "mW"

    def _wait(self, what: str) -> None:
        for _ in range(TUNING_POLLS):
            if self._driver.tuning_done:
                return
            self._clock.sleep(TUNING_POLL_S)
        raise BadReply(
            self.name,
            f"did not finish {what} within {TUNING_POLLS * TUNING_POLL_S:.0f} s",
            command="*OPC?",
            remedy="Look for alarms at its front panel.",
        )


class BoundPowerMeter:
    """The `PowerMeter` role on a Thorlabs PM100: no reading without the right wavelength.

    `attenuation_db` is what stands in front of the sensor and the reading is corrected for (0: nothing).
    """

    def __init__(self, name: str, driver: ThorlabsPM100, wavelength: Limit, attenuation_db: float = 0.0) -> None:
        self.name = name
        self._driver = driver
        self._wavelength = wavelength
        self._attenuation_db = attenuation_db
        self._wavelength_m: float | None = None

    def set_wavelength(self, wavelength_m: float) -> None:
        """Correct for the sensor's response at `wavelength_m`, and pin unit and attenuation; all is read back.

        Raises `LimitError` outside the limits of the station or of the head, `InstrumentError` where the meter took
        another value.
        """
        self._wavelength.check(wavelength_m)
        with self._driver.transaction():
            low, high = self._driver.wavelength_min, self._driver.wavelength_max
            Limit(f"{self.name} wavelength", low, high, "m", "set by the head, not by an entry").check(wavelength_m)
            self._driver.power_unit = "W"
            self._driver.attenuation_db = self._attenuation_db
            self._driver.wavelength = wavelength_m
            self._wavelength_m = wavelength_m
            self._verify()

    def power_w(self) -> float:
        """Return one reading in W.

        Raises `InstrumentError` where the wavelength was never set or is another by now, and over range.
        """
        with self._driver.transaction():
            self._verify()
            return float(self._driver.power)

    def _verify(self) -> None:
        wanted_m = self._wavelength_m
        if wanted_m is None:
            raise InstrumentError(
                self.name, "was not told a wavelength", remedy="Set the wavelength of the light before reading a power."
            )
        found_m = self._driver.wavelength
        if abs(found_m - wanted_m) > METER_STEP_M:
            self._complain(f"corrects for {1e9 * found_m:g} nm and not for {1e9 * wanted_m:g} nm")
        if self._driver.power_unit != "W":
            self._complain("was switched to dBm")
        if self._driver.attenuation_db != self._attenuation_db:
            self._complain(f"corrects for an attenuation other than {self._attenuation_db:g} dB")

    def _complain(self, what: str) -> None:
        raise InstrumentError(self.name, what, remedy="Somebody used its front panel: set the wavelength again.")
