"""A rule for an audience acts for requests that name it, and for no others: in the API, in previews and through the shop's pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from rialto.serve.ask import Ask
from rialto.serve.direct import plain


def first(client: TestClient, **asked: Any) -> str:
    answer = client.get("/api/find/search", params={"q": "shoes", **asked})
    assert answer.status_code == 200, answer.text
    return answer.json()["results"][0]["product"]["id"]


@pytest.fixture
def pinned(client: TestClient) -> Iterator[str]:
    """A product that is pinned to the top of shoes for one audience, and the rule gone afterwards."""
    last = client.get("/api/find/search", params={"q": "shoes", "size": 20}).json()["results"][-1]["product"]["id"]
    rule = {
        "id": "vip-pin", "owner": "ann", "action": "pin", "place": 1, "products": {"ids": [last]},
        "when": {"queries": ["shoes"], "segments": ["VIP customers"]},
    }  # fmt: skip
    version = client.get("/api/find/rules").json()["version"]
    saved = client.post("/api/find/rules", json={"rules": [rule], "expected": version, "who": "ann", "force": True})
    assert saved.status_code == 200, saved.text
    yield last
    client.delete("/api/find/rules/vip-pin", params={"expected": saved.json()["version"], "who": "ann"})


def test_a_rule_for_an_audience_acts_for_requests_that_name_it(client: TestClient, pinned: str) -> None:
    assert first(client, segment=["vip customers", "new"]) == pinned
    assert first(client) != pinned and first(client, segment="new") != pinned
    assert first(client, segment=["vip customers"]) == pinned, "an answer that is kept for others is not given to these"
    values = client.get("/api/find/facets", params={"q": "shoes", "facet": "brand", "segment": "vip customers"})
    assert values.status_code == 200


def test_a_rule_for_an_audience_is_told_by_a_preview(client: TestClient, systems: Any) -> None:
    query = systems.shop.past[0][0]
    rule = {
        "id": "seg-go",
        "owner": "ann",
        "action": "redirect",
        "target": "/shop",
        "when": {"queries": [query], "segments": ["vip"]},
    }
    impact = client.post("/api/find/rules/preview", json={"rules": [rule]}).json()
    assert impact["fired"] >= 1 and any(q["changed"] for q in impact["queries"])


def test_the_desk_compares_as_one_of_an_audience(client: TestClient, pinned: str) -> None:
    asked = {"text": "shoes", "segments": ["vip customers"], "b": {"rules": False}}
    made = client.post("/api/find/compare", json=asked).json()
    assert made["a"]["results"][0]["id"] == pinned != made["b"]["results"][0]["id"]


def test_the_plain_path_leaves_audiences_to_the_framework_and_pages_keep_them() -> None:
    assert plain(b"q=shoes&segment=vip") is None
    ask = Ask("shoes", segments=("vip", "a&b"))
    assert ask.address() == "/shop?q=shoes&segment=vip&segment=a%26b"
    assert ask.ticked("brand", "Acme").segments == ("vip", "a&b")


def test_the_shops_page_carries_an_audience_along(client: TestClient, pinned: str) -> None:
    page = client.get("/shop", params={"q": "shoes", "segment": "vip customers", "in_stock": "1"}).text
    assert page.count('name="segment" value="vip customers"') == 2, "in the box and beside the facets"
    assert "segment=vip+customers" in page, "and in what takes a filter back"
    assert client.get("/api/find/search", params={"q": "shoes", "segment": ""}).status_code == 422
