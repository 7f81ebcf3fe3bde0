"""Cells of a file to typed values."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rialto.find.values import as_boolean, as_cents, as_day, as_number, as_text, blank, day_text


@pytest.mark.parametrize(
    ("written", "unit", "cents"),
    [
        ("$1,299.00", "units", 129900), ("1.299,00 €", "units", 129900), ("EUR 12,50", "units", 1250), ("12.5", "units", 1250),
        ("1'299.50", "units", 129950), ("1 299,50", "units", 129950), ("£5", "cents", 500), ("4995", "cents", 4995),
        (4995, "cents", 4995), (49.95, "units", 4995), ("0", "units", 0), ("1,299", "units", 129900), ("12,50", "cents", 1250),
        ("1.234.567", "units", 123456700), (".", None, None), ("free", None, None), ("-3", None, None), (-1, None, None),
        (True, None, None), ("$", None, None), ("1e999", None, None), (float("inf"), None, None), ("12 or 13", None, None),
        ([], None, None), ("call us today 5", None, None),
    ],
)  # fmt: skip
def test_price_is_read_as_people_write_it_or_refused(written: object, unit: str | None, cents: int | None) -> None:
    if unit is None:
        with pytest.raises(ValueError, match="a price"):
            as_cents(written, "units")
    else:
        assert as_cents(written, unit) == cents


@given(st.integers(0, 10**9))
def test_price_comes_back_from_its_own_writing(cents: int) -> None:
    assert as_cents(f"${cents / 100:,.2f}", "units") == cents
    assert as_cents(cents / 100, "units") == cents


@given(st.one_of(st.text(max_size=30), st.floats(), st.integers(), st.none(), st.booleans()))
def test_any_value_is_a_price_or_a_named_refusal(value: object) -> None:
    try:
        cents = as_cents(value, "units")
    except ValueError:
        return
    assert cents >= 0 and math.isfinite(cents) and cents == round(cents)


def test_number_must_be_finite() -> None:
    assert as_number("4.5") == 4.5
    for bad in ("nan", float("inf"), "x", None, True):
        with pytest.raises(ValueError, match="finite"):
            as_number(bad)


def test_text_with_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(ValueError, match="UTF-8"):
        as_text("caf\udce9")
    assert as_text("café\x00") == "café"


def test_day_counts_from_1970_and_back() -> None:
    assert as_day("2009-12-10T00:00:00Z") == 14588.0
    assert day_text(14588.0) == "2009-12-10"
    assert day_text(float("nan")) == ""
    with pytest.raises(ValueError, match="a day"):
        as_day("tomorrow")


def test_yes_and_no_are_words() -> None:
    assert as_boolean("Yes") and not as_boolean("false") and as_boolean(True)
    with pytest.raises(ValueError, match="yes or no"):
        as_boolean("1.5")


def test_blank_is_absent_empty_or_nan() -> None:
    assert blank(None) and blank("  ") and blank(float("nan"))
    assert not blank(0) and not blank(False)
