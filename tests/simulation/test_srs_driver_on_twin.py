"""The SIM900 and SIM960 drivers over the simulated wire against their twin."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from servo_bench import Bench

import labctl.simulation.instruments.srs_module as srs_module
from drivers.errors import ConnectionLost, NoReply, Refused, WrongInstrument
from drivers.srs.sim900 import SIM900
from drivers.srs.sim960 import SIM960
from drivers.srs.sim960_status import RampState, ServoCondition, StandardEvent
from labctl.simulation.ports import ServoConditions


@pytest.fixture
def bench() -> Bench:
    return Bench(1, 3)


@pytest.fixture
def mainframe(bench: Bench) -> SIM900:
    driver = bench.driver()
    driver.initialise()
    return driver


def test_initialise(mainframe: SIM900) -> None:
    assert mainframe.slots_present == (1, 3)
    assert mainframe.read_identity().model == "SIM900"
    assert mainframe.module_identity(3).serial == "s/n011503"
    assert mainframe.ask_module(3, "TERM?") == "2"


def test_serial_line_and_its_override(bench: Bench) -> None:
    assert bench.driver().adapter.connection.baud_rate == 9600
    assert bench.driver(baud_rate=38400).adapter.connection.baud_rate == 38400
    assert bench.driver(asrl={"baud_rate": 19200}).adapter.connection.baud_rate == 19200


def test_initialise_leaves_the_servo_alone(bench: Bench) -> None:
    bench.driver().initialise()
    assert bench.servos[3].applied == []


def test_slot_without_a_module(bench: Bench) -> None:
    with pytest.raises(ConnectionLost, match="slot 2"):
        bench.driver(slots=(1, 2)).initialise()


SETTINGS = {
    "proportional_gain": -2.5,
    "integral_gain": 6300.0,
    "derivative_gain": 4e-6,
    "offset": -0.123,
    "proportional_on": False,
    "integral_on": True,
    "derivative_on": True,
    "offset_on": True,
    "closed": False,
    "internal_setpoint": True,
    "setpoint": 0.321,
    "ramp": True,
    "ramp_rate": 0.05,
    "manual_output": 3.456,
    "upper_limit": 4.5,
    "lower_limit": -4.5,
}


@pytest.mark.parametrize(("name", "value"), SETTINGS.items())
def test_every_setting_reads_back(mainframe: SIM900, name: str, value: float | bool) -> None:
    servo = mainframe.modules[3]
    assert getattr(servo, name) != value
    setattr(servo, name, value)
    assert getattr(servo, name) == value
    assert getattr(mainframe.modules[1], name) != value


def test_readings(bench: Bench, mainframe: SIM900) -> None:
    bench.servos[3].measured, bench.servos[3].loop_output = -0.25, 4.0
    servo = mainframe.modules[3]
    servo.proportional_gain = 2.0
    assert (servo.setpoint_monitor, servo.measured, servo.error_monitor, servo.output) == (0.0, -0.25, 0.5, 4.0)
    assert servo.ramp_state is RampState.IDLE


def test_conditions(bench: Bench, mainframe: SIM900) -> None:
    servo = mainframe.modules[3]
    assert servo.conditions_since_last_look() == ServoCondition.NONE
    bench.servos[3].happened = ServoConditions(overload=True)
    bench.servos[3].present = ServoConditions(upper_limit=True)
    assert servo.conditions_since_last_look() == ServoCondition.OVERLOAD | ServoCondition.UPPER_LIMIT
    # The output stays at its limit: the latch alone would now be silent.
    assert servo.latched_conditions == ServoCondition.NONE
    assert servo.conditions_since_last_look() == ServoCondition.UPPER_LIMIT


def test_open_loop_has_no_bump(bench: Bench, mainframe: SIM900) -> None:
    terminals, servo = bench.servos[3], mainframe.modules[3]
    terminals.loop_output = 2.34567
    bench.time.elapse(0.5)
    assert servo.open_loop() == 2.346
    assert not terminals.settings.closed
    assert abs(terminals.output_volts() - 2.34567) <= 0.5e-3
    assert all(settings.manual_output_v == 2.346 for settings in terminals.applied if not settings.closed)
    assert servo.open_loop() == 2.346
    servo.close_loop()
    assert terminals.settings.closed


def test_limits_move_past_each_other(bench: Bench, mainframe: SIM900) -> None:
    servo = mainframe.modules[3]
    for lower, upper in ((1.0, 2.0), (3.0, 4.0), (-4.0, -3.0), (-4.5, 4.5)):
        servo.limit_output(lower, upper)
        assert (bench.servos[3].settings.lower_limit_v, bench.servos[3].settings.upper_limit_v) == (lower, upper)


def test_conflict_of_limits_is_refused(mainframe: SIM900) -> None:
    servo = mainframe.modules[3]
    servo.lower_limit = 1.0
    with pytest.raises(Refused, match=r"slot 3.*limits conflict.*ULIM \+0\.50"):
        servo.upper_limit = 0.5
    assert servo.upper_limit == 10.0


def test_setpoint_during_a_ramp_is_refused(bench: Bench, mainframe: SIM900) -> None:
    servo = mainframe.modules[3]
    servo.internal_setpoint = True
    servo.ramp, servo.ramp_rate = True, 0.5
    servo.setpoint = 1.0
    with pytest.raises(Refused, match="a ramp is in progress"):
        servo.setpoint = 0.0
    assert servo.ramp_state is RampState.RAMPING
    bench.time.elapse(2.0)
    servo.setpoint = 0.0


def test_unknown_command_is_refused(mainframe: SIM900) -> None:
    servo = mainframe.modules[3]
    servo.write("HUHU 1")
    with pytest.raises(Refused, match="undefined command"):
        servo.check_set_errors()


def test_unknown_question_is_silence_and_nothing_else_suffers(mainframe: SIM900) -> None:
    servo = mainframe.modules[3]
    with pytest.raises(NoReply, match=r"slot 3 did not answer.*HUHU\?"):
        mainframe.ask_module(3, "HUHU?")
    servo.offset = 1.0  # the error of the question is not blamed on this setting
    assert servo.offset == 1.0


def test_power_failure_of_a_module_is_told(mainframe: SIM900) -> None:
    assert mainframe.modules[3].events_since_last_look() & StandardEvent.POWER_ON
    assert mainframe.modules[3].events_since_last_look() == StandardEvent.NONE


def test_late_reply_never_answers_another_question(mainframe: SIM900, monkeypatch: pytest.MonkeyPatch) -> None:
    servo = mainframe.modules[3]
    servo.offset, servo.manual_output = 1.0, 2.0
    with monkeypatch.context() as slow:
        slow.setattr(srs_module, "PROCESSING_S", 1.5)
        with pytest.raises(NoReply, match="slot 3"):
            _ = servo.offset
    assert servo.manual_output == 2.0
    assert servo.offset == 1.0


def test_other_modules_answer_while_one_is_silent(bench: Bench, mainframe: SIM900) -> None:
    bench.twin.modules[1].device_clear(seconds=60.0)
    for _ in range(2):
        with pytest.raises(NoReply, match="slot 1"):
            _ = mainframe.modules[1].offset
        assert mainframe.modules[3].offset == 0.0
    with pytest.raises(NoReply):
        mainframe.ask_modules("OFST?")
    assert mainframe.modules[3].closed is True
    bench.time.elapse(60.0)
    assert mainframe.ask_modules("OFST?") == {1: "+0.000", 3: "+0.000"}


def test_reply_lost_on_the_hosts_wire(bench: Bench, mainframe: SIM900, monkeypatch: pytest.MonkeyPatch) -> None:
    servo = mainframe.modules[3]
    servo.offset = 1.0
    with monkeypatch.context() as deaf:
        deaf.setattr(bench.twin, "on_bytes", lambda data: None)
        with pytest.raises(NoReply, match="did not answer in time"):
            _ = servo.offset
    assert servo.closed is True
    assert servo.offset == 1.0


def test_interrupted_exchange(mainframe: SIM900, monkeypatch: pytest.MonkeyPatch) -> None:
    servo = mainframe.modules[3]

    def stop(count: int) -> bytes:
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted:
        interrupted.setattr(mainframe, "read_bytes", stop)
        with pytest.raises(KeyboardInterrupt):
            _ = servo.offset
    assert servo.closed is True
    assert servo.offset == 0.0


# ---- recovery from what another program left behind


@pytest.mark.parametrize(
    "left",
    [
        'CONN 3,"xyx"\n',
        "CONN 3,'xyz'\n",
        'CONN 3,"xyx"\nOMON? 0\n',
        'CONN 3,"xyx"\nGAIN 1',
        'CONN 1,"xyz"\nCONS ON;TOKN ON\n',
        'SNDT 3,"OMON? 0"\n',
        'SNDT 3,"CONS ON;TOKN ON;TERM NONE"\nSNDT 3,"GAIN?"\n',
        'SEND 3,"GAI"\n',
        'SNDT 3,"OFST?"\n*IDN?\nSNDT 3,"GA',
        "TERM D,LF\n*ID",
    ],
)
def test_recovery(bench: Bench, left: str) -> None:
    bench.say(left, wait=3.7)
    mainframe = bench.driver()
    mainframe.initialise()
    assert mainframe.read_identity().model == "SIM900"
    for servo in mainframe.modules.values():
        assert servo.proportional_gain == 1.0
        assert servo.closed is True
    assert bench.servos[3].applied == []


def test_identity_is_right_before_initialise(bench: Bench) -> None:
    bench.say('CONN 3,"xyx"\nOMON? 0\n', wait=3.7)
    assert bench.driver().read_identity().model == "SIM900"


def test_unknown_escape_string_is_told(bench: Bench) -> None:
    bench.say('CONN 3,"sesame"\n')
    with pytest.raises(WrongInstrument, match=r"left it connected.*SIM960.*escape string"):
        bench.driver().initialise()
    bench.driver(escapes=("sesame",)).initialise()


# ---- speed and threads


def wire_time(bench: Bench, work: Callable[[], object]) -> float:
    started = bench.time.now()
    work()
    return bench.time.now() - started


def test_wire_time_is_as_documented() -> None:
    bench = Bench(*range(1, 7))
    mainframe = bench.driver()
    mainframe.initialise()
    servo = mainframe.modules[3]
    assert 0.050 < wire_time(bench, lambda: servo.latched_conditions) < 0.070
    assert 0.050 < wire_time(bench, lambda: servo.output) < 0.070
    assert 0.070 < wire_time(bench, lambda: setattr(servo, "proportional_gain", 1.5)) < 0.085
    one_by_one = wire_time(bench, lambda: [module.latched_conditions for module in mainframe.modules.values()])
    together = wire_time(bench, lambda: mainframe.ask_modules("INSR?"))
    assert 0.72 * one_by_one < together < 0.78 * one_by_one


def test_two_threads_never_swap_replies(bench: Bench, mainframe: SIM900) -> None:
    queries = 500
    wrong: list[tuple[int, object]] = []

    def interrogate(slot: int, servo: SIM960) -> None:
        expected = {"offset": float(slot), "manual_output": -float(slot), "closed": slot == 1}
        names = list(expected)
        for number in range(queries):
            name = names[number % len(names)]
            if (found := getattr(servo, name)) != expected[name]:
                wrong.append((slot, found))

    for slot, servo in mainframe.modules.items():
        servo.offset, servo.manual_output, servo.closed = float(slot), -float(slot), slot == 1
    threads = [threading.Thread(target=interrogate, args=item) for item in mainframe.modules.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []


def test_setting_and_its_check_are_one_transaction(bench: Bench, mainframe: SIM900) -> None:
    refused: list[int] = []
    sound: list[int] = []

    def provoke(servo: SIM960) -> None:
        for number in range(60):
            try:
                servo.lower_limit = 9.0
            except Refused:
                refused.append(number)

    def set_soundly(servo: SIM960) -> None:
        for number in range(60):
            servo.offset = number / 1000
            sound.append(number)

    servo = mainframe.modules[3]
    servo.upper_limit = 1.0
    threads = [threading.Thread(target=work, args=(servo,)) for work in (provoke, set_soundly)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(refused) == 60
    assert len(sound) == 60
