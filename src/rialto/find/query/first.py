"""The first reading of a query, which needs no catalogue: one writing of the text, and price bounds taken out."""

from __future__ import annotations

from unicodedata import category, normalize

from rialto.errors import BadInput
from rialto.find.query.bounds import price_bounds as take_bounds
from rialto.find.query.understood import Understood
from rialto.find.records import Rewrite

__all__ = ["one_writing", "understand"]

_LONGEST = 500  # characters of a query that are read


def understand(asked: str, *, price_bounds: bool = True) -> Understood:
    """Read a query: compatible characters made one (NFKC), lower case, blanks single, price bounds as bounds.

    Args:
        asked: Any text; control characters count as blanks, and what comes after 500 characters is left out.
        price_bounds: False searches for "under $50" as words: how a shopper undoes that rewrite.

    Raises:
        BadInput: `asked` is no text.

    Example:
        >>> u = understand("Red  SHOES under $50")
        >>> u.text, u.high_cents, [(r.kind, r.after) for r in u.rewrites]
        ('red shoes', 5000.0, [('price', 'price up to 50.00')])
        >>> understand("desk under 120 cm").text
        'desk under 120 cm'
    """
    if not isinstance(asked, str):  # pyright: ignore[reportUnnecessaryIsInstance] -- a page's value
        raise BadInput(f"the query is {asked!r}; wanted text.")
    rewrites: list[Rewrite] = []
    plain = one_writing(asked[:_LONGEST])
    if len(asked) > _LONGEST:
        rewrites.append(Rewrite("shorten", asked[:40] + "...", f"the first {_LONGEST} characters"))
    if plain != " ".join(asked[:_LONGEST].lower().split()):
        rewrites.append(Rewrite("normalise", asked[:_LONGEST], plain))
    if not price_bounds:
        return Understood(asked, plain, rewrites=tuple(rewrites))
    plain, low, high, found = take_bounds(plain)
    return Understood(asked, plain, low, high, (*rewrites, *found))


def one_writing(text: str) -> str:
    """NFKC, lower case, control characters as blanks, blanks single.

    Example:
        >>> one_writing("ＴＶ\\t Stand")
        'tv stand'
    """
    if text.isascii() and text.isprintable():  # nothing to make one, and no control character
        return " ".join(text.lower().split())
    wide = normalize("NFKC", text.encode("utf-8", "replace").decode()).lower()
    return " ".join("".join(" " if category(c)[0] == "C" else c for c in wide).split())
