"""Every simulated instrument on small ports, with real command lines of its language and how it says who it is."""

from __future__ import annotations

import binascii
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from light_bench import Beam, Chamber, Coil, Laser
from numpy.typing import NDArray
from servo_bench import BenchServo
from stepped_time import SteppedTime
from x_series_bench import Flat

from labctl.simulation.instruments.agilent_33500 import Simulated33500
from labctl.simulation.instruments.keysight_x_series import SimulatedXSeries
from labctl.simulation.instruments.meerstetter_tec import SimulatedTEC
from labctl.simulation.instruments.mks_937b import SimulatedMKS937B
from labctl.simulation.instruments.newport_8742 import SimulatedNewport8742
from labctl.simulation.instruments.pfeiffer_tpg import SimulatedTPG
from labctl.simulation.instruments.redpitaya_stemlab import SimulatedRedPitaya
from labctl.simulation.instruments.rohde_schwarz_fsv import SimulatedFSV
from labctl.simulation.instruments.santec_tsl import SimulatedTSL570
from labctl.simulation.instruments.srs_sim900 import SimulatedSIM900
from labctl.simulation.instruments.thorlabs_ell14 import SimulatedELL14Bus
from labctl.simulation.instruments.thorlabs_mdt693b import SimulatedMDT693B
from labctl.simulation.instruments.thorlabs_pm100 import SimulatedPM100
from labctl.simulation.instruments.thorlabs_ted4015 import SimulatedTED4015
from labctl.simulation.wire import WireInstrument

LONGEST_LISTENING = 400  # replies taken in one exchange


class Mirror:
    """A `MirrorPort` that counts."""

    def __init__(self) -> None:
        self.steps = 0

    def step(self, steps: int) -> None:
        self.steps += steps


class Piezo:
    """A `PiezoPort` that remembers its voltage."""

    volts = 0.0

    def drive(self, volts: float) -> None:
        self.volts = volts

    def external_volts(self) -> float:
        return 0.0


class Oven:
    """A `ThermalPort` that is where it is put."""

    temperature_c = 25.0
    nominal_c: float | None = None

    def regulate(self, nominal_c: float | None) -> None:
        self.nominal_c = nominal_c

    def object_temperature_c(self) -> float:
        return self.temperature_c

    def sink_temperature_c(self) -> float:
        return 22.5

    def output_current_a(self) -> float:
        return 0.5


class Mount:
    """A `RotatorPort`."""

    angle_deg = 0.0

    def set_angle(self, angle_deg: float) -> None:
        self.angle_deg = angle_deg

    def left_at_deg(self) -> float | None:
        return None


class Inputs:
    """Fast and slow inputs at zero."""

    def capture(
        self, inputs: Sequence[int], started_at: float, sample_rate_hz: float, samples: int, average: int
    ) -> NDArray[np.float64]:
        return np.zeros((len(inputs), samples))

    def volts(self, name: str) -> float:
        return 0.0


class Pins:
    """Digital pins."""

    def __init__(self) -> None:
        self.levels: dict[str, int] = {}

    def set_level(self, pin: str, level: int) -> None:
        self.levels[pin] = level

    def level(self, pin: str) -> int:
        return self.levels.get(pin, 0)


def mecom(payload: str, address: int = 0, sequence: int = 7) -> bytes:
    """Return a frame with its checksum."""
    body = f"#{address:02X}{sequence:04X}{payload}".encode("ascii")
    return body + f"{binascii.crc_hqx(body, 0):04X}\r".encode("ascii")


def _nothing(twin: Any) -> bytes:
    return b""


def _leave_stream_mode(twin: Any) -> bytes:
    """Return what the host that opened the stream knows: its escape string."""
    return bytes(twin._escape) if twin._connected is not None else b""


@dataclass(frozen=True)
class Kind:
    """One twin: how to build it, lines of its language, and the questions of which one is answered by its name."""

    name: str
    build: Callable[[SteppedTime], Any]
    lines: Sequence[bytes]
    questions: Sequence[bytes]
    identity: bytes
    end: bytes = b"\n"
    scpi: bool = False
    rest_s: float = 0.5  # after a restart it is deaf for a while
    way_out: Callable[[Any], bytes] = field(default=_nothing)


def _rng() -> np.random.Generator:
    return np.random.default_rng(1)


_ANALYZER = (
    b"FREQ:CENT 4.3 MHZ;SPAN 100e3", b"BAND 10;:BAND:VID 1", b"SWE:POIN 1001", b"SWE:TIME?", b"INIT:CONT OFF",
    b"INIT;*WAI;:TRAC? TRACE1", b"INIT;*OPC?", b"ABOR", b"AVER:COUN 10", b"UNIT:POW DBM", b"FORM REAL,32", b"*RST",
    b"DISP:WIND:TRAC:Y:RLEV -20", b"STAT:OPER:COND?", b"INP:ATT 10", b"POW:ATT 10", b"INST:SEL SA", b"SYST:PRES",
    b"TRAC:TYPE AVER", b"DISP:TRAC:MODE AVER", b"DET:TRAC AVER", b"FETC:SAN1?", b"READ:SAN?", b"FREQ:STAR 4 MHZ",
    b"SWE:TYPE FFT", b"SWE:TYPE:AUTO ON", b"FREQ:SPAN:ZERO", b"INST:CRE SAN,'two'", b"INST:LIST?", b"SWE:COUN 5",
)  # fmt: skip
_COMMON = (b"*IDN?", b"*CLS", b"*ESR?", b"*ESE 60", b"*SRE 32", b"*STB?", b"*OPC", b"*OPC?", b"*WAI", b"SYST:ERR?")
_PITAYA = (
    b"ACQ:RST", b"ACQ:DEC 64", b"ACQ:DATA:FORMAT BIN", b"ACQ:DATA:UNITS RAW", b"ACQ:START", b"ACQ:TRIG NOW",
    b"ACQ:TRIG:STAT?", b"ACQ:TRIG:FILL?", b"ACQ:SOUR1:DATA?", b"ACQ:SOUR1:DATA:STA:N? 0,100", b"ACQ:WPOS?",
    b"SOUR1:FUNC SINE", b"SOUR1:FREQ:FIX 1000", b"SOUR1:VOLT 0.5", b"OUTPUT1:STATE ON", b"DIG:PIN:DIR OUT,DIO0_P",
    b"DIG:PIN DIO0_P,1", b"ANALOG:PIN? AIN0", b"ACQ:BUF:SIZE?", b"SOUR1:TRIG:INT", b"GEN:RST", b"ACQ:AVG ON",
)  # fmt: skip

KINDS = (
    Kind(
        "X-series", lambda t: SimulatedXSeries(t, Flat(), _rng()), (*_COMMON, *_ANALYZER), (b"*IDN?\n",),
        b"Agilent Technologies,N9020A,MY50000001,A.14.03\n", scpi=True,
    ),
    Kind(
        "FSV", lambda t: SimulatedFSV(t, Flat(), _rng()), (*_COMMON, *_ANALYZER), (b"*IDN?\n",),
        b"Rohde&Schwarz,FSW-13,1312.8000K13/100005,2.60\n", scpi=True,
    ),
    Kind(
        "33500", lambda t: Simulated33500(t, {1: Coil()}),
        (*_COMMON, b"FREQ 4.3 MHZ;FREQ?", b"SOUR2:VOLT 0.1", b"VOLT:OFFS MAX", b"OUTP1 ON", b"OUTP:LOAD INF",
         b"APPL:SIN 1e6,0.1,0", b"FUNC SQU", b"VOLT:UNIT DBM", b"PHAS 90"),
        (b"*IDN?\n",), b"Agilent Technologies,33522B,MY50000001,2.05-1.19-2.00-52-00\n", scpi=True,
    ),
    Kind(
        "PM100", lambda t: SimulatedPM100(t, Beam()),
        (*_COMMON, b"SENS:CORR:WAV 1550", b"SENS:CORR:WAV? MIN", b"SENS:AVER:COUN 100", b"MEAS:POW?",
         b"SENS:POW:UNIT DBM", b"SENS:CORR:LOSS:INP:MAGN 3", b"SYST:SENS:IDN?"),
        (b"*IDN?\n",), b"Thorlabs,PM100D,P0021010,2.4.0\n", scpi=True,
    ),
    Kind(
        "TED4015", lambda t: SimulatedTED4015(t, Oven(), _rng()),
        (*_COMMON, b"SOUR:TEMP 30 C", b"SOUR:TEMP:LIM:LOW 10", b"OUTP ON", b"UNIT:TEMP K", b"MEAS:TEMP?", b"FETC:CURR?",
         b"SOUR:CURR:LIM 5", b"SOUR:TEMP:LCON:GAIN 2", b"SOUR:FUNC CURR", b"SOUR:TEMP:LCON:AUTO:STAT?", b"*TST?"),
        (b"*IDN?\n",), b"THORLABS,TED4015,M00310001,1.4.0/2.0.3/1.6.0\n", scpi=True,
    ),
    Kind(
        "Red Pitaya", lambda t: SimulatedRedPitaya(t, Inputs(), Inputs(), Pins(), {}, _rng(), variant="4-input"),
        (*_COMMON, *_PITAYA), (b"*IDN?\r\n",), b"REDPITAYA", end=b"\r\n", scpi=True,
    ),
    Kind(
        "TSL-570", lambda t: SimulatedTSL570(t, Laser()),
        (*_COMMON, b":WAV 1.55e-06", b":WAV?", b":POW 5", b":POW:STAT 1", b":POW:UNIT 1", b":WAV:SWE 1", b":POW:ACT?",
         b":SYST:COMM:CODE 0", b"*RST"),
        (b"*IDN?\r",), b"SANTEC,TSL-570,21020001,0001.000.0001\r", end=b"\r", scpi=True,
    ),
    Kind(
        "TEC", lambda t: SimulatedTEC(t, {1: Oven()}, _rng()),
        (mecom("?VR03E801"), mecom("?IF"), mecom("VS0BB80141C80000"), mecom("?VM03E801"), mecom("?VL0BB801"),
         mecom("VS07DA0100000001"), mecom("RS"), mecom("ES"), mecom("VS08030100000015"), mecom("?VR006901", 255)),
        (mecom("?IF"),), b"8065-TEC SW G01", end=b"\r", rest_s=3.0,
    ),
    Kind(
        "8742", lambda t: SimulatedNewport8742(t, {(1, 1): Mirror(), (2, 4): Mirror()}, telnet=None),
        (b"1PR100", b"1PA-5000", b"1MD?", b"2>4PR20;4MD?", b"1MV+", b"ST", b"AB", b"1VA300;1VA?", b"TB?", b"TE?",
         b"SC1", b"SC2", b"SC?", b"MC", b"RS", b"XX", b"SA 7", b"1DH5", b"1QM2", b"ZZ3", b"*RCL1", b"SM",
         b"2>*RST", b"SD?"),
        (b"*IDN?\r",), b"New_Focus 8742 v1.9 10/23/12 SN10001\r\n", end=b"\r", rest_s=8.0,
    ),
    Kind(
        "SIM900", lambda t: SimulatedSIM900(t, {3: BenchServo()}),
        (b'SNDT 3,"OMON?"', b"NINP? 3", b"RAWN? 3,99", b'CONN 3,"xyz"', b"xyz", b"CTCR?", b"TERM D,LF", b"GETN? 3,20",
         b"FLSH 3", b"SRST 3", b"*DCL", b"*RST", b"*ESR?", b'SEND 3,"OFST"', b'SNDT 3,"RAMP 1;CONS 1"', b"*IDN?",
         b'SNDT 3,"SMON 0;SMON?"', b"BAUD 3,9600", b'SNDT 3,"OMON? 0"', b'SNDT 3,"GAIN 1E9999;GAIN?"'),
        (b"*IDN?\n",), b"Stanford_Research_Systems,SIM900,s/n152741,ver3.6", way_out=_leave_stream_mode,
    ),
    Kind(
        "MDT693B", lambda t: SimulatedMDT693B(t, {n: Piezo() for n in "xyz"}, _rng()),
        (b"xvoltage=12.3", b"xvoltage?", b"XR?", b"YV30", b"av20", b"echo=1", b"cm=1", b"friendly=one", b"id?",
         b"vlimit?", b"xyzvoltage=1,2,3", b"msenable=1", b"restore", b"sysmax=100", b"dacstep=20", b"?"),
        (b"id?\r",), b"Model MDT693B Piezo Control Module\r", end=b"\r",
    ),
    Kind(
        "ELL14", lambda t: SimulatedELL14Bus(t, {0: Mount(), 10: Mount()}, _rng()),
        (b"0in", b"0gp", b"0ma00004000", b"0mr00000100", b"0ho0", b"0gs", b"Ags", b"Aho1", b"0ca5", b"0gj",
         b"0sj00000100", b"0fw", b"0bw", b"0st", b"0us", b"0i1", b"0s1", b"0gv", b"0sv64"),
        tuple(f"{a:X}in".encode() for a in range(16)), b"IN0E", end=b"\r", rest_s=20.0,
    ),
    Kind(
        "TPG", lambda t: SimulatedTPG(t, {1: Chamber()}, _rng()),
        (b"AYT", b"\x05", b"PR1", b"PRX", b"UNI,0", b"COM,1", b"ERR", b"TID", b"SEN,1,2", b"FIL,1,1", b"RES,1", b"\x03",
         b"SAV,1", b"BAU,2"),
        (b"\x03\r\nAYT\r\n\x05",), b"TPG362,", end=b"\r\n",
    ),
    Kind(
        "937B", lambda t: SimulatedMKS937B(t, {1: Chamber(), 2: Chamber(10.0)}),
        (b"@253PR1?;FF", b"@253U!PASCAL;FF", b"@253MT?;FF", b"@253CP1!OFF;FF", b"@253T1?;FF", b"@254AD!001;FF",
         b"@253PR7?;FF", b"@253BR!19200;FF", b"@253U?;FF", b"@253PRZ?;FF"),
        (b"@254SN?;FF",), b"ACK1124508117;FF", end=b";FF",
    ),
)  # fmt: skip


class Listener:
    """A host that sends bytes to one twin and listens in lab time."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.time = SteppedTime()
        self.twin: WireInstrument = kind.build(self.time)

    def listen(self) -> bytes:
        """Return what the twin says until it is silent, or has said a lot."""
        heard = bytearray()
        for _ in range(LONGEST_LISTENING):
            ready = self.twin.ready_at()
            if ready is None:
                break
            assert ready < math.inf, "a reply that never comes"
            self.time.elapse(max(0.0, ready - self.time.now()) + 1e-6 * max(1.0, self.time.now() * 1e-6))
            heard += self.twin.take()
        return bytes(heard)

    def say(self, data: bytes) -> bytes:
        self.twin.on_bytes(data)
        return self.listen()

    def identify(self, exchanges: int = 3) -> bytes:
        """Return what the twin answers to the question who it is, asked up to `exchanges` times."""
        heard = b""
        self.time.elapse(self.kind.rest_s)
        for _ in range(exchanges):
            self.say(self.kind.end)
            self.say(self.kind.way_out(self.twin))
            for question in self.kind.questions:
                heard = self.say(question)
                if self.kind.identity in heard:
                    return heard
            self.time.elapse(self.kind.rest_s)
        return heard
