"""What is not wanted: taken out of queries that say so, left in those that do not, and found in products."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rialto.errors import BadInput
from rialto.find.catalogue import Catalogue
from rialto.find.query.negation import Negation, holds
from rialto.find.query.training import Trained

KNOWN = Negation(frozenset({("leather",), ("wallet",), ("zip",), ("hood",)}), frozenset({("sugar", "free")}))


@pytest.mark.parametrize(("asked", "left", "without"), [
    ("phone case without magnet", "phone case", ("magnet",)),
    ("phone case without magnet for iphone", "phone case for iphone", ("magnet",)),
    ("vase not brass", "vase", ("brass",)),
    ("no leather wallet", "wallet", ("leather",)),
    ("jacket without hood and zip", "jacket", ("hood", "zip")),
    ("laptop -dell", "laptop", ("dell",)),
    ("#8 tags without string", "#8 tags", ("string",)),
    ("watch w/o strap", "watch", ("strap",)),
])  # fmt: skip
def test_what_is_not_wanted_is_taken_out(asked: str, left: str, without: tuple[str, ...]) -> None:
    text, phrases, rewrites = KNOWN(asked)
    assert (text, phrases) == (left, without)
    assert all(r.id.startswith("negation:") for r in rewrites)


@pytest.mark.parametrize(
    "asked",
    [
        "no 7 serum",
        "sugar free cola",
        "non stick pan",
        "no show socks",
        "without you",
        "t-shirt",
        "15 -inch tv",
        "not",
        "-",
        "no",
        "x -1",
    ],
)
def test_what_is_no_negation_stays(asked: str) -> None:
    assert KNOWN(asked) == (asked, (), ())


@given(st.text(max_size=80))
def test_any_text_is_read_and_what_is_left_is_read_again_as_it_is(text: str) -> None:
    plain = " ".join(text.lower().split())
    left, without, rewrites = KNOWN(plain)
    assert bool(without) == bool(rewrites)
    assert left or not plain
    assert Negation.load(KNOWN.save())(plain) == (left, without, rewrites)


@given(
    st.lists(st.sampled_from(["without", "no", "zip", "and", "hoodie", "-red", "for", "leather", "free", "not", ","]), max_size=8)
)
def test_negating_words_in_any_order_lose_nothing_unsaid(words: list[str]) -> None:
    left, _, rewrites = KNOWN(" ".join(words))
    assert len(left.split()) + sum(len(r.before.split()) for r in rewrites) == len(words)


def test_bytes_that_are_no_negation_are_refused() -> None:
    with pytest.raises(BadInput, match="negation"):
        Negation.load(b"[1]")


def test_a_no_attribute_is_not_held_and_a_yes_is(catalogue: Catalogue) -> None:
    held = holds(catalogue, ["zip"])
    zips = [catalogue.attributes(r).get("zip") for r in range(len(catalogue))]
    titles = [str(t).lower() for t in catalogue.text("title")]
    assert all(held[r] for r, z in enumerate(zips) if z is True)
    assert not any(held[r] for r, z in enumerate(zips) if z is not True and "zip" not in titles[r])


def test_some_rows_are_told_as_all_rows_are(catalogue: Catalogue) -> None:
    rows = np.array([5, 0, 70, 5])
    for phrases in (["black"], ["merino wool", "cotton"], [], [""]):
        assert holds(catalogue, phrases, rows).tolist() == holds(catalogue, phrases)[rows].tolist()


def test_negated_queries_of_the_shop_leave_out_what_they_name(trained: Trained, catalogue: Catalogue) -> None:
    text, without, _ = trained.negation("vase without brass")
    assert (text, without) == ("vase", ("brass",))
    held = holds(catalogue, without)
    brass = [r for r in range(len(catalogue)) if catalogue.attributes(r).get("material") == "brass"]
    assert brass
    assert held[brass].all()
