"""Exact eligible nearest drivers while positions stream in, beside a bare grid, and Redis GEO; the fleet's growth; position updates.

A window takes the pings that came since the last one, through `Track`, then searches for a batch of orders: vehicle, skills, zone, room
for the load, time until shift's end or break, freshness and blocked pairs, all inside the search. Real time runs: a driver pings every
0.8 s, so 250,000 pings are due each second whatever the searches take, and an answer's age is what the clock says when it comes.

The bare grid (`bare_grid.py`) has nothing to look at but places, and stands still. Both answer the same batches in turns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import bare_grid
import numpy as np
from bench_geo import CITY_M, DEGREE_M, K, city, orders, rates
from numpy.typing import NDArray
from scipy.spatial import cKDTree  # pyright: ignore[reportAttributeAccessIssue]

from rialto.cli.bench import Metric
from rialto.local.geo import GridGeo
from rialto.match.blocked import Blocked
from rialto.match.records import FREE, Drivers, Orders, Pings, Plane
from rialto.match.retrieve import nearest
from rialto.match.track import Limits, Track
from rialto.match.zones import Zones
from rialto.records import Context, Requests
from rialto.testing.servers import absent, redis_server

PLANE = Plane(52.0, 13.0)
PINGS_PER_S = 250_000
EVERY_S = 0.8
"""Seconds between a driver's pings, and so seconds that a fleet of 200,000 takes for 250,000 a second."""

VEHICLES, SKILLS, ZONES = 4, 6, 9
"""Bits 0..3: not a bike, not a car, not a van, not cold; 4..9: skills; 10..18: zones to work in."""

OVERRIDES = {"match.retrieve.k": 8, "match.retrieve.radius_m": 1e6, "match.retrieve.fresh_s": 30.0}


def run(*, quick: bool = False) -> list[Metric]:
    """Searches/s while updates go in, by kind of fleet; ratios to the peers; updates/s; p99 age; searches/s by size of fleet."""
    drivers, queries, windows = (10_000, 5_000, 3) if quick else (200_000, 100_000, 16)
    names = ("clustered",) if quick else ("clustered", "uniform")
    found = [m for name in names for m in _windows(name, drivers, queries, windows)]
    found.append(_updates(drivers, 3 if quick else 9))
    if not quick:
        found += [m for size in (1_000, 10_000, 1_000_000) for m in _windows("clustered", size, queries, 5, grows=True)]
    if absent("redis") is None:
        found.extend(_beside_redis(drivers, queries, 200 if quick else 2_000, 3 if quick else 7))
    return found


@dataclass(frozen=True, slots=True)
class Fleet:
    """A fleet as the search knows it, with what makes its windows."""

    place: NDArray[np.float64]
    drivers: Drivers
    track: Track
    geo: GridGeo
    zones: Zones
    blocked: Blocked


def fleet(name: str, size: int, *, now_s: float, seed: int = 5) -> Fleet:
    """Drivers of four kinds of vehicle with skills, zones, capacities, shifts and breaks; a fifth are busy, 5 % off duty."""
    chance = np.random.default_rng(seed)
    place = city(name, size) - CITY_M / 2.0
    kind = chance.choice(VEHICLES, size, p=[0.3, 0.4, 0.2, 0.1])
    bits = sum((np.uint64(1 << v) * (kind != v).astype(np.uint64) for v in range(VEHICLES)), np.zeros(size, np.uint64))
    for i, share in enumerate((0.9, 0.8, 0.7, 0.5, 0.3, 0.2)):
        bits |= np.uint64(1 << (VEHICLES + i)) * (chance.random(size) < share).astype(np.uint64)
    for z in range(ZONES):
        bits |= np.uint64(1 << (VEHICLES + SKILLS + z)) * (chance.random(size) < 0.9).astype(np.uint64)
    capacity = np.array([[20.0, 60.0, 0.0], [300.0, 400.0, 4.0], [900.0, 4000.0, 2.0], [700.0, 3000.0, 2.0]])[kind]
    starts = now_s - chance.uniform(-300.0, 6 * 3600.0, size)
    pause = starts + 4 * 3600.0
    drivers = Drivers.of(
        np.arange(size), flags=bits, shift_start_s=starts, shift_end_s=starts + 8 * 3600.0, break_start_s=pause,
        break_end_s=pause + 1800.0, weight_kg=capacity[:, 0], volume_l=capacity[:, 1], seats=capacity[:, 2],
    )  # fmt: skip
    geo = GridGeo()
    track = Track(geo, PLANE, limits=Limits(speed_mps=200.0))
    track.enrol(drivers, at_s=now_s)
    track.pings(_pings(np.arange(size), place, now_s - chance.random(size) * EVERY_S), now_s=now_s)
    track.hold(np.flatnonzero(chance.random(size) < 0.2))
    side, half = CITY_M / 3.0, CITY_M / 2.0
    corner = np.array([[0.0, 0.0], [side, 0.0], [side, side], [0.0, side]]) - half
    squares = [corner + side * np.array([z % 3, z // 3]) for z in range(ZONES)]
    zones = Zones(squares, list(range(VEHICLES + SKILLS, VEHICLES + SKILLS + ZONES)))
    pairs = chance.integers(0, [20_000, size], (2_000, 2))  # a customer in ten has blocked a driver
    return Fleet(place, drivers, track, geo, zones, Blocked(pairs[:, 0], pairs[:, 1]))


def asked(made: Fleet, queries: int, *, seed: int) -> Orders:
    """Orders where drivers are: most go by bike, car or van, some by car or van, a few in the cold; 30 % need a skill."""
    chance = np.random.default_rng(seed)
    at = orders(made.place + CITY_M / 2.0, queries, seed) - CITY_M / 2.0
    lat, lon = PLANE.latlon(at[:, 0], at[:, 1])
    drop_lat, drop_lon = PLANE.latlon(*(at + chance.normal(size=(queries, 2)) * 2000.0).T)
    kind = chance.choice(4, queries, p=[0.55, 0.25, 0.12, 0.08])
    vehicle = np.array([0b1000, 0b1001, 0b1011, 0b0111], dtype=np.uint64)[kind]  # which vehicles it is not for
    skill = np.where(
        chance.random(queries) < 0.3, np.uint64(1) << chance.integers(VEHICLES, VEHICLES + SKILLS, queries).astype(np.uint64), 0
    )
    load = chance.exponential(1.0, (queries, 2)) * np.array([[3.0, 10.0], [40.0, 90.0], [200.0, 600.0], [100.0, 300.0]])[kind]
    return Orders.of(
        np.arange(queries), lat=lat, lon=lon, placed_s=np.zeros(queries), need=vehicle | skill.astype(np.uint64),
        customer=chance.integers(0, 20_000, queries), drop_lat=drop_lat, drop_lon=drop_lon,
        weight_kg=load[:, 0], volume_l=load[:, 1],
    )  # fmt: skip


def _pings(ids: NDArray[np.int64], place: NDArray[np.float64], time_s: NDArray[np.float64]) -> Pings:
    lat, lon = PLANE.latlon(place[:, 0], place[:, 1])
    return Pings.of(ids, lat=lat, lon=lon, time_s=time_s)


def _requests(made: Orders, at_s: float) -> Requests:
    plain = made.requests(PLANE, at_s=at_s)
    overrides = {name: np.full(len(made), value) for name, value in OVERRIDES.items()}
    return Requests(plain.ids, plain.time_s, plain.columns, overrides)


class Stream:
    """The fleet's pings in real time: each driver pings every 0.8 s, in larger fleets as often as 250,000 a second allow."""

    def __init__(self, made: Fleet, start_s: float) -> None:
        self._made, self._at_s, self._size = made, start_s, len(made.place)
        self._rate = min(self._size / EVERY_S, PINGS_PER_S)
        self._sent = 0
        drift = np.random.default_rng(6).normal(size=(2, self._size, 2)) * 10.0
        self._ways = [PLANE.latlon(*(made.place + d).T) for d in drift]

    def due(self, now_s: float) -> Iterator[Pings]:
        """The pings measured up to `now_s`, a batch for each round through the fleet."""
        last = int((now_s - self._at_s) * self._rate)
        while self._sent < last:
            round_, first = divmod(self._sent, self._size)
            stop = min(first + last - self._sent, self._size)
            ids = np.arange(first, stop)
            lat, lon = self._ways[round_ % 2]
            time_s = self._at_s + np.arange(self._sent, self._sent + stop - first) / self._rate
            self._sent += stop - first
            yield Pings.of(ids, lat=lat[first:stop], lon=lon[first:stop], time_s=time_s)


def _windows(name: str, drivers: int, queries: int, windows: int, *, grows: bool = False) -> list[Metric]:
    """Windows in real time; the bare grid answers each one's orders after it, and its time is left out of the stream's."""
    made = fleet(name, drivers, now_s=0.0)
    source = nearest(made.geo, made.track, zones=made.zones, barred={"customer": lambda: made.blocked})
    bare = bare_grid.build(made.place)
    batches = [asked(made, queries, seed=s) for s in range(4)]
    _check(made, source, batches[0], bare)
    stream, clock_s = Stream(made, 0.0), 0.0
    took, peer, ages, fed = [], [], [], 0.0
    for turn in range(windows + 2):
        batch = batches[turn % 4]
        requests = _requests(batch, clock_s)
        started = perf_counter()
        for pings in stream.due(clock_s):
            made.track.pings(pings, now_s=clock_s)
        updated = perf_counter()
        found = source.fetch(requests, Context(seed=0))
        ended = perf_counter()
        x_m, y_m = PLANE.xy(batch.lat, batch.lon)
        middle = perf_counter()
        bare_grid.nearest(bare, x_m, y_m, K)
        over = perf_counter()
        clock_s += ended - started
        if turn < 2:
            continue
        took.append(ended - started)
        fed += updated - started
        peer.append(over - middle)
        ages.append(found.column("age_s") + (ended - started))
    rate, theirs = queries / median(took), queries / median(peer)
    spread = (max(took) - min(took)) / median(took)
    if grows:
        return [
            Metric(
                f"match_search_{drivers}_per_s",
                rate,
                f"searches/s among {drivers:,} drivers",
                spread,
                "bare grid",
                theirs,
                rate / theirs,
            )
        ]
    unit = f"searches/s while {min(drivers / EVERY_S, PINGS_PER_S):,.0f} updates/s go in"
    return [
        Metric(f"match_search_{name}_per_s", rate, unit, spread, "bare grid, no eligibility, no updates", theirs, rate / theirs),
        Metric(
            f"match_search_{name}_age_p99_s",
            float(np.quantile(np.concatenate(ages), 0.99)),
            "s, age of a position in an answer",
            0.0,
        ),
        Metric(f"match_search_{name}_update_share", fed / sum(took), "share of the time that updates take", 0.0),
        Metric(
            "ratio_bare" if name == "clustered" else f"ratio_bare_{name}",
            rate / theirs,
            "times a bare grid without eligibility",
            spread,
        ),
    ]


def _check(made: Fleet, source: object, batch: Orders, bare: bare_grid.Bare) -> None:
    """Both answer as looking at every driver does, on a few orders, before anything is measured."""
    few = batch.take(slice(0, 200))
    requests = _requests(few, 0.0)
    found = source.fetch(requests, Context(seed=0))  # type: ignore[attr-defined]
    x_m, y_m = PLANE.xy(few.lat, few.lon)
    _, far = bare_grid.nearest(bare, x_m, y_m, K)
    if not np.allclose(far, cKDTree(made.place).query(np.stack([x_m, y_m], axis=1), K)[0]):
        raise AssertionError("the bare grid and the tree disagree")
    d, ids = made.drivers, made.drivers.ids
    free = made.track.fleet.flags & FREE > 0
    x, y = made.track.place(ids)
    works = (d.shift_start_s <= 0.0) & (d.shift_end_s > 0.0) & ~((d.break_start_s <= 0.0) & (d.break_end_s > 0.0))
    until_s = np.minimum(d.shift_end_s, np.where(d.break_start_s > 0.0, d.break_start_s, np.inf))
    need = few.need | made.zones.of_plain(x_m, y_m)
    for q in range(len(few)):
        away = np.hypot(x - x_m[q], y - y_m[q])
        trip_m = np.hypot(*(requests.column(f"drop_{c}_m")[q] - requests.column(f"{c}_m")[q] for c in "xy"))
        fits = free & works & ((d.flags & need[q]) == need[q]) & ((trip_m + away) / 14.0 <= until_s)
        fits &= (d.weight_kg >= few.weight_kg[q]) & (d.volume_l >= few.volume_l[q]) & (d.seats >= few.seats[q])
        fits &= ~made.blocked.has(np.full(len(ids), few.customer[q]), ids)
        rows = np.flatnonzero(fits)
        wanted = rows[np.lexsort((rows, away[rows]))][:K]
        if not np.allclose(found.of(q).column("distance_m"), away[wanted]) or len(found.of(q)) != len(wanted):
            raise AssertionError(f"order {q} got {found.of(q).ids.tolist()}; looking at every driver finds {wanted.tolist()}")


def _updates(drivers: int, rounds: int) -> Metric:
    """Position updates alone, through `Track.pings`, in batches of 50,000."""
    made = fleet("clustered", drivers, now_s=0.0)
    stream, clock = Stream(made, 0.0), iter(range(1, 1_000_000))

    def feed() -> None:
        now_s = next(clock) * EVERY_S
        for pings in stream.due(now_s):
            for first in range(0, len(pings), 50_000):
                made.track.pings(pings.take(slice(first, first + 50_000)), now_s=now_s)

    ((rate, spread),) = rates([feed], rounds, [drivers])
    return Metric("match_updates_per_s", rate, "pings/s through Track, judged and moved", spread)


def _beside_redis(drivers: int, queries: int, few: int, rounds: int) -> list[Metric]:
    """Redis knows places alone: the 8 nearest within 500 m by a pipeline; ours is the whole window without pings."""
    import redis

    made = fleet("clustered", drivers, now_s=0.0)
    source = nearest(made.geo, made.track, zones=made.zones, barred={"customer": lambda: made.blocked})
    batch = asked(made, queries, seed=1)
    x_m, y_m = PLANE.xy(batch.lat, batch.lon)
    degrees = (np.stack([x_m, y_m], axis=1) / DEGREE_M)[:few].tolist()
    with redis_server() as url, redis.Redis.from_url(url) as client:
        for first in range(0, drivers, 10_000):
            pipe = client.pipeline(transaction=False)
            for i, (east, north) in enumerate((made.place[first : first + 10_000] / DEGREE_M).tolist(), first):
                pipe.geoadd("drivers", (east, north, i))
            pipe.execute()

        def theirs() -> object:
            pipe = client.pipeline(transaction=False)
            for east, north in degrees:
                pipe.geosearch(
                    "drivers", longitude=east, latitude=north, radius=500, unit="m", sort="ASC", count=K, withdist=True
                )
            return pipe.execute()

        requests = _requests(batch, 0.0)
        ours, peer = rates([lambda: source.fetch(requests, Context(seed=0)), theirs], rounds, [queries, few])
    unit = "eligible searches/s; the peer's within 500 m, without eligibility"
    return [
        Metric("match_search_standing_per_s", ours[0], unit, ours[1], "Redis GEOSEARCH", peer[0], ours[0] / peer[0]),
        Metric("ratio_redis", ours[0] / peer[0], "times Redis GEOSEARCH", ours[1]),
    ]
