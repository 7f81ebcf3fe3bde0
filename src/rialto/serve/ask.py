"""What a shopper's address asks for, read and written: words, what is ticked, page, size, sort; the page and the API share it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, get_args
from urllib.parse import quote, unquote, urlencode

from fastapi import Query, Request
from pydantic import StringConstraints

from rialto.errors import BadInput, known
from rialto.find.catalogue import Catalogue
from rialto.find.records import Selections

__all__ = [
    "MOST_PAGE",
    "MOST_RESULTS",
    "MOST_SHOPPER",
    "MOST_SIZE",
    "MOST_TEXT",
    "SORTS",
    "Ask",
    "Sort",
    "asked",
    "check_facets",
    "named",
    "shown_words",
]

Sort = Literal["relevance", "price_up", "price_down", "newest", "rating"]
SORTS: Mapping[Sort, str] = dict(
    zip(get_args(Sort), ("Best match", "Price, low to high", "Price, high to low", "Newest", "Best rated"))
)
"""How results may be sorted, as people read it."""

Rewritten = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
_RANGE = "range."
_LIMIT = 200  # things ticked at most
MOST_TEXT, MOST_SHOPPER = 10_000, 200
"""Characters of what is typed, and of the shop's id of who asks."""
MOST_PAGE, MOST_SIZE, MOST_RESULTS = 10_000, 100, 10_000
"""Pages, results a page, and results up to a page's end."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One search as its address says it.

    Args:
        text: What was typed; "" browses.
        selections: What is ticked.
        page: From 1. `size`: results a page.
        explain: Whether each result says why it stands there.
        exact: Whether the words are searched for as typed, every rewrite undone.
        undo: Ids of rewrites that are undone.
        shopper: The shop's id of who asks; never in an address.
        segments: Audiences that they belong to, which merchandising rules may be for.

    Example:
        >>> a = Ask("red shoes", Selections(values={"brand": ("Acme", "Bolt")}), page=3)
        >>> a.ticked("brand", "Acme").address()
        '/shop?q=red+shoes&select=brand%3ABolt'
    """

    text: str = ""
    selections: Selections = field(default_factory=Selections)
    page: int = 1
    size: int = 24
    sort: Sort = "relevance"
    explain: bool = False
    exact: bool = False
    undo: tuple[str, ...] = ()
    shopper: str = ""
    segments: tuple[str, ...] = ()

    def fields(self) -> list[tuple[str, str]]:
        """Name and value of everything that differs from the default, for an address or for hidden fields of a form."""
        s = self.selections
        pairs = [("q", self.text)] if self.text else []
        pairs += [("select", f"{named(f)}:{v}") for f, values in sorted(s.values.items()) for v in values]
        pairs += [(f"{_RANGE}{f}", _written(low, high)) for f, (low, high) in sorted(s.ranges.items())]
        pairs += [("in_stock", "1")] if s.in_stock else []
        pairs += [
            (n, str(v))
            for n, v, d in (("page", self.page, 1), ("size", self.size, 24), ("sort", self.sort, "relevance"))
            if v != d
        ]
        pairs += [("undo", rewrite) for rewrite in self.undo]
        pairs += [("segment", s) for s in self.segments]
        return pairs + [(n, "1") for n in ("explain", "exact") if getattr(self, n)]

    def address(self, path: str = "/shop") -> str:
        """The address of this search."""
        fields = self.fields()
        return f"{path}?{urlencode(fields)}" if fields else path

    def at(self, page: int) -> Ask:
        """The same search, another page."""
        return replace(self, page=page)

    def literally(self) -> Ask:
        """The same search without any rewrite."""
        return replace(self, exact=True, page=1)

    def loosely(self) -> Ask:
        """The same search, rewrites allowed."""
        return replace(self, exact=False, undo=(), page=1)

    def undone(self, rewrite: str) -> Ask:
        """The same search without one rewrite, by its id."""
        return replace(self, undo=(*(u for u in self.undo if u != rewrite), rewrite), page=1)

    def redone(self, rewrite: str) -> Ask:
        """The same search with a rewrite that was undone."""
        return replace(self, undo=tuple(u for u in self.undo if u != rewrite), page=1)

    def explained(self, explain: bool) -> Ask:
        """The same search, with or without reasons."""
        return replace(self, explain=explain)

    def ticked(self, facet: str, value: str) -> Ask:
        """The same search with one value of a facet ticked where it was not, and the other way round."""
        values = dict(self.selections.values)
        held = values.pop(facet, ())
        kept = tuple(v for v in held if v != value) if value in held else (*held, value)
        return replace(self, selections=replace(self.selections, values=values | ({facet: kept} if kept else {})), page=1)

    def unbounded(self, facet: str) -> Ask:
        """The same search without the range of a facet."""
        ranges = {f: ends for f, ends in self.selections.ranges.items() if f != facet}
        return replace(self, selections=replace(self.selections, ranges=ranges), page=1)

    def any_stock(self) -> Ask:
        """The same search, sold out products included."""
        return replace(self, selections=replace(self.selections, in_stock=False), page=1)

    def cleared(self) -> Ask:
        """The same words with nothing ticked."""
        return replace(self, selections=Selections(), page=1)


def shown_words(text: str) -> str:
    """What was typed, without signs that cannot be shown.

    Example:
        >>> shown_words(" red\\x00shoes")
        'red shoes'
    """
    return (text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)).strip()


def asked(
    request: Request,
    q: Annotated[str, Query(max_length=MOST_TEXT, description="What a shopper typed; empty browses.")] = "",
    select: Annotated[
        list[str] | None,
        Query(max_length=_LIMIT, description="Ticked values, `FACET:VALUE`: `brand:Acme`, `category:Shoes/Boots`."),
    ] = None,
    range_: Annotated[
        list[str] | None,
        Query(
            alias="range",
            max_length=_LIMIT,
            description="Ranges, `FACET:LOW..HIGH`, either end may be absent: `price_cents:..5000`.",
        ),
    ] = None,
    in_stock: Annotated[bool, Query(description="Leave out what is sold out.")] = False,
    page: Annotated[int, Query(ge=1, le=MOST_PAGE)] = 1,
    size: Annotated[int, Query(ge=1, le=MOST_SIZE, description="Results a page.")] = 24,
    sort: Annotated[Sort, Query()] = "relevance",
    exact: Annotated[bool, Query(description="Search for the words as typed, every rewrite undone.")] = False,
    undo: Annotated[
        list[Rewritten] | None, Query(max_length=50, description="Ids of rewrites that are not to be made; `all` makes none.")
    ] = None,
    shopper: Annotated[
        str,
        Query(
            max_length=MOST_SHOPPER, description="The shop's own id of who asks, for what is known of them; kept as a pseudonym."
        ),
    ] = "",
    segment: Annotated[
        list[Rewritten] | None,
        Query(max_length=50, description="Audiences that the shopper belongs to, for merchandising rules that are for some."),
    ] = None,
    explain: Annotated[bool, Query(description="Tell why each result stands where it stands.")] = False,
) -> Ask:
    """Read a search from a request's query; a form names a range `range.FACET=LOW..HIGH`, so that its choices exclude each other."""
    alone = [(n.removeprefix(_RANGE), v) for n, v in request.query_params.multi_items() if n.startswith(_RANGE) and v]
    pairs = [*(_split(r, "range") for r in range_ or ()), *alone]
    ticked: dict[str, tuple[str, ...]] = {}
    for facet, value in (_split(s, "select") for s in select or ()):
        ticked[facet] = tuple(dict.fromkeys((*ticked.get(facet, ()), value)))
    if len(pairs) > _LIMIT:
        raise BadInput(f"{len(pairs)} ranges are asked for; wanted {_LIMIT} at most.")
    chosen = Selections(ticked, {facet: _ends(facet, value) for facet, value in pairs}, in_stock)
    if page * size > MOST_RESULTS:
        raise BadInput(f"page {page} of {size} results is asked for; wanted at most {MOST_RESULTS} results up to its end.")
    own = tuple(dict.fromkeys(s for s in map(shown_words, segment or ()) if s))
    return Ask(shown_words(q), chosen, page, size, sort, explain, exact, tuple(dict.fromkeys(undo or ())), shopper, own)


def check_facets(ask: Ask, catalogue: Catalogue) -> None:
    """Raise `BadInput` where something is ticked in a facet that the catalogue does not have, and name those it has."""
    text = {"brand", "category", *catalogue.labels.names}
    numbers = {"price_cents", "rating", *catalogue.measures.names}
    _check(ask.selections.values, text, numbers, "select")
    _check(ask.selections.ranges, numbers, text, "range")


def _check(chosen: Iterable[str], names: set[str], others: set[str], what: str) -> None:
    for name in chosen:
        if name in others and name not in names:
            other, such = ("range", f"{name}:1..5") if what == "select" else ("select", f"{name}:VALUE")
            raise BadInput(f"{what}: the facet {name[:80]!r} is not asked for like this; ask {other}={such[:90]}.")
        if name not in names:
            raise BadInput(f"{what}: there is no facet {name[:80]!r}; known: {known(name[:80], names)}.")


def _split(text: str, what: str) -> tuple[str, str]:
    facet, colon, value = text.partition(":")
    if not (facet and colon and value):
        raise BadInput(
            f"{what} is {text[:80]!r}; wanted FACET:VALUE, such as {'brand:Acme' if what == 'select' else 'price_cents:..5000'}."
        )
    return unquote(facet), value


def named(facet: str) -> str:
    """A facet's name as `select` and `range` write it, before the colon.

    Example:
        >>> named("brand"), named("ratio 16:9")
        ('brand', 'ratio 16%3A9')
    """
    return quote(facet, safe=" /")


def _ends(facet: str, text: str) -> tuple[float | None, float | None]:
    low, dots, high = text.partition("..")
    try:
        if not dots:
            raise ValueError
        return (float(low) if low else None), (float(high) if high else None)
    except ValueError:
        raise BadInput(
            f"range of {facet[:80]!r} is {text[:80]!r}; wanted LOW..HIGH in numbers, such as 1000..5000 or ..5000."
        ) from None


def _written(low: float | None, high: float | None) -> str:
    return f"{'' if low is None else f'{low:.15g}'}..{'' if high is None else f'{high:.15g}'}"
