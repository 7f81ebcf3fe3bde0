"""Plain searches read off their address at once: what nearly every request asks for needs no framework to solve its parameters."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, cast
from urllib.parse import parse_qsl

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from rialto.serve.ask import SORTS, Ask, Sort, shown_words

__all__ = ["Direct", "plain"]

_MOST_TEXT, _MOST_SHOPPER, _MOST_PAGE, _MOST_SIZE = 10_000, 200, 10_000, 100
_DEEPEST = 10_000
_KNOWN = frozenset({"q", "page", "size", "sort", "shopper"})


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
    page, size = _number(given.get("page", "1"), _MOST_PAGE), _number(given.get("size", "24"), _MOST_SIZE)
    if len(text) > _MOST_TEXT or len(shopper) > _MOST_SHOPPER or sort not in SORTS or not page or not size:
        return None
    if page * size > _DEEPEST:
        return None
    return Ask(shown_words(text), page=page, size=size, sort=cast("Sort", sort), shopper=shopper)


def _number(text: str, most: int) -> int:
    """A number as people write it, from 1 to `most`; 0 for everything else."""
    if not (text.isascii() and text.isdigit() and len(text) < 6 and text[0] != "0"):
        return 0
    return number if (number := int(text)) <= most else 0


class Direct(APIRoute):
    """A route whose endpoint takes nothing but an `ask`, which is called at once with a plain one; others are read by the framework."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """As the framework's, with plain searches before it; one thread hand-over a request."""
        slow, endpoint = super().get_route_handler(), cast("Callable[..., Response]", self.endpoint)

        async def handle(request: Request) -> Response:
            ask = plain(cast("bytes", request.scope["query_string"]))
            return await slow(request) if ask is None else await run_in_threadpool(endpoint, ask=ask)

        return handle
