"""A tone behind its role: volts at the peak across 50 ohm, limits, and what somebody left at the front panel."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from light_bench import ToneBench

from labctl.errors import InstrumentError, LimitError
from labctl.station.bindings.tone import BoundTone
from labctl.station.limits import Limit
from labctl.station.roles import ToneSource

FREQUENCY = Limit("drive frequency", 1e6, 10e6, "Hz", "[drive] frequencies")
AMPLITUDE = Limit("drive amplitude", 1e-3, 0.5, "V", "[drive] highest_amplitude")


def bound(bench: ToneBench) -> BoundTone:
    return BoundTone("drive", bench.driver().channels[1], FREQUENCY, AMPLITUDE)


@settings(max_examples=50, deadline=None)
@given(frequency_hz=st.floats(1e6, 10e6), amplitude_v=st.floats(1e-3, 0.5))
def test_what_is_asked_for_comes_out(frequency_hz: float, amplitude_v: float) -> None:
    bench = ToneBench()
    tone: ToneSource = bound(bench)
    tone.set_tone(frequency_hz, amplitude_v)
    assert not tone.is_on() and not bench.coil.driven.on
    tone.switch_on()
    driven = bench.coil.driven
    assert driven.on and driven.shape == "SINE" and driven.offset_v == 0.0
    assert driven.frequency_hz == pytest.approx(frequency_hz, rel=1e-11)
    assert driven.amplitude_v == pytest.approx(2 * amplitude_v)  # open circuit
    assert tone.frequency_hz() == pytest.approx(frequency_hz, rel=1e-11)
    assert tone.amplitude_v() == pytest.approx(amplitude_v)
    tone.switch_off()
    assert not tone.is_on() and not bench.coil.driven.on


@pytest.mark.parametrize(
    ("frequency_hz", "amplitude_v"),
    [(0.9e6, 0.1), (11e6, 0.1), (4e6, 0.51), (4e6, 0.0), (math.nan, 0.1), (4e6, math.inf)],
)
def test_nothing_beyond_the_limits_is_sent(frequency_hz: float, amplitude_v: float) -> None:
    bench = ToneBench()
    tone = bound(bench)
    count = len(bench.coil.waveforms)
    with pytest.raises(LimitError, match=r"drive (frequency|amplitude): .* of the station file"):
        tone.set_tone(frequency_hz, amplitude_v)
    assert len(bench.coil.waveforms) == count


def test_a_tone_that_is_on_is_never_stronger_than_the_weaker_of_both() -> None:
    bench = ToneBench()
    tone = bound(bench)
    tone.set_tone(2e6, 0.5)
    tone.switch_on()
    count = len(bench.coil.waveforms)
    tone.set_tone(4e6, 0.1)
    tone.set_tone(2e6, 0.5)
    strong = [w.frequency_hz for w in bench.coil.waveforms[count:] if w.amplitude_v > 0.3]
    assert strong == [2e6]


@pytest.mark.parametrize("left", [b"FUNC SQU\n", b"VOLT:OFFS 0.5\n", b"OUTP:LOAD INF\n", b"VOLT:UNIT VRMS\n"])
def test_what_somebody_left_is_undone(left: bytes) -> None:
    bench = ToneBench()
    tone = bound(bench)
    tone.set_tone(4e6, 0.1)
    bench.say(left)
    tone.switch_on()
    driven = bench.coil.driven
    assert driven.on and driven.shape == "SINE" and driven.offset_v == 0.0
    assert driven.amplitude_v == pytest.approx(0.2)
    assert tone.amplitude_v() == pytest.approx(0.1)


def test_a_modulation_that_somebody_left_is_ended() -> None:
    bench = ToneBench()
    tone = bound(bench)
    tone.set_tone(4e6, 0.1)
    bench.generator.leave_modulated(1)
    tone.switch_on()
    assert bench.coil.driven.on


@pytest.mark.parametrize("left", [b"FREQ 1000\n", b"VOLT 5\n"])
def test_what_somebody_left_beyond_the_limits_is_not_switched_on(left: bytes) -> None:
    bench = ToneBench()
    tone = bound(bench)
    tone.set_tone(4e6, 0.1)
    bench.say(left)
    with pytest.raises(LimitError):
        tone.switch_on()
    assert not bench.coil.driven.on


def test_a_generator_that_takes_something_else_is_told_of() -> None:
    bench = ToneBench()
    tone = bound(bench)
    bench.generator.register("[:SOURce<n>]:FREQuency?", lambda call: "+3.999E+06")
    with pytest.raises(InstrumentError, match=r"drive: took 3999000 Hz and 0\.1 V instead of 4000000 Hz and 0\.1 V"):
        tone.set_tone(4e6, 0.1)
