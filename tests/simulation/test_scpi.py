"""The shared part of simulated SCPI instruments: headers, messages, numbers, errors, status, waiting."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stepped_time import SteppedTime

from labctl.simulation.scpi import Answer, Call, Later, ScpiInstrument, on
from labctl.simulation.scpi_syntax import (
    HERTZ,
    ScpiError,
    Unterminated,
    definite_block,
    read_boolean,
    read_choice,
    read_number,
    spellings,
)


class Bench(ScpiInstrument):
    """A small instrument with one of everything."""

    identity = "MAKER,MODEL,1,1.0"

    def __init__(self, timebase: SteppedTime) -> None:
        super().__init__(timebase)
        self.frequency_hz = 1e6
        self.shape = "SIN"
        self.output = False
        self.ends_at = -math.inf
        self.number(
            "[:SOURce]:FREQuency[:FIXed]",
            lambda: self.frequency_hz,
            self._set_frequency,
            minimum=1.0,
            maximum=1e7,
            default=1e3,
            units=HERTZ,
            form="{:.1f}".format,
        )
        self.number(":STRict", lambda: self.frequency_hz, self._set_frequency, minimum=0.0, maximum=1.0, clip=False)
        self.choice(":SHAPe", lambda: self.shape, self._set_shape, ("SINusoid", "SQUare"))
        self.switch(":OUTPut", lambda: self.output, self._set_output)

    def _set_frequency(self, value: float) -> None:
        self.frequency_hz = value

    def _set_shape(self, value: str) -> None:
        self.shape = value

    def _set_output(self, value: bool) -> None:
        self.output = value

    def operation_ends_at(self) -> float:
        return self.ends_at

    def reset(self) -> None:
        self.shape = "SIN"

    @on(":INITiate[:IMMediate]")
    def _initiate(self, call: Call) -> None:
        self.ends_at = self.now() + 5.0

    @on(":ABORt")
    def _abort(self, call: Call) -> None:
        self.ends_at = self.now()

    @on(":CHANnel<n>:MARKer<n>?")
    def _marker(self, call: Call) -> Answer:
        return f"{call.suffix(1, 4)}/{call.suffix(1, 12, 1)}"

    @on(":ECHO?", arguments=(1, 2))
    def _echo(self, call: Call) -> Answer:
        return "|".join(call.arguments)

    @on(":BLOCk?")
    def _block(self, call: Call) -> Answer:
        return Unterminated(definite_block(b"\x01\n\x02"))

    @on(":READ?")
    def _read(self, call: Call) -> Answer:
        self.ends_at = self.now() + 2.0
        return Later(lambda: self.ends_at, lambda: f"{self.now():.1f}")

    @on(":FAIL?")
    def _fail(self, call: Call) -> Answer:
        raise ScpiError(7, "Out of coffee")


@pytest.fixture
def bench() -> Bench:
    return Bench(SteppedTime())


def ask(instrument: ScpiInstrument, message: str) -> str:
    instrument.on_bytes(message.encode() + b"\n")
    return instrument.take().decode()


@pytest.mark.parametrize(
    "header",
    [
        "FREQ",
        ":freq",
        "Frequency:FIX",
        ":SOUR:FREQ",
        "SOURCE:FREQUENCY:FIXED",
        "source:freq:fix",
    ],
)
def test_every_spelling_of_a_header_is_known(bench: Bench, header: str) -> None:
    assert ask(bench, f"{header}?") == "1000000.0\n"


@pytest.mark.parametrize("header", ["FRE", "FREQU", "SOURC:FREQ", "FREQ:FIXE", "FREQ:FIX:FIX", "SOUR", ":", "FREQ:"])
def test_a_header_in_between_is_undefined(bench: Bench, header: str) -> None:
    assert ask(bench, f"{header}?") == ""
    assert ask(bench, "SYST:ERR?").startswith(("-113,", "-102,"))


@pytest.mark.parametrize(
    ("text", "hertz"),
    [
        ("4.3 MHZ", 4.3e6),
        ("4.3MHz", 4.3e6),
        ("4300 khz", 4.3e6),
        ("+4.3E6", 4.3e6),
        ("4.3e+06 HZ", 4.3e6),
        (".5 MHZ", 5e5),
        ("7.", 7.0),
        ("MAX", 1e7),
        ("minimum", 1.0),
        ("DEF", 1e3),
    ],
)
def test_numbers_with_units(bench: Bench, text: str, hertz: float) -> None:
    assert ask(bench, f"FREQ {text};FREQ?") == f"{hertz:.1f}\n"
    assert ask(bench, "SYST:ERR?") == '+0,"No error"\n'


@pytest.mark.parametrize("message", ["FREQ4300", "FREQ:FIX4300", "FREQ4.3E3", "FREQ4.3KHZ", "FREQ+4300"])
def test_a_number_may_follow_its_header_at_once(bench: Bench, message: str) -> None:
    ask(bench, message)
    assert bench.frequency_hz == 4300.0


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("FREQ", -109),
        ("FREQ 1,", -109),
        ("FREQ 1,2", -108),
        ("FREQ 3 VOLTS", -131),
        ("STR 1 HZ", -138),
        ("FREQ 1..2", -121),
        ("FREQ ABC", -104),
        ("FREQ 1E999", -222),
        ("FREQ? 12", -224),
        ("STR MAX;STR 2", -222),
        ("SHAP TRI", -224),
        ("OUTP MAYBE", -104),
        ("CHAN5:MARK1?", -114),
        ("CHAN1:MARK13?", -114),
        ("CHAN12345678:MARK?", -114),
        ("*ESE 256", -222),
        ("NONSENSE", -113),
        ("?", -102),
        ("\xff", -101),
    ],
)
def test_refusals_have_their_numbers(bench: Bench, message: str, code: int) -> None:
    bench.on_bytes(message.encode("latin-1") + b"\n")
    assert bench.take() == b""
    assert ask(bench, "SYST:ERR?").startswith(f"{code},")
    assert ask(bench, "SYST:ERR:NEXT?") == '+0,"No error"\n'


def test_out_of_range_is_clipped_with_an_error_or_left_alone(bench: Bench) -> None:
    ask(bench, "FREQ 20 MHZ")
    assert bench.frequency_hz == 1e7
    assert ask(bench, "SYST:ERR?") == '-222,"Data out of range"\n'
    ask(bench, "STR 2")
    assert bench.frequency_hz == 1e7
    assert ask(bench, "FREQ? MAX;FREQ? MIN") == "10000000.0;1.0\n"


def test_chained_commands_go_on_from_the_path(bench: Bench) -> None:
    assert ask(bench, "SOUR:FREQ 5;FREQ?;:SHAP SQU;SHAP?;*IDN?") == "5.0;SQU;MAKER,MODEL,1,1.0\n"
    assert ask(bench, "SOUR:FREQ:FIX 6;FIX?;*ESR?;FIX?").split(";")[::2] == ["6.0", "6.0\n"]


def test_separators_inside_quotes_separate_nothing(bench: Bench) -> None:
    assert ask(bench, "ECHO? 'a;b,c', \"d\"") == "'a;b,c'|\"d\"\n"


def test_suffixes_default_to_one(bench: Bench) -> None:
    assert ask(bench, "CHAN:MARK?;:CHAN2:MARK?;:CHANNEL3:MARKER12?;:CHAN:MARK4?") == "1/1;2/1;3/12;1/4\n"


def test_switches_and_choices(bench: Bench) -> None:
    assert ask(bench, "OUTP ON;OUTP?;OUTP 0;OUTP?;:SHAP square;SHAP?;*RST;SHAP?") == "1;0;SQU;SIN\n"


def test_a_block_may_have_no_terminator(bench: Bench) -> None:
    bench.on_bytes(b"BLOC?\n")
    assert bench.take() == b"#13\x01\n\x02"


def test_a_failing_query_is_silent_or_says_what_is_configured(bench: Bench) -> None:
    assert ask(bench, "FAIL?") == ""
    bench.failed_query_reply = b""
    assert ask(bench, "FAIL?") == "\n"
    assert ask(bench, "SYST:ERR:COUN?") == "2\n"
    assert ask(bench, "SYST:ERR?") == '+7,"Out of coffee"\n'


def test_commands_may_arrive_in_pieces_and_end_in_cr_lf(bench: Bench) -> None:
    for piece in (b"*ID", b"N?\r", b"\n*IDN?", b"\n"):
        bench.on_bytes(piece)
    assert bench.take() == b"MAKER,MODEL,1,1.0\n" * 2


def test_cr_lf_can_be_insisted_on(bench: Bench) -> None:
    bench.command_end = bench.reply_end = b"\r\n"
    bench.on_bytes(b"*IDN?\n")
    assert bench.take() == b""
    bench.on_bytes(b"\r\n")
    assert bench.take() == b"MAKER,MODEL,1,1.0\r\n"
    bench.on_bytes(b"FREQ 5\nFREQ?\r\n")
    assert bench.take() == b""


def test_an_endless_command_is_dropped(bench: Bench) -> None:
    bench.longest_command = 100
    for _ in range(50):
        bench.on_bytes(b"A" * 60)
    bench.on_bytes(b"FREQ 5\n*IDN?\n")
    assert bench.take() == b"MAKER,MODEL,1,1.0\n"
    assert bench.frequency_hz == 1e6
    assert ask(bench, "SYST:ERR?") == '-363,"Input buffer overrun"\n'
    assert ask(bench, "SYST:ERR?") == '+0,"No error"\n'


def test_a_full_error_queue_ends_in_overflow(bench: Bench) -> None:
    for _ in range(40):
        bench.on_bytes(b"NONSENSE\n")
    errors = [ask(bench, "SYST:ERR?") for _ in range(31)]
    assert errors[28:] == ['-113,"Undefined header"\n', '-350,"Queue overflow"\n', '+0,"No error"\n']


def test_status_follows_errors(bench: Bench) -> None:
    assert ask(bench, "*ESR?;*ESR?;*STB?") == "128;0;0\n"
    ask(bench, "*ESE 32;*SRE 32;NONSENSE")
    assert ask(bench, "*STB?") == f"{4 + 32 + 64}\n"
    ask(bench, "FREQ 1E9;FAIL?")
    assert ask(bench, "*ESR?") == f"{32 + 16 + 8}\n"
    assert ask(bench, "*STB?") == "4\n"
    assert ask(bench, "*CLS;*STB?;*ESE?;*SRE?") == "0;32;32\n"


def test_opc_query_waits_and_an_abort_frees_it(bench: Bench) -> None:
    assert ask(bench, "INIT;*OPC?") == ""
    bench.timebase.elapse(4.9)
    assert bench.take() == b""
    bench.timebase.elapse(0.2)
    assert bench.take() == b"1\n"
    assert ask(bench, "INIT;*OPC?") == ""
    bench.timebase.elapse(1.0)
    assert ask(bench, "ABOR") == "1\n"


def test_opc_sets_its_bit_when_done(bench: Bench) -> None:
    ask(bench, "*CLS;INIT;*OPC")
    assert ask(bench, "*ESR?") == "0\n"
    bench.timebase.elapse(5.0)
    assert ask(bench, "*ESR?;*ESR?") == "1;0\n"


def test_wai_holds_what_follows(bench: Bench) -> None:
    assert ask(bench, "INIT;SOUR:FREQ 7;*WAI;FREQ 8;FREQ?") == ""
    assert bench.ready_at() == 5.0
    assert ask(bench, "SHAP SQU") == ""
    assert (bench.frequency_hz, bench.shape) == (7.0, "SIN")
    bench.timebase.elapse(5.0)
    assert bench.take() == b"8.0\n"
    assert (bench.frequency_hz, bench.shape) == (8.0, "SQU")


def test_a_later_reply_is_made_when_it_is_due(bench: Bench) -> None:
    assert ask(bench, "READ?;*IDN?") == ""
    bench.timebase.elapse(2.5)
    assert bench.take() == b"2.5;MAKER,MODEL,1,1.0\n"


def test_disconnecting_forgets_half_a_command_and_held_ones(bench: Bench) -> None:
    bench.on_bytes(b"INIT;*WAI;SHAP SQU\nFRE")
    bench.on_disconnect()
    bench.timebase.elapse(6.0)
    assert ask(bench, "Q?") == ""
    assert bench.shape == "SIN"


def test_patterns() -> None:
    assert dict(spellings("[:SENSe]:BANDwidth[:RESolution]")).keys() == {
        f"{sense}{band}{resolution}"
        for sense in ("SENSE:", "SENS:", "")
        for band in ("BANDWIDTH", "BAND")
        for resolution in (":RESOLUTION", ":RES", "")
    }
    assert dict(spellings(":TRACe<n>:TYPE?")) == {
        f"{trace}:TYPE": places for trace, places in (("TRACE", ()), ("TRAC", ()), ("TRACE#", (0,)), ("TRAC#", (0,)))
    }
    with pytest.raises(ValueError, match="no SCPI pattern"):
        spellings(":TRACe<m>:TYPE")


def test_words() -> None:
    assert read_choice("POSITIVE", ("POSitive", "NEGative")) == "POS"
    assert [read_boolean(text) for text in ("on", "OFF", "1", "0", "0.4")] == [True, False, True, False, False]
    assert definite_block(bytes(8008)).startswith(b"#48008")


@given(st.floats(min_value=-1e12, max_value=1e12, allow_subnormal=False), st.sampled_from([*HERTZ]))
def test_numbers_survive_their_spelling(value: float, unit: str) -> None:
    assert read_number(f"{value!r} {unit}", HERTZ) == value * HERTZ[unit]


@settings(max_examples=50)
@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_bytes_are_survived(pieces: list[bytes]) -> None:
    bench = Bench(SteppedTime())
    for piece in pieces:
        bench.on_bytes(piece)
    bench.on_bytes(b"\n:ABOR;*CLS\n")
    bench.timebase.elapse(10.0)
    bench.take()
    assert ask(bench, "*IDN?").endswith("MAKER,MODEL,1,1.0\n")


_WORDS = [
    "FREQ",
    ":",
    ";",
    "?",
    " ",
    ",",
    "1",
    "E9",
    "MHZ",
    "*WAI",
    "*OPC?",
    "INIT",
    "READ?",
    "'",
    "CHAN3",
    "MARK",
    "\n",
]


def test_what_followed_a_wait_does_not_wait_for_what_came_after_it() -> None:
    bench = Bench(SteppedTime())
    bench.on_bytes(b"INIT\n*WAI\nINIT\n:ABOR;*CLS\n")
    bench.timebase.elapse(10.0)
    assert ask(bench, "*IDN?") == "MAKER,MODEL,1,1.0\n"


@settings(max_examples=50)
@given(st.lists(st.sampled_from(_WORDS), max_size=30))
def test_any_words_are_survived(words: list[str]) -> None:
    bench = Bench(SteppedTime())
    bench.on_bytes("".join(words).encode() + b"\n:ABOR;*CLS\n")
    bench.timebase.elapse(10.0)
    bench.take()
    assert ask(bench, "*IDN?;SYST:ERR?") == 'MAKER,MODEL,1,1.0;+0,"No error"\n'
