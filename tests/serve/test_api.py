"""The search, match and show APIs: what they answer, what they refuse and how, and that everything served is in the log."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from rialto.app.decisions import Decisions
from rialto.app.systems import Systems
from rialto.errors import EngineBusy
from rialto.find.records import Selections
from rialto.local.events import LocalEvents
from rialto.serve.again import Again
from rialto.serve.ask import Ask
from rialto.serve.service import create
from rialto.serve.storefront import Counter, Storefront
from rialto.spine.log import DecisionLog

pytestmark = pytest.mark.xdist_group("serve")


def get(client: TestClient, path: str, **query: Any) -> Any:
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_search_answers_as_the_system_does(client: TestClient, systems: Systems) -> None:
    found = get(client, "/api/find/search", q="shoes", size=5)
    page, _ = systems.shop.pages.answer("shoes", size=5)
    assert [h["product"]["id"] for h in found["results"]] == [r.product.id for r in page.results]
    assert (found["total"], found["understood"], len(found["results"])) == (page.total, "shoes", 5)
    assert {f["name"] for f in found["facets"]} >= {"category", "price_cents", "brand"}


def test_ticking_a_value_shows_as_many_products_as_stood_beside_it(client: TestClient) -> None:
    before = get(client, "/api/find/search", q="shoes")
    for facet in before["facets"]:
        line = facet["values"][0]
        name = "select" if facet["kind"] != "ranges" else "range"
        after = get(client, "/api/find/search", q="shoes", **{name: f"{facet['name']}:{line['value']}"})
        assert after["total"] == line["count"], facet["name"]
        assert [v["selected"] for f in after["facets"] if f["name"] == facet["name"] for v in f["values"]].count(True) == 1


def test_two_values_of_one_facet_widen_and_two_facets_narrow(client: TestClient) -> None:
    facets = {f["name"]: f["values"] for f in get(client, "/api/find/search")["facets"]}
    one, two = (f"brand:{v['value']}" for v in facets["brand"][:2])
    first, both = (get(client, "/api/find/search", select=s)["total"] for s in ([one], [one, two]))
    narrow = get(client, "/api/find/search", select=[one, two], range="price_cents:..3000")["total"]
    assert narrow < first + facets["brand"][1]["count"] == both


def test_a_price_in_words_is_a_bound_until_it_is_undone(client: TestClient) -> None:
    read = get(client, "/api/find/search", q="lamp under $50")
    assert read["rewrites"][0]["kind"] == "price"
    assert all(h["product"]["price_cents"] <= 5000 for h in read["results"])
    assert get(client, "/api/find/search", q="lamp under $50", exact=True)["rewrites"] == []


def test_a_page_past_the_end_is_empty(client: TestClient) -> None:
    assert get(client, "/api/find/search", q="lamp", page=90)["results"] == []


def test_every_search_is_in_the_log_under_an_id_of_its_own(client: TestClient, systems: Systems) -> None:
    ids = [get(client, "/api/find/search", q="kettle", select="colour:red")["request"] for _ in range(3)]
    logged = {i: (r, at) for r in systems.log.read(pipeline="find") for at, i in enumerate(r.requests.ids.tolist())}
    assert len(set(ids)) == 3
    record, at = logged[int(ids[0])]
    assert record.requests.column("asked")[at] == "kettle"
    assert record.requests.column("selections")[at] == Selections({"colour": ("red",)}).to_json()
    assert record.requests.time_s[at] == 1_800_000_000.0


def test_explain_tells_scores_features_and_the_fate_of_any_product(client: TestClient) -> None:
    far = get(client, "/api/find/search", q="shoes", size=100)["results"][-1]["product"]["id"]
    told = get(client, "/api/find/explain", q="shoes", size=3, product=far)
    assert [r["place"] for r in told["results"]] == [1, 2, 3]
    assert all({"fusion", "sort"} <= set(r["scores"]) and r["features"] and r["apart"] for r in told["results"])
    assert told["asked"]["product"] == far
    assert told["asked"]["end"] == "unchosen"
    assert told["ends"]["chosen"] == 3


def test_explain_names_the_reason_of_a_removal_and_says_so_where_nothing_fetched_it(client: TestClient) -> None:
    product = get(client, "/api/find/search", q="lamp")["results"][0]["product"]
    cheap = get(client, "/api/find/explain", q="lamp", range="price_cents:0..1", product=product["id"])
    assert (cheap["results"], cheap["asked"]["end"]) == ([], "removed: selected_price_cents")
    others = [v["value"] for v in get(client, "/api/find/search")["facets"][2]["values"] if v["value"] != product["brand"]]
    told = get(client, "/api/find/explain", select=f"brand:{others[0]}", product=product["id"])
    assert (told["asked"]["end"], told["asked"]["place"], told["asked"]["scores"]) == ("not found", 0, {})


def test_suggestions_begin_with_what_was_typed_and_lead_somewhere(client: TestClient) -> None:
    lines = get(client, "/api/find/suggest", q="lam")
    assert lines
    assert all(any(w.startswith("lam") for w in line["text"].lower().replace("(", " ").split()) for line in lines)
    assert all(client.get(line["href"]).status_code == 200 for line in lines)
    assert get(client, "/api/find/suggest", q="") == []


def test_a_product_and_its_picture(client: TestClient) -> None:
    product = get(client, "/api/find/product/p00007")
    assert product["id"] == "p00007"
    picture = client.get(product["picture"])
    assert picture.headers["content-type"] == "image/png"
    assert "max-age" in picture.headers["cache-control"]
    assert client.get(product["picture"]).content == picture.content


def test_events_are_durable_and_joined_to_their_search(client: TestClient, systems: Systems) -> None:
    found = get(client, "/api/find/search", q="mug")
    product = found["results"][0]["product"]["id"]
    kinds = ["impression", "click", "cart", "purchase"]
    body = [{"request": found["request"], "product": product, "kind": k, "value": 2.5} for k in kinds]
    answer = client.post("/api/find/events", json=body)
    assert (answer.status_code, answer.json()) == (202, {"counted": 4})
    number = systems.shop.search.catalogue.number_of(product)
    mine = [f for f in systems.log.feedback() if f.request == int(found["request"])]
    assert [(f.kind, f.candidate, f.value, f.time_s) for f in mine] == [(k, number, 2.5, 1_800_000_000.0) for k in kinds]


GOOD = {"request": "5", "product": "p00001", "kind": "click"}


@pytest.mark.parametrize(
    "change",
    [
        {"product": "nobody"}, {"kind": "stare"}, {"request": "x"}, {"request": "99999999999999999999"}, {"value": "much"},
        {"time_s": -1}, {"time_s": 1e300}, {"more": 1}, {"request": None}, {"id": "x" * 65},
    ],
)  # fmt: skip
def test_one_bad_event_refuses_all_of_them(client: TestClient, systems: Systems, change: dict[str, Any]) -> None:
    before = len(list(systems.log.feedback()))
    answer = client.post("/api/find/events", json=[GOOD, GOOD | change])
    assert answer.status_code == 422
    assert len(list(systems.log.feedback())) == before


def test_events_must_be_a_list_of_one_to_a_thousand(client: TestClient) -> None:
    assert [client.post("/api/find/events", json=b).status_code for b in ([], {}, None, [GOOD] * 1001)] == [422] * 4
    assert client.post("/api/find/events", content=b"{", headers={"Content-Type": "application/json"}).status_code == 422


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/api/find/search?page=-1", 422, "page"),
        ("/api/find/search?page=0", 422, "page"),
        ("/api/find/search?page=x", 422, "page"),
        ("/api/find/search?size=100000", 422, "size"),
        ("/api/find/search?sort=fame", 422, "sort"),
        ("/api/find/search?select=colr:red", 422, "colour"),
        ("/api/find/search?select=red", 422, "FACET:VALUE"),
        ("/api/find/search?range=brand:1..2", 422, "ask select=brand:VALUE"),
        ("/api/find/search?select=price_cents:5", 422, "ask range=price_cents:1..5"),
        ("/api/find/search?range=price_cents:9..1", 422, "low end first"),
        ("/api/find/search?q=" + "x" * 10_001, 422, "10000"),
        ("/api/find/explain?product=nobody", 404, "nobody"),
        ("/api/find/product/nobody", 404, "nobody"),
        ("/shop/picture/nobody", 404, "nobody"),
        ("/api/find/nothing", 404, "nothing"),
        ("/api/match/why/999999999", 404, "999999999"),
        ("/api/match/why/99999999999999999999", 422, "order"),
        ("/api/match/why/x", 422, "order"),
        ("/api/show/choose?placement=moon", 404, "moon"),
        ("/api/show/choose", 422, "placement"),
        ("/studio/picture/5.jpg", 404, "5"),
        ("/static/../service.py", 404, ""),
    ],
)
def test_what_is_wrong_is_a_problem_that_says_what_was_wanted(client: TestClient, path: str, status: int, said: str) -> None:
    answer = client.get(path)
    body = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert body["status"] == status and body["type"].startswith("urn:rialto:")
    assert said in body["detail"]


def test_a_wrong_method_is_a_problem_too(client: TestClient) -> None:
    answer = client.delete("/api/find/search")
    assert (answer.status_code, answer.json()["type"], answer.headers["allow"]) == (405, "urn:rialto:http", "GET")


def test_a_failure_inside_tells_nothing_of_the_inside(systems: Systems, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Storefront, name: str) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(Storefront, "product", fail)
    answer = TestClient(create(systems), raise_server_exceptions=False).get("/api/find/product/p00001")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "secret" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_bodies_are_bounded_and_forms_of_other_sites_refused(client: TestClient) -> None:
    assert client.post("/api/find/events", content=b"[" + b" " * 1_000_000 + b"]").status_code == 413
    assert client.post("/api/find/events", content=iter([b"[]"])).status_code == 411
    foreign = client.post("/studio/visit?placement=x", headers={"Sec-Fetch-Site": "cross-site"})
    assert (foreign.status_code, foreign.json()["type"]) == (403, "urn:rialto:foreign")


def test_a_log_that_cannot_be_written_does_not_fail_the_search(systems: Systems, tmp_path: Path) -> None:
    class Busy(LocalEvents):
        def append(self, events: Any) -> Any:
            raise EngineBusy("somebody else writes to it.")

    events = Busy(tmp_path)
    decisions = Decisions(lambda: DecisionLog(events))
    front = Storefront(systems.shop, Counter(decisions, lambda: 0.0, number=lambda: 7))
    assert front.find(Ask("lamp")).results
    decisions.flush()
    page = front.find(Ask("lamp"))
    assert page.results
    assert page.fallbacks[-1] == "decision log"
    assert "somebody else" in decisions.failed
    decisions.close()
    assert decisions.dropped == 2
    events.close()


def test_searches_that_wait_together_are_each_answered_and_logged_under_an_id_of_their_own(
    systems: Systems, tmp_path: Path
) -> None:
    events = LocalEvents(tmp_path)
    decisions = Decisions(lambda: DecisionLog(events))
    front = Storefront(systems.shop, Counter(decisions, lambda: 0.0, keep_s=5.0))
    asks = [
        Ask("lamp"),
        Ask("shoes", size=3),
        Ask("lamp"),
        Ask(""),
        Ask("chair"),
        Ask("red", sort="price_up"),
        Ask("lamp", page=2),
    ]
    for _ in range(2):  # the second time they are answers given again
        for ask, page in zip(asks, front.find_all(asks)):
            alone = front.find(ask)
            assert [r.product.id for r in page.results] == [r.product.id for r in alone.results]
            assert (page.text, page.size, page.page, page.total) == (ask.text, ask.size, ask.page, alone.total)
    logged = {int(i) for r in decisions.flushed().read(pipeline="find") for i in r.requests.ids.tolist()}
    assert len(logged) == 2 * 2 * len(asks)
    decisions.close()
    events.close()


def test_an_answer_too_old_to_be_given_again_is_let_go_when_another_comes(systems: Systems) -> None:
    page, outcome = systems.shop.pages.answer("lamp", size=3)
    again = Again(keep_s=5.0)
    for at_s, asked, kept in ((0.0, "a", 1), (1.0, "b", 2), (4.9, "a", 2), (6.0, "c", 2), (60.0, "d", 1)):
        again.keep(asked, page, outcome, 0, time_s=at_s)
        assert len(again) == kept
    assert again.get("a", number=1, time_s=60.0) is None and again.get("d", number=1, time_s=60.0) is not None


def test_a_search_that_finds_nothing_is_loosened_and_says_so_and_that_can_be_undone(client: TestClient) -> None:
    found = client.get("/api/find/search", params={"q": "red lamp under $1"}).json()
    assert found["total"] > 0 and found["results"]
    (loose,) = [r for r in found["rewrites"] if r["kind"] == "relax"]
    kept = client.get("/api/find/search", params={"q": "red lamp under $1", "undo": loose["id"]}).json()
    assert (kept["total"], kept["results"]) == (0, [])
    assert client.get("/api/find/search", params={"q": "red lamp under $1", "range": "price_cents:..100"}).json()["total"] == 0
    clicked = [{"kind": "click", "request": found["request"], "product": found["results"][0]["product"]["id"]}]
    assert client.post("/api/find/events", json=clicked).status_code == 202
    page = client.get("/shop", params={"q": "red lamp under $1"}, headers={"Accept": "text/html"}).text
    assert "price up to 1.00" in page


def test_what_must_not_be_there_is_never_shown_instead(client: TestClient) -> None:
    found = client.get("/api/find/search", params={"q": "zzlamp -lamp under $1"}).json()
    assert not [r for r in found["results"] if "lamp" in r["product"]["title"].lower().split()]


@pytest.mark.parametrize(
    "text",
    ["x" * 10_000, "red " * 2500, "\x00\x01\x1b[31m\r\n", "<script>alert(1)</script>", "' OR 1=1 --", "{{7*7}}", "𝕣𝕖𝕕 👟", "﷽" * 50,
     "title:(lamp AND *) OR [a TO z]^2~", "%00", "\ud83d".encode("utf-16", "surrogatepass").decode("utf-16", "replace"), " ", '"', "-", "*"],
)  # fmt: skip
def test_any_text_is_answered(client: TestClient, text: str) -> None:
    assert client.get("/api/find/search", params={"q": text}).status_code == 200
    assert client.get("/api/find/suggest", params={"q": text[:1000]}).status_code == 200
    assert (
        client.get("/shop", params={"q": text, "explain": "1", "fate": text[:500]}, headers={"Accept": "text/html"}).status_code
        == 200
    )


def test_two_hundred_requests_over_sixteen_threads_get_their_own_answers(client: TestClient) -> None:
    queries = ["red shoes", "lamp", "kettle", "jacket", "", "mug under $20", "blue", "tent"]
    alone = {q: [h["product"]["id"] for h in get(client, "/api/find/search", q=q)["results"]] for q in queries}
    asked = [queries[n % len(queries)] for n in range(200)]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda q: get(client, "/api/find/search", q=q), asked))
    assert [[h["product"]["id"] for h in f["results"]] for f in found] == [alone[q] for q in asked]
    assert len({f["request"] for f in found}) == 200


def test_the_city_answers_under_load_and_time_goes_on(client: TestClient) -> None:
    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda _: get(client, "/api/match/snapshot"), range(80)))
    assert all(s["drivers"] for s in seen)
    assert all(abs(d["lat"]) <= 90 and abs(d["lon"]) <= 180 for s in seen for d in s["drivers"])
    assert all(len({d["id"] for d in s["drivers"]}) == len(s["drivers"]) for s in seen)


def test_a_choice_is_logged_and_its_click_moves_the_belief(client: TestClient, systems: Systems) -> None:
    where = systems.studio.brief.surfaces[0].name
    choice = get(client, "/api/show/choose", placement=where)
    assert 0.0 < choice["propensity"] <= 1.0
    assert client.get(choice["picture"]).headers["content-type"] == "image/jpeg"
    mean = {c["id"]: c["mean"] for c in get(client, "/api/show/creatives", placement=where)}
    happened = [{"request": choice["request"], "creative": choice["creative"], "kind": k} for k in ("impression", "click")]
    assert client.post("/api/show/events", json=happened).status_code == 202
    after = {c["id"]: c for c in get(client, "/api/show/creatives", placement=where)}
    assert after[choice["creative"]]["mean"] > mean[choice["creative"]]
    assert np.isclose(sum(c["chance"] for c in after.values()), 1.0, atol=0.02)
    assert all(g["passed"] for c in after.values() for g in c["gates"])
    wrong = client.post("/api/show/events", json=[happened[0] | {"creative": "1"}])
    assert (wrong.status_code, wrong.json()["field"]) == (422, "creative")


def test_the_description_types_every_answer_and_names_the_problems(client: TestClient) -> None:
    paths = get(client, "/openapi.json")["paths"]
    assert set(paths) >= {"/api/find/search", "/api/find/suggest", "/api/find/explain", "/api/find/events", "/health", "/ready"}
    for path, methods in paths.items():
        for method, told in methods.items():
            good = next(r for status, r in told["responses"].items() if status.startswith("2"))
            schema = good["content"]["application/json"]["schema"]
            assert "$ref" in schema or "$ref" in schema.get("items", {}), path
            assert told["summary"] and told["description"], (path, method)
            assert "application/problem+json" in told["responses"]["422"]["content"], path


def test_health_and_readiness(client: TestClient, broken: Systems) -> None:
    assert get(client, "/health")["status"] == "ok"
    states = TestClient(create(broken)).get("/ready")
    assert (states.status_code, states.headers["retry-after"], states.json()["systems"]["city"]) == (503, "1", "building")
    assert "absent.jsonl" in states.json()["systems"]["shop"]


def test_what_is_being_built_asks_to_come_back_and_what_failed_does_not(broken: Systems) -> None:
    client = TestClient(create(broken))
    waits, failed = client.get("/api/match/snapshot"), client.get("/api/find/search")
    assert (waits.status_code, waits.json()["type"], waits.headers["retry-after"]) == (503, "urn:rialto:engine-busy", "1")
    assert (failed.status_code, failed.json()["type"], failed.headers.get("retry-after")) == (503, "urn:rialto:engine-lost", None)
