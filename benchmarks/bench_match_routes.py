"""Li and Lim's pickup-and-delivery problems: our plan, PyVRP's and live insertion's beside the best known.

Every plan is checked by `faults`, which shares nothing with the search; a plan with a fault fails the run. Effort is counted in seconds of
this thread, so that a busy machine changes nothing; kernels are compiled before, and how long that took is a metric. A gap counts where
the plan has as many vehicles as the best known or fewer. PyVRP gets whole thousandths of a unit, a vehicle's cost above any way that it
could save, and the same seconds.

Settings by environment: RIALTO_DATA (../shared/data; without it three made-up problems are run, of which the best known is the best of
three longer searches), RIALTO_ROUTES_SECONDS (10), RIALTO_ROUTES_SETS (100,200), RIALTO_ROUTES_EVERY (1: every instance; 3: each third),
RIALTO_ROUTES_PART (1/1; 2/4: of those the second, the sixth ...), RIALTO_ROUTES_PEER (8: PyVRP solves each eighth of those; 0: none),
RIALTO_ROUTES_ROWS (a file: a row an instance is written there as it is done, and instances that it holds already, of the same seconds,
are not run again; so parts that share it add up to the whole). All 116 instances at 10 s take 24 minutes of one core.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any

import numpy as np

from rialto.cli.bench import Metric
from rialto.errors import BadInput
from rialto.match.routes.check import distance, faults
from rialto.match.routes.effort import Effort
from rialto.match.routes.li_lim import Instance, Known, read_instance, read_known
from rialto.match.routes.live import one_by_one
from rialto.match.routes.practice import made_up
from rialto.match.routes.solve import solve, warm

WITHIN = 0.02
LIVE_S = 0.010


@dataclass(frozen=True, slots=True)
class Row:
    """One instance: vehicles and distance of the best known, of ours, of live insertion, and of PyVRP where it was run."""

    name: str
    known: tuple[int, float]
    ours: tuple[int, float]
    live: tuple[int, float]
    live_ms: float
    peer: tuple[int, float] | None
    seconds: float


def run(*, quick: bool = False) -> list[Metric]:
    """Shares and gaps over the instances; rows of each are kept beside the results where all were asked for."""
    begun = perf_counter()
    warm()
    compile_s = perf_counter() - begun
    seconds = 0.2 if quick else float(os.environ.get("RIALTO_ROUTES_SECONDS", "10"))
    every = 0 if quick else int(os.environ.get("RIALTO_ROUTES_PEER", "8"))
    keep = None if quick or not (path := os.environ.get("RIALTO_ROUTES_ROWS")) else Path(path)
    rows = {} if keep is None else _kept(keep, seconds)
    part, parts = _part(os.environ.get("RIALTO_ROUTES_PART", "1/1"))
    for n, (instance, known) in enumerate(_problems(quick=quick)):
        if n % parts == part - 1 and instance.name not in rows:
            rows[instance.name] = _measured(instance, known, seconds, peer=every > 0 and n % every == 0)
            if keep is not None:
                keep.write_text(json.dumps([asdict(r) for r in rows.values()], indent=0) + "\n")
    return _metrics(list(rows.values()), seconds, compile_s)


def _part(text: str) -> tuple[int, int]:
    told = re.fullmatch(r"(\d+)/(\d+)", text)
    if told is None or not 1 <= int(told[1]) <= int(told[2]):
        raise BadInput(f"RIALTO_ROUTES_PART is {text!r}; wanted k/n with k from 1 to n, such as 2/4.")
    return int(told[1]), int(told[2])


def _kept(path: Path, seconds: float) -> dict[str, Row]:
    """Rows of an earlier part, by name."""
    if not path.is_file():
        return {}
    rows: list[dict[str, Any]] = json.loads(path.read_text())
    told: list[dict[str, Any]] = [
        {k: tuple(v) if k in ("known", "ours", "live", "peer") and v else v for k, v in row.items()} for row in rows
    ]
    return {row["name"]: Row(**row) for row in told if row["seconds"] == seconds}


def _problems(*, quick: bool) -> list[tuple[Instance, Known]]:
    folder = Path(os.environ.get("RIALTO_DATA", "../shared/data")) / "pickup_delivery"
    if quick or not folder.is_dir():
        return [(made, _long(made)) for made in (made_up(s, orders=8 if quick else 40) for s in range(1 if quick else 3))]
    known = read_known(folder / "best_known.json")
    sets = os.environ.get("RIALTO_ROUTES_SETS", "100,200").split(",")
    files = [f for one in sets for f in sorted((folder / f"li_lim_{one}").glob("*.txt"))]
    return [(read_instance(f), known[f.stem.lower()]) for f in files[:: int(os.environ.get("RIALTO_ROUTES_EVERY", "1"))]]


def _long(made: Instance) -> Known:
    """The best of three searches."""
    found = [solve(made.stops, made.terms, made.fleet(), effort=Effort.rounds(2_000), seed=s) for s in range(3)]
    return Known(*min((f.vehicles, f.travel_s) for f in found))


def _measured(instance: Instance, known: Known, seconds: float, *, peer: bool) -> Row:
    routes = instance.fleet()
    solve(instance.stops, instance.terms, routes, effort=Effort.seconds(seconds, thread_time), seed=1)
    ours = _allowed(instance, [routes.of_row(r) for r in range(len(routes))])
    begun = thread_time()
    live = _allowed(instance, one_by_one(instance, each_s=LIVE_S, clock=thread_time, seed=1))
    each_ms = (thread_time() - begun) / instance.orders * 1000.0
    theirs = pyvrp_plan(instance, seconds) if peer else None
    found = None if theirs is None else _allowed(instance, theirs)
    return Row(instance.name, (known.vehicles, known.distance), ours, live, each_ms, found, seconds)


def _allowed(instance: Instance, plan: Sequence[Sequence[int]]) -> tuple[int, float]:
    """Vehicles and distance of a plan without a fault."""
    wrong = faults(instance, plan)
    if wrong:
        raise AssertionError(f"{instance.name}: {wrong[0]} ({len(wrong)} faults)")
    return sum(1 for route in plan if route), distance(instance, plan)


def pyvrp_plan(instance: Instance, seconds: float) -> list[list[int]] | None:
    """PyVRP's plan, or None where it is not installed, too old to know shipments (before 0.14), or finds none."""
    try:
        import pyvrp
    except ImportError:
        return None
    if not hasattr(pyvrp.Model, "add_shipment"):
        return None
    fine, model, column = 1000.0, pyvrp.Model(), instance.stops.column
    x, y = column("x"), column("y")
    places = [model.add_location(int(a), int(b)) for a, b in zip(x, y, strict=True)]
    depot = model.add_depot(places[-1])
    windows = np.column_stack([column("earliest_s"), column("latest_s"), column("service_s")]) * fine
    for o in range(instance.orders):
        times = [int(t) for t in [*windows[2 * o], *windows[2 * o + 1]]]
        model.add_shipment(places[2 * o], places[2 * o + 1], *times, amount=int(column("load")[2 * o]))
    # rounded up, so that a plan in time there is in time here
    ways = np.ceil(np.hypot(x[:, None] - x, y[:, None] - y) * fine).astype(int)
    for a, row in enumerate(ways.tolist()):
        for b, way in enumerate(row):
            model.add_edge(places[a], places[b], way, way)
    model.add_vehicle_type(
        instance.vehicles,
        int(instance.capacity),
        depot,
        depot,
        fixed_cost=int(ways.max()) * 20,
        tw_late=int(instance.end_s * fine),
    )
    best = model.solve(_Until(seconds), seed=1, display=False, collect_stats=False).best
    return [_stops(route) for route in best.routes()] if best.is_feasible() else None


class _Until:
    """Stops PyVRP as ours is stopped: by seconds of this thread."""

    def __init__(self, seconds: float) -> None:
        self._from, self._seconds = thread_time(), seconds

    def __call__(self, best_cost: float) -> bool:
        return thread_time() - self._from >= self._seconds

    def fraction_remaining(self) -> float:
        return max(0.0, 1.0 - (thread_time() - self._from) / self._seconds)


def _stops(route: object) -> list[int]:
    """A route of PyVRP's as our stops."""
    return [2 * step.idx + (0 if step.is_pickup() else 1) for step in route.schedule() if not step.is_depot()]  # type: ignore[attr-defined]


def _metrics(rows: list[Row], seconds: float, compile_s: float) -> list[Metric]:
    found: list[Metric] = [Metric("compile_s", compile_s, "s once, none where the kernels are kept from before", 0.0)]
    for size in ("", "100", "200"):
        some = [r for r in rows if not size or (size == "200") == ("_" in r.name)]
        if some and (not size or len(some) < len(rows)):
            found += _of(some, size or "all", seconds)
    for name in sorted({_class(r) for r in rows} - {""}):
        found += _of_class([r for r in rows if _class(r) == name], name)
    return found


def _class(row: Row) -> str:
    """Class and size: `lr1_2_10` is of lr1_200, `lrc204` of lrc2_100; a made-up one of none."""
    told = re.fullmatch(r"(l(?:c|r|rc)[12])(_2_\d+|\d\d)", row.name.lower())
    return "" if told is None else f"{told[1]}_{200 if '_' in told[2] else 100}"


def _of_class(rows: list[Row], name: str) -> list[Metric]:
    gaps = _gaps(rows, [r.ours for r in rows])
    held, unit = gaps[np.isfinite(gaps)], f"share of {len(rows)}"
    found = [
        Metric(f"{name}_within_2_percent", float((gaps <= WITHIN).mean()), f"{unit}, at no more vehicles", 0.0),
        Metric(f"{name}_vehicles_equal", float(np.isfinite(gaps).mean()), f"{unit}, as many vehicles or fewer", 0.0),
    ]
    for what, of in (("mean", np.mean), ("max", np.max)):
        if len(held):
            found.append(Metric(f"{name}_gap_{what}", float(of(held)) * 100, "% of best known, at no more vehicles", 0.0))
    return found


def _of(rows: list[Row], name: str, seconds: float) -> list[Metric]:
    ours = _gaps(rows, [r.ours for r in rows])
    live = _gaps(rows, [r.live for r in rows])
    equal = np.array([r.ours[0] <= r.known[0] for r in rows])
    n, unit = len(rows), f"{seconds:g} s an instance"
    share, by_live = float((ours <= WITHIN).mean()), float((live <= WITHIN).mean())
    wide = 1.96 * (share * (1.0 - share) / n) ** 0.5
    found = [
        Metric(f"{name}_instances", n, "instances", 0.0),
        Metric(
            f"{name}_within_2_percent",
            share,
            f"share, at no more vehicles, {unit}",
            wide,
            "live insertion",
            by_live,
            share / by_live if by_live else None,
        ),
        Metric(f"{name}_vehicles_equal", float(equal.mean()), "share with as many vehicles or fewer", 0.0),
        Metric(f"{name}_vehicles_more", float(np.mean([r.ours[0] - r.known[0] for r in rows])), "vehicles, mean over all", 0.0),
    ]
    for what, take in (("mean", np.mean), ("median", np.median), ("max", np.max)):
        if equal.any():
            found.append(
                Metric(f"{name}_gap_{what}", float(take(ours[equal])) * 100, "% of best known, at no more vehicles", 0.0)
            )
    same = np.isfinite(live)
    found += [
        Metric(f"{name}_live_vehicles_equal", float(same.mean()), f"share, {LIVE_S * 1000:g} ms an order", 0.0),
        Metric(f"{name}_live_vehicles_more", float(np.mean([r.live[0] - r.known[0] for r in rows])), "vehicles, mean over all", 0.0),
        Metric(f"{name}_live_distance", float(np.mean([r.live[1] / r.known[1] - 1 for r in rows])) * 100, "% of best known, any vehicles", 0.0),
        Metric(f"{name}_live_ms", float(np.mean([r.live_ms for r in rows])), "ms an order, all in", 0.0),
    ]  # fmt: skip
    if same.any():
        found.append(Metric(f"{name}_live_gap_mean", float(live[same].mean()) * 100, "% of best known, at no more vehicles", 0.0))
    return found + _beside(rows, name)


def _gaps(rows: list[Row], plans: list[tuple[int, float]]) -> np.ndarray:
    """Distance beyond the best known, as a share; inf where there are more vehicles, and 0 at most where there are fewer."""
    gaps = [
        np.inf if p[0] > r.known[0] else p[1] / r.known[1] - 1 if p[0] == r.known[0] else 0.0
        for r, p in zip(rows, plans, strict=True)
    ]
    return np.array(gaps)


def _beside(rows: list[Row], name: str) -> list[Metric]:
    """Ours and PyVRP's on the instances that both solved."""
    both = [r for r in rows if r.peer is not None]
    if not both:
        return []
    ours, theirs = _gaps(both, [r.ours for r in both]), _gaps(both, [r.peer for r in both if r.peer is not None])
    a, b = float((ours <= WITHIN).mean()), float((theirs <= WITHIN).mean())
    c, d = float(np.isfinite(ours).mean()), float(np.isfinite(theirs).mean())
    share = f"share of {len(both)}"
    return [
        Metric(f"{name}_beside_within_2_percent", a, share, 0.0, "PyVRP", b, a / b if b else None),
        Metric(f"{name}_beside_vehicles_equal", c, share, 0.0, "PyVRP", d, c / d if d else None),
    ]
