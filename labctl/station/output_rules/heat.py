"""The crystal oven: where its target may be, and how fast it may get there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from drivers.base import Driver
from drivers.thorlabs.ted4015 import ThorlabsTED4015
from labctl.configuration.station_file import Oven, StationFile
from labctl.station.bindings.ramped_oven import STEP_S
from labctl.station.gate import SWITCH, Rule, Rules, Slew
from labctl.station.limits import Limit

SLOWEST_RAMP_K_PER_S: Final = 1e-4
SENT_STEP_K: Final = 1e-3
ROUNDING: Final = 1e-6  # relative, of numbers of 32 bit
NEAR_K: Final = 1.0  # of the crystal, where the target of an output that comes on has to be


def oven_rules(file: StationFile, drivers: Mapping[str, Driver]) -> Rules:
    """Return the rules of the oven, if there is one."""
    oven = file.oven
    if oven is None or oven.instrument not in drivers:
        return
    driver: Any = drivers[oven.instrument]
    rules = _ramped_here(oven, driver) if isinstance(driver, ThorlabsTED4015) else _ramped_there(oven, driver)
    for output, rule in rules.items():
        yield (oven.instrument, output), rule


def _target(oven: Oven) -> Limit:
    return Limit("oven target", oven.minimum, oven.maximum, "degC", "[oven] minimum and maximum")


def ramp_limit(oven: Oven) -> Limit:
    """Return the range of ramps that may be asked for, in K/s."""
    return Limit("oven ramp", SLOWEST_RAMP_K_PER_S, oven.ramp, "K/s", "[oven] ramp")


def _as_rounded(limit: Limit) -> Limit:
    """Return a limit whose ends may still be sent once they are numbers of 32 bit."""
    return replace(limit, low=limit.low - ROUNDING * abs(limit.low), high=limit.high + ROUNDING * abs(limit.high))


def _ramped_there(oven: Oven, driver: Any) -> dict[str, Rule]:
    """Return the rules of a controller that ramps by itself: no target before it knows how fast."""
    channel = driver.channels[oven.channel]
    ramp = ramp_limit(oven)

    def unless(_: float) -> str:
        ramp_k_per_s = float(channel.coarse_ramp_k_per_s)
        # Settings are 32 bit numbers in this controller.
        if 0.0 < ramp_k_per_s <= ramp.high * (1.0 + ROUNDING):
            return ""
        return f"its controller would go there at {ramp_k_per_s:g} K/s, and {ramp.high:g} K/s is the limit ({ramp.key})"

    return {
        f"ch_{oven.channel}.target_temperature_c": Rule(_as_rounded(_target(oven)), unless=unless),
        f"ch_{oven.channel}.coarse_ramp_k_per_s": Rule(_as_rounded(ramp)),
        f"ch_{oven.channel}.output_enabled": Rule(Limit("oven output", *SWITCH, "", "[oven]")),
    }


def _ramped_here(oven: Oven, driver: ThorlabsTED4015) -> dict[str, Rule]:
    """Return the rules of a controller without a ramp: its target is moved in small steps while the output is on."""
    key = "[oven] ramp"
    slew = Slew(oven.ramp, oven.ramp * STEP_S, SENT_STEP_K, oven.ramp, "degC", key)

    def is_off() -> bool:
        return not driver.output_enabled

    def far_from_target(on: float) -> str:
        target_c, crystal_c = float(driver.target_temperature_c), float(driver.object_temperature_c)
        if not on or abs(target_c - crystal_c) <= NEAR_K or driver.output_enabled:
            return ""
        return f"its target is {target_c:g} degC and the crystal is at {crystal_c:g} degC, which would be no ramp"

    def excludes(is_beyond: Callable[[float, float], bool]) -> Callable[[float], str]:
        def unless(edge_c: float) -> str:
            target_c = float(driver.target_temperature_c)
            if not is_beyond(edge_c, target_c):
                return ""
            return f"{edge_c:g} degC would move the target, which is {target_c:g} degC"

        return unless

    edges = Limit("range of the oven's target", -273.15, 1000.0, "degC", "[oven] minimum and maximum")
    return {
        "target_temperature_c": Rule(
            _target(oven), slew, present=lambda: float(driver.target_temperature_c), may_jump=is_off
        ),
        "output_enabled": Rule(Limit("oven output", *SWITCH, "", key), unless=far_from_target),
        "lower_target_limit_c": Rule(edges, unless=excludes(lambda edge_c, target_c: edge_c > target_c)),
        "upper_target_limit_c": Rule(edges, unless=excludes(lambda edge_c, target_c: edge_c < target_c)),
    }
