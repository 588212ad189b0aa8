"""The procedure that measures what a homodyne loop leaves, on a locked table over the wire."""

from __future__ import annotations

import math

import numpy as np
import pytest
from procedure_bench import LockedTable

from labctl.errors import ConfigurationError
from labctl.physics.lock_tolerance import decibels_lost
from labctl.simulation.loop_records import LoopRecords
from procedures.loop_noise import MeasureLoopNoise

TABLE_SENSORS = 2

RESULTS = (
    "residual_rad",
    "in_loop_rad",
    "offset_rad",
    "unity_gain_hz",
    "phase_margin_deg",
    "fringe_amplitude_v",
    "residual_db_lost",
)


def test_loop_noise(table: LockedTable) -> None:
    ran = table.run(MeasureLoopNoise, loop="lo2", records=10)
    named = ran.record.named
    assert set(named) == {f"lo2.{name}" for name in RESULTS}
    for result in named.values():
        assert math.isfinite(result.value)
        assert 0.0 < result.sigma < math.inf
        assert result.convention
    truth = LoopRecords({2: table.opened.table.sensors[1]}, 5).phase_of(2)
    residual = named["lo2.residual_rad"]
    assert residual.value == pytest.approx(truth.rms_rad(), abs=3.0 * residual.sigma)
    assert "taken off" in residual.convention
    assert named["lo2.unity_gain_hz"].value == pytest.approx(truth.open_loop.unity_gain_hz(), rel=0.1)
    lost = float(decibels_lost(10**-0.6, 10**0.9, residual.value, named["lo2.offset_rad"].value))
    assert named["lo2.residual_db_lost"].value == pytest.approx(lost)
    assert 0.0 < lost < 0.1
    assert [trace.name for trace in ran.record.traces] == ["lo2.residual_psd", "lo2.error_psd"]
    for trace in ran.record.traces:
        assert trace.valid
        assert trace.values_unit == "rad^2/Hz"
        assert trace.conventions["sidedness"] == "one-sided"
        assert trace.conventions["effective_averages"] > 10.0
        assert trace.axis.shape == trace.values.shape
        assert (np.diff(trace.axis) > 0.0).all()
    assert len(ran.rows) == ran.record.traces[0].axis.size
    assert ran.progress == sorted(ran.progress)
    assert ran.progress[-1] == 100.0
    for loop in table.bench.loops.homodyne:
        assert loop.verify().locked


def test_without_blocking_the_other_loops_stay_locked(table: LockedTable) -> None:
    ran = table.run(MeasureLoopNoise, loop="lo1", detector_noise=False, records=8)
    assert "left in" in ran.record.named["lo1.residual_rad"].convention
    assert ran.record.named["lo1.residual_rad"].value == pytest.approx(ran.record.named["lo1.in_loop_rad"].value)


def test_a_loop_that_is_no_homodyne_loop_is_refused(table: LockedTable) -> None:
    with pytest.raises(ConfigurationError, match="opa_length is no homodyne loop") as refused:
        table.run(MeasureLoopNoise, loop="opa_length")
    assert "lo1" in refused.value.remedy
