"""What the channels of every driver share."""

from __future__ import annotations

from typing import Any

from pymeasure.instruments import Channel


class DriverChannel(Channel):  # type: ignore[misc]
    """Base of the channels of a driver: its transactions are those of the parent."""

    __getattribute__ = object.__getattribute__  # as in `Driver`

    def ask(self, command: str, query_delay: float | None = None) -> str:
        """Write one command and return its reply, as one transaction of the parent."""
        return str(self.parent.ask(self.insert_id(command), query_delay))

    def values(self, command: str, *args: Any, **kwargs: Any) -> list[Any]:
        """Write a command and return its reply as a list cast strictly, see `Driver.values`."""
        return list(self.parent.values(self.insert_id(command), *args, **kwargs))

    def __setattr__(self, name: str, value: Any) -> None:
        parent = self.__dict__.get("parent")
        if parent is None:
            super().__setattr__(name, value)
            return
        with parent._transaction:
            super().__setattr__(name, value)
            if isinstance(getattr(type(self), name, None), property):
                self.note_setting(name, value)

    def note_setting(self, path: str, value: Any) -> None:
        """Pass a setting on to the driver, with the channel's name in front."""
        own = self.__dict__.get("_name")
        if own is not None:
            self.parent.note_setting(f"{own}.{path}", value)
