"""The truth of a simulated night in the folder of its run: for tests, and for who wants to see it beside the results.

Nothing that measures may read it. It is written when the run begins, and again with what happened when it ends.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from labctl.configuration.declared_types import as_declared
from labctl.configuration.station_file import SimulatedBackend, StationFile
from labctl.errors import StoreError
from labctl.simulation.design import Design, design_of
from labctl.simulation.disturbances import Happening
from labctl.simulation.output_record import Output
from labctl.simulation.truth import Scenario, SensorTruth, Truth

TRUTH_FILE = "truth.json"
FORMAT = 1
LARGEST_BYTES = 64 * 2**20
LONGEST_REASON = 300  # characters
ABOUT = "What is true of the simulated table of this run. Nothing that measures reads it; labctl report --reveal does."


@dataclass(frozen=True)
class TruthFile:
    """What is kept. `happened` is None while the run goes on, and stays so when its process dies; `plates_deg` is where
    the mounts of the wave plates were when it was written, `outputs` what every true output was by name, known when
    `happened` is."""

    truth: Truth
    design: Design
    disturbances: tuple[Mapping[str, object], ...]
    happened: tuple[Happening, ...] | None
    plates_deg: Mapping[str, float] = field(default_factory=dict)
    outputs: Mapping[str, Output] | None = None

    @classmethod
    def of(
        cls,
        station: StationFile,
        truth: Truth,
        happened: Sequence[Happening] | None,
        plates_deg: Mapping[str, float] | None = None,
        outputs: Mapping[str, Output] | None = None,
    ) -> TruthFile:
        """Return what is to be kept of a run on the simulated table of `station`."""
        backend = station.backend
        switched_on = backend.disturbances if isinstance(backend, SimulatedBackend) else ()
        return cls(
            truth,
            design_of(station),
            tuple(disturbance.model_dump(mode="json") for disturbance in switched_on),
            None if happened is None else tuple(happened),
            plates_deg or {},
            None if outputs is None else dict(outputs),
        )

    def to_bytes(self) -> bytes:
        """Return the file as JSON."""
        content = {
            "about": ABOUT,
            "format": FORMAT,
            "truth": self.truth.to_json(),
            "design": asdict(self.design),
            "disturbances": list(self.disturbances),
            "plates_deg": dict(self.plates_deg),
            "outputs": None if self.outputs is None else {name: asdict(one) for name, one in self.outputs.items()},
            "happened": None if self.happened is None else [asdict(happening) for happening in self.happened],
        }
        return json.dumps(content, indent=1, allow_nan=False).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> TruthFile:
        """Return what `to_bytes` wrote; raises ValueError, TypeError, KeyError, AttributeError or
        RecursionError where it did not."""
        content = json.loads(data, parse_constant=_no_number)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        happened = content["happened"]
        _require_same_sensors(content["truth"], content["design"])
        return as_declared(
            cls(
                _truth(content["truth"]),
                Design(**_tuples(content["design"])),
                tuple(content["disturbances"]),
                None if happened is None else tuple(Happening(**happening) for happening in happened),
                content.get("plates_deg", {}),
                _outputs(content.get("outputs")),
            )
        )


def read_truth(run: Path) -> TruthFile:
    """Return the truth in the folder of a run; raises `StoreError` that says why there is none to be had."""
    path = run / TRUTH_FILE
    try:
        if path.exists() and (not path.is_file() or path.stat().st_size > LARGEST_BYTES):
            raise ValueError(f"it is no file of at most {LARGEST_BYTES >> 20} MB")
        return TruthFile.from_bytes(path.read_bytes())
    except FileNotFoundError:
        raise StoreError(
            f"{run.name} has no truth to reveal: nobody knows that of real instruments, nor a run that was made "
            "through `labctl simulate`.",
            remedy="Leave --reveal out.",
        ) from None
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror}).", remedy="Check its permissions.") from error
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise StoreError(
            f"{path} is damaged or from another version of labctl ({str(error)[:LONGEST_REASON]}).",
            remedy="Reveal it with the version that made the run; its manifest names it.",
        ) from error


def _truth(content: dict[str, Any]) -> Truth:
    sensors = tuple(SensorTruth(**_tuples(sensor)) for sensor in content["sensors"])
    return Truth(**{**content, "scenario": Scenario(content["scenario"]), "sensors": sensors})


def _outputs(content: dict[str, Any] | None) -> dict[str, Output] | None:
    return None if content is None else {name: Output(**one) for name, one in content.items()}


def _require_same_sensors(truth: dict[str, Any], design: dict[str, Any]) -> None:
    counts = {len(truth["sensors"]), *(len(value) for value in design.values() if isinstance(value, list))}
    if len(counts) != 1 or counts == {0}:
        raise ValueError("its truth and its design have not the same sensors")


def _no_number(name: str) -> float:
    raise ValueError(f"it holds {name}, which JSON has not")


def _tuples(content: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}
