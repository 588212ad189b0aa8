"""`labctl table`: a page of figures that shows what the simulated table is doing."""

from __future__ import annotations

from pathlib import Path

from labctl.commands.stations import default_station, on_simulated_table
from labctl.configuration.toml_reading import load_station
from labctl.errors import ConfigurationError
from labctl.report.drawing import as_png, house_style
from labctl.simulation.portrait.page import draw_portrait
from labctl.store.durable import write_durably
from labctl.store.failures import reported


def draw_table(station: Path | None, seed: int | None, scenario: str | None, out: Path) -> Path:
    """Draw the table of a station file, whatever its backend is, as a simulated one; return the file written."""
    if out.suffix.lower() != ".png":
        raise ConfigurationError(f"{out} is no name for a picture.", remedy="End it in .png.")
    file = on_simulated_table(load_station(station or default_station()), seed, scenario)
    with house_style():
        picture = as_png(draw_portrait(file))
    with reported("write the picture", out.parent):
        write_durably(out, picture)
    return out
