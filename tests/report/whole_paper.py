"""A night of every procedure for the tests of the report: results under all names that procedures give."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from report_runs import Night, results

from labctl.report.contents import RunContents
from labctl.store.history import PastNight
from labctl.store.records import NamedResult

Changes = dict[str, tuple[float, float]]

STATION = json.dumps(
    {
        "station": {"name": "bench"},
        "detectors": {
            "quantum_efficiency": {"value": 0.99, "sigma": 0.005},
            "dc_volts_per_ampere": 1000.0,
            "responsivity": "1.24 A/W",
        },
        "membranes": {
            "effective_mass": {"value": 1.69e-11, "sigma": 0.0},
            "temperature": {"value": 300.0, "sigma": 1.0},
            "damping": "41 Hz",
            "linewidth": 58.9e9,
            "coupling": 21.0,
        },
        "sensors": [
            {
                "resonance": "4.276 MHz",
                "search_span": "8 kHz",
                "propagation_efficiency": {"value": 0.92, "sigma": 0.005},
            }
        ]
        * 4,
    }
)
DELAYS_S = (-18.1e-9, -6.0e-9, 6.1e-9, 18.0e-9)


def paper_results() -> list[NamedResult]:
    """Results beyond those of `results`, near what the publication and its model say."""
    found: list[tuple[str, float, float, str]] = [
        ("source.threshold_w", 0.0312, 0.0004, "W"),
        ("source.antisqueezing_db", 9.91, 0.06, "dB"),
        ("source.total_efficiency", 0.881, 0.004, ""),
        ("source.phase_noise_rad", 0.0121, 0.004, "rad"),
        ("network.stage1_tap", 0.2511, 0.0009, ""),
        ("network.stage2_tap", 0.3322, 0.0009, ""),
        ("network.stage3_tap", 0.4996, 0.0012, ""),
        ("joint.promised_db", -4.71, 0.05, "dB"),
        ("joint.missing_db", 0.96, 0.05, "dB"),
        ("joint.rms_delay_s", 13.4e-9, 0.2e-9, "s"),
        ("joint.common_jitter_rad", 0.021, 0.006, "rad"),
        ("joint.private_jitter_rad", 0.014, 0.005, "rad"),
        ("joint.lost_to_delays_db", 0.92, 0.02, "dB"),
        ("joint.lost_to_jitter_db", 0.03, 0.03, "dB"),
        ("joint.lost_to_loss_db", 0.02, 0.06, "dB"),
        ("advantage.m4_rmse_entangled", 0.131, 0.002, ""),
        ("advantage.m4_rmse_separable", 0.157, 0.002, ""),
        ("force.detuning_hz", 1600.0, 0.0, "Hz"),
    ]
    found += [(f"joint.delay{n}_s", delay, 0.3e-9, "s") for n, delay in enumerate(DELAYS_S, start=1)]
    found += [(f"advantage.m{m}_percent", value, 0.4, "%") for m, value in ((2, 9.7), (3, 17.0), (4, 22.4))]
    for n in range(1, 5):
        found += [
            (f"sensor{n}.gamma_ringdown_hz", 41.2 + 0.1 * n, 0.08, "Hz"),
            (f"sensor{n}.g0_over_kappa", 3.56e-10, 0.04e-10, ""),
            (f"sensor{n}.g0_hz", 20.9 + 0.2 * n, 0.1, "Hz"),
            (f"sensor{n}.kappa_hz", 58.8e9 + 0.1e9 * n, 0.05e9, "Hz"),
            (f"sensor{n}.length_m", 0.5e-3, 0.2e-6, "m"),
            (f"sensor{n}.extraction", 0.998, 0.001, ""),
            (f"sensor{n}.inconsistency_gamma", 0.006, 0.002, ""),
            (f"sensor{n}.inconsistency_coupling", 0.004 * n, 0.001, ""),
            (f"sensor{n}.inconsistency_linewidth", 0.002, 0.001, ""),
            (f"sensor{n}.inconsistency", 0.012 * n, 0.002, ""),
        ]
        for kind, on, off in (("coherent", 6.7, 199), ("separable", 6.6, 181), ("entangled", 6.3, 130)):
            found.append((f"sensor{n}.force_{kind}_on", on * 1e-15, 0.05e-15, "N/sqrt(Hz)"))
            found.append((f"sensor{n}.force_{kind}_off", off * 1e-15, 1.5e-15, "N/sqrt(Hz)"))
    return [NamedResult(name, value, sigma, unit, "as in the test", "a_step") for name, value, sigma, unit in found]


def whole_night(**night: Any) -> Night:
    """A night with everything."""
    entries = {"traces": False, "results": False, "extra_results": [*results(4), *paper_results()]}
    return Night(**entries, manifest={"station_file": STATION, **night.pop("manifest", {})}, **night)


def with_results(run: RunContents, changed: Changes) -> RunContents:
    """The run with other values and sigmas of the results in `changed`."""
    told = {name: replace(run.results[name], value=value, sigma=sigma) for name, (value, sigma) in changed.items()}
    return replace(run, results={**run.results, **told})


def after(run: RunContents, nights: Sequence[Changes]) -> RunContents:
    """The run with so many nights before it, the oldest first, that differ from it by what is given for each."""
    told = [
        PastNight(
            run.path.with_name(f"night{day:02d}"),
            replace(run.manifest, run_id=f"night{day:02d}"),
            with_results(run, changed).results,
        )
        for day, changed in enumerate(nights)
    ]
    return replace(run, earlier=told[::-1])
