"""What SCPI drivers share: the error queue, blocks, and getting back into step over links of every kind."""

from __future__ import annotations

from collections import deque
from unittest.mock import MagicMock

import pytest
import pyvisa
from pymeasure.test import expected_protocol
from pyvisa.constants import StatusCode

from drivers.errors import BadReply, ConnectionLost, NoReply, Refused
from drivers.scpi import ScpiDriver

TIMEOUT = pyvisa.errors.VisaIOError(StatusCode.error_timeout)
UNSUPPORTED = pyvisa.errors.VisaIOError(StatusCode.error_nonsupported_operation)
BROKEN = pyvisa.errors.VisaIOError(StatusCode.error_connection_lost)


def driver_over(kind: type, replies: list[object]) -> ScpiDriver:
    """Return a driver whose link is of `kind` and whose reads give `replies`, errors raised."""
    adapter = MagicMock()
    adapter.connection = MagicMock(spec=kind, timeout=1000)
    adapter.connection.read_bytes.side_effect = TIMEOUT
    waiting = deque(replies)

    def read(*_: object, **__: object) -> object:
        reply = waiting.popleft()
        if isinstance(reply, Exception):
            raise reply
        return reply

    adapter.read.side_effect = read
    return ScpiDriver(adapter)


def sent(driver: ScpiDriver) -> list[str]:
    return [call.args[0] for call in driver.adapter.write.call_args_list]


def test_the_oldest_error_is_number_and_text() -> None:
    exchange = [(":SYST:ERR?", '-222,"Data out of range;SWE:COUN 1E9"'), (":SYST:ERR?", '0,"No error"')]
    with expected_protocol(ScpiDriver, exchange) as driver:
        assert driver.next_error == (-222, "Data out of range;SWE:COUN 1E9")
        assert driver.next_error == (0, "No error")


def test_a_refusal_names_the_last_command_that_was_no_query() -> None:
    exchange = [
        ("OUTP ON", None),
        ("OUTP?", "0"),
        (":SYST:ERR?", '-221,"Settings conflict"'),
        (":SYST:ERR?", '0,"No error"'),
    ]
    with expected_protocol(ScpiDriver, exchange, name="supply") as driver:
        driver.write("OUTP ON")
        assert driver.ask("OUTP?") == "0"
        with pytest.raises(Refused, match=r"supply: refused: -221 Settings conflict after 'OUTP ON'"):
            driver.check_errors()


def test_a_block_ends_in_a_line_feed() -> None:
    with expected_protocol(ScpiDriver, [(b"DATA?", b"#14\x01\x0a\x03\x04\n")]) as driver:
        assert driver.ask_block("DATA?", "<u2").tolist() == [0x0A01, 0x0403]
    with (
        expected_protocol(ScpiDriver, [(b"DATA?", b"#12\x01\x02;")]) as driver,
        pytest.raises(BadReply, match="line feed"),
    ):
        driver.ask_block("DATA?", "<u2")


def test_a_socket_is_asked_until_it_is_in_step() -> None:
    late = ["4.27E+06", "MAKER,MODEL,1,2;7", "MAKER,MODEL,1,2;1"]
    driver = driver_over(pyvisa.resources.TCPIPSocket, [TIMEOUT, *late, "1001"])
    with pytest.raises(NoReply):
        driver.ask("FREQ?")
    assert driver.ask("POIN?") == "1001"
    assert sent(driver) == ["FREQ?", "*ESE 1;*IDN?;*ESE?", "POIN?"]
    driver.adapter.connection.clear.assert_not_called()


def test_each_time_another_number_is_asked_for() -> None:
    replies = [TIMEOUT, "A,B,C,D;1", TIMEOUT, "A,B,C,D;1", "A,B,C,D;2", "5"]
    driver = driver_over(pyvisa.resources.TCPIPSocket, replies)
    for _ in range(2):
        with pytest.raises(NoReply):
            driver.ask("X?")
    assert driver.ask("X?") == "5"


def test_a_socket_that_talks_nonsense_does_not_come_into_step() -> None:
    driver = driver_over(pyvisa.resources.TCPIPSocket, [TIMEOUT, *["no,answer,to,this"] * 200])
    with pytest.raises(NoReply):
        driver.ask("X?")
    with pytest.raises(BadReply, match="did not come back into step"):
        driver.ask("X?")


@pytest.mark.parametrize(
    "kind", [pyvisa.resources.USBInstrument, pyvisa.resources.GPIBInstrument, pyvisa.resources.TCPIPInstrument]
)
def test_a_link_with_device_clear_is_cleared(kind: type) -> None:
    driver = driver_over(kind, [TIMEOUT, "5"])
    with pytest.raises(NoReply):
        driver.ask("X?")
    assert driver.ask("X?") == "5"
    driver.adapter.connection.clear.assert_called_once_with()
    driver.adapter.connection.read_bytes.assert_not_called()  # to read where nothing was asked is an error there
    assert sent(driver) == ["X?", "X?"]


def test_a_library_without_device_clear_asks() -> None:
    driver = driver_over(pyvisa.resources.USBInstrument, [TIMEOUT, "late", "A,B,C,D;1", "5"])
    driver.adapter.connection.clear.side_effect = UNSUPPORTED
    with pytest.raises(NoReply):
        driver.ask("X?")
    assert driver.ask("X?") == "5"


def test_a_device_clear_that_fails_is_tried_again() -> None:
    driver = driver_over(pyvisa.resources.USBInstrument, [TIMEOUT, "5"])
    driver.adapter.connection.clear.side_effect = [BROKEN, None]
    with pytest.raises(NoReply):
        driver.ask("X?")
    with pytest.raises(ConnectionLost):
        driver.ask("X?")
    assert driver.ask("X?") == "5"
