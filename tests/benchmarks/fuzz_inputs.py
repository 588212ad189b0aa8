"""Spoilt inputs by the thousand: is each accepted, or refused with one clear error, in time, in bounded memory, and
without a file, a process or a connection outside the folder of its case?

Kinds: station files (config), recipes (recipe), recordings and documents (data), calls and values of the bus (bus), and
folders of runs (run). The same seed gives the same inputs; a finding names its kind, seed and number.

Run: python tests/benchmarks/fuzz_inputs.py --cases 100000 --seed 1 --jobs 2 [--kind config] [--minutes 30]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "fuzz"))

SHARES = {"config": 0.30, "recipe": 0.30, "data": 0.20, "bus": 0.19, "run": 0.01}
BATCH = 2000
MOST_SHOWN = 40


def main() -> int:
    """Spread batches over processes; print the split of each kind and what was found."""
    options = _options()
    if options.batch:
        return _one_batch(options)
    ends_at = time.monotonic() + 60.0 * options.minutes
    kinds = [options.kind] if options.kind else list(SHARES)
    wanted = {kind: round(options.cases * (1.0 if options.kind else SHARES[kind])) for kind in kinds}
    batches = [
        (first, kind, min(BATCH, count - first)) for kind, count in wanted.items() for first in range(0, count, BATCH)
    ]
    batches.sort(key=lambda batch: batch[0] / wanted[batch[1]])  # all kinds go on side by side
    print(f"{sum(wanted.values())} cases in {len(batches)} batches, seed {options.seed}", flush=True)  # noqa: T201
    from fuzz_harness import Tally

    tally, begun = Tally(), time.monotonic()
    with ThreadPoolExecutor(options.jobs) as pool:
        for told in pool.map(lambda batch: _in_a_process(batch, options.seed, ends_at), batches):
            tally.add(told)
    _show(tally, wanted, time.monotonic() - begun)
    return 1 if tally.findings else 0


def _in_a_process(batch: tuple[int, str, int], seed: int, ends_at: float):  # type: ignore[no-untyped-def]
    from fuzz_harness import Finding, Tally

    first, kind, count = batch
    if time.monotonic() > ends_at:
        return Tally()
    with tempfile.TemporaryDirectory(prefix="labctl-fuzz-") as folder:
        answer = Path(folder) / "tally"
        words = [sys.executable, __file__, "--batch", str(answer), "--kind", kind, "--seed", str(seed)]
        done = subprocess.run([*words, "--first", str(first), "--cases", str(count)], capture_output=True, check=False)
        if answer.exists():
            return Tally.from_json(json.loads(answer.read_bytes()))
    last = done.stderr.decode(errors="replace")[-1500:]
    return Tally(findings=[Finding(kind, seed, first, f"the process ended with {done.returncode}: {last}")])


def _one_batch(options: argparse.Namespace) -> int:
    from fuzz_harness import run_cases

    answer = Path(options.batch)
    numbers = range(options.first, options.first + options.cases)
    tally = run_cases([options.kind], numbers, options.seed, answer.parent / "cases")
    answer.write_text(json.dumps(tally.to_json()), encoding="utf-8")
    return 0


def _show(tally, wanted: dict[str, int], took_s: float) -> None:  # type: ignore[no-untyped-def]
    print(f"{'kind':<8}{'cases':>8}{'accepted':>10}{'refused':>9}{'found':>7}{'per s':>8}{'longest s':>11}")  # noqa: T201
    for kind in wanted:
        cases, seconds = tally.cases(kind), tally.seconds[kind]
        found = sum(one.kind == kind for one in tally.findings)
        print(  # noqa: T201
            f"{kind:<8}{cases:>8}{tally.accepted[kind]:>10}{tally.refused[kind]:>9}{found:>7}"
            f"{cases / seconds if seconds else 0.0:>8.0f}{tally.longest_s.get(kind, 0.0):>11.2f}"
        )
    total = sum(map(tally.cases, wanted))
    print(f"{total} of {sum(wanted.values())} cases in {took_s:.0f} s, {total / took_s:.0f} a second")  # noqa: T201
    alike: dict[str, list[str]] = defaultdict(list)
    for one in tally.findings:
        alike[f"{one.kind} {one.what[:60]} {one.what.rpartition(' at ')[2][:80]}"].append(str(one))
    for found in sorted(alike.values(), key=len, reverse=True)[:MOST_SHOWN]:
        print(f"{len(found)} x {found[0]}")  # noqa: T201


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=1e6, help="begin no batch later")
    parser.add_argument("--kind", choices=list(SHARES))
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--batch", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
