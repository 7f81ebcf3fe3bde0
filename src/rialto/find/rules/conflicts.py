"""What is wrong with a rule book before anybody is served by it: rules against one another, and rules that cannot do what they say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rialto.errors import BadInput
from rialto.find.records import split_path
from rialto.find.rules.compiled import Compiled
from rialto.find.rules.matching import Triggers, below, key_of, said, terms_of
from rialto.find.rules.rule import Rule, When
from rialto.records import Requests

__all__ = ["Conflict", "conflicts", "may_meet"]

BROAD = 0.2
"""Share of queries beyond which a rule is called broad."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """One thing that is wrong.

    Args:
        kind: `pin_hide`, `pin_place`, `pin_twice`, `pin_group`, `boost_bury`, `redirect_beside`, `redirects`, `pin_unknown`,
            `pin_retired`, `pin_sold_out`, `over`, `impossible`, `no_products` or `broad`.
        severity: `error` refuses a save that is not forced; `warning` does not.
        rules: Ids of the rules concerned, in order.
        told: The sentence for people.
    """

    kind: str
    severity: str
    rules: tuple[str, ...]
    told: str


def conflicts(
    rules: Compiled, *, at_s: float, asked: Requests | None = None, weights: Sequence[float] | None = None, broad: float = BROAD
) -> tuple[Conflict, ...]:
    """Find what is wrong with a book, errors first. Rules that are off, or over, stand against nobody.

    Args:
        rules: The book over the catalogue.
        at_s: Now, seconds since 1970 in UTC: what ended before is over.
        asked: Past queries as requests, to say which rules cover many of them; None leaves that out.
        weights: How often each was asked, one a request; None = once.
        broad: Share of queries from which a rule is called broad.

    Raises:
        BadInput: there is another number of weights than requests.

    Cost:
        O(rules) for products, and a comparison for each pair of rules that name one product, one place or a redirect.
    """
    live = [(at, r) for at, r in enumerate(rules.rules) if r.enabled and (r.ends_s is None or r.ends_s > at_s)]
    found = [
        *(_over(r, at_s) for r in rules.rules if r.enabled and r.ends_s is not None and r.ends_s <= at_s),
        *(c for at, r in live for c in _alone(rules, at, r)),
        *_pins(rules, live),
        *_selections(rules, live),
        *_redirects(live),
        *(_covers(rules, asked, weights, broad) if asked is not None and len(asked) else ()),
    ]
    return tuple(sorted(dict.fromkeys(found), key=lambda c: (c.severity, c.kind, c.rules, c.told)))


def may_meet(a: Rule, b: Rule) -> bool:
    """True unless dates or conditions make it certain that no request fires both; the same whichever comes first.

    Example:
        >>> from rialto.find.rules.rule import Scope
        >>> def hide(i, **when):
        ...     return Rule(i, "ann", "hide", products=Scope(ids=("1",)), when=When(**when))
        >>> may_meet(hide("a", queries=("lamp",)), hide("b", queries=("lamps", "desk"))), may_meet(hide("a"), hide("b"))
        (True, True)
        >>> may_meet(hide("a", queries=("lamp",)), hide("b", words=("desk",)))
        False
    """
    apart = (a.ends_s is not None and b.starts_s is not None and a.ends_s <= b.starts_s) or (
        b.ends_s is not None and a.starts_s is not None and b.ends_s <= a.starts_s
    )
    return not apart and _never((a.when, b.when)) == ""


def _never(whens: tuple[When, ...]) -> str:
    """Why no request meets all of `whens`; "" where one may."""
    browse = any(w.categories for w in whens)
    if browse and any(w.queries or w.words for w in whens):
        return "it wants a page without words, and words"
    keys = [{key_of(q) for q in w.queries} - {""} for w in whens if w.queries]
    if any(not k for k in keys):
        return "its queries hold no word"
    both = set.intersection(*keys) if keys else None
    if both is not None and not both:
        return "no query is both"
    if any(w.words and not any(terms_of(x) for x in w.words) and all(x.isascii() for x in w.words) for w in whens):
        return "its words hold no word"
    if both is not None and not any(all(_holds_words(w, q) for w in whens) for q in both):
        return "none of its queries holds its words"
    for name in ("intents", "segments"):
        sets = [set(getattr(w, name)) for w in whens if getattr(w, name)]
        # A shopper may be of several segments, a query has one intent.
        if name == "intents" and sets and not set.intersection(*sets):
            return "no query has both intents"
    if browse:
        lists = [w.categories for w in whens if w.categories]
        if len(lists) == 2 and not any(below(split_path(x), y) or below(split_path(y), x) for x in lists[0] for y in lists[1]):
            return "no page is of both categories"
    return ""


def _holds_words(when: When, query: str) -> bool:
    return not when.words or any(said(w, query) for w in when.words)


def _over(rule: Rule, at_s: float) -> Conflict:
    return Conflict(
        "over", "warning", (rule.id,), f"rule {rule.title} ended before now and does nothing; remove it or move its end."
    )


def _alone(rules: Compiled, at: int, rule: Rule) -> Iterator[Conflict]:
    c, one = rules.catalogue, (rule.id,)
    why = _never((rule.when,))
    if why:
        yield Conflict("impossible", "error", one, f"rule {rule.title} can never fire: {why}.")
    if rule.action in ("hide", "boost", "bury") and not len(rules.rows(at)):
        yield Conflict("no_products", "warning", one, f"rule {rule.title} acts upon no product of this catalogue.")
    for product in rule.products.ids if rule.action == "pin" else ():
        row = c.row_of_id.get(product)
        if row is None and product in c.retired:
            yield Conflict("pin_retired", "error", one, f"rule {rule.title} pins {product}, which left the catalogue.")
        elif row is None:
            yield Conflict("pin_unknown", "error", one, f"rule {rule.title} pins {product}, which is not in the catalogue.")
        elif c.value("stock")[row] <= 0:
            yield Conflict(
                "pin_sold_out", "warning", one, f"rule {rule.title} pins {product}, which is sold out and keeps no place."
            )


def _pins(rules: Compiled, live: list[tuple[int, Rule]]) -> Iterator[Conflict]:
    """Pins against pins and against what hides."""
    c = rules.catalogue
    pinned = [(r, place, product) for _, r in live if r.action == "pin" for place, product in enumerate(r.products.ids, r.place)]
    places, products, groups = (defaultdict[object, list[tuple[Rule, int, str]]](list) for _ in range(3))
    for pin in pinned:
        places[pin[1]].append(pin)
        products[pin[2]].append(pin)
        if pin[2] in c.row_of_id:
            groups[int(c.group_code[c.row_of_id[pin[2]]])].append(pin)
    for (a, place, x), (b, _, y) in _pairs(places.values()):
        if x != y and may_meet(a, b):
            first = (
                f"; {_first(a, b).title} goes first" if a.priority != b.priority else "; give one of them the greater priority"
            )
            told = f"rules {_titles(a, b)} pin {' and '.join(sorted((x, y)))} to place {place}{first}."
            yield _two("pin_place", "warning" if a.priority != b.priority else "error", a, b, told)
    for (a, p, x), (b, q, _) in _pairs(products.values()):
        if a is not b and p != q and may_meet(a, b):
            told = f"rules {_titles(a, b)} pin {x} to places {min(p, q)} and {max(p, q)}; {_first(a, b).title} decides."
            yield _two("pin_twice", "warning", a, b, told)
    for (a, _, x), (b, _, y) in _pairs(groups.values()):
        if x != y and (a is b or may_meet(a, b)):
            told = (
                f"{' and '.join(sorted((x, y)))}, pinned by {_titles(a, b)}, are variants of one product, of which one is shown."
            )
            yield _two("pin_group", "warning", a, b, told)
    hides = [(at, r) for at, r in live if r.action == "hide"]
    for at, hide in hides:
        for rule, _, product in pinned:
            row = c.row_of_id.get(product, -1)
            if row >= 0 and bool(rules.holds(at, np.array([row]))[0]) and may_meet(hide, rule):
                told = f"rule {rule.title} pins {product}, which rule {hide.title} hides; it stays hidden."
                yield _two("pin_hide", "error", rule, hide, told)


def _selections(rules: Compiled, live: list[tuple[int, Rule]]) -> Iterator[Conflict]:
    boosts, buries = ([(at, r) for at, r in live if r.action == action] for action in ("boost", "bury"))
    for at, up in boosts:
        for other, down in buries:
            few, many = sorted((at, other), key=lambda n: len(rules.rows(n)))
            both = int(rules.holds(many, rules.rows(few)).sum())
            if both and may_meet(up, down):
                told = f"rule {up.title} boosts {both} product(s) that rule {down.title} buries; the factors multiply."
                yield _two("boost_bury", "warning", up, down, told)


def _redirects(live: list[tuple[int, Rule]]) -> Iterator[Conflict]:
    sends = [r for _, r in live if r.action == "redirect"]
    for a, b in ((a, b) for n, a in enumerate(sends) for b in sends[n + 1 :]):
        if a.target != b.target and may_meet(a, b):
            same = a.priority == b.priority
            told = f"rules {_titles(a, b)} send one query to two targets; " + (
                "give one of them the greater priority." if same else f"{_first(a, b).title} decides."
            )
            yield _two("redirects", "error" if same else "warning", a, b, told)
    for a in sends:
        for _, b in live:
            if b.action != "redirect" and may_meet(a, b):
                told = f"rule {a.title} sends shoppers away from results that rule {b.title} arranges."
                yield _two("redirect_beside", "warning", a, b, told)


def _covers(rules: Compiled, asked: Requests, weights: Sequence[float] | None, broad: float) -> Iterator[Conflict]:
    weight = np.ones(len(asked)) if weights is None else np.asarray(weights, dtype=np.float64)
    if len(weight) != len(asked):
        raise BadInput(f"there are {len(weight)} weights for {len(asked)} queries; wanted one each.")
    total, share = max(float(weight.sum()), 1e-12), np.zeros(len(rules.rules))
    triggers = Triggers(rules.rules)
    for b in range(len(asked)):
        share[list(triggers.fired(asked, b))] += weight[b] / total
    for at in np.flatnonzero(share > broad).tolist():
        rule = rules.rules[at]
        told = f"rule {rule.title} fires for {share[at]:.0%} of the queries asked, more than {broad:.0%}; narrow its conditions."
        yield Conflict("broad", "warning", (rule.id,), told)


def _pairs(groups: Iterable[list[tuple[Rule, int, str]]]) -> Iterator[tuple[tuple[Rule, int, str], tuple[Rule, int, str]]]:
    """Each two of a group, the rule whose id sorts first in front, so that what is told does not depend on the book's order."""
    for group in groups:
        ordered = sorted(group, key=lambda g: (g[0].id, g[1], g[2]))
        yield from ((a, b) for n, a in enumerate(ordered) for b in ordered[n + 1 :])


def _titles(a: Rule, b: Rule) -> str:
    return " and ".join(sorted({a.title, b.title}))


def _first(a: Rule, b: Rule) -> Rule:
    return min((a, b), key=lambda r: (-r.priority, r.id))


def _two(kind: str, severity: str, a: Rule, b: Rule, told: str) -> Conflict:
    return Conflict(kind, severity, tuple(sorted({a.id, b.id})), told)
