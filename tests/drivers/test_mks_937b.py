"""The 937B driver: acknowledgements, refusals, and words in place of pressures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymeasure.instruments.mksinst import mks937b
from pymeasure.test import expected_protocol

from drivers.errors import BadReply, Refused
from drivers.mks.controller_937b import MKS937B, GaugeReply, GaugeWord, Unit, gauge_reply

END = (None, b"FF")


def test_pymeasure_alone_takes_a_refusal_for_a_serial_number() -> None:
    with expected_protocol(mks937b.MKS937B, [("@253SN?", "@253NAK160"), END]) as plain:
        assert plain.serial == "NAK160"
    with (
        expected_protocol(MKS937B, [("@253SN?", "@253NAK160"), END], name="gauges") as controller,
        pytest.raises(Refused, match=r"gauges: refused: unrecognised message after 'SN\?'"),
    ):
        _ = controller.serial


def test_properties_are_read() -> None:
    pairs = [
        ("@253PR1?", "@253ACK1.23E-07"),
        END,
        ("@253PR2?", "@253ACK7.602E+2"),
        END,
        ("@253PR3?", "@253ACKLO<E-11"),
        END,
        ("@253CP1?", "@253ACKON"),
        END,
        ("@253T1?", "@253ACKG"),
        END,
        ("@253U?", "@253ACKmBAR"),
        END,
        ("@253SN?", "@253ACK1124508117"),
        END,
    ]
    with expected_protocol(MKS937B, pairs) as controller:
        assert controller.channels[1].pressure == 1.23e-7
        assert controller.ch_2.reading == GaugeReply("7.602E+2", pressure=760.2)
        assert controller.ch_3.reading == GaugeReply("LO<E-11", word=GaugeWord.UNDER_RANGE)
        assert controller.ch_1.power_enabled is True
        assert controller.ch_1.ion_gauge_status == "Good"
        assert controller.unit == Unit.mbar
        assert controller.serial == "1124508117"


def test_properties_are_set_and_acknowledged() -> None:
    pairs = [("@007U!PASCAL", "@007ACKPASCAL"), END, ("@007CP5!OFF", "@007ACKOFF"), END]
    with expected_protocol(MKS937B, pairs, address=7) as controller:
        controller.unit = Unit.Pa
        controller.channels[5].power_enabled = False


@pytest.mark.parametrize(
    ("code", "reason"), [("169", "invalid argument"), ("161", "locked"), ("999", "not in the list")]
)
def test_a_set_that_is_not_acknowledged_is_refused(code: str, reason: str) -> None:
    pairs = [("@253U!TORR", f"@253NAK{code}"), END]
    with expected_protocol(MKS937B, pairs) as controller, pytest.raises(Refused, match=reason):
        controller.unit = Unit.Torr


@pytest.mark.parametrize("word", ["NOGAUGE", "OFF", "1.2.3E-4", "", "nan", "inf"])
def test_a_word_is_never_a_pressure(word: str) -> None:
    with expected_protocol(MKS937B, [("@253PR1?", f"@253ACK{word}"), END]) as controller, pytest.raises(BadReply):
        _ = controller.ch_1.pressure


@pytest.mark.parametrize("line", ["@252ACK1E-7", "ACK1E-7", "@253", "1E-7", "@253NO"])
def test_a_reply_of_another_form_is_bad(line: str) -> None:
    with expected_protocol(MKS937B, [("@253PR1?", line), END]) as controller, pytest.raises(BadReply, match="own form"):
        _ = controller.ch_1.reading


def test_a_wrong_end_is_bad() -> None:
    pairs = [("@253PR1?", "@253ACK1E-7"), (None, b"F@")]
    with expected_protocol(MKS937B, pairs) as controller, pytest.raises(BadReply, match="own form"):
        _ = controller.ch_1.reading


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("LO<E-11", GaugeWord.UNDER_RANGE),
        ("<1.00E-11", GaugeWord.UNDER_RANGE),
        ("OVER", GaugeWord.OVER_RANGE),
        ("ATM", GaugeWord.OVER_RANGE),
        ("PROT_OFF", GaugeWord.OFF),
        ("WAIT", GaugeWord.STARTING),
        ("NOGAUGE", GaugeWord.NO_GAUGE),
        ("MISCONN", GaugeWord.FAULT),
    ],
)
def test_words(text: str, word: GaugeWord) -> None:
    assert gauge_reply(text) == GaugeReply(text, word=word)


@given(pressure=st.floats(1e-11, 1e6))
def test_numbers(pressure: float) -> None:
    assert gauge_reply(f"{pressure:.2E}").pressure == float(f"{pressure:.2E}")


@given(text=st.text(max_size=12))
def test_a_reply_is_a_number_a_known_word_or_an_error(text: str) -> None:
    try:
        reply = gauge_reply(text)
    except ValueError:
        return
    assert (reply.pressure is None) != (reply.word is None)
    assert reply.text == text


def test_identity_is_that_of_a_gauge_controller() -> None:
    pairs = [
        ("@253MT?", "@253ACKCC,PR,NC,NC"),
        END,
        ("@253SN?", "@253ACK1124508117"),
        END,
        ("@253FV6?", "@253ACK1.20"),
        END,
    ]
    with expected_protocol(MKS937B, pairs) as controller:
        assert str(controller.read_identity()) == "MKS, 937B, 1124508117, 1.20"
    with expected_protocol(MKS937B, [("@253MT?", "@253ACKMicroPirani"), END]) as controller, pytest.raises(BadReply):
        controller.read_identity()


@pytest.mark.parametrize("address", [0, 254, -1])
def test_an_address_that_no_controller_has_is_refused(address: int) -> None:
    with pytest.raises(ValueError, match="no address"):
        MKS937B("ASRL1::INSTR", address=address)


def test_relays_are_not_offered() -> None:
    with expected_protocol(MKS937B, []) as controller:
        for name in ("relay_1", "relay_12", "all_pressures", "combined_pressure1"):
            assert not hasattr(controller, name)
        assert set(controller.channels) == {1, 2, 3, 4, 5, 6}
