"""A simulated Red Pitaya STEMlab, 125-14 or 125-14 4-Input, as its SCPI server shows it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from labctl.simulation.instruments.redpitaya_chain import ChainPlace, TriggerCable
from labctl.simulation.instruments.redpitaya_data import DataCommands
from labctl.simulation.instruments.redpitaya_deep_memory import REGION_BYTES, DeepMemory
from labctl.simulation.instruments.redpitaya_front_end import FrontEnd
from labctl.simulation.instruments.redpitaya_generators import Generators
from labctl.simulation.instruments.redpitaya_pins import TRIGGER_PIN, Pins
from labctl.simulation.instruments.redpitaya_scope import Scope
from labctl.simulation.instruments.redpitaya_server import VARIANTS, RedPitayaServer
from labctl.simulation.instruments.redpitaya_triggers import TriggerPin
from labctl.simulation.ports import DigitalPins, FastInputs, GeneratorPort, SlowInputs
from labctl.simulation.wire import Timebase


class SimulatedRedPitaya(RedPitayaServer):
    """The SCPI server of a Red Pitaya board on TCP port 5000, which takes several clients at once.

    Records take lab time and are quantised to 14 bits over +-1 V (LV) or +-20 V (HV), see `Acquisition`. `jumpers` are
    the ranges as wired ({1: "HV"}); an input not named follows its gain command, so gain and jumpers agree there.
    Level triggers search the samples of the record, within bounds, when somebody looks, see `search`; edges of the
    external trigger, DIO0_P, come when this board sets the pin or somebody talks to it. Inputs are captured together,
    also into the deep memory of `deep_memory_bytes`; after a split of the triggers each is captured by itself. Long
    records are several captures, one after the other: slow signals go on, the noise begins anew with each.

    `from_before` and `to_next` are the cables of a chain of boards, see `ChainPlace`.

    Without: sweeps, rise and fall times and deep memory of the generators, trigger output of the pins, interrupts,
    buses.

    Source: behaviour of the public SCPI server and API sources (scpi-server, rp-api).
    """

    def __init__(
        self,
        timebase: Timebase,
        fast_inputs: FastInputs,
        slow_inputs: SlowInputs,
        pins: DigitalPins,
        generators: Mapping[int, GeneratorPort],
        rng: np.random.Generator,
        variant: str = "125-14",
        crlf_after_block: bool = False,
        jumpers: Mapping[int, str] | None = None,
        build_date: str = "2025-06-03",
        firmware: str = "2.07-51",
        deep_memory_bytes: int = REGION_BYTES,
        from_before: TriggerCable | None = None,
        to_next: TriggerCable | None = None,
    ) -> None:
        super().__init__(timebase, VARIANTS[variant], build_date, firmware, crlf_after_block)
        self._trigger_pin = TriggerPin(lambda: pins.level(TRIGGER_PIN))
        front = FrontEnd(fast_inputs, self.variant.inputs, jumpers or {})
        self.scope = Scope(self, front, DeepMemory(self.variant.inputs, deep_memory_bytes), self._trigger_pin)
        self.data = DataCommands(self, self.scope)
        self.generators = Generators(self, generators, self._trigger_pin, self.scope.generator_started)
        self.pins = Pins(self, pins, slow_inputs, rng, lambda: self._trigger_pin.look(self.now()))
        self.scope.next_burst = self.generators.next_burst
        self.chain = ChainPlace(self, self.scope, self.look, from_before, to_next)

    def on_bytes(self, data: bytes) -> None:
        """Take bytes, after what came from outside since the last ones: an edge of the trigger, a burst."""
        self.look()
        super().on_bytes(data)

    def look(self) -> None:
        """Notice what came from outside since the last look."""
        self.chain.look_before()
        self._trigger_pin.look(self.now())
        self.scope.notice_bursts()
