"""A made-up campaign with known truth: arms from slots, visitors in contexts, and the true chance of a reward for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.records import Columns, uniforms
from rialto.worlds.shop_data import read

__all__ = ["Campaign", "make_campaign"]

_SLOTS = {"headline": 3, "image": 2, "layout": 2, "colour": 2, "call_to_action": 2}
_CONTENT = 6  # numbers that describe a value's content
_TASTE = 7_001  # what shoppers like in content is the same in every campaign, so that one learns from another

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign and its truth.

    Args:
        seed: What it was made from.
        slots: Slot -> names of its values.
        arms: Value number of each slot, shape (arms, slots), all combinations, the last slot fastest.
        content: Slot -> what describes each value, shape (values, 6): a picture's or a text's features, known before launch.
        segments, devices: Names.
        contexts: Columns (contexts,): segment int64, device int64.
        context_shares: How often each context comes, shape (contexts,), sums to 1.
        probability: Chance of a reward, shape (contexts, arms): the truth.
    """

    seed: int
    slots: Mapping[str, tuple[str, ...]]
    arms: Ids
    content: Mapping[str, Floats]
    segments: tuple[str, ...]
    devices: tuple[str, ...]
    contexts: Columns
    context_shares: Floats
    probability: Floats

    def best(self, context: Ids) -> Ids:
        """The best arm in each context, shape (rows,); the first of equals."""
        return self.probability.argmax(axis=1)[context]

    def regret(self, context: Ids, arm: Ids) -> Floats:
        """Expected reward lost by showing `arm` in `context`, shape (rows,), 0 for the best."""
        return self.probability.max(axis=1)[context] - self.probability[context, arm]

    def uplift(self) -> float:
        """The best single arm's expected reward over the median arm's, over all contexts, less 1.

        Hill et al. (2017), "An efficient bandit algorithm for realtime multivariate optimization", KDD, report +21 % over the median.
        """
        mean = self.context_shares @ self.probability
        return float(mean.max() / np.median(mean) - 1.0)

    def visitors(self, count: int, *, seed: int = 0, start_s: float = 0.0, per_hour: float = 900.0) -> Columns:
        """Visitors one after another, by a Poisson process.

        Returns:
            Columns (count,): id uint64, time_s (rising), context int64, segment int64, device int64.

        Raises:
            BadInput: `count` or `seed` is negative or `per_hour` not above 0.
        """
        if count < 0 or per_hour <= 0.0 or seed < 0:
            raise BadInput(f"count is {count}, per_hour {per_hour}, seed {seed}; wanted at least 0, above 0, at least 0.")
        rng = np.random.default_rng((self.seed, 20, seed))
        context = rng.choice(len(self.context_shares), size=count, p=self.context_shares)
        time_s = start_s + np.cumsum(rng.exponential(3600.0 / per_hour, count))
        ids = (np.uint64(seed) << np.uint64(40)) + np.arange(count, dtype=np.uint64)
        own = {name: column[context] for name, column in self.contexts.items()}
        return {"id": ids, "time_s": time_s, "context": context, **own}

    def rewards(self, visitor_id: NDArray[np.uint64], context: Ids, arm: Ids, *, time_s: Floats, seed: int = 0) -> Columns:
        """What came of showing `arm` to each visitor, and when that is known.

        A visitor's luck depends on seed and id alone: whoever takes a worse arm's bait takes a better one's too, so policies are compared
        on equal visitors. No reward is known as such only after six hours.

        Returns:
            Columns (rows,): reward float64 (0 or 1), seen_s float64.
        """
        reward_rule = read("campaign.toml")["reward"]
        u = uniforms(seed, visitor_id, f"reward {self.seed}", 3)
        hit = u[:, 0] < self.probability[context, arm]
        normal = np.sqrt(-2.0 * np.log1p(-u[:, 1])) * np.cos(2.0 * np.pi * u[:, 2])
        delay = reward_rule["delay_median_s"] * np.exp(reward_rule["delay_spread"] * normal)
        window = float(reward_rule["window_s"])
        return {"reward": hit.astype(np.float64), "seen_s": time_s + np.where(hit, np.minimum(delay, window), window)}


def make_campaign(
    *,
    seed: int = 0,
    slots: Mapping[str, int] | None = None,
    interactions: float = 1.0,
    context_effect: float = 1.0,
    base_rate: float = 0.03,
) -> Campaign:
    """Make a campaign from a seed.

    Args:
        seed: Non-negative; the same arguments give the same campaign, bit for bit.
        slots: Slot -> number of values; by default five slots that make 48 arms, as many as in Hill et al. (2017).
        interactions: Size of what pairs of slots do together; 0 = the slots add up.
        context_effect: Size of what a context prefers; 0 = one arm is best for all.
        base_rate: Chance of a reward for an average arm.

    Returns:
        The campaign.

    Raises:
        BadInput: no slot, a slot without values, more than 100,000 arms, or a rate not between 0 and 1.

    Example:
        >>> campaign = make_campaign(seed=3)
        >>> campaign.arms.shape, campaign.probability.shape
        ((48, 5), (6, 48))
        >>> float(campaign.regret(np.arange(6), campaign.best(np.arange(6))).max())
        0.0
    """
    sizes = dict(_SLOTS if slots is None else slots)
    _check(sizes, base_rate, seed, interactions, context_effect)
    raw = read("campaign.toml")
    rng = np.random.default_rng((seed, 21))
    arms = np.stack(np.meshgrid(*(np.arange(n) for n in sizes.values()), indexing="ij"), axis=-1).reshape(-1, len(sizes))
    content = {slot: rng.normal(0.0, 1.0, (n, _CONTENT)) for slot, n in sizes.items()}
    shares = np.outer(raw["segment_shares"], raw["device_shares"]).ravel()
    segment, device = (part.ravel() for part in np.meshgrid(np.arange(3), np.arange(2), indexing="ij"))
    contexts = {"segment": segment, "device": device}
    logit = _average_logits(raw["effects"], rng, arms, content, interactions)
    odds = logit[np.newaxis, :] + context_effect * _leanings(raw["effects"], rng, arms, list(sizes.values()), contexts)
    centre = np.log(base_rate / (1.0 - base_rate))
    names = {slot: _names(raw["slots"].get(slot, []), slot, n) for slot, n in sizes.items()}
    return Campaign(
        seed, names, arms, content, tuple(raw["segments"]), tuple(raw["devices"]), contexts, shares / shares.sum(),
        1.0 / (1.0 + np.exp(-(centre + odds))),
    )  # fmt: skip


def _check(sizes: Mapping[str, int], base_rate: float, seed: int, interactions: float, context_effect: float) -> None:
    if not sizes or min(sizes.values()) < 1:
        raise BadInput(f"slots is {dict(sizes)}; wanted at least one slot, each with 1 value or more.")
    if np.prod([float(n) for n in sizes.values()]) > 100_000:
        raise BadInput(f"slots {dict(sizes)} make more than 100,000 arms; wanted fewer. Take slots or values away.")
    if not 0.0 < base_rate < 1.0:
        raise BadInput(f"base_rate is {base_rate}; wanted a chance above 0 and below 1.")
    if seed < 0 or interactions < 0.0 or context_effect < 0.0:
        raise BadInput(f"seed {seed}, interactions {interactions}, context_effect {context_effect}; wanted none below 0.")


def _names(told: list[str], slot: str, count: int) -> tuple[str, ...]:
    return tuple(told[i] if i < len(told) else f"{slot.replace('_', ' ')} {i + 1}" for i in range(count))


def _average_logits(
    effects: Mapping[str, Any], rng: np.random.Generator, arms: Ids, content: Mapping[str, Floats], interactions: float
) -> Floats:
    """What each arm adds to the log-odds for everybody, shape (arms,): main effects and pairs, each of mean 0."""
    taste = np.random.default_rng(_TASTE)
    share = effects["content_share"]
    total = np.zeros(len(arms))
    for place, described in enumerate(content.values()):
        liked = described @ taste.normal(0.0, 1.0, _CONTENT) / np.sqrt(_CONTENT)
        own = np.sqrt(share) * liked + np.sqrt(1.0 - share) * rng.normal(0.0, 1.0, len(described))
        total += effects["main"] * (own - own.mean())[arms[:, place]]
    for a, b in combinations(range(arms.shape[1]), 2):
        pair = rng.normal(0.0, 1.0, (arms[:, a].max() + 1, arms[:, b].max() + 1))
        pair = pair - pair.mean(axis=0) - pair.mean(axis=1, keepdims=True) + pair.mean()
        total += interactions * effects["pair"] * pair[arms[:, a], arms[:, b]]
    return total


def _leanings(effects: Mapping[str, Any], rng: np.random.Generator, arms: Ids, sizes: list[int], contexts: Columns) -> Floats:
    """What each context adds for each arm, shape (contexts, arms): its own level, and its liking of single values."""
    total = np.zeros((len(contexts["segment"]), len(arms)))
    for name in ("segment", "device"):
        level = np.asarray(effects[name], dtype=np.float64)
        total += level[contexts[name]][:, np.newaxis]
        for place, size in enumerate(sizes):
            liking = rng.normal(0.0, effects["context"], (len(level), size))
            total += (liking - liking.mean(axis=1, keepdims=True))[contexts[name]][:, arms[:, place]]
    return total
