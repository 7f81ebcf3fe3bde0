"""A shop's own synonyms over HTTP: searched from the next request on without a full index, told, taken back by a shopper, restored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

BASE = "/api/find/synonyms"


@pytest.fixture
def saved(client: TestClient) -> Iterator[dict[str, Any]]:
    """Synonyms that hold for a test, and are taken away afterwards."""
    version = client.get(BASE).json()["version"]
    answer = client.put(
        BASE, json={"text": "clodhoppers => shoes\nsneakers, kicks", "expected": version, "who": "ann", "note": "May"}
    )
    assert answer.status_code == 200, answer.text
    yield answer.json()
    now = client.get(BASE).json()["version"]
    client.put(BASE, json={"text": "", "expected": now, "who": "ann"})


def search(client: TestClient, **asked: Any) -> Any:
    return client.get("/api/find/search", params=asked).json()


def test_a_synonym_finds_from_the_next_request_on_and_is_told(client: TestClient, saved: dict[str, Any]) -> None:
    found = search(client, q="clodhoppers")
    told = [r for r in found["rewrites"] if r["kind"] == "synonym"]
    assert [(r["before"], r["after"]) for r in told] == [("clodhoppers", "shoes")]
    shoes = {r["product"]["id"] for r in search(client, q="shoes", size=100)["results"]}
    assert shoes.intersection(r["product"]["id"] for r in found["results"])
    undone = search(client, q="clodhoppers", undo=told[0]["id"])
    assert not [r for r in undone["rewrites"] if r["kind"] == "synonym"]
    assert undone["total"] < found["total"] or undone["results"] != found["results"]


def test_general_synonyms_are_told_and_undone_alike(client: TestClient) -> None:
    found = search(client, q="trainers")
    told = [r for r in found["rewrites"] if r["kind"] == "synonym"]
    assert told and told[0]["before"] == "trainers"
    undone = search(client, q="trainers", undo=told[0]["id"])
    assert told[0] not in undone["rewrites"]


def test_the_shops_page_says_what_was_searched_too_and_how_to_take_it_back(client: TestClient, saved: dict[str, Any]) -> None:
    page = client.get("/shop", params={"q": "clodhoppers"}).text
    assert "Searched too:" in page and 'aria-label="Do not search for shoes too"' in page


def test_checks_save_nothing_and_tell_unknown_words(client: TestClient) -> None:
    before = client.get(BASE).json()
    found = client.post(f"{BASE}/check", json={"text": "shoe, shoes\nxyzzy => plugh"}).json()
    assert [(f["kind"], f["severity"]) for f in found] == [("same", "error"), ("unknown", "warning")]
    assert client.post(f"{BASE}/check", json={"text": "alone"}).status_code == 422
    assert client.get(BASE).json() == before


def test_who_comes_late_or_brings_errors_is_told_and_versions_come_back(client: TestClient, saved: dict[str, Any]) -> None:
    late = client.put(BASE, json={"text": "a, b", "expected": saved["version"] - 1, "who": "bo"})
    assert (late.status_code, late.json()["held"]) == (409, saved["version"])
    bad = {"text": "shoe, shoes", "expected": saved["version"], "who": "bo"}
    refused = client.put(BASE, json=bad)
    assert refused.status_code == 409 and refused.json()["conflicts"][0]["kind"] == "same"
    forced = client.put(BASE, json={**bad, "force": True}).json()
    assert forced["version"] == saved["version"] + 1 and client.get(BASE).json()["text"] == "shoe, shoes\n"
    back = client.post(f"{BASE}/restore", json={"version": saved["version"], "expected": forced["version"], "who": "cy"}).json()
    assert client.get(BASE).json() == {"version": back["version"], "text": "clodhoppers => shoes\nsneakers, kicks\n", "count": 2}
    trail = client.get(f"{BASE}/audit").json()
    assert [(c["who"], c["forced"]) for c in trail[-2:]] == [("bo", True), ("cy", False)]
    assert client.get(BASE, params={"version": saved["version"]}).json()["count"] == 2
