"""The made-up campaign: its truth can be recovered, and its interactions can be switched off."""

import numpy as np
import pytest

from rialto.errors import BadInput
from rialto.worlds.campaign import Campaign, make_campaign


def additive_rest(campaign: Campaign) -> float:
    """Largest part of the log-odds that no sum over slots explains."""
    logit = np.log(campaign.probability / (1 - campaign.probability))[0]
    columns = [np.ones(len(campaign.arms))]
    for place in range(campaign.arms.shape[1]):
        columns += [(campaign.arms[:, place] == v).astype(float) for v in range(campaign.arms[:, place].max() + 1)]
    design = np.stack(columns, axis=1)
    return float(np.abs(logit - design @ np.linalg.lstsq(design, logit, rcond=None)[0]).max())


def test_same_seed_same_campaign_another_seed_another() -> None:
    one, again, other = make_campaign(seed=1), make_campaign(seed=1), make_campaign(seed=2)
    assert np.array_equal(one.probability, again.probability) and not np.array_equal(one.probability, other.probability)


def test_five_slots_make_48_arms_all_different() -> None:
    campaign = make_campaign()
    assert campaign.arms.shape == (48, 5) and len(np.unique(campaign.arms, axis=0)) == 48
    assert [len(values) for values in campaign.slots.values()] == [3, 2, 2, 2, 2]


def test_without_interactions_the_slots_add_up() -> None:
    assert additive_rest(make_campaign(seed=3, interactions=0.0)) < 1e-9
    assert additive_rest(make_campaign(seed=3)) > 0.05


def test_without_context_one_arm_is_best_for_all() -> None:
    same = make_campaign(seed=4, context_effect=0.0)
    assert np.ptp(same.probability, axis=0).max() < 1e-12
    leaning = [len(np.unique(make_campaign(seed=s).best(np.arange(6)))) for s in range(10)]
    assert np.mean(leaning) > 1.5


def test_uplift_over_the_median_arm_is_of_the_size_that_was_reported() -> None:
    uplifts = [make_campaign(seed=s).uplift() for s in range(30)]
    assert 0.15 < np.median(uplifts) < 0.5


def test_regret_is_zero_for_the_best_and_never_below() -> None:
    campaign = make_campaign(seed=5)
    context, arm = (grid.ravel() for grid in np.meshgrid(np.arange(6), np.arange(48), indexing="ij"))
    regret = campaign.regret(context, arm)
    assert regret.min() == 0.0 and np.all(campaign.regret(np.arange(6), campaign.best(np.arange(6))) == 0.0)


def test_rewards_come_at_the_true_rate_and_late() -> None:
    campaign = make_campaign(seed=6, base_rate=0.2)
    visitors = campaign.visitors(40_000)
    arm = np.full(40_000, 7)
    came = campaign.rewards(visitors["id"], visitors["context"], arm, time_s=visitors["time_s"])
    for context in range(6):
        rows = visitors["context"] == context
        wanted = campaign.probability[context, 7]
        assert came["reward"][rows].mean() == pytest.approx(wanted, abs=4 * np.sqrt(wanted / rows.sum()))
    delay = (came["seen_s"] - visitors["time_s"])[came["reward"] == 1]
    assert 1200 < np.median(delay) < 1800 and delay.min() > 0
    assert np.allclose((came["seen_s"] - visitors["time_s"])[came["reward"] == 0], 21600.0)


def test_visitors_come_in_the_told_shares_in_time_order() -> None:
    campaign = make_campaign()
    visitors = campaign.visitors(30_000, per_hour=600.0)
    assert np.bincount(visitors["context"]) / 30_000 == pytest.approx(campaign.context_shares, abs=0.012)
    assert visitors["time_s"][-1] / 3600.0 == pytest.approx(50.0, rel=0.05) and np.all(np.diff(visitors["time_s"]) >= 0)
    assert np.array_equal(visitors["segment"], campaign.contexts["segment"][visitors["context"]])
    assert len(np.unique(visitors["id"])) == 30_000


def test_a_visitors_luck_is_the_same_for_every_policy() -> None:
    campaign = make_campaign(seed=8, base_rate=0.3)
    visitors = campaign.visitors(5000)
    rows = visitors["id"], visitors["context"]
    best = campaign.rewards(*rows, campaign.best(visitors["context"]), time_s=visitors["time_s"])["reward"]
    worst = campaign.rewards(*rows, campaign.probability.argmin(axis=1)[visitors["context"]], time_s=visitors["time_s"])["reward"]
    assert np.all(best >= worst) and best.sum() > worst.sum()


def test_content_tells_of_effects_in_other_campaigns() -> None:
    """Main effects fitted on forty campaigns' content foretell those of others."""

    def headline(seed: int) -> tuple[np.ndarray, np.ndarray]:
        campaign = make_campaign(seed=seed, interactions=0.0, context_effect=0.0, slots={"headline": 6})
        logit = np.log(campaign.probability / (1 - campaign.probability))[0]
        content = campaign.content["headline"]
        return content - content.mean(axis=0), logit - logit.mean()

    known = [headline(seed) for seed in range(40)]
    weights = np.linalg.lstsq(np.concatenate([k[0] for k in known]), np.concatenate([k[1] for k in known]), rcond=None)[0]
    fresh = [headline(seed) for seed in range(100, 140)]
    told, true = np.concatenate([f[0] @ weights for f in fresh]), np.concatenate([f[1] for f in fresh])
    assert np.corrcoef(told, true)[0, 1] > 0.6


@pytest.mark.parametrize(
    "wrong",
    [
        {"slots": {}},
        {"slots": {"headline": 0}},
        {"slots": {"a": 1000, "b": 1000}},
        {"base_rate": 0.0},
        {"seed": -1},
        {"interactions": -1.0},
    ],
)
def test_impossible_campaigns_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadInput, match="wanted"):
        make_campaign(**wrong)  # type: ignore[arg-type]


def test_a_slot_without_told_names_gets_some() -> None:
    assert make_campaign(slots={"sound": 2}).slots == {"sound": ("sound 1", "sound 2")}
