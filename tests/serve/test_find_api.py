"""The search API beyond plain searches: rewrites undone, facets, categories, rules, and a catalogue that changes under it."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import Any

import pytest
from fastapi.testclient import TestClient

from rialto.app.engines import Engines
from rialto.app.systems import Systems
from rialto.config import Settings
from rialto.serve.answers import CategoryOut, FacetsOut, Found
from rialto.serve.service import create
from rialto.worlds.shop import make_shop

pytestmark = pytest.mark.xdist_group("serve-own")

NOW_S = 1_800_000_000.0
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Generator[Systems, None, None]:
    """A shop of 120 products that these tests may change."""
    folder = tmp_path_factory.mktemp("own")
    make_shop(seed=2, products=120).write(folder / "shop")
    settings = Settings(home=folder / "home", encoder="static://", cross="none://")
    made = Systems(Engines(settings), catalogue=str(folder / "shop" / "catalogue.jsonl"))
    made.build("shop")
    yield made
    made.close()


@pytest.fixture(scope="module")
def http(own: Systems) -> TestClient:
    return TestClient(create(own, clock=lambda: NOW_S), raise_server_exceptions=False)


def get(http: TestClient, path: str, **query: Any) -> Any:
    answer = http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(found: Any) -> list[str]:
    return [h["product"]["id"] for h in found["results"]]


def version(http: TestClient) -> int:
    return get(http, "/api/find/rules")["version"]


def add(http: TestClient, *rules: dict[str, Any], **more: Any) -> Any:
    body = {"rules": rules, "expected": version(http), "who": "ann", **more}
    return http.post("/api/find/rules", json=body)


@pytest.fixture
def no_rules(http: TestClient) -> Generator[None, None, None]:
    yield
    before = version(http)
    if before:
        restored = http.post("/api/find/rules/restore", json={"version": 0, "expected": before, "who": "tests"})
        assert restored.status_code == 200


def test_what_is_sent_is_what_the_description_says(http: TestClient) -> None:
    found = get(http, "/api/find/search", q="shoes", explain=True)
    assert Found.model_validate(found).model_dump(mode="json", exclude={"explain"}).items() <= found.items()
    made = CategoryOut.model_validate(get(http, "/api/find/category/"))
    assert made.children and made.found.total == sum(c.count for c in made.children)
    assert FacetsOut.model_validate(get(http, "/api/find/facets", facet="brand")).values


def test_one_rewrite_is_undone_by_its_id_and_the_others_stay(http: TestClient) -> None:
    read = get(http, "/api/find/search", q="sheos under $50")
    named = {r["id"]: r["kind"] for r in read["rewrites"] if r["id"]}
    spelled = next(i for i, kind in named.items() if kind == "spelling")
    undone = get(http, "/api/find/search", q="sheos under $50", undo=spelled)
    assert spelled not in {r["id"] for r in undone["rewrites"]}
    assert {r["kind"] for r in undone["rewrites"]} >= {"price"}
    assert get(http, "/api/find/search", q="sheos under $50", undo="all")["rewrites"] == []


def test_search_inside_a_facet_counts_as_the_page_does(http: TestClient) -> None:
    page = get(http, "/api/find/search", q="shoes")
    lines = {v["value"]: v["count"] for f in page["facets"] if f["name"] == "brand" for v in f["values"]}
    brand = next(iter(lines))
    inside = get(http, "/api/find/facets", q="shoes", facet="brand", contains=brand[:3])
    assert {v["value"]: v["count"] for v in inside["values"]}[brand] == lines[brand]
    assert http.get("/api/find/facets", params={"facet": "no such"}).status_code == 422


def test_a_category_leads_to_its_children_and_holds_its_products(http: TestClient) -> None:
    top = get(http, "/api/find/category/")["children"][0]
    made = get(http, f"/api/find/category/{top['path']}")
    assert (made["trail"][-1]["path"], made["found"]["total"]) == (top["path"], top["count"])
    assert all(h["product"]["category"][0] == top["path"] for h in made["found"]["results"])
    assert http.get("/api/find/category/no/such").status_code == 404


def test_a_shopper_is_logged_under_a_pseudonym_alone(http: TestClient, own: Systems) -> None:
    number = int(get(http, "/api/find/search", q="lamp", shopper="ann@example.org")["request"])
    again = int(get(http, "/api/find/search", q="lamp", shopper="ann@example.org")["request"])
    logged = {i: str(r.requests.column("shopper")[n]) for r in own.log.read() for n, i in enumerate(r.requests.ids.tolist())}
    assert logged[number] == logged[again]
    assert len(logged[number]) == 16 and "ann" not in logged[number]


# Rules


@pytest.mark.usefixtures("no_rules")
def test_a_rule_is_served_when_its_saving_answers(http: TestClient) -> None:
    before = get(http, "/api/find/search", q="shoes")
    last, first = ids(before)[-1], ids(before)[0]
    pin = {"id": "p", "owner": "ann", "action": "pin", "place": 1, "products": {"ids": [last]}, "when": {"queries": ["shoes"]}}
    hide = {"id": "h", "owner": "ann", "action": "hide", "products": {"ids": [first]}, "when": {"queries": ["shoes"]}}
    saved = add(http, pin, hide, note="spring").json()
    assert saved["changes"] == ["added h", "added p"]
    after = get(http, "/api/find/search", q="shoes")
    assert ids(after)[0] == last and first not in ids(after)
    assert [(e["rule"], e["action"], e["product"], e["after"]) for e in after["rules"]] == [("p", "pin", last, 1)]
    assert get(http, "/api/find/rules/p")["products"] == {**get(http, "/api/find/rules/p")["products"], "ids": [last]}
    trail = get(http, "/api/find/rules/audit")
    assert (trail[-1]["who"], trail[-1]["note"], trail[-1]["time_s"]) == ("ann", "spring", pytest.approx(trail[-1]["time_s"]))


@pytest.mark.usefixtures("no_rules")
def test_what_a_rule_hides_no_count_holds_on_a_page_without_words_either(http: TestClient) -> None:
    whole = get(http, "/api/find/search")
    brand, count = next((v["value"], v["count"]) for f in whole["facets"] if f["name"] == "brand" for v in f["values"])
    assert add(http, {"id": "h", "owner": "ann", "action": "hide", "products": {"brands": [brand]}}).status_code == 200
    after = get(http, "/api/find/search")
    assert after["total"] == whole["total"] - count
    assert brand not in [v["value"] for f in after["facets"] if f["name"] == "brand" for v in f["values"]]


@pytest.mark.usefixtures("no_rules")
def test_a_redirect_is_told_and_leaves_the_results(http: TestClient) -> None:
    to = {"id": "r", "owner": "ann", "action": "redirect", "target": "/help", "when": {"queries": ["returns"]}}
    assert add(http, to).status_code == 200
    assert get(http, "/api/find/search", q="returns")["redirect"] == "/help"
    assert get(http, "/api/find/search", q="shoes")["redirect"] == ""


@pytest.mark.usefixtures("no_rules")
def test_of_two_editors_the_second_is_told_what_holds(http: TestClient) -> None:
    rule = {"id": "h", "owner": "ann", "action": "hide", "products": {"brands": ["Acme"]}}
    before = version(http)
    assert add(http, rule).status_code == 200
    stale = http.post("/api/find/rules", json={"rules": [rule], "expected": before, "who": "bo"})
    assert (stale.status_code, stale.json()["type"], stale.json()["held"]) == (409, "urn:rialto:stale", before + 1)


@pytest.mark.usefixtures("no_rules")
def test_a_rule_that_cannot_do_what_it_says_is_refused_with_its_conflicts_unless_forced(http: TestClient) -> None:
    pin = {"id": "p", "owner": "ann", "action": "pin", "place": 1, "products": {"ids": ["nobody"]}, "when": {"queries": ["x"]}}
    would = http.post("/api/find/rules/conflicts", json={"rules": [pin]}).json()
    refused = add(http, pin)
    if any(c["severity"] == "error" for c in would):
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:rialto:refused")
        assert refused.json()["conflicts"] == [c for c in would if c["severity"] == "error"]
        assert add(http, pin, force=True).status_code == 200
    assert "pin_unknown" in [c["kind"] for c in would]
    assert get(http, "/api/find/rules/conflicts") == would
    assert get(http, "/api/find/search", q="x")["rules"] == []


@pytest.mark.usefixtures("no_rules")
def test_a_preview_says_what_would_change_and_saves_nothing(http: TestClient, own: Systems) -> None:
    query = own.shop.past[0][0]
    first = ids(get(http, "/api/find/search", q=query))[0]
    hide = {"id": "h", "owner": "ann", "action": "hide", "products": {"ids": [first]}, "when": {"queries": [query]}}
    seen = http.post("/api/find/rules/preview", json={"rules": [hide], "top": 5}).json()
    assert [(q["query"], q["hidden"], q["changed"]) for q in seen["queries"]] == [(query, [first], True)]
    assert http.get("/api/find/rules/h").status_code == 404


@pytest.mark.usefixtures("no_rules")
def test_a_rule_is_changed_removed_and_brought_back(http: TestClient) -> None:
    rule = {"id": "b", "owner": "ann", "action": "boost", "factor": 2.0, "products": {"brands": ["Acme"]}}
    add(http, rule)
    at = version(http)
    changed = http.put("/api/find/rules/b", json={"rule": {**rule, "factor": 3.0}, "expected": at, "who": "bo"})
    assert changed.json()["changes"] == ["changed b (factor)"]
    assert http.put("/api/find/rules/c", json={"rule": rule, "expected": at + 1, "who": "bo"}).status_code == 422
    assert http.delete("/api/find/rules/b", params={"expected": at + 1, "who": "bo"}).json()["changes"] == ["removed b"]
    assert get(http, "/api/find/rules", version=at + 1)["rules"][0]["factor"] == 3.0
    back = http.post("/api/find/rules/restore", json={"version": at, "expected": at + 2, "who": "bo"})
    assert back.json()["version"] == at + 3 and get(http, "/api/find/rules/b")["factor"] == 2.0


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"action": "boost", "products": {"brands": ["A"]}}, "factor"),
        ({"action": "pin", "place": 1, "products": {"brands": ["A"]}}, "ids"),
        ({"action": "hide"}, "products"),
        ({"action": "melt"}, "action"),
        ({"action": "hide", "products": {"brands": ["A"]}, "more": 1}, "more"),
        ({"action": "redirect", "target": "javascript:alert(1)", "when": {"queries": ["x"]}}, "target"),
        ({"action": "hide", "id": "audit", "products": {"brands": ["A"]}}, "audit"),
        ({"action": "hide", "products": {"brands": ["A\ud800"]}}, "brands"),
        ({"action": "hide", "products": {"brands": ["A"]}, "starts": "soon"}, "starts"),
        ({"action": "hide", "products": {"brands": ["A"]}, "starts": "2026-05-02", "ends": "2026-05-01"}, "ends"),
    ],
)
def test_a_wrong_rule_is_refused_by_field(http: TestClient, rule: dict[str, Any], said: str) -> None:
    before = version(http)
    body = {"rules": [{"id": "x", "owner": "ann", **rule}], "expected": before, "who": "ann"}
    answer = http.post("/api/find/rules", content=__import__("json").dumps(body), headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert version(http) == before


# A catalogue that changes

NEW = {"id": "n1", "title": "Quibbleflux lantern", "brand": "Zorblax", "category": "Lighting/Lanterns", "price_cents": 4200}


def test_a_product_is_found_when_its_upsert_answers_and_gone_when_its_removal_does(http: TestClient) -> None:
    made = http.post("/api/find/products", json=[NEW, {"title": "no id"}]).json()
    assert (made["added"], made["products"], [r["row"] for r in made["rejects"]]) == (1, 121, [2])
    found = get(http, "/api/find/search", q="quibbleflux")
    assert ids(found)[0] == "n1"
    again = http.post("/api/find/products", json=[NEW | {"price_cents": 10}]).json()
    assert (again["replaced"], get(http, "/api/find/product/n1")["price_cents"]) == (1, 10)
    gone = http.delete("/api/find/products", params={"id": ["n1", "n2"]}).json()
    assert (gone["removed"], gone["unknown"], gone["products"]) == (1, ["n2"], 120)
    assert http.get("/api/find/product/n1").status_code == 404


@pytest.mark.usefixtures("no_rules")
def test_rules_hold_over_a_changed_catalogue(http: TestClient) -> None:
    pin = {"id": "p", "owner": "ann", "action": "pin", "place": 1, "products": {"ids": ["n3"]}, "when": {"queries": ["shoes"]}}
    add(http, pin, force=True)
    http.post("/api/find/products", json=[NEW | {"id": "n3"}])
    assert ids(get(http, "/api/find/search", q="shoes"))[0] == "n3"
    http.delete("/api/find/products", params={"id": "n3"})
    assert "n3" not in ids(get(http, "/api/find/search", q="shoes"))


def test_a_full_index_takes_over_while_searches_go_on(http: TestClient) -> None:
    stop, statuses = Event(), list[int]()

    def ask() -> None:
        while not stop.is_set():
            statuses.append(http.get("/api/find/search", params={"q": "shoes"}).status_code)

    asking = Thread(target=ask)
    asking.start()
    begun = http.post("/api/find/index", json={"source": "products"})
    assert begun.status_code == 202
    where, until = begun.headers["Location"], monotonic() + PATIENCE_S
    while (job := get(http, where))["state"] == "running" and monotonic() < until:
        busy = http.post("/api/find/index", json={})
        assert busy.status_code == 202 or (busy.status_code, busy.headers["Retry-After"]) == (503, "1")
    stop.set()
    asking.join()
    assert (job["state"], job["products"]) == ("done", 120)
    assert set(statuses) == {200}
    assert get(http, "/api/find/index")[0]["id"] == begun.json()["id"]
    assert http.get("/api/find/index/nothing").status_code == 404


def test_the_quality_report_names_products_and_what_is_wrong(http: TestClient) -> None:
    told = get(http, "/api/find/quality")
    assert told["products"] == 120 and 0.0 <= told["share_sound"] <= 1.0


def test_pages_of_other_sites_change_nothing(http: TestClient) -> None:
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}, {"Origin": "null"}):
        assert http.post("/api/find/products", json=[NEW], headers=headers).status_code == 403
    assert http.post("/api/find/rules/conflicts", json={}, headers={"Origin": "http://testserver"}).status_code == 200


def test_rules_that_another_process_saved_are_served_within_a_second(http: TestClient, own: Systems, tmp_path: Path) -> None:
    from rialto.app.desk import rules_folder
    from rialto.find.rules import Rule, RuleStore, When

    store = RuleStore(rules_folder(own.engines, str(next((own.engines.settings.home.parent / "shop").glob("catalogue.jsonl")))))
    rule = Rule("elsewhere", "bo", "redirect", target="/else", when=When(queries=("elsewhere",)))
    saved = store.save(store.book().with_rule(rule), who="bo", at_s=NOW_S)
    until = monotonic() + PATIENCE_S
    while (there := get(http, "/api/find/search", q="elsewhere")["redirect"]) == "" and monotonic() < until:
        pass
    assert there == "/else"
    http.post("/api/find/rules/restore", json={"version": 0, "expected": saved.version, "who": "tests"})


def test_an_answer_that_is_given_again_has_its_own_id_and_decision_and_ends_with_any_change(
    http: TestClient, own: Systems
) -> None:
    first, again = (get(http, "/api/find/search", q="blue lamp", size=7) for _ in range(2))
    assert first["request"] != again["request"] and "kept" in again["took_ms"]
    assert {k: v for k, v in first.items() if k not in ("request", "took_ms")}.items() <= again.items()
    logged = {i: r.decisions.of(n).tolist() for r in own.log.read() for n, i in enumerate(r.decisions.request_ids.tolist())}
    assert logged[int(first["request"])] == logged[int(again["request"])]
    http.post("/api/find/products", json=[NEW | {"id": "n9", "title": "blue lamp blue lamp"}])
    assert "n9" in ids(get(http, "/api/find/search", q="blue lamp", size=7))
    http.delete("/api/find/products", params={"id": "n9"})
    assert "n9" not in ids(get(http, "/api/find/search", q="blue lamp", size=7))
