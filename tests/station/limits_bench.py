"""A small table for tests that send it everything, and what is sent: values at and beyond limits, hostile lines."""

from __future__ import annotations

import json
import math
import os
import time
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from labctl.bus.commands import COMMANDS
from labctl.configuration.station_file import StationFile
from labctl.configuration.table_of_sensors import table_of_sensors
from labctl.core.command_desk import CommandDesk
from labctl.core.core import Core
from labctl.core.stored_runs import StoredRuns
from labctl.core.traffic_tail import TrafficTail
from labctl.errors import LabError
from labctl.simulation.output_limits import excesses
from labctl.simulation.simulation import InjectedFault, Simulation
from labctl.station.bring_up import link_to, open_station
from labctl.station.station import Station
from procedures.bench import Bench, MemoryRecord
from procedures.night import Table

HERE = "127.0.0.1"
_SHIPPED = Path(__file__).parents[2] / "config" / "table.toml"
_LEFT_OUT = ("analyzer", "digitizer", "monitors", "modulation", "vacuum", "pump_meter", "oscillator_meter")
_ROLES_LEFT_OUT = ("analyzer", "digitizer", "rf_switch", "gauges", "power_meters", "interlocks", "supervisor")
SOFTWARE_SERVO = {
    "kind": "software",
    "input": {"kind": "monitor", "name": "lo1"},
    "output": {"kind": "slow_output", "instrument": "scan", "pin": "AOUT0", "offset": 0.9, "gain": 5.0},
    "rate": 10.0,
}
BENCH_OVEN = {"driver": "thorlabs-ted4015", "address": "TCPIP::192.168.10.40::5025::SOCKET", "model": "TED4015"}
REST, DAC_REST = 2e-3, 0.02  # in the unit of an output; the latter half a step of a slow DAC, times its amplifier
_SENDS_REPLIES = ("piezo_a", "rotators")


@cache
def _text(*, software: bool) -> str:
    content = tomllib.loads(table_of_sensors(_SHIPPED.read_text(encoding="utf-8"), 1))
    content["backend"] = {"kind": "simulated", "seed": 1, "scenario": "ideal"}
    for name in _LEFT_OUT:
        del content["instruments"][name]
    for role in _ROLES_LEFT_OUT:
        content.pop(role, None)
    content["tones"] = {name: tone for name, tone in content["tones"].items() if tone["instrument"] == "tone"}
    for pin, monitor in enumerate(content["monitors"].values()):
        monitor |= {"instrument": "scan", "input": f"AIN{pin}"}
    for loop in content["loops"].values():
        loop.pop("error", None)
    content["piezos"] = {"arm": {"instrument": "piezo_b", "channel": "z", "bias": "75 V"}}
    content["mirror_limits"] |= {"steps_per_hour": 6000}
    content["interlocks"] = {
        "piezo_a": {"kind": "no_reply", "instrument": "piezo_a", "grace": "10 s", "action": "dark"},
        "oven": {"kind": "oven", "low": "10 degC", "high": "50 degC", "grace": "1 min", "action": "heater_off"},
    }
    if software:
        content["instruments"]["oven"] = BENCH_OVEN
        content["loops"]["lo1"] |= {"servo": SOFTWARE_SERVO, "unity_gain": 0.5}
    return json.dumps(content)


def small_station(*, software: bool = False) -> StationFile:
    """Return a table of one sensor with what moves something and little else; with `software` its homodyne loop is
    closed by labctl, and its oven has a controller that does not ramp."""
    return StationFile.model_validate(json.loads(_text(software=software)))


class SmallTable:
    """An open station, the table behind it, and the faults that it has."""

    def __init__(self, file: StationFile) -> None:
        self.file = file
        self.link = link_to(file)
        self.station: Station = open_station(file, self.link)
        self.faults: list[InjectedFault] = []
        self.station.on_trouble = lambda name, sentence: None

    @property
    def simulation(self) -> Simulation:
        assert self.link.simulation is not None
        return self.link.simulation

    def beyond(self) -> list[str]:
        """Return what true outputs went beyond."""
        return excesses(self.simulation.outputs, self.file)

    def now(self) -> float:
        return self.station.clock.now()

    def faulty(self) -> bool:
        """Return whether anything is wrong with any wire or instrument now."""
        return any(fault._fault.until_s > self.now() for fault in self.faults)

    def end_faults(self) -> None:
        for fault in self.faults:
            fault.end()
        for wire in self.simulation.wires.values():
            wire.ready_at()  # what is over ends when somebody looks
        self.faults.clear()

    def last(self, output: str) -> float:
        """Return what a true output is now."""
        track: Any = self.simulation.outputs._tracks[output]
        return float(track.last)

    def not_at_rest(self) -> dict[str, float]:
        """Return the true outputs that are not at rest, of those that the way to rest is to bring there."""
        file = self.file
        names = [f"piezo.{name}.setting" for name in (*file.loops, *file.piezos)]
        names += [f"shutter.{name}" for name in file.shutters] + ["laser.power"] * (file.laser is not None)
        names += [f"tone.{name}.amplitude" for name in file.tones]
        limits = dict.fromkeys(names, REST) | {
            f"servo.{name}.output": DAC_REST if loop.servo.kind == "software" else REST
            for name, loop in file.servo_loops.items()
        }
        return {name: self.last(name) for name, most in limits.items() if abs(self.last(name)) > most}

    def write(self, instrument: str, text: str) -> None:
        """Send a line as nobody should, and take what comes back. Raises what the driver raises."""
        driver = self.station.driver(instrument)
        with driver.transaction(text):
            driver.write(text)
            if instrument in _SENDS_REPLIES:
                driver.read()

    def close(self) -> None:
        self.station.interlocks.stop()
        self.station.close()


class SmallCore:
    """A core on a small table with one client, which has control."""

    def __init__(self, table: SmallTable) -> None:
        runs = Path(os.devnull)  # nothing is kept
        self.core = Core(Table(table.link, Bench.of(table.station, MemoryRecord())), runs)
        self._desk = CommandDesk(self.core, StoredRuns(runs), TrafficTail(()), {})
        self._lease = self.core.lease.take("screen", HERE, time.time(), force=False)

    def ask(self, name: str, **arguments: str) -> str:
        """Have a command done as the bus does, with its stop where one was asked for; return what is answered."""
        given = arguments if name == "stop" else {**arguments, "lease": self._lease}
        try:
            return self._desk.execute(COMMANDS[name].model_validate({"client": "screen", **given}), HERE).text
        except LabError as error:
            return f"{type(error).__name__}: {error}"
        finally:
            self.core.make_safe_if_asked()

    def close(self) -> None:
        """Let the table go."""
        self.core.close()


def around(low: float, high: float) -> st.SearchStrategy[float]:
    """Draw values within, at, and beyond limits, and what is no number."""
    span = high - low
    edges = [low, high, math.nextafter(low, -math.inf), math.nextafter(high, math.inf), low - 0.1 * span, high + 1e-9]
    wild = [*edges, high + 10.0 * span, -high - span, 0.0, -0.0, math.nan, math.inf, -math.inf, 1e308, 1e-308]
    return st.floats(low, high) | st.floats(low, high) | st.sampled_from(wild)


def is_within(value: float, low: float, high: float) -> bool:
    return math.isfinite(value) and low <= value <= high


_NUMBERS = ("-11", "-4.5", "-1", "0", "0.3", "+1", "4.4", "9.9", "75", "149", "150.1", "999", "1e3", "nan", "MAX", "")
_number = st.sampled_from(_NUMBERS)


def _lines(*forms: str, ends: str = ";") -> st.SearchStrategy[str]:
    one = st.builds(lambda form, a, b: form.replace("{}", a).replace("<>", b), st.sampled_from(forms), _number, _number)
    return one | st.lists(one, min_size=2, max_size=3).map(ends.join)


_SERVO_TEXTS = _lines(
    "MOUT {}", "mout {}", "MOUT{}", "ULIM {}", "LLIM {}", "AMAN 0", "AMAN 1", "AMAN PID", "*RST", "*TST?", "SETP {}",
    "GAIN {}", "INTG 1E5", "ICTL 1", "OCTL 1", "OFST {}", "PCTL 1", "APOL 0",
)  # fmt: skip

HOSTILE: Mapping[str, st.SearchStrategy[str]] = {
    "piezo_a": _lines(
        "xvoltage={}", "yvoltage={}", "zvoltage={}", "ZVOLTAGE={}", "xV{}", "z v {}", "AV{}", "av {}", "xyzvoltage={}",
        "allvoltage={}", "xmin={}", "xmax={}", "sysmin={}", "restore", "msenable=1", "msvoltage={}", "zH{}", "yl{}",
        "rotarymode=1", "dacstep={}", "xvoltage = {}", "\x1b[A",
        ends="\r",
    ),
    "servos": st.builds(
        lambda form, slot, text: form.format(slot, text),
        st.sampled_from(
            ['SNDT {},"{}"', "SNDT {},'{}'", 'sndt {} , "{}"', 'SEND {},"{}"', 'BRDT "{1}"', 'BRDT {},"{}"',
             'CONN {},"x"', "{1}", 'SNDT {},"{}";FLSH', '*CLS;SNDT {},"{}"'],
        ),
        st.sampled_from([1, 2, 3, 9]),
        _SERVO_TEXTS,
    ),
    "picomotors": _lines(
        "1>1PR500", "1>2PR-1999", "1PR2001", "1>1PR-3000", "1>1PA100", "1>1MV+", "1MV-", "1>1DH", "1>1DH0", "MC",
        "1>RS", "1>SM", "1PR{}", "1>1PR{}", "1 > 1 pr 1500", "2>1PR10", "1>3PR10", "ST", "1>1PR1500;1PR1500",
        "XX", "*RST",
    ),
    "scan": _lines(
        "DIG:PIN DIO0_P,1", "DIG:PIN DIO0_P,0", "dig:pin DIO2_P,1", "DIG:PIN:DIR IN,DIO0_P", "DIG:PIN DIO7_N,1",
        "SOUR1:VOLT {}", "SOUR1:VOLT:OFFS {}", "OUTPUT1:STATE ON", "OUTPUT:STATE ON", "OUTPUT2:STATE 1",
        "SOUR2:VOLT {}", "ANALOG:PIN AOUT0,{}", "ANALOG:PIN AOUT1,{}", "SOUR1:FUNC DC", "SOUR1:LOAD L50",
        "SOUR1:INITV {}", "*RST", "ANALOG:RST", "DIG:RST", "GEN:RST", "SOUR1:VOLT 1E-1",
    ),
    "tone": _lines(
        "SOUR1:VOLT {}", "VOLT {}", ":SOURCE1:VOLTAGE:LEVEL:IMMEDIATE:AMPLITUDE {} VPP", "VOLT 500 mV", "FREQ 2E6",
        "FREQ {}", "OUTP ON", "OUTP1:STAT 1", "OUTP2 ON", "OUTP1:LOAD INF", "VOLT:OFFS {}", "APPL:SIN 2E6,{},0",
        "APPL:DC DEF,DEF,{}", "APPL:SQU", "FUNC SQU", "FUNC DC", "VOLT:UNIT VRMS", "VOLT:UNIT DBM", "*RST", "*RCL 0",
        "VOLT MAX", "VOLT:HIGH {}", "SOUR1:BURS:STAT ON", "OUTP1:POL INV", "SOUR2:VOLT {}", "FREQ 2 MHZ;VOLT {}",
        "VOLT:LIM:STAT OFF",
    ),
    "laser": _lines(
        ":POW {}", ":POW 12", "POW:STAT 1", ":POW:STAT ON", ":WAV 1.55e-6", ":WAV 1.4e-6", "WAV 1550", ":WAV:SWE 1",
        ":POW:UNIT 0", ":SYST:COMM:COD 0", "*RST", ":POW:ATT 0", ":POW:SHUT 0", "SO", "LO", ":SOUR:POW 4.9", ":WAV {}",
    ),
    "rotators": st.sampled_from(
        ["0ma00010000", "0ma0002D000", "0mr00001000", "0mr7FFFFFFF", "0ma80000000", "0fw", "0bw", "0ho0", "0so00001000",
         "0om", "0cm", "0ca5", "0ma00001000\r\n0ma00002000", "3ma00010000", "Ama00010000", "0s1", "0cl", "0us"],
    ),
    "oven": st.sampled_from(
        [f"VS{parameter:04X}01{value}" for parameter in (50012, 50011, 2010, 3000, 3003, 2020, 108)
         for value in ("42C80000", "41F00000", "42340000", "3C23D70A", "7FC00000", "00000000", "00000001")]
        + ["RS", "?VR", "VS"],
    ),
}  # fmt: skip
"""What is sent by a raw line, by instrument: right, wrong, in other spellings, several at once."""

BENCH_OVEN_TEXTS = _lines(
    "SOUR2:TEMP:SPO {}", "SOUR2:TEMP 30C", "SOUR2:TEMP 300K", "SOUR2:TEMP {}", "OUTP2 ON", "OUTP2 OFF", "OUTP ON",
    "SOUR2:TEMP:LIM:HIGH {}", "SOUR2:CURR:LIM {}", "SOUR2:FUNC CURR", "UNIT:TEMP K", "*RST", "*RCL 1", "SOUR2:CURR {}",
)  # fmt: skip
