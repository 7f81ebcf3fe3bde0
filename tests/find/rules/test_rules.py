"""Rules at work: hidden products never show, pins stand in their places, nothing vanishes, and no rules change nothing."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rialto.errors import BadInput
from rialto.find.catalogue import Catalogue
from rialto.find.pipeline import Search
from rialto.find.records import Selections
from rialto.find.rules import Compiled, Rule, RuleBook, Scope, When, conflicts, effects, preview, ruled
from rialto.find.rules.conflicts import may_meet
from rialto.find.rules.matching import Ask, Triggers, holds
from rialto.find.rules.steps import adjusted
from rialto.records import Requests
from rialto.spine.params import overrides_of
from rialto.spine.pipeline import Outcome, Pipeline
from rialto.worlds.shop import Shop

Asking = Callable[..., Requests]
WORDS = ("lamp", "desk lamp", "Desk LAMPS", "oak chair", "red chair", "")
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

whens = st.builds(
    When,
    queries=st.lists(st.sampled_from(WORDS[:5]), max_size=2, unique=True).map(tuple),
    words=st.lists(st.sampled_from(("lamp", "chair", "red")), max_size=1).map(tuple),
    intents=st.lists(st.sampled_from(("type", "exact")), max_size=1).map(tuple),
    segments=st.lists(st.sampled_from(("vip", "new")), max_size=1).map(tuple),
    categories=st.lists(st.sampled_from(("Home", "Home/Lamps")), max_size=1).map(tuple),
)  # fmt: skip
products = st.lists(st.integers(0, 17).map(lambda n: f"p{n}"), min_size=1, max_size=3, unique=True).map(tuple)
selections = st.one_of(
    products.map(lambda ids: Scope(ids=ids)), st.sampled_from(("B0", "B1")).map(lambda b: Scope(brands=(b,))),
    st.just(Scope(categories=("Home/Lamps",), price_low_cents=3000.0)), st.just(Scope(attributes=(("colour", ("red",)),))),
    st.just(Scope(words="LAMPS desk")),
)  # fmt: skip
times = st.one_of(st.none(), st.integers(0, 200).map(float))


@st.composite
def rules(draw: st.DrawFn, name: str) -> Rule:
    action = draw(st.sampled_from(("pin", "hide", "boost", "bury", "redirect")))
    when = draw(whens)
    start, end = draw(times), draw(times)
    more = {"starts_s": start, "ends_s": None if start is not None and end is not None and end <= start else end}
    more |= {
        "enabled": draw(st.booleans() | st.just(True)),
        "priority": draw(st.integers(-2, 2)),
        "name": draw(st.text(max_size=8).filter(lambda t: "\x00" not in t and t == t.encode("utf-8", "ignore").decode())),
    }
    if action == "pin":
        return Rule(name, "ann", action, products=Scope(ids=draw(products)), when=when, place=draw(st.integers(1, 14)), **more)
    if action == "redirect":
        target = draw(st.sampled_from(("/sale", "https://shop.example/x", "category:Home/Lamps")))
        return Rule(name, "ann", action, when=When(queries=("lamp",)) if when.empty else when, target=target, **more)
    factor = {} if action == "hide" else {"factor": draw(st.floats(1.1, 50.0))}
    return Rule(name, "ann", action, products=draw(selections), when=when, **factor, **more)


@st.composite
def books(draw: st.DrawFn) -> RuleBook:
    return RuleBook.of([draw(rules(f"r{n}")) for n in range(draw(st.integers(0, 5)))])


requests_of = st.lists(
    st.tuples(st.sampled_from(WORDS), st.sampled_from(("", "type", "exact")), st.sampled_from(("", "vip", "vip\nnew"))),
    min_size=1,
    max_size=4,
)


def asked_of(asking: Asking, batch: list[tuple[str, str, str]], chosen: Selections, sort: str = "relevance") -> Requests:
    texts, intents, segments = zip(*batch)
    made = asking(*texts, selections=chosen.to_json(), sort=sort)
    return made.with_columns(intent=np.array(intents, dtype=object), segment=np.array(segments, dtype=object))


CHOSEN = (
    Selections(),
    Selections(values={"colour": ("red",)}),
    Selections(values={"category": ("Home/Lamps",)}),
    Selections(in_stock=True),
)


@quick
@given(books(), requests_of, st.sampled_from(CHOSEN), st.sampled_from(("relevance", "price_up")))
def test_hidden_products_never_show_pins_stand_in_their_places_and_nothing_vanishes(
    small: Catalogue,
    bare: Pipeline,
    asking: Asking,
    book: RuleBook,
    batch: list[tuple[str, str, str]],
    chosen: Selections,
    sort: str,
) -> None:
    made, asked = Compiled(book, small), asked_of(asking, batch, chosen, sort)
    outcome = ruled(bare, made).run(asked, explain=True)
    assert outcome.trace.balance().tolist() == [0] * len(batch)
    for b in range(len(batch)):
        shown = outcome.decisions.of(b)
        fired = [made.rules[r] for r in made.fired(asked)[b]]
        hides = {i for r in fired if r.action == "hide" for i in ids_in(small, r.products)}
        assert not hides & set(names(small, shown))
        pinned_ids, places = eligible(small, made, asked, b, chosen, hides)
        if sort == "relevance":
            for i, place in zip(pinned_ids, places):
                assert names(small, shown)[place - 1] == i
        else:
            prices = [small.product(int(n)).price_cents or 0 for n in shown]
            assert prices == sorted(prices)
        if not chosen.facets and not chosen.in_stock:
            without = set(names(small, small.numbers[:12])) - hides
            assert set(names(small, shown)) >= without
        for e in effects(made, outcome, b):
            assert e.told and e.after == (names(small, shown).index(e.product) + 1 if e.product in names(small, shown) else 0)


def names(c: Catalogue, numbers: np.ndarray) -> list[str]:
    return [str(c.product(int(n)).id) for n in numbers]


def ids_in(c: Catalogue, scope: Scope) -> set[str]:
    """The products of a selection, the slow way."""
    out = set[str]()
    for number in c.numbers.tolist():
        p = c.product(number)
        price, colour = p.price_cents or 0, dict(scope.attributes).get("colour")
        fits = (not scope.ids or p.id in scope.ids) and (not scope.brands or p.brand in scope.brands)
        fits &= not scope.categories or p.category == ("Home", "Lamps")
        fits &= price >= (scope.price_low_cents or 0) and (colour is None or p.attributes["colour"] in colour)
        fits &= not scope.words or p.title.startswith("Desk lamp")
        if fits:
            out.add(p.id)
    return out


def eligible(
    c: Catalogue, made: Compiled, asked: Requests, b: int, chosen: Selections, hides: set[str]
) -> tuple[list[str], list[int]]:
    """Pins that must hold and the places that they must have: variants of a shown one, hidden and filtered ones are not to."""
    pins = made.pins(asked)
    own = slice(int(pins.offsets[b]), int(pins.offsets[b + 1]))
    fits, seen = list[tuple[str, int]](), set[str]()
    for number, place in zip(pins.ids[own].tolist(), pins.places[own].tolist()):
        p = c.product(number)
        wrong = p.id in hides or ("colour" in chosen.values and p.attributes["colour"] != "red")
        wrong |= "category" in chosen.values and p.category != ("Home", "Lamps")
        key = p.group or p.id
        if not wrong and key not in seen:
            seen.add(key)
            fits.append((p.id, place))
    found = {i for i in names(c, c.numbers[:12]) if i not in hides and i not in [f for f, _ in fits]}
    if "colour" in chosen.values:
        found = {i for i in found if int(i[1:]) < 8}
    if "category" in chosen.values:
        found = {i for i in found if int(i[1:]) % 2}
    places, total, last = list[int](), len(found) + len(fits), 0
    for left, (_, place) in enumerate(fits):
        last = min(max(place, last + 1), total - (len(fits) - left - 1))
        places.append(last)
    return [i for i, _ in fits], places


@quick
@given(requests_of, st.sampled_from(CHOSEN))
def test_a_book_whose_rules_do_not_fire_changes_nothing(
    small: Catalogue, bare: Pipeline, asking: Asking, batch: list[tuple[str, str, str]], chosen: Selections
) -> None:
    asked = asked_of(asking, batch, chosen)
    assert ruled(bare, Compiled(RuleBook(), small)) is bare
    idle = RuleBook.of([Rule("a", "ann", "hide", products=Scope(ids=("p1",)), when=When(queries=("sofa",))),
                        Rule("b", "ann", "pin", products=Scope(ids=("p2",)), place=1, ends_s=50.0)])  # fmt: skip
    assert ruled(bare, Compiled(idle, small)).run(asked, seed=3).decisions.same(bare.run(asked, seed=3).decisions)


def test_the_index_of_conditions_finds_what_checking_every_rule_finds(small: Catalogue, asking: Asking) -> None:
    @quick
    @given(books(), requests_of, st.sampled_from(CHOSEN))
    def check(book: RuleBook, batch: list[tuple[str, str, str]], chosen: Selections) -> None:
        asked, triggers = asked_of(asking, batch, chosen), Triggers(book.rules)
        for b in range(len(asked)):
            slow = [n for n, r in enumerate(book.rules) if r.acts(100.0) and holds(r.when, Ask.of(asked, b, 0.5))]
            assert list(triggers.fired(asked, b)) == slow

    check()


@quick
@given(rules("a"), rules("b"), st.integers(0, 300).map(float))
def test_conflicts_do_not_depend_on_who_comes_first(small: Catalogue, a: Rule, b: Rule, now: float) -> None:
    assert may_meet(a, b) == may_meet(b, a)
    one, other = (conflicts(Compiled(RuleBook(rules), small), at_s=now) for rules in ((a, b), (b, a)))
    assert one == other


@quick
@given(rules("a"), rules("b"), requests_of, st.sampled_from(CHOSEN))
def test_rules_that_are_said_never_to_meet_never_do(
    small: Catalogue, asking: Asking, a: Rule, b: Rule, batch: list[tuple[str, str, str]], chosen: Selections
) -> None:
    fired = Compiled(RuleBook((a, b)), small).fired(asked_of(asking, batch, chosen))
    assert may_meet(a, b) or all(len(f) < 2 for f in fired)
    impossible = {c.rules for c in conflicts(Compiled(RuleBook((a,)), small), at_s=0.0) if c.kind == "impossible"}
    assert not impossible or not any(
        r == 0 for f in Compiled(RuleBook((a,)), small).fired(asked_of(asking, batch, chosen)) for r in f
    )


@quick
@given(
    st.lists(st.integers(0, 5), min_size=2, max_size=12),
    st.integers(0, 11),
    st.floats(1.0, 9.0),
    st.floats(1.0, 9.0),
    st.booleans(),
)
def test_a_greater_boost_never_lowers_and_the_others_keep_their_order(
    values: list[int], which: int, weak: float, strong: float, up: bool
) -> None:
    scores, ids, at = np.array(values, dtype=np.float64), np.arange(len(values)), which % len(values)
    orders = []
    for f in (1.0, *sorted((weak, strong))):
        factor = np.ones(len(ids))
        factor[at] = f if up else 1.0 / f
        orders.append(np.lexsort((ids, -adjusted(scores, ids, factor))).tolist())
    places = [o.index(at) for o in orders]
    assert places == sorted(places, reverse=up)
    assert len({tuple(i for i in o if i != at) for o in orders}) == 1


def test_a_pin_survives_every_cut_and_says_where_it_stood(small: Catalogue, bare: Pipeline, asking: Asking) -> None:
    book = RuleBook.of([
        Rule("top", "ann", "pin", products=Scope(ids=("p6", "p15")), place=1),
        Rule("up", "bo", "boost", products=Scope(ids=("p4",)), factor=4.0),
        Rule("away", "cy", "hide", products=Scope(ids=("p1",))),
    ])  # fmt: skip
    made, asked = Compiled(book, small), asking("lamp")
    for keep in (12, 5, 3, 2):
        asked = Requests(asked.ids, asked.time_s, asked.columns, overrides_of({"test.rules.keep": keep}, 1))
        outcome = ruled(bare, made).run(asked, explain=True)
        shown = names(small, outcome.decisions.of(0))
        assert shown[:2] == ["p6", "p15"] and len(shown) == keep
    asked = asking("lamp")
    outcome = ruled(bare, made).run(asked, explain=True)
    told = {e.product: e.told for e in effects(made, outcome)}
    assert told["p6"] == "moved from 6 to 1 by rule top of ann"
    assert told["p15"] == "put at 2 by rule top of ann, where the query alone would not have brought it"
    assert told["p4"] == "raised from 4 to 2 by rule up of bo, and pins put it at 4"
    assert told["p1"] == "hidden by rule away of cy"
    assert outcome.trace.removed["hidden_by_rule"].tolist() == [1]


def test_pages_follow_one_another_under_pins(small: Catalogue, bare: Pipeline, asking: Asking) -> None:
    book = RuleBook.of(
        [
            Rule("deep", "ann", "pin", products=Scope(ids=("p0", "p15")), place=6),
            Rule("x", "ann", "pin", products=Scope(ids=("p12",)), place=2),
            Rule("y", "ann", "pin", products=Scope(ids=("p13",)), place=3),
        ]
    )
    line, asked = ruled(bare, Compiled(book, small)), asking("lamp", "")
    whole = [line.run(asked).decisions.of(b).tolist() for b in range(2)]
    assert names(small, np.array(whole[0]))[:8] == ["p1", "p12", "p2", "p3", "p4", "p0", "p15", "p5"]
    for size in range(13):
        short = Requests(asked.ids, asked.time_s, asked.columns, overrides_of({"find.decide.size": size}, 2))
        assert [line.run(short).decisions.of(b).tolist() for b in range(2)] == [w[:size] for w in whole]


def test_an_exchange_never_moves_a_pin_and_the_propensity_counts_what_could_be(
    small: Catalogue, bare: Pipeline, asking: Asking
) -> None:
    book = RuleBook.of([Rule("top", "ann", "pin", products=Scope(ids=("p9",)), place=2)])
    line, asked = ruled(bare, Compiled(book, small)), asking(*["lamp"] * 400)
    asked = Requests(asked.ids, asked.time_s, asked.columns, overrides_of({"find.decide.swap": 0.5, "find.decide.size": 5}, 400))
    d = line.run(asked, seed=1).decisions
    lists = d.ids.reshape(400, 5)
    plain = small.numbers[[0, 9, 1, 2, 3]]
    assert (lists[:, 1] == plain[1]).all()
    share = np.array([d.propensity[at * 5] for at in range(400)])
    exchanged = (lists != plain).any(axis=1)
    assert np.unique(share[exchanged]).tolist() == [0.25] and np.unique(share[~exchanged]).tolist() == [0.5]
    assert len(np.unique(lists, axis=0)) == 3 and 0.4 < exchanged.mean() < 0.6
    intended = np.take_along_axis(lists, np.argsort(-d.scores.reshape(400, 5), axis=1), axis=1)
    assert (intended == plain).all()


def test_a_logged_answer_under_rules_is_decided_again_and_not_under_others(
    small: Catalogue, bare: Pipeline, asking: Asking
) -> None:
    book = RuleBook.of([Rule("top", "ann", "pin", products=Scope(ids=("p9",)), place=2)], version=3)
    line = ruled(bare, Compiled(book, small))
    outcome = line.run(asking("lamp"), seed=1)
    assert line.replay(outcome.record).same(outcome.decisions)
    assert line.versions["rules"].startswith("3-")
    with pytest.raises(BadInput, match="versions"):
        bare.replay(outcome.record)
    with pytest.raises(BadInput, match="under rules already"):
        ruled(line, Compiled(book, small))


def test_a_sold_out_pin_keeps_no_place_unless_it_is_to(small: Catalogue, bare: Pipeline, asking: Asking) -> None:
    line = ruled(bare, Compiled(RuleBook.of([Rule("a", "ann", "pin", products=Scope(ids=("p14",)), place=1)]), small))
    asked = asking("lamp")
    assert "p14" not in names(small, line.run(asked).decisions.of(0))
    anyway = Requests(asked.ids, asked.time_s, asked.columns, overrides_of({"find.rules.pin_sold_out": True}, 1))
    assert names(small, line.run(anyway).decisions.of(0))[0] == "p14"


@pytest.mark.parametrize(
    ("when", "columns", "fires"),
    [
        (When(queries=("Desk lamps",)), {}, True),
        (When(queries=("lamp",)), {}, False),
        (When(words=("lamp",)), {}, True),
        (When(tags=("colour=Red",)), {"tags": "brand=x\ncolour=red"}, True),
        (When(tags=("colour=red",)), {}, False),
        (When(types=("home",)), {"types": json.dumps([["Home/Lamps", 0.7]])}, True),
        (When(types=("Home",)), {"types": json.dumps([["Home/Lamps", 0.3]])}, False),
        (When(intents=("type",), segments=("vip",)), {"intent": "type", "segment": "new\nvip"}, True),
        (When(intents=("type",), segments=("vip",)), {"intent": "type"}, False),
        (When(categories=("Home",)), {"selections": Selections(values={"category": ("Home/Lamps",)}).to_json()}, False),
    ],
)
def test_conditions_hold_when_all_of_them_do(
    small: Catalogue, asking: Asking, when: When, columns: dict[str, str], fires: bool
) -> None:
    made = Compiled(RuleBook.of([Rule("a", "ann", "hide", products=Scope(ids=("p1",)), when=when)]), small)
    assert bool(made.fired(asking("desk  lamp", **columns))[0]) is fires


def test_a_category_page_and_a_query_in_a_script_without_blanks_meet_their_rules(small: Catalogue, asking: Asking) -> None:
    page = Rule("page", "ann", "hide", products=Scope(ids=("p1",)), when=When(categories=("home",)))
    words = Rule("words", "ann", "hide", products=Scope(ids=("p1",)), when=When(words=("台灯",)))
    made = Compiled(RuleBook.of([page, words]), small)
    assert made.fired(asking("", selections=Selections(values={"category": ("Home/Lamps",)}).to_json())) == ((0,),)
    assert made.fired(asking("红色台灯", "红色椅子", "")) == ((1,), (), ())


def test_the_highest_redirect_wins_and_is_told(small: Catalogue, bare: Pipeline, asking: Asking) -> None:
    low, high = (
        Rule(i, "ann", "redirect", when=When(queries=("sale",)), target=t, priority=p)
        for i, t, p in (("a", "/a", 0), ("b", "/b", 1))
    )
    made = Compiled(RuleBook.of([low, high]), small)
    assert (made.redirect(asking("sale")), made.redirect(asking("lamp"))) == ("/b", "")
    (told,) = effects(made, ruled(bare, made).run(asking("sale"), explain=True))
    assert told.told == "shoppers are sent to /b"


def one(c: Catalogue, *rules: Rule, now: float = 100.0, asked: Requests | None = None) -> list[tuple[str, str]]:
    return [(x.kind, x.severity) for x in conflicts(Compiled(RuleBook.of(rules), c), at_s=now, asked=asked)]


def pin(name: str, *ids: str, place: int = 1, **more: object) -> Rule:
    return Rule(name, "ann", "pin", products=Scope(ids=ids), place=place, **more)  # type: ignore[arg-type]


def test_every_kind_of_conflict_is_found(small: Catalogue, asking: Asking) -> None:
    brand = Scope(brands=("B1",))
    assert one(small, pin("a", "p1"), Rule("b", "ann", "hide", products=brand)) == [("pin_hide", "error")]
    assert one(small, pin("a", "p1"), Rule("b", "ann", "hide", products=brand, when=When(queries=("x",)))) == [
        ("pin_hide", "error")
    ]
    lamp, chair = When(queries=("lamp",)), When(queries=("chair",))
    assert one(small, pin("a", "p1", when=lamp), Rule("b", "ann", "hide", products=brand, when=chair)) == []
    assert one(small, pin("a", "p1", ends_s=200.0), Rule("b", "ann", "hide", products=brand, starts_s=200.0)) == []
    assert one(small, pin("a", "p1"), pin("b", "p2")) == [("pin_place", "error")]
    assert one(small, pin("a", "p1"), pin("b", "p2", priority=1)) == [("pin_place", "warning")]
    assert one(small, pin("a", "p1"), pin("b", "p1", place=3)) == [("pin_twice", "warning")]
    assert one(small, pin("a", "p12", "p13")) == [("pin_group", "warning")]
    assert one(small, pin("a", "nope")) == [("pin_unknown", "error")]
    assert one(small, pin("a", "p14")) == [("pin_sold_out", "warning")]
    assert one(small, pin("a", "p1", ends_s=50.0)) == [("over", "warning")]
    assert one(small, pin("a", "p1", when=When(queries=("lamp",), words=("chair",)))) == [("impossible", "error")]
    assert one(small, pin("a", "p1", when=When(queries=("!!!",)))) == [("impossible", "error")]
    assert one(small, pin("a", "p1", when=When(queries=("lamp",), categories=("Home",)))) == [("impossible", "error")]
    assert one(small, Rule("a", "ann", "hide", products=Scope(brands=("none",)))) == [("no_products", "warning")]
    up, down = (Rule(i, "ann", i, products=s, factor=2.0) for i, s in (("boost", brand), ("bury", Scope(ids=("p1",)))))
    assert one(small, up, down) == [("boost_bury", "warning")]
    go, there = (Rule(i, "ann", "redirect", when=lamp, target=f"/{i}") for i in "ab")
    assert one(small, go, there) == [("redirects", "error")]
    assert one(small, go, pin("z", "p1")) == [("redirect_beside", "warning")]
    assert one(small, pin("z", "p1"), asked=asking("lamp", "chair")) == [("broad", "warning")]
    assert one(small, pin("z", "p1", enabled=False), pin("y", "p1", place=4)) == []


def test_a_pin_of_what_left_the_catalogue_is_an_error(small: Catalogue) -> None:
    from dataclasses import replace

    assert one(replace(small, retired={"old": 99}), pin("a", "old")) == [("pin_retired", "error")]


def test_preview_says_what_moves_and_for_how_many(small: Catalogue, bare: Pipeline, asking: Asking) -> None:
    def requests(texts: object) -> Requests:
        return asking(*texts)  # type: ignore[misc]

    lamp = When(queries=("lamp",))
    now = Compiled(RuleBook.of([pin("a", "p9", when=lamp)]), small)
    new = Compiled(
        RuleBook.of([pin("a", "p9", when=lamp), Rule("b", "ann", "hide", products=Scope(ids=("p0",)), when=lamp)]), small
    )
    found = preview(bare, requests, now, new, {"lamp": 3.0, "chair": 1.0}, top=3, at_s=100.0)
    assert (found.looked, found.fired, found.given, found.changed_share) == (2, 1, 2, 0.75)
    (q,) = found.queries
    assert (q.before, q.after, q.hidden, q.rules) == (("p9", "p0", "p1"), ("p9", "p1", "p2"), ("p0",), ("a", "b"))
    assert q.moves == (("p1", 3, 2), ("p2", 0, 3), ("p0", 2, 0))
    assert preview(bare, requests, now, now, {"lamp": 3.0}, at_s=100.0).changed_share == 0.0
    assert preview(bare, requests, now, new, {}, at_s=100.0).queries == ()
    with pytest.raises(BadInput, match="most 0"):
        preview(bare, requests, now, new, {"lamp": 1.0}, most=0, at_s=100.0)


def test_the_whole_search_keeps_its_promises_under_rules(search: Search, world: Shop, texts: list[str]) -> None:
    c = search.catalogue
    first = [c.product(int(n)).id for n in search.search(["red lamp"]).decisions.ids[:3]]
    far = str(c.ids[-1])
    book = RuleBook.of([pin("p", far, when=When(words=("lamp",))), Rule("h", "ann", "hide", products=Scope(ids=(first[0],)))])
    made = Compiled(book, c)
    line = ruled(search.pipeline, made)
    asked = search.requests(["red lamp", "", *texts])[0]
    outcome: Outcome = line.run(asked, explain=True)
    assert outcome.trace.balance().tolist() == [0] * len(asked)
    assert names(c, outcome.decisions.of(0))[0] == far
    assert all(first[0] not in names(c, outcome.decisions.of(b)) for b in range(len(asked)))
    assert line.replay(outcome.record).same(outcome.decisions)
    assert {e.action for e in effects(made, outcome)} == {"pin", "hide"}


def test_a_long_page_is_full_though_pins_were_taken_out_of_it(search: Search) -> None:
    plain = search.search([""], params={"find.decide.size": 63, "find.diversity.brand": 0}).decisions.ids
    c = search.catalogue
    tops = names(c, plain[:3])
    line = ruled(search.pipeline, Compiled(RuleBook.of([pin("p", *tops, place=58)]), c))
    asked = search.requests([""], params={"find.decide.size": 60, "find.diversity.brand": 0})[0]
    made = line.run(asked).decisions.ids
    assert made.tolist() == [*plain[3:60].tolist(), *plain[:3].tolist()]
