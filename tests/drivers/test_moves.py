"""What the readers of the wire say of single texts: every way to the same output, and what goes round the usual one."""

from __future__ import annotations

from collections.abc import Sequence
from unittest.mock import MagicMock

import pytest

from drivers.base import Driver
from drivers.keysight.trueform_33500 import Keysight33500
from drivers.meerstetter.mecom import Request
from drivers.meerstetter.tec import MeerstetterTEC
from drivers.moves import Move, MoveKind, unknown_move
from drivers.newport.picomotor_8742 import Newport8742
from drivers.redpitaya.stemlab import RedPitaya4Input, RedPitaya125_14
from drivers.santec.tsl570 import SantecTSL570
from drivers.srs.sim900 import SIM900
from drivers.thorlabs.ell14 import ThorlabsELL14
from drivers.thorlabs.mdt693b import ThorlabsMDT693B, ThorlabsMDT694B
from drivers.thorlabs.pm100 import ThorlabsPM100
from drivers.thorlabs.ted4015 import ThorlabsTED4015

PIEZO, ONE_PIEZO = ThorlabsMDT693B(MagicMock()), ThorlabsMDT694B(MagicMock())
SERVO, MOTORS = SIM900(MagicMock(), escapes=("xyx",)), Newport8742(MagicMock(), chain=(3, 1))
BOARD, OVEN, OTHER_OVEN = RedPitaya125_14(MagicMock()), MeerstetterTEC(MagicMock()), ThorlabsTED4015(MagicMock())
PLATES, LASER, TONE = ThorlabsELL14(MagicMock()), SantecTSL570(MagicMock()), Keysight33500(MagicMock())
STEP = MoveKind.STEP

NAMED: list[tuple[Driver, str, Sequence[Move]]] = [
    (PIEZO, "xvoltage=12.5", [Move("x.voltage", 12.5)]),
    (PIEZO, " X Voltage = 12.5 ", [Move("x.voltage", 12.5)]),
    (PIEZO, "YV12", [Move("y.voltage", 12.0)]),
    (PIEZO, "zl5", [Move("z.minimum_voltage", 5.0)]),
    (PIEZO, "zmax=.5", [Move("z.maximum_voltage", 0.5)]),
    (PIEZO, "xyzvoltage=1, 2,3", [Move("x.voltage", 1.0), Move("y.voltage", 2.0), Move("z.voltage", 3.0)]),
    (PIEZO, "AV7", [Move(f"{name}.voltage", 7.0) for name in "xyz"]),
    (ONE_PIEZO, "allvoltage=7", [Move("x.voltage", 7.0)]),
    (PIEZO, "xvoltage=1\ryvoltage=2", [Move("x.voltage", 1.0), Move("y.voltage", 2.0)]),
    (PIEZO, "msvoltage=3", [Move("master_scan_voltage", 3.0)]),
    (PIEZO, "msenable=1", [Move("master_scan_enabled", 1.0)]),
    (SERVO, 'SNDT 3,"MOUT 0.5;AMAN 0"', [Move("module_3.manual_output", 0.5), Move("module_3.closed", 0.0)]),
    (SERVO, "sndt 5 , 'aman pid'", [Move("module_5.closed", 1.0)]),
    (SERVO, 'SNDT 3,"SETP 1;GAIN?;ICTL ON"', [Move("module_3.terms", 1.0)] * 2),
    (
        SERVO,
        'FLSH;SNDT 1,"ULIM +4.50;LLIM -1E0"',
        [Move("module_1.upper_limit", 4.5), Move("module_1.lower_limit", -1.0)],
    ),
    (
        SERVO,
        'SNDT 3,"MOUT 1"\nSNDT 4,"MOUT 2"',
        [Move("module_3.manual_output", 1.0), Move("module_4.manual_output", 2.0)],
    ),
    (MOTORS, "1PR-40", [Move("controller_3.axis_1.target_position", -40.0, STEP)]),
    (MOTORS, "2 > 4 pa 100", [Move("controller_2.axis_4.target_position", 100.0)]),
    (MOTORS, "1DH", [Move("controller_3.axis_1.home", 0.0)]),
    (BOARD, "SOUR1:VOLT 0.5;VOLT:OFFS -100 mV", [Move("output_1.amplitude", 0.5), Move("output_1.offset", -0.1)]),
    (BOARD, "OUTPUT:STATE ON", [Move("output_1.on", 1.0), Move("output_2.on", 1.0)]),
    (BOARD, "analog:pin aout2, 1.5V", [Move("slow_AOUT2.voltage", 1.5)]),
    (
        BOARD,
        "DIG:PIN DIO7_N,3\r\nDIG:PIN:DIR IN,DIO0_P",
        [Move("pin_DIO7_N.level", 1.0), Move("pin_DIO0_P.direction", 0.0)],
    ),
    (
        BOARD,
        "SOUR2:INITVALUE 0.1;:SOUR2:BURS:LASTV 0.2",
        [Move("output_2.initial_value", 0.1), Move("output_2.last_value", 0.2)],
    ),
    (OTHER_OVEN, "source1:temperature:spoint 300 K", [Move("target_temperature_c", pytest.approx(26.85))]),
    (OTHER_OVEN, "SOUR:TEMP 86F", [Move("target_temperature_c", pytest.approx(30.0))]),
    (OTHER_OVEN, "SOUR:TEMP 86 FAR", [Move("target_temperature_c", pytest.approx(30.0))]),
    (OTHER_OVEN, "SOUR:TEMP 30CEL", [Move("target_temperature_c", 30.0)]),
    (OTHER_OVEN, "SOUR:CURR:LIM 0.5 A", [Move("current_limit_a", 0.5)]),
    (OTHER_OVEN, "SOUR:CURR:LIM 500MA", [Move("current_limit_a", pytest.approx(0.5))]),
    (OTHER_OVEN, "OUTP1:STAT 0.4", [Move("output_enabled", 0.0)]),
    (LASER, "SOUR:POW 2.5", [Move("power_setpoint", 0.0025)]),
    (LASER, ":power:state on", [Move("output_enabled", 1.0)]),
    (TONE, "VOLT 100 mVpp;VOLT:OFFS 1", [Move("ch_1.amplitude", 0.1), Move("ch_1.offset", 1.0)]),
    (TONE, "OUTP2 ON;:SOUR2:FREQ 1.5 kHz", [Move("ch_2.output", 1.0), Move("ch_2.frequency", 1500.0)]),
    (PLATES, "0ho1", [Move("rotator_0.angle_deg", 0.0)]),
]


@pytest.mark.parametrize(("driver", "text", "moves"), NAMED)
def test_every_spelling_is_read(driver: Driver, text: str, moves: Sequence[Move]) -> None:
    assert list(driver.moves(text)) == list(moves)


def _frame(payload: str, address: int = 0) -> str:
    return Request(address, 7, payload).frame


UNKNOWN: list[tuple[Driver, str]] = [
    *((PIEZO, text) for text in (
        "restore", "sysmax=3", "\x1b[A", "xvoltage=1e2", "xvoltage=", "xvoltage=nan", "xyzvoltage=1,2", "xv", "1",
        "xvoltage=\u0661", "x" * 90, "msvoltage=1,2",
    )),
    *((SERVO, text) for text in (
        'CONN 3,"xyx"', 'SEND 3,"MOUT 1"', 'BRDT "MOUT 1"', "*RST", "RSET", 'SNDT 3,"*RST"', 'SNDT 3,"*TST?"',
        'SNDT 3,"APOL 0"', 'SNDT 3,"MOUT 1', 'SNDT 3,"MOUT 1 V"', 'SNDT 3,"MOUT 1E99999"', "MOUT 1",
        'SNDT 3,"' + " " * 30 + 'MOUT 1"', 'FLSH";SNDT 3,\'MOUT 1\'', "SNDT 9,'GAIN 1'", "CONN?",
    )),
    *((MOTORS, text) for text in (
        "1MV+", "RS", "*RST", "TJ", "RS?", "MC?", "1PA", "1PR1.5", "SA 2", "SC1", "2>", "2>1MD?;", "1PR5\xff\xfb\x01",
    )),
    *((BOARD, text) for text in (
        "GEN:RST", "*RST", "DIG:RST", "ANALOG:RST", "SOUR1:VOLT MAX", "SOUR1:VOLT0.5", "VOLT 1", "SOUR1:LOAD L20",
        "ANALOG:PIN AIN0,1", "DIG:PIN DIO9_P,1", "SOUR1:FUNC NOISE",
        "SOUR1:TRAC:DATA:DATA 0.5,2", "SOUR1:SWEep:STATE ON",
        "*TST?", "SOUR1:VOLT 0.5;", "SOUR1:VOLT 1,2", "SOUR1:BURS:STAT STREAM", 'SOUR1:VOLT "1"', "SOUR1:VOLT 1E999",
    )),
    *((OVEN, text) for text in (
        _frame("VS0BB80141C80000"), _frame("VS07DA0100000002"), _frame("VS07EE0140000000"), _frame("VSC35B0100000001"),
        _frame("VSC35B0100000000"), _frame("RS"), _frame("ES"), _frame("VM0BB801"), _frame("VSC35C017FC00000"),
        _frame("VSC35C0141C80000").lower(), "x" + _frame("?IF"), _frame("VSC35C0141C80000", 9), "#",
    )),
    *((OTHER_OVEN, text) for text in ("UNIT:TEMP K", "unit:temperature FAR", "UNIT:TEMP", "SOUR:TEMP 30C,45C")),
    *((OTHER_OVEN, text) for text in (
        "SOUR:TEMP 30", "SOUR:TEMP MAX", "SOUR:FUNC CURR", "SOUR:TEMP:ATUN:INIT", "*RST", "*TST?", "SOUR:CURR 1",
        "SOUR:TEMP 1E999C",
    )),
    *((LASER, text) for text in (
        "POW:UNIT 0", "SYST:COMM:CODE 0", "WAV:SWE 1", "POW MAX", "FREQ 1.9e14", "POW:ATT 3", "*RST", "WAV", "POW 1 mW",
    )),
    *((TONE, text) for text in (
        "VOLT:UNIT DBM", "VOLT 1 VRMS", "VOLT:HIGH 5", "APPL:SIN", "APPL:SIN 1e3,DEF,0", "APPL:SQU 1,1,0", "FUNC NOIS",
        "OUTP:LOAD MIN", "*RCL 1", "SOUR1:AM:STAT ON", "*TRG", "*CAL?", "VOLT 1;:", "DISP:TEXT 'a;b'",
    )),
    *((PLATES, text) for text in (
        "0fw", "0bw", "0s1", "0om", "0so00001000", "0ca5", "0ma00001000", "0ma0000100", "0ma0000100a", "0",
        "ma00001000",
        "0gs0fw", "0us",
    )),
]  # fmt: skip


@pytest.mark.parametrize(("driver", "text"), UNKNOWN)
def test_what_is_not_on_a_list_is_unknown(driver: Driver, text: str) -> None:
    assert MoveKind.UNKNOWN in [move.kind for move in driver.moves(text)]


QUIET: list[tuple[Driver, str]] = [
    *((PIEZO, text) for text in ("", "?", "%", "I", "xR?", "echo=0", "friendly=xvoltage", "dacstep=20", "id?")),
    *((SERVO, text) for text in (
        "xyx", "FLSH", "CTCR?", "NINP? 3", "RAWN? 3,20", 'SNDT 3,"OMON?"', "*CLS",
        "TERM D,LF",
    )),
    *((MOTORS, text) for text in ("", "ST", "2>1ST", "AB", "TB?", "1VA500;1AC100", "2>*IDN?", "1QM2")),
    *((BOARD, text) for text in (
        "ACQ:RST", "acq:start", "DIG:PIN LED3,1", "LED:HB OFF", "SOUR1:LOAD INF", "SOUR1:FUNC SINE",
        "RP:RET_ON_ERROR ON",
        "ANALOG:PIN? AIN0\r\nANALOG:PIN? AIN1", "SOUR1:VOLT?;OFFS?", "*CLS", "PHAS:ALIGN", "SOUR1:TRIG:INT",
    )),
    *((OVEN, text) for text in (
        _frame("?IF"), _frame("?VR03E801"), _frame("VS006C0100000001"), _frame("VS0FAA0140A00000"), "",
        _frame("?IF") + "\r" + _frame("?VM03E801"),
    )),
    *((OTHER_OVEN, text) for text in ("UNIT:TEMP C", "SOUR:FUNC TEMP", "*CLS", "SOUR:TEMP?", "*ESE 5;*IDN?;*ESE?")),
    *((LASER, text) for text in ("POW:UNIT 1", ":WAVelength:SWEep 0", ":SYSTem:COMMunicate:CODe 1", "*OPC?")),
    *((TONE, text) for text in ("VOLT:UNIT VPP", "OUTP1:LOAD 50", "FUNC SIN", "VOLT? MAX", "SYST:ERR?", " ")),
    *((PLATES, text) for text in ("0gs", "Ain", "0st", "0sv32", "0sj00000100", "0gs\r\n0gp", "")),
]  # fmt: skip


@pytest.mark.parametrize(("driver", "text"), QUIET)
def test_questions_and_settings_that_move_nothing_are_no_moves(driver: Driver, text: str) -> None:
    assert list(driver.moves(text)) == []


def test_a_unit_behind_one_that_may_be_refused_is_read_only_where_it_means_the_same() -> None:
    """An instrument that refuses a unit stays at the path before it, so that the next may mean another output."""
    assert TONE.moves("SOUR2:VOLT 9;VOLT 1")[-1].kind is MoveKind.UNKNOWN
    assert [move.kind for move in TONE.moves("SOUR1:VOLT 9;VOLT 1")] == [MoveKind.LEVEL] * 2


def test_frames_of_other_devices_on_the_line_are_unknown() -> None:
    oven = MeerstetterTEC(MagicMock(), device_address=21)
    assert [move.kind for move in oven.moves(_frame("VS07DA0100000000", 21))] == [MoveKind.LEVEL]
    assert [move.kind for move in oven.moves(_frame("VS07DA0100000000", 22))] == [MoveKind.UNKNOWN]


def test_an_instrument_that_moves_nothing_reads_nothing() -> None:
    assert ThorlabsPM100(MagicMock()).moves("*RST") == ()
    assert list(RedPitaya4Input(MagicMock()).moves("ANALOG:PIN AOUT0,1")) == [Move("slow_AOUT0.voltage", 1.0)]
    assert unknown_move("x")[0].kind is MoveKind.UNKNOWN
