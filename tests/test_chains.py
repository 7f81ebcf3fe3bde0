"""The exam of a chain, passed by all three systems as they are wired for users."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rialto.app.city import NOON_S, open_town, run_town
from rialto.app.engines import Engines
from rialto.app.shop import open_shop
from rialto.app.studio import open_gallery
from rialto.config import Settings
from rialto.match.records import Orders
from rialto.match.simulate import Policy
from rialto.records import Requests
from rialto.show.retrieve import start_of
from rialto.spine.log import DecisionLog
from rialto.spine.pipeline import Pipeline
from rialto.testing import ChainExam
from rialto.worlds.city import make_city
from rialto.worlds.shop import make_shop


class Wired(ChainExam):
    """A pipeline and requests that a class fixture put in place."""

    chain: Pipeline
    asked: Requests

    def pipeline(self) -> Pipeline:
        return self.chain

    def requests(self) -> Requests:
        return self.asked


@pytest.fixture(scope="class")
def find_chain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[None, None, None]:
    folder = tmp_path_factory.mktemp("find")
    world = make_shop(seed=1, products=300)
    world.write(folder)
    # How far the cross-encoder reads depends on the time that is left, so that company does matter to it.
    engines = Engines(Settings(home=folder / "home", encoder="static://", cross="none://"))
    shop = open_shop(engines, catalogue=str(folder / "catalogue.jsonl"))
    texts = [str(t) for t in world.queries.text[:24]]
    swaps = {"find.decide.swap": 0.5, "find.decide.size": 8, "find.rank.fusion_keep": 40}
    request.cls.asked, _ = shop.search.requests(texts, ids=np.arange(50, 74, dtype=np.uint64), params=swaps)
    request.cls.chain = shop.search.pipeline
    yield
    shop.search.close()
    engines.close()


@pytest.mark.usefixtures("find_chain")
class TestFind(Wired):
    """Searches over a made-up shop, one list in two with a pair exchanged."""


@pytest.fixture(scope="class")
def match_chain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[None, None, None]:
    engines = Engines(Settings(home=tmp_path_factory.mktemp("match")))
    city = make_city(seed=2, drivers=60)
    with open_town(engines, city) as town:
        run_town(town, seconds=120.0, policy=Policy("least cost", version=""))
        orders = {k: v[:30] for k, v in city.orders(NOON_S, NOON_S + 7200.0).items()}
        request.cls.asked = _orders(orders).requests(town.dispatch.track.plane, at_s=NOON_S + 120.0)
        request.cls.chain = town.dispatch.pipeline(version="")
        yield
    engines.close()


def _orders(o: dict[str, Any]) -> Orders:
    return Orders.of(
        o["id"], lat=o["pickup_lat"], lon=o["pickup_lon"], placed_s=np.full(len(o["id"]), NOON_S), need=o["need"],
        value_cents=o["value_cents"], customer=o["merchant"], drop_lat=o["dropoff_lat"], drop_lon=o["dropoff_lon"],
    )  # fmt: skip


@pytest.mark.usefixtures("match_chain")
class TestMatch(Wired):
    """Orders over a made-up city's drivers, who are assigned together."""

    compete = True


@pytest.fixture(scope="class")
def show_chain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[None, None, None]:
    folder: Path = tmp_path_factory.mktemp("show")
    engines = Engines(Settings(home=folder))
    gallery = open_gallery(engines, DecisionLog(engines.events()), variants=3)
    places = [s.name for s in gallery.brief.surfaces]
    gallery.visit(places[0], 200)
    when = np.full(24, start_of(gallery.brief.starts) + 60.0)
    columns = {"placement": np.array([places[n % len(places)] for n in range(24)])}
    request.cls.asked = Requests.of(columns, ids=np.arange(900, 924), time_s=when)
    request.cls.chain = gallery.studio.pipeline
    yield
    engines.close()


@pytest.mark.usefixtures("show_chain")
class TestShow(Wired):
    """Placements over a made-up campaign's creatives, after some visitors came."""
