"""Outputs of the simulated table held against what was asked of them: what differs and lasts is told, and nothing
else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from station_bench import Bench, open_bench, station_file

from labctl.station.output_checks import LASTS_S, PERIOD_S, OutputChecks

A_LASTING_TIME_S = LASTS_S + 2 * PERIOD_S
BARELY_PER_S = 0.01


@dataclass
class Checked:
    """A station in use, whose outputs are looked at, and what was told of them."""

    bench: Bench
    told: list[tuple[str, str]] = field(default_factory=list)
    cleared: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.checks = OutputChecks(
            self.bench.station,
            lambda name, sentence: self.told.append((name, sentence)),
            lambda name, sentence: self.cleared.append(name),
        )

    def in_use(self) -> Checked:
        """Ask something of every kind of output."""
        station = self.bench.station
        station.raise_piezos()
        for shutter in station.shutters.values():
            shutter.open()
        for name, servo in station.servos.items():
            servo.set_output(0.3)
            if name != "lo4":
                servo.close_loop(0.0, BARELY_PER_S)
        station.oven.set_target(26.0, 0.02)
        station.laser.tune(1550e-9)
        station.laser.set_power(1e-3)
        station.laser.switch_on()
        station.rotators["pump_power"].move_to(20.0)
        return self

    def one_round(self) -> None:
        """Look at every output, and again at those in doubt when their differences have lasted."""
        for _ in self.checks.names:
            self.checks.look()
        self.bench.clock.sleep(A_LASTING_TIME_S)
        self.checks.look()


@pytest.fixture
def checked() -> Checked:
    return Checked(open_bench()).in_use()


def test_what_is_as_it_was_asked_to_be_is_not_told(checked: Checked) -> None:
    assert len(checked.checks.names) == 3 + 10 + 6 + 9 + 2
    checked.one_round()
    assert checked.told == [] and checked.checks.differences == []


def test_a_table_that_nobody_has_used_is_not_judged() -> None:
    checked = Checked(open_bench())
    checked.one_round()
    assert checked.told == []


def test_a_table_that_was_made_safe_is_as_it_was_asked_to_be(checked: Checked) -> None:
    assert checked.bench.station.make_safe() == []
    checked.one_round()
    assert checked.told == []


def another_program(bench: Bench, instrument: str) -> Any:
    """Return a driver as another program has it, whose commands no gate of ours sees."""
    driver = bench.station.driver(instrument)
    driver.gate_with(None)
    return driver


def lower_piezo(bench: Bench) -> None:
    link = another_program(bench, "piezo_a").adapter
    link.write("xvoltage=50.0")
    link.read()


def close_shutter(bench: Bench) -> None:
    another_program(bench, "scan").adapter.write("DIG:PIN DIO2_P,0")


def widen_limits(bench: Bench) -> None:
    another_program(bench, "servos").adapter.write('SNDT 3,"ULIM +8.00"')


def switch_oven_off(bench: Bench) -> None:
    another_program(bench, "oven").write("VS07DA0100000000")


def dim_laser(bench: Bench) -> None:
    another_program(bench, "laser").adapter.write(":POW 0.5")


def move_target(bench: Bench) -> None:
    another_program(bench, "oven").write("VSC35C0141F00000")  # 30 degC


@pytest.mark.parametrize(
    ("spoil", "name", "words"),
    [
        (lower_piezo, "piezo opa_length", "V off the 75.00 V that were asked for"),
        (close_shutter, "shutter pump", "its drive line DIO2_P is at 0, although it was open (level 1)"),
        (widen_limits, "servo lo1", "its module is limited to -4.5 V to 8 V"),
        (switch_oven_off, "oven target", "does not regulate, and was asked for 26.0000 degC"),
        (move_target, "oven target", "regulates to 30.0000 degC, and was asked for 26.0000 degC"),
        (dim_laser, "laser power", "measures 0.5 mW, and was set to 1 mW"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_difference_that_lasts_is_told_once(
    checked: Checked, spoil: Callable[[Bench], None], name: str, words: str
) -> None:
    checked.one_round()
    spoil(checked.bench)
    checked.one_round()
    checked.one_round()
    ((told, sentence),) = checked.told
    assert told == name and words in sentence
    assert checked.checks.differences == [name] and checked.cleared == []


def test_what_is_mended_is_told_too(checked: Checked) -> None:
    close_shutter(checked.bench)
    checked.one_round()
    checked.bench.station.shutters["pump"].open()
    checked.one_round()
    assert [name for name, _ in checked.told] == ["shutter pump"] == checked.cleared
    assert checked.checks.differences == []


def test_a_difference_while_something_else_is_asked_for_is_a_motion(
    checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An amplifier that lags behind a piezo which is stepped on and on is none that stands elsewhere."""
    piezo = checked.bench.station.cavity_piezos["cavity1"]
    monkeypatch.setattr(type(piezo), "missing_v", lambda self: 6.0 if self is piezo else 0.0)
    for step in range(8):
        piezo.step_to(75.0 + 2.0 * (step % 2))
        for _ in checked.checks.names:
            checked.checks.look()
        checked.bench.clock.sleep(PERIOD_S)
    assert checked.told == []
    checked.one_round()
    assert [name for name, _ in checked.told] == ["piezo cavity1"]


def test_who_does_not_answer_is_for_others_to_tell() -> None:
    faults: list[dict[str, Any]] = [{"instrument": "piezo_a", "kind": "silent", "after": 60.0}]
    checked = Checked(open_bench(station_file(faults))).in_use()
    checked.one_round()
    assert checked.told == []
