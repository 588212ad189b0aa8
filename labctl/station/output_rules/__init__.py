"""What every output of a table may do, from its station file: the rules of its gate, a file for each kind of output."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

from drivers.base import Driver
from labctl.configuration.station_file import StationFile
from labctl.station.gate import Rule
from labctl.station.output_rules.heat import oven_rules
from labctl.station.output_rules.high_voltage import ServoVolts, piezo_rules
from labctl.station.output_rules.light import laser_rules, scan_rules, switch_rules, tone_rules
from labctl.station.output_rules.motion import mirror_rules, rotator_rules
from labctl.station.output_rules.servo_outputs import servo_rules

__all__ = ["output_rules"]


def output_rules(
    file: StationFile, drivers: Mapping[str, Driver], servo_at_piezo_v: ServoVolts
) -> dict[tuple[str, str], Rule]:
    """Return the rule of each output (instrument, name) of `drivers` that the station file gives a role; there are no
    others.
    """
    rules = chain(
        piezo_rules(file, drivers, servo_at_piezo_v),
        servo_rules(file, drivers),
        oven_rules(file, drivers),
        laser_rules(file),
        tone_rules(file, drivers),
        scan_rules(file),
        switch_rules(file),
        mirror_rules(file),
        rotator_rules(file, drivers),
    )
    return {key: rule for key, rule in rules if key[0] in drivers}
