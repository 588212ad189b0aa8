"""Twins that move something, on ports that remember, with the driver of each and a gate that only listens.

Outputs have the names that moves have, so that what a driver read from a command can be held against what came of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from every_twin import Inputs, Mirror, Mount, Oven, Piezo, Pins, mecom
from light_bench import Coil, Laser
from servo_bench import BenchServo
from stepped_time import SteppedTime

from drivers.keysight.trueform_33500 import Keysight33500
from drivers.meerstetter.tec import MeerstetterTEC
from drivers.moves import Move, MoveKind
from drivers.newport.picomotor_8742 import Newport8742
from drivers.redpitaya.stemlab import RedPitaya125_14
from drivers.santec.tsl570 import SantecTSL570
from drivers.srs.sim900 import SIM900
from drivers.thorlabs.ell14 import ThorlabsELL14
from drivers.thorlabs.mdt693b import ThorlabsMDT693B
from drivers.thorlabs.ted4015 import ThorlabsTED4015
from labctl.simulation.instruments.agilent_33500 import Simulated33500
from labctl.simulation.instruments.meerstetter_parameters import COARSE_RAMP, RAM_TARGET_C, TARGET_C, TARGET_SOURCE
from labctl.simulation.instruments.meerstetter_tec import SimulatedTEC
from labctl.simulation.instruments.newport_8742 import SimulatedNewport8742
from labctl.simulation.instruments.redpitaya_stemlab import SimulatedRedPitaya
from labctl.simulation.instruments.santec_tsl import SimulatedTSL570
from labctl.simulation.instruments.srs_sim900 import SimulatedSIM900
from labctl.simulation.instruments.thorlabs_ell14 import SimulatedELL14Bus
from labctl.simulation.instruments.thorlabs_mdt693b import SimulatedMDT693B
from labctl.simulation.instruments.thorlabs_ted4015 import SimulatedTED4015
from labctl.simulation.visa_library import simulated_library
from labctl.simulation.wire import WireInstrument

SOCKET, SERIAL = "TCPIP::192.168.10.30::5025::SOCKET", "ASRL7::INSTR"
BOARD_PINS = ("DIO0_P", "DIO3_N")
SETTLING_S = 4000.0  # of lab time, after which every motion has ended

Outputs = Mapping[str, float]


class Listening:
    """A gate that lets everything pass and remembers it."""

    def __init__(self) -> None:
        self.moves: list[Move] = []
        self.commands: list[str] = []

    def permit(self, instrument: str, command: str, moves: Sequence[Move]) -> None:
        self.moves += moves
        self.commands.append(command)

    def doubt(self, instrument: str) -> None:
        """Nothing is known here, so nothing is forgotten."""

    def take(self) -> list[Move]:
        taken, self.moves = self.moves, []
        return taken


@dataclass
class MovingTwin:
    """One twin, its driver with a listening gate, and what its outputs are."""

    time: SteppedTime
    twin: WireInstrument
    driver: Any
    gate: Listening
    look: Callable[[], Outputs]

    def settle(self) -> None:
        """Let lab time pass until everything stands, in steps in which nothing is missed."""
        advance = getattr(self.twin, "advance", None)
        for _ in range(2):
            self.time.elapse(SETTLING_S / 2)
            if advance is not None:
                advance(self.time.now())
            self.twin.take()

    def outputs(self) -> dict[str, float]:
        """Return what its outputs are once everything stands."""
        self.settle()
        return dict(self.look())


@dataclass(frozen=True)
class Moving:
    """How to build a moving twin, what ends its commands, which settings move an output beside its own, and which
    outputs protections switch off.

    Moves of outputs that end in one of `never` no gate lets pass: afterwards other numbers mean something else.
    """

    name: str
    build: Callable[[], MovingTwin]
    end: str
    governs: Mapping[str, tuple[str, ...]]
    trips: tuple[str, ...] = ()
    never: tuple[str, ...] = ()


def _on(
    time: SteppedTime,
    twin: WireInstrument,
    kind: Any,
    look: Callable[[], Outputs],
    address: str = SOCKET,
    **options: Any,
) -> MovingTwin:
    driver = kind(address, visa_library=simulated_library(time, {address: twin}), timeout=1000, **options)
    gate = Listening()
    driver.gate_with(gate)
    return MovingTwin(time, twin, driver, gate, look)


def _rng() -> np.random.Generator:
    return np.random.default_rng(1)


def piezo() -> MovingTwin:
    """MDT693B."""
    time, piezos = SteppedTime(), {name: Piezo() for name in "xyz"}
    twin = SimulatedMDT693B(time, piezos, _rng(), echo=False)

    def look() -> Outputs:
        found = {"master_scan_enabled": float(twin._master_scan), "master_scan_voltage": twin._master_scan_v}
        scan_v = twin._master_scan_v if twin._master_scan else 0.0
        return {**found, **{f"{name}.voltage": port.volts - scan_v for name, port in piezos.items()}}

    return _on(time, twin, ThorlabsMDT693B, look, SERIAL)


def servo() -> MovingTwin:
    """SIM900 with a SIM960 in slots 3 and 5."""
    time, servos = SteppedTime(), {slot: BenchServo() for slot in (3, 5)}

    def look() -> Outputs:
        found: dict[str, float] = {}
        for slot, terminals in servos.items():
            told = terminals.settings
            found |= {
                f"module_{slot}.manual_output": told.manual_output_v,
                f"module_{slot}.closed": float(told.closed),
                f"module_{slot}.upper_limit": told.upper_limit_v,
                f"module_{slot}.lower_limit": told.lower_limit_v,
            }
        return found

    return _on(time, SimulatedSIM900(time, servos), SIM900, look, SERIAL, slots=(3, 5))


def board() -> MovingTwin:
    """STEMlab 125-14."""
    time, pins = SteppedTime(), Pins()
    twin = SimulatedRedPitaya(time, Inputs(), Inputs(), pins, {1: Coil(), 2: Coil()}, _rng())
    questions = {
        f"output_{n}.{name}": f"{header}?"
        for n in (1, 2)
        for name, header in {
            "amplitude": f"SOUR{n}:VOLT",
            "offset": f"SOUR{n}:VOLT:OFFS",
            "initial_value": f"SOUR{n}:INITV",
            "last_value": f"SOUR{n}:BURS:LASTV",
            "load": f"SOUR{n}:LOAD",
            "on": f"OUTPUT{n}:STATE",
        }.items()
    }
    questions |= {"slow_AOUT0.voltage": "ANALOG:PIN? AOUT0", "slow_AOUT3.voltage": "ANALOG:PIN? AOUT3"}
    for pin in BOARD_PINS:
        questions |= {f"pin_{pin}.direction": f"DIG:PIN:DIR? {pin}", f"pin_{pin}.level": f"DIG:PIN? {pin}"}
    words = {"ON": 1.0, "OFF": 0.0, "IN": 0.0, "OUT": 1.0, "INF": 0.0, "L50": 50.0}

    def ask(question: str) -> float:
        twin.on_bytes(f"{question}\r\n".encode())
        reply = twin.take().decode().strip()
        return words[reply] if reply in words else float(reply)

    return _on(time, twin, RedPitaya125_14, lambda: {name: ask(question) for name, question in questions.items()})


def oven() -> MovingTwin:
    """MeCom controller that is on at 25 degC."""
    time, plant = SteppedTime(), Oven()
    twin = SimulatedTEC(time, {1: plant}, _rng(), stored={2010: 1, 4010: -300, 4011: 1000, 3003: 50.0})

    def look() -> Outputs:
        target_c = twin._setting(1, RAM_TARGET_C if twin._setting(1, TARGET_SOURCE) else TARGET_C)
        return {
            "ch_1.output_enabled": float(plant.nominal_c is not None),
            "ch_1.target_temperature_c": target_c,
            "ch_1.coarse_ramp_k_per_s": twin._setting(1, COARSE_RAMP),
        }

    return _on(time, twin, MeerstetterTEC, look, SERIAL, first_sequence=1)


def other_oven() -> MovingTwin:
    """TED4015 that is on at 25 degC."""
    time, plant = SteppedTime(), Oven()
    twin = SimulatedTED4015(time, plant, _rng())
    twin.on_bytes(b"OUTP 1\n")

    def look() -> Outputs:
        found = {"output_enabled": float(plant.nominal_c is not None), "current_limit_a": twin._current_limit_a}
        low_c, high_c = twin._limits_c
        found |= {"lower_target_limit_c": low_c, "upper_target_limit_c": high_c}
        return found if plant.nominal_c is None else {**found, "target_temperature_c": plant.nominal_c}

    return _on(time, twin, ThorlabsTED4015, look)


def plates() -> MovingTwin:
    """ELL14 at addresses 0 and 10."""
    time, mounts = SteppedTime(), {0: Mount(), 10: Mount()}
    twin = SimulatedELL14Bus(time, mounts, _rng())

    def look() -> Outputs:
        return {f"rotator_{unit.address}.angle_deg": unit._count / unit._pulses * 360.0 for unit in twin._units}

    return _on(time, twin, ThorlabsELL14, look, SERIAL, addresses=(0, 10))


def motors() -> MovingTwin:
    """A chain of two 8742."""
    time = SteppedTime()
    mirrors = {(1, 1): Mirror(), (2, 4): Mirror()}
    twin = SimulatedNewport8742(time, mirrors, telnet=None)

    def look() -> Outputs:
        return {f"controller_{c}.axis_{a}.target_position": m.steps for (c, a), m in mirrors.items()}

    return _on(time, twin, Newport8742, look, chain=(1, 2))


def laser() -> MovingTwin:
    """TSL-570 with its light on."""
    time, beam = SteppedTime(), Laser()
    twin = SimulatedTSL570(time, beam)
    twin.on_bytes(b"POW:STAT 1\rPOW:UNIT 1\r")

    def look() -> Outputs:
        found = {"power_setpoint": beam.power_w, "output_enabled": float(beam.on)}
        return {**found, "wavelength_setpoint": beam.tuned[-1][0]}

    return _on(time, twin, SantecTSL570, look)


def tone() -> MovingTwin:
    """33500 with both outputs wired."""
    time, coils = SteppedTime(), {1: Coil(), 2: Coil()}
    twin = Simulated33500(time, coils)

    def look() -> Outputs:
        found: dict[str, float] = {}
        for number, coil in coils.items():
            told = coil.driven
            found |= {
                f"ch_{number}.amplitude": told.amplitude_v,  # peak, open circuit: as many V as Vpp across 50 ohm
                f"ch_{number}.offset": told.offset_v / 2.0,
                f"ch_{number}.frequency": told.frequency_hz,
                f"ch_{number}.phase": told.phase_deg,
                f"ch_{number}.output": float(told.on),
            }
        return found

    return _on(time, twin, Keysight33500, look)


MOVING = (
    Moving(
        "MDT693B",
        piezo,
        "\r",
        {
            f"{n}.voltage": (
                f"{n}.minimum_voltage",
                f"{n}.maximum_voltage",
                "master_scan_enabled",
                "master_scan_voltage",
            )
            for n in "xyz"
        },
    ),
    Moving("SIM900", servo, "\n", {}),
    Moving(
        "Red Pitaya",
        board,
        "\r\n",
        {f"pin_{pin}.level": (f"pin_{pin}.direction",) for pin in BOARD_PINS},
        never=("load",),
    ),
    Moving("TEC", oven, "\r", {}, trips=("ch_1.output_enabled",)),
    Moving("TED4015", other_oven, "\n", {"target_temperature_c": ("lower_target_limit_c", "upper_target_limit_c")}),
    Moving("ELL14", plates, "", {}),
    Moving("8742", motors, "\r", {}, never=("home",)),
    Moving("TSL-570", laser, "\r", {}),
    Moving("33500", tone, "\n", {}, never=("output_load",)),
)

frame = mecom


_COARSENESS = {"power_setpoint": 1e-9, "wavelength_setpoint": 1e-13}
"""Of outputs whose values are small numbers, in their units; others are rounded to some thousandths."""


def tolerance(output: str, value: float) -> float:
    """Return by how much an output may differ from `value`, rounded as instruments do."""
    return 3e-3 * abs(value) + _COARSENESS.get(output, 6e-3)


def wanted(move: Move, before: float) -> float:
    """Return where `move` says that an output goes that is at `before`."""
    return before + move.value if move.kind is MoveKind.STEP else move.value
