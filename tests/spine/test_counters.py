"""One declaration, three readings: live, replayed and plain must agree, and nothing may leak from the future."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.errors import BadInput, BadSettings
from rialto.records import Event
from rialto.spine.counters import NOBODY, Counter, Counters, Occurred, occurred, replay, replay_plain

DECLARED = [
    Counter("clicks_all", "count", ("click",), "product"),
    Counter("clicks_10", "count", ("click",), "product", span_s=10.0),
    Counter("by_shopper_10", "count", ("click",), "shopper", span_s=10.0),
    Counter("spent_25", "sum", ("bought",), "product", value="cents", span_s=25.0),
    Counter("ctr_10", "ratio", ("click", "shown"), "product", span_s=10.0, prior=(0.1, 5.0)),
    Counter("ctr_bare", "ratio", ("click", "shown"), "product"),
    Counter("price", "last", ("bought",), "product", value="cents"),
    Counter("price_10", "last", ("bought",), "product", value="cents", span_s=10.0),
    Counter("heat", "decay", ("click",), "product", span_s=8.0),
    Counter("heat_spent", "decay", ("bought",), "product", value="cents", span_s=3.0),
]


def batch(kind, rows):
    """Rows of (time, product, shopper, cents)."""
    t, p, s, c = (np.array([r[i] for r in rows]) for i in range(4))
    return Occurred(
        kind, t.astype(float), {"product": p.astype(np.int64), "shopper": s.astype(np.int64), "cents": c.astype(float)}
    )


def clicks(*rows):
    return batch("click", [(t, p, 0, 0.0) for t, p in rows])


def ask(counters, product, t):
    n = np.array([product])
    return {k: float(v[0]) for k, v in counters.ask({"product": n, "shopper": n}, np.array([float(t)])).items()}


happening = st.tuples(
    st.sampled_from(["click", "shown", "bought", "ignored"]),
    st.integers(0, 40).map(float) | st.floats(0, 40),
    st.integers(0, 3),
    st.sampled_from([0, 1, NOBODY]),
    st.floats(-1000, 1000),
)
question = st.tuples(st.integers(0, 4), st.integers(0, 45).map(float) | st.floats(0, 45))


def batches(rows):
    return [batch(kind, [r[1:] for r in rows if r[0] == kind]) for kind in dict.fromkeys(r[0] for r in rows)]


def entities(questions):
    ids = np.array([q[0] for q in questions], dtype=np.int64)
    return {"product": ids, "shopper": ids}, np.array([q[1] for q in questions], dtype=float)


def bits(answers):
    return {name: column.view(np.uint32).tolist() for name, column in answers.items()}


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(happening, max_size=60), questions=st.lists(question, min_size=1, max_size=8), data=st.data())
def test_live_answers_are_replayed_bit_for_bit(rows, questions, data):
    """Events arrive shuffled within each gap between questions; the replay has the whole log, future included."""
    questions = sorted(questions, key=lambda q: q[1])
    live, log = Counters(DECLARED), []
    left = sorted(rows, key=lambda r: r[1])
    answered = []
    for q in questions:
        now = data.draw(st.permutations([r for r in left if r[1] < q[1]]))
        left = [r for r in left if r[1] >= q[1]]
        log += now
        for r in now:
            live.update(batches([r]))
        answered.append(bits(live.ask(*entities([q]))))
    again = bits(replay(DECLARED, batches(log + left), *entities(questions)))
    assert [{k: v[i : i + 1] for k, v in again.items()} for i in range(len(questions))] == answered


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(happening, max_size=60), questions=st.lists(question, min_size=1, max_size=8))
def test_the_kernels_agree_with_plain_numpy(rows, questions):
    ours, plain = (f(DECLARED, batches(rows), *entities(questions)) for f in (replay, replay_plain))
    for name in ours:
        np.testing.assert_allclose(ours[name], plain[name], rtol=1e-5, atol=2e-3, err_msg=name)


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(happening, max_size=40), questions=st.lists(question, min_size=1, max_size=6), keep_s=st.floats(0, 60))
def test_forgetting_never_changes_an_answer_into_another_number(rows, questions, keep_s):
    """Over many events an entity, in order; a question may become unknown, and only where it reaches behind what is kept."""
    rows = sorted(rows * 4, key=lambda r: r[1])
    short, whole = Counters(DECLARED, keep_s=keep_s), Counters(DECLARED)
    for counters in (short, whole):
        counters.update(batches(rows))
    newest = max((r[1] for r in rows), default=0.0)
    got, want = short.ask(*entities(questions)), whole.ask(*entities(questions))
    for name in got:
        for i, (_, t) in enumerate(questions):
            same = got[name][i : i + 1].tobytes() == want[name][i : i + 1].tobytes()
            assert same or (np.isnan(got[name][i]) and t < newest - keep_s)


def test_an_event_at_the_moment_of_the_question_does_not_count_yet():
    live = Counters(DECLARED)
    live.update([clicks((10.0, 1))])
    assert ask(live, 1, 10.0)["clicks_all"] == 0
    assert ask(live, 1, np.nextafter(10.0, 11.0))["clicks_all"] == 1


def test_a_window_holds_its_start_and_not_what_is_before():
    live = Counters(DECLARED)
    live.update([clicks((5.0, 1), (6.0, 1), (12.0, 1))])
    assert ask(live, 1, 15.0)["clicks_10"] == 3
    assert ask(live, 1, 16.0)["clicks_10"] == 2
    assert ask(live, 1, 16.5)["clicks_10"] == 1


def test_a_half_life_halves():
    live = Counters(DECLARED)
    live.update([clicks((0.0, 1), (8.0, 1))])
    assert ask(live, 1, 8.0)["heat"] == 0.5
    assert ask(live, 1, 16.0)["heat"] == 0.75


def test_a_ratio_starts_from_its_prior():
    live = Counters(DECLARED)
    assert ask(live, 1, 5.0)["ctr_10"] == pytest.approx(0.1)
    assert np.isnan(ask(live, 1, 5.0)["ctr_bare"])
    live.update([clicks((1.0, 1)), batch("shown", [(float(t), 1, 0, 0.0) for t in range(5)])])
    answers = ask(live, 1, 5.0)
    assert answers["ctr_10"] == pytest.approx((1 + 0.5) / (5 + 5))
    assert answers["ctr_bare"] == pytest.approx(0.2)


def test_the_last_value_is_the_latest_not_the_last_to_arrive():
    live = Counters(DECLARED)
    live.update([batch("bought", [(20.0, 1, 0, 450.0), (10.0, 1, 0, 500.0)])])
    assert ask(live, 1, 30.0)["price"] == 450
    assert ask(live, 1, 15.0)["price"] == 500
    assert np.isnan(ask(live, 1, 31.0)["price_10"])
    assert np.isnan(ask(live, 2, 30.0)["price"])


def test_asking_changes_nothing():
    live = Counters(DECLARED)
    live.update([clicks((1.0, 1), (2.0, 1))])
    first = ask(live, 1, 9.0)
    for t in (100.0, 0.0, 5.0):
        ask(live, 1, t)
    assert str(ask(live, 1, 9.0)) == str(first)


def test_sums_do_not_drift_over_a_million_events():
    values = np.full(1_000_000, 0.1)
    t = np.arange(1_000_000.0)
    spent = [Counter("spent", "sum", ("bought",), "product", value="cents", span_s=10.0)]
    live = Counters(spent, keep_s=100.0)
    live.update([Occurred("bought", t, {"product": np.zeros(len(t), dtype=np.int64), "cents": values})])
    assert live.ask({"product": np.zeros(1, dtype=np.int64)}, np.array([1e6]))["spent"][0] == pytest.approx(1.0, abs=1e-4)


def test_many_entities_and_a_few_hot_ones_grow_without_mixing():
    rng = np.random.default_rng(1)
    product = np.minimum(rng.zipf(1.3, size=30_000), 5000)
    live = Counters([Counter("n", "count", ("click",), "product")])
    for part in np.array_split(product, 17):
        live.update([Occurred("click", rng.random(len(part)), {"product": part})])
    names, counts = np.unique(product, return_counts=True)
    assert np.array_equal(live.ask({"product": names}, np.full(len(names), 2.0))["n"], counts)


def test_events_older_than_what_was_forgotten_are_counted_as_late():
    live = Counters([Counter("n", "count", ("click",), "product", span_s=5.0)], keep_s=0.0)
    live.update([Occurred("click", np.arange(100.0), {"product": np.zeros(100, dtype=np.int64)})])
    taken = live.update([Occurred("click", np.array([1.0, 99.5]), {"product": np.zeros(2, dtype=np.int64)})])
    assert (taken.written, taken.late) == (1, 1)


def test_a_clock_gone_wild_harms_no_other_entity():
    live = Counters(DECLARED, keep_s=0.0)
    live.update([clicks((1.0, 1), (1e18, 2), (2.0, 2))])
    assert ask(live, 1, 5.0)["clicks_10"] == 1
    assert ask(live, 2, 5.0)["clicks_10"] == 1


def test_events_without_an_entity_a_time_or_a_value_are_counted_not_taken():
    live = Counters([Counter("spent", "sum", ("bought",), "product", value="cents")])
    taken = live.update(
        [batch("bought", [(1.0, 1, 0, np.nan), (np.nan, 1, 0, 1.0), (1.0, NOBODY, 0, 1.0), (1.0, 1, 0, 1e12), (1.0, 1, 0, 7.0)])]
    )
    assert (taken.written, taken.refused, taken.nobody, taken.late) == (1, 3, 1, 0)
    assert live.ask({"product": np.array([1])}, np.array([2.0]))["spent"].tolist() == [7.0]


def test_windows_over_the_same_events_share_one_history():
    live = Counters([Counter(f"n{s}", "count", ("click",), "product", span_s=float(s)) for s in (1, 7, 30)])
    assert live.update([clicks((1.0, 1), (25.0, 1))]).written == 2
    assert {k: float(v[0]) for k, v in live.ask({"product": np.array([1])}, np.array([30.0])).items()} == {
        "n1": 0, "n7": 1, "n30": 2
    }  # fmt: skip


def test_json_events_are_read_once_and_in_order():
    def event(name, kind, **body):
        return Event(name, "k", kind, float(len(name)), json.dumps(body).encode())

    read = occurred(
        [
            event("a", "click", product=1, shopper=5),
            event("a", "click", product=1, shopper=5),
            event("bb", "click", product=2),
            event("ccc", "bought", product=1, cents=99),
            event("d", "decision"),
        ],
        DECLARED,
    )
    assert [b.kind for b in read] == ["click", "bought"]
    assert read[0].fields["product"].tolist() == [1, 2]
    assert read[0].fields["shopper"].tolist() == [5, NOBODY]
    assert read[0].time_s.tolist() == [1.0, 2.0]
    assert read[1].fields["cents"].tolist() == [99.0]
    assert Counters(DECLARED).update(read).nobody == 1


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{", "not JSON"),
        (b"[1]", "wanted a JSON object"),
        (b'{"product": "7"}', "field 'product': got '7'"),
        (b'{"product": 1.5}', "wanted int"),
        (b'{"product": true}', "got True"),
        (b'{"product": 99999999999999999999}', "64-bit"),
    ],
)
def test_bodies_that_cannot_be_read_name_the_event(body, text):
    with pytest.raises(BadInput, match=text) as e:
        occurred([Event("e9", "k", "click", 1.0, body)], DECLARED)
    assert "e9" in str(e.value)


@pytest.mark.parametrize(
    "parts",
    [
        {"kind": "mean"},
        {"events": ("click", "shown")},
        {"kind": "ratio"},
        {"kind": "sum"},
        {"kind": "last"},
        {"value": "cents"},
        {"span_s": 0.0},
        {"span_s": float("nan")},
        {"kind": "decay"},
        {"prior": (0.1, 1.0)},
        {"kind": "ratio", "events": ("a", "b"), "prior": (0.1, -1.0)},
    ],
)
def test_declarations_that_do_not_fit_are_refused(parts):
    with pytest.raises(BadSettings, match="'c'"):
        Counter(**({"name": "c", "kind": "count", "events": ("click",), "entity": "product"} | parts))


def test_names_twice_missing_fields_and_bad_questions_are_refused():
    one = Counter("n", "count", ("click",), "product")
    with pytest.raises(BadSettings, match="each name once"):
        Counters([one, one])
    live = Counters([one])
    with pytest.raises(BadInput, match="no field 'product'"):
        live.update([Occurred("click", np.zeros(1), {"prodct": np.zeros(1, dtype=np.int64)})])
    with pytest.raises(BadInput, match="none"):
        live.ask({"shopper": np.zeros(1, dtype=np.int64)}, np.zeros(1))
    with pytest.raises(BadInput, match="wanted 2"):
        live.ask({"product": np.zeros(1, dtype=np.int64)}, np.zeros(2))
    with pytest.raises(BadInput, match="NaN"):
        live.ask({"product": np.zeros(1, dtype=np.int64)}, np.array([np.nan]))
    with pytest.raises(BadInput, match="one an event"):
        Occurred("click", np.zeros(2), {"product": np.zeros(1)})
    assert live.ask({"product": np.zeros(0, dtype=np.int64)}, np.zeros(0))["n"].tolist() == []
