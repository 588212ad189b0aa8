"""What physics does not allow is refused, and the value of before stays."""

from __future__ import annotations

import numpy as np
import pytest
from ideal_table import station_at
from procedure_bench import LockedTable

from labctl.spectra.estimate import Estimate
from labctl.store.records import NamedResult
from procedures.base import LabProcedure
from procedures.gates import (
    CLIPPED_V,
    GateRefused,
    require_fresh_reference,
    require_plausible,
    require_unclipped,
)

TABLE_SENSORS = 2

STATION = station_at(1, "delays")
RESONANCE_HZ = STATION.sensors[0].resonance

ALLOWED = [
    ("sensor1.visibility", Estimate(1.004, 0.007)),
    ("sensor1.f0_hz", Estimate(RESONANCE_HZ + 1500.0, 0.2, "Hz")),
    ("sensor2.gamma_hz", Estimate(52.0, 0.5, "Hz")),
    ("joint.rephased_db", Estimate(-9.5, 0.03, "dB")),
    ("sensor1.individual_db", Estimate(0.4, 0.01, "dB")),
    ("some.other_number", Estimate(-1e9, 0.0)),
]
REFUSED = [
    ("sensor1.visibility", Estimate(1.1, 0.007), "more than all of the light"),
    ("sensor1.visibility", Estimate(-0.1, 0.01), "0 or less"),
    ("sensor1.f0_hz", Estimate(RESONANCE_HZ + 30e3, 0.2, "Hz"), "from where the station file has it"),
    ("sensor2.gamma_hz", Estimate(400.0, 1.0, "Hz"), "the design has 41 Hz"),
    ("sensor3.kappa_hz", Estimate(6e10, 4e10, "Hz"), "as large as itself"),
    ("joint.rephased_db", Estimate(-14.0, 0.03, "dB"), "losses of the station file allow"),
]


@pytest.mark.parametrize(("name", "found"), ALLOWED, ids=[name for name, _ in ALLOWED])
def test_what_can_be_is_kept(name: str, found: Estimate) -> None:
    require_plausible(name, found, STATION, dict)


@pytest.mark.parametrize(
    ("name", "found", "why"), REFUSED, ids=[f"{name} {found.value:g}" for name, found, _ in REFUSED]
)
def test_what_cannot_be_is_refused_in_words(name: str, found: Estimate, why: str) -> None:
    before = NamedResult(name, 0.5, 0.1, found.unit, "", "step")
    with pytest.raises(GateRefused, match=why) as refused:
        require_plausible(name, found, STATION, lambda: {name: before})
    assert "of before stays" in str(refused.value)


def test_a_wide_uncertainty_of_strong_squeezing_is_no_proof_against_it() -> None:
    require_plausible("joint.raw_db", Estimate(-14.0, 4.0, "dB"), STATION, dict)


def test_shot_noise_of_hours_ago_is_no_reference() -> None:
    require_fresh_reference("sensor1", 1000.0, 1900.0)
    with pytest.raises(GateRefused, match="75 min away"):
        require_fresh_reference("sensor1", 1000.0, 1000.0 + 75 * 60.0)


def test_a_clipped_record_names_its_detector() -> None:
    assert STATION.digitizer is not None
    record = np.zeros((4, 100))
    require_unclipped(record, STATION)
    record[2, 50] = -CLIPPED_V[STATION.digitizer.gain]
    with pytest.raises(GateRefused, match="bhd3"):
        require_unclipped(record, STATION)


class KeepsTwice(LabProcedure):
    """Keeps a visibility that can be, then one that cannot."""

    title = "Keeps twice"
    DATA_COLUMNS = ["Visibility"]

    def measure(self) -> None:
        self.keep("sensor1.visibility", Estimate(0.95, 0.01))
        self.keep("sensor1.visibility", Estimate(1.5, 0.01))


def test_the_value_of_before_stays(table: LockedTable) -> None:
    bench = table.fresh_bench()
    with pytest.raises(GateRefused):
        table.run(KeepsTwice, bench)
    assert bench.result("sensor1.visibility").value == 0.95
