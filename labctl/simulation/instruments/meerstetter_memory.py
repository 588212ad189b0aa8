"""What a simulated TEC controller remembers: settings in RAM and in flash, and how often the flash was written."""

from __future__ import annotations

from collections.abc import Mapping

from labctl.simulation.instruments.meerstetter_parameters import FLASH_SAVING_OFF, Parameter

SAVE_DELAY_S = 0.5
ALL_SAVED, SAVE_PENDING, SAVING_OFF = 0, 1, 2


class ParameterMemory:
    """Settings by parameter number and instance; `stored` overrides what the flash of a new device holds.

    A save writes every saved setting as it is in RAM, `SAVE_DELAY_S` after the last change; `writes` counts the changes
    that went to flash or are about to. Switching saving off cancels a save that is due.
    """

    def __init__(self, table: Mapping[int, Parameter], channels: int, stored: Mapping[int, float]) -> None:
        self._table = table
        self._channels = channels
        self._flash: dict[tuple[int, int], float] = {}
        self.writes = 0
        for parameter in table.values():
            value = parameter.decode(parameter.encode(stored.get(parameter.number, parameter.default)))
            for instance in range(1, self.instances(parameter) + 1):
                self._flash[parameter.number, instance] = value
        self.restart()

    def restart(self) -> None:
        """Forget RAM and take over what the flash holds."""
        self._ram = dict(self._flash)
        self._save_at: float | None = None
        self._due = 0

    def instances(self, parameter: Parameter) -> int:
        """Return how many instances a parameter has: one for each channel, or one."""
        return self._channels if parameter.per_channel else 1

    def get(self, instance: int, number: int) -> float:
        """Return a setting."""
        return self._ram[number, instance]

    def put(self, parameter: Parameter, instance: int, value: float, now: float) -> None:
        """Change a setting; the flash follows where the parameter is a saved one and saving is on."""
        changed = value != self._ram[parameter.number, instance]
        self._ram[parameter.number, instance] = value
        if self._saving_is_off:
            self.writes -= self._due
            self._save_at, self._due = None, 0
        elif changed and parameter.saved:
            self.writes += 1
            self._due += 1
            self._save_at = now + SAVE_DELAY_S

    def advance(self, now: float) -> None:
        """Save what is due at lab time `now` (s)."""
        if self._save_at is not None and now >= self._save_at:
            self._flash.update({key: value for key, value in self._ram.items() if self._table[key[0]].saved})
            self._save_at, self._due = None, 0

    @property
    def flash_status(self) -> int:
        """The state of saving as parameter 109 shows it."""
        if self._saving_is_off:
            return SAVING_OFF
        return SAVE_PENDING if self._due else ALL_SAVED

    @property
    def _saving_is_off(self) -> bool:
        return bool(self._ram[FLASH_SAVING_OFF, 1])
