"""Dark noise and shot noise of every detector and of their sum."""

from __future__ import annotations

from collections.abc import Sequence

from pymeasure.experiment import FloatParameter, IntegerParameter

from drivers.sweep import SweepSettings
from labctl.spectra.noise_reduction import clearance_db
from labctl.spectra.trace import Spectrum
from procedures.base import LabProcedure
from procedures.traces import Share, block_beams, open_beams, sweep, take_trace, trace_s

SETTING_S = 0.2  # to switch to a position and set up one trace, for estimates


class NoiseFloor(LabProcedure):
    """Dark noise (all beams blocked), then shot noise (local oscillator alone), at every position of the RF switch.

    Reports the clearance of shot noise over dark noise for each.
    """

    title = "Dark and shot noise"
    roles = ("analyzer", "homodyne")
    centre = FloatParameter("Centre", units="Hz", default=4.32e6, minimum=1e3, maximum=1e9)
    span = FloatParameter("Span", units="Hz", default=140e3, minimum=100.0, maximum=1e8)
    rbw = FloatParameter("Resolution bandwidth", units="Hz", default=1000.0, minimum=1.0, maximum=8e6)
    vbw = FloatParameter("Video bandwidth", units="Hz", default=10e3, minimum=1.0, maximum=50e6)
    averages = IntegerParameter("Averages", default=200, minimum=1, maximum=10000)
    DATA_COLUMNS = ["Lab time (s)", "Clearance"]

    def expected_s(self) -> float:
        """Return the time of a dark and a shot trace at every position, in s."""
        each_s = trace_s(self.rbw, self.averages) + SETTING_S
        switch = self.on_bench.station.file.rf_switch
        return float(2 * each_s * (0 if switch is None else len(switch.positions)))

    def measure(self) -> None:
        """Raises `AnalysisRefused` where shot noise does not stand above dark noise."""
        bench = self.on_bench
        settings = sweep(self.centre, self.span, self.rbw, self.vbw, self.averages)
        ports = bench.station.rf_switch.positions
        block_beams(self, signal=True, local_oscillator=True)
        dark = self._each(ports, "dark", settings, 0.0)
        bench.station.shutters["local_oscillator"].open()
        shot = self._each(ports, "shot", settings, 0.5)
        band = (settings.start_hz, settings.stop_hz)
        for port in ports:
            clearance = clearance_db(shot[port], dark[port], band)
            self.keep(f"{result_prefix(port)}.clearance_db", clearance)
            self.row(lab_time=bench.clock.now(), clearance=clearance.value)
        open_beams(self)

    def _each(self, ports: Sequence[str], kind: str, settings: SweepSettings, start: float) -> dict[str, Spectrum]:
        width = 0.5 / len(ports)
        return {
            port: take_trace(
                self,
                f"{result_prefix(port)}.{kind}_floor",
                port,
                settings,
                share=Share(start + i * width, start + (i + 1) * width),
            )
            for i, port in enumerate(ports)
        }


def result_prefix(port: str) -> str:
    """Return the first part of result names that belong to an RF position: sensor1 for bhd1, joint for the sum."""
    return f"sensor{port.removeprefix('bhd')}" if port.startswith("bhd") else "joint"
