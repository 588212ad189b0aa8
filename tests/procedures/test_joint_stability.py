"""The joint noise followed for a while on the simulated table."""

from __future__ import annotations

import numpy as np
import pytest
from procedure_bench import LockedTable

from labctl.errors import AnalysisRefused
from procedures.joint_stability import JointStability

TABLE_SENSORS = 2


def test_the_noise_stays_where_the_sum_has_it(table: LockedTable) -> None:
    ran = table.run(JointStability, duration=90.0, interval=15.0, records=10, reference_records=20)
    (trace,) = [trace for trace in ran.record.traces if trace.name == "joint.night"]
    assert trace.values.shape == (2, 6)
    assert np.all(np.diff(trace.axis) > 10.0)
    named = ran.record.named
    mean, scatter = named["joint.night_mean_db"], named["joint.night_scatter_db"]
    assert mean.value == pytest.approx(-3.76, abs=0.25)
    assert 0.0 < mean.sigma < 0.1
    assert scatter.value < 4.0 * float(np.mean(trace.values[1]))
    drift = named["joint.night_drift_db_per_h"]
    assert abs(drift.value) < 5.0 * drift.sigma
    assert all(table.bench.supervisor.machines[loop.name].is_locked for loop in table.bench.loops.homodyne)


def test_too_few_locked_points_are_refused(table: LockedTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JointStability, "_through_the_night", lambda self, needs, band: [])
    with pytest.raises(AnalysisRefused, match="Only 0 of 3 points"):
        table.run(JointStability, duration=60.0, interval=60.0, records=10, reference_records=10)
