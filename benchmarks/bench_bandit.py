"""Regret of the show system's bandit on a made-up campaign of 48 arms, beside uniform and epsilon-greedy choice on equal visitors."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from rialto.cli.bench import Metric
from rialto.records import Candidates, Requests, uniforms
from rialto.show.decide import FLOOR, decider, phase
from rialto.show.features import BASE_RATE, CONTEXT, LEVEL, MAIN, OWN, PAIR, Belief, beliefs, posterior
from rialto.spine.decide.bandit import probability_best
from rialto.spine.pipeline import Pipeline
from rialto.spine.retrieve import Source
from rialto.worlds.campaign import Campaign, make_campaign

BATCH = 250
SCALES = tuple(float(p.default) for p in (BASE_RATE, LEVEL, MAIN, PAIR, CONTEXT, OWN))
EPSILON = 0.1
Choose = Callable[[Requests, Belief], NDArray[np.int64]]


class Bandit:
    """The pipeline of show over a campaign's arms; retrieval gives every arm, as there is one placement."""

    def __init__(self, arms: int) -> None:
        self.belief: Belief | None = None
        fetch = Source("arms", lambda r, _: Candidates(np.arange(len(r) + 1) * arms, np.tile(np.arange(arms), len(r))))
        self.pipeline = Pipeline("show-bench", [fetch], [], [beliefs(self._now)], [phase()], decider())

    def _now(self) -> Belief:
        if self.belief is None:
            raise AssertionError("choose before belief")
        return self.belief

    def choose(self, requests: Requests, belief: Belief) -> NDArray[np.int64]:
        self.belief = belief
        return self.pipeline.run(requests, seed=1).decisions.ids


class Fast:
    """The same choices as `Bandit`, with the arms' probabilities worked out once a context and not once a visitor.

    The first batch is put through the whole pipeline too, and must come out the same.
    """

    def __init__(self, arms: int) -> None:
        self.whole, self.proven = Bandit(arms), False

    def choose(self, requests: Requests, belief: Belief) -> NDArray[np.int64]:
        mean, sd = posterior(belief, SCALES)
        contexts, arms = mean.shape
        best = probability_best(np.arange(contexts + 1) * arms, mean.ravel(), sd.ravel()).reshape(contexts, arms)
        share = float(FLOOR.default) / arms
        reached = (best * (1.0 - float(FLOOR.default)) + share).cumsum(axis=1)[requests.column("context")]
        draws = uniforms(1, requests.ids, "bandit.arm", 1)
        chosen = np.minimum((draws >= reached).sum(axis=1), arms - 1)
        if not self.proven:
            self.proven = np.array_equal(self.whole.choose(requests, belief), chosen)
            if not self.proven:
                raise AssertionError("the fast policy is not the pipeline's; mend the benchmark")
        return chosen


def uniform(requests: Requests, belief: Belief) -> NDArray[np.int64]:
    return (uniforms(2, requests.ids, "uniform", 1)[:, 0] * len(belief.ids)).astype(np.int64)


def greedy(requests: Requests, belief: Belief) -> NDArray[np.int64]:
    """Epsilon-greedy on each arm's observed mean over all contexts, which learns faster than one by context; unseen arms first."""
    shows, clicks = belief.shows.sum(axis=0), belief.clicks.sum(axis=0)
    rate = np.where(shows > 0, clicks / np.maximum(shows, 1.0), 1.0)
    best = (rate + 1e-9 * uniforms(3, requests.ids, "ties", len(belief.ids))).argmax(axis=1)
    explore = uniforms(4, requests.ids, "epsilon", 1)[:, 0] < EPSILON
    return np.where(explore, uniform(requests, belief), best)


def regret(campaign: Campaign, choose: Choose, visitors: int, seed: int) -> float:
    """Mean expected reward lost a visitor; rewards are learnt when they become known."""
    seen = campaign.visitors(visitors, seed=seed)
    contexts, arms = campaign.probability.shape
    belief = Belief.none(np.arange(arms), campaign.arms, contexts)
    context, time_s = np.asarray(seen["context"], dtype=np.int64), np.asarray(seen["time_s"])
    waiting: list[tuple[NDArray[np.float64], ...]] = []
    lost = 0.0
    for start in range(0, visitors, BATCH):
        part = slice(start, min(start + BATCH, visitors))
        belief, waiting = told(belief, waiting, float(time_s[part][0]))
        requests = Requests(seen["id"][part], time_s[part], {"context": context[part]})
        arm = np.asarray(choose(requests, belief), dtype=np.int64)
        lost += float(campaign.regret(context[part], arm).sum())
        reward = campaign.rewards(seen["id"][part], context[part], arm, time_s=time_s[part], seed=seed)
        waiting.append((reward["seen_s"], context[part], arm, reward["reward"]))
    return lost / visitors


def told(
    belief: Belief, waiting: list[tuple[NDArray[np.float64], ...]], now_s: float
) -> tuple[Belief, list[tuple[NDArray[np.float64], ...]]]:
    """The belief with all that is known by now, and what is still to come."""
    late: list[tuple[NDArray[np.float64], ...]] = []
    for seen_s, context, arm, reward in waiting:
        known = seen_s <= now_s
        belief = belief.with_counts(
            context[known].astype(np.int64), arm[known].astype(np.int64), np.ones(int(known.sum())), reward[known]
        )
        if not known.all():
            late.append((seen_s[~known], context[~known], arm[~known], reward[~known]))
    return belief, late


def decision_ms(runs: int) -> list[float]:
    """Milliseconds for one request with 48 arms, through the whole pipeline."""
    bandit, rng = Bandit(48), np.random.default_rng(0)
    slots = make_campaign(seed=0).arms
    belief = Belief.none(np.arange(48), slots, 6).with_counts(
        rng.integers(0, 6, 5000), rng.integers(0, 48, 5000), np.ones(5000), (rng.random(5000) < 0.03) * 1.0
    )
    times: list[float] = []
    for i in range(runs + 5):
        requests = Requests.of({"context": np.array([i % 6])}, ids=np.array([i]))
        start = perf_counter()
        bandit.choose(requests, belief)
        times.append(1000 * (perf_counter() - start))
    return times[5:]


def run(*, quick: bool = False) -> list[Metric]:
    """Regret a thousand visitors against two simple policies, with and without interactions, and the time of one decision."""
    visitors, seeds = (2_000, 1) if quick else (30_000, 5)
    metrics: list[Metric] = []
    for name, interactions in (("interacting", 1.0), ("additive", 0.0)):
        lost: dict[str, list[float]] = {"bandit": [], "uniform": [], "epsilon-greedy": []}
        for seed in range(seeds):
            campaign = make_campaign(seed=seed, interactions=interactions)
            policies: dict[str, Choose] = {
                "bandit": Fast(len(campaign.arms)).choose,
                "uniform": uniform,
                "epsilon-greedy": greedy,
            }
            for policy, choose in policies.items():
                lost[policy].append(1000 * regret(campaign, choose, visitors, seed))
        mine = median(lost["bandit"])
        wide = (max(lost["bandit"]) - min(lost["bandit"])) / mine
        for peer in ("uniform", "epsilon-greedy"):
            theirs = median(lost[peer])
            metrics.append(
                Metric(f"regret_{name}_vs_{peer}", mine, "clicks lost per 1000 visitors", wide, peer, theirs, theirs / mine)
            )
    times = sorted(decision_ms(50 if quick else 1000))
    half, worst = median(times), times[int(0.99 * len(times))]
    quartiles = (times[int(0.75 * len(times))] - times[int(0.25 * len(times))]) / half
    metrics.append(Metric("decision_48_arms_median", half, "ms", quartiles, "target p99", 2.0, 2.0 / half))
    metrics.append(Metric("decision_48_arms_p99", worst, "ms", quartiles, "target p99", 2.0, 2.0 / worst))
    return metrics
