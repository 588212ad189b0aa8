"""The simulated 33500: raw bytes, what comes out of the socket, and the real driver on top of it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from light_bench import ToneBench

from drivers.errors import Refused

WORDS = ["FREQ", "VOLT", "VOLT:OFFS", "OUTP", "OUTP2", "OUTP:LOAD", "FUNC", "APPL:SIN", "PHAS", "VOLT:UNIT"]


@pytest.mark.parametrize(
    ("sent", "reply"),
    [
        (b"*IDN?\n", b"Agilent Technologies,33522B,MY50000001,2.05-1.19-2.00-52-00\n"),
        (b"FREQ?\n", b"+1.000000000000000E+03\n"),
        (b"SOUR2:FREQ 4.3 MHZ;:SOURCE2:FREQUENCY?\n", b"+4.300000000000000E+06\n"),
        (b"SOUR1:FREQ 40e6;FREQ?\n", b"+3.000000000000000E+07\n"),  # clipped
        (b"SOUR1:FREQ 40e6;:SYST:ERR?\n", b'-222,"Data out of range; value clipped to limit"\n'),
        (b"VOLT?\n", b"+1.000000000000000E-01\n"),
        (b"VOLT 4;VOLT:OFFS 4;:VOLT:OFFS?\n", b"+3.000000000000000E+00\n"),
        (b"OUTP?;:OUTP1:LOAD?\n", b"0;+5.000000000000000E+01\n"),
        (b"OUTP:LOAD INF;LOAD?;:VOLT?\n", b"9.9E+37;+2.000000000000000E-01\n"),
        (b"FUNC SQUARE;FUNC?\n", b"SQU\n"),
        (b"FUNC SINC;:SYST:ERR?\n", b'-224,"Illegal parameter value"\n'),
        (b"SOUR3:FREQ?;:SYST:ERR?\n", b'-114,"Header suffix out of range"\n'),
        (b"VOLT:UNIT VRMS;:VOLT 1;:SYST:ERR?\n", b'-221,"Settings conflict"\n'),
        (b"APPL:SIN 1e6,11;:SYST:ERR?\n", b'-222,"Data out of range"\n'),
        (b"DATA:ARB x,1,2;:SYST:ERR?\n", b'-113,"Undefined header"\n'),
    ],
)
def test_replies(sent: bytes, reply: bytes) -> None:
    assert ToneBench().say(sent) == reply


def test_the_socket_gives_twice_the_voltage_across_fifty_ohm() -> None:
    bench = ToneBench()
    bench.say(b"SOUR1:APPL:SIN 4.3e6,0.2,0.1\n")
    assert bench.coil.driven.on
    assert bench.coil.driven.frequency_hz == 4.3e6
    assert bench.coil.driven.amplitude_v == pytest.approx(0.2)  # 0.1 V peak across 50 ohm
    assert bench.coil.driven.offset_v == pytest.approx(0.2)
    bench.say(b"OUTP:LOAD INF;:VOLT 0.2\n")
    assert bench.coil.driven.amplitude_v == pytest.approx(0.1)
    bench.say(b"OUTP 0\n")
    assert not bench.coil.driven.on


def test_only_apply_ends_a_modulation() -> None:
    bench = ToneBench()
    bench.generator.leave_modulated(1)
    bench.say(b"OUTP1 1\n")
    assert not bench.coil.driven.on
    bench.say(b"SOUR1:APPL:SIN 1000,0.1,0\n")
    assert bench.coil.driven.on


def test_the_real_driver() -> None:
    bench = ToneBench()
    generator = bench.driver()
    assert generator.read_identity().model == "33522B"
    output = generator.channels[1]
    output.frequency = 4301000.1234
    output.amplitude = 0.02
    output.offset = 0.0
    assert (output.frequency, output.amplitude, output.shape, output.amplitude_unit) == (
        4301000.1234,
        0.02,
        "SIN",
        "VPP",
    )
    output.output = True
    assert output.output is True
    assert bench.coil.driven.on and bench.coil.driven.amplitude_v == pytest.approx(0.02)
    output.start_sine(1e6, 1.0)
    assert bench.coil.driven.frequency_hz == 1e6
    assert output.output_load == 50.0
    with pytest.raises(Refused, match="value clipped to limit after 'SOUR1:FREQ 60000000'"):
        output.frequency = 60e6
    assert output.frequency == 30e6
    output.frequency = 1e3
    assert generator.channels[2].output is False


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.binary(max_size=40)
        | st.builds(
            lambda word, value: f"{word} {value}\n".encode(),
            st.sampled_from(WORDS),
            st.floats() | st.sampled_from(["MIN", "MAX", "DEF", "INF", "SIN", "VPP", "1,2,3", "1e3,MAX"]),
        ),
        max_size=8,
    )
)
def test_no_bytes_hurt_it_and_it_never_drives_beyond_its_range(chunks: list[bytes]) -> None:
    bench = ToneBench()
    for chunk in chunks:
        bench.say(chunk)
    assert bench.say(b"\n*CLS\n*IDN?\n").endswith(b"33522B,MY50000001,2.05-1.19-2.00-52-00\n")
    for waveform in bench.coil.waveforms:
        assert waveform.amplitude_v + abs(waveform.offset_v) <= 10.0 + 1e-9
        assert 1e-6 <= waveform.frequency_hz <= 30e6
