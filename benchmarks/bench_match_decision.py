"""Whole decisions: search, eligibility, features, two phases, assignment and the decision log, beside the search alone and a bare grid.

The fleet, its pings and the orders are those of `bench_match_search`. Acceptance is told by a model of 100 oblivious trees of depth 5
with its linear part, trained on made-up answers to real pairs of such a window. The trees look at the three cheapest of each order's
eight drivers. One window in twenty is logged whole, of the others the chosen and their runners-up; the log is files, durable: a
window's record is written beside the next one's decision, and three windows end when the last one's is there.

`cost_gap` is what the decided pairs cost above the least that 16 drivers an order allow with the trees' word on every one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import bare_grid
import numpy as np
from bench_match_search import PLANE, asked, fleet
from numpy.typing import NDArray

from rialto.app.learning import fitter
from rialto.cli.bench import Metric
from rialto.local.events import LocalEvents
from rialto.local.models import LocalModels
from rialto.local.travel import GreatCircle
from rialto.match.decide import UNMATCHED_S, card
from rialto.match.features import NAMES
from rialto.match.ledger import KINDS
from rialto.match.offers import Messages
from rialto.match.pipeline import Dispatch, build
from rialto.match.records import Orders
from rialto.match.sight import SIGHT, Linear
from rialto.match.travel import Travel
from rialto.ports import ModelCard
from rialto.records import Context, Requests
from rialto.spine.features import matrix
from rialto.spine.learn import Examples
from rialto.spine.log import DecisionLog
from rialto.spine.pipeline import Outcome
from rialto.spine.thinned import thinned

FAST = {"match.retrieve.k": 8, "match.retrieve.radius_m": 1e6, "match.retrieve.fresh_s": 3600.0, "match.log.whole": 0.05}
BEST = {**FAST, "match.retrieve.k": 16, "match.rank.trees_depth": 1000}
WHOLE_EVERY = 20
"""Of so many windows, one is logged whole."""


def run(*, quick: bool = False) -> list[Metric]:
    """Orders a second by size of window, with the search alone in the same turns; with offers made; the cost's gap; steps' shares."""
    drivers, sizes, turns = (5_000, (500,), 3) if quick else (200_000, (10, 100, 1_000, 20_000, 100_000), 7)
    with TemporaryDirectory(prefix="rialto-bench-") as folder:
        made = fleet("clustered", drivers, now_s=0.0)
        models = LocalModels()
        offers, decisions = (LocalEvents(Path(folder) / name) for name in ("offers", "decisions"))
        desk = build(
            geo=made.geo, travel=Travel(GreatCircle()), models=models, track=made.track, offers=offers, decisions=decisions,
            blocked=made.blocked,
        )  # fmt: skip
        teach(desk, models, asked(made, sizes[-1] if quick else 20_000, seed=9))
        bare, log = bare_grid.build(made.place), DecisionLog(decisions)
        out: list[Metric] = []
        for size in sizes:
            batches = [asked(made, size, seed=s) for s in range(3)]
            many = turns if size >= 1000 else 20
            out += measured(desk, log, bare, batches, many, main=size in (20_000, sizes[0] if quick else 0))
        main = [asked(made, sizes[-1] if quick else 20_000, seed=s) for s in range(3)]
        out += bounds(desk, models, main, 3 if quick else 7)
        out += gaps(desk, main)
        out += offered(desk, main, 3 if quick else 7)
        return out


def requests(batch: Orders, overrides: dict[str, float], at_s: float) -> Requests:
    """A batch of orders as the pipeline sees it."""
    plain = batch.requests(PLANE, at_s=at_s)
    return Requests(plain.ids, plain.time_s, plain.columns, {n: np.full(len(batch), v) for n, v in overrides.items()})


def teach(desk: Dispatch, models: LocalModels, batch: Orders) -> None:
    """Make an acceptance model live: far, against the driver's way and late in a wait, drivers say no more often."""
    c = desk.pipeline(version="").run(requests(batch, FAST, 1.0)).record.seen
    chance = np.random.default_rng(1)
    heading = np.nan_to_num(c.column("heading"))
    odds = 2.0 - c.column("pickup_s") / 240.0 + 0.8 * heading + np.minimum(c.column("idle_s") / 900.0, 1.0)
    odds += np.where(c.column("trip_m") > 4000.0, 0.7, -0.2)
    label = (chance.random(len(c)) < 1.0 / (1.0 + np.exp(-odds))).astype(np.float64)
    rows, ones = np.arange(len(c)), np.ones(len(c))
    examples = Examples(matrix(c, NAMES), NAMES, label, rows, c.ids, rows * 0, rows * 0, ones, ones)
    body = fitter("Logloss", trees=100, depth=5)(examples, 0)
    plain = card()
    models.promote(
        plain.name, models.put(ModelCard(plain.name, "trees", NAMES, params={SIGHT: Linear.fit(examples).to_json()}), body)
    )


def measured(
    desk: Dispatch, log: DecisionLog, bare: bare_grid.Bare, batches: list[Orders], turns: int, *, main: bool
) -> list[Metric]:
    """Decisions, the same search alone, and the bare grid, in turns of as many windows as there are batches, one after the other.

    A window's record is written by the log's own thread while the next window is decided; a turn ends when all of its are durable.
    """
    pipeline, size = desk.pipeline(), len(batches[0])
    search = pipeline.sources[0]
    took: dict[str, list[float]] = {"decision": [], "search": [], "grid": []}
    steps: dict[str, list[float]] = {}
    for turn in range(turns + 2):
        asked_ = [requests(batch, FAST, 2.0 + turn + n / 1000.0) for n, batch in enumerate(batches)]
        places = [(asks.column("x_m"), asks.column("y_m")) for asks in asked_]
        found: list[Outcome] = []

        def decide(asked_: list[Requests] = asked_, found: list[Outcome] = found, turn: int = turn) -> None:
            written: Future[NDArray[np.int64]] | None = None
            for n, asks in enumerate(asked_):
                found.append(outcome := pipeline.run(asks))
                whole = (turn * len(asked_) + n) % WHOLE_EVERY == 0
                if written is not None:
                    written.result()
                written = log.write_beside(lambda o=outcome, w=whole: [o.record if w else thinned(o)])
            if written is not None:
                written.result()

        ways: dict[str, Callable[[], object]] = {
            "decision": decide,
            "search": lambda asked_=asked_: [search.fetch(asks, Context(seed=0)) for asks in asked_],
            "grid": lambda places=places: [bare_grid.nearest(bare, *place, 8) for place in places],
        }
        for name, way in ways.items():
            started = perf_counter()
            way()
            seconds = (perf_counter() - started) / len(batches)
            if turn >= 2:
                took[name].append(seconds)
        for step in (s for outcome in found for s in outcome.trace.steps if turn >= 2):
            steps.setdefault(step.name, []).append(step.seconds)
    rate = {name: size / median(values) for name, values in took.items()}
    spread = (max(took["decision"]) - min(took["decision"])) / median(took["decision"])
    if not main:
        return [Metric(f"orders_per_s_{size}", rate["decision"], f"orders/s in windows of {size:,}", spread)]
    share = {name: median(values) / median(took["decision"]) for name, values in steps.items()}
    share["log and the rest"] = 1.0 - sum(share.values())
    return [
        Metric("orders_per_s", rate["decision"], f"orders/s in windows of {size:,}", spread, "its search alone", rate["search"],
               rate["decision"] / rate["search"]),
        Metric("ratio_bare", rate["decision"] / rate["search"], "times its own search alone", spread),
        Metric("ratio_grid", rate["decision"] / rate["grid"], "times a bare grid's search", spread),
        *(Metric(f"share_{name.replace(' ', '_')}", value, "of a decision's time", 0.0) for name, value in share.items()),
    ]  # fmt: skip


def bounds(desk: Dispatch, models: LocalModels, batches: list[Orders], turns: int) -> list[Metric]:
    """What no window could go beyond: the search alone and the trees alone on the rows that they look at, one after the other; and the
    bytes of candidates' columns that a window makes for each order, written once and read at least once."""
    pipeline, size = desk.pipeline(), len(batches[0])
    search, live = pipeline.sources[0], models.live(card().name)
    assert live is not None
    took: dict[str, list[float]] = {"search": [], "trees": []}
    rows = made = 0
    for turn in range(turns + 1):
        asks = requests(batches[turn % len(batches)], FAST, 90.0 + turn)
        outcome = pipeline.run(asks)
        seen = outcome.record.seen
        few = np.arange(min(3 * size, len(seen)))  # as many rows as the trees look at, three an order
        table = matrix(seen.at(few, np.array([0, len(few)])), NAMES)
        for name, way in (
            ("search", lambda asks=asks: search.fetch(asks, Context(seed=0))),
            ("trees", lambda t=table: models.score(live[0], t)),
        ):
            started = perf_counter()
            way()
            if turn:
                took[name].append(perf_counter() - started)
        rows, made = len(table), sum(c.nbytes for c in outcome.ranked.columns.values()) + outcome.ranked.ids.nbytes
    trees, alone = median(took["trees"]), median(took["search"])
    return [
        Metric(
            "trees_rows_per_s", rows / trees, "rows/s, 100 trees of depth 5", (max(took["trees"]) - min(took["trees"])) / trees
        ),
        Metric(
            "bound_orders_per_s", size / (alone + trees * 3 * size / rows), "orders/s, were all but search and trees free", 0.0
        ),
        Metric("bytes_per_order", made / size, "bytes of candidates' columns", 0.0),
    ]


def gaps(desk: Dispatch, batches: list[Orders]) -> list[Metric]:
    """How much dearer the decided pairs are than the least of 16 drivers an order with trees on all of them."""
    each: list[float] = []
    for batch in batches:
        fast = desk.pipeline().run(requests(batch, FAST, 1.0))
        best = desk.pipeline().run(requests(batch, BEST, 1.0))
        ranked = best.ranked
        names, codes = np.unique(np.concatenate([ranked.ids, fast.decisions.ids]), return_inverse=True)
        key = ranked.owner * len(names) + codes[: len(ranked)]
        rows = np.repeat(np.arange(len(batch)), fast.decisions.counts)
        want = rows * len(names) + codes[len(ranked) :]
        order = np.argsort(key)
        at = order[np.searchsorted(key, want, sorter=order)]
        total = cost(ranked.column("score"), at, len(batch))
        each.append(total / cost(ranked.column("score"), best.decisions.rows, len(batch)) - 1.0)
    return [Metric("cost_gap", float(np.mean(each)), "share above the exact optimum", max(each) - min(each))]


def cost(score: NDArray[np.float64], rows: NDArray[np.int64], orders: int) -> float:
    """Total cost of a window's choice, orders that wait included, s."""
    return float(-score[rows].sum()) + (orders - len(rows)) * float(UNMATCHED_S.default)


def offered(desk: Dispatch, batches: list[Orders], turns: int) -> list[Metric]:
    """The same with orders placed and offers made, all of it durable; then every order is cancelled, so that drivers are free again."""
    took: list[float] = []
    size = len(batches[0])
    for turn in range(turns + 1):
        batch, at_s = batches[turn % len(batches)], 3.0 + turn
        fresh = replace(batch, ids=batch.ids + (turn + 1) * 1_000_000)
        started = perf_counter()
        desk.window(fresh, at_s=at_s, overrides=FAST)
        if turn:
            took.append(perf_counter() - started)
        desk.tell_all(gone(fresh.ids), at_s=at_s)
    spread = (max(took) - min(took)) / median(took)
    return [Metric("orders_per_s_offered", size / median(took), f"orders/s in windows of {size:,}, offers made", spread)]


def gone(orders: NDArray[np.int64]) -> Messages:
    """Every order cancelled."""
    keys = np.stack([orders.astype(np.uint64), np.full(len(orders), 1 << 40, dtype=np.uint64)], axis=1)
    nobody = np.full(len(orders), -1)
    return Messages(keys, np.full(len(orders), KINDS.index("cancelled"), dtype=np.uint8), orders, nobody, nobody)
