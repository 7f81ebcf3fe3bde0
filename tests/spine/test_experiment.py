"""Assignment that is stable, fair and independent; analyses that keep their stated error rate."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rialto.errors import BadInput, BadSettings
from rialto.records import Requests, hash64
from rialto.spine.experiment import (
    OUTSIDE,
    Experiment,
    always_valid,
    by_unit,
    credit,
    cuped,
    difference,
    expose,
    preference,
    sample_ratio,
    switchback,
    switchback_effect,
    team_draft,
)
from rialto.spine.params import Param

SIZE = Param("test.experiment.size", 10, low=1, high=100, unit="results", doc="Results on a page.")
BLEND = Param("test.experiment.blend", 0.5, low=0, high=1, unit="share", doc="Weight of the vector leg.")
STYLE = Param("test.experiment.style", "plain", unit="name", doc="Page style.")

UNITS = np.arange(60_000, dtype=np.uint64)


def two(name, **more):
    return Experiment(name, ("as-is", "new"), (0.5, 0.5), **more)


def test_arms_get_their_shares():
    e = Experiment("shares", ("a", "b", "c"), (0.2, 0.3, 0.5))
    assert sample_ratio(e.split(UNITS), e.shares, alpha=0.001).sound
    assert sample_ratio(e.split(UNITS * np.uint64(1000)), e.shares, alpha=0.001).sound


def test_a_unit_keeps_its_arm_in_any_batch_and_on_any_day():
    e = two("stable")
    assert np.array_equal(e.split(UNITS)[::-7], e.split(UNITS[::-7]))
    assert two("pinned").split(np.arange(1, 9)).tolist() == [
        0,
        0,
        1,
        0,
        0,
        1,
        1,
        1,
    ]  # a change here moves every running experiment's units


def test_a_text_is_split_as_its_hash():
    names = np.array(["ada", "björn", "陈"])
    hashed = np.array([hash64(n) for n in names], dtype=np.uint64)
    e = two("texts")
    assert e.split(names).tolist() == e.split(names.astype(object)).tolist() == e.split(hashed).tolist()


@pytest.mark.parametrize("other", [two("two"), two("one", salt="again")])
def test_experiments_split_independently_of_one_another(other):
    a, b = two("one").split(UNITS), other.split(UNITS)
    table = np.array([[np.sum((a == i) & (b == j)) for j in (0, 1)] for i in (0, 1)])
    assert stats.chi2_contingency(table).pvalue > 0.001


def test_widening_traffic_keeps_every_unit_in_its_arm():
    small, large = two("ramp", traffic=(0.0, 0.1)).split(UNITS), two("ramp", traffic=(0.0, 0.6)).split(UNITS)
    inside = small != OUTSIDE
    assert 0.09 < inside.mean() < 0.11
    assert np.array_equal(small[inside], large[inside])


def test_experiments_of_one_layer_exclude_one_another():
    a = two("left", layer="ranking", traffic=(0.0, 0.5)).split(UNITS)
    b = two("right", layer="ranking", traffic=(0.5, 1.0)).split(UNITS)
    assert np.all((a == OUTSIDE) != (b == OUTSIDE))


def test_units_that_are_neither_numbers_nor_texts_are_refused():
    with pytest.raises(BadInput, match="float64"):
        two("x").split(np.array([1.5]))
    with pytest.raises(BadInput, match="object"):
        two("x").split(np.array([None, "a"], dtype=object))
    assert two("x").split(np.array([], dtype=np.int64)).tolist() == []


def test_every_problem_of_an_experiment_is_listed_at_once():
    with pytest.raises(BadSettings) as e:
        Experiment(
            "bad",
            ("a", "a"),
            (0.5, 0.6),
            traffic=(0.5, 0.5),
            overrides={"b": {"test.experiment.sise": 3}, "a": {"test.experiment.size": 1000}},
        )
    text = str(e.value)
    assert len(e.value.problems) == 6
    assert "test.experiment.size" in text and "1..100" in text and "summing to 1" in text


def test_exposure_fills_overrides_and_logs_the_arm():
    e = two("expose", overrides={"new": {"test.experiment.size": 20, "test.experiment.style": "rich"}, "as-is": {}})
    asked = Requests.of({"shopper": np.arange(50)})
    r = expose(asked, e, "shopper")
    arm = e.split(np.arange(50))
    assert r.column("arm:expose").tolist() == np.where(arm == 1, "new", "as-is").tolist()
    assert SIZE.of(r).tolist() == np.where(arm == 1, 20, 10).tolist()
    assert STYLE.of(r).tolist() == np.where(arm == 1, "rich", "plain").tolist()
    assert SIZE.of(r).dtype == np.int64
    assert SIZE.of(asked).tolist() == [10] * 50


def test_requests_outside_the_experiment_keep_the_default_and_log_no_arm():
    r = expose(
        Requests.of({"shopper": np.arange(500)}),
        two("part", traffic=(0.0, 0.5), overrides={"new": {"test.experiment.blend": 0.9}}),
        "shopper",
    )
    outside = r.column("arm:part") == ""
    assert 0.4 < outside.mean() < 0.6
    assert np.all(BLEND.of(r)[outside] == 0.5)


def test_two_experiments_over_one_param_are_refused_unless_a_layer_divides_them():
    asked = Requests.of({"shopper": np.arange(500)})
    bigger = {"new": {"test.experiment.size": 20}}
    with pytest.raises(BadInput, match="already overridden"):
        expose(expose(asked, two("e1", overrides=bigger), "shopper"), two("e2", overrides=bigger), "shopper")
    first = expose(asked, two("e1", overrides=bigger, layer="l", traffic=(0.0, 0.5)), "shopper")
    both = expose(first, two("e2", overrides=bigger, layer="l", traffic=(0.5, 1.0)), "shopper")
    assert np.array_equal(SIZE.of(both) == 20, (both.column("arm:e1") == "new") | (both.column("arm:e2") == "new"))


def test_a_switchback_holds_one_arm_for_a_block_and_draws_each_block_anew():
    t = np.arange(0.0, 400 * 600.0, 60.0)
    north = switchback(t, np.full(len(t), "north"), block_s=600.0, salt="s")
    blocks = north.reshape(400, 10)
    assert np.all(blocks == blocks[:, :1])
    assert 0.4 < blocks[:, 0].mean() < 0.6
    south = switchback(t, np.full(len(t), "south"), block_s=600.0, salt="s").reshape(400, 10)[:, 0]
    assert 0.4 < np.mean(south == blocks[:, 0]) < 0.6
    assert 0.4 < np.mean(blocks[1:, 0] == blocks[:-1, 0]) < 0.6


def test_switchback_refuses_times_and_blocks_that_cannot_be():
    with pytest.raises(BadInput, match="block_s"):
        switchback(np.zeros(1), np.zeros(1, dtype=int), block_s=0.0, salt="")
    with pytest.raises(BadInput, match="finite"):
        switchback(np.array([np.nan]), np.zeros(1, dtype=int), block_s=1.0, salt="")


@given(
    first=st.lists(st.integers(0, 15), unique=True),
    second=st.lists(st.integers(0, 15), unique=True),
    size=st.integers(0, 12),
    seed=st.integers(0, 1000),
)
def test_a_draft_holds_no_id_twice_is_full_and_keeps_each_teams_order(first, second, size, seed):
    draft = team_draft(first, second, seed=seed, size=size)
    ids = draft.ids.tolist()
    assert len(set(ids)) == len(ids) == min(size, len({*first, *second}))
    for team, own in ((0, first), (1, second)):
        picked = [i for i, t in zip(ids, draft.team) if t == team]
        assert picked == sorted(picked, key=own.index)
    if len(first) >= size and len(second) >= size and not {*first} & {*second}:
        assert abs(int(draft.team.sum()) * 2 - size) <= 1


def test_who_picks_first_is_a_fair_coin_and_the_seed_repeats_it():
    firsts = [team_draft([1, 2], [3, 4], seed=s, size=2).team[0] for s in range(2000)]
    assert 0.46 < np.mean(firsts) < 0.54
    assert team_draft([1, 2], [3, 4], seed=9, size=2).ids.tolist() == team_draft([1, 2], [3, 4], seed=9, size=2).ids.tolist()


def test_clicks_that_do_not_look_at_quality_prefer_nobody():
    rng = np.random.default_rng(1)
    credits = []
    for seed in range(1500):
        d = team_draft([1, 2, 3, 4], [4, 3, 2, 1], seed=seed, size=4)
        clicked = rng.random(4) < np.array([0.5, 0.3, 0.2, 0.1])  # position bias alone
        credits.append(credit(np.array([0, 4]), d.team, clicked)[0])
    result = preference(np.array(credits), seed=1)
    assert result.p > 0.01
    assert abs(result.value) < 0.06


def test_the_better_list_wins_the_interleaving():
    rng = np.random.default_rng(2)
    credits = []
    for seed in range(300):
        d = team_draft([1, 2, 3, 4], [4, 3, 2, 1], seed=seed, size=2)
        credits.append(credit(np.array([0, 2]), d.team, (d.ids >= 3) & (rng.random(2) < 0.5))[0])
    result = preference(np.array(credits), seed=1)
    assert result.low > 0.2
    assert result.p < 0.001


def test_a_draft_refuses_repeats():
    with pytest.raises(BadInput, match="no id twice"):
        team_draft([1, 1], [2], seed=0, size=2)


def test_a_difference_of_means_is_welchs_test():
    rng = np.random.default_rng(3)
    a, b = rng.normal(0, 1, 40), rng.normal(0.3, 2, 25)
    ours = difference(np.concatenate([a, b]), np.repeat([0, 1], [40, 25]))
    theirs = stats.ttest_ind(b, a, equal_var=False)
    bounds = theirs.confidence_interval(0.95)
    assert ours.p == pytest.approx(theirs.pvalue)
    assert (ours.low, ours.high) == pytest.approx((bounds.low, bounds.high))
    assert ours.relative == pytest.approx(ours.value / a.mean())


def sessions(rng, units):
    """Clicks and searches of each shopper: the busy ones click more, so that searches are not independent."""
    searches = rng.geometric(0.2, size=units)
    return rng.binomial(searches, rng.beta(2, 5, size=units)).astype(float), searches.astype(float)


def test_a_a_tests_of_means_and_ratios_are_wrong_about_one_time_in_twenty():
    rng = np.random.default_rng(4)
    wrong = np.zeros(3)
    for run in range(600):
        clicks, searches = sessions(rng, 400)
        arm = two("aa", salt=str(run)).split(np.arange(400))
        wrong[0] += difference(clicks, arm).p < 0.05
        wrong[1] += difference(clicks, arm, per=searches).p < 0.05
        wrong[2] += difference(cuped(clicks, searches, arm), arm).p < 0.05
    assert np.all((wrong / 600 > 0.03) & (wrong / 600 < 0.075)), wrong / 600


def test_a_ratio_interval_holds_the_true_lift_about_95_times_in_100():
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(400):
        (y0, n0), (y1, n1) = sessions(rng, 300), sessions(rng, 300)
        y1 = rng.binomial(y1.astype(int), 0.9).astype(float)  # a tenth fewer clicks: 2/7 becomes 1.8/7
        e = difference(np.concatenate([y0, y1]), np.repeat([0, 1], 300), per=np.concatenate([n0, n1]))
        hits += e.low <= -0.2 / 7 <= e.high
    assert 0.92 <= hits / 400 <= 0.975


def test_the_past_makes_the_interval_narrower_and_moves_no_mean():
    rng = np.random.default_rng(6)
    past = rng.normal(10, 3, 2000)
    arm = rng.integers(0, 2, 2000)
    now = past + rng.normal(0, 1, 2000) + 0.2 * arm
    plain, sharp = difference(now, arm), difference(cuped(now, past, arm), arm)
    assert sharp.high - sharp.low < 0.4 * (plain.high - plain.low)
    assert sharp.low < 0.2 < sharp.high
    assert cuped(now, past, arm).mean() == pytest.approx(now.mean())


def test_units_without_a_past_keep_their_value_and_a_constant_past_changes_nothing():
    y, arm = np.array([1.0, 2.0, 3.0, 9.0]), np.zeros(4, dtype=np.int64)
    assert cuped(y, [1.0, 2.0, 3.0, np.nan], arm)[3] == 9.0
    assert cuped(y, [5.0] * 4, arm).tolist() == y.tolist()
    assert cuped(y, [np.nan] * 4, arm).tolist() == y.tolist()


def test_requests_of_one_shopper_are_summed_before_they_are_compared():
    shopper = np.array(["b", "a", "b"])
    names, (clicks, searches) = by_unit(shopper, [1.0, 0.0, 2.0], np.ones(3))
    assert (names.tolist(), clicks.tolist(), searches.tolist()) == (["a", "b"], [0.0, 3.0], [1.0, 2.0])


def city(rng, days=14, block_s=3600.0, per_block=20):
    """Orders whose cost moves with the hour and with slow weather: orders of a block are alike."""
    hours = np.arange(days * 24)
    weather = np.convolve(rng.normal(size=len(hours) + 5), np.ones(6), "valid")
    level = 3 * np.sin(hours * 2 * np.pi / 24) + weather
    t = np.repeat(hours * block_s, per_block) + rng.random(len(hours) * per_block) * block_s
    return t, np.repeat(level, per_block) + rng.normal(size=len(t)), np.zeros(len(t), dtype=np.int64)


def test_switchback_by_blocks_keeps_its_error_rate_where_orders_alone_do_not():
    rng = np.random.default_rng(7)
    by_block, by_order = 0, 0
    for run in range(300):
        t, cost, region = city(rng)
        arm = switchback(t, region, block_s=3600.0, salt=str(run))
        by_block += switchback_effect(cost, t, region, arm, block_s=3600.0).p < 0.05
        by_order += difference(cost, arm).p < 0.05
    assert 0.02 <= by_block / 300 <= 0.085
    assert by_order / 300 > 0.4


def test_washout_leaves_out_the_start_of_each_block():
    t = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5])
    cost = np.array([99.0, 1.0, 99.0, 2.0, 99.0, 1.0, 99.0, 2.0])
    e = switchback_effect(cost, t, np.zeros(8, dtype=int), np.array([0, 0, 1, 1, 0, 0, 1, 1]), block_s=1.0, washout_s=0.25)
    assert (e.value, e.units) == (1.0, (2, 2))


def test_a_switchback_of_mixed_blocks_is_refused():
    with pytest.raises(BadInput, match="both arms"):
        switchback_effect([1.0, 2.0], np.array([0.0, 0.1]), np.zeros(2, dtype=int), np.array([0, 1]), block_s=1.0)
    with pytest.raises(BadInput, match="washout"):
        switchback_effect([1.0], np.zeros(1), np.zeros(1, dtype=int), np.zeros(1, dtype=int), block_s=1.0, washout_s=1.0)


def test_looking_every_day_fools_the_fixed_bounds_but_not_the_any_time_ones():
    rng = np.random.default_rng(8)
    fixed, any_time = 0, 0
    for _ in range(150):
        y, arm = rng.normal(size=4000), rng.integers(0, 2, 4000)
        looks = [difference(y[:n], arm[:n]) for n in range(200, 4001, 100)]
        fixed += any(e.p < 0.05 for e in looks)
        any_time += any(not e.low <= 0 <= e.high for e in (always_valid(e, planned=2000) for e in looks))
    assert fixed / 150 > 0.15
    assert any_time / 150 <= 0.05


def test_sample_ratio_checks_every_arm_and_refuses_nothing_to_check():
    r = sample_ratio(np.repeat([0, 1, 2], [1000, 1000, 2000]), (0.25, 0.25, 0.5))
    assert (r.sound, r.p, r.counts) == (True, 1.0, (1000, 1000, 2000))
    assert not sample_ratio(np.repeat([0, 1], [1000, 1200]), (0.5, 0.5)).sound
    assert sample_ratio(np.repeat([OUTSIDE, 0, 1], [9999, 10, 10]), (0.5, 0.5)).sound
    with pytest.raises(BadInput, match="0 units"):
        sample_ratio(np.array([OUTSIDE]), (0.5, 0.5))


def test_differences_that_cannot_be_measured_are_refused():
    with pytest.raises(BadInput, match="arm 1 has 1 units"):
        difference([1.0, 2.0, 3.0], np.array([0, 0, 1]))
    with pytest.raises(BadInput, match="not finite"):
        difference([1.0, np.nan, 3.0, 4.0], np.array([0, 0, 1, 1]))
    with pytest.raises(BadInput, match="summing to 0"):
        difference([1.0, 1.0, 1.0, 1.0], np.array([0, 0, 1, 1]), per=[0.0, 0.0, 1.0, 1.0])
    with pytest.raises(BadInput, match="level"):
        difference([1.0, 2.0, 3.0, 4.0], np.array([0, 0, 1, 1]), level=95)


def test_arms_without_any_spread_differ_for_sure_or_not_at_all():
    same, other = (difference([1.0, 1.0, x, x], np.array([0, 0, 1, 1])) for x in (1.0, 2.0))
    assert (same.p, other.p, other.low, other.high) == (1.0, 0.0, 1.0, 1.0)
