"""A pyvisa library that serves simulated instruments in this process: unmodified drivers, real bytes, lab time."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyvisa import constants, rname
from pyvisa.constants import EventAttribute, ResourceAttribute, StatusCode
from pyvisa.highlevel import VisaLibraryBase
from pyvisa.typing import VISAEventContext, VISARMSession, VISASession
from pyvisa.util import LibraryPath

from labctl.simulation.wire import Timebase, WireInstrument

_SLACK_S = 1e-9
_ATTRIBUTES: dict[int, Any] = {
    ResourceAttribute.timeout_value: 2000,
    ResourceAttribute.termchar: 0x0A,
    ResourceAttribute.termchar_enabled: constants.VI_FALSE,
    ResourceAttribute.send_end_enabled: constants.VI_TRUE,
    ResourceAttribute.suppress_end_enabled: constants.VI_FALSE,
}


@dataclass
class _Session:
    instrument: WireInstrument
    attributes: dict[int, Any] = field(default_factory=lambda: dict(_ATTRIBUTES))
    lost: bool = False


class SimulatedVisaLibrary(VisaLibraryBase):
    """Serves `WireInstrument`s by resource name (TCPIP SOCKET and ASRL INSTR), moving lab time on while the host waits.

    Make one with `simulated_library`; pyvisa caches libraries by path, so each gets a path of its own.
    """

    _numbers = itertools.count(1)

    @staticmethod
    def get_library_paths() -> tuple[LibraryPath, ...]:
        """Return a placeholder: nothing is loaded from disk."""
        return (LibraryPath("labctl-simulated"),)

    def serve(self, timebase: Timebase, instruments: Mapping[str, WireInstrument]) -> None:
        """Put `instruments` behind their resource names."""
        self.timebase = timebase
        self._instruments = {_canonical(address): instrument for address, instrument in instruments.items()}
        self._sessions: dict[int, _Session] = {}
        self._handles = itertools.count(2)

    def replace(self, instrument: WireInstrument, wire: WireInstrument) -> None:
        """Put `wire` before `instrument`, also where a connection is open."""
        self._instruments = {name: wire if one is instrument else one for name, one in self._instruments.items()}
        for session in self._sessions.values():
            if session.instrument is instrument:
                session.instrument = wire

    def open_default_resource_manager(self) -> tuple[VISARMSession, StatusCode]:
        """Return the one resource manager session."""
        return VISARMSession(1), StatusCode.success

    def list_resources(self, session: VISARMSession, query: str = "?*::INSTR") -> tuple[str, ...]:
        """Return the addresses that are served and match `query`."""
        return rname.filter(self._instruments, query)

    def open(
        self,
        session: VISARMSession,
        resource_name: str,
        access_mode: constants.AccessModes = constants.AccessModes.no_lock,
        open_timeout: int = constants.VI_TMO_IMMEDIATE,
    ) -> tuple[VISASession, StatusCode]:
        """Connect to the instrument behind `resource_name`."""
        instrument = self._instruments.get(_canonical(resource_name))
        if instrument is None or not instrument.link_is_up():
            return VISASession(0), self._fail(session, StatusCode.error_resource_not_found)
        handle = VISASession(next(self._handles))
        self._sessions[handle] = _Session(instrument)
        instrument.on_connect()
        return handle, self.handle_return_value(handle, StatusCode.success)

    def close(self, session: VISASession | VISAEventContext | VISARMSession) -> StatusCode:
        """Disconnect."""
        opened = self._sessions.pop(session, None)
        if opened is not None:
            opened.instrument.on_disconnect()
        return StatusCode.success

    def write(self, session: VISASession, data: bytes) -> tuple[int, StatusCode]:
        """Send bytes; lab time passes for as long as the wire needs."""
        opened = self._sessions.get(session)
        if opened is None:
            return 0, self._fail(session, StatusCode.error_invalid_object)
        if not self._alive(opened):
            return 0, self._fail(session, StatusCode.error_connection_lost)
        self.timebase.elapse(opened.instrument.wire_time(len(data)))
        opened.instrument.on_bytes(bytes(data))
        return len(data), self.handle_return_value(session, StatusCode.success)

    def read(self, session: VISASession, count: int) -> tuple[bytes, StatusCode]:
        """Read up to `count` bytes, or to the termination character where it is enabled; waits in lab time."""
        opened = self._sessions.get(session)
        if opened is None:
            return b"", self._fail(session, StatusCode.error_invalid_object)
        if not self._alive(opened):
            return b"", self._fail(session, StatusCode.error_connection_lost)
        termchar = bytes([opened.attributes[ResourceAttribute.termchar]])
        if not opened.attributes[ResourceAttribute.termchar_enabled]:
            termchar = b""
        deadline = self.timebase.now() + opened.attributes[ResourceAttribute.timeout_value] / 1000
        data = b""
        while True:
            data += opened.instrument.take()
            end = data.find(termchar) + 1 if termchar else 0
            if end and end <= count:
                return self._hand_over(session, data, end, StatusCode.success_termination_character_read)
            if len(data) >= count:
                return self._hand_over(session, data, count, StatusCode.success_max_count_read)
            ready_at = opened.instrument.ready_at()
            if ready_at is None or ready_at > deadline:
                opened.instrument.put_back(data)
                self.timebase.elapse(max(0.0, deadline - self.timebase.now()))
                return b"", self._fail(session, StatusCode.error_timeout)
            self.timebase.elapse(max(0.0, ready_at - self.timebase.now()) + _SLACK_S)

    def get_attribute(
        self, session: VISASession | VISAEventContext | VISARMSession, attribute: ResourceAttribute | EventAttribute
    ) -> tuple[Any, StatusCode]:
        """Return an attribute that was set, or its default."""
        opened = self._sessions.get(session)
        if opened is None:
            return None, self._fail(session, StatusCode.error_invalid_object)
        if attribute == ResourceAttribute.asrl_avalaible_number:
            waiting = opened.instrument.take()
            opened.instrument.put_back(waiting)
            return len(waiting), StatusCode.success
        return opened.attributes.get(attribute, 0), StatusCode.success

    def set_attribute(self, session: VISASession, attribute: ResourceAttribute, attribute_state: Any) -> StatusCode:
        """Remember an attribute."""
        opened = self._sessions.get(session)
        if opened is None:
            return self._fail(session, StatusCode.error_invalid_object)
        opened.attributes[attribute] = attribute_state
        return self.handle_return_value(session, StatusCode.success)

    def clear(self, session: VISASession) -> StatusCode:
        """Drop what waits to be read."""
        return self.flush(session, constants.BufferOperation.discard_read_buffer)

    def flush(self, session: VISASession, mask: constants.BufferOperation) -> StatusCode:
        """Drop what waits to be read."""
        opened = self._sessions.get(session)
        if opened is None:
            return self._fail(session, StatusCode.error_invalid_object)
        opened.instrument.discard_output()
        return StatusCode.success

    def disable_event(
        self, session: VISASession, event_type: constants.EventType, mechanism: constants.EventMechanism
    ) -> StatusCode:
        """Accept: there are no events."""
        return StatusCode.success

    def discard_events(
        self, session: VISASession, event_type: constants.EventType, mechanism: constants.EventMechanism
    ) -> StatusCode:
        """Accept: there are no events."""
        return StatusCode.success

    def _hand_over(self, session: VISASession, data: bytes, count: int, status: StatusCode) -> tuple[bytes, StatusCode]:
        instrument = self._sessions[session].instrument
        instrument.put_back(data[count:])
        self.timebase.elapse(instrument.wire_time(count))
        return data[:count], self.handle_return_value(session, status)

    def _alive(self, opened: _Session) -> bool:
        """Return False from the first use of a broken link on: a connection that was lost stays lost."""
        opened.lost = opened.lost or not opened.instrument.link_is_up()
        return not opened.lost

    def _fail(self, session: VISASession | VISAEventContext | VISARMSession, status: StatusCode) -> StatusCode:
        return self.handle_return_value(session, status)


def simulated_library(timebase: Timebase, instruments: Mapping[str, WireInstrument]) -> SimulatedVisaLibrary:
    """Return a VISA library that serves `instruments`, a mapping of resource names to simulated instruments."""
    number = next(SimulatedVisaLibrary._numbers)
    library: SimulatedVisaLibrary = SimulatedVisaLibrary(f"labctl-simulated-{number}")
    # pyvisa keeps every library for ever under its path; this one lives as long as its owner.
    SimulatedVisaLibrary._registry.pop((SimulatedVisaLibrary, library.library_path), None)
    library.serve(timebase, instruments)
    return library


def _canonical(address: str) -> str:
    return str(rname.to_canonical_name(address))
