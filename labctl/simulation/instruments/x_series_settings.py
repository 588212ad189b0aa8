"""The commands that set up the receiver of a simulated X-series analyzer."""

from __future__ import annotations

from collections.abc import Callable

from labctl.simulation.instruments.analyzer_settings import Change, ReceiverSettings
from labctl.simulation.instruments.x_series_receiver import SWEEP_TIME_RANGE_S, Receiver
from labctl.simulation.scpi import Call, ScpiInstrument

POINTS_RANGE = (1, 40001)
LARGEST_ATTENUATION_DB = 70
ATTENUATION_STEP_DB = 2.0


def register_receiver(
    instrument: ScpiInstrument, receiver: Receiver, changed: Change, seen: Callable[[], Receiver]
) -> None:
    """Add the frequency, bandwidth, sweep, averaging and input commands.

    `changed` is called after each change; `seen` returns the receiver as trace 1 sees it.
    """
    settings = ReceiverSettings(instrument, receiver, changed, seen, clip=True)
    settings.frequency()
    _add_spans(instrument, receiver, settings)
    settings.bandwidth()
    for root in ("[:SENSe]:BANDwidth", "[:SENSe]:BWIDth"):
        settings.choice(f"{root}:TYPE", "bandwidth_type", "bandwidth_type", ("DB3", "DB6", "IMPulse", "NOISe"))
    settings.sweep(POINTS_RANGE, SWEEP_TIME_RANGE_S)
    settings.choice("[:SENSe]:SWEep:TYPE", "sweep_type", "type_set", ("FFT", "SWEep"))
    settings.automatic("[:SENSe]:SWEep:TYPE:AUTO", "type_set", "sweep_type")
    settings.choice("[:SENSe]:AVERage:TYPE", "average_type", "average_type_set", ("RMS", "LOG", "SCALar"))
    settings.automatic("[:SENSe]:AVERage:TYPE:AUTO", "average_type_set", "average_type")
    settings.attenuation("[:SENSe]:POWer[:RF]:ATTenuation", LARGEST_ATTENUATION_DB, ATTENUATION_STEP_DB)
    settings.preamplifier("[:SENSe]:POWer[:RF]:GAIN[:STATe]")


def _add_spans(instrument: ScpiInstrument, receiver: Receiver, settings: ReceiverSettings) -> None:
    set_span = settings.band(lambda span_hz: receiver.set_band(receiver.center_hz, span_hz))

    def zero(call: Call) -> None:
        set_span(0.0)

    def previous(call: Call) -> None:
        set_span(settings.previous_span_hz)

    instrument.register("[:SENSe]:FREQuency:SPAN:ZERO", zero)
    instrument.register("[:SENSe]:FREQuency:SPAN:PREVious", previous)
