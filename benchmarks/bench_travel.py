"""Drive times over a road graph: hub labels beside scipy's Dijkstra and beside the great circle, in one run, on the same pairs.

Two shapes of question are asked: a table (every start to every goal) and a window (each order and eight drivers of its own). The graph is
a made-up town of one-way and two-way streets, as large as the one of `manhattan`; where the folder of real data is there, that one too.
Places are corners, so that Dijkstra, which knows no others, gives the same answer; that it does is checked before the clock counts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from rialto.cli.bench import Metric
from rialto.errors import EngineBusy
from rialto.local.roads import Roads, read_roads
from rialto.local.roads_contract import simplified
from rialto.local.roads_labels import labels_of
from rialto.local.roads_snap import Ground
from rialto.local.roads_times import RoadTimes
from rialto.local.travel import GreatCircle
from rialto.local.travel_areas import AreaCircle

DRIVERS = 8
BUDGET_S = 0.05


def run(*, quick: bool = False) -> list[Metric]:
    """Pairs/s of both shapes on each graph, seconds of preparation, and how far a call overran its budget."""
    rounds = 3 if quick else 7
    towns = {"grid": town(15 if quick else 70)}
    data = Path(os.environ.get("RIALTO_DATA", "../shared/data")) / "manhattan"
    if data.is_dir() and not quick:
        towns["manhattan"] = read_roads(data)
    return [metric for name, roads in towns.items() for metric in measure(name, roads, rounds, 60 if quick else 1000)]


def town(side: int, seed: int = 1) -> Roads:
    """side x side corners about 90 m apart; a sixth of the streets lead one way, and speeds are drawn."""
    chance = np.random.default_rng(seed)
    row, column = np.divmod(np.arange(side * side), side)
    jitter = chance.uniform(-0.2, 0.2, (2, side * side))
    ends = [(n, n + 1) for n in range(side * side) if n % side < side - 1] + [(n, n + side) for n in range(side * (side - 1))]
    tail, head = np.array(ends + [(b, a) for a, b in ends if chance.random() > 1 / 6]).T
    lat, lon = 40.7 + 0.001 * (row + jitter[0]), -74.0 + 0.001 * (column + jitter[1])
    north, east = 111_195.0 * (lat[head] - lat[tail]), 84_300.0 * (lon[head] - lon[tail])
    return Roads(lat, lon, tail, head, np.hypot(north, east), chance.choice([6.0, 8.0, 11.0, 18.0], len(tail)))


def measure(name: str, roads: Roads, rounds: int, size: int) -> list[Metric]:
    """All metrics of one graph; `size` starts and goals in the table, twice as many orders in the window."""
    prepared = [timed(lambda: labels_of(len(roads.lat), roads.tail, roads.head, roads.ms)) for _ in range(6)][1:]
    labels = labels_of(len(roads.lat), roads.tail, roads.head, roads.ms)
    travel = RoadTimes(labels, Ground.of(roads))
    found = [Metric(f"travel_{name}_prepare_s", median(prepared), "s", spread(prepared))]
    found.append(Metric(f"travel_{name}_label_rows", labels.mean, "rows a node", 0.0))
    chance, nodes = np.random.default_rng(2), len(roads.lat)
    starts, goals = (chance.choice(nodes, min(size, nodes), replace=False) for _ in range(2))
    table = np.repeat(starts, len(goals)), np.tile(goals, len(starts))
    orders = np.repeat(chance.choice(nodes, min(2 * size, nodes), replace=False), DRIVERS)
    window = chance.integers(0, nodes, len(orders)), orders
    for shape, pairs in (("table", table), ("window", window)):
        found += compared(f"travel_{name}_{shape}_pairs_per_s", travel, roads, pairs, rounds)
    return [*found, budget(name, travel, roads)]


def compared(
    metric: str, travel: RoadTimes, roads: Roads, pairs: tuple[NDArray[np.int64], NDArray[np.int64]], rounds: int
) -> list[Metric]:
    """One shape against each peer."""
    at = np.stack((roads.lat, roads.lon), axis=1)
    start, goal, when = at[pairs[0]], at[pairs[1]], np.linspace(0.0, 86_400.0, len(pairs[0]))
    graph = reversed_graph(roads)
    circle = GreatCircle()
    areas = AreaCircle.learn(start, goal, np.maximum(circle.seconds(start, goal, at_s=when), 1.0), when)
    wanted, ours = by_dijkstra(graph, pairs), travel.seconds(start, goal, at_s=when)
    if np.abs(np.where(np.isinf(wanted) & np.isinf(ours), 0.0, ours - wanted)).max() > 0.05:
        raise AssertionError("the labels and scipy's Dijkstra disagree")
    calls: dict[str, Callable[[], object]] = {
        "": lambda: travel.seconds(start, goal, at_s=when),
        "scipy dijkstra": lambda: by_dijkstra(graph, pairs),
        "great circle by hour": lambda: circle.seconds(start, goal, at_s=when),
        "great circle by hour and area": lambda: areas.seconds(start, goal, at_s=when),
    }
    times = in_turns(list(calls.values()), rounds)
    rates = {name: len(when) / median(t) for name, t in zip(calls, times)}
    return [
        Metric(metric, rates[""], "pairs/s", spread(times[0]), peer, rates[peer], rates[""] / rates[peer])
        for peer in calls
        if peer
    ]


def reversed_graph(roads: Roads) -> csr_matrix:
    """The graph as scipy takes it, turned around: one run from a goal knows all its starts."""
    tail, head, ms = simplified(len(roads.lat), roads.tail, roads.head, roads.ms)
    return csr_matrix((ms / 1000.0, (head, tail)), shape=(len(roads.lat),) * 2)


def by_dijkstra(graph: csr_matrix, pairs: tuple[NDArray[np.int64], NDArray[np.int64]]) -> NDArray[np.float64]:
    """Seconds of pairs, one run for each distinct goal."""
    goals, of = np.unique(pairs[1], return_inverse=True)
    return dijkstra(graph, indices=goals)[of, pairs[0]]


def budget(name: str, travel: RoadTimes, roads: Roads) -> Metric:
    """Seconds after which a call that needs far more than its budget says so."""
    short = RoadTimes(travel.labels, travel.ground, budget_s=BUDGET_S)
    at = np.stack((roads.lat, roads.lon), axis=1)
    chance = np.random.default_rng(3)
    start, goal = at[chance.integers(0, len(at), (2, 1_000_000))]
    taken = [timed(lambda: refused(short, start, goal)) for _ in range(5)]
    return Metric(f"travel_{name}_refused_s", median(taken), f"s, budget {BUDGET_S:g}", spread(taken))


def refused(travel: RoadTimes, start: NDArray[np.float64], goal: NDArray[np.float64]) -> bool:
    """True where the budget was used up."""
    try:
        travel.seconds(start, goal, at_s=np.zeros(len(start)))
    except EngineBusy:
        return True
    return False


def timed(call: Callable[[], object]) -> float:
    """Seconds of one call."""
    begin = perf_counter()
    call()
    return perf_counter() - begin


def in_turns(calls: Sequence[Callable[[], object]], rounds: int) -> list[list[float]]:
    """Seconds of each, in turns so that a disturbance meets all alike; one round before the clock counts."""
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(rounds + 1):
        for each, call in zip(times, calls):
            took = timed(call)
            if turn:
                each.append(took)
    return times


def spread(times: Sequence[float]) -> float:
    """(maximum - minimum) / median."""
    return (max(times) - min(times)) / median(times)
