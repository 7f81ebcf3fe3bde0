"""The service learns from what shoppers do: profiles of each, behaviour of all, and suggestions without what is gone or hidden."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from rialto.app.engines import Engines
from rialto.app.suggesting import looks_logged
from rialto.app.systems import Systems
from rialto.config import Serve, Settings
from rialto.serve.service import create
from rialto.worlds.shop import make_shop

pytestmark = pytest.mark.xdist_group("serve-learns")

NOW_S = 1_800_000_000.0
LIKES = ("personal_brand", "personal_type", "personal_price")
Open = Callable[[], tuple[Systems, TestClient]]


class Clock:
    """Seconds since 1970, moved by hand."""

    def __init__(self) -> None:
        self.now_s = NOW_S

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("learns")
    make_shop(seed=3, products=120).write(made / "shop")
    return made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def start(folder: Path, clock: Clock) -> Iterator[Open]:
    """Starts the service over one home, one at a time; behaviour ticks when a test says so."""
    made: list[Systems] = []

    def service() -> tuple[Systems, TestClient]:
        for old in made:
            old.close()
        settings = Settings(
            home=folder / "home", encoder="static://", cross="none://",
            serve=Serve(host="127.0.0.1", port=0, keep_s=5.0, deadline_ms=60_000, behaviour_s=0.0),
        )  # fmt: skip
        made[:] = [Systems(Engines(settings), catalogue=str(folder / "shop" / "catalogue.jsonl"), clock=clock)]
        made[0].build("shop")
        return made[0], TestClient(create(made[0], clock=clock), raise_server_exceptions=False)

    yield service
    for old in made:
        old.close()


def search(http: TestClient, text: str = "shoes", **query: Any) -> Any:
    answer = http.get("/api/find/search", params={"q": text, **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


def features(http: TestClient, shopper: str) -> dict[str, dict[str, float]]:
    """Product -> what is known of it and this shopper."""
    found = search(http, explain=True, shopper=shopper)
    return {r["product"]: {n: v for n, v in r["features"].items() if n in LIKES} for r in found["explain"]}


def happened(http: TestClient, found: Any, at: int, *, kind: str = "click", **more: Any) -> str:
    """The id of the product on which it happened."""
    product = found["results"][at]["product"]["id"]
    answer = http.post("/api/find/events", json=[{"request": found["request"], "product": product, "kind": kind, **more}])
    assert answer.status_code == 202, answer.text
    return product


def reindexed(http: TestClient, source: str) -> None:
    job = http.post("/api/find/index", json={"source": source}).json()
    until, wait = monotonic() + 120, Event()
    while (now := http.get(f"/api/find/index/{job['id']}").json())["state"] == "running" and monotonic() < until:
        wait.wait(0.02)
    assert now["state"] == "done", now


def test_what_a_shopper_does_changes_the_features_of_their_next_search_and_of_nobody_elses(start: Open, clock: Clock) -> None:
    systems, http = start()
    assert not any(features(http, "ann").values()), "nothing is known of ann"
    product = happened(http, search(http, shopper="ann"), 0, kind="purchase", shopper="ann")
    clock.now_s += 60
    liked = features(http, "ann")[product]
    assert liked["personal_brand"] > 0 and liked["personal_type"] > 0
    assert not any(features(http, "ben").values()) and not any(features(http, "").values())

    assert http.post("/api/find/products", json=[{"id": "fresh", "title": "Fresh shoes", "price_cents": 5}]).status_code == 200
    assert features(http, "ann")[product] == pytest.approx(liked, abs=0.05), "an upsert keeps profiles"
    reindexed(http, "products")
    assert features(http, "ann")[product]["personal_brand"] == pytest.approx(liked["personal_brand"]), "so does a full index"
    happened(http, search(http, shopper="ann"), 1, shopper="ann")

    systems, http = start()
    assert features(http, "ann")[product]["personal_brand"] > 0, "and a restart"
    files = b"".join(p.read_bytes() for p in (systems.engines.settings.home / "profiles").rglob("*") if p.is_file())
    assert b"ann" not in files
    assert http.delete("/api/find/shoppers/ann").json() == {"forgotten": True}
    assert not any(features(http, "ann").values()), "what is forgotten is gone"
    assert http.delete("/api/find/shoppers/nobody/knows").json() == {"forgotten": True}


def test_an_event_from_the_future_counts_as_of_now(start: Open, clock: Clock) -> None:
    _, http = start()
    product = happened(http, search(http, shopper="cy"), 0, shopper="cy", time_s=9e10)
    clock.now_s += 1
    assert features(http, "cy")[product]["personal_brand"] > 0


def test_clicks_are_known_to_searches_after_a_tick_and_stay_known_through_changes_and_a_restart(
    start: Open, clock: Clock
) -> None:
    systems, http = start()
    assert systems.behaving is not None
    clock.now_s += 1000
    product = ""
    for _ in range(8):
        found = search(http, "lamp")
        clock.now_s += 5
        product = happened(http, found, 1)
    number = systems.shop.search.catalogue.number_of(product)

    def clicks() -> float:
        known = systems.shop.search.fittings.behaviour
        at = np.flatnonzero(known.ids == number) if known else np.zeros(0)
        return float(known.product[at[0], 1]) if known and len(at) else 0.0

    def seen() -> float:
        told = search(http, "lamp", explain=True, shopper="dee")["explain"]
        return next(r["features"].get("clicks_lift", 0.0) for r in told if r["product"] == product)

    before = seen()
    clock.now_s += 10
    assert systems.behaving.tick() and clicks() == pytest.approx(8, rel=0.01)
    assert before == 0.0 < seen(), "clicked more than usual"
    for _ in range(2):  # the first counts to a second before now
        clock.now_s += 10
        assert systems.behaving.tick(), "the searches since were logged"
    version = systems.shop.search.pipeline.versions["behaviour"]
    assert version
    clock.now_s += 10
    assert not systems.behaving.tick() and systems.shop.search.pipeline.versions["behaviour"] == version, (
        "nothing new, nothing done"
    )

    http.post("/api/find/products", json=[{"id": "other", "title": "Another lamp"}])
    assert systems.shop.search.pipeline.versions["behaviour"] == version
    reindexed(http, "products")
    assert systems.shop.search.pipeline.versions["behaviour"] == version and seen() > 0.0
    happened(http, search(http, "lamp"), [h["product"]["id"] for h in search(http, "lamp")["results"]].index(product))
    clock.now_s += 10
    assert systems.behaving.tick() and clicks() == pytest.approx(9, rel=0.01), "each click counts once"

    systems, http = start()
    assert clicks() == pytest.approx(9, rel=0.01)


def test_what_left_is_sold_out_or_is_hidden_is_not_suggested_and_rules_can_be_taken_back(start: Open) -> None:
    _, http = start()
    product = search(http, "")["results"][0]["product"]

    def offered() -> bool:
        lines = http.get("/api/find/suggest", params={"q": product["title"], "limit": 20})
        assert lines.status_code == 200, lines.text
        return any(s["kind"] == "product" and s["href"].endswith(product["id"]) for s in lines.json())

    assert offered()
    rule = {"id": "away", "owner": "ann", "action": "hide", "products": {"ids": [product["id"]]}}
    saved = http.post("/api/find/rules", json={"rules": [rule], "expected": 0, "who": "ann"})
    assert saved.status_code == 200 and not offered()
    assert http.delete("/api/find/rules/away", params={"expected": saved.json()["version"], "who": "ann"}).status_code == 200
    assert offered()
    assert http.delete("/api/find/products", params={"id": product["id"]}).json()["removed"] == 1
    assert not offered()


def test_no_profiles_are_kept_where_settings_want_none(tmp_path: Path, folder: Path) -> None:
    settings = Settings(home=tmp_path, profiles="none://")
    assert Engines(settings).profiles() is None


def test_what_was_asked_and_clicked_is_suggested_previewed_and_known_words_after_a_full_index(start: Open, clock: Clock) -> None:
    clock.now_s += 30 * 86_400.0  # later than all that other tests did in this shop
    systems, http = start()
    text = "zanzibar shoes"
    assert systems.behaving is not None
    for _ in range(5):
        happened(http, search(http, text, exact=True), 0)
        clock.now_s += 5.0
    assert systems.behaving.tick()

    rule = {"id": "z", "owner": "ann", "action": "redirect", "target": "/shop?q=boots", "when": {"queries": [text]}}
    impact = http.post("/api/find/rules/preview", json={"rules": [rule]}).json()
    assert [q["query"] for q in impact["queries"]] == [text], "it is previewed as soon as searches know it"

    def suggested() -> list[str]:
        return [s["text"] for s in http.get("/api/find/suggest", params={"q": "zanz"}).json()]

    def knows() -> bool:
        reader = systems.shop.search.fittings.reader
        assert reader is not None
        at = reader.speller.lexicon.index.get("zanzibar", -1)
        return at >= 0 and bool(reader.speller.lexicon.shop[at])

    assert (suggested(), knows()) == ([], False), "suggestions and words are learned by a full index"
    reindexed(http, "file")
    assert text in suggested() and knows()
    assert text in [q for q, _, _ in systems.shop.past]

    systems, http = start()
    assert text in suggested() and knows(), "and they are there after a restart"


def test_completions_that_were_taken_are_logged_whole_or_not_at_all(start: Open) -> None:
    systems, http = start()
    look = {"kind": "suggestion", "prefix": "sho", "shown": ["shoes", "shorts"], "chosen": "shorts"}
    assert http.post("/api/find/events", json=[look, {**look, "chosen": ""}]).json() == {"counted": 2}
    bad = http.post("/api/find/events", json=[look, {**look, "chosen": "boots"}])
    assert bad.status_code == 422 and "shown" in bad.text
    assert http.post("/api/find/events", json=[{**look, "shown": []}]).status_code == 422
    looks = list(looks_logged(systems.log, systems.shop.search.ranker))
    assert [(t.prefix, t.shown, t.chosen) for t in looks] == [("sho", ("shoes", "shorts"), c) for c in ("shorts", "")]
    assert list(looks_logged(systems.log, "another shop's")) == []
    assert systems.behaving is not None
    systems.behaving.tick()  # what clicks teach is read past them
