"""What makes an instrument class of pymeasure fit to be used here, without writing it again.

A driver of ours is then two bases and a list of defects:

    class SantecTSL570(ScpiDriver, TSL570):
        wavelength_setpoint = corrected(TSL570.wavelength_setpoint, "Control ...", set_command=":WAVelength %.12g", ...)
        sweep_mode = Withdrawn("a sweep is not checked for errors")

`Driver` or `ScpiDriver` comes first, so that whole transactions, strict casts, the errors of the family, draining after
silence and `reconnect` go around whatever the pymeasure class does; its channels become `class C(DriverChannel,
ChannelOfPymeasure)` and are created anew. What pymeasure leaves open is closed property by property:

- replies that are text come through pymeasure only because a failed cast to float is silently kept, which the strict
  cast refuses: `corrected(..., cast=str)`;
- a reply that is not in the map of values ends in KeyError: `corrected` makes it `BadReply`;
- `%g` keeps six digits, settings without a validator take anything, and without `check_set_errors` a refusal by the
  instrument goes unseen: the same parameters of pymeasure, given to `corrected` again;
- what is not vouched for here is `Withdrawn`, so that it cannot be used by mistake.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from pymeasure.instruments import Channel, Instrument

from drivers.base import Driver
from drivers.errors import BadReply


class PlainConstructor:
    """Passes over the constructors of the pymeasure classes that stand behind it in the bases of a driver.

    For classes whose constructor talks to the instrument, warns, or insists on keywords that the driver gives itself;
    what else it sets, the driver has to set.
    """

    def __init__(self, adapter: Any, name: str, **kwargs: Any) -> None:
        Instrument.__init__(self, adapter, name, **kwargs)


class Withdrawn:
    """Stands in a driver for an attribute of its pymeasure class that is not offered; `reason` says why."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def __get__(self, instrument: Any, owner: type[Any] | None = None) -> Any:
        """Return itself from the class; raises AttributeError from an instrument."""
        if instrument is None:
            return self
        raise AttributeError(f"not offered by this driver: {self._reason}")

    def __set__(self, instrument: Any, value: Any) -> None:
        """Raise AttributeError: nothing is sent."""
        raise AttributeError(f"not offered by this driver: {self._reason}")


def corrected(item: Any, docs: str, *, cast: Callable[[str], Any] | None = None, **changes: Any) -> Any:
    """Return a property of a pymeasure class, to be put into the driver or channel class that derives from it.

    `docs` replaces its docstring. The reply is one value, cast strictly by `cast` (default: as pymeasure has it).
    `changes` are parameters of pymeasure's `control` that replace those that it was made with. Reading raises
    `BadReply` where pymeasure does not understand the reply; setting raises ValueError for what the validator refuses.
    """
    reading = _parameters_of(item.fget, changes)
    setting = _parameters_of(item.fset, changes)
    unknown = changes.keys() - reading.keys() - setting.keys()
    if unknown:
        raise TypeError(f"{', '.join(sorted(unknown))}: not a parameter of that property")
    return property(
        _reader(item.fget, cast, reading) if _command(item.fget, "get_command", reading) is not None else None,
        _writer(item.fset, setting) if _command(item.fset, "set_command", setting) is not None else None,
        doc=docs,
    )


class _OneValue:
    """An instrument or channel whose `values` takes the whole reply as one value, with a cast of our choice."""

    def __init__(self, instrument: Any, cast: Callable[[str], Any] | None) -> None:
        self._instrument = instrument
        self._cast = cast

    def values(self, command: str, **kwargs: Any) -> Any:
        if self._cast is not None:
            kwargs["cast"] = self._cast
        return self._instrument.values(command, **kwargs | {"maxsplit": 0})

    def __getattr__(self, name: str) -> Any:
        return getattr(self._instrument, name)


def _reader(getter: Any, cast: Callable[[str], Any] | None, changes: Mapping[str, Any]) -> Callable[[Any], Any]:
    command = _command(getter, "get_command", changes) or ""

    def read(instrument: Any) -> Any:
        driver = _driver_of(instrument)
        with driver.transaction():
            try:
                return getter(_OneValue(instrument, cast), **changes)
            except (ValueError, KeyError, IndexError, TypeError) as error:
                asked = instrument.insert_id(command) if isinstance(instrument, Channel) else command
                raise BadReply(driver.name, f"answered what is not known ({error})", command=asked) from error

    return read


def _writer(setter: Any, changes: Mapping[str, Any]) -> Callable[[Any, Any], None]:
    def write(instrument: Any, value: Any) -> None:
        with _driver_of(instrument).transaction():
            setter(instrument, value, **changes)

    return write


def _parameters_of(function: Any, changes: Mapping[str, Any]) -> dict[str, Any]:
    if function is None:
        return {}
    known = inspect.signature(function).parameters
    return {name: value for name, value in changes.items() if name in known}


def _command(function: Any, name: str, changes: Mapping[str, Any]) -> str | None:
    """Return the command of a getter or setter; None where there is none, "" where a property was written by hand."""
    if function is None:
        return None
    if name in changes:
        return str(changes[name])
    found = inspect.signature(function).parameters.get(name)
    return "" if found is None else found.default


def _driver_of(instrument: Any) -> Driver:
    while isinstance(instrument, Channel):
        instrument = instrument.parent
    assert isinstance(instrument, Driver)
    return instrument
