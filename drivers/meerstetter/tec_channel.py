"""One temperature control loop of a Meerstetter TEC controller; `drivers.meerstetter.tec` says what wears its flash."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pymeasure.instruments.validators import strict_discrete_set, strict_range

from drivers.base import DriverChannel
from drivers.errors import Refused
from drivers.meerstetter.mecom import encode_float32, encode_int32, float32, int32, switch

TEMPERATURE_RANGE_C = (-273.0, 1000.0)
LONGEST_TIME_S = 86400.0
FLASH_SETTING = "\n\nThe controller saves it to flash unless `initialise` came first."

_NOT_REGULATING, _NOT_STABLE, _STABLE = 0, 1, 2


def stability(digits: str) -> bool:
    """Return whether eight hex digits mean stable; raises ValueError where they are no value of parameter 1200."""
    value = int32(digits)
    if value not in (_NOT_REGULATING, _NOT_STABLE, _STABLE):
        raise ValueError(f"{value} is no stability")
    return value == _STABLE


def _reading(parameter: int, docs: str, cast: Callable[[str], Any] = float32) -> Any:
    """Return a property that reads a parameter of one channel."""
    return DriverChannel.measurement(f"?VR{parameter:04X}{{ch:02X}}", docs, cast=cast)


def _setting(parameter: int, docs: str, values: tuple[float, float]) -> Any:
    """Return a property for a floating-point flash setting of one channel."""
    return DriverChannel.control(
        f"?VR{parameter:04X}{{ch:02X}}",
        f"VS{parameter:04X}{{ch:02X}}%s",
        docs + FLASH_SETTING,
        validator=strict_range,
        values=values,
        set_process=encode_float32,
        cast=float32,
    )


class TECChannel(DriverChannel):
    """One temperature control loop: a sensor, a Peltier element, a target."""

    object_temperature_c = _reading(1000, "Measure the temperature of the object in degC (float), new every 0.1 s.")
    sink_temperature_c = _reading(1001, "Measure the temperature of the heat sink in degC (float).")
    nominal_temperature_c = _reading(
        1011, "Get the temperature that is regulated to now, in degC (float); it ramps to the target."
    )
    output_current_a = _reading(1020, "Measure the current through the Peltier element in A (float), signed.")
    output_voltage_v = _reading(1021, "Measure the voltage across the Peltier element in V (float), signed.")
    temperature_stable = _reading(
        1200, "Get whether the object has been within its stability window for long enough (bool).", cast=stability
    )
    coarse_ramp_k_per_s = _setting(
        3003, "Control how fast the nominal temperature moves, in K/s (float strictly from 1e-6 to 50).", (1e-6, 50.0)
    )
    proximity_width_k = _setting(
        3002, "Control how close to the target the ramp slows down, in K (float strictly from 0 to 200).", (0.0, 200.0)
    )
    stability_deviation_k = _setting(
        4040, "Control how far from the target counts as stable, in K (float strictly from 0 to 50).", (0.0, 50.0)
    )
    stability_time_s = _setting(
        4041,
        "Control how long the object must be that close to be stable, in s (float strictly from 0 to 86400).",
        (0.0, LONGEST_TIME_S),
    )
    stability_timeout_s = _setting(
        4042,
        "Control after how long without stability error 182 comes, in s (float strictly from 0, never, to 86400).",
        (0.0, LONGEST_TIME_S),
    )
    lower_temperature_limit_c = _setting(
        4010,
        "Control below which object temperature error 137 comes, in degC (float strictly from -273 to 1000).",
        TEMPERATURE_RANGE_C,
    )
    upper_temperature_limit_c = _setting(
        4011,
        "Control above which object temperature error 138 comes, in degC (float strictly from -273 to 1000).",
        TEMPERATURE_RANGE_C,
    )

    @property
    def target_temperature_c(self) -> float:
        """Control the target temperature in degC, kept in RAM (float strictly from -273 to 1000).

        Reads the target in force: that in RAM once one was set, else the one stored in flash. The controller rounds to
        single precision. What the object stands is for `lower_temperature_limit_c` and its upper twin to say.
        """
        with self.parent.transaction():
            from_ram = self.values("?VRC35B{ch:02X}", cast=switch)[0]  # 50011
            return float(self.values("?VRC35C{ch:02X}" if from_ram else "?VR0BB8{ch:02X}", cast=float32)[0])

    @target_temperature_c.setter
    def target_temperature_c(self, target_c: float) -> None:
        target = encode_float32(strict_range(target_c, TEMPERATURE_RANGE_C))
        with self.parent.transaction():
            # 50012, the RAM target, is 0 degC after a restart: it must be right before 50011 selects it.
            self.write("VSC35C{ch:02X}" + target)
            self.write("VSC35B{ch:02X}" + encode_int32(1))

    @property
    def output_enabled(self) -> bool:
        """Control whether the output is switched on (bool).

        In the error state the output is off whatever this says. The controller saves it to flash unless `initialise`
        came first: an output that was saved as on is on again after a power cut. Raises `Refused` where a pin or a live
        parameter does the switching.
        """
        selection = int(self.values("?VR07DA{ch:02X}", cast=int32)[0])  # 2010
        if selection not in (0, 1):
            raise Refused(
                self.parent.name,
                f"leaves the switching of output {self.id} to a pin or a live parameter",
                command="?VR07DA",
                reply=str(selection),
                remedy="Set the output on or off first.",
            )
        return selection == 1

    @output_enabled.setter
    def output_enabled(self, enabled: bool) -> None:
        on = strict_discrete_set(enabled, (True, False))
        self.write("VS07DA{ch:02X}" + encode_int32(int(on)))
