"""A real day of taxis, at both ends of the frontier: one policy with two settings, beside what was published of that day.

Each replay is checked by `check`, which shares nothing with the policy; a broken rule fails the run. RIALTO_DATA names the folder that
holds `taxi_calling/arrivals.txt.gz` (../shared/data); without it a made-up day of the same form is replayed,
whose peer is the same policy with a decision a second.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from rialto.cli.bench import Metric
from rialto.local.geo import GridGeo
from rialto.match.replay import PUBLISHED, Arrivals, Day, check, read_day, replay

ENDS = (("most", 1.0, "Batch-GR"), ("soon", 0.4, "Batch-LLEP"))
"""Name of an end, `match.replay.hope`, and the published method that is nearest to it."""
WINDOW_S = 2.0  # as `rialto match replay` decides


def run(*, quick: bool = False) -> list[Metric]:
    """Tasks matched and their mean response: a ratio above 1 is better in both."""
    real = Path(os.environ.get("RIALTO_DATA", "../shared/data")) / "taxi_calling" / "arrivals.txt.gz"
    published = real.is_file() and not quick
    day = read_day(real) if published else _made_up(200 if quick else 5_000)
    found: list[Metric] = []
    at_once = None if published else replay(day, GridGeo(), window_s=1.0, overrides={"match.replay.hope": 1.0})
    for name, hope, peer in ENDS:
        done = replay(day, GridGeo(), window_s=WINDOW_S, overrides={"match.replay.hope": hope})
        check(day, done)
        told = f"{peer}, published" if at_once is None else "a decision a second"
        most, soonest = PUBLISHED[peer] if at_once is None else (at_once.matched, at_once.mean_response_s)
        matched, response_s = float(done.matched), done.mean_response_s
        found.append(Metric(f"matched_{name}", matched, "tasks", 0.0, told, float(most), matched / most))
        found.append(Metric(f"response_s_{name}", response_s, "s", 0.0, told, soonest, soonest / response_s))
    return found


def _made_up(size: int) -> Day:
    """As many tasks as workers, anywhere in a square whose side is six of the workers' reach, over three hours."""
    rng = np.random.default_rng(0)
    time_s, place = np.sort(rng.uniform(0.0, 10_800.0, (2, size)), axis=1), rng.uniform(0.0, 6_000.0, (2, size, 2))
    still = (np.full(size, 300.0), np.full(size, 0.0)), (np.full(size, 600.0), np.full(size, 1_000.0))
    rows = [np.column_stack([time_s[side], place[side], *still[side]]) for side in (0, 1)]
    return Day(Arrivals.of(rows[0]), Arrivals.of(rows[1]))
