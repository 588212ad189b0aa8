"""A table with something on every page of the window, filled by hand, and always the same."""

from __future__ import annotations

from dataclasses import replace

import loop_scene
import network_rows
import numpy as np
import spectrum_scene
from night_table import night
from stub_table import NAN, NOW, StubTable

from labctl.bus.messages import EventRow, InstrumentRow, LoopRow, ResultRow
from labctl.bus.replies import Reply
from labctl.bus.spectra import Curve

SPECTRUM_POINTS = 1201
INSTRUMENTS = (
    ("analyzer", "N9020A", "Agilent Technologies,N9020A,MY50000001,A.14.03", "TCPIP::192.168.10.11::5025::SOCKET"),
    ("digitizer", "STEMlab", "Red Pitaya,STEMlab 125-14 4-Input v1.3,2.07-51", "TCPIP::192.168.10.13::5000::SOCKET"),
    ("oven", "1091", "Meerstetter,1091,4711,3.10", "ASRL/dev/ttyUSB1::INSTR"),
    ("piezo_a", "MDT693B", "Thorlabs,MDT693B,150226100001,1.10", "ASRL/dev/ttyACM0::INSTR"),
    ("servos", "SIM900", "Stanford_Research_Systems,SIM900,s/n152741,ver3.6", "ASRL/dev/ttyUSB0::INSTR"),
)


def full_table() -> StubTable:
    """Return a table in the middle of a night: one alarm of every sort, one instrument that is silent."""
    table = StubTable(latest=night())
    latest = table.latest
    spectrum_scene.fill(latest, points=SPECTRUM_POINTS, taken_at=NOW - 0.033)
    latest.put_rows(ResultRow, network_rows.results(4))
    latest.put_rows(InstrumentRow, _instruments())
    late = NOW - loop_scene.NOW
    latest.put_rows(EventRow, [replace(row, at=row.at + late) for row in loop_scene.events()])
    for row in latest.rows(LoopRow):
        latest.put_curve(_moved(loop_scene.history(row.name), late))
    latest.put_curve(_moved(loop_scene.fringe("lo2"), late))
    latest.put_curve(_moved(loop_scene.fringe("sensor1", 90), late))
    latest.put_curve(_moved(loop_scene.alignment("sensor1"), late))
    latest.put_curve(_loop_noise())
    table.commander.answers = {"read_traffic": Reply(text="12:00:00.000 > TEMP?\n12:00:00.012 < 35.0123")}
    return table


def _moved(curve: Curve, late: float) -> Curve:
    return replace(curve, taken_at=curve.taken_at + late)


def _loop_noise() -> Curve:
    x = np.geomspace(1.0, 1e5, 3000)
    noise = 1e-6 / (1.0 + x / 30.0) + 1e-9
    psd = noise * np.random.default_rng(3).gamma(20, 1 / 20, x.size)
    columns = {"locked": psd, "free": 40.0 * noise / (1.0 + x / 3000.0)}
    title = "In-loop noise of the phase"
    return Curve("lo2", "psd", title, "Frequency", "Hz", "Error", "rad^2/Hz", x, columns, taken_at=NOW - 700.0)


def _instruments() -> list[InstrumentRow]:
    rows = [
        InstrumentRow(name, model, "driver", address, identity, True, 0.0012, "", NAN, NOW - 3.0, 3200)
        for name, model, identity, address in INSTRUMENTS
    ]
    rows[0] = replace(
        rows[0], answers=False, latency_s=NAN, last_error="No reply within 1.0 s.", last_error_at=NOW - 90
    )
    rows[1] = replace(rows[1], last_error="Trigger came late; the record was taken again.", last_error_at=NOW - 4000)
    return rows
