"""A made-up city dispatched by shards in workers, under the same simulation as one process: what sharing costs is seen beside it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from rialto.app.engines import Engines
from rialto.app.sharding import Sharding
from rialto.app.shards import opened_shards
from rialto.match.decide import assignment, greedy
from rialto.match.ledger import Held
from rialto.match.offers import Message
from rialto.match.pipeline import Dispatch
from rialto.match.records import Drivers, Orders, Pings, Plane
from rialto.match.shards import Front, How
from rialto.match.simulate import Policy, SimReport, simulate
from rialto.records import Columns
from rialto.spine.decide import Decider
from rialto.worlds.city import City
from rialto.worlds.city_sim import CitySim

__all__ = ["opened_town", "run_sharded"]


@dataclass(frozen=True, slots=True)
class _Asked:
    """The orders that a window offered, as a simulation reads them."""

    order: NDArray[np.int64]
    overrides: Columns = field(default_factory=dict)

    def column(self, name: str) -> NDArray[np.int64]:
        """`order`."""
        return self.order


@dataclass(frozen=True, slots=True)
class _Decided:
    ids: NDArray[np.int64]

    @property
    def counts(self) -> NDArray[np.int64]:
        return np.ones(len(self.ids), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class _Traced:
    fallbacks: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Made:
    """A window's offers, in the shape of an `Outcome`."""

    requests: _Asked
    decisions: _Decided
    trace: _Traced


class _Shared:
    """Shards in the shape of the `Dispatch` that a simulation drives."""

    def __init__(self, front: Front, city: City) -> None:
        self._front, self._city, self._at_s, self._places = front, city, 0.0, 0
        self.track = self.offers = self
        self.moved = 0

    def leave(self, ids: NDArray[np.int64]) -> None:
        if len(ids):
            self._front.gone(ids, at_s=self._at_s)

    def enrol(self, drivers: Drivers, *, at_s: float) -> None:
        lat, lon = (np.where(np.isfinite(c), c, m) for c, m in zip((drivers.home_lat, drivers.home_lon), self._city.centre))
        self._front.enrol(drivers, lat, lon, at_s=at_s)

    def pings(self, pings: Pings, *, now_s: float) -> dict[str, int]:
        self._at_s = now_s
        self.moved += self._front.pings(pings, now_s=now_s)
        return {"sent": len(pings)}

    def window(
        self, orders: Orders, *, at_s: float, seed: int, overrides: Mapping[str, float], version: str | None,
        decider: Callable[[], Decider] = assignment,
    ) -> _Made:  # fmt: skip
        self._places += 1
        self._front.place(orders, at_s=at_s, key=f"window {self._places}")
        made = self._front.window(at_s=at_s, seed=seed, how=How(decider is greedy, version, overrides))
        self.moved += made.moved
        return _Made(_Asked(made.order), _Decided(made.driver), _Traced(made.fallbacks))

    def state(self, order: int) -> Held:
        return self._front.states(np.array([order]))[0]

    def ready(
        self, orders: NDArray[np.int64], merchants: NDArray[np.int64], ready_s: NDArray[np.float64], *, at_s: float
    ) -> NDArray[np.bool_]:
        return self._front.ready(orders, merchants, ready_s, at_s=at_s)

    def tell(self, messages: Sequence[Message], *, at_s: float) -> list[int]:
        return self._front.tell(messages, at_s=at_s)


@contextmanager
def opened_town(engines: Engines, city: City, shared: Sharding) -> Generator[Front, None, None]:
    """A city's shards with logs of their own: a simulation begins with nothing offered, and ends with its folder."""
    hosts = shared.hosts()
    try:
        with TemporaryDirectory(prefix="rialto-shards-") as folder:
            opened = opened_shards(
                Path(folder), shared.regions(Plane(*city.centre), city.radius_m), Plane(*city.centre), settings=engines.settings, hosts=hosts,
                halo_m=shared.halo_m, sync=False, standby=shared.standby,
            )  # fmt: skip
            with opened as (front, _):
                yield front
    finally:
        hosts.close()


def run_sharded(
    engines: Engines,
    city: City,
    shared: Sharding,
    *,
    start_s: float,
    seconds: float,
    seed: int = 0,
    policy: Policy | None = None,
    progress: Callable[[float, int], None] | None = None,
) -> tuple[SimReport, int]:
    """Run a made-up city over shards; also tells how often drivers changed their shard.

    Args:
        engines: Whose settings the workers take.
        city: The city.
        shared: How it is cut, and where the shards run.
        start_s, seconds, seed, policy, progress: As `run_town`. A decider is least cost or nearest first.
    """
    sim = CitySim(city, start_s=start_s, end_s=start_s + seconds, seed=seed)
    with opened_town(engines, city, shared) as front:
        system: Any = _Shared(front, city)
        report = simulate(sim, cast("Dispatch", system), seed=seed, policy=policy, progress=progress)
        return report, system.moved
