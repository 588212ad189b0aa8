"""Which driver class a station file means by a name, and how it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from drivers.base import Driver
from drivers.keysight.trueform_33500 import Keysight33500
from drivers.keysight.x_series import KeysightXSeries
from drivers.meerstetter.tec import MeerstetterTEC
from drivers.mks.controller_937b import MKS937B
from drivers.newport.picomotor_8742 import Newport8742
from drivers.pfeiffer.tpg import PfeifferTPG
from drivers.redpitaya.stemlab import RedPitaya4Input, RedPitaya125_14
from drivers.rohdeschwarz.fsv import RohdeSchwarzFSV
from drivers.santec.tsl570 import SantecTSL570
from drivers.srs.sim900 import SIM900
from drivers.thorlabs.ell14 import ThorlabsELL14
from drivers.thorlabs.mdt693b import ThorlabsMDT693B, ThorlabsMDT694B
from drivers.thorlabs.pm100 import ThorlabsPM100
from drivers.thorlabs.ted4015 import ThorlabsTED4015
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
    "rohde-schwarz-fsv": DriverEntry(
        RohdeSchwarzFSV,
        settings=(
            "frequency_start_hz",
            "frequency_stop_hz",
            "resolution_bandwidth_hz",
            "video_bandwidth_hz",
            "detector",
            "average_type",
        ),
    ),
    "thorlabs-mdt694b": DriverEntry(ThorlabsMDT694B),
    "pfeiffer-tpg": DriverEntry(PfeifferTPG, settings=("unit", "gauge_types")),
    "mks-937b": DriverEntry(MKS937B, settings=("unit",)),
    "thorlabs-ell14": DriverEntry(ThorlabsELL14, lambda instrument: {"addresses": instrument.addresses}),
    "santec-tsl570": DriverEntry(SantecTSL570, settings=("output_enabled", "wavelength_setpoint", "power_unit")),
    "keysight-33500": DriverEntry(Keysight33500),
    "thorlabs-pm100": DriverEntry(ThorlabsPM100, settings=("wavelength", "power_unit", "attenuation_db")),
    "thorlabs-ted4015": DriverEntry(
        ThorlabsTED4015, settings=("target_temperature_c", "output_enabled", "current_limit_a")
    ),
}
