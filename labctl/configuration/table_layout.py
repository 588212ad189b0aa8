"""Which instruments a table of M sensors needs, and which channel of which does what."""

from __future__ import annotations

from dataclasses import dataclass

from labctl.errors import ConfigurationError

MOST_SENSORS = 64

SLOTS_PER_MAINFRAME = 8
CHANNELS = ("x", "y", "z")  # of a piezo amplifier
MIRRORS_PER_CONTROLLER = 2
CONTROLLERS_PER_CHAIN = 31
DETECTORS_PER_BOARD = 4
ROTATORS_PER_LINE = 16
SLOW_INPUTS = ("AIN0", "AIN1", "AIN2", "AIN3")
SOURCE_LOOPS = 2  # length and pump phase: the first servos and piezo channels
SOURCE_MONITORS = 2  # the first slow inputs of the first digitizer board
SHUTTER_PINS = 3  # the first pins of the board with shutters and RF switch
PINS = tuple(f"DIO{number}_{side}" for side in "PN" for number in range(8))

_NETWORK = "192.168.10"
_PICOMOTORS_HOST, _DIGITIZER_HOST, _MONITORS_HOST = 12, 13, 15  # the analyzer has 11, the scan board 14
_FIRST_FREE_HOST = 21  # generators have 16 and 17, the laser 18, power meters 19 and 20
_MAINFRAME_PORT, _ROTATORS_PORT, _FIRST_FREE_PORT = 0, 2, 4  # the oven has 1, the gauge 3

INNERMOST_HZ = (4.301e6, 4.338e6, 4.276e6, 4.365e6)
"""Of the four sensors, from the middle outwards; between the first two a span without any resonance is measured."""
WIDEST_STEP_HZ, NARROWEST_STEP_HZ = 26e3, 10e3
BAND_HZ = 620e3
"""What the resonances of many sensors spread over, as far as their distance allows."""
_STAGGER_HZ = 1e3  # so that no two pairs have the same distance
_GOLDEN = 0.6180339887


@dataclass(frozen=True)
class Layout:
    """The instruments of a table of `sensors` sensors by name, in order. Sensors are counted from 1, instruments of one
    kind from 0."""

    sensors: int
    mainframes: tuple[str, ...]
    amplifiers: tuple[str, ...]
    picomotors: tuple[str, ...]
    boards: tuple[str, ...]
    monitor_boards: tuple[str, ...]
    rotator_lines: tuple[str, ...]

    @classmethod
    def of(cls, sensors: int) -> Layout:
        """Return the layout with just enough instruments. Raises `ConfigurationError` outside 1 to 64 sensors."""
        if not 1 <= sensors <= MOST_SENSORS:
            raise ConfigurationError(
                f"A table cannot have {sensors} sensors.", remedy=f"It can have 1 to {MOST_SENSORS}."
            )
        loops = SOURCE_LOOPS + sensors
        amplifiers = _how_many(loops, len(CHANNELS)) + _how_many(sensors, len(CHANNELS))
        return cls(
            sensors=sensors,
            mainframes=_names("servos", _how_many(loops, SLOTS_PER_MAINFRAME)),
            amplifiers=tuple(f"piezo_{_letters(index)}" for index in range(amplifiers)),
            picomotors=_names("picomotors", _how_many(sensors, MIRRORS_PER_CONTROLLER * CONTROLLERS_PER_CHAIN)),
            boards=_names("digitizer", _how_many(sensors, DETECTORS_PER_BOARD)),
            monitor_boards=_names("monitors", _how_many(sensors, DETECTORS_PER_BOARD)),
            rotator_lines=_names("rotators", _how_many(len(_wave_plates(sensors)), ROTATORS_PER_LINE)),
        )

    @property
    def numbers(self) -> range:
        """The numbers of the sensors."""
        return range(1, self.sensors + 1)

    # ---- servos and piezos -----------------------------------------------------------------------------------------

    def servos(self, mainframe: int) -> int:
        """Return how many servos a mainframe holds."""
        return min(SLOTS_PER_MAINFRAME, SOURCE_LOOPS + self.sensors - SLOTS_PER_MAINFRAME * mainframe)

    def serial_port(self, mainframe: int) -> int:
        """Return the number of its serial port."""
        return _MAINFRAME_PORT if mainframe == 0 else _FIRST_FREE_PORT + mainframe - 1

    def servo_of_sensor(self, number: int) -> tuple[str, int]:
        """Return mainframe and slot of the servo of its local oscillator."""
        mainframe, slot = divmod(SOURCE_LOOPS + number - 1, SLOTS_PER_MAINFRAME)
        return self.mainframes[mainframe], slot + 1

    def loop_piezo_of_sensor(self, number: int) -> tuple[str, str]:
        """Return amplifier and channel of the piezo of its local oscillator."""
        amplifier, channel = divmod(SOURCE_LOOPS + number - 1, len(CHANNELS))
        return self.amplifiers[amplifier], CHANNELS[channel]

    def cavity_piezo(self, number: int) -> tuple[str, str]:
        """Return amplifier and channel of the piezo of its cavity."""
        amplifier, channel = divmod(number - 1, len(CHANNELS))
        return self.amplifiers[_how_many(SOURCE_LOOPS + self.sensors, len(CHANNELS)) + amplifier], CHANNELS[channel]

    # ---- mirrors ---------------------------------------------------------------------------------------------------

    def mirrors_of(self, chain: int) -> int:
        """Return how many mirrors the controllers of one chain move."""
        most = MIRRORS_PER_CONTROLLER * CONTROLLERS_PER_CHAIN
        return min(most, self.sensors - most * chain)

    def controllers(self, chain: int) -> int:
        """Return how many controllers one chain has."""
        return _how_many(self.mirrors_of(chain), MIRRORS_PER_CONTROLLER)

    def picomotor_address(self, chain: int) -> str:
        """Return the IP address of the first controller of a chain."""
        taken = len(self.boards) - 1 + len(self.monitor_boards) - 1
        return f"{_NETWORK}.{_PICOMOTORS_HOST if chain == 0 else _FIRST_FREE_HOST + taken + chain - 1}"

    def mirror(self, number: int) -> tuple[str, int, int]:
        """Return chain, controller and first axis of the mirror of a sensor."""
        chain, place = divmod(number - 1, MIRRORS_PER_CONTROLLER * CONTROLLERS_PER_CHAIN)
        controller, pair = divmod(place, MIRRORS_PER_CONTROLLER)
        return self.picomotors[chain], controller + 1, 2 * pair + 1

    # ---- wave plates -----------------------------------------------------------------------------------------------

    @property
    def wave_plates(self) -> dict[str, tuple[str, int]]:
        """Line and address of the mount of each wave plate, by what it does."""
        return {
            plate: (self.rotator_lines[place // ROTATORS_PER_LINE], place % ROTATORS_PER_LINE)
            for place, plate in enumerate(_wave_plates(self.sensors))
        }

    def rotators_port(self, line: int) -> int:
        """Return the number of the serial port of a line of rotation mounts."""
        return _ROTATORS_PORT if line == 0 else _FIRST_FREE_PORT + len(self.mainframes) - 1 + line - 1

    # ---- detectors -------------------------------------------------------------------------------------------------

    def detectors_of(self, board: int) -> range:
        """Return the numbers of the detectors at one board."""
        first = DETECTORS_PER_BOARD * board + 1
        return range(first, min(first + DETECTORS_PER_BOARD, self.sensors + 1))

    def board_address(self, board: int) -> str:
        """Return the IP address of a board."""
        return f"{_NETWORK}.{_DIGITIZER_HOST if board == 0 else _FIRST_FREE_HOST + board - 1}"

    def monitor_board_address(self, board: int) -> str:
        """Return the IP address of a board of slow monitors and error signals."""
        first = _FIRST_FREE_HOST + len(self.boards) - 1
        return f"{_NETWORK}.{_MONITORS_HOST if board == 0 else first + board - 1}"

    def monitor_input(self, number: int) -> tuple[str, int]:
        """Return board and number of the inputs of a sensor, from 1: its fringe on the fast one, the transmission of
        its cavity on the slow one of one less."""
        board, place = divmod(number - 1, DETECTORS_PER_BOARD)
        return self.monitor_boards[board], place + 1

    @property
    def fringe_inputs(self) -> tuple[tuple[str, str], ...]:
        """Board and slow input of the fringe of each sensor: those of the scan board, then what the source leaves."""
        free = [("scan", pin) for pin in SLOW_INPUTS]
        free += [(self.boards[0], pin) for pin in SLOW_INPUTS[SOURCE_MONITORS:]]
        free += [(board, pin) for board in self.boards[1:] for pin in SLOW_INPUTS]
        return tuple(free[: self.sensors])

    @property
    def switch_pins(self) -> tuple[str, ...]:
        """The pins that the code of the RF switch needs for one position a detector and one for the sum."""
        return PINS[SHUTTER_PINS : SHUTTER_PINS + self.sensors.bit_length()]


def resonances_hz(sensors: int) -> list[float]:
    """Return where the resonances of so many sensors are looked for, in Hz, rising; whole kHz.

    From the middle outwards, alternately below and above, and the closer the more there are.
    """
    inner = list(INNERMOST_HZ[:sensors])
    step = max(NARROWEST_STEP_HZ, min(WIDEST_STEP_HZ, BAND_HZ / sensors))
    for place in range(len(INNERMOST_HZ), sensors):
        turn, above = divmod(place - len(INNERMOST_HZ), 2)
        stagger = _STAGGER_HZ * (2.0 * (place * _GOLDEN % 1.0) - 1.0)
        away = (turn + 1) * step + stagger
        found = INNERMOST_HZ[3] + away if above else INNERMOST_HZ[2] - away
        inner.append(round(found, -3))
    return sorted(inner)


def _wave_plates(sensors: int) -> list[str]:
    """Return the names of the wave plates of a table, in the order of their addresses."""
    network = [f"network{stage}" for stage in range(1, sensors)]
    return [*network, "pump_power", "local_oscillator_power", *(f"extraction{n}" for n in range(1, sensors + 1))]


def _how_many(things: int, each: int) -> int:
    return -(-things // each)


def _names(name: str, count: int) -> tuple[str, ...]:
    """Return the plain name for one instrument, servos_a, servos_b, ... for more."""
    return (name,) if count == 1 else tuple(f"{name}_{_letters(index)}" for index in range(count))


def _letters(index: int) -> str:
    """Return a to z, then aa, ab, ..."""
    before, last = divmod(index, 26)
    return (_letters(before - 1) if before else "") + chr(ord("a") + last)
