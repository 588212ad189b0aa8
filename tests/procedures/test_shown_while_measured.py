"""What a screen is shown while something is measured."""

from __future__ import annotations

import numpy as np
import pytest
from procedure_bench import LockedTable

from labctl.bus.spectra import Curve, LiveSpectrum
from procedures import shown_spectra
from procedures.bench import Bench
from procedures.individual_spectrum import IndividualSpectrum
from procedures.live_spectra import LiveSpectra


@pytest.fixture(scope="module")
def table() -> LockedTable:
    return LockedTable.make(7)


def watched(table: LockedTable) -> tuple[Bench, list[LiveSpectrum], list[Curve]]:
    """Return a bench, and what it will show."""
    bench, spectra, curves = table.fresh_bench(), [], []
    bench.on_spectrum, bench.on_curve = spectra.append, curves.append
    return bench, spectra, curves


def level_db(spectra: list[LiveSpectrum], channel: str) -> float:
    """Return the last noise of a channel over its last shot noise, in dB."""
    last = {(one.channel, one.kind): one.psd_v2_per_hz for one in spectra}
    return float(10 * np.log10(np.median(last[channel, "psd"]) / np.median(last[channel, "shot"])))


def test_live_spectra_show_detectors_sum_and_rephased_sum(table: LockedTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown_spectra, "SHOWN_EVERY_S", 0.0)
    bench, spectra, _ = watched(table)
    table.run(LiveSpectra, bench, duration=1.0, averages=60, reference_records=60)
    assert {one.channel for one in spectra} == {"bhd1", "bhd2", "bhd3", "bhd4", "joint", "rephased"}
    assert {one.kind for one in spectra} == {"psd", "shot", "dark"}
    assert all(one.valid and one.source == "digitizer" for one in spectra)
    signals = [one for one in spectra if one.kind == "psd" and one.channel == "bhd1"]
    assert signals[0].averages < signals[20].averages <= signals[0].averages_asked == 60
    # Wide bounds: sixty records scatter by some hundredths of a decibel; cable delays cost the sum a decibel.
    assert -1.1 < level_db(spectra, "bhd1") < -0.4
    assert -4.3 < level_db(spectra, "joint") < -3.1
    assert level_db(spectra, "rephased") < level_db(spectra, "joint") - 0.3


def test_a_lock_lost_in_live_spectra_is_shown_with_its_reason(table: LockedTable) -> None:
    bench, spectra, _ = watched(table)
    table.after(0.5, lambda: bench.supervisor.hold(["lo2"], "Held by the test."))
    table.after(1.0, lambda: bench.supervisor.request(["lo2"]))
    table.run(LiveSpectra, bench, duration=2.0, averages=20, reference=False)
    bad = [one for one in spectra if not one.valid]
    assert {"bhd1", "joint"} <= {one.channel for one in bad}
    assert all("lo2" in one.reason for one in bad)


def test_a_sweep_is_shown_as_it_is_averaged_and_its_mode_with_the_fit(table: LockedTable) -> None:
    bench, spectra, curves = watched(table)
    bench.shows_sweeps = True
    table.run(IndividualSpectrum, bench, sensor=1, averages=100)
    sweep = [one.averages for one in spectra if one.kind == "psd" and one.averages_asked == 100]
    assert sweep == sorted(sweep)
    assert len(sweep) >= 5
    assert sweep[-1] == 100
    assert {one.channel for one in spectra} == {"bhd1"}
    mode = curves[-1]
    assert (mode.system, mode.name) == ("sensor1", "mode")
    away = np.abs(mode.columns["fit"] - mode.columns["measured"])
    assert float(np.median(away)) < 1.0  # dB: a hundred averages scatter by 0.4 dB
    assert abs(mode.x[int(np.argmax(mode.columns["fit"]))]) < 5.0


def test_nothing_is_read_for_nobody(table: LockedTable) -> None:
    bench, spectra, _ = watched(table)
    bench.on_spectrum, bench.shows_sweeps = None, True
    table.run(IndividualSpectrum, bench, sensor=1, averages=30)
    assert spectra == []
