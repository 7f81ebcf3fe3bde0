"""Measures against values worked out by hand, against references, and their intervals against simulations."""

import math
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rialto.errors import BadInput
from rialto.spine.evaluate import (
    Judgments,
    Tried,
    bootstrap,
    direct,
    doubly_robust,
    effective,
    graded,
    holm,
    ips,
    labelled,
    matching,
    mrr,
    ndcg,
    paired,
    ranking,
    recall,
    snips,
    unjudged,
)

DATA = Path(os.environ.get("RIALTO_DATA", "../shared/data"))

# Query 0 was judged well, query 1 has nothing relevant, query 2 nobody judged, query 3 came back empty.
JUDGED = Judgments.of(query=[0, 0, 0, 0, 1, 3], ids=[1, 2, 3, 4, 1, 9], grades=[3, 2, 1, 0, 0, 2], queries=4)
LISTS = graded(np.array([0, 4, 5, 7, 7]), np.array([2, 8, 1, 4, 1, 5, 6]), JUDGED)


def naive_ndcg(listed, judged, k, kind, top):
    gain = (lambda g: g) if kind == "linear" else (lambda g: 2.0**g - 1)
    discount = (lambda r: r) if kind == "graded" else (lambda r: math.log2(r + 1))
    best = [top] * k if kind == "graded" else sorted(judged, reverse=True)[:k]
    got = sum(gain(g) / discount(r) for r, g in enumerate(listed[:k], 1))
    return got / sum(gain(g) / discount(r) for r, g in enumerate(best, 1))


def test_trec_ndcg_is_what_one_works_out_by_hand():
    got = 3 / 1 + 0 / math.log2(3) + 7 / math.log2(4) + 0
    best = 7 / 1 + 3 / math.log2(3) + 1 / math.log2(4)
    assert ndcg(LISTS, k=10, kind="trec")[0] == pytest.approx(got / best)


def test_linear_ndcg_is_what_one_works_out_by_hand():
    assert ndcg(LISTS, k=10, kind="linear")[0] == pytest.approx((2 + 3 / 2) / (3 + 2 / math.log2(3) + 1 / 2))


def test_graded_ndcg_has_one_over_rank_and_the_top_grade_everywhere():
    assert ndcg(LISTS, k=4, kind="graded")[0] == pytest.approx((3 / 1 + 7 / 3) / (7 * (1 + 1 / 2 + 1 / 3 + 1 / 4)))


def test_documents_that_were_missed_lower_the_ideal_denominator_no_less():
    j = Judgments.of(query=[0, 0], ids=[1, 2], grades=[1, 1], queries=1)
    assert ndcg(graded(np.array([0, 1]), np.array([1]), j))[0] == pytest.approx(1 / (1 + 1 / math.log2(3)))


def test_queries_without_a_relevant_document_are_left_out_and_counted():
    assert np.isnan(ndcg(LISTS)).tolist() == [False, True, True, False]
    interval = bootstrap(ndcg(LISTS), seed=1)
    assert (interval.count, interval.left_out) == (2, 2)


def test_only_queries_whose_grades_differ_have_spread():
    j = Judgments.of(query=[0, 0, 1, 1, 2], ids=[1, 2, 1, 2, 1], grades=[1, 0, 2, 2, 0], queries=4)
    assert graded(np.zeros(5, dtype=np.int64), np.zeros(0, dtype=np.int64), j).spread.tolist() == [True, False, False, False]


def test_an_empty_list_earns_nothing():
    assert ndcg(LISTS)[3] == mrr(LISTS)[3] == recall(LISTS)[3] == 0.0


def test_reciprocal_rank_recall_and_unjudged_share():
    assert mrr(LISTS, relevant=3)[0] == pytest.approx(1 / 3)
    assert mrr(LISTS, k=2, relevant=3)[0] == 0.0
    assert recall(LISTS, k=4)[0] == pytest.approx(2 / 3)
    np.testing.assert_allclose(unjudged(LISTS, k=2), [0.5, 0.0, 1.0, np.nan])


def test_scores_that_are_no_numbers_sink_and_ties_break_by_id():
    lists = labelled(np.array([0, 4]), np.array([3, 2, 1, 0]), np.array([np.nan, 1.0, 1.0, np.inf]), ids=np.array([1, 9, 8, 0]))
    assert lists.grades.tolist() == [1, 2, 0, 3]


def test_a_list_of_equal_labels_is_always_perfect():
    lists = labelled(np.array([0, 3]), np.array([2, 2, 2]), np.array([1.0, 2.0, 3.0]))
    assert ndcg(lists)[0] == ndcg(lists, kind="linear")[0] == 1.0


@given(
    judged=st.dictionaries(st.integers(0, 20), st.integers(0, 4), min_size=1),
    listed=st.lists(st.integers(0, 25), unique=True, max_size=15),
    k=st.integers(1, 12),
    kind=st.sampled_from(["trec", "linear", "graded"]),
)
def test_ndcg_agrees_with_a_plain_loop_and_lies_between_0_and_1(judged, listed, k, kind):
    j = Judgments.of(query=[0] * len(judged), ids=list(judged), grades=list(judged.values()), queries=1)
    got = ndcg(graded(np.array([0, len(listed)]), np.array(listed, dtype=np.int64), j), k=k, kind=kind)[0]
    if max(judged.values()) == 0:
        assert np.isnan(got)
        return
    want = naive_ndcg([judged.get(i, 0) for i in listed], list(judged.values()), k, kind, max(judged.values()))
    assert got == pytest.approx(want)
    assert 0.0 <= got <= 1.0 + 1e-12


@given(st.lists(st.lists(st.tuples(st.integers(0, 3), st.floats(-5, 5)), max_size=6), min_size=1, max_size=6))
def test_a_batch_measures_as_its_queries_do_one_by_one(groups):
    rows = [r for g in groups for r in g] + [(3, 0.0)]
    groups = [*groups, [(3, 0.0)]]
    offsets = np.concatenate([[0], np.cumsum([len(g) for g in groups])])
    labels, scores = (np.array(c) for c in zip(*rows))
    whole = ndcg(labelled(offsets, labels, scores), k=3)
    for q, g in enumerate(groups):
        part = slice(offsets[q], offsets[q + 1])
        alone = ndcg(labelled(np.array([0, len(g)]), labels[part], scores[part]), k=3)
        np.testing.assert_allclose(whole[q], alone[0])


@pytest.mark.parametrize("grades", [[-1.0], [np.nan], [np.inf], [1e6]])
def test_grades_that_make_no_sense_are_refused(grades):
    with pytest.raises(BadInput, match="grade"):
        Judgments.of(query=[0], ids=[1], grades=grades, queries=1)


def test_a_document_listed_or_judged_twice_is_refused():
    with pytest.raises(BadInput, match="document 5 is judged twice for query 0"):
        Judgments.of(query=[0, 0], ids=[5, 5], grades=[1, 2], queries=1)
    with pytest.raises(BadInput, match="document 1 is listed twice for query 1"):
        graded(np.array([0, 1, 3, 3, 3]), np.array([1, 1, 1]), JUDGED)


def test_lists_of_other_queries_than_the_judgments_are_refused():
    with pytest.raises(BadInput, match="lists of 1 queries and judgments of 4"):
        graded(np.array([0, 1]), np.array([1]), JUDGED)


def test_wrong_depth_kind_lengths_and_query_numbers_are_refused():
    with pytest.raises(BadInput, match="k is 0"):
        ndcg(LISTS, k=0)
    with pytest.raises(BadInput, match="known: trec, linear, graded"):
        ndcg(LISTS, kind="dcg")
    with pytest.raises(BadInput, match="2 scores for 1 labels"):
        labelled(np.array([0, 1]), np.array([1]), np.array([1.0, 2.0]))
    with pytest.raises(BadInput, match=r"wanted 0\.\.0"):
        Judgments.of(query=[1], ids=[1], grades=[1], queries=1)
    with pytest.raises(BadInput, match="offsets do not divide"):
        labelled(np.array([0, 2, 1]), np.array([1]), np.array([1.0]))


def test_no_queries_at_all_give_no_figure_rather_than_an_error():
    lists = graded(np.array([0]), np.zeros(0, dtype=np.int64), Judgments.of(query=[], ids=[], grades=[], queries=0))
    assert all(np.isnan(i.value) and i.count == 0 for i in ranking(lists).values())


def test_the_table_of_measures_names_each_with_its_depth():
    table = ranking(LISTS, k=5, depth=50)
    assert list(table) == [
        "ndcg@5 trec", "ndcg@5 linear", "ndcg@5 graded", "mrr@5", "recall@50", "unjudged@5"
    ]  # fmt: skip
    assert table["ndcg@5 trec"].value == pytest.approx(np.nanmean(ndcg(LISTS, k=5)))


def test_bca_bounds_agree_with_scipy():
    values = np.random.default_rng(3).exponential(size=60)
    ours = bootstrap(values, seed=1, resamples=9999)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=9999, rng=np.random.default_rng(2), method="BCa").confidence_interval
    assert ours.low == pytest.approx(theirs.low, abs=0.015)
    assert ours.high == pytest.approx(theirs.high, abs=0.015)


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_a_95_percent_interval_holds_the_truth_about_95_times_in_100(method):
    rng = np.random.default_rng(4)
    hits = 0
    for seed in range(400):
        i = bootstrap(rng.beta(2, 5, size=80), seed=seed, method=method, resamples=500)
        hits += i.low <= 2 / 7 <= i.high
    assert 0.92 <= hits / 400 <= 0.975


def test_the_same_seed_repeats_the_interval_and_equal_values_have_no_width():
    values = np.random.default_rng(5).normal(size=50)
    assert bootstrap(values, seed=9) == bootstrap(values, seed=9)
    flat = bootstrap(np.full(10, 0.25), seed=1)
    assert (flat.low, flat.value, flat.high) == (0.25, 0.25, 0.25)


def test_one_huge_value_among_zeros_still_gives_bounds():
    i = bootstrap([0.0] * 30 + [1e9], seed=1)
    assert 0.0 <= i.low <= i.value <= i.high <= 1e9


def test_one_unit_or_none_has_no_bounds():
    assert bootstrap([0.5], seed=1).high == np.inf
    assert np.isnan(bootstrap([], seed=1).value)
    with pytest.raises(BadInput, match="level"):
        bootstrap([1.0, 2.0], seed=1, level=1.0)


def test_a_small_paired_test_counts_every_sign_pattern():
    a, b = np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([1.4, 2.3, 3.1, 3.8, 5.6])
    theirs = stats.permutation_test((b - a,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert paired(a, b, seed=1).p == pytest.approx(theirs.pvalue)


def test_a_large_paired_test_agrees_with_the_t_test():
    rng = np.random.default_rng(6)
    a = rng.normal(size=200)
    b = a + rng.normal(0.05, 0.4, size=200)
    assert paired(a, b, seed=1).p == pytest.approx(stats.ttest_rel(b, a).pvalue, abs=0.02)


def test_systems_that_are_the_same_are_called_different_one_time_in_twenty():
    rng = np.random.default_rng(7)
    p = [paired(rng.normal(size=30), rng.normal(size=30), seed=s, resamples=299).p for s in range(400)]
    assert 0.025 <= np.mean(np.array(p) <= 0.05) <= 0.08


def test_equal_systems_have_p_1_and_missing_pairs_are_counted():
    d = paired([0.1, 0.2, np.nan], [0.1, 0.2, 0.3], seed=1)
    assert (d.value, d.p, d.count, d.left_out) == (0.0, 1.0, 2, 1)
    with pytest.raises(BadInput, match="same units in the same order"):
        paired([1.0], [1.0, 2.0], seed=1)


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(p):
    corrected = holm(p)
    order = np.argsort(p, kind="stable")
    assert np.all(corrected >= np.array(p) - 1e-15)
    assert np.all(np.diff(corrected[order]) >= 0)
    assert np.all(corrected <= 1)


def test_holm_refuses_what_is_no_probability():
    with pytest.raises(BadInput, match=r"0\.\.1"):
        holm([1.2])


def test_an_unmatched_order_counts_with_its_full_patience():
    m = matching(
        np.array([True, True, False, False]),
        np.array([10.0, 30.0, np.nan, 5.0]),
        np.array([100.0, 100.0, 80.0, 60.0]),
        window=np.array([3, 3, 8, 8]),
    )
    assert (m.matched, m.orders) == (2, 4)
    assert m.share.value == 0.5
    assert m.response_s.value == (10 + 30 + 80 + 60) / 4
    assert m.share.count == 2


def test_windows_count_by_their_orders_not_each_the_same():
    m = matching(np.array([True, False, False, False]), np.ones(4), np.ones(4), window=np.array([0, 1, 1, 1]))
    assert m.share.value == 0.25


def test_one_window_has_no_interval_and_bad_times_are_refused():
    m = matching(np.array([True]), np.array([1.0]), np.array([2.0]), window=np.array([0]))
    assert m.share.low == -np.inf
    with pytest.raises(BadInput, match="order 0 took nan s"):
        matching(np.array([True]), np.array([np.nan]), np.array([2.0]), window=np.array([0]))
    with pytest.raises(BadInput, match=r"\[1, 2\] rows"):
        matching(np.array([True]), np.ones(2), np.ones(1), window=np.array([0]))


def bandit_log(choices, seed):
    """Three arms that pay 0.2, 0.5, 0.8; logged by chances .6 .3 .1, judged is .1 .3 .6: worth 0.65."""
    rng = np.random.default_rng(seed)
    logging, judged, pay = np.array([0.6, 0.3, 0.1]), np.array([0.1, 0.3, 0.6]), np.array([0.2, 0.5, 0.8])
    arm = rng.choice(3, size=choices, p=logging)
    reward = (rng.random(choices) < pay[arm]).astype(float)
    return Tried(reward, logging[arm], judged[arm]), arm, judged, pay


def test_every_estimator_finds_what_the_other_policy_is_worth():
    tried, arm, judged, pay = bandit_log(20_000, seed=1)
    model = pay + 0.1  # wrong by a tenth
    expected, predicted = np.full(len(arm), judged @ model), model[arm]
    for estimate in (ips(tried), snips(tried), doubly_robust(tried, expected, predicted)):
        assert estimate.enough
        assert estimate.interval.value == pytest.approx(0.65, abs=0.03)
    assert direct(expected).value == pytest.approx(0.75)


def test_off_policy_intervals_hold_the_truth_about_95_times_in_100():
    hits = {"ips": 0, "snips": 0, "dr": 0}
    for seed in range(120):
        tried, arm, judged, pay = bandit_log(300, seed=seed)
        found = {"ips": ips(tried), "snips": snips(tried)}
        found["dr"] = doubly_robust(tried, np.full(300, judged @ pay), pay[arm])
        for name, e in found.items():
            hits[name] += e.interval.low <= 0.65 <= e.interval.high
    assert all(0.88 <= h / 120 <= 0.99 for h in hits.values()), hits


def test_a_good_model_makes_the_doubly_robust_interval_narrower():
    tried, arm, judged, pay = bandit_log(5000, seed=3)
    dr = doubly_robust(tried, np.full(5000, judged @ pay), pay[arm]).interval
    plain = ips(tried).interval
    assert dr.high - dr.low < 0.8 * (plain.high - plain.low)


def test_judging_the_logging_policy_itself_gives_the_mean_reward():
    reward, p = np.array([1.0, 0.0, 3.0]), np.array([0.2, 0.9, 0.4])
    assert ips(Tried(reward, p, p)).interval.value == snips(Tried(reward, p, p)).interval.value == pytest.approx(4 / 3)
    assert effective(np.ones(3)) == 3.0


def test_too_small_a_log_says_so():
    e = snips(bandit_log(50, seed=1)[0])
    assert not e.enough
    assert "not enough data" in e.reason


def test_wrong_propensities_are_noticed_by_the_mean_weight():
    tried, *_ = bandit_log(5000, seed=2)
    e = ips(Tried(tried.reward, tried.logged / 2, tried.target))
    assert not e.enough
    assert "mean weight" in e.reason


@pytest.mark.skipif(not (DATA / "open_bandit").exists(), reason="the open_bandit data is not here (RIALTO_DATA)")
@pytest.mark.parametrize(("shop", "can_tell"), [("men", True), ("women", False)])
def test_a_real_log_of_one_policy_tells_what_another_earned_or_says_that_it_cannot(shop, can_tell):
    ran = {p: pq.read_table(DATA / "open_bandit" / p / f"{shop}.parquet").to_pydict() for p in ("random", "bts")}
    clicks = np.array(ran["bts"]["click"], dtype=float)
    uniform = np.full(len(clicks), ran["random"]["propensity_score"][0])
    estimate = snips(Tried(clicks, np.array(ran["bts"]["propensity_score"]), uniform))
    earned = bootstrap(np.array(ran["random"]["click"], dtype=float), seed=1)
    assert estimate.enough == can_tell
    assert estimate.interval.low <= earned.value <= estimate.interval.high


def test_a_policy_that_the_log_never_tried_is_worth_nothing_known():
    e = snips(Tried(np.ones(200), np.full(200, 0.5), np.zeros(200)))
    assert (e.effective, e.enough) == (0.0, False)
    assert np.isnan(e.interval.value)


@pytest.mark.parametrize(
    ("reward", "logged", "target", "text"),
    [
        ([np.nan], [0.5], [0.5], "reward at row 0"),
        ([1.0], [0.0], [0.5], "logged propensity at row 0"),
        ([1.0], [0.5], [1.5], "target probability at row 0"),
        ([1.0, 2.0], [0.5], [0.5], "2 rewards"),
    ],
)
def test_a_log_that_cannot_be_is_refused(reward, logged, target, text):
    with pytest.raises(BadInput, match=text):
        Tried(np.array(reward), np.array(logged), np.array(target))
