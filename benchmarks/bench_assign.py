"""Assignment beside OR-Tools' flow and SciPy's sparse matching at equal total cost, how it grows, and how near the least the fast way is.

The problem: orders and drivers anywhere in a square, each order with its 20 nearest drivers, cost in whole metres, every order to be
served. All three start from the same pairs and end with the chosen ones; a run whose totals differ fails. OR-Tools gets whole numbers and
one arc a pair, SciPy the pairs alone (no places to wait at), which is what each does best with. Where OR-Tools is not installed, SciPy
is the only peer.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import KDTree

from rialto.cli.bench import Metric
from rialto.spine.decide.assign import first_come, match

ANY_PRICE_M = 1e6
WITHIN = 0.02
SHAPES = {"plenty": 1.5, "equal": 1.0, "scarce": 0.5}


class Pairs(NamedTuple):
    """A window's pairs, and what it costs to leave an order waiting."""

    owner: NDArray[np.int64]
    ids: NDArray[np.int64]
    cost: NDArray[np.float64]
    unmatched: NDArray[np.float64]
    request_ids: NDArray[np.uint64]


def run(*, quick: bool = False) -> list[Metric]:
    """Time beside the peers at both sizes; growth from 10 orders on; the fast way's orders/s and gap, for three shapes of window."""
    rounds, sizes = (2, (500, 2_000)) if quick else (5, (5_000, 20_000))
    found: list[Metric] = []
    took: list[float] = []
    for size, name in zip(sizes, ("assign_5000", "assign_20000")):
        found += _beside(name, size, rounds)
        took.append(next(m.value for m in found if m.metric == name))
    found.append(Metric("assign_20000_to_5000", took[1] / took[0], "times as long for 4 times the orders", found[-1].spread))
    for orders in (10, 100, 1_000) if quick else (10, 100, 1_000, 10_000, 20_000, 100_000):
        found += _window(orders, "plenty", 8, rounds)
    found += _side_by_side(500 if quick else 20_000, rounds)
    for shape in ("equal", "scarce"):
        found += _window(500 if quick else 20_000, shape, 8, rounds)
    return found


def plane(orders: int, drivers: int, k: int, unmatched_m: float, seed: int = 1) -> Pairs:
    """Orders and drivers in a square of one order per 200 m x 200 m, each order with its `k` nearest drivers, in whole metres."""
    chance = np.random.default_rng(seed)
    side_m, k = 200.0 * np.sqrt(orders), min(k, drivers)
    far, near = KDTree(chance.uniform(0.0, side_m, (drivers, 2))).query(chance.uniform(0.0, side_m, (orders, 2)), k)
    owner = np.repeat(np.arange(orders), k)
    asked = np.arange(orders, dtype=np.uint64)
    return Pairs(owner, near.reshape(-1).astype(np.int64), np.rint(far.reshape(-1)), np.full(orders, unmatched_m), asked)


def by_rialto(pairs: Pairs) -> float:
    """Total cost by `match`."""
    return match(*pairs).total


def by_scipy(pairs: Pairs) -> float:
    """Total cost by SciPy's sparse matching, which wants weights above zero."""
    orders = len(pairs.unmatched)
    graph = csr_array((pairs.cost + 1.0, (pairs.owner, pairs.ids)), shape=(orders, int(pairs.ids.max()) + 1))
    return float(graph[min_weight_full_bipartite_matching(graph)].sum() - orders)


def by_ortools(pairs: Pairs) -> float:
    """Total cost by OR-Tools' `SimpleMinCostFlow`: a unit from each order over a driver to one sink."""
    from ortools.graph.python.min_cost_flow import SimpleMinCostFlow  # an extra: only where it is installed

    orders, drivers = len(pairs.unmatched), int(pairs.ids.max()) + 1
    sink = orders + drivers
    tail = np.concatenate([pairs.owner, np.arange(orders, sink)]).astype(np.int32)
    head = np.concatenate([orders + pairs.ids, np.full(drivers, sink)]).astype(np.int32)
    cost = np.concatenate([pairs.cost.astype(np.int64), np.zeros(drivers, dtype=np.int64)])
    flow: Any = SimpleMinCostFlow()  # its stubs take a dtype for a shape
    flow.add_arcs_with_capacity_and_unit_cost(tail, head, np.ones(len(tail), dtype=np.int64), cost)
    supply = np.append(np.ones(orders, dtype=np.int64), -orders)
    flow.set_nodes_supplies(np.append(np.arange(orders), sink).astype(np.int32), supply)
    if flow.solve() != flow.OPTIMAL:
        raise RuntimeError("OR-Tools found no matching of all orders; wanted one: draw another window.")
    return float(flow.optimal_cost())


def peers() -> Mapping[str, Callable[[Pairs], float]]:
    """The peers that are installed."""
    known = {"SciPy min_weight_full_bipartite_matching": by_scipy}
    return known | ({"OR-Tools SimpleMinCostFlow": by_ortools} if find_spec("ortools") is not None else {})


def in_turns(work: Sequence[Callable[[], float]], rounds: int) -> tuple[list[tuple[float, float]], list[float]]:
    """Median ms and spread of each, in turns so that a disturbance meets all alike, after a round that does not count; and the answers."""
    times: list[list[float]] = [[] for _ in work]
    said = [call() for call in work]
    gc.collect()
    for _ in range(rounds):
        for each, call in zip(times, work):
            start = perf_counter()
            call()
            each.append(1e3 * (perf_counter() - start))
    return [(median(t), (max(t) - min(t)) / median(t)) for t in times], said


def _beside(name: str, orders: int, rounds: int) -> list[Metric]:
    """Ours in ms, beside the fastest peer and beside each; `ratio` is how many times ours goes into the peer's time."""
    pairs, others = plane(orders, orders * 3 // 2, 20, ANY_PRICE_M), peers()
    calls = [lambda call=call: call(pairs) for call in (by_rialto, *others.values())]
    ((ours, spread), *theirs), totals = in_turns(calls, rounds)
    if len(set(totals)) > 1:
        raise RuntimeError(f"the totals differ: {dict(zip(('Rialto', *others), totals))}; wanted the same least cost from all.")
    took = {peer: ms for peer, (ms, _) in zip(others, theirs)}
    best = min(took, key=lambda peer: took[peer])
    beside = {name: best} | {f"{name}_beside_{peer.split()[0].lower().replace('-', '')}": peer for peer in others}
    return [Metric(metric, ours, "ms", spread, peer, took[peer], took[peer] / ours) for metric, peer in beside.items()]


def _window(orders: int, shape: str, k: int, rounds: int) -> list[Metric]:
    """Orders/s, exact beside greedy and near the least beside exact, and how far above the least that is: in fact, and as it certifies."""
    pairs = plane(orders, max(int(orders * SHAPES[shape]), 1), k, unmatched_m=6_000.0)
    name, again = f"{shape}_{orders}", max(1, 2_000 // orders)  # small windows many times over, or the clock is all there is

    def many(call: Callable[[], float]) -> Callable[[], float]:
        return lambda: sum(call() for _ in range(again)) / again

    exact = many(lambda: match(*pairs).total)
    near = many(lambda: match(*pairs, within=WITHIN).total)
    greedy = many(lambda: float(len(first_come(*pairs))))
    ((by_exact, exact_spread), (by_near, near_spread), (by_greedy, _)), (least, paid, _) = in_turns([exact, near, greedy], rounds)
    rate = [1e3 * orders * again / ms for ms in (by_exact, by_near, by_greedy)]
    proved = match(*pairs, within=WITHIN).gap / least
    return [
        Metric(f"assign_exact_{name}", rate[0], "orders/s", exact_spread, "greedy", rate[2], rate[0] / rate[2]),
        Metric(f"assign_near_{name}", rate[1], "orders/s", near_spread, "exact", rate[0], rate[1] / rate[0]),
        Metric(
            f"assign_gap_{name}", paid / least - 1.0, "share above the least; peer: certified by itself", 0.0, "bound", proved
        ),
    ]


def _side_by_side(orders: int, rounds: int) -> list[Metric]:
    """Two windows near the least at once, by two threads, beside one after the other: the kernels let go of the interpreter."""
    pair = [plane(orders, orders * 3 // 2, 8, 6_000.0, seed) for seed in (1, 2)]

    def near(pairs: Pairs) -> float:
        return match(*pairs, within=WITHIN).total

    with ThreadPoolExecutor(2) as pool:
        ((both, spread), (single, _)), _ = in_turns([lambda: sum(pool.map(near, pair)), lambda: sum(map(near, pair))], rounds)
    rate = 2e3 * orders / both
    return [
        Metric(f"assign_near_two_{orders}", rate, "orders/s", spread, "one after the other", 2e3 * orders / single, single / both)
    ]
