"""Whatever the description allows, and whatever it does not: every answer is one that it names, never a failure inside."""

from __future__ import annotations

import json
import warnings
from collections.abc import Generator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp, Receive, Scope, Send

from rialto.app.engines import Engines
from rialto.app.systems import Systems
from rialto.config import Fleet, Settings
from rialto.serve.service import create
from rialto.worlds.shop import make_shop

pytestmark = pytest.mark.xdist_group("serve-any")

MANY = settings(
    max_examples=40, deadline=None, database=None, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
SLOW = {("post", "/api/find/index"), ("post", "/api/find/rules/preview"), ("post", "/api/find/compare")}
ODD = [
    "x" * 800, "é" * 800, "\x00\x1b[2J", "שלום עולם", "\u202eevil", "冷蔵庫 四ドア", "ไม่มีช่องว่าง", "👩\u200d👧" * 50,
    "a^1e999", "[1 TO *]",
]  # fmt: skip
SYNTAX = "{}[]()*?+|\\^$~\"':-&!/%#<>=ANDORNOT "
HARD = st.one_of(st.text(max_size=40), st.text(SYNTAX, max_size=40), st.sampled_from(ODD))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Generator[FastAPI, None, None]:
    """A shop of 60 products, a city and a studio that anything may be sent to."""
    folder = tmp_path_factory.mktemp("any")
    make_shop(seed=3, products=60).write(folder / "shop")
    home = Settings(home=folder / "home", encoder="static://", cross="none://")
    made = Systems(Engines(home), catalogue=str(folder / "shop" / "catalogue.jsonl"), drivers=20)
    for part in ("shop", "city", "studio"):
        made.build(part)
    yield create(made)
    made.close()


@pytest.fixture(scope="module")
def http(app: FastAPI) -> TestClient:
    return TestClient(app, raise_server_exceptions=False)


def _lasting(app: ASGIApp) -> ASGIApp:
    """The service as one that no caller ends: the generator starts and ends what it calls with each request."""

    async def called(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        for step in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{step}.complete"})

    return called


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Generator[FastAPI, None, None]:
    """A fleet that anything may be sent to."""
    chosen = Settings(home=tmp_path_factory.mktemp("fleet"), fleet=Fleet(on=True, lat=52.5, lon=13.4, window_s=0.0))
    made = Systems(Engines(chosen))
    made.build("city")
    yield create(made)
    made.close()


def test_what_the_description_generates_is_answered_as_it_says(app: FastAPI) -> None:
    assert _conforms(app) > 30


def test_what_the_description_generates_for_a_fleet_is_answered_as_it_says(fleet: FastAPI) -> None:
    assert _conforms(fleet, "/api/match/") >= 12


def _conforms(app: FastAPI, under: str = "/") -> int:
    """Send what the description of the paths below `under` generates; how many operations there are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries that the generator brings, while they are loaded and run
        schemathesis = pytest.importorskip(
            "schemathesis", reason="generates requests from the description: pip install schemathesis"
        )
        from schemathesis.checks import not_a_server_error
        from schemathesis.specs.openapi.checks import (
            content_type_conformance,
            response_schema_conformance,
            status_code_conformance,
        )

        checks = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
        schema = schemathesis.openapi.from_asgi("/openapi.json", _lasting(app))
        seen = 0
        for found in schema.get_all_operations():
            operation = found.ok()
            if not operation.path.startswith(under):
                continue
            few = (operation.method.lower(), operation.path) in SLOW

            @settings(MANY, max_examples=4 if few else 25)
            @given(operation.as_strategy())
            def answered(case: Any) -> None:
                answer = case.call(timeout=120.0)
                if answer.status_code == 503 and "retry-after" in {k.lower() for k in answer.headers}:
                    return
                case.validate_response(answer, checks=checks)

            answered()
            seen += 1
    return seen


@MANY
@given(q=HARD, page=st.integers(-3, 10_001), size=st.integers(-1, 101), more=st.lists(st.tuples(HARD, HARD), max_size=4))
def test_any_words_any_page_and_any_field_are_answered_or_refused(
    http: TestClient, q: str, page: int, size: int, more: list[tuple[str, str]]
) -> None:
    asked = [("q", q), ("page", page), ("size", size), *(("select", f"{f}:{v}") for f, v in more)]
    for path in ("search", "category/", "explain"):
        answer = http.get(f"/api/find/{path}", params=asked)
        assert answer.status_code in (200, 422), (path, answer.text)
        assert "Traceback" not in answer.text
    asked += [("facet", more[0][0] if more else "brand"), ("contains", q[:200])]
    assert http.get("/api/find/facets", params=asked).status_code in (200, 422)
    assert http.get("/api/find/suggest", params={"q": q[:1000]}).status_code == 200


@MANY
@given(name=HARD, undo=st.lists(HARD, max_size=5), ends=st.tuples(HARD, HARD))
def test_any_name_range_and_rewrite_are_answered_or_refused(
    http: TestClient, name: str, undo: list[str], ends: tuple[str, str]
) -> None:
    from urllib.parse import quote

    place = quote(name[:500].encode("utf-8", "replace"), safe="")
    for path in (f"product/{place}", f"category/{place}", f"rules/{place}", f"index/{place}"):
        assert http.get(f"/api/find/{path}").status_code in (200, 404, 405, 422), path
    query = {"q": "lamp", "undo": undo, "range": f"{ends[0]}:{ends[1]}", "shopper": name[:200]}
    assert http.get("/api/find/search", params=query).status_code in (200, 422)


NAMES = ["id", "title", "price_cents", "attributes", "rules", "who", "expected", "request", "product", "kind"]
KEYS = st.one_of(HARD, st.sampled_from(NAMES))
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), HARD),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=8,
)
ROW = st.fixed_dictionaries({"id": HARD, "title": HARD, "price_cents": JSON, "category": HARD, "attributes": JSON})
POSTED = ("events", "rules", "rules/conflicts", "rules/preview", "rules/restore", "products")
BODIES = [("put", "rules/a"), *(("post", p) for p in POSTED)]


@MANY
@given(where=st.sampled_from(BODIES), body=JSON)
def test_any_body_is_answered_or_refused(http: TestClient, where: tuple[str, str], body: object) -> None:
    text = json.dumps(body)  # lone surrogates and NaN included
    answer = http.request(where[0], f"/api/find/{where[1]}", content=text, headers={"Content-Type": "application/json"})
    assert answer.status_code in (200, 202, 400, 404, 409, 422), (where, text[:200], answer.text)


@MANY
@given(rows=st.lists(ROW, min_size=1, max_size=3))
def test_any_rows_go_in_or_are_rejected_by_row_and_are_found_again(http: TestClient, rows: list[dict[str, Any]]) -> None:
    answer = http.post("/api/find/products", content=json.dumps(rows), headers={"Content-Type": "application/json"})
    assert answer.status_code in (200, 422), answer.text
    if answer.status_code == 200:
        told = answer.json()
        bad = {r["row"] for r in told["rejects"]}
        assert bad <= set(range(1, len(rows) + 1))
        kept = {str(r["id"]).strip() for at, r in enumerate(rows, start=1) if at not in bad}
        assert told["added"] + told["replaced"] == len(kept)
        assert http.get("/api/find/search", params={"q": rows[0]["title"][:1000]}).status_code == 200


BROKEN = [
    b"[" * 500_000, b'{"a":' * 100_000, b"\xff\xfe", b"nan", b'"' + b"x" * 900_000 + b'"', b"[" + b"1," * 400_000 + b"1]",
]  # fmt: skip


@pytest.mark.parametrize("body", BROKEN, ids=["deep", "deeper", "no text", "no JSON", "long", "many"])
@pytest.mark.parametrize("path", ["events", "products", "rules", "index"])
def test_a_huge_or_broken_body_is_refused(http: TestClient, path: str, body: bytes) -> None:
    answer = http.post(f"/api/find/{path}", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422), answer.text[:200]
    assert len(answer.content) < 20_000
