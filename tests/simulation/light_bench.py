"""Tunable laser, generator, power meter and gauges on a bench: small ports, the twins on them, and the real drivers."""

from __future__ import annotations

from typing import Any

from stepped_time import SteppedTime

from drivers.keysight.trueform_33500 import Keysight33500
from drivers.mks.controller_937b import MKS937B
from drivers.santec.tsl570 import SantecTSL570
from drivers.thorlabs.pm100 import ThorlabsPM100
from labctl.simulation.instruments.agilent_33500 import Simulated33500
from labctl.simulation.instruments.mks_937b import SimulatedMKS937B
from labctl.simulation.instruments.santec_tsl import SimulatedTSL570
from labctl.simulation.instruments.thorlabs_pm100 import SimulatedPM100
from labctl.simulation.ports import GaugeStatus, Waveform
from labctl.simulation.visa_library import simulated_library
from labctl.simulation.wire import WireInstrument

NETWORK, SERIAL = "TCPIP::127.0.0.1::5025::SOCKET", "ASRL7::INSTR"


class Laser:
    """A `LaserPort` that remembers what it was told."""

    def __init__(self) -> None:
        self.tuned: list[tuple[float, float]] = []
        self.power_w = 0.0
        self.on = False

    def tune(self, wavelength_m: float, seconds: float) -> None:
        self.tuned.append((wavelength_m, seconds))

    def set_power(self, power_w: float) -> None:
        self.power_w = power_w

    def switch(self, on: bool) -> None:
        self.on = on


class Coil:
    """A `GeneratorPort` that remembers every waveform."""

    def __init__(self) -> None:
        self.waveforms: list[Waveform] = []

    def generate(self, waveform: Waveform, started_at: float) -> None:
        self.waveforms.append(waveform)

    @property
    def driven(self) -> Waveform:
        return self.waveforms[-1]


class Beam:
    """A `PowerPort`."""

    def __init__(self, watts: float = 5e-3, wavelength_m: float = 1550e-9) -> None:
        self.watts = watts
        self.metres = wavelength_m

    def power_w(self) -> float:
        return self.watts

    def wavelength_m(self) -> float:
        return self.metres


class Chamber:
    """A `PressurePort`."""

    def __init__(self, pressure_pa: float = 1e-4) -> None:
        self.pascal = pressure_pa
        self.state = GaugeStatus.OK

    def pressure_pa(self) -> float:
        return self.pascal

    def status(self) -> GaugeStatus:
        return self.state


class Bench:
    """One twin behind one address, and lab time that moves when somebody waits."""

    def __init__(self, time: SteppedTime, twin: WireInstrument, address: str = NETWORK) -> None:
        self.time = time
        self.twin = twin
        self.address = address
        self.library = simulated_library(time, {address: twin})

    def say(self, data: bytes, wait: float = 0.1) -> bytes:
        """Send raw bytes and return what comes back within `wait` s."""
        self.twin.on_bytes(data)
        self.time.elapse(wait)
        return self.twin.take()

    def open(self, driver: Any, **options: Any) -> Any:
        """Return the driver on the twin, initialised."""
        opened = driver(self.address, visa_library=self.library, timeout=1000, **options)
        opened.initialise()
        return opened


class LaserBench(Bench):
    """A TSL-570."""

    def __init__(self, **options: Any) -> None:
        self.laser = Laser()
        time = SteppedTime()
        super().__init__(time, SimulatedTSL570(time, self.laser, **options))

    def driver(self, name: str = "seed") -> SantecTSL570:
        return self.open(SantecTSL570, name=name)


class ToneBench(Bench):
    """A 33522B whose first output drives a coil."""

    def __init__(self, **options: Any) -> None:
        self.coil = Coil()
        time = SteppedTime()
        self.generator = Simulated33500(time, {1: self.coil}, **options)
        super().__init__(time, self.generator)

    def driver(self, name: str = "tone") -> Keysight33500:
        return self.open(Keysight33500, name=name)


class MeterBench(Bench):
    """A PM100D."""

    def __init__(self, *head: Any, **options: Any) -> None:
        self.beam = Beam()
        time = SteppedTime()
        super().__init__(time, SimulatedPM100(time, self.beam, *head, **options))

    def driver(self, name: str = "meter") -> ThorlabsPM100:
        return self.open(ThorlabsPM100, name=name)


class GaugeBench(Bench):
    """A 937B with an ion gauge on channel 1 and a Pirani gauge on channel 2."""

    def __init__(self, **options: Any) -> None:
        self.ion, self.pirani = Chamber(1e-4), Chamber(10.0)
        time = SteppedTime()
        super().__init__(time, SimulatedMKS937B(time, {1: self.ion, 2: self.pirani}, **options), SERIAL)

    def driver(self, name: str = "gauges", **options: Any) -> MKS937B:
        return self.open(MKS937B, name=name, **options)
