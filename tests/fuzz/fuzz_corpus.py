"""What is sound before it is spoilt: the shipped files, recordings as instruments export them, run folders that the
store wrote, and one call of every command of the bus."""

from __future__ import annotations

import json
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

_TESTS = Path(__file__).parents[1]
for _room in ("configuration", "store", "report", "core", "simulation", "commands"):
    if str(_TESTS / _room) not in sys.path:
        sys.path.append(str(_TESTS / _room))

CONFIG = _TESTS.parent / "config"
POINTS = 200  # of a recording: enough to be fitted, few enough to be read a thousand times


@dataclass(frozen=True)
class Corpus:
    """Sound inputs by kind; `runs` are folders on disk, all others are content."""

    configs: dict[str, bytes]
    recipes: dict[str, bytes]
    recordings: dict[str, bytes]
    documents: dict[str, bytes]  # JSON that labctl keeps outside its runs' own records
    runs: tuple[Path, ...]
    commands: dict[str, dict[str, Any]] = field(default_factory=dict)

    def trees(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the parsed TOML of "configs" or "recipes"."""
        return {name: tomllib.loads(data.decode()) for name, data in getattr(self, kind).items()}


def corpus_in(folder: Path) -> Corpus:
    """Make the corpus; run folders lie in `folder`."""
    configs = {name: (CONFIG / name).read_bytes() for name in ("table.toml", "simulated.toml")}
    configs["reference.toml"] = (_TESTS / "configuration" / "reference_table.toml").read_bytes()
    configs["faults.toml"] = configs["simulated.toml"] + FAULTS
    recipes = {name: (CONFIG / name).read_bytes() for name in ("overnight.toml", "bring_up.toml")}
    return Corpus(configs, recipes, recordings(), documents(), run_folders(folder), COMMANDS_ASKED)


FAULTS = b"""
[[backend.faults]]
instrument = "oven"
kind = "bad_crc"
after = "20 min"
lasting = 30.0
"""


def recordings() -> dict[str, bytes]:
    """Return recordings in several dresses, by the name of what they can be analysed as."""
    rng = np.random.default_rng(3)
    f = np.linspace(4.0e6, 4.01e6, POINTS)
    line = 1e-12 * (1 + 40 / (1 + ((f - 4.005e6) / 60.0) ** 2)) * rng.gamma(100, 0.01, POINTS)
    t = np.linspace(0.0, 0.05, POINTS)
    decay = np.exp(-t / 0.01) + 1e-3 * rng.standard_normal(POINTS)
    volt = np.linspace(0.0, 10.0, POINTS)
    fringe = 1 + 0.9 * np.cos(volt * 2.0) + 0.01 * rng.standard_normal(POINTS)
    airy = 1 / (1 + 40 * np.sin(volt) ** 2) + 0.001 * rng.standard_normal(POINTS)
    noise = rng.standard_normal(POINTS)
    header = b"# Analyzer trace\n# RBW: 10 Hz\n# VBW, 1 Hz\n"
    return {
        "mode.csv": header + b"Frequency [Hz],PSD [V^2/Hz]\n" + _rows(f, line),
        "mode.dbm.csv": b'"Frequency (MHz)";"Power (dBm)"\n'
        + _rows(f / 1e6, 10 * np.log10(line) + 13, ";", decimal=","),
        "squeezing.txt": b"frequency_hz\tnoise_dbm\n" + _rows(f, -90 + 0.05 * noise, "\t"),
        "ringdown.csv": b"Time (s),Amplitude (V)\n" + _rows(t, decay),
        "fringe.csv": b"Piezo [V], Signal [V]\n" + _rows(volt, fringe),
        "cavity.csv": b"Ramp [V], Transmission [V]\n" + _rows(volt, airy),
        "shot-linearity.csv": b"power (mW),noise (V)\n"
        + _rows(np.linspace(0.1, 5, 20), np.sqrt(np.linspace(0.1, 5, 20))),
        "psd.txt": b"Time/s Value/V\n" + _rows(t, noise, " "),
        "psd.oscilloscope.csv": b"X,CH1,Start,Increment,\nSequence,Volt,0.0,0.001\n"
        + b"".join(b"%d,%.6e,,\n" % (i, x) for i, x in enumerate(noise)),
        "psd.utf16.txt": _rows(t, noise).decode().encode("utf-16"),
        "mode.tektronix.csv": b"Model,MDO3024,,4.0E+6,1.0\nRBW,10 Hz,,4.1E+6,2.0\n"
        + b",,,"
        + _rows(f, line, ",").replace(b"\n", b"\n,,,")[:-3],
    }  # fmt: skip


def _rows(x: Any, y: Any, separator: str = ",", decimal: str = ".") -> bytes:
    text = "".join(f"{a:.9e}{separator}{b:.9e}\n" for a, b in zip(x, y, strict=True))
    return text.replace(".", decimal).encode()


def documents() -> dict[str, bytes]:
    """Return truth.json, what the locks remember, and the card of a core."""
    from ideal_table import station_at

    from labctl.simulation.design import truth_of
    from labctl.simulation.truth_file import TruthFile

    station = station_at(3)
    truth = TruthFile.of(station, truth_of(station), (), {"pump": 12.0}).to_bytes()
    locks = {
        "format": 1, "kept": "2026-01-01T00:00:00+00:00", "loops": {"lo1": {"at": 10.0, "slope": 0.1}},
        "counts": {"lo1": {"unwinds": 1, "relocks_left": 3}}, "kept_at": 11.0, "kept_at_epoch_s": 1.7e9,
    }  # fmt: skip
    card = {"pid": 1, "host": "127.0.0.1", "port": 5075, "prefix": "labctl", "station": "bench"}
    return {"truth.json": truth, "locks.json": json.dumps(locks).encode(), "card.json": json.dumps(card).encode()}


def run_folders(folder: Path) -> tuple[Path, ...]:
    """Write a whole run, one that was stopped, and one that crashed with its log open."""
    from report_runs import Night, write_night

    from labctl.store.records import EventRecord, RunState

    events = [EventRecord(3.0, "info", "lo1", "locked"), EventRecord(4.0, "error", "oven", "too hot")]
    whole = write_night(folder, "whole", Night(sensors=1, events=events))
    return whole, write_night(folder, "stopped", Night(sensors=1, traces=False, end=RunState.STOPPED, reason="asked"))


COMMANDS_ASKED: dict[str, dict[str, Any]] = {
    "stop": {"reason": "smoke"},
    "reset": {"reason": "looked"},
    "take_control": {"force": False},
    "keep_control": {},
    "give_control": {},
    "add_step": {"procedure": "lock_homodyne", "parameters": '{"sensor": 1}'},
    "add_recipe": {"recipe": "bring_up"},
    "remove_step": {"identity": 1},
    "skip_step": {"identity": 1},
    "move_step": {"identity": 1, "place": 0},
    "clear_queue": {},
    "start_queue": {"title": "tonight"},
    "pause_queue": {},
    "resume_queue": {},
    "lock_loop": {"loop": "opa_length"},
    "hold_loop": {"loop": "lo1"},
    "release_loop": {"loop": "lo1"},
    "change_setting": {"setting": "live.averages", "value": 20.0},
    "acknowledge": {"identity": 0},
    "shelve": {"identity": 1, "seconds": 60.0, "reason": "known"},
    "note": {"text": "all quiet", "picture": ""},
    "list_runs": {"most": 10},
    "list_figures": {"run": "whole"},
    "read_figure": {"run": "whole", "figure": "01-joint.png"},
    "read_traffic": {"instrument": "analyzer"},
}
