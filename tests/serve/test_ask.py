"""Addresses of searches: what is written is read back, and undoing one thing leaves the rest."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from rialto.errors import BadInput
from rialto.find.decide import SORTS as KNOWN
from rialto.find.records import Selections
from rialto.serve.ask import SORTS, Ask, asked

names = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=8).filter(str.strip)
ends = st.none() | st.integers(-1000, 1000).map(float)


def read(address: str) -> Ask:
    parts = urlsplit(address)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    scope = {"type": "http", "method": "GET", "path": parts.path, "query_string": parts.query.encode(), "headers": []}
    one = dict(pairs)
    return asked(
        Request(scope),
        q=one.get("q", ""),
        select=[v for n, v in pairs if n == "select"],
        range_=[v for n, v in pairs if n == "range"],
        in_stock=one.get("in_stock") == "1",
        page=int(one.get("page", 1)),
        size=int(one.get("size", 24)),
        sort=one.get("sort", "relevance"),
        exact="exact" in one,
        explain="explain" in one,
    )


def test_pages_offer_every_sort_that_search_knows() -> None:
    assert list(SORTS) == list(KNOWN)


@given(
    text=st.text(st.characters(exclude_categories=("Cs", "C", "Z")), max_size=20),
    values=st.dictionaries(names, st.lists(names, min_size=1, max_size=3, unique=True).map(tuple), max_size=3),
    low=st.dictionaries(names, ends.filter(lambda x: x is not None), max_size=2),
    page=st.integers(1, 50),
    exact=st.booleans(),
)
def test_an_address_is_read_back_as_it_was_written(
    text: str, values: dict[str, tuple[str, ...]], low: dict[str, float], page: int, exact: bool
) -> None:
    ask = Ask(text, Selections(values, {k: (v, None) for k, v in low.items()}), page=page, sort="newest", exact=exact)
    assert read(ask.address()) == ask


def test_unticking_one_value_leaves_the_rest_and_goes_to_the_first_page() -> None:
    ask = Ask("shoes", Selections({"brand": ("A", "B"), "colour": ("red",)}, {"price_cents": (None, 5000.0)}, True), page=4)
    left = ask.ticked("brand", "A")
    assert left.selections == Selections({"brand": ("B",), "colour": ("red",)}, {"price_cents": (None, 5000.0)}, True)
    assert left.page == 1
    assert ask.unbounded("price_cents").selections.ranges == {}
    assert ask.any_stock().selections.in_stock is False
    assert ask.cleared() == Ask("shoes")
    assert left.ticked("brand", "A").selections.values["brand"] == ("B", "A")


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ("/shop?select=brand", "FACET:VALUE"),
        ("/shop?range=price_cents:5", "LOW..HIGH"),
        ("/shop?range=price_cents:a..b", "LOW..HIGH"),
        ("/shop?range.price_cents=9..1", "the low end first"),
        ("/shop?range.price_cents=nan..", "wanted numbers"),
        ("/shop?page=10000&size=100", "10000 results"),
    ],
)
def test_what_cannot_be_read_says_what_was_wanted(address: str, wanted: str) -> None:
    with pytest.raises(BadInput, match=wanted.replace(".", r"\.")):
        read(address)


def test_control_characters_become_blanks() -> None:
    assert read("/shop?q=red%00%1B%0Ashoes").text == "red   shoes"
