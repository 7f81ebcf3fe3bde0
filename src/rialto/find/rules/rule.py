"""A merchandising rule: what it does, to which products, for which queries, from when to when, and who answers for it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields

from rialto.errors import BadInput

__all__ = ["ACTIONS", "INTENTS", "Rule", "Scope", "When"]

ACTIONS = ("pin", "hide", "boost", "bury", "redirect")
INTENTS = ("exact", "type", "attribute", "navigation", "browse")
_ID = re.compile(r"[\w.\-]{1,100}")
_ADDRESS = re.compile(r"https?://[^\s/\\]\S*|/(?![/\\])\S*|category:.*\S.*")
_LONGEST, _MOST = 1000, 10_000  # characters of a text, entries of a list
_FAR_PLACE, _GREATEST = 1000, 1000.0


@dataclass(frozen=True, slots=True)
class Scope:
    """Which products: those that hold every part that is given, and within a part any of its values.

    Args:
        ids: The shop's own ids; for a pin, in the order in which they are to stand.
        brands: Brands as the catalogue writes them.
        categories: Category paths, which hold what is below them.
        attributes: (name, values) pairs, as facets select them.
        price_low_cents, price_high_cents: Both ends in; None = open.
        words: Words that the title must all hold, in any order, case and number.

    Example:
        >>> Scope(brands=("Acme",), price_high_cents=5000.0).empty, Scope().empty
        (False, True)
    """

    ids: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    attributes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    price_low_cents: float | None = None
    price_high_cents: float | None = None
    words: str = ""

    @property
    def empty(self) -> bool:
        """True where nothing is named, so that it would be every product."""
        return self == Scope()

    @property
    def only_ids(self) -> bool:
        """True where products are named one by one and in no other way."""
        return bool(self.ids) and self == Scope(ids=self.ids)


@dataclass(frozen=True, slots=True)
class When:
    """For which requests: those that meet every condition that is given, and of a condition any of its values.

    Args:
        queries: The whole query, whatever its case and number: "desk lamps" is "Desk lamp".
        words: Phrases of which the query holds all words, in any order.
        tags: `kind=value` of the query's tags, `brand=Acme`.
        types: Category paths or product types predicted with probability `find.rules.type_probability` or more, or below one of them.
        intents: Of `INTENTS`.
        categories: Pages without words of these categories or below them.
        segments: Audiences that the request names.
    """

    queries: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    intents: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """True where it holds for any request."""
        return self == When()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Args:
        id: Its name in files and addresses: letters, digits, "_", "-", ".".
        owner: Who answers for it.
        action: `pin` puts the products at `place` and behind it; `hide` removes them; `boost` lets a product compete at its place
            divided by `factor`, `bury` at its place times `factor`; `redirect` sends the shopper to `target`.
        name: What people call it; the id where empty.
        products: What it acts upon; a pin names ids.
        when: For which requests.
        place: Of a pin, from 1.
        factor: Of boost and bury, above 1.
        target: `https://...`, a path from `/`, or `category:` and a category path.
        starts_s, ends_s: From (in) and to (out), seconds since 1970 in UTC; None = open.
        enabled: False keeps it without effect.
        priority: Where two rules want one place or send to two targets, the greater wins; then the id that sorts first.
        note: For people.

    Raises:
        BadInput: a field holds what its action cannot use; the text names rule, field and value.

    Example:
        >>> Rule("lamp-week", "ann", "boost", products=Scope(brands=("Acme",)), factor=2.0).acts(0.0)
        True
        >>> Rule("x", "ann", "boost", products=Scope(brands=("Acme",)), factor=0.5)
        Traceback (most recent call last):
        rialto.errors.BadInput: rule 'x', field 'factor': got 0.5; wanted a number above 1, up to 1000.
    """

    id: str
    owner: str
    action: str
    name: str = ""
    products: Scope = field(default_factory=Scope)
    when: When = field(default_factory=When)
    place: int = 0
    factor: float = 0.0
    target: str = ""
    starts_s: float | None = None
    ends_s: float | None = None
    enabled: bool = True
    priority: int = 0
    note: str = ""

    def __post_init__(self) -> None:
        self._plain()
        self._action()
        for part, of in (("products", self.products), ("when", self.when)):
            for f in fields(of):
                _texts(self.id, f"{part}.{f.name}", getattr(of, f.name))
        unknown = [i for i in self.when.intents if i not in INTENTS]
        self._want(not unknown, "when.intents", unknown, f"some of {', '.join(INTENTS)}")
        wrong = [t for t in self.when.tags if not re.fullmatch(r"[^=]+=.+", t, re.DOTALL)]
        self._want(not wrong, "when.tags", wrong, "kind=value, such as brand=Acme")
        low, high = self.products.price_low_cents, self.products.price_high_cents
        ends = [e for e in (low, high) if e is not None]
        fits = all(0 <= e < float("inf") for e in ends) and (len(ends) < 2 or ends[0] <= ends[1])
        self._want(fits, "products.price_low_cents", (low, high), "cents, 0 or more, the low end first")

    @property
    def title(self) -> str:
        """What people call it."""
        return self.name or self.id

    def acts(self, time_s: float) -> bool:
        """True where it is enabled and `time_s` lies within its dates."""
        begun = self.starts_s is None or time_s >= self.starts_s
        return self.enabled and begun and (self.ends_s is None or time_s < self.ends_s)

    def _plain(self) -> None:
        self._want(_ID.fullmatch(self.id) is not None, "id", self.id, "1 to 100 letters, digits, '_', '-' or '.'")
        self._want(bool(self.owner.strip()), "owner", self.owner, "who answers for the rule")
        for name in ("owner", "name", "target", "note"):
            _texts(self.id, name, (getattr(self, name),), empty=True)
        self._want(abs(self.priority) <= _FAR_PLACE, "priority", self.priority, f"{-_FAR_PLACE} to {_FAR_PLACE}")
        ends = [e for e in (self.starts_s, self.ends_s) if e is not None]
        finite = all(abs(e) < 1e11 for e in ends)
        self._want(finite, "starts_s", (self.starts_s, self.ends_s), "seconds since 1970")
        self._want(len(ends) < 2 or ends[0] < ends[1], "ends_s", self.ends_s, f"a time after the start, {self.starts_s}")

    def _action(self) -> None:
        self._want(self.action in ACTIONS, "action", self.action, f"one of {', '.join(ACTIONS)}")
        pin, factor, sends = self.action == "pin", self.action in ("boost", "bury"), self.action == "redirect"
        self._want(1 <= self.place <= _FAR_PLACE if pin else self.place == 0, "place", self.place,
                   f"1 to {_FAR_PLACE} for a pin" if pin else "none (0), as only a pin has a place")  # fmt: skip
        self._want(1.0 < self.factor <= _GREATEST if factor else self.factor == 0.0, "factor", self.factor,
                   f"a number above 1, up to {_GREATEST:g}" if factor else "none (0), as only boost and bury have a factor")  # fmt: skip
        self._want(bool(_ADDRESS.fullmatch(self.target)) if sends else not self.target, "target", self.target,
                   "https://..., a path from '/', or category:PATH" if sends else "none, as only a redirect has a target")  # fmt: skip
        self._want(
            not sends or not self.when.empty, "when", "no condition", "a condition: a redirect of every query hides the shop"
        )
        if pin:
            self._want(self.products.only_ids, "products", self.products, "ids and nothing else, as a pin has places for those")
            self._want(len(set(self.products.ids)) == len(self.products.ids), "products.ids", self.products.ids, "each id once")
        else:
            self._want(self.products.empty if sends else not self.products.empty, "products", self.products,
                       "none, as a redirect acts on no products" if sends else "at least one part, such as ids or brands")  # fmt: skip

    def _want(self, holds: bool, name: str, value: object, wanted: str) -> None:
        if not holds:
            raise BadInput(f"rule {self.id!r:.120}, field {name!r}: got {value!r:.200}; wanted {wanted}.")


def _texts(rule: str, name: str, values: object, *, empty: bool = False) -> None:
    """Check that every text in `values` (texts and tuples of them) can be kept; numbers and None pass."""
    if isinstance(values, str):
        values = (values,) if values else ()
    if not isinstance(values, tuple):
        return
    if len(values) > _MOST:
        raise BadInput(
            f"rule {rule!r:.120}, field {name!r}: got {len(values)} entries; wanted {_MOST} or fewer. Use a selection."
        )
    for text in _flat(values):
        why = "no empty text" if not empty and not text.strip() else ""
        why = f"{_LONGEST} characters or fewer" if len(text) > _LONGEST else why
        why = "text that UTF-8 can hold, without NUL" if "\x00" in text or any("\ud800" <= c <= "\udfff" for c in text) else why
        if why:
            raise BadInput(f"rule {rule!r:.120}, field {name!r}: got {text!r:.200}; wanted {why}.")


def _flat(values: Iterable[object]) -> Iterable[str]:
    for value in values:
        if isinstance(value, tuple):
            yield from _flat(value)
        elif isinstance(value, str):
            yield value
