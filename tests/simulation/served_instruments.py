"""A table with one instrument of every driver, to be served, and a few words of the language of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from every_twin import mecom

from labctl.configuration.instrument_kinds import DriverName
from labctl.configuration.station_file import StationFile

_SOCKET, _SERIAL = "TCPIP::192.168.10.{}::5025::SOCKET", "ASRL/dev/ttyUSB{}::INSTR"
_ACK = r"\x06\r\n"


def _table() -> dict[str, Any]:
    """Return the station file without its instruments."""
    piezo_limits = {"minimum": "0 V", "maximum": "150 V", "slew": "50 V/s", "servo_gain": 15.0}
    loop = {
        "kind": "homodyne", "sensor": 1, "quadrature": "+pi/2", "servo": {"instrument": "servos", "slot": 3},
        "piezo": {"instrument": "piezos", "channel": "z"}, "bias": "75 V", "output_limit": "4.5 V",
        "unity_gain": "3 kHz",
    }  # fmt: skip
    oven = {
        "instrument": "oven", "channel": 1, "target": "35 degC", "minimum": "15 degC", "maximum": "45 degC",
        "ramp": "0.02 K/s", "tolerance": "5 mK", "at_shutdown": "hold",
    }  # fmt: skip
    return {
        "station": {"name": "one of each", "sensors": 1},
        "backend": {"kind": "simulated", "scenario": "ideal"},
        "oven": oven,
        "loops": {"lo1": loop},
        "piezos": {"arm": {"instrument": "piezo", "channel": "x", "bias": "75 V"}},
        "piezo_limits": piezo_limits,
        "mirrors": {"sensor1": {"instrument": "picomotors", "controller": 2, "pitch": 1, "yaw": 2}},
        "mirror_limits": {"steps_per_move": 2000},
        "gauges": {
            "chamber": {"instrument": "gauges", "channel": 1},
            "pump": {"instrument": "other_gauges", "channel": 1},
        },
        "rotators": {"plate": {"instrument": "plates", "address": 0}},
        "light": {
            "wavelength": "1550 nm", "probe_power": "5 uW", "local_oscillator_power": "5 mW",
            "seed_gain_expected": 4.0,
        },
        "detectors": {
            "quantum_efficiency": {"value": 0.99, "sigma": 0.005}, "dc_volts_per_ampere": 1000.0,
            "responsivity": "1.24 A/W",
        },
        "sensors": [
            {
                "resonance": "4.276 MHz", "search_span": "8 kHz",
                "propagation_efficiency": {"value": 0.92, "sigma": 0.005},
            }
        ],
    }  # fmt: skip


Exchange = tuple[bytes, str]
"""What a host sends, with its end, and a pattern of what must come back; "" where nothing does."""


@dataclass(frozen=True)
class Served:
    """One instrument: how it is spoken to by hand, and what its driver is asked for.

    `says` are exchanges: identity, a measured value, a setting and its read-back; every reply ends in `end`. `measured`
    is a property of its driver with the lowest and highest value that it may have here, `setting` one with the value
    that it is set to ("" where it has none), which is read back from `read_back`.
    """

    driver: DriverName
    model: str
    end: bytes
    says: Sequence[Exchange]
    measured: tuple[str, float, float]
    setting: tuple[str, Any]
    baud: int | None = None
    read_back: str = ""
    entry: Mapping[str, Any] | None = None


def _lines(end: bytes, *pairs: tuple[str, str]) -> tuple[Exchange, ...]:
    return tuple((sent.encode("ascii") + end, pattern) for sent, pattern in pairs)


_NUMBER = r"[-+]?\d+(\.\d*)?(E[-+]\d+)?"
LF, CR, CR_LF = b"\n", b"\r", b"\r\n"

SERVED: Mapping[str, Served] = {
    "analyzer": Served(
        "keysight-x-series", "N9020A",
        LF,
        _lines(
            LF, ("*IDN?", "N9020A"), ("*CLS;:INIT:CONT 0;:ABOR;:FREQ:CENT 4.3E6;SPAN 10E3;:SWE:POIN 101", ""),
            (":READ:SAN1?", _NUMBER + "," + _NUMBER), (":BAND 300", ""), (":BAND?", "3.0"), ("SYST:ERR?", "No error"),
        ),
        ("sweep_time_s", 1e-6, 10.0), ("resolution_bandwidth_hz", 1000.0),
    ),
    "other_analyzer": Served(
        "rohde-schwarz-fsv", "FSW-13",
        LF,
        _lines(
            LF, ("*IDN?", "FSW-13"), ("*CLS;INIT:CONT 0;:FREQ:CENT 4.3MHZ;SPAN 10KHZ;:SWE:POIN 101;:FORM ASC", ""),
            ("INIT;*OPC?", "1"), ("TRAC? TRACE1", _NUMBER + "," + _NUMBER), ("BAND 300", ""), ("BAND?", r"3\.0|300"),
            ("SYST:ERR?", "No error"),
        ),
        ("sweep_time_s", 1e-6, 10.0), ("resolution_bandwidth_hz", 1000.0),
    ),
    "picomotors": Served(
        "newport-8742", "8742",
        CR_LF,
        _lines(
            CR, ("*IDN?", "New_Focus 8742"), ("2>*IDN?", "2>New_Focus 8742"), ("2>1TP?", r"2>-?\d+"), ("1VA300", ""),
            ("1VA?", "300"), ("2>1VA400", ""), ("2>1VA?", "2>400"), ("TB?", "0"),
        ),
        ("controller_2.axis_1.position", 0, 0), ("controller_2.axis_1.velocity", 500),
        entry={"chain": [1, 2]},
    ),
    "servos": Served(
        "srs-sim900", "SIM900",
        LF,
        _lines(
            LF, ("*IDN?", "SIM900"), ('SNDT 3,"OMON?"', ""), ("CTCR?", r"\d+"), ("CTCR?", r"\d+"), ("CTCR?", r"\d+"),
            ("RAWN? 3,20", _NUMBER), ('SNDT 3,"MOUT +0.125"', ""), ('SNDT 3,"MOUT?"', ""), ("CTCR?", r"\d+"),
            ("CTCR?", r"\d+"), ("RAWN? 3,20", r"\+0.125"),
        ),
        ("module_3.output", -5.0, 5.0), ("module_3.setpoint", 0.25), baud=9600, entry={"slots": {"3": "SIM960"}},
    ),
    "piezos": Served(
        "thorlabs-mdt693b", "MDT693B",
        b">",
        _lines(CR, ("echo=0", ">"), ("id?", "MDT693B"), ("zvoltage?", r"\[ *\d+\.\d+\]"),
               ("xmax=120", ">"), ("xmax?", r"120\.00"), ("xmax=150", ">")),
        ("ch_z.measured_voltage", -3.0, 3.0), ("ch_z.voltage", 2.0), read_back="ch_z.commanded_voltage", baud=115_200,
    ),
    "piezo": Served(
        "thorlabs-mdt694b", "MDT694B",
        b">",
        _lines(CR, ("echo=0", ">"), ("id?", "MDT694B"), ("xvoltage?", r"\[ *\d+\.\d+\]"),
               ("xmax=120", ">"), ("xmax?", r"120\.00"), ("xmax=150", ">")),
        ("ch_x.measured_voltage", -3.0, 3.0), ("ch_x.voltage", 2.0), read_back="ch_x.commanded_voltage", baud=115_200,
    ),
    "oven": Served(
        "meerstetter-tec", "1091",
        CR,
        (
            (mecom("?IF"), "!000007.*8065-TEC.*\r"), (mecom("?VR03E801", sequence=8), "!00000841C[0-9A-F]{9}\r"),
            (mecom("VS0BBB013CA3D70A", sequence=9), "!000009[0-9A-F]{4}\r"),
            (mecom("?VR0BBB01", sequence=10), "!00000A3CA3D70A[0-9A-F]{4}\r"),
        ),
        ("ch_1.object_temperature_c", 20.0, 30.0), ("ch_1.coarse_ramp_k_per_s", 0.01), baud=57_600,
    ),
    "other_oven": Served(
        "thorlabs-ted4015", "TED4015",
        LF,
        _lines(LF, ("*IDN?", "TED4015"), ("MEAS:TEMP?", r"2\.\d+E\+01"), ("SOUR:CURR:LIM 2.5", ""),
               ("SOUR:CURR:LIM?", r"2\.5"), ("SYST:ERR?", "No error")),
        ("object_temperature_c", 20.0, 30.0), ("current_limit_a", 3.0),
    ),
    "digitizer": Served(
        "redpitaya-4-input", "REDPITAYA",
        CR_LF,
        _lines(CR_LF, ("*IDN?", "REDPITAYA"), ("ANALOG:PIN? AIN0", _NUMBER), ("ACQ:DEC 64", ""), ("ACQ:DEC?", "64"),
               ("SYST:ERR?", "No error")),
        ("slow_AIN0.voltage", -0.1, 3.5), ("decimation", 8),
    ),
    "scan": Served(
        "redpitaya-125-14", "REDPITAYA",
        CR_LF,
        _lines(CR_LF, ("*IDN?", "REDPITAYA"), ("ANALOG:PIN? AIN0", _NUMBER), ("SOUR1:VOLT 0.25", ""),
               ("SOUR1:VOLT?", r"0\.25"), ("SYST:ERR?", "No error")),
        ("slow_AIN0.voltage", -0.1, 3.5), ("output_1.amplitude", 0.125),
    ),
    "plates": Served(
        "thorlabs-ell14", "ELL14",
        CR_LF,
        ((b"0in", "0IN0E.*\r\n"), (b"0gp", "0PO[0-9A-F]{8}\r\n"), (b"0sv3C", "0GS00\r\n"), (b"0gv", "0GV3C\r\n"),
         (b"3gp", "3PO[0-9A-F]{8}\r\n")),
        ("rotator_3.position", -200_000, 200_000), ("rotator_0.velocity_percent", 80), baud=9600,
        entry={"addresses": [0, 3]},
    ),
    "gauges": Served(
        "pfeiffer-tpg", "TPG362",
        CR_LF,
        ((b"AYT\r", _ACK), (b"\x05", "TPG362.*\r\n"), (b"PR1\r", _ACK), (b"\x05", r"0,[ +]?\d\.\d+E-\d+\r\n"),
         (b"UNI,2\r", _ACK), (b"\x05", "2\r\n"), (b"UNI\r", _ACK), (b"\x05", "2\r\n")),
        ("gauge_1.pressure_pa", 1e-6, 1e-3), ("", None), baud=9600,
    ),
    "other_gauges": Served(
        "mks-937b", "937B",
        b";FF",
        ((b"@253MT?;FF", "@253ACK.*;FF"), (b"@253PR1?;FF", r"@253ACK\d\.\d+E-\d+;FF"),
         (b"@253U!PASCAL;FF", "@253ACKPASCAL;FF"), (b"@253U?;FF", "@253ACKPASCAL;FF")),
        ("ch_1.pressure", 1e-9, 1e-2), ("unit", "mBAR"), baud=9600,
    ),
    "laser": Served(
        "santec-tsl570", "TSL-570",
        CR,
        _lines(CR, ("*IDN?", "SANTEC,TSL-570"), (":SYST:COMM:CODE 1", ""), (":POW:ACT?", _NUMBER),
               (":WAV 1.551e-06", ""), (":WAV?", r"1\.551"), ("SYST:ERR?", "No error")),
        ("power", 0.0, 1e-3), ("wavelength_setpoint", 1.552e-6),
    ),
    "generator": Served(
        "keysight-33500", "33522B",
        LF,
        _lines(LF, ("*IDN?", "33522B"), ("SYST:VERS?", _NUMBER), ("SOUR1:FREQ 4.3 MHZ", ""),
               ("SOUR1:FREQ?", r"4\.3"), ("SYST:ERR?", "No error")),
        ("ch_2.frequency", 1.0, 1e6), ("ch_1.frequency", 2e6),
    ),
    "meter": Served(
        "thorlabs-pm100", "PM100D",
        LF,
        _lines(LF, ("*IDN?", "PM100D"), ("MEAS:POW?", _NUMBER), ("SENS:CORR:WAV 1550", ""),
               ("SENS:CORR:WAV?", r"1\.55"), ("SYST:ERR?", "No error")),
        ("power", -1e-6, 1e-3), ("wavelength", 1.5e-6),
    ),
}  # fmt: skip


def station_of_all() -> StationFile:
    """Return a simulated station with one instrument of every driver."""
    instruments = {
        name: {
            "driver": served.driver,
            "model": served.model,
            "address": (_SOCKET if served.baud is None else _SERIAL).format(place),
            **(served.entry or {}),
        }
        for place, (name, served) in enumerate(SERVED.items(), start=1)
    }
    return StationFile.model_validate({**_table(), "instruments": instruments})
