"""A run that an instrument's fault ends: what was measured before it is on disk, whole and as it would be without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray

from labctl.configuration.recipe_file import Step
from labctl.configuration.station_file import StationFile
from labctl.store.reader import RunReader
from labctl.store.records import RunState, StepState
from procedures.night import Plan, run_night

ANALYZERS = {
    "X-series": {"driver": "keysight-x-series", "model": "N9020A"},
    "FSV": {"driver": "rohde-schwarz-fsv", "model": "FSW-13"},
}
# Who fails during the third trace, how, and how many traces are complete then: the switch is needed for the next one.
FAULTS = [
    ("analyzer", "silent", 2),
    ("analyzer", "garbage", 2),
    ("analyzer", "dropped", 2),
    ("analyzer", "power_cycle", 2),
    ("scan", "silent", 3),
]
PARAMETERS = {"rbw": 2000.0, "vbw": 20e3, "averages": 2000}


class Quiet:
    """A listener that says nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *told: None


def station(analyzer: str, *faults: dict[str, Any]) -> StationFile:
    """Return a table of one sensor with an analyzer, and the board that switches its input and the beams."""
    shutters = ("signal", "local_oscillator", "pump")
    return StationFile.model_validate(
        {
            "station": {"name": "one sensor", "sensors": 1},
            "backend": {"kind": "simulated", "seed": 3, "scenario": "ideal", "faults": faults},
            "instruments": {
                "analyzer": {"address": "TCPIP::192.168.10.11::5025::SOCKET", **ANALYZERS[analyzer]},
                "scan": {
                    "driver": "redpitaya-125-14",
                    "address": "TCPIP::192.168.10.14::5000::SOCKET",
                    "model": "REDPITAYA",
                },
            },
            "analyzer": {"instrument": "analyzer", "longest_sweep": "1 h"},
            "rf_switch": {"instrument": "scan", "pins": ["DIO3_P"], "positions": {"bhd1": 0, "sum": 1}},
            "shutters": {
                name: {"instrument": "scan", "pin": f"DIO{pin}_P", "open_level": 1} for pin, name in enumerate(shutters)
            },
            "light": {
                "wavelength": "1550 nm",
                "probe_power": "5 uW",
                "local_oscillator_power": "5 mW",
                "seed_gain_expected": 4.0,
            },
            "detectors": {
                "quantum_efficiency": {"value": 0.99, "sigma": 0.005},
                "dc_volts_per_ampere": 1000.0,
                "responsivity": "1.24 A/W",
            },
            "sensors": [
                {
                    "resonance": "4.276 MHz",
                    "search_span": "8 kHz",
                    "propagation_efficiency": {"value": 0.92, "sigma": 0.005},
                }
            ],
        }
    )


def run(file: StationFile, runs: Path) -> RunReader:
    """Measure dark and shot noise in one step that is not tried again."""
    step = Step("noise_floor", "noise_floor", None, (), 0, 600.0, PARAMETERS)
    plan = Plan(file, "", (step,), "", "a run", runs)
    return RunReader(run_night(plan, Quiet(), lambda stop: None).run)


@pytest.fixture(scope="module", params=ANALYZERS)
def undisturbed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, RunReader]:
    """An analyzer, and a run with it that nothing disturbs."""
    reader = run(station(request.param), tmp_path_factory.mktemp("runs"))
    assert (reader.state, len(reader.traces())) == (RunState.COMPLETE, 4)
    return request.param, reader


@pytest.mark.parametrize(("instrument", "kind", "complete"), FAULTS)
def test_traces_before_a_fault_are_kept_as_they_are(
    undisturbed: tuple[str, RunReader], instrument: str, kind: str, complete: int, tmp_path: Path
) -> None:
    analyzer, whole = undisturbed
    third = whole.traces()[2]
    during_third = 0.5 * (third.started_at + third.ended_at)
    reader = run(station(analyzer, {"instrument": instrument, "kind": kind, "after": during_third}), tmp_path)
    assert reader.state is RunState.FAILED
    assert instrument in reader.reason and len(reader.reason.splitlines()) == 1
    assert reader.coverage == "0 of 1 steps"
    assert [step.state for step in reader.steps()] == [StepState.FAILED]
    kept = [trace.name for trace in reader.traces()]
    assert kept == [trace.name for trace in whole.traces()][:complete]
    for name in kept:
        assert reader.trace(name).valid
        assert np.array_equal(reader.trace(name).values, whole.trace(name).values)
    assert reader.results() == {}
    with xarray.open_dataset(reader.path / "data.nc") as data:
        assert len(data.data_vars) >= complete
