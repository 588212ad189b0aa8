"""Santec TSL-570 tunable laser: the driver of pymeasure, with its defects mended.

Mended: `%g` sends six digits, which at 1550 nm is a step of 10 pm (the laser has 0.1 pm); power and wavelength take any
number; switching the output and the unit is not checked for errors; a power has the unit of the front panel.

Sources: pymeasure 0.16 `santec.tsl570`; the driver of QMI for carriage returns on the network, the error queue,
the range of powers and `*OPC?`, which answers 0 or 1 at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymeasure.instruments.santec import TSL570
from pymeasure.instruments.validators import strict_range

from drivers.base import Driver
from drivers.errors import Refused
from drivers.moves import Move
from drivers.pymeasure_backed import Withdrawn, corrected
from drivers.santec.tsl570_moves import moves_of
from drivers.scpi import ScpiDriver
from drivers.scpi_properties import on_or_off

WAVELENGTH_RANGE_M = [1.24e-6, 1.68e-6]  # of the whole family; each unit has a part of it
WAVELENGTH_STEP_M = 1e-13
POWER_RANGE_W = [3e-5, 0.02]

_MILLI = 1e-3
_SWEEPS = Withdrawn("sweeps are set without range and error check; tune from point to point")


def _to_milliwatts(watts: float) -> float:
    return watts / _MILLI


def _from_milliwatts(milliwatts: float) -> float:
    return milliwatts * _MILLI


class SantecTSL570(ScpiDriver, TSL570):  # type: ignore[misc]
    """A TSL-570 at `TCPIP::host::5000::SOCKET`, in SI units: call `initialise` first, it pins the units.

    Powers are in W as long as `power_unit` is "mW". Tuning and switching on take seconds: ask `tuning_done`.
    """

    moving_settings = frozenset({"output_enabled", "power_setpoint", "wavelength_setpoint"})

    def __init__(self, adapter: Any, name: str = "Santec TSL-570", **kwargs: Any) -> None:
        kwargs.setdefault("read_termination", "\r")
        kwargs.setdefault("write_termination", "\r")
        super().__init__(adapter, name, **kwargs)

    output_enabled = corrected(TSL570.output_enabled, "Control whether light comes out (bool).", check_set_errors=True)
    power_unit = corrected(
        TSL570.power_unit,
        "Control the unit of powers on the wire (str: dBm, sent as 0, or mW, sent as 1).",
        check_set_errors=True,
    )
    power_setpoint = corrected(
        TSL570.power_setpoint,
        "Control the output power in W, with `power_unit` mW (float strictly from 3e-5 to 0.02).",
        set_command=":POWer %.12g",
        validator=strict_range,
        values=POWER_RANGE_W,
        set_process=_to_milliwatts,
        get_process=_from_milliwatts,
    )
    power = corrected(
        TSL570.power, "Measure the output power in W, with `power_unit` mW.", get_process=_from_milliwatts
    )
    wavelength_setpoint = corrected(
        TSL570.wavelength_setpoint,
        "Control the wavelength in m, in vacuum, in steps of 1e-13 (float strictly from 1.24e-6 to 1.68e-6).",
        set_command=":WAVelength %.12g",
        validator=strict_range,
        values=WAVELENGTH_RANGE_M,
    )
    tuning_done = corrected(
        TSL570.complete, "Get whether the last tuning or switching is complete (bool).", get_process=on_or_off
    )
    sweep_status = corrected(
        TSL570.sweep_status, "Get what a sweep does that somebody else has started (`SweepStatus`)."
    )
    command_set = corrected(
        TSL570.command_set,
        "Control the dialect (str: SCPI, in m and Hz, or Legacy, in nm and THz).",
        check_set_errors=True,
    )

    frequency_setpoint = frequency_min = frequency_max = Withdrawn("the wavelength says it all")
    frequency_start = frequency_stop = frequency_step = _SWEEPS
    wavelength_start = wavelength_stop = wavelength_step = _SWEEPS
    sweep_mode = sweep_pattern = sweep_routing = sweep_speed = sweep_dwell = sweep_delay = sweep_cycles = _SWEEPS
    sweep_count = start_sweep = start_repeat = _SWEEPS

    def initialise(self) -> None:
        """Empty the error queue, speak SCPI, and take powers in mW; the light is left as it is.

        Raises `Refused` where the laser stays in its older dialect.
        """
        with self._transaction:
            self.clear()
            if self.command_set != "SCPI":
                self.command_set = "SCPI"
            if self.command_set != "SCPI":
                raise Refused(
                    self.name,
                    "stays in its older dialect",
                    command=":SYSTem:COMMunicate:CODe 1",
                    remedy="Switch the command set to SCPI at the front panel.",
                )
            self.power_unit = "mW"

    def moves(self, command: str) -> Sequence[Move]:
        """Return what a command would move: power in W, wavelength in m, the light on (1) or off (0)."""
        return moves_of(command)

    def _drain(self) -> None:
        # By silence alone: nobody vouches for questions chained by semicolons on this laser.
        Driver._drain(self)

    def _ask_for_mark(self) -> None:
        self._seek_mark("*IDN?", lambda reply: reply.upper().startswith("SANTEC"))
