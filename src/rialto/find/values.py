"""One cell of a catalogue file to a typed value: prices, numbers, days, yes and no; the error says what was wanted."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime
from typing import Any

__all__ = ["as_boolean", "as_cents", "as_count", "as_day", "as_number", "as_stock", "as_text", "blank", "day_text", "unsaid"]

_YES, _NO = frozenset({"yes", "true", "y"}), frozenset({"no", "false", "n"})
_PRICE = re.compile(r"\d[\d.,'’ \u00a0\u202f]*")
_LONGEST = 200_000  # characters of one cell
_UNSAID = frozenset({"n/a", "na", "nan", "null", "none", "nil", "-", "--", "?", "#n/a", "<na>"})
_STOCK = {
    "in stock": 1.0, "instock": 1.0, "available": 1.0, "preorder": 1.0, "backorder": 1.0, "limited availability": 1.0, "online only": 1.0,
    "out of stock": 0.0, "outofstock": 0.0, "sold out": 0.0, "soldout": 0.0, "unavailable": 0.0, "discontinued": 0.0,
}  # fmt: skip
_CURRENCY = re.compile(r"^[^\d\-+]{0,8}$")


def blank(value: Any) -> bool:
    """True for what a file writes where it knows nothing: absent, empty, or NaN in a Parquet column."""
    if isinstance(value, str):
        return not value or value.isspace()
    return value is None or (isinstance(value, float) and math.isnan(value))


def unsaid(value: Any) -> bool:
    """True for what is blank, or a word by which files say that they know nothing.

    Example:
        >>> unsaid("N/A"), unsaid(None), unsaid(0), unsaid("red")
        (True, True, False, False)
    """
    return blank(value) or (isinstance(value, str) and value.strip().lower() in _UNSAID)


def as_text(value: Any) -> str:
    """Text as it stands, without blanks at its ends; `ValueError` where it is no text or not valid Unicode.

    Example:
        >>> as_text(" Lamp "), as_text(12)
        ('Lamp', '12')
    """
    if isinstance(value, str):
        text = value.strip() if "\x00" not in value else value.replace("\x00", " ").strip()
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("text")
    else:
        text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if len(text) > _LONGEST:
        raise ValueError(f"text of at most {_LONGEST} characters")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError("text in UTF-8") from None
    return text


def as_cents(value: Any, unit: str) -> float:
    """A price in cents from a number or a written price; `unit` says what a bare number counts: `cents` or `units`.

    A written price with two decimals, or with a currency beside it, counts units: "$1,299.00", "1.299,00 €", "EUR 12,50".

    Raises:
        ValueError: not a price, negative or not finite.

    Example:
        >>> as_cents("$1,299.00", "units"), as_cents("1.299,00 €", "units"), as_cents(4995, "cents"), as_cents("1,299", "units")
        (129900.0, 129900.0, 4995.0, 129900.0)
    """
    wanted = "a price, 0 or more, such as 12.50 or $1,299.00"
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(wanted)
    number = _written(value, wanted) if isinstance(value, str) else float(value)
    if not math.isfinite(number) or number < 0 or number > 1e13:
        raise ValueError(wanted)
    cents = number if unit == "cents" and not _in_units(value) else number * 100.0
    return float(round(cents))


def _in_units(value: Any) -> bool:
    """True where the writing itself says that units are counted, whatever the column counts."""
    return isinstance(value, str) and bool(re.search(r"[.,]\d{2}(?!\d)", value) or re.search(r"[$€£¥]", value))


def _written(text: str, wanted: str) -> float:
    stripped = text.strip()
    try:
        return float(stripped) if re.fullmatch(r"[+-]?\d+(\.\d+)?([eE][+-]?\d{1,3})?", stripped) else _decorated(stripped, wanted)
    except OverflowError:
        raise ValueError(wanted) from None


def _decorated(text: str, wanted: str) -> float:
    found = _PRICE.search(text)
    if not found or not (_CURRENCY.match(text[: found.start()]) and _CURRENCY.match(text[found.end() :])):
        raise ValueError(wanted)
    digits = re.sub(r"['’\s\u00a0\u202f]", "", found[0]).rstrip(".,")
    last = max(digits.rfind("."), digits.rfind(","))
    if last < 0:
        return float(digits)
    whole, end = re.sub(r"[.,]", "", digits[:last]), digits[last + 1 :]
    grouped = len(end) == 3 and (digits[last] == "," or digits.count(".") > 1)
    return float(whole + end) if grouped else float(f"{whole or 0}.{end}")


def as_number(value: Any) -> float:
    """A finite number; `ValueError` otherwise.

    Example:
        >>> as_number("4.5"), as_number(3)
        (4.5, 3.0)
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError("a finite number")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise ValueError("a finite number") from None
    if not math.isfinite(number):
        raise ValueError("a finite number")
    return number


def as_count(value: Any) -> float:
    """A number, 0 or more, thousands divided or not; `ValueError` otherwise.

    Example:
        >>> as_count("1,204"), as_count(3)
        (1204.0, 3.0)
    """
    if isinstance(value, str) and re.fullmatch(r"\s*\d{1,3}(,\d{3})+\s*", value):
        value = value.replace(",", "")
    number = as_number(value)
    if number < 0:
        raise ValueError("a number, 0 or more")
    return number


def as_stock(value: Any) -> float:
    """Pieces in stock; yes/no and the words of a feed count as one or none; `ValueError` otherwise.

    Example:
        >>> as_stock("In stock"), as_stock("out_of_stock"), as_stock("https://schema.org/InStock"), as_stock(7), as_stock(False)
        (1.0, 0.0, 1.0, 7.0, 0.0)
    """
    if isinstance(value, str):
        word = " ".join(re.sub(r"[_-]", " ", value.strip().lower().rsplit("/", 1)[-1]).split())
        if word in _STOCK:
            return _STOCK[word]
    try:
        return float(as_boolean(value))
    except ValueError:
        return as_count(value)


def as_boolean(value: Any) -> bool:
    """Yes or no; `ValueError` otherwise.

    Example:
        >>> as_boolean("Yes"), as_boolean(False)
        (True, False)
    """
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in _YES or word in _NO:
        return word in _YES
    raise ValueError("yes or no")


def as_day(value: Any) -> float:
    """A day as days since 1970-01-01, from `2009-12-10`, an ISO time or a date of a Parquet column; `ValueError` otherwise.

    Example:
        >>> as_day("1970-01-02T00:00:00Z"), day_text(1.0)
        (1.0, '1970-01-02')
    """
    if isinstance(value, datetime):
        value = (value.astimezone(UTC) if value.tzinfo else value).date()
    try:
        day = value if isinstance(value, date) else date.fromisoformat(str(value).strip()[:10])
    except ValueError:
        raise ValueError("a day such as 2024-05-17") from None
    return float((day - date(1970, 1, 1)).days)


def day_text(day: float) -> str:
    """The ISO writing of `day`, or "" where it is NaN."""
    return "" if math.isnan(day) else date.fromordinal(int(day) + date(1970, 1, 1).toordinal()).isoformat()
