"""The simulated 937B: raw bytes, words in place of pressures, and the real driver on top of it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from light_bench import GaugeBench

from drivers.errors import NoReply, Refused
from drivers.mks.controller_937b import GaugeWord, Unit
from labctl.simulation.instruments.mks_937b import UNITS_PA
from labctl.simulation.ports import GaugeStatus


@pytest.mark.parametrize(
    ("sent", "reply"),
    [
        (b"@253PR1?;FF", b"@253ACK7.50E-07;FF"),
        (b"@253PR2?;FF", b"@253ACK7.50E-02;FF"),
        (b"@253PR3?;FF", b"@253ACKNOGAUGE;FF"),
        (b"@253U!PASCAL;FF", b"@253ACKPASCAL;FF"),
        (b"@253U!PASCAL;FF@253PR1?;FF", b"@253ACKPASCAL;FF@253ACK1.00E-04;FF"),
        (b"@253U!MBAR;FF", b"@253NAK169;FF"),  # the case is exact
        (b"@253U!mBAR;FF", b"@253ACKmBAR;FF"),
        (b"@253MT?;FF", b"@253ACKCC,NC,NC,NC;FF"),
        (b"@253SN?;FF", b"@253ACK1124508117;FF"),
        (b"@253T1?;FF", b"@253ACKG;FF"),
        (b"@253T2?;FF", b"@253NAK152;FF"),
        (b"@253T3?;FF", b"@253NAK151;FF"),
        (b"@253CP1!OFF;FF@253PR1?;FF", b"@253ACKOFF;FF@253ACKOFF;FF"),
        (b"@253CP1!on;FF", b"@253NAK169;FF"),
        (b"@253PR7?;FF", b"@253NAK160;FF"),
        (b"@253XY?;FF", b"@253NAK160;FF"),
        (b"@253PR1;FF", b"@253NAK175;FF"),
        (b"noise@253SN?;FF", b"@253ACK1124508117;FF"),
        (b"@254SN?;FF", b"@253ACK1124508117;FF"),
        (b"@252SN?;FF", b""),
        (b"SN?;FF", b""),
        (b"@253SN?;F", b""),
        (b"@253SN?\r\n", b""),
    ],
)
def test_replies(sent: bytes, reply: bytes) -> None:
    assert GaugeBench().say(sent) == reply


@pytest.mark.parametrize(
    ("status", "ion", "pirani"),
    [
        (GaugeStatus.UNDER_RANGE, b"LO<E-11", b"LO<E-04"),
        (GaugeStatus.OVER_RANGE, b"OVER", b"ATM"),
        (GaugeStatus.SENSOR_OFF, b"OFF", b"OFF"),
        (GaugeStatus.NO_SENSOR, b"NOGAUGE", b"NOGAUGE"),
        (GaugeStatus.SENSOR_ERROR, b"MISCONN", b"MISCONN"),
    ],
)
def test_words_in_place_of_a_pressure(status: GaugeStatus, ion: bytes, pirani: bytes) -> None:
    bench = GaugeBench()
    bench.ion.state = bench.pirani.state = status
    assert bench.say(b"@253PR1?;FF@253PR2?;FF") == b"@253ACK" + ion + b";FF@253ACK" + pirani + b";FF"


def test_the_real_driver() -> None:
    bench = GaugeBench()
    controller = bench.driver()
    assert controller.read_identity().model == "937B"
    assert controller.unit == Unit.Torr
    assert controller.ch_1.pressure == pytest.approx(1e-4 / UNITS_PA["TORR"], rel=5e-3)
    controller.unit = Unit.Pa
    assert controller.ch_1.pressure == pytest.approx(1e-4)
    assert controller.ch_1.ion_gauge_status == "Good"
    with pytest.raises(Refused, match="not an ion gauge"):
        controller.ask("T2?")
    controller.ch_1.power_enabled = False
    assert controller.ch_1.reading.word is GaugeWord.OFF
    assert controller.ch_4.reading.word is GaugeWord.NO_GAUGE
    with pytest.raises(Refused, match="invalid argument after 'U!mbar'"):
        controller.write("U!mbar")
        controller.check_set_errors()


def test_nobody_answers_at_another_address_and_the_next_question_is_in_step() -> None:
    bench = GaugeBench()
    controller = bench.driver(address=9)
    with pytest.raises(NoReply):
        _ = controller.unit
    controller.address = 253
    bench.twin.send(b"@253ACKlate;FF")
    assert controller.unit == Unit.Torr


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.binary(max_size=40)
        | st.sampled_from([b"@253", b"PR1", b"CP2!", b"U!", b"?", b";FF", b"T", b"\xb2", b"ON", b"9" * 50]),
        max_size=10,
    )
)
def test_no_bytes_hurt_it(chunks: list[bytes]) -> None:
    bench = GaugeBench()
    for chunk in chunks:
        bench.say(chunk)
    assert bench.say(b";FF@253SN?;FF", wait=1.0).endswith(b"@253ACK1124508117;FF")
