"""A small dispatch system over local engines, and a fleet on a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from rialto.local.events import LocalEvents
from rialto.local.geo import GridGeo
from rialto.local.models import LocalModels
from rialto.local.travel import GreatCircle
from rialto.match.blocked import Blocked
from rialto.match.pipeline import Dispatch, build
from rialto.match.records import Drivers, Orders, Pings, Plane
from rialto.match.track import Track
from rialto.match.travel import Travel
from rialto.ports import TravelTimes

PLANE = Plane(52.0, 13.0)
Place = Callable[..., Orders]


@pytest.fixture
def place() -> Place:
    """Orders from metres east of the middle: `place([id, ...], [x_m, ...], at_s=...)`."""

    def make(ids: list[int], x_m: list[float], *, at_s: float = 0.0, need: list[int] | None = None) -> Orders:
        lat, lon = PLANE.latlon(np.array(x_m, dtype=np.float64), np.zeros(len(x_m)))
        bits = None if need is None else np.array(need, dtype=np.uint64)
        return Orders.of(np.array(ids), lat=lat, lon=lon, placed_s=np.full(len(ids), at_s), need=bits, customer=np.array(ids))

    return make


@pytest.fixture
def pings() -> Callable[..., Pings]:
    """Pings from metres east: `pings({driver: x_m}, at_s)`."""

    def make(places: dict[int, float], at_s: float) -> Pings:
        lat, lon = PLANE.latlon(np.array(list(places.values()), dtype=np.float64), np.zeros(len(places)))
        return Pings.of(np.array(list(places)), lat=lat, lon=lon, time_s=np.full(len(places), at_s))

    return make


@pytest.fixture
def system(tmp_path: Path, pings: Callable[..., Pings]) -> Iterator[Callable[..., Dispatch]]:
    """Makes a system with drivers at `{id: x_m}`; logs in one folder, so that a second system recovers the first one's."""
    opened: list[LocalEvents] = []

    def make(
        places: dict[int, float] | None = None,
        *,
        flags: list[int] | None = None,
        shift_end_s: list[float] | None = None,
        times: TravelTimes | None = None,
        blocked: Blocked | None = None,
    ) -> Dispatch:
        while opened:
            opened.pop().close()
        opened.extend(LocalEvents(tmp_path / name, sync=False) for name in ("offers", "decisions"))
        geo = GridGeo()
        dispatch = build(
            geo=geo,
            travel=Travel(times or GreatCircle(speed_mps=10.0, factor=1.0)),
            models=LocalModels(tmp_path / "models"),
            track=Track(geo, PLANE),
            offers=opened[0],
            decisions=opened[1],
            blocked=blocked,
        )
        if places:
            bits = None if flags is None else np.array(flags, dtype=np.uint64)
            dispatch.enrol(Drivers.of(np.array(list(places)), flags=bits, shift_end_s=shift_end_s and np.array(shift_end_s)))
            dispatch.pings(pings(places, 0.0), now_s=0.0)
        return dispatch

    yield make
    for log in opened:
        log.close()
