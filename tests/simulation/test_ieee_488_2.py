"""Common commands, status reporting and syntax of IEEE 488.2 and SCPI, at every simulated instrument that has them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from every_twin import KINDS, Kind, Listener

OPC, QYE, DDE, EXE, CME, PON = 1, 4, 8, 16, 32, 128
ERRORS, MESSAGE, EVENTS, SERVICE, SWEEPS = 4, 16, 32, 64, 128
NO_DEFAULT = ""


@dataclass(frozen=True)
class Setting:
    """A number of one instrument in its short and its long form, with what its bounds read back as."""

    short: str
    long: str
    value: str
    refused: str
    bounds: tuple[float, float] | None = None
    default: float | None = None
    suffixed: tuple[str, str, str] | None = None  # without number, with 1, with one that there is not
    reset_empties_queue: bool = False


SETTINGS = {
    "X-series": Setting("AVER:COUN", "SENSe:AVERage:COUNt", "25", "1E9", (1, 10000), 100,
                        ("TRAC:TYPE?", "TRACE1:TYPE?", "TRAC7:TYPE?")),
    "FSV": Setting("BAND", "SENSe:BANDwidth:RESolution", "1000", "1E12", (1, 10e6), None,
                   ("DISP:TRAC:MODE?", "DISPlay:WINDow1:TRACe1:MODE?", "DISP:TRAC7:MODE?")),
    "33500": Setting("FREQ", "SOURce1:FREQuency", "5000", "1E12", (1e-6, 30e6), 1e3,
                     ("SOUR:FREQ?", "SOURCE1:FREQ?", "SOUR3:FREQ?")),
    "PM100": Setting("AVER:COUN", "SENSe:AVERage:COUNt", "30", "1E9", (1, 3000), 1),
    "TED4015": Setting("SOUR:TEMP:LCON:GAIN", "SOURce:TEMPerature:LCONstants:GAIN", "2", "1E9", (0.0, 100.0), None,
                       ("SOUR:TEMP:SPO?", "SOURCE1:TEMPERATURE:SPOINT?", NO_DEFAULT)),
    "Red Pitaya": Setting("ACQ:DEC:F", "ACQ:DEC:Factor", "64", ""),
    "TSL-570": Setting("POW", "SOURce:POWer", "5", "50", reset_empties_queue=True),
}  # fmt: skip
TWINS = [kind for kind in KINDS if kind.name in SETTINGS]


class Host:
    """A program that talks to one SCPI twin in lines of text, with an empty error queue and no events."""

    def __init__(self, kind: Kind) -> None:
        self.setting = SETTINGS[kind.name]
        self.listener = Listener(kind)
        self.twin = self.listener.twin
        self._end = kind.end
        self.tell("*CLS")

    def tell(self, line: str) -> None:
        assert self.ask(line) == ""

    def ask(self, line: str) -> str:
        return self.listener.say(line.encode() + self._end).removesuffix(self._end).decode()

    def number(self, line: str) -> int:
        return int(self.ask(line))

    def error(self) -> int:
        return int(self.ask("SYST:ERR?").split(",")[0])

    def wrong_header(self) -> None:
        self.tell("NO:SUCH:HEADER 1")

    def wrong_value(self) -> None:
        refused = self.setting.refused
        self.tell(f"{self.setting.short} {refused}" if refused else "*ESE 999")  # one server answers its own codes


@pytest.fixture(params=TWINS, ids=lambda kind: kind.name)
def host(request: pytest.FixtureRequest) -> Host:
    return Host(request.param)


@pytest.fixture
def setting(host: Host) -> Setting:
    return host.setting


# ---- identity and common commands -----------------------------------------------------------------------------------


def test_the_identity_has_four_fields(host: Host) -> None:
    fields = host.ask("*IDN?").split(",")
    assert len(fields) == 4
    assert all(fields)
    assert host.ask("*idn?") == ",".join(fields)


def test_power_on_is_an_event_until_it_is_read() -> None:
    for kind in TWINS:
        listener = Listener(kind)
        assert int(listener.say(b"*ESR?" + kind.end)) & PON
        assert int(listener.say(b"*ESR?" + kind.end)) == 0


def test_a_wrong_header_is_a_command_error(host: Host) -> None:
    host.wrong_header()
    assert host.number("*ESR?") == CME
    assert host.number("*ESR?") == 0
    assert host.error() == -113
    assert host.error() == 0


def test_a_wrong_value_is_an_execution_error(host: Host) -> None:
    host.wrong_value()
    assert host.number("*ESR?") == EXE
    assert -300 < host.error() <= -200


def test_a_value_that_is_no_number_is_a_command_error(host: Host, setting: Setting) -> None:
    host.tell(f"{setting.short} 1x2")
    assert host.number("*ESR?") & (CME | EXE)
    assert -300 < host.error() <= -100


def test_too_many_and_too_few_parameters(host: Host, setting: Setting) -> None:
    host.tell(f"{setting.short} 1,2,3,4")
    host.tell(setting.short)
    assert [host.error(), host.error(), host.error()] == [-108, -109, 0]


def test_operation_complete(host: Host) -> None:
    host.tell("*OPC")
    host.ask("*OPC?")
    assert host.number("*ESR?") == OPC
    assert host.ask("*OPC?") == "1"
    assert host.number("*ESR?") == 0


def test_clear_status_empties_queue_and_events_and_leaves_the_masks(host: Host) -> None:
    host.tell("*ESE 48")
    host.tell("*SRE 36")
    host.wrong_header()
    host.tell("*CLS")
    assert (host.number("*ESR?"), host.error()) == (0, 0)
    assert (host.number("*ESE?"), host.number("*SRE?"), host.number("*STB?") & ~SWEEPS) == (48, 36, 0)


def test_reset_leaves_errors_and_masks(host: Host, setting: Setting) -> None:
    host.tell("*ESE 48")
    host.tell("*SRE 36")
    host.wrong_header()
    host.ask("*RST")
    assert (host.number("*ESE?"), host.number("*SRE?")) == (48, 36)
    assert host.number("*ESR?") == CME
    assert host.error() == (0 if setting.reset_empties_queue else -113)


def test_self_test_passes(host: Host) -> None:
    assert host.ask("*TST?") == "0"


# ---- masks and the status byte --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mask", "kept"), [("0", 0), ("255", 255), ("60", 60)])
def test_event_enable(host: Host, mask: str, kept: int) -> None:
    host.tell(f"*ESE {mask}")
    assert host.number("*ESE?") == kept


def test_the_service_mask_has_no_bit_six(host: Host) -> None:
    host.tell("*SRE 255")
    assert host.number("*SRE?") == 255 - SERVICE


@pytest.mark.parametrize("command", ["*ESE", "*SRE"])
@pytest.mark.parametrize("mask", ["256", "-1"])
def test_a_mask_has_eight_bits(host: Host, command: str, mask: str) -> None:
    host.tell(f"{command} 32")
    host.tell(f"{command} {mask}")
    assert host.error() == -222
    assert host.number(f"{command}?") == 32


def test_the_status_byte_follows_queue_events_and_masks(host: Host) -> None:
    assert host.number("*STB?") & ~SWEEPS == 0
    host.wrong_header()
    assert host.number("*STB?") & ~SWEEPS == ERRORS
    host.tell(f"*ESE {CME}")
    assert host.number("*STB?") & ~SWEEPS == ERRORS | EVENTS
    host.tell(f"*SRE {EVENTS}")
    assert host.number("*STB?") & ~SWEEPS == ERRORS | EVENTS | SERVICE
    assert host.error() == -113
    assert host.number("*STB?") & ~SWEEPS == EVENTS | SERVICE
    assert host.number("*ESR?") == CME
    assert host.number("*STB?") & ~SWEEPS == 0
    host.wrong_value()
    assert host.number("*STB?") & ~SWEEPS == ERRORS  # an execution error, which the mask leaves out


# ---- syntax ---------------------------------------------------------------------------------------------------------


def test_short_and_long_forms_in_any_case(host: Host, setting: Setting) -> None:
    for spelling in (setting.short, setting.short.lower(), setting.long.upper(), ":" + setting.long):
        host.tell(f"{spelling} {setting.value}")
        assert host.error() == 0
        assert float(host.ask(f"{spelling}?")) == float(setting.value)


def test_a_form_between_short_and_long_is_no_form(host: Host) -> None:
    host.tell("SYSTE:ERR?")
    assert host.error() == -113


def test_minimum_maximum_and_default(host: Host, setting: Setting) -> None:
    if setting.bounds is None:
        host.tell(f"{setting.short} MAX")  # this server takes numbers alone
        assert host.error() < 0
        return
    for word, bound in zip(("MIN", "MAX"), setting.bounds, strict=True):
        assert float(host.ask(f"{setting.short}? {word}")) == pytest.approx(bound)
    for word, bound in zip(("MAXIMUM", "min"), reversed(setting.bounds), strict=True):
        host.tell(f"{setting.short} {word}")
        assert float(host.ask(f"{setting.short}?")) == pytest.approx(bound)
    if setting.default is not None:
        host.tell(f"{setting.short} DEF")
        assert float(host.ask(f"{setting.short}?")) == setting.default
    assert host.error() == 0


def test_numeric_suffixes(host: Host, setting: Setting) -> None:
    if setting.suffixed is None:
        host.tell("SYST7:ERR?")  # no header of this instrument is numbered that way
        assert host.error() == -113
        return
    plain, numbered, absent = setting.suffixed
    assert host.ask(plain) == host.ask(numbered) != ""
    if absent:
        host.tell(absent)
        assert host.error() in (-113, -114)


def test_chains(host: Host, setting: Setting) -> None:
    chained = f":{setting.short} {setting.value};*ESE 3;:{setting.short}?;*ESE?"
    number, mask = host.ask(chained).split(";")
    assert (float(number), mask) == (float(setting.value), "3")
    assert host.error() == 0


def test_an_error_in_a_chain_leaves_the_rest(host: Host) -> None:
    assert host.ask("*ESE 5;NONSENSE;*ESE?") == "5"
    assert host.error() == -113


# ---- the error queue ------------------------------------------------------------------------------------------------


def test_the_queue_is_first_in_first_out(host: Host) -> None:
    host.wrong_header()
    host.tell("*ESE 999")
    host.tell("*ESE")
    assert host.number("SYST:ERR:COUN?") == 3
    assert [host.error() for _ in range(4)] == [-113, -222, -109, 0]


def test_a_full_queue_ends_in_overflow(host: Host) -> None:
    for _ in range(200):
        host.wrong_header()
    codes: list[int] = []
    while (code := host.error()) and len(codes) < 200:
        codes.append(code)
    assert 10 <= len(codes) < 200
    assert set(codes[:-1]) == {-113}
    assert codes[-1] == -350
    host.wrong_header()
    assert host.error() == -113


def test_every_scpi_twin_is_here() -> None:
    assert {kind.name for kind in KINDS if kind.scpi} == set(SETTINGS)


# ---- overlapped operations ------------------------------------------------------------------------------------------


@pytest.fixture(params=["X-series", "FSV"])
def analyzer(request: pytest.FixtureRequest) -> Host:
    host = Host(next(kind for kind in TWINS if kind.name == request.param))
    host.tell("INIT:CONT OFF")
    host.tell("SWE:TIME 2")
    return host


def test_completion_waits_for_the_sweep(analyzer: Host) -> None:
    time = analyzer.listener.time
    began = time.now()
    assert analyzer.ask("INIT;*OPC?") == "1"
    assert time.now() - began == pytest.approx(2.0, abs=0.01)


def test_the_completion_bit_comes_with_the_end_of_the_sweep(analyzer: Host) -> None:
    analyzer.tell("INIT;*OPC")
    analyzer.listener.time.elapse(1.0)
    assert analyzer.number("*ESR?") & OPC == 0
    analyzer.listener.time.elapse(1.1)
    assert analyzer.number("*ESR?") & OPC


def test_clear_status_forgets_a_wanted_completion(analyzer: Host) -> None:
    analyzer.tell("INIT;*OPC")
    analyzer.tell("*CLS")
    analyzer.listener.time.elapse(3.0)
    assert analyzer.number("*ESR?") & OPC == 0


def test_a_waiting_message_is_seen_in_the_status_byte(analyzer: Host) -> None:
    analyzer.twin.on_bytes(b"*OPC?\n")
    first, second = analyzer.ask("*STB?").split("\n")
    assert first == "1"
    assert int(second) & MESSAGE


@pytest.fixture
def laser() -> Host:
    """A laser that tunes for some seconds from now on."""
    host = Host(next(kind for kind in TWINS if kind.name == "TSL-570"))
    host.tell("WAV 1.49E-6")
    return host


def test_the_laser_answers_at_once_whether_its_operation_is_complete(laser: Host) -> None:
    time = laser.listener.time
    began = time.now()
    assert laser.ask("*OPC?") == "0"
    assert time.now() - began < 0.01
    time.elapse(10.0)
    assert laser.ask("*OPC?") == "1"


def test_the_completion_bit_comes_with_the_end_of_the_tuning(laser: Host) -> None:
    laser.tell("*OPC")
    laser.listener.time.elapse(0.5)
    assert laser.number("*ESR?") & OPC == 0
    laser.listener.time.elapse(9.5)
    assert laser.number("*ESR?") & OPC
    assert laser.number("*ESR?") & OPC == 0


def test_what_follows_a_wait_comes_after_the_tuning(laser: Host) -> None:
    began = laser.listener.time.now()
    assert laser.ask("*WAI;*OPC?") == "1"
    assert laser.listener.time.now() - began > 1.0
    assert laser.error() == 0


@pytest.mark.parametrize("command", ["*CLS", "*RST"])
def test_clear_and_reset_forget_a_wanted_completion_of_the_laser(laser: Host, command: str) -> None:
    laser.tell("*OPC")
    laser.tell(command)
    laser.listener.time.elapse(10.0)
    assert laser.number("*ESR?") & OPC == 0


def test_a_reset_leaves_wavelength_and_power_of_the_laser(laser: Host) -> None:
    laser.tell("POW 5")
    laser.tell("*RST")
    assert (float(laser.ask("WAV?")), float(laser.ask("POW?"))) == (1.49e-6, 5.0)
