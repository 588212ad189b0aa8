"""Which driver class a station file means by a name, and how it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from drivers.base import Driver
from drivers.keysight.x_series import KeysightXSeries
from drivers.meerstetter.tec import MeerstetterTEC
from drivers.newport.picomotor_8742 import Newport8742
from drivers.redpitaya.stemlab import RedPitaya4Input, RedPitaya125_14
from drivers.srs.sim900 import SIM900
from drivers.thorlabs.mdt693b import ThorlabsMDT693B
from labctl.configuration.station_file import Instrument


@dataclass(frozen=True)
class DriverEntry:
    """A driver class, the keywords that the station file gives it, and the settings that a snapshot reads."""

    driver: Callable[..., Driver]
    keywords: Callable[[Instrument], dict[str, Any]] = lambda instrument: {}
    settings: tuple[str, ...] = ()


REGISTRY: Mapping[str, DriverEntry] = {
    "keysight-x-series": DriverEntry(
        KeysightXSeries,
        settings=(
            "frequency_start_hz",
            "frequency_stop_hz",
            "resolution_bandwidth_hz",
            "video_bandwidth_hz",
            "average_type",
        ),
    ),
    "newport-8742": DriverEntry(Newport8742, lambda instrument: {"chain": instrument.chain}),
    "srs-sim900": DriverEntry(SIM900, lambda instrument: {"slots": tuple(int(slot) for slot in instrument.slots)}),
    "thorlabs-mdt693b": DriverEntry(ThorlabsMDT693B),
    "meerstetter-tec": DriverEntry(MeerstetterTEC, settings=("device_type", "status", "flash_saving_disabled")),
    "redpitaya-4-input": DriverEntry(RedPitaya4Input, settings=("decimation", "averaging")),
    "redpitaya-125-14": DriverEntry(RedPitaya125_14, settings=("decimation", "averaging")),
}
