"""`labctl overnight` and `labctl stale`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StationArgument = Annotated[Path | None, typer.Argument(help="Station file; the simulated table if none is given.")]
RecipeOption = Annotated[Path | None, typer.Option("--recipe", help="Recipe; the shipped one if none is given.")]
RunsOption = Annotated[Path | None, typer.Option("--runs", help="Folder of the runs.")]
SeedOption = Annotated[int | None, typer.Option("--seed", min=0, help="Seed of the simulated table.")]
ScenarioOption = Annotated[str | None, typer.Option("--scenario", help="Scenario of the simulated table.")]
SensorsOption = Annotated[
    int | None, typer.Option("--sensors", metavar="M", help="A simulated table of so many sensors, with its recipe.")
]
FaultOption = Annotated[
    list[str] | None,
    typer.Option(
        "--fault",
        metavar="INSTRUMENT:KIND[@AFTER][+LASTING]",
        help="Let a simulated instrument fail, as in piezo_a:silent@20min+30s; can be repeated. See labctl faults.",
    ),
]
TrafficOption = Annotated[
    list[str] | None,
    typer.Option(
        "--log-traffic",
        metavar="ROLE_OR_INSTRUMENT",
        help="Log what goes over its wire into the run's folder; can be repeated.",
    ),
]
ResumeOption = Annotated[
    str | None, typer.Option("--resume", metavar="RUN", help="Go on with a run that was cut off, stopped or failed.")
]
UntilOption = Annotated[
    str | None, typer.Option("--until", metavar="HH:MM", help="Do what is worth most and fits until then.")
]
ReuseOption = Annotated[
    bool | None,
    typer.Option(
        "--reuse/--anew", help="Keep what earlier runs found while it is fresh (default on a real table), or redo all."
    ),
]
NotifyOption = Annotated[
    str | None,
    typer.Option("--notify", metavar="COMMAND", help="Run this at the end and when the run stalls; it is told why."),
]


def register(app: typer.Typer) -> None:
    """Add the commands to an app."""
    app.command()(overnight)
    app.command()(stale)


def overnight(
    station: StationArgument = None,
    recipe: RecipeOption = None,
    runs: RunsOption = None,
    seed: SeedOption = None,
    scenario: ScenarioOption = None,
    sensors: SensorsOption = None,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write the report at the end.")] = True,
    fault: FaultOption = None,
    log_traffic: TrafficOption = None,
    bus: Annotated[bool, typer.Option("--bus/--no-bus", help="Let screens see and command the run.")] = True,
    resume: ResumeOption = None,
    until: UntilOption = None,
    reuse: ReuseOption = None,
    notify: NotifyOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and what it would write.")] = False,
) -> None:
    """Run a recipe from a cold table to a report."""
    from labctl.commands.nights import NightOptions, overnight_run, planned_night

    options = NightOptions(
        station=station,
        recipe=recipe,
        runs=runs,
        seed=seed,
        scenario=scenario,
        sensors=sensors,
        report=report,
        faults=fault or (),
        log_traffic=log_traffic or (),
        bus=bus,
        resume=resume,
        until=until,
        reuse=reuse,
        notify=notify,
    )
    if dry_run:
        from labctl.commands.night_planning import print_plan

        print_plan(planned_night(options), rehearse=True)
        return
    raise typer.Exit(overnight_run(options))


def stale(
    station: StationArgument = None,
    recipe: RecipeOption = None,
    runs: RunsOption = None,
    sensors: SensorsOption = None,
) -> None:
    """List what tonight must measure again, and why: too old, moved, or resting on something that was redone."""
    from labctl.commands.night_planning import print_stale
    from labctl.commands.nights import NightOptions, planned_night

    print_stale(planned_night(NightOptions(station=station, recipe=recipe, runs=runs, sensors=sensors, reuse=False)))
