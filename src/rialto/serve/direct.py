"""Plain searches read off their address at once: what nearly every request asks for needs no framework to solve its parameters."""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future, get_running_loop
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import thread_time
from typing import cast
from urllib.parse import parse_qsl
from weakref import WeakKeyDictionary

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from rialto.serve.ask import MOST_PAGE, MOST_RESULTS, MOST_SHOPPER, MOST_SIZE, MOST_TEXT, SORTS, Ask, Sort, shown_words
from rialto.serve.problems import HEADERS

__all__ = ["Direct", "plain"]

_KNOWN = frozenset({"q", "page", "size", "sort", "shopper"})
_HEADERS = [(b"content-type", b"application/json"), *((n.lower().encode(), v.encode()) for n, v in HEADERS.items())]
_QUICK_S = 0.015  # searches that take longer have a thread, and nobody waits for them
_TOGETHER = 16  # answered in one go: more gain little, and all of them wait for the last
_SHARE = 0.05  # of the latest search in the pace


def plain(query: bytes) -> Ask | None:
    """The search that an address asks for, or None where it has to be read, or refused, by the rules of `asked`.

    Args:
        query: An address from behind its `?`, as it came.

    Returns:
        None for whatever is ticked, asked for twice, unknown, or out of range.

    Cost:
        About ten microseconds; the framework takes some hundred.

    Example:
        >>> plain(b"q=red+shoes&size=10")
        Ask(text='red shoes', ..., size=10, ...)
        >>> plain(b"q=shoes&size=0"), plain(b"q=shoes&select=brand:Acme")
        (None, None)
    """
    try:
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    except ValueError:
        return None
    given = dict(pairs)
    if len(given) < len(pairs) or not _KNOWN.issuperset(given):
        return None
    text, shopper, sort = given.get("q", ""), given.get("shopper", ""), given.get("sort", "relevance")
    page, size = _number(given.get("page", "1"), MOST_PAGE), _number(given.get("size", "24"), MOST_SIZE)
    if len(text) > MOST_TEXT or len(shopper) > MOST_SHOPPER or sort not in SORTS or not page or not size:
        return None
    if page * size > MOST_RESULTS:
        return None
    return Ask(shown_words(text), page=page, size=size, sort=cast("Sort", sort), shopper=shopper)


def _number(text: str, most: int) -> int:
    """A number as people write it, from 1 to `most`; 0 for everything else."""
    if not (text.isascii() and text.isdigit() and len(text) < 6 and text[0] != "0"):
        return 0
    return number if (number := int(text)) <= most else 0


class Direct:
    """ASGI middleware: answers plain searches before any framework looks at them, in the event loop itself while they are quick.

    A search is almost all interpreter: threads that search at once wait for one another more than they search. So it runs where its
    request is read, without a hand-over, and requests that came while others were answered are answered in one go, which costs half
    of one after the other. A search that may wait (for a server, a shopper's profile, a change that is being written) or takes long
    (a cross-encoder, a large catalogue) has a thread, so that nobody else waits with it. What fails is asked again of the framework,
    which says why.

    Args:
        app: The framework's application.
        answer: The answers to searches, as JSON, one each.
        inline: Whether a search may run in the event loop now.
        path: Where searches are asked for.
    """

    def __init__(
        self, app: ASGIApp, *, answer: Callable[[Sequence[Ask]], list[bytes]], inline: Callable[[], bool], path: str
    ) -> None:
        self._app, self._answer, self._inline, self._path = app, answer, inline, path
        self._pace_s = 0.0  # of late, in processor time of the thread
        self._waiting = WeakKeyDictionary[AbstractEventLoop, list[tuple[Ask, Future[bytes | None]]]]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        ask = None
        if scope["type"] == "http" and scope["path"] == self._path and scope["method"] == "GET":
            ask = plain(scope["query_string"])
        body = None if ask is None else await self._answered(ask)
        if body is None:
            await self._app(scope, receive, send)
            return
        headers = [*_HEADERS, (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answered(self, ask: Ask) -> bytes | None:
        if ask.shopper or self._pace_s >= _QUICK_S or not self._inline():
            return (await run_in_threadpool(self._timed, [ask]))[0]
        loop = get_running_loop()
        answer, waiting = loop.create_future(), self._waiting.setdefault(loop, [])
        waiting.append((ask, answer))
        if len(waiting) == 1:
            loop.call_soon(self._turn, loop, waiting)  # behind those whose requests were read in this round of the loop
        return await answer

    def _turn(self, loop: AbstractEventLoop, waiting: list[tuple[Ask, Future[bytes | None]]]) -> None:
        """Answer what waits, as much as goes in one go."""
        turn, waiting[:] = waiting[:_TOGETHER], waiting[_TOGETHER:]
        if waiting:
            loop.call_soon(self._turn, loop, waiting)
        for (_, answer), body in zip(turn, self._timed([ask for ask, _ in turn])):
            if not answer.done():  # who asked is still there
                answer.set_result(body)

    def _timed(self, asks: Sequence[Ask]) -> Sequence[bytes | None]:
        start = thread_time()
        answers: Sequence[bytes | None] = [None] * len(asks)
        with suppress(Exception):  # whatever it is: the framework asks again, one by one, and says why
            answers = self._answer(asks)
        self._pace_s += _SHARE * ((thread_time() - start) / len(asks) - self._pace_s)
        return answers
