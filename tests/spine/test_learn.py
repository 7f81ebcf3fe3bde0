"""From the log to a promoted model: joins that lose nothing, position bias undone, a gate that holds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.errors import BadInput
from rialto.ports import ModelCard
from rialto.records import Candidates, Context, Decisions, Requests, hash64
from rialto.spine.decide.slate import slate
from rialto.spine.learn import Examination, Examples, Gate, Learner, examination, improve, join, weigh, weighted_ndcg
from rialto.spine.log import Feedback
from rialto.spine.params import Param
from rialto.spine.pipeline import Recorded

SIZE = Param("test.learn.size", 5, low=1, high=50, unit="results", doc="Results.")
SWAP = Param("test.learn.swap", 0.5, low=0, high=0.9, unit="share", doc="Exchanged lists.")


def record(ids, served, *, time_s=1000.0, seen=(7, 8, 9)):
    """Requests that all saw the candidates `seen` with feature x = id / 10, and were served `served`."""
    n, k = len(ids), len(served)
    asked = Requests.of({}, ids=np.array(ids), time_s=time_s)
    candidates = Candidates(np.arange(n + 1) * len(seen), np.tile(np.array(seen), n), {"x": np.tile(np.array(seen) / 10.0, n)})
    d = Decisions(
        asked.ids, np.arange(n + 1) * k, np.tile(np.array(served), n), np.zeros(n * k, dtype=np.int64),
        np.tile(np.arange(k, 0, -1.0), n), np.ones(n * k),
    )  # fmt: skip
    return Recorded("t", asked, candidates, d, 0, {}, ())


def clicks(kind, value):
    return {"click": 1.0, "purchase": 5.0}.get(kind) if kind != "rating" else value


def joined(log, feedback, **more):
    return join(log, feedback, names=["x"], label_of=clicks, **more)


def test_outcomes_label_the_row_that_they_answer_and_the_greatest_counts():
    e, report = joined(
        [record([1, 2], [9, 7])],
        [Feedback("click", 2, 7, 1, 1001.0), Feedback("purchase", 2, 7, 1, 1002.0), Feedback("click", 1, 9, 1, 1003.0)],
    )
    assert e.label.tolist() == [1, 0, 0, 5]
    assert e.features.ravel().tolist() == pytest.approx([0.9, 0.7, 0.9, 0.7])
    assert (e.group.tolist(), e.position.tolist()) == ([1, 1, 2, 2], [0, 1, 0, 1])
    assert (report.decisions, report.rows, report.joined) == (2, 4, 3)


def test_every_outcome_that_answers_nothing_is_counted_under_its_reason():
    feedback = [
        Feedback("click", 1, 9, 1, 1001.0, id="a"),
        Feedback("click", 1, 9, 1, 1001.0, id="a"),
        Feedback("scroll", 1, 9, 1, 1001.0),
        Feedback("click", 5, 9, 1, 1001.0),
        Feedback("click", 1, 8, 1, 1001.0),
        Feedback("click", 1, 9, 1, 999.0),
        Feedback("click", 1, 9, 1, 5000.0),
    ]
    _, r = joined([record([1], [9, 7])], feedback, within_s=3600.0)
    assert (r.outcomes, r.joined, r.repeated, r.other_kind, r.unknown_request) == (7, 1, 1, 1, 1)
    assert (r.unknown_candidate, r.early, r.late) == (1, 1, 1)


outcome = st.builds(
    Feedback,
    st.sampled_from(["click", "purchase", "scroll"]),
    st.integers(0, 6),
    st.integers(6, 10),
    st.just(1.0),
    st.sampled_from([900.0, 1001.0, 1500.0, 9999.0]),
    st.sampled_from(["", "a", "b"]),
)


@given(feedback=st.lists(outcome, max_size=20), served=st.permutations([7, 8, 9]), until=st.sampled_from([1200.0, np.inf]))
def test_nothing_vanishes_in_a_join(feedback, served, until):
    log = [record([1, 2, 3], served[:2]), record([3, 4], served[1:], time_s=1100.0)]
    e, r = joined(log, feedback, within_s=150.0, until_s=until)
    bins = (r.joined, r.repeated, r.other_kind, r.unknown_request, r.unknown_candidate, r.early, r.late)
    assert sum(bins) == r.outcomes == len(feedback)
    assert r.rows + r.again + r.young == 10
    assert r.rows == len(e)


def test_a_request_decided_twice_counts_its_last_decision_and_stays_together():
    log = [record([1, 2], [9, 7]), record([1], [9], time_s=1100.0)]
    e, r = joined(log, [Feedback("click", 1, 9, 1, 1050.0), Feedback("click", 1, 9, 1, 1150.0)])
    assert (r.again, r.early, r.joined) == (1, 1, 1)
    assert e.group.tolist() == [1, 1, 2, 2]
    assert e.offsets.tolist() == [0, 2, 4]


def test_decisions_whose_outcomes_may_still_come_are_left_out():
    e, r = joined([record([1], [9, 7]), record([2], [9], time_s=2000.0)], [], within_s=500.0, until_s=2100.0)
    assert (len(e), r.young) == (2, 1)


def test_an_empty_log_joins_to_nothing():
    e, r = joined([], [Feedback("click", 1, 9, 1, 1.0)])
    assert (len(e), e.offsets.tolist(), r.unknown_request) == (0, [0], 1)
    assert e.features.shape == (0, 1)


def test_the_ranks_before_an_exchange_come_from_the_scores():
    r = record([1], [9, 7, 8])
    scores = np.array([2.0, 3.0, 1.0])  # 7 was ranked first, then exchanged with 9
    d = Decisions(r.decisions.request_ids, r.decisions.offsets, r.decisions.ids, r.decisions.rows, scores, np.ones(3))
    e, _ = joined([Recorded("t", r.requests, r.seen, d, 0, {}, ())], [])
    assert (e.position.tolist(), e.rank.tolist()) == ([0, 1, 2], [1, 0, 2])


def test_unknown_features_damaged_records_and_labels_that_are_no_numbers_are_refused():
    with pytest.raises(BadInput, match="'y'"):
        join([record([1], [9])], [], names=["y"], label_of=clicks)
    with pytest.raises(BadInput, match="damaged"):
        joined([record([1], [99])], [])
    with pytest.raises(BadInput, match="finite"):
        joined([record([1], [9])], [Feedback("rating", 1, 9, float("nan"), 1001.0)])


def examples(label, group, features=None, **more):
    n = len(label)
    x = np.zeros((n, 1), dtype=np.float32) if features is None else np.asarray(features, dtype=np.float32)[:, None]
    place = np.concatenate([np.zeros(0)] + [np.arange(c) for c in np.unique(group, return_counts=True)[1]]).astype(np.int64)
    columns = {"position": place, "rank": place, "propensity": np.ones(n), "weights": np.ones(n)} | more
    names = ("position", "rank", "propensity", "weights")
    return Examples(
        x, ("x",), np.asarray(label, float), np.asarray(group, dtype=np.int64), np.arange(n), *(columns[name] for name in names)
    )


def test_groups_that_do_not_stand_together_are_refused():
    with pytest.raises(BadInput, match="stand together"):
        examples([1, 0, 1], [4, 5, 4])


def shop(requests, seed):
    """A log of slates of 5, half of them with an exchanged pair, clicked by the position-based model."""
    rng = np.random.default_rng(seed)
    looked = np.array([1.0, 0.7, 0.5, 0.35, 0.25])
    asked = Requests.of({}, ids=np.arange(requests))
    appeal = np.tile([0.9, 0.6, 0.5, 0.4, 0.3, 0.2], requests)
    seen = Candidates(np.arange(requests + 1) * 6, np.tile(np.arange(6), requests), {"x": appeal})
    d = slate(SIZE, SWAP).decide(asked, seen.with_columns({"score": appeal}), Context(seed=seed))
    place = np.arange(len(d.ids)) % 5
    clicked = rng.random(len(d.ids)) < looked[place] * np.array([0.9, 0.6, 0.5, 0.4, 0.3, 0.2])[d.ids]
    owner = np.repeat(np.arange(requests), 5)
    feedback = [Feedback("click", int(owner[i]), int(d.ids[i]), 1.0, 1.0) for i in np.flatnonzero(clicked)]
    return joined([Recorded("t", asked, seen, d, seed, {}, ())], feedback)[0], looked


def test_exchanged_pairs_tell_how_often_each_place_is_looked_at():
    e, looked = shop(30_000, seed=1)
    found = examination(e)
    assert found.known == 5
    np.testing.assert_allclose(found.probability, looked, atol=0.05)


def test_weights_make_clicks_say_appeal_again():
    e, _ = shop(20_000, seed=2)
    w = weigh(e, examination(e))
    credit = [float((w.label * w.weights)[e.candidate == i].mean()) for i in range(4)]
    assert credit == pytest.approx([0.9, 0.6, 0.5, 0.4], abs=0.05)


def test_a_log_without_exchanges_knows_only_the_first_place():
    found = examination(examples([1, 0, 1, 0] * 20, np.repeat(np.arange(20), 4)))
    assert (found.known, found.probability.tolist()) == (1, [1, 1, 1, 1])
    with pytest.raises(BadInput, match="no examples"):
        examination(examples([], []))


def test_weights_are_clipped_and_leave_rows_without_a_click_alone():
    seen = Examination(np.array([1.0, 0.5, 0.001]), 3, np.zeros(2, dtype=np.int64))
    w = weigh(examples([1, 0, 1, 1], [1, 1, 1, 1]), seen, clip=4.0)
    assert w.weights.tolist() == [1, 1, 4, 4]
    with pytest.raises(BadInput, match="clip"):
        weigh(w, seen, clip=0.5)


def test_an_equal_model_passes_the_gate_no_more_often_than_promised():
    rng = np.random.default_rng(3)
    passed = [Gate().judge(rng.random(60), rng.random(60), seed=s).passed for s in range(200)]
    assert np.mean(passed) <= 0.06


def test_a_surely_better_model_passes_and_a_small_gain_may_not_be_worth_it():
    live = np.random.default_rng(4).random(200)
    assert Gate().judge(live, live + 0.02, seed=1).passed
    verdict = Gate(min_gain=0.05).judge(live, live + 0.02, seed=1)
    assert (verdict.passed, "below 0.05" in verdict.reason) == (False, True)


def test_harm_to_one_class_stops_a_model_that_gains_overall():
    rng = np.random.default_rng(5)
    live, classes = rng.random(400), np.repeat(["head", "tail"], [300, 100])
    new = live + np.where(classes == "head", 0.1, -0.05) + rng.normal(0, 0.02, 400)
    verdict = Gate().judge(live, new, seed=1, classes=classes)
    assert not verdict.passed
    assert "harms tail" in verdict.reason
    assert verdict.by_class["tail"].value < 0 < verdict.difference
    assert Gate(harm=0.2).judge(live, new, seed=1, classes=classes).passed


def test_groups_that_cannot_be_measured_do_not_count_as_data():
    live = np.full(100, np.nan)
    live[:40] = 0.5
    verdict = Gate().judge(live, live + 0.1, seed=1)
    assert "too little data: 40" in verdict.reason
    with pytest.raises(BadInput, match="shapes"):
        Gate().judge(np.zeros(3), np.zeros(4), seed=1)
    with pytest.raises(BadInput, match="2 classes"):
        Gate(least=2).judge(np.zeros(3), np.zeros(3), seed=1, classes=np.array(["a", "b"]))
    with pytest.raises(BadInput, match="alpha"):
        Gate(alpha=0.0)


class Shelf:
    """Model versions in a dict."""

    def __init__(self):
        self.kept, self.current = {}, {}

    def put(self, card, body):
        version = f"{hash64(repr(card) + body.decode()):x}"
        self.kept[version] = (card, body)
        return version

    def promote(self, name, version):
        self.current[name] = version

    def live(self, name):
        return (self.current[name], self.kept[self.current[name]][0]) if name in self.current else None

    def score(self, version, inputs):
        return float(self.kept[version][1]) * inputs[:, 0].astype(np.float64)


def learner(shelf, fit, **more):
    """A model is one number, the slope of x."""

    def score(model, features):
        return shelf.score(model, features) if isinstance(model, str) else float(model) * features[:, 0].astype(np.float64)

    return Learner("test.ranker", "trees", fit, score, Gate(), **more)


def slope(e, seed):
    return f"{np.sign(np.corrcoef(e.features[:, 0], e.label)[0, 1]):g}".encode()


def wrong(e, seed):
    return b"-1"


def liked(groups, seed, taste=1.0):
    """Lists of 6 in no order; what has more x is clicked more often."""
    rng = np.random.default_rng(seed)
    x = rng.random(groups * 6)
    return examples(rng.random(len(x)) < 1 / (1 + np.exp(-taste * 6 * (x - 0.7))), np.repeat(np.arange(groups), 6), x)


def test_a_better_model_is_promoted_with_its_card():
    shelf = Shelf()
    report = improve(liked(400, seed=1), shelf, learner(shelf, slope), seed=7)
    version, card = shelf.live("test.ranker")
    assert report.verdict.passed
    assert (report.version, report.parent) == (version, "")
    assert isinstance(card, ModelCard)
    assert card.inputs == ("x",)
    assert card.metrics["new"] > card.metrics["live"]
    assert report.trained_on + report.judged_on == 400
    assert 80 < report.judged_on < 160


def test_a_model_no_better_than_the_live_one_is_not_kept():
    shelf = Shelf()
    first = improve(liked(400, seed=1), shelf, learner(shelf, slope), seed=7)
    again = improve(liked(400, seed=2), shelf, learner(shelf, slope), seed=8)
    worse = improve(liked(400, seed=3), shelf, learner(shelf, wrong), seed=9)
    assert not again.verdict.passed and not worse.verdict.passed
    assert again.parent == worse.parent == shelf.current["test.ranker"] == first.version
    assert worse.verdict.high < 0
    assert len(shelf.kept) == 1


def test_training_never_sees_a_group_that_judges_it():
    asked, given_to_fit, judged = liked(300, seed=4), [], []

    def fit(e, seed):
        given_to_fit.append(set(e.group.tolist()))
        return b"1"

    def measure(e, scores):
        judged.append(set(e.group.tolist()))
        return weighted_ndcg(e, scores)

    shelf = Shelf()
    improve(asked, shelf, learner(shelf, fit, measure=measure), seed=1)
    assert given_to_fit[0].isdisjoint(judged[0])
    assert given_to_fit[0] | judged[0] == set(asked.group.tolist())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (liked(20, seed=1), "too little data"),
        (examples(np.ones(1200), np.repeat(np.arange(200), 6)), "every label is 1"),
        (examples(np.arange(5.0), np.zeros(5, dtype=np.int64)), "too little data: 0 groups"),
        (examples([], []), "too little data: 0 groups"),
    ],
)
def test_too_little_to_learn_from_trains_nothing(data, reason):
    def never(e, seed):
        raise AssertionError("trained")

    shelf = Shelf()
    report = improve(data, shelf, learner(shelf, never), seed=1)
    assert reason in report.verdict.reason
    assert (report.verdict.passed, report.version, shelf.kept) == (False, "", {})


def test_classes_of_requests_reach_the_gate():
    shelf, data = Shelf(), liked(400, seed=1)
    classes = np.where(data.group % 3 == 0, "tail", "head")
    report = improve(data, shelf, learner(shelf, slope), seed=7, classes=classes)
    assert sorted(report.verdict.by_class) == ["head", "tail"]
    assert sum(d.count + d.left_out for d in report.verdict.by_class.values()) == report.judged_on
    with pytest.raises(BadInput, match="1 classes for 2400 rows"):
        improve(data, shelf, learner(shelf, slope), seed=7, classes=classes[:1])


def test_scores_of_the_wrong_shape_and_held_out_shares_that_cannot_be_are_refused():
    shelf = Shelf()
    bad = Learner("m", "trees", slope, lambda model, features: features, Gate())
    with pytest.raises(BadInput, match="scores have shape"):
        improve(liked(300, seed=1), shelf, bad, seed=1)
    with pytest.raises(BadInput, match="held_out"):
        learner(shelf, slope, held_out=1.0)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_same_examples_and_seed_give_the_same_report(seed):
    data = liked(200, seed=1)
    reports = []
    for _ in range(2):
        shelf = Shelf()
        reports.append(improve(data, shelf, learner(shelf, slope), seed=seed))
    assert reports[0] == reports[1]
