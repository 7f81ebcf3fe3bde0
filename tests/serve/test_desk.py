"""The desk's pages and /api/find/compare: two configurations, a product's way, what may be set, and what rules did."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from rialto.app.systems import Systems

pytestmark = pytest.mark.xdist_group("serve")


def compare(client: TestClient, **asked: Any) -> Any:
    answer = client.post("/api/find/compare", json=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def pinned(client: TestClient) -> Generator[str, None, None]:
    """The product that a rule puts on top of "lamp" meanwhile."""
    last = client.get("/api/find/search", params={"q": "lamp"}).json()["results"][-1]["product"]["id"]
    rule = {
        "id": "on-top",
        "owner": "ann",
        "action": "pin",
        "place": 1,
        "products": {"ids": [last]},
        "when": {"queries": ["lamp"]},
    }
    version = client.get("/api/find/rules").json()["version"]
    assert client.post("/api/find/rules", json={"expected": version, "who": "ann", "rules": [rule]}).status_code == 200
    yield last
    version = client.get("/api/find/rules").json()["version"]
    client.delete("/api/find/rules/on-top", params={"expected": version, "who": "ann"})


def test_the_same_configuration_twice_gives_the_same_list(client: TestClient) -> None:
    told = compare(client, text="red lamp", size=5)
    assert [r["id"] for r in told["a"]["results"]] == [r["id"] for r in told["b"]["results"]]
    assert all(r["place"] == r["other"] for r in told["a"]["results"])
    assert told["shared"] == len(told["a"]["results"])


def test_places_in_the_other_list_are_told_from_both_sides(client: TestClient) -> None:
    told = compare(client, text="lamp", size=8, b={"params": {"find.rank.fusion": "cosine"}})
    places = {r["id"]: r["place"] for r in told["a"]["results"]}
    assert [r["other"] for r in told["b"]["results"]] == [places.get(r["id"], 0) for r in told["b"]["results"]]


def test_rules_can_be_left_out_on_one_side(client: TestClient, pinned: str) -> None:
    told = compare(client, text="lamp", product=pinned, b={"rules": False})
    assert told["a"]["results"][0]["id"] == pinned
    assert "rule on-top of ann" in told["a"]["results"][0]["rules"][0]
    assert told["b"]["results"][0]["id"] != pinned
    assert any("rule on-top" in why for why in told["a"]["way"]["why"])


def test_a_products_way_has_every_phase_and_stands_features_beside_the_others(client: TestClient) -> None:
    first = compare(client, text="lamp")["a"]["results"][0]["id"]
    way = compare(client, text="lamp", product=first)["a"]["way"]
    assert (way["end"], way["place"]) == ("chosen", 1)
    assert {"fusion", "trees", "sort"} <= {p["phase"] for p in way["phases"]}
    assert all(1 <= p["place"] <= p["of"] for p in way["phases"])
    assert {"bm25f", "cosine"} <= {f["name"] for f in way["features"]}
    assert way["why"][0].startswith("Fetched at place")


def test_a_product_that_no_leg_fetched_is_told_what_stands_against_it(client: TestClient) -> None:
    dear = next(r["id"] for r in compare(client, text="lamp")["a"]["results"] if r["price_cents"] > 2000)
    way = compare(client, text="lamp under $20", product=dear)["a"]["way"]
    assert (way["end"], way["why"]) == ("not found", ["No leg of retrieval fetched it.", "It would be removed (price)."])


def test_undoing_a_rewrite_is_asked_by_its_id(client: TestClient) -> None:
    read = compare(client, text="lapm")["a"]["understood"]
    assert (read["text"], read["rewrites"][0]["id"]) == ("lamp", "spelling:lapm")
    assert compare(client, text="lapm", undo=["spelling:lapm"])["a"]["understood"]["text"] == "lapm"


def test_nothing_asked_at_the_desk_is_logged(client: TestClient, systems: Systems) -> None:
    before = sum(1 for _ in systems.log.read(pipeline="find"))
    compare(client, text="lamp")
    assert sum(1 for _ in systems.log.read(pipeline="find")) == before


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"match.assign.window": 1}, "the desk cannot set"),
        ({"find.decide.size": 1}, "the desk cannot set"),
        ({"find.nothing": 1}, "the desk cannot set"),
        ({"find.cross.depth": -1}, "in 0..1000"),
        ({"find.cross.depth": "deep"}, "wanted int"),
        ({"find.rank.fusion": "no_such_column"}, "no_such_column"),
    ],
)
def test_what_cannot_be_set_is_refused_with_a_reason(client: TestClient, given: dict[str, Any], said: str) -> None:
    answer = client.post("/api/find/compare", json={"text": "lamp", "b": {"params": given}})
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_a_product_that_is_not_there_is_not_found(client: TestClient) -> None:
    assert client.post("/api/find/compare", json={"text": "lamp", "product": "nobody"}).status_code == 404


@pytest.mark.parametrize("text", ["", " ", "x" * 2000, "\u202eלמפה", "灯", '"((*&^', "\x00\x07"])
def test_any_text_is_compared(client: TestClient, text: str) -> None:
    compare(client, text=text)


def test_the_quality_page_shows_what_the_report_says(client: TestClient) -> None:
    told = client.get("/api/find/quality").json()
    page = client.get("/desk/quality", headers={"Accept": "text/html"}).text
    assert f"{told['sound']} of {told['products']} products" in page
    assert page.count('class="card finding"') == len(told["findings"])
    kind = told["findings"][0]["kind"]
    some = client.get("/desk/quality", params={"kind": kind}).text
    assert some.count('class="card finding"') == sum(f["kind"] == kind for f in told["findings"])


def test_a_category_has_a_page_with_a_way_to_it_and_below_it(client: TestClient) -> None:
    page = client.get("/shop/category/Home").text
    told = client.get("/api/find/category/Home").json()
    assert 'aria-current="page">Home' in page
    assert all(f"/shop/category/{c['path'].replace(' ', '%20')}" in page for c in told["children"])
    assert f"{told['found']['total']} products" in page
    assert client.get("/shop/category/Nowhere").status_code == 404


def test_a_redirect_sends_shoppers_and_lets_them_stay(client: TestClient) -> None:
    rule = {
        "id": "to-home",
        "owner": "ann",
        "action": "redirect",
        "target": "category:Home",
        "when": {"queries": ["home things"]},
    }
    version = client.get("/api/find/rules").json()["version"]
    assert client.post("/api/find/rules", json={"expected": version, "who": "ann", "rules": [rule]}).status_code == 200
    sent = client.get("/shop", params={"q": "home things"}, follow_redirects=False)
    stayed = client.get("/shop", params={"q": "home things", "undo": "redirect"}, follow_redirects=False)
    client.delete("/api/find/rules/to-home", params={"expected": version + 1, "who": "ann"})
    assert (sent.status_code, sent.headers["location"]) == (303, "/shop/category/Home?from=home+things")
    assert stayed.status_code == 200
    assert "undo=redirect" in client.get(sent.headers["location"]).text


def test_an_empty_page_offers_ways_that_lead_to_products(client: TestClient) -> None:
    page = client.get("/shop", params={"q": "lamp", "select": "brand:Nobody"}).text
    assert "These would find something" in page
    assert 'href="/shop?q=lamp">Without “Nobody”' in page
