"""Exact nearest drivers and position updates: GridGeo beside scipy's k-d tree and Redis GEO, in one run, on the same points.

Both peers are asked as their makers mean it: the tree in one call on all cores; Redis by a pipeline over loopback, within 500 m, the
8 nearest in order. The tree is built before the clock starts; GridGeo's moves are part of `geo_mixed_queries_per_s`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from rialto.cli.bench import Metric
from rialto.local.geo import GridGeo
from rialto.ports import Positioned
from rialto.testing.servers import absent, redis_server
from rialto.threads import cores

CITY_M = 40_000.0
DEGREE_M = 111_195.0
K = 8
NAMES = ("uniform", "clustered")


def run(*, quick: bool = False) -> list[Metric]:
    """Queries/s on uniform and clustered drivers, updates/s, and queries/s with eligibility while positions change."""
    drivers, queries, rounds = (10_000, 5_000, 3) if quick else (200_000, 100_000, 7)
    found: list[Metric] = []
    for name in NAMES:
        found += _searches(name, drivers, queries, rounds)
    found += _changes(drivers, queries, rounds)
    if absent("redis") is None:
        found += _beside_redis(drivers, queries, 200 if quick else 2_000, rounds)
    return found


def city(name: str, drivers: int, seed: int = 1) -> NDArray[np.float64]:
    """Drivers in a square of 40 km: `uniform`, or `clustered`: 80 % in 60 knots of 80 to 1500 m, the rest anywhere."""
    chance = np.random.default_rng(seed)
    anywhere = chance.uniform(0.0, CITY_M, (drivers, 2))
    if name == "uniform":
        return anywhere
    knot, width = chance.uniform(0.0, CITY_M, (60, 2)), chance.uniform(80.0, 1500.0, 60)
    at = chance.integers(0, 60, drivers)
    crowd = np.clip(knot[at] + chance.normal(size=(drivers, 2)) * width[at, np.newaxis], 0.0, CITY_M)
    return np.where(chance.random((drivers, 1)) < 0.2, anywhere, crowd)


def orders(place: NDArray[np.float64], queries: int, seed: int = 2) -> NDArray[np.float64]:
    """Queries where drivers are, some 100 m off."""
    chance = np.random.default_rng(seed)
    return np.clip(place[chance.integers(0, len(place), queries)] + chance.normal(size=(queries, 2)) * 100.0, 0.0, CITY_M)


def filled(place: NDArray[np.float64], flags: NDArray[np.uint64] | None = None) -> GridGeo:
    """An index of these drivers, searched once so that its points lie by cell."""
    geo = GridGeo()
    size = len(place)
    geo.move(_points(place, 0.0, np.zeros(size, dtype=np.uint64) if flags is None else flags))
    geo.nearest(place[:2000, 0], place[:2000, 1], k=K)
    return geo


def rates(work: Sequence[Callable[[], object]], rounds: int, amounts: Sequence[int]) -> list[tuple[float, float]]:
    """Median rate and spread of each, run in turns so that a disturbance meets all alike; one round before the clock counts."""
    times: list[list[float]] = [[] for _ in work]
    for turn in range(rounds + 1):
        for each, call in zip(times, work):
            start = perf_counter()
            call()
            if turn:
                each.append(perf_counter() - start)
    return [(amount / median(t), (max(t) - min(t)) / median(t)) for t, amount in zip(times, amounts)]


def _points(place: NDArray[np.float64], time_s: float, flags: NDArray[np.uint64]) -> Positioned:
    size = len(place)
    return Positioned(np.arange(size), place[:, 0].copy(), place[:, 1].copy(), np.full(size, time_s), flags)


def _searches(name: str, drivers: int, queries: int, rounds: int) -> list[Metric]:
    place = city(name, drivers)
    asked = orders(place, queries)
    geo, tree = filled(place), cKDTree(place)
    x, y = asked[:, 0].copy(), asked[:, 1].copy()
    far, _ = tree.query(asked, K, workers=cores())
    if not np.array_equal(geo.nearest(x, y, k=K).scores.reshape(-1, K), far):
        raise AssertionError(f"GridGeo and the tree disagree on {name} drivers")
    ours, peer = rates(
        [lambda: geo.nearest(x, y, k=K), lambda: tree.query(asked, K, workers=cores())], rounds, [queries, queries]
    )
    ratio = ours[0] / peer[0]
    return [Metric(f"geo_{name}_queries_per_s", ours[0], "queries/s", ours[1], "scipy cKDTree", peer[0], ratio)]


def _changes(drivers: int, queries: int, rounds: int) -> list[Metric]:
    """Updates alone, all drivers some 10 m on; then a window: an eighth of them moves, and each query needs one of two skills."""
    place, chance = city("clustered", drivers), np.random.default_rng(3)
    skills = chance.integers(1, 4, drivers).astype(np.uint64)
    asked, need = orders(place, queries), chance.integers(1, 3, queries).astype(np.uint64)
    geo, clock = filled(place, skills), iter(range(1, 1_000_000))
    steps = [place + chance.normal(size=place.shape) * 10.0 for _ in range(2)]
    x, y, few = asked[:, 0].copy(), asked[:, 1].copy(), drivers // 8

    def advance() -> None:
        now = next(clock)
        geo.move(_points(steps[now % 2], float(now), skills))

    def window() -> None:
        now, first = next(clock), few * int(chance.integers(0, 8))
        rows = slice(first, first + few)
        moved = Positioned(np.arange(drivers)[rows], *steps[now % 2][rows].T.copy(), np.full(few, float(now)), skills[rows])
        geo.move(moved)
        geo.nearest(x, y, k=K, need=need)

    moves, mixed = rates([advance, window], rounds, [drivers, queries])
    return [
        Metric("geo_moves_per_s", moves[0], "updates/s", moves[1]),
        Metric("geo_mixed_queries_per_s", mixed[0], "queries/s, with 25 updates to 100 queries", mixed[1]),
    ]


def _beside_redis(drivers: int, queries: int, few: int, rounds: int) -> list[Metric]:
    import redis

    found: list[Metric] = []
    with redis_server() as url, redis.Redis.from_url(url) as client:
        for name in NAMES:
            place = city(name, drivers)
            asked = orders(place, queries)
            x, y = asked[:, 0].copy(), asked[:, 1].copy()
            geo = filled(place)
            for first in range(0, drivers, 10_000):
                _add(client, name, place[first : first + 10_000], first)

            def theirs(name: str = name, asked: NDArray[np.float64] = asked) -> object:
                pipe = client.pipeline(transaction=False)
                for east, north in (asked[:few] / DEGREE_M).tolist():
                    pipe.geosearch(name, longitude=east, latitude=north, radius=500, unit="m", sort="ASC", count=K, withdist=True)
                return pipe.execute()

            ours, peer = rates([lambda geo=geo, x=x, y=y: geo.nearest(x, y, k=K, radius_m=500.0), theirs], rounds, [queries, few])
            metric = f"geo_{name}_queries_per_s"
            found.append(
                Metric(metric, ours[0], "queries/s within 500 m", ours[1], "Redis GEOSEARCH", peer[0], ours[0] / peer[0])
            )
        found.append(_moves_beside_redis(client, min(drivers, 20_000), rounds))
    return found


def _moves_beside_redis(client: object, drivers: int, rounds: int) -> Metric:
    place = city("uniform", drivers)
    geo, flags, clock = filled(place), np.zeros(drivers, dtype=np.uint64), iter(range(1, 1_000_000))
    ours, peer = rates(
        [lambda: geo.move(_points(place, float(next(clock)), flags)), lambda: _add(client, "moves", place, 0)],
        rounds,
        [drivers, drivers],
    )
    return Metric("geo_moves_per_s", ours[0], "updates/s", ours[1], "Redis GEOADD", peer[0], ours[0] / peer[0])


def _add(client: object, key: str, place: NDArray[np.float64], first: int) -> None:
    pipe = client.pipeline(transaction=False)  # type: ignore[attr-defined]
    for i, (east, north) in enumerate((place / DEGREE_M).tolist(), first):
        pipe.geoadd(key, (east, north, i))
    pipe.execute()
