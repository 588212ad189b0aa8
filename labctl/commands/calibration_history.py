"""`labctl calibrations`: what all runs found of one sensor."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from labctl.commands.listings import WIDTH_OF_FILES, value_text
from labctl.errors import ConfigurationError
from labctl.store.history import calibration_history


def print_calibrations(sensor: int, runs: Path, plot: Path | None) -> None:
    """Print every result of a sensor by quantity, oldest first, and draw them over the dates into `plot` if given.

    Raises `StoreError` where no run knows the sensor or the plot cannot be written.
    """
    if plot is not None and plot.suffix.lower() != ".png":
        raise ConfigurationError(f"{plot} is no name for a picture.", remedy="End it in .png.")
    history = calibration_history(runs, sensor)
    console = Console()
    console = console if console.is_terminal else Console(width=WIDTH_OF_FILES)
    table = Table(title=f"Sensor {sensor}, {runs}")
    for column in ("quantity", "date (UTC)"):
        table.add_column(column, no_wrap=True)
    table.add_column("value", justify="right")
    table.add_column("sigma", justify="right")
    for column in ("unit", "run", "run is"):
        table.add_column(column, no_wrap=True)
    for quantity, points in history.items():
        for point in points:
            value, _, _ = value_text(point.result.value, point.result.sigma, "").partition(" ")
            table.add_row(
                quantity if point is points[0] else "",
                f"{point.created:%Y-%m-%d %H:%M}",
                value,
                f"{point.result.sigma:.2g}",
                point.result.unit,
                point.run_id,
                str(point.state),
                end_section=point is points[-1],
            )
    console.print(table)
    if plot is not None:
        from labctl.report.calibration_plot import draw_history  # matplotlib takes a second to load

        console.print(f"Plot: {draw_history(sensor, history, plot)}", markup=False, highlight=False, soft_wrap=True)
