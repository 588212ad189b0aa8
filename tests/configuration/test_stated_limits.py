"""Which limits a station file states, and what is said when they change."""

from __future__ import annotations

from labctl.configuration.stated_limits import changed_limits, stated_limits
from labctl.configuration.station_file import StationFile
from labctl.configuration.templates import template_directory
from labctl.configuration.toml_reading import load_station


def shipped() -> StationFile:
    return load_station(template_directory() / "simulated.toml")


def test_every_kind_of_limit_is_there_and_nothing_else() -> None:
    limits = stated_limits(shipped())
    assert limits["piezo_limits.maximum"] == 150.0
    assert limits["loops.lo1.output_limit"] == 4.5
    assert limits["oven.ramp"] == 0.02
    assert limits["mirror_limits.steps_per_hour"] == 200_000
    assert limits["rotators.network1.maximum_deg"] == 360.0
    assert limits["tones.membrane_drive.maximum_amplitude"] == 1.0
    assert limits["interlocks.vacuum.gauge"] == "chamber"
    assert not any("bias" in key or "instrument" in key for key in limits if not key.startswith("interlocks"))


def test_what_changed_is_said_with_both_values() -> None:
    before = shipped()
    limits = before.piezo_limits
    assert limits is not None
    after = before.model_copy(
        update={"piezo_limits": limits.model_copy(update={"maximum": 120.0, "slew_to_safe": None}), "laser": None}
    )
    said = changed_limits(before, after)
    assert "The limit piezo_limits.maximum is 120.0; it was 150.0." in said
    assert "The limit piezo_limits.slew_to_safe is not set; it was 300.0." in said
    assert "The limit laser.maximum_power is not set; it was 0.01." in said
    assert len(said) == 6
    assert changed_limits(before, before) == []
