"""Plain searches read at once: as the framework reads them, or left to it."""

import asyncio
from collections.abc import Sequence
from threading import current_thread
from time import thread_time
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import pytest
from fastapi import Depends, FastAPI
from fastapi.responses import JSONResponse, Response
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.errors import EngineBusy
from rialto.serve.ask import SORTS, Ask, asked
from rialto.serve.direct import Direct, plain

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
numbers = st.integers(-2, 12_000).map(str) | st.sampled_from(["", "01", "1.0", " 5", "+5", "٣", "1_0", "1e2"])
pairs = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["q", "shopper", "undo", "other"]), texts),
        st.tuples(st.sampled_from(["page", "size"]), numbers),
        st.tuples(st.just("sort"), st.sampled_from([*SORTS, "", "worst"])),
        st.tuples(st.sampled_from(["exact", "explain", "in_stock"]), st.sampled_from(["1", "0", "maybe"])),
        st.tuples(
            st.sampled_from(["select", "range", "range.price_cents"]), st.sampled_from(["brand:Acme", "price_cents:1..2", "1..2"])
        ),
    ),
    max_size=4,
)


def framework(seen: list[Ask]) -> FastAPI:
    def search(ask: Annotated[Ask, Depends(asked)]) -> Response:
        seen.append(ask)
        return JSONResponse({})

    app = FastAPI()
    app.get("/search")(search)
    return app


def answered(seen: list[Ask], *, at_once: bool = True) -> FastAPI:
    def answer(asks: Sequence[Ask]) -> list[bytes]:
        seen.extend(asks)
        return [b"{}"] * len(asks)

    app = framework(seen)
    app.add_middleware(Direct, answer=answer, inline=lambda: at_once, path="/search")
    return app


fast_seen, slow_seen = list[Ask](), list[Ask]()
fast = TestClient(answered(fast_seen), raise_server_exceptions=False)
slow = TestClient(framework(slow_seen), raise_server_exceptions=False)


@settings(max_examples=150, deadline=None)
@given(pairs)
def test_every_address_is_answered_as_the_framework_alone_answers_it(given_pairs: list[tuple[str, str]]) -> None:
    fast_seen.clear()
    slow_seen.clear()
    address = f"/search?{urlencode(given_pairs)}"
    one, other = fast.get(address), slow.get(address)
    assert (one.status_code, one.text, fast_seen) == (other.status_code, other.text, slow_seen)


@pytest.mark.parametrize("at_once", [True, False])
def test_a_search_is_answered_where_it_is_read_or_by_a_thread(at_once: bool) -> None:
    seen = list[Ask]()
    answer = TestClient(answered(seen, at_once=at_once)).get("/search", params={"q": "lamp"})
    assert (answer.json(), seen, answer.headers["x-content-type-options"]) == ({}, [Ask("lamp")], "nosniff")


def test_slow_searches_get_threads_and_quick_ones_are_answered_at_once_again() -> None:
    names, work_s = list[str](), [0.05]

    def answer(asks: Sequence[Ask]) -> list[bytes]:
        names.append(current_thread().name)
        until = thread_time() + work_s[0]
        while thread_time() < until:
            pass
        return [b"{}"] * len(asks)

    app = framework([])
    app.add_middleware(Direct, answer=answer, inline=lambda: True, path="/search")
    with TestClient(app) as http:
        for _ in range(20):
            http.get("/search")
        work_s[0] = 0.0
        for _ in range(60):
            http.get("/search")
    assert names[0] == names[-1] != names[19]


@pytest.mark.parametrize("error", [EngineBusy("not yet"), ZeroDivisionError("a mistake")])
def test_a_search_that_fails_is_told_by_the_framework(error: Exception) -> None:
    def answer(asks: Sequence[Ask]) -> list[bytes]:
        raise error

    seen = list[Ask]()
    app = framework(seen)
    app.add_middleware(Direct, answer=answer, inline=lambda: True, path="/search")
    assert TestClient(app).get("/search", params={"q": "lamp"}).status_code == 200
    assert seen == [Ask("lamp")]


async def together(app: FastAPI, count: int) -> list[tuple[int, bytes]]:
    """Searches of as many shoppers at one moment."""

    async def one(n: int) -> tuple[int, bytes]:
        got = list[Any]()

        async def send(message: Any) -> None:
            got.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        scope = {
            "type": "http",
            "method": "GET",
            "path": "/search",
            "query_string": f"q=lamp{n}".encode(),
            "headers": [],
            "state": {},
        }
        await app(scope, receive, send)
        return got[0]["status"], got[1]["body"]

    return await asyncio.gather(*(one(n) for n in range(count)))


def test_searches_that_wait_together_are_answered_in_one_go_each_with_its_own() -> None:
    turns = list[int]()

    def answer(asks: Sequence[Ask]) -> list[bytes]:
        turns.append(len(asks))
        return [ask.text.encode() for ask in asks]

    app = framework([])
    app.add_middleware(Direct, answer=answer, inline=lambda: True, path="/search")
    assert asyncio.run(together(app, 37)) == [(200, f"lamp{n}".encode()) for n in range(37)]
    assert turns == [16, 16, 5]


def test_one_search_that_fails_harms_none_that_waited_with_it() -> None:
    def answer(asks: Sequence[Ask]) -> list[bytes]:
        if any(ask.text == "lamp3" for ask in asks):
            raise ZeroDivisionError("a mistake")
        return [b"together" for _ in asks]

    seen = list[Ask]()
    app = framework(seen)
    app.add_middleware(Direct, answer=answer, inline=lambda: True, path="/search")
    found = asyncio.run(together(app, 20))
    assert [status for status, _ in found] == [200] * 20
    assert {ask.text for ask in seen} == {f"lamp{n}" for n in range(16)}  # the framework answered those that waited with it
    assert [body for _, body in found[16:]] == [b"together"] * 4


@settings(max_examples=300)
@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_left_alone(query: bytes) -> None:
    made = plain(query)
    assert made is None or 1 <= made.page * made.size <= 10_000


def test_a_plain_search_is_read_at_once() -> None:
    assert plain(f"q={quote('grüne Lampe')}&size=10&page=2&sort=newest&shopper=ann".encode()) == Ask(
        "grüne Lampe", page=2, size=10, sort="newest", shopper="ann"
    )


@pytest.mark.parametrize(
    "query", ["q=a&q=b", "select=brand:Acme", "explain=1", "size=101", "page=101&size=100", "q=" + "a" * 10_001]
)
def test_what_is_not_plain_is_left_to_the_framework(query: str) -> None:
    assert plain(query.encode()) is None
