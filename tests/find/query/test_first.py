"""Queries as typed to queries as searched for."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rialto.errors import BadInput
from rialto.find.query import understand


@pytest.mark.parametrize(
    ("asked", "text", "low", "high"),
    [
        ("Red Shoes under $50", "red shoes", None, 5000), ("cheap vase under 40", "cheap vase", None, 4000),
        ("dog lead below 15 dollars", "dog lead", None, 1500), ("shirt up to $35", "shirt", None, 3500),
        ("between $20 and $40 lamp", "lamp", 2000, 4000), ("lamp $20-$40", "lamp", 2000, 4000), ("tv over $1,299.99", "tv", 129999, None),
        ("lamp 20 to 40 euros", "lamp", 2000, 4000), ("$25 gift", "$25 gift", None, None), ("desk under 120 cm", "desk under 120 cm", None, None),
        ("vitamins for men over 50", "vitamins for men over 50", None, None), ("iphone 11", "iphone 11", None, None),
        ("under $50", "", None, 5000), ("bag over $5 under $40 under $90", "bag", 500, 4000),
        ("  ＴＶ\u00a0 set\t", "tv set", None, None), ("", "", None, None),
        ("cable 10-20 m", "cable 10-20 m", None, None), ("under-cabinet light", "under-cabinet light", None, None),
    ],
)  # fmt: skip
def test_a_price_bound_becomes_a_bound_and_other_numbers_stay_words(
    asked: str, text: str, low: int | None, high: int | None
) -> None:
    u = understand(asked)
    assert u.text == text
    assert (None if math.isnan(u.low_cents) else u.low_cents, None if math.isnan(u.high_cents) else u.high_cents) == (low, high)
    assert ((low or high) is not None) == ("price" in [r.kind for r in u.rewrites])


def test_a_shopper_can_undo_the_price_bound() -> None:
    u = understand("red shoes under $50", price_bounds=False)
    assert (u.text, u.rewrites) == ("red shoes under $50", ())


def test_a_model_number_is_kept() -> None:
    assert understand("HP dv7-1211ea/B 15.6").text == "hp dv7-1211ea/b 15.6"


@given(st.text(max_size=700))
def test_any_text_is_understood_once_and_for_all(asked: str) -> None:
    once = understand(asked, price_bounds=False).text
    assert understand(once, price_bounds=False).text[:400] == once[:400]
    assert once == " ".join(once.split()) and len(once) <= 9100


def test_a_query_that_is_no_text_is_refused() -> None:
    with pytest.raises(BadInput, match="wanted text"):
        understand(7)  # type: ignore[arg-type]
