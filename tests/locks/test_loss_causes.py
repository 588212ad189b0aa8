"""The cause of a loss, from made-up seconds and from a table on the wire that is knocked and whose laser hops."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np
import pytest
from ideal_table import open_table, station_at
from loss_scenes import LOOPS, LOST_AT, NEEDS, SceneOfLoss

from labctl.locks.causes import Cause, CauseKind, clock_time, explain
from labctl.locks.loops import build_loops
from labctl.locks.supervisor import Supervisor


def told(scene: SceneOfLoss) -> Cause:
    return explain(scene.evidence(), NEEDS)


def knocked(jump_v: float = 0.01, after_s: float = 6.0, tries: int = 1) -> SceneOfLoss:
    scene = SceneOfLoss("opa_length")
    scene.signal("opa_length")[scene.at(0.0)] = 0.02
    scene.signal("pump_phase")[scene.at(0.0)] = 0.1
    scene.signal("lo2")[scene.at(0.0)] = 0.4
    scene.state("pump_phase", "hold", 0.1)
    scene.relocked("opa_length", after_s, jump_v, tries)
    return scene


def test_a_knock_comes_back() -> None:
    cause = told(knocked())
    assert cause.kind is CauseKind.KNOCK
    assert cause.first_mover == "opa_length"
    assert cause.sentence == (
        "lab time 100.0 s: opa_length was knocked: it, pump_phase and lo2 jumped within 100 ms; its point came back, "
        "to within 0.01 V at the output."
    )


def test_a_hop_of_the_laser_stays() -> None:
    cause = told(knocked(jump_v=-0.84))
    assert cause.kind is CauseKind.MODE_HOP
    assert "jumped by -0.84 V" in cause.sentence


def test_before_it_is_locked_again_nobody_knows_which_of_the_two() -> None:
    scene = knocked(after_s=14.9)
    scene.state("opa_length", "scan", 0.3)
    cause = told(scene)
    assert cause.kind is CauseKind.KNOCK
    assert cause.confidence <= 0.5
    assert "the laser hopped" in cause.sentence


def test_light_that_is_gone_for_several_tries_was_blocked() -> None:
    scene = knocked(tries=3, after_s=12.0)
    scene.signal("opa_length")[scene.at(0.0) & ~scene.at(0.2)] = 0.0
    assert told(scene).kind is CauseKind.LIGHT_GONE


def test_a_step_of_the_laser_shows_on_all_monitors_and_on_no_error() -> None:
    scene = SceneOfLoss("pump_phase")
    scene.signal("opa_length")[scene.at(0.0) & ~scene.at(0.3)] = 0.45
    scene.signal("pump_phase")[scene.at(0.0)] = 0.24
    scene.state("opa_length", "suspect", 0.0, 0.1)
    scene.state("pump_phase", "relock", 0.2)
    cause = told(scene)
    assert cause.kind is CauseKind.POWER_STEP
    assert "45 % on all monitors" in cause.sentence
    assert "pump_phase went with opa_length, which it needs" in cause.sentence


def test_a_rail_says_the_drift_that_led_there() -> None:
    scene = SceneOfLoss("lo1", reason="the servo output is at its limit (+4.31 V).")
    steps = np.floor((scene.time_s - LOST_AT) / 2.0)
    scene.output_v[LOOPS.index("lo1")] = 4.2 + 0.1 * steps
    cause = told(scene)
    assert cause.kind is CauseKind.RAIL
    assert "by +0.050 V/s" in cause.sentence


def test_a_loop_that_swings_has_too_much_gain() -> None:
    scene = SceneOfLoss("lo1")
    swing = 0.3 * np.sin(2.0 * math.pi * 3.7 * scene.time_s)
    scene.signal("lo1")[scene.at(-1.0)] = swing[scene.at(-1.0)]
    scene.state("lo1", "relock", 0.6)
    assert told(scene).kind is CauseKind.OSCILLATION


def test_a_detector_that_fades_pushes_one_loop_off_its_fringe() -> None:
    scene = SceneOfLoss("lo3")
    scene.signal("lo3")[scene.at(0.0)] = -1.57
    scene.relocked("lo3", 5.0, 0.3)
    assert told(scene).kind is CauseKind.DETECTOR


def test_detectors_without_light_fall_silent() -> None:
    scene = SceneOfLoss("lo2", after_s=5.0)
    for loop in ("lo1", "lo2", "lo3"):
        scene.signal(loop)[scene.at(0.0)] *= 0.05
    scene.state("lo2", "relock", 1.0)
    cause = told(scene)
    assert cause.kind is CauseKind.LIGHT_GONE
    assert "all detectors" in cause.sentence


def test_seed_that_fades_while_the_cavity_holds_is_the_temperature() -> None:
    scene = SceneOfLoss("pump_phase")
    scene.signal("pump_phase")[:] -= 0.02 * (scene.time_s - scene.time_s[0])
    scene.state("pump_phase", "relock", 0.2)
    cause = told(scene)
    assert cause.kind is CauseKind.TEMPERATURE
    assert "look at oven" in cause.sentence


def test_an_instrument_that_is_away_is_named_so() -> None:
    scene = SceneOfLoss("lo1")
    scene.state("lo1", "fault", 0.2)
    assert told(scene).kind is CauseKind.INSTRUMENT


def test_what_nothing_explains_is_said_to_be_unknown() -> None:
    cause = told(SceneOfLoss("lo1", reason="sits +0.20 rad from its lock point."))
    assert cause.kind is CauseKind.UNKNOWN
    assert cause.confidence == 0.0
    assert "nothing tells why (sits +0.20 rad from its lock point)" in cause.sentence


def test_who_followed_a_loop_whose_own_reason_is_not_known_is_upstream() -> None:
    scene = SceneOfLoss("lo1")
    fall = np.clip(scene.time_s - LOST_AT + 0.8, 0.0, None)
    scene.signal("opa_length")[:] -= 0.1 * fall
    scene.signal("lo1")[scene.at(0.0)] = 1.0
    scene.signal("lo2")[scene.at(0.0)] = 1.0
    scene.state("opa_length", "suspect", -0.1)
    scene.state("lo1", "relock", 0.2)
    cause = told(scene)
    assert cause.kind is CauseKind.UPSTREAM
    assert cause.first_mover == "opa_length"
    assert cause.sentence.startswith(
        "lab time 100.0 s: lo1 went with opa_length, which it needs; opa_length moved first"
    )


def test_a_loop_that_moved_a_little_and_held_is_not_blamed() -> None:
    scene = SceneOfLoss("lo1", reason="the servo output is at its limit (+4.31 V).")
    scene.signal("opa_length")[scene.at(-0.3) & ~scene.at(0.0)] = 0.9
    cause = told(scene)
    assert cause.first_mover == "opa_length"
    assert cause.kind is CauseKind.RAIL


@pytest.mark.parametrize("what", ["nothing before", "one look", "no numbers"])
def test_too_little_evidence_is_no_error(what: str) -> None:
    scene = SceneOfLoss("lo1")
    if what == "no numbers":
        scene.error[:], scene.witness[:], scene.output_v[:] = np.nan, np.nan, np.nan
    evidence = scene.evidence()
    kept = {"nothing before": evidence.time_s >= LOST_AT, "one look": np.arange(evidence.time_s.size) == 50}
    keep = kept.get(what, np.ones(evidence.time_s.size, dtype=bool))
    cut = type(evidence)(
        evidence.loss,
        evidence.loops,
        evidence.time_s[keep],
        evidence.error[:, keep],
        evidence.witness[:, keep],
        evidence.output_v[:, keep],
        tuple(tuple(state for state, kept in zip(states, keep, strict=True) if kept) for states in evidence.states),
    )
    assert explain(cut, NEEDS).kind in (CauseKind.UNKNOWN, CauseKind.DETECTOR)


def test_wall_time_is_told_by_the_clock() -> None:
    at = datetime(2026, 3, 4, 2, 13, 7).timestamp()
    assert clock_time(at) == "02:13:07"
    assert clock_time(267.34) == "lab time 267.3 s"


def test_a_knock_and_a_hop_on_the_wire_are_told_apart() -> None:
    opened = open_table(station_at(31))
    clock, room = opened.station.clock, opened.table.room
    names = ("opa_length", "pump_phase")
    loops = {name: loop for name, loop in build_loops(opened.station).by_name.items() if name in names}
    needs = {"opa_length": [], "pump_phase": ["opa_length"]}
    supervisor = Supervisor(loops, needs, clock)
    supervisor.bring_up(names, clock.sleep)
    kinds = []
    for spoil in (lambda: room.source_length.strike(6e-9), lambda: setattr(room, "laser_hop_hz", 300e6)):
        clock.sleep(8.0)
        known = len(supervisor.losses)
        spoil()
        clock.sleep(15.0)
        (loss,) = supervisor.losses[known:]
        kinds.append(explain(supervisor.history.evidence(loss), needs).kind)
    assert kinds == [CauseKind.KNOCK, CauseKind.MODE_HOP]
