"""Who uses which channel of which instrument: every role of a station file against what its instruments have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labctl.configuration.digitizer_chain import boards_with_keys
from labctl.configuration.faults import Finding, Key, choices, guess, key_text, shown
from labctl.configuration.inspection import Inspection
from labctl.configuration.instrument_kinds import INSTRUMENT_KINDS, SERVO_MODULE, Role
from labctl.configuration.servos import AnalogServo, DitherServo, FastInputMean, SlowOutput, SoftwareServo

if TYPE_CHECKING:
    from labctl.configuration.station_file import Instrument, StationFile

_SOCKET_PORT = re.compile(r"TCPIP.*::(\d+)::SOCKET", re.IGNORECASE)
_HIGHEST_PORT = 65535
_FAST_INPUT = "fast input"
_CHANNEL = "channel"


@dataclass(frozen=True, slots=True)
class Use:
    """One channel of an instrument in one role: `resource` "slot", `number` 3; both are empty without a channel.

    `key` is where the file names the instrument, `channel_key` where it names the channel.
    """

    key: Key
    instrument: str
    role: Role
    channel_key: Key
    resource: str = ""
    number: int | str = ""

    @property
    def channel(self) -> str:
        """How a message calls the channel."""
        return f"{self.resource} {self.number} of {self.instrument}"


def uses(station: StationFile) -> tuple[Use, ...]:
    """Every use of an instrument, in the order of the station file's tables."""
    return (
        *_acquisition_uses(station),
        *_digital_uses(station),
        *_actuator_uses(station),
        *_vacuum_and_light_uses(station),
    )


def _acquisition_uses(station: StationFile) -> Iterator[Use]:
    if station.analyzer:
        yield Use(("analyzer", "instrument"), station.analyzer.instrument, Role.ANALYZER, ("analyzer",))
    if station.digitizer:
        for here, board in boards_with_keys(station.digitizer):
            at, role = (*here, "instrument"), Role.DIGITIZER
            yield Use(at, board.instrument, role, here)
            for name, number in board.inputs.items():
                yield Use(at, board.instrument, role, (*here, "inputs", name), _FAST_INPUT, number)
    if scan := station.scan:
        at, role = ("scan", "instrument"), Role.SCAN
        yield Use(at, scan.instrument, role, ("scan", "output"), "fast output", scan.output)
        yield Use(at, scan.instrument, role, ("scan", "error_input"), _FAST_INPUT, scan.error_input)
        yield Use(at, scan.instrument, role, ("scan", "transmission_input"), _FAST_INPUT, scan.transmission_input)
    for name, monitor in station.monitors.items():
        here = ("monitors", name)
        yield Use(
            (*here, "instrument"), monitor.instrument, Role.SLOW_INPUT, (*here, "input"), "slow input", monitor.input
        )


def _digital_uses(station: StationFile) -> Iterator[Use]:
    role = Role.DIGITAL_OUTPUT
    if switch := station.rf_switch:
        for index, pin in enumerate(switch.pins):
            yield Use(("rf_switch", "instrument"), switch.instrument, role, ("rf_switch", "pins", index), "pin", pin)
    for name, shutter in station.shutters.items():
        here = ("shutters", name)
        yield Use((*here, "instrument"), shutter.instrument, role, (*here, "pin"), "pin", shutter.pin)


def _actuator_uses(station: StationFile) -> Iterator[Use]:
    if oven := station.oven:
        yield Use(("oven", "instrument"), oven.instrument, Role.OVEN, ("oven", "channel"), _CHANNEL, oven.channel)
    for name, loop in station.loops.items():
        yield from _servo_uses(loop.servo, ("loops", name, "servo"))
        if loop.kind == "homodyne" and loop.error is not None:
            at, error = ("loops", name, "error"), loop.error
            yield Use((*at, "instrument"), error.instrument, Role.DIGITIZER, (*at, "input"), _FAST_INPUT, error.input)
        yield _piezo_use(("loops", name, "piezo"), loop.piezo.instrument, loop.piezo.channel)
    for name, resting in station.piezos.items():
        yield _piezo_use(("piezos", name), resting.instrument, resting.channel)
    for name, mirror in station.mirrors.items():
        here = ("mirrors", name)
        for direction, axis in (("pitch", mirror.pitch), ("yaw", mirror.yaw)):
            number = f"{axis} of controller {mirror.controller}"
            yield Use((*here, "instrument"), mirror.instrument, Role.PICOMOTOR, (*here, direction), "axis", number)


def _servo_uses(servo: AnalogServo | SoftwareServo | DitherServo, here: Key) -> Iterator[Use]:
    if isinstance(servo, AnalogServo):
        yield Use((*here, "instrument"), servo.instrument, Role.SERVO, (*here, "slot"), "slot", servo.slot)
        return
    if isinstance(servo, DitherServo):  # through the loop's piezo and witness
        return
    if isinstance(servo.input, FastInputMean):
        at, number = (*here, "input"), servo.input.input
        yield Use((*at, "instrument"), servo.input.instrument, Role.DIGITIZER, (*at, "input"), _FAST_INPUT, number)
    if isinstance(servo.output, SlowOutput):
        at, pin = (*here, "output"), servo.output.pin
        yield Use((*at, "instrument"), servo.output.instrument, Role.SLOW_OUTPUT, (*at, "pin"), "slow output", pin)


def _vacuum_and_light_uses(station: StationFile) -> Iterator[Use]:
    for name, gauge in station.gauges.items():
        here = ("gauges", name)
        yield Use((*here, "instrument"), gauge.instrument, Role.GAUGE, (*here, "channel"), _CHANNEL, gauge.channel)
    for name, rotator in station.rotators.items():
        here = ("rotators", name)
        at = (*here, "address")
        yield Use((*here, "instrument"), rotator.instrument, Role.ROTATOR, at, "address", rotator.address)
    if laser := station.laser:
        yield Use(("laser", "instrument"), laser.instrument, Role.TUNABLE_LASER, ("laser",))
    for name, tone in station.tones.items():
        here = ("tones", name)
        yield Use((*here, "instrument"), tone.instrument, Role.TONE_SOURCE, (*here, "output"), "output", tone.output)
    for name, meter in station.power_meters.items():
        at = ("power_meters", name, "instrument")
        yield Use(at, meter.instrument, Role.POWER_METER, at, "head", 1)


def _piezo_use(here: tuple[str, ...], instrument: str, channel: str) -> Use:
    return Use((*here, "instrument"), instrument, Role.PIEZO, (*here, "channel"), _CHANNEL, channel)


def wiring_findings(inspection: Inspection) -> Iterator[Finding]:
    """Unknown and unsuitable instruments, channels that are not there, and channels that two roles claim."""
    used = uses(inspection.station)
    yield from _instruments_themselves(inspection)
    yield from _one_address_each(inspection.station)
    yield from _instrument_for_every_use(inspection, used)
    yield from _one_use_for_every_channel(used)
    yield from _servo_slots(inspection)
    yield from _picomotor_controllers(inspection)
    yield from _rotator_addresses(inspection)
    yield from _fast_inputs(inspection.station, used)
    yield from _channels_that_are_there(inspection.station, used)
    yield from _switch_positions(inspection.station)


def _instruments_themselves(inspection: Inspection) -> Iterator[Finding]:
    for name, instrument in inspection.station.instruments.items():
        here = ("instruments", name)
        if instrument.slots and instrument.driver != "srs-sim900":
            yield Finding(
                (*here, "slots"), f"the driver {instrument.driver} has no slots", 'slots with driver = "srs-sim900"'
            )
        if "chain" in instrument.model_fields_set and instrument.driver != "newport-8742":
            yield Finding(
                (*here, "chain"), f"the driver {instrument.driver} has no chain", 'a chain with driver = "newport-8742"'
            )
        for address in {address for address in instrument.chain if instrument.chain.count(address) > 1}:
            yield Finding(
                (*here, "chain"), f"controller {address} is in the chain twice", "each controller address once"
            )
        if "addresses" in instrument.model_fields_set and instrument.driver != "thorlabs-ell14":
            yield Finding(
                (*here, "addresses"),
                f"the driver {instrument.driver} has no addresses",
                'addresses with driver = "thorlabs-ell14"',
            )
        for address in {address for address in instrument.addresses if instrument.addresses.count(address) > 1}:
            yield Finding((*here, "addresses"), f"address {address} is listed twice", "each address once")
        port = _SOCKET_PORT.fullmatch(instrument.address)
        if port and not 1 <= int(port[1]) <= _HIGHEST_PORT:
            yield Finding((*here, "address"), f"there is no port {port[1]}", f"a port from 1 to {_HIGHEST_PORT}")


def _one_address_each(station: StationFile) -> Iterator[Finding]:
    first: dict[str, str] = {}
    for name, instrument in station.instruments.items():
        other = first.setdefault(_same_address(instrument.address), name)
        if other != name:
            yield Finding(
                ("instruments", name, "address"),
                f"{instrument.address} is the address of {other} as well",
                "an address of its own for every instrument",
            )


def _same_address(address: str) -> str:
    """An address in a form that two spellings of it share: VISA ignores case and takes a missing board number as 0.

    The device of a serial port keeps its case, because files on Linux do.
    """
    interface, separator, rest = address.partition("::")
    if interface.upper().startswith("ASRL/"):
        return f"ASRL{interface[4:]}{separator}{rest.upper()}"
    interface = interface.upper()
    return f"{interface if interface[-1].isdigit() else interface + '0'}{separator}{rest.upper()}"


def _instrument_for_every_use(inspection: Inspection, used: tuple[Use, ...]) -> Iterator[Finding]:
    instruments = inspection.station.instruments
    for key, name, role in dict.fromkeys((use.key, use.instrument, use.role) for use in used):
        instrument = instruments.get(name)
        if instrument is None and not inspection.is_named("instruments", name):
            known = f"one of {', '.join(instruments)}" if instruments else "the name of an [instruments] table"
            yield Finding(key, f'no instrument is called "{name}"{guess(name, instruments)}', known)
        elif instrument is not None and role not in INSTRUMENT_KINDS[instrument.driver].roles:
            drivers = [driver for driver, kind in INSTRUMENT_KINDS.items() if role in kind.roles]
            yield Finding(
                key,
                f'"{name}" has the driver {instrument.driver}, which is no {role.value}',
                f"an instrument with the driver {choices(drivers)}",
            )


def _one_use_for_every_channel(used: tuple[Use, ...]) -> Iterator[Finding]:
    first: dict[tuple[str, str, int | str], Use] = {}
    for use in used:
        other = first.setdefault((use.instrument, use.resource, use.number), use)
        if use.resource and other is not use:
            yield Finding(
                use.channel_key,
                f"{use.channel} is used by {key_text(other.channel_key)} already",
                f"another {use.resource} that nothing else uses",
            )


def _servo_slots(inspection: Inspection) -> Iterator[Finding]:
    for name, loop in inspection.station.loops.items():
        if not isinstance(loop.servo, AnalogServo):
            continue
        mainframe, slot = _filling(inspection.station, loop.servo.instrument, Role.SERVO), loop.servo.slot
        slots = ("instruments", loop.servo.instrument, "slots")
        if mainframe is None or inspection.is_dropped(*slots) or inspection.is_dropped(*slots, str(slot)):
            continue
        module = mainframe.slots.get(slot)
        if module != SERVO_MODULE:
            servos = [str(number) for number, fitted in sorted(mainframe.slots.items()) if fitted == SERVO_MODULE]
            yield Finding(
                ("loops", name, "servo", "slot"),
                f"slot {slot} of {loop.servo.instrument} {f'holds a {module}' if module else 'is not fitted'}",
                f"a slot with a {SERVO_MODULE}: {choices(servos) or f'{key_text(slots)} names none'}",
            )


def _picomotor_controllers(inspection: Inspection) -> Iterator[Finding]:
    for name, mirror in inspection.station.mirrors.items():
        controllers = _filling(inspection.station, mirror.instrument, Role.PICOMOTOR)
        if controllers is None or inspection.is_dropped("instruments", mirror.instrument, "chain"):
            continue
        if mirror.controller not in controllers.chain:
            yield Finding(
                ("mirrors", name, "controller"),
                f"controller {mirror.controller} is not in the chain of {mirror.instrument}",
                choices(str(address) for address in controllers.chain),
            )


def _rotator_addresses(inspection: Inspection) -> Iterator[Finding]:
    for name, rotator in inspection.station.rotators.items():
        line = _filling(inspection.station, rotator.instrument, Role.ROTATOR)
        if line is None or inspection.is_dropped("instruments", rotator.instrument, "addresses"):
            continue
        if rotator.address not in line.addresses:
            yield Finding(
                ("rotators", name, "address"),
                f"address {rotator.address} is not among the addresses of {rotator.instrument}",
                choices(str(address) for address in line.addresses),
            )


def _channels_that_are_there(station: StationFile, used: tuple[Use, ...]) -> Iterator[Finding]:
    for use in used:
        instrument = _filling(station, use.instrument, use.role)
        if instrument is None or not use.resource:
            continue
        there = INSTRUMENT_KINDS[instrument.driver].channels
        if there and use.number not in there:
            yield Finding(
                use.channel_key,
                f"a {instrument.driver} has no {use.resource} {use.number}",
                choices(shown(channel) for channel in there),
            )


def _filling(station: StationFile, name: str, role: Role) -> Instrument | None:
    """The instrument if it can fill the role; that it is unknown or cannot is reported elsewhere."""
    instrument = station.instruments.get(name)
    return instrument if instrument and role in INSTRUMENT_KINDS[instrument.driver].roles else None


def _fast_inputs(station: StationFile, used: tuple[Use, ...]) -> Iterator[Finding]:
    for use in used:
        instrument = station.instruments.get(use.instrument)
        if instrument is None or use.resource != _FAST_INPUT:
            continue
        count = INSTRUMENT_KINDS[instrument.driver].fast_inputs
        if count and int(use.number) > count:
            yield Finding(use.channel_key, f"there is no {use.channel}", f"an input from 1 to {count}")


def _switch_positions(station: StationFile) -> Iterator[Finding]:
    switch = station.rf_switch
    if switch is None:
        return
    highest = 2 ** len(switch.pins) - 1
    first: dict[int, str] = {}
    for name, code in switch.positions.items():
        key = ("rf_switch", "positions", name)
        if code > highest:
            yield Finding(key, f"{len(switch.pins)} pins cannot show the code {code}", f"a code from 0 to {highest}")
        other = first.setdefault(code, name)
        if other != name:
            yield Finding(
                key, f"code {code} is the position of {other} as well", "a code of its own for every position"
            )
