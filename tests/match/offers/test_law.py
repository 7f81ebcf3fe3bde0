"""The ledger in columns does what the plain ledger says, whatever comes, in batches of any size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rialto.match.ledger import ACCEPT, EXPIRE, KINDS, MOVES, NEEDED, OFFERED, REASONS, STATES, PlainMessage
from rialto.match.offers import Messages, Offers
from rialto.match.records import Orders

small = st.integers(-1, 3)
pairs = st.lists(st.tuples(st.integers(0, 3), small, st.sampled_from([1, 1, 2, 0])), min_size=1, max_size=8)
messages = st.lists(
    st.tuples(
        st.integers(0, 12), st.integers(0, len(KINDS)), st.integers(0, 4), small, st.sampled_from([-1, -1, -1, 0, 1, 2, 5])
    ),
    min_size=1,
    max_size=8,
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("place"), st.lists(st.integers(0, 4), min_size=1, unique=True)),
        st.tuples(st.just("offer"), pairs, st.booleans(), st.integers(0, 6)),
        st.tuples(st.just("offer"), pairs, st.booleans(), st.integers(0, 6)),
        st.tuples(st.just("tell"), messages),
        *[st.tuples(st.just("fit"), st.sampled_from([0, 0, 0, 1, 2, 3, 4, 4, 5, 6, 7, 8]), st.integers(0, 5))] * 4,
        st.tuples(st.just("again"), st.integers(0, 5)),
        st.tuples(st.just("expire"), st.none()),
    ),
    min_size=5,
    max_size=30,
)
"""`fit` is a message about an offer that stands, or about the pair of one that ended; `again` offers such a pair."""


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=steps)
def test_columns_answer_and_end_as_the_plain_ledger_does(
    script: list[Any], list_log: Callable[..., Any], spec: Callable[[], Any], orders: Callable[..., Orders]
) -> None:
    offers, plain = Offers(list_log()), spec()
    for at, (what, *given_) in enumerate([("place", [0, 1, 2]), *script]):
        if what == "fit":
            what, given_ = "tell", [[(100 + at, given_[0], *_fitting(plain, given_[1]), -1)]]
        if what == "again":
            what, given_ = "offer", [[(*_fitting(plain, -1 - given_[0]), 1)], True, 3]
        if what == "place":
            assert offers.place(orders(*given_[0]), at_s=at).tolist() == [plain.place(i, at_s=at) for i in given_[0]]
        elif what == "offer":
            rows, shared, lasts = given_
            order, driver, capacity = np.array(rows).T
            made = offers.offer_all(
                order, driver, key=f"o{at}", at_s=at, until_s=float(at + lasts), capacity=capacity, broadcast=shared
            )
            wanted = [plain.offer(o, d, until_s=at + lasts, at_s=at, capacity=c, shared=shared) for o, d, c in rows]
            assert list(zip(made.numbers.tolist(), made.reasons.tolist())) == wanted
        elif what == "tell":
            keys = np.array([(k + 1, 7) for k, *_ in given_[0]], dtype=np.uint64)
            kind, order, driver, number = np.array([m for _, *m in given_[0]]).T
            answers = offers.tell_all(Messages(keys, kind, order, driver, number), at_s=at)
            assert answers.reasons.tolist() == [plain.keyed((k + 1, 7), PlainMessage(*m), at_s=at) for k, *m in given_[0]]
        else:
            standing = [f for o in plain.orders.values() for f in o.standing if o.state == OFFERED and f.until_s < at]
            for f in sorted(standing, key=lambda f: f.number):
                plain.tell(PlainMessage(EXPIRE, f.order, f.driver, f.number), at_s=at)
            offers.expire(at_s=at)
    assert offers.states() == {i: plain.held(i) for i in plain.orders}
    assert sorted(offers.holding()[2].tolist()) == sorted(f.number for o in plain.orders.values() for f in o.standing)
    assert [(KINDS.index(a.kind), a.request, a.order, a.driver) for a in offers.answered()] == plain.answered


def _fitting(plain: Any, pick: int) -> tuple[int, int]:
    found = [(f.order, f.driver) for o in plain.orders.values() for f in o.standing] + list(plain.ended) or [(0, 0)]
    return found[pick % len(found)]


def test_numbers_of_the_law_are_the_places_of_its_words() -> None:
    assert REASONS[2:8] == tuple(f"the order is {state}" for state in STATES)
    assert [STATES[s] for s in NEEDED] == [MOVES[kind][0][0] for kind in KINDS[:6]]
    assert KINDS[ACCEPT] == "accepted" and len(set(REASONS)) == len(REASONS)
