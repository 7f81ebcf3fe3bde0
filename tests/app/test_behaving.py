"""What a shop's searches know of shoppers is brought up to date by a tick: bounded, told where it fails, and nothing is lost between two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event as Flag
from time import monotonic
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from rialto.app.behaving import Behaving
from rialto.app.live import LiveShop
from rialto.errors import EngineLost
from rialto.find.behaviour import Behaviour
from rialto.find.fittings import Fittings
from rialto.find.ingest import read_catalogue
from rialto.find.pipeline import Search, build
from rialto.find.retrieve import TEXT_FIELDS
from rialto.local.events import LocalEvents
from rialto.local.files import FileBlobs
from rialto.local.text import TantivyText
from rialto.records import Event
from rialto.spine.log import DecisionLog, Feedback
from rialto.worlds.shop import make_shop


class Live:
    """What a tick asks of a live shop: its search, and to refit it."""

    def __init__(self, search: Search) -> None:
        self.search, self.refits = search, 0
        self.shop = SimpleNamespace(search=SimpleNamespace(fittings=Fittings()))

    @property
    def known(self) -> Behaviour | None:
        return self.shop.search.fittings.behaviour

    def refit(self, behaviour: Behaviour) -> None:
        self.refits += 1
        self.shop = SimpleNamespace(search=SimpleNamespace(fittings=Fittings(behaviour=behaviour)))


class Noted(LocalEvents):
    """A log that notes from where it is read."""

    starts: list[int]
    broken = False

    def read(self, start: int = 0, limit: int = 1000) -> list[tuple[int, Event]]:
        if self.broken:
            raise EngineLost("the disk is gone")
        self.starts.append(start)
        return super().read(start, limit)


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Search]:
    folder = tmp_path_factory.mktemp("behaving")
    make_shop(seed=4, products=60).write(folder)
    made = build(read_catalogue(str(folder / "catalogue.jsonl")).catalogue, text=TantivyText(TEXT_FIELDS))
    made.index()
    yield made
    made.close()


@pytest.fixture
def events(tmp_path: Path) -> Iterator[Noted]:
    made = Noted(tmp_path / "events")
    made.starts = []
    yield made
    made.close()


def served(search: Search, log: DecisionLog, number: int, at_s: float, *, clicks: Sequence[int] = (0,)) -> None:
    """One search for shoes, and clicks on some of its places a second later."""
    outcome = search.search(["shoes"], ids=np.array([number], dtype=np.uint64), time_s=at_s)
    log.write([outcome])
    shown = outcome.decisions.ids.tolist()
    log.write_feedback([Feedback("click", number, shown[at], 1.0, at_s + 1) for at in clicks])


def clicks(live: Live) -> float:
    return float(live.known.product[:, 1].sum()) if live.known else 0.0


def test_ticks_count_each_click_once_and_read_what_is_new_alone(search: Search, events: Noted, tmp_path: Path) -> None:
    log, live, now = DecisionLog(events), Live(search), [1000.0]
    made = Behaving(
        cast("LiveShop", live), FileBlobs(tmp_path.as_uri()), lambda: events, "find.ranker", every_s=0, clock=lambda: now[0]
    )
    assert not made.tick() and not live.refits, "an empty log teaches nothing"
    for number in range(1, 21):
        served(search, log, number, now[0])
        now[0] += 7.0 if number % 3 else 0.5  # some ticks come too soon for the last click
        made.tick()
    now[0] += 10
    made.tick()
    assert clicks(live) == pytest.approx(20, rel=1e-3)
    assert not made.tick()
    served(search, log, 21, now[0])
    now[0] += 10
    events.starts.clear()
    assert made.tick() and min(events.starts) >= events.end() - 6, "of the log its end alone is read"
    whole = Behaviour.of(log, until_s=now[0] - 1.0, having="find.ranker")
    assert live.known is not None
    np.testing.assert_allclose(live.known.pair, whole.pair, rtol=1e-6)


def test_a_tick_that_fails_leaves_what_was_known_and_the_next_makes_up_for_it(
    search: Search, events: Noted, tmp_path: Path
) -> None:
    log, live, now = DecisionLog(events), Live(search), [1000.0]
    made = Behaving(
        cast("LiveShop", live), FileBlobs(tmp_path.as_uri()), lambda: events, "find.ranker", every_s=0, clock=lambda: now[0]
    )
    served(search, log, 1, now[0])
    now[0] += 10
    made.tick()
    served(search, log, 2, now[0])
    now[0] += 10
    events.broken = True
    with pytest.raises(EngineLost):
        made.tick()
    assert clicks(live) == pytest.approx(1, rel=1e-3)
    events.broken = False
    assert made.tick() and clicks(live) == pytest.approx(2, rel=1e-3)


def test_a_thread_ticks_at_once_serves_what_was_kept_and_ends_when_closed(search: Search, events: Noted, tmp_path: Path) -> None:
    log, live = DecisionLog(events), Live(search)
    served(search, log, 1, 1000.0)
    about: Any = (FileBlobs(tmp_path.as_uri()), lambda: events, "find.ranker")
    first = Behaving(cast("LiveShop", live), *about, every_s=3600, clock=lambda: 1100.0)
    first.start()
    until, wait = monotonic() + 60, Flag()
    while not live.refits and monotonic() < until:
        wait.wait(0.01)
    first.close()
    assert clicks(live) == pytest.approx(1, rel=1e-3)
    after = Live(search)
    again = Behaving(cast("LiveShop", after), *about, every_s=0, clock=lambda: 1100.0)
    again.start()
    assert clicks(after) == pytest.approx(1, rel=1e-3), "what was kept is served at once"
    again.close()
    again.close()
