"""The drivers of spectrum analyzers as their shared tests see them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from drivers.keysight.x_series import KeysightXSeries
from drivers.rohdeschwarz.fsv import RohdeSchwarzFSV
from drivers.spectrum_analyzer import SpectrumAnalyzerDriver


@dataclass(frozen=True)
class Model:
    """One driver, how its instrument says that there was no error, and how it sends traces."""

    driver: type[SpectrumAnalyzerDriver]
    no_error: tuple[str, str]
    numbers: str

    def __str__(self) -> str:
        return self.driver.__name__


KEYSIGHT = Model(KeysightXSeries, (":SYST:ERR?", '+0,"No error"'), ">f8")
ROHDE = Model(RohdeSchwarzFSV, (":SYST:ERR?", '0,"No error"'), "<f4")
MODELS = (KEYSIGHT, ROHDE)

each_model = pytest.mark.parametrize("model", MODELS, ids=str)
