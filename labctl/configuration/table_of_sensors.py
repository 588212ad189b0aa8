"""The shipped station file for another number of sensors: what four sensors have four times is made anew, with enough
instruments for it, and all else stays as it is.

The file is taken apart at its empty lines. The first paragraph of each kind, such as `[loops.lo1]`, is the mould of
all; for four sensors the shipped file comes out again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

from labctl.configuration.table_layout import SLOW_INPUTS, Layout, resonances_hz
from labctl.errors import ConfigurationError

Paragraph = str

_HEADER = re.compile(r"^\[+([a-z_]+)(?:\.([a-z_]+)\d*)?\]+", re.MULTILINE)
_COMMENT_COLUMN = 34
_MOST_INLINE_POSITIONS = 9
_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def table_of_sensors(shipped: str, sensors: int) -> str:
    """Return the text of a station file for `sensors` sensors, 1 to 64, made from that of the `shipped` one.

    Raises `ConfigurationError` for another number.
    """
    layout = Layout.of(sensors)
    families = _families(layout)
    written: set[str] = set()
    paragraphs: list[Paragraph] = []
    for paragraph in shipped.rstrip("\n").split("\n\n"):
        kind = _kind(paragraph)
        if kind not in families:
            paragraphs.append(_with_last_loop(paragraph, sensors))
        elif kind not in written:
            written.add(kind)
            paragraphs += families[kind](paragraph)
    if missing := families.keys() - written:
        raise ConfigurationError(
            f"The station file that labctl comes with has no {', '.join(sorted(missing))}.",
            remedy="Install labctl again.",
        )
    first, *others = paragraphs
    title = re.sub(r"A table of \w+ sensors?", f"A table of {_number(sensors, 'sensor')}", first)
    return "\n\n".join([title, *others]) + "\n"


def _kind(paragraph: Paragraph) -> str:
    """Return what a paragraph is one of: "loops.lo" for [loops.lo1], "sensors" for [[sensors]]."""
    header = _HEADER.search(paragraph)
    if header is None:
        return ""
    table, name = header[1], header[2]
    return table if name is None else f"{table}.{name.removesuffix('_a') if table == 'instruments' else name}"


def _families(layout: Layout) -> dict[str, Callable[[Paragraph], list[Paragraph]]]:
    made = {
        "station": _station,
        "instruments.picomotors": _picomotors,
        "instruments.servos": _mainframes,
        "instruments.piezo": _amplifiers,
        "instruments.piezo_b": _nothing,
        "instruments.piezo_c": _nothing,
        "instruments.piezo_d": _nothing,
        "instruments.digitizer": _boards,
        "instruments.monitors": _monitor_boards,
        "instruments.rotators": _rotator_lines,
        "digitizer": _digitizer,
        "rf_switch": _rf_switch,
        "monitors.lo": _fringe_monitors,
        "monitors.opa_transmission": _source_monitor,
        "monitors.seed_power": _source_monitor,
        "monitors.cavity": _cavity_monitors,
        "loops.opa_length": _source_loop,
        "loops.pump_phase": _source_loop,
        "loops.cavity": _cavities,
        "loops.lo": _homodyne_loops,
        "mirrors.sensor": _mirrors,
        "rotators.network": _network_plates,
        "rotators.pump_power": _power_plate,
        "rotators.local_oscillator_power": _power_plate,
        "rotators.extraction": _extraction_plates,
        "sensors": _sensors,
    }
    return {kind: partial(_made, make, layout) for kind, make in made.items()}


def _made(
    make: Callable[[Paragraph, Layout], Iterator[Paragraph]], layout: Layout, mould: Paragraph
) -> list[Paragraph]:
    return list(make(mould, layout))


# ---- instruments ----------------------------------------------------------------------------------------------------


def _nothing(mould: Paragraph, layout: Layout) -> Iterator[Paragraph]:
    """A paragraph that the one before it made already."""
    yield from ()


def _station(mould: Paragraph, layout: Layout) -> Iterator[Paragraph]:
    yield _set(mould, "sensors", layout.sensors)


def _picomotors(mould: Paragraph, layout: Layout) -> Iterator[Paragraph]:
    for index, name in enumerate(layout.picomotors):
        controllers = layout.controllers(index)
        mirrors = layout.mirrors_of(index)
        chain = "one controller" if controllers == 1 else f"{_word(controllers)} controllers in an RS-485 chain"
        comment = f"{chain}: {_word(2 * mirrors)} axes, pitch and yaw of {_number(mirrors, 'mirror')}"
        text = _headed(mould, f"[instruments.{name}]", comment)
        text = _set(text, "address", _quoted(f"TCPIP::{layout.picomotor_address(index)}::23::SOCKET"))
        yield _set(text, "chain", f"[{', '.join(map(str, range(1, controllers + 1)))}]")


def _mainframes(mould: Paragraph, layout: Layout) -> Iterator[Paragraph]:
    for index, name in enumerate(layout.mainframes):
        servos = layout.servos(index)
        comment = f"SIM900 mainframe with {_number(servos, 'SIM960 controller')}"
        text = _headed(mould, f"[instruments.{name}]", comment)
        text = _set(text, "address", _quoted(f"ASRL/dev/ttyUSB{layout.serial_port(index)}::INSTR"))
        slots = ", ".join(f'{slot} = "SIM960"' for slot in range(1, servos + 1))
        yield _set(text, "slots", f"{{ {slots} }}")


def _amplifiers(mould: Paragraph, layout: Layout) -> Iterator[Paragraph]:
    for index, name in enumerate(layout.amplifiers):
        text = _headed(mould, f"[instruments.{name}]")
        yield _set(text, "address", _quoted(f"ASRL/dev/ttyACM{index}::INSTR"))


def _boards(mould: Paragraph, layout: Layout) -> Iterator[Paragraph]:
    for index, name in enumerate(layout.boards):
        text = _headed(mould, f"[instruments.{name}]", f"STEMlab 125-14 4-Input: {_what_a_board_sees(layout, index)}")
        yield _set(text, "address", _quoted(f"TCPIP::{layout.board_address(index)}::5000::SOCKET"))


def _what_a_board_sees(layout: Layout, index: int) -> str:
    numbers = layout.detectors_of(index)
    source = ", and slow monitors of the source" if index == 0 else ""
    if len(layout.boards) > 1:
        several = f"s {numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else f" {numbers[0]}"
        return f"homodyne detector{several}{source}"
    return f"the {_word(len(numbers))} homodyne detectors{source}" if len(numbers) > 1 else f"the detector{source}"


def _monitor_boards(mould: Paragraph, layout: Layout) -> Iterator[Paragraph]:
    for index, name in enumerate(layout.monitor_boards):
        numbers = layout.detectors_of(index)
        what = _of_cavities(len(numbers))
        if len(layout.monitor_boards) > 1:
            what = f"sensors {numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else f"sensor {numbers[0]}"
            what = f"the cavit{_ies(len(numbers))} of {what}"
        records = f"records of the DC fringe{_s(len(numbers))}"
        text = _headed(mould, f"[instruments.{name}]", f"STEMlab 125-14 4-Input: {what}, and {records}")
        yield _set(text, "address", _quoted(f"TCPIP::{layout.monitor_board_address(index)}::5000::SOCKET"))


def _rotator_lines(mould: Paragraph, layout: Layout) -> Iterator[Paragraph]:
    for index, name in enumerate(layout.rotator_lines):
        addresses = [address for line, address in layout.wave_plates.values() if line == name]
        text = _headed(mould, f"[instruments.{name}]", f"ELL14 line: {_number(len(addresses), 'wave plate')}")
        text = _set(text, "address", _quoted(f"ASRL/dev/ttyUSB{layout.rotators_port(index)}::INSTR"))
        yield _set(text, "addresses", f"[{', '.join(map(str, addresses))}]")


# ---- roles ----------------------------------------------------------------------------------------------------------


def _digitizer(mould: Paragraph, layout: Layout) -> Iterator[Paragraph]:
    first, *others = layout.boards
    text = _set(_set(mould, "instrument", _quoted(first)), "inputs", _inputs(layout, 0))
    if others:
        lines = [
            "# More boards, in the order of the cables that bring them clock and trigger of the first. Boards count",
            "# samples from when they are armed: with a decimation above 1, see with a tone that theirs come together.",
            "chain = [",
            *(
                f"    {{ instrument = {_quoted(name)}, inputs = {_inputs(layout, index)} }},"
                for index, name in enumerate(others, start=1)
            ),
            "]",
        ]
        text = "\n".join([text, *lines])
    yield text


def _inputs(layout: Layout, board: int) -> str:
    wired = ", ".join(f"bhd{number} = {place}" for place, number in enumerate(layout.detectors_of(board), start=1))
    return f"{{ {wired} }}"


def _rf_switch(mould: Paragraph, layout: Layout) -> Iterator[Paragraph]:
    text = re.sub(r"^pins = \[[^\]]*\]", f"pins = [{', '.join(map(_quoted, layout.switch_pins))}]", mould, flags=re.M)
    codes = [*(f"bhd{number} = {number - 1}" for number in layout.numbers), f"sum = {layout.sensors}"]
    if len(codes) <= _MOST_INLINE_POSITIONS:
        yield _set(text, "positions", f"{{ {', '.join(codes)} }}")
        return
    yield "\n".join(line for line in text.splitlines() if not line.startswith("positions"))
    yield "\n".join(["[rf_switch.positions]", *codes])


def _fringe_monitors(mould: Paragraph, layout: Layout) -> Iterator[Paragraph]:
    for number, (board, pin) in zip(layout.numbers, layout.fringe_inputs, strict=True):
        text = _numbered(mould, number)
        yield _set(_set(text, "instrument", _quoted(board)), "input", _quoted(pin))


def _cavity_monitors(mould: Paragraph, layout: Layout) -> Iterator[Paragraph]:
    for number in layout.numbers:
        board, place = layout.monitor_input(number)
        text = _numbered(mould if number == 1 else _uncommented(mould), number)
        yield _set(_set(text, "instrument", _quoted(board)), "input", _quoted(SLOW_INPUTS[place - 1]))


def _source_monitor(mould: Paragraph, layout: Layout) -> Iterator[Paragraph]:
    yield _set(mould, "instrument", _quoted(layout.boards[0]))


def _source_loop(mould: Paragraph, layout: Layout) -> Iterator[Paragraph]:
    yield _set(mould, "instrument", _quoted(layout.mainframes[0]), within="servo")


def _homodyne_loops(mould: Paragraph, layout: Layout) -> Iterator[Paragraph]:
    for number in layout.numbers:
        mainframe, slot = layout.servo_of_sensor(number)
        amplifier, channel = layout.loop_piezo_of_sensor(number)
        text = _set(_numbered(mould, number), "sensor", number)
        text = _set(_set(text, "instrument", _quoted(mainframe), within="servo"), "slot", slot, within="servo")
        text = _set(text, "instrument", _quoted(amplifier), within="piezo")
        text = _set(text, "channel", _quoted(channel), within="piezo")
        text = _set(text, "needs", f'["pump_phase", "cavity{number}"]')
        board, place = layout.monitor_input(number)
        text = _set(_set(text, "instrument", _quoted(board), within="error"), "input", place, within="error")
        yield _set(text if number == 1 else _uncommented(text), "witness", _quoted(f"lo{number}"))


def _cavities(mould: Paragraph, layout: Layout) -> Iterator[Paragraph]:
    lengths = f"The length{_s(layout.sensors)} of {_of_cavities(layout.sensors)}: labctl holds"
    lengths += " it" if layout.sensors == 1 else " each"
    mould = re.sub(r"The lengths of the \w+ sensor cavities: labctl holds each", lengths, mould)
    for number in layout.numbers:
        amplifier, channel = layout.cavity_piezo(number)
        text = _set(_numbered(mould, number), "sensor", number)
        text = _set(text, "instrument", _quoted(amplifier), within="piezo")
        text = _set(text, "channel", _quoted(channel), within="piezo")
        yield _set(text, "witness", _quoted(f"cavity{number}"))


def _mirrors(mould: Paragraph, layout: Layout) -> Iterator[Paragraph]:
    for number in layout.numbers:
        chain, controller, pitch = layout.mirror(number)
        text = _set(_numbered(mould, number), "instrument", _quoted(chain))
        yield _set(_set(_set(text, "controller", controller), "pitch", pitch), "yaw", pitch + 1)


def _network_plates(mould: Paragraph, layout: Layout) -> Iterator[Paragraph]:
    for stage in range(1, layout.sensors):
        yield _mounted(_numbered(mould, stage), layout, f"network{stage}")


def _power_plate(mould: Paragraph, layout: Layout) -> Iterator[Paragraph]:
    yield _mounted(mould, layout, re.findall(r"^\[rotators\.(\w+)\]", mould, re.MULTILINE)[0])


def _extraction_plates(mould: Paragraph, layout: Layout) -> Iterator[Paragraph]:
    for number in layout.numbers:
        yield _mounted(_numbered(mould, number), layout, f"extraction{number}")


def _mounted(text: Paragraph, layout: Layout, plate: str) -> Paragraph:
    line, address = layout.wave_plates[plate]
    return _set(_set(text, "instrument", _quoted(line)), "address", address)


def _sensors(mould: Paragraph, layout: Layout) -> Iterator[Paragraph]:
    for number, resonance_hz in zip(layout.numbers, resonances_hz(layout.sensors), strict=True):
        text = mould if number == 1 else _uncommented(mould)
        yield _set(text, "resonance", _quoted(f"{resonance_hz / 1e6:.3f} MHz"))


# ---- text -----------------------------------------------------------------------------------------------------------


def _headed(mould: Paragraph, header: str, comment: str = "") -> Paragraph:
    """Return the paragraph with another header; what stood before the header stays with the first of its kind."""
    line = f"{header:<{_COMMENT_COLUMN - 1}} # {comment}" if comment else header
    return re.sub(r"^\[.*$", lambda _: line, mould, count=1, flags=re.MULTILINE)


def _numbered(mould: Paragraph, number: int) -> Paragraph:
    """Return the paragraph of [table.name1] for sensor `number`; comments before the header stay with the first."""
    text = mould if number == 1 else mould[mould.index("[") :]
    return re.sub(r"^(\[[a-z_.]+)\d+\]", rf"\g<1>{number}]", text, count=1, flags=re.MULTILINE)


def _uncommented(text: Paragraph) -> Paragraph:
    """Return the paragraph without the comments behind its lines: they are said once."""
    return re.sub(r" +# .*", "", text)


def _set(text: Paragraph, key: str, value: object, within: str = "") -> Paragraph:
    """Return the paragraph with another value of `key`, in the inline table `within` if that is named; a comment stays
    in its column."""
    before = rf"{within} = \{{.*?\b" if within else ""
    pattern = re.compile(rf'^({before}{key} = )(\{{[^}}]*\}}|\[[^\]]*\]|"[^"]*"|[\w.]+)( *)(?=(.?))', re.MULTILINE)
    match = pattern.search(text)
    if match is None:
        raise ConfigurationError(
            f"The station file that labctl comes with has no {key} where it is expected.",
            remedy="Install labctl again.",
        )
    replaced = f"{match[1]}{value}"
    spaces = match[3] if match[4] != "#" else " " * max(1, _COMMENT_COLUMN - len(replaced))
    return f"{text[: match.start()]}{replaced}{spaces}{text[match.end() :]}"


def _with_last_loop(paragraph: Paragraph, sensors: int) -> Paragraph:
    """Return a comment whose example is the last sensor's loop."""
    return re.sub(r"\blo\d+\b", f"lo{sensors}", paragraph) if paragraph.startswith("# ") else paragraph


def _of_cavities(count: int) -> str:
    return "the sensor cavity" if count == 1 else f"the {_word(count)} sensor cavities"


def _ies(count: int) -> str:
    return "y" if count == 1 else "ies"


def _number(count: int, what: str) -> str:
    return f"{_word(count)} {what}{_s(count)}"


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _word(count: int) -> str:
    return _WORDS[count] if count < len(_WORDS) else str(count)


def _quoted(text: str) -> str:
    return f'"{text}"'
