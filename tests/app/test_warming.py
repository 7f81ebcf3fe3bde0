"""Products are read ahead behind a search that begins: the likely ones first, no more than memory holds, until another one begins."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rialto.app.cross import Cross, cross_of
from rialto.app.engines import Engines
from rialto.app.live import LiveShop
from rialto.app.warming import Warmer, likely
from rialto.config import Settings
from rialto.find.pipeline import Search


class Reading:
    """Notes which rows are read ahead, and says nothing of any pair; it waits at the first row until it is let go."""

    def __init__(self, *, held: bool = False) -> None:
        self.rows: list[int] = []
        self.let_go, self.began = Event(), Event()
        if not held:
            self.let_go.set()

    def cross(self, room: int = 10_000) -> Cross:
        return Cross(
            lambda q, rows, left: np.full((len(rows), 5), np.nan, dtype=np.float32), "noted", self.ahead, room, lambda: None
        )

    def ahead(self, rows: NDArray[np.int64]) -> None:
        self.began.set()
        assert self.let_go.wait(60)
        self.rows += rows.tolist()


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("warming")
    lines = [
        {"id": f"p{n}", "title": f"{['red', 'blue', 'oak'][n % 3]} lamp {n}", "rating": 5, "rating_count": n} for n in range(60)
    ]
    (folder / "shop.jsonl").write_text("".join(json.dumps(r) + "\n" for r in lines))
    settings = Settings(home=folder / "home", encoder="static://", cross="none://")
    LiveShop(Engines(settings), catalogue=str(folder / "shop.jsonl")).close()
    return folder


@pytest.fixture
def live(tmp_path: Path, indexed: Path) -> Iterator[Callable[..., LiveShop]]:
    made: list[LiveShop] = []

    def opened(**more: Any) -> LiveShop:
        shutil.copytree(indexed / "home", tmp_path / "home", dirs_exist_ok=True)
        settings = Settings(home=tmp_path / "home", encoder="static://", cross="none://")
        made.append(LiveShop(Engines(settings), catalogue=str(indexed / "shop.jsonl"), **more))
        return made[-1]

    yield opened
    for shop in made:
        shop.close()


def test_past_queries_products_are_read_first_then_the_most_popular_each_once_and_no_more_than_fit(
    live: Callable[..., LiveShop],
) -> None:
    reading = Reading()
    search = live().shop.search.fitted(cross=reading.cross(room=40))
    warmer = Warmer(["oak"])
    warmer.begin(search)
    assert warmer.wait(60)
    assert len(reading.rows) == len(set(reading.rows)) == 40
    first = next(likely(search, ["oak"])).tolist()
    assert reading.rows[: len(first)] == first and all(row % 3 == 2 for row in first[:20])
    others = [row for row in range(59, -1, -1) if row not in first]
    assert reading.rows[len(first) :] == others[: 40 - len(first)]
    warmer.close()


def test_another_search_ends_what_was_read_for_the_one_before_and_so_does_closing(live: Callable[..., LiveShop]) -> None:
    slow, quick = Reading(held=True), Reading()
    search, warmer = live().shop.search, Warmer()
    warmer.begin(search.fitted(cross=slow.cross()))
    assert slow.began.wait(60)
    slow.let_go.set()
    warmer.begin(search.fitted(cross=quick.cross()))
    assert len(slow.rows) < 60
    assert warmer.wait(60) and len(quick.rows) == 60
    warmer.begin(search)  # without a cross-encoder there is nothing to read
    assert warmer.wait(0)
    warmer.close()
    warmer.close()


def test_products_are_named_as_the_cross_encoder_numbered_them_whatever_came_and_went_since(
    live: Callable[..., LiveShop],
) -> None:
    reading, shop = Reading(), live()
    shop.refit(cross=reading.cross())
    shop.change([{"id": "new", "title": "green lamp"}], ["p0", "p1"])
    search, warmer = shop.shop.search, Warmer()
    assert cross_of(search) is not None
    warmer.begin(search)
    assert warmer.wait(60) and sorted(reading.rows) == list(range(2, 60))


def test_a_failure_while_reading_ahead_is_told_and_ends_nothing_else(
    live: Callable[..., LiveShop], caplog: pytest.LogCaptureFixture
) -> None:
    def broken(rows: NDArray[np.int64]) -> None:
        raise ValueError("no such thing")

    cross = Reading().cross()
    search, warmer = live().shop.search.fitted(cross=Cross(cross.read, "broken", broken, 10, cross.close)), Warmer()
    warmer.begin(search)
    assert warmer.wait(60)
    assert "read ahead no more" in caplog.text
    assert not search.search(["oak lamp"]).trace.fallbacks


def test_each_new_index_is_told_when_it_begins_and_an_upsert_is_not(live: Callable[..., LiveShop]) -> None:
    begun: list[Search] = []
    shop = live(begun=begun.append)
    first = shop.shop.search
    assert begun == [first]
    shop.upsert([{"id": "p1", "title": "velvet sofa"}])
    assert begun == [first]
    job, until, wait = shop.reindex(""), monotonic() + 60, Event()
    while shop.job(job.id).state == "running" and len(begun) < 2 and monotonic() < until:
        wait.wait(0.01)
    assert begun[1:] == [shop.shop.search]
