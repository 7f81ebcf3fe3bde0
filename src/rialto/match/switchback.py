"""Champion against challenger in the same market: each region is under one policy for a block of time, then it is drawn again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.match.jobs import JobLog, Logs
from rialto.match.simulate import Policy
from rialto.spine.experiment import Effect, SampleRatio, sample_ratio, switchback, switchback_effect
from rialto.spine.learn import Verdict
from rialto.spine.log import DecisionLog

__all__ = ["MEASURES", "Asked", "Plan", "Trial", "arms_logged", "asked_logged", "judge", "trial"]

Floats = NDArray[np.float64]

MEASURES = ("response_s", "matched", "door_s")
"""Of each order: seconds to its acceptance (its whole wait where it was given up), whether it was accepted, seconds to its door."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Orders that came to an end, a row each.

    Args:
        placed_s: When, shape (orders,), seconds UTC.
        response_s: Seconds until it was accepted, or given up, shape (orders,).
        matched: Whether it was accepted and not cancelled after that, shape (orders,).
        door_s: Seconds until it was delivered, shape (orders,); NaN = not yet, or never.
    """

    placed_s: Floats
    response_s: Floats
    matched: NDArray[np.bool_]
    door_s: Floats

    def __len__(self) -> int:
        return len(self.placed_s)


def asked_logged(log: Logs) -> Asked:
    """What became of the orders in a log of offers, or in those of shards; those that wait at its end are left out."""
    source = JobLog(log)
    jobs = source.more()
    gone, going = (np.array(rows, dtype=np.float64).reshape(-1, 3) for rows in (source.gone, source.under_way()))
    placed_s = np.concatenate([jobs.placed_s, gone[:, 1], going[:, 1]])
    ended_s = np.concatenate([jobs.accepted_s, gone[:, 2], going[:, 2]])
    matched = np.repeat([True, False, True], [len(jobs), len(gone), len(going)])
    door_s = np.concatenate([jobs.delivered_s - jobs.placed_s, np.full(len(gone) + len(going), np.nan)])
    return Asked(placed_s, ended_s - placed_s, matched, door_s)


@dataclass(frozen=True, slots=True)
class Plan:
    """A switchback of two policies.

    Args:
        name: Salt of the draw: the same name draws the same arms again, live and in the analysis.
        champion, challenger: The policies; arm 0 and arm 1.
        block_s: Length of a block, s: several times the longest delay between a decision and what it leads to.
        washout_s: Start of each block that is left out: drivers are still where the block before had sent them.
        tail_s: End of each block that is left out: its orders may be decided in the next one.

    Raises:
        BadInput: two policies of one name, or washout and tail that leave nothing of a block.
    """

    name: str
    champion: Policy
    challenger: Policy
    block_s: float = 3600.0
    washout_s: float = 900.0
    tail_s: float = 300.0

    def __post_init__(self) -> None:
        if self.champion.name == self.challenger.name:
            raise BadInput(f"both policies are named {self.champion.name!r}; wanted two names.")
        if not (self.washout_s >= 0.0 and self.tail_s >= 0.0 and self.washout_s + self.tail_s < self.block_s < np.inf):
            raise BadInput(
                f"block_s is {self.block_s}, washout_s {self.washout_s}, tail_s {self.tail_s}; wanted both ends to leave some of a block."
            )

    def arms(self, at_s: Floats, region: NDArray[np.int64]) -> NDArray[np.int64]:
        """Arm at each moment and region, shape as given: 0 = champion, 1 = challenger."""
        return switchback(at_s, region, block_s=self.block_s, salt=self.name)

    def policy(self, region: int) -> Callable[[float], Policy]:
        """Who decides in a region at a moment: what `simulate` takes as `switch`, or a service asks before each window."""
        where = np.array([region], dtype=np.int64)
        return lambda at_s: (self.champion, self.challenger)[int(self.arms(np.array([at_s]), where)[0])]


@dataclass(frozen=True, slots=True)
class Trial:
    """What a switchback says.

    Args:
        effects: Measure -> challenger against champion, with blocks as the units of chance.
        blocks: Whether as many blocks fell to each as should have.
        orders: Orders that were counted.
        left_out: Orders at the blocks' ends, which were not.
        verdict: Whether the challenger may take over.
    """

    effects: Mapping[str, Effect]
    blocks: SampleRatio
    orders: int
    left_out: int
    verdict: Verdict


def arms_logged(plan: Plan, decisions: Sequence[DecisionLog], *, region: int) -> frozenset[int]:
    """Blocks of a region, by number since 1970, all of whose logged windows were decided under the plan.

    Raises:
        BadInput: None was, or a window was decided under the other arm than the plan draws: it is another plan.

    Cost:
        Every window is decoded.
    """
    armed, plain = set[int](), set[int]()
    for log in decisions:
        for record in log.read(pipeline="match"):
            if not len(record.requests):
                continue
            at_s = record.requests.time_s[:1]
            block, arm = int(np.floor(at_s[0] / plan.block_s)), record.requests.columns.get("arm")
            if arm is None:
                plain.add(block)
                continue
            drawn = int(plan.arms(at_s, np.array([region]))[0])
            if int(arm[0]) != drawn:
                raise BadInput(
                    f"the window at {at_s[0]} s was decided under arm {int(arm[0])}; the plan {plan.name!r} draws {drawn}. Give the plan "
                    "that it ran under: the same name and block_s."
                )
            armed.add(block)
    if not armed - plain:
        raise BadInput(f"no whole block of {plan.block_s} s was decided under a plan; set `fleet.experiment` and let it run.")
    return frozenset(armed - plain)


def trial(plan: Plan, logs: Mapping[int, Logs], *, level: float = 0.95, ran: Mapping[int, Set[int]] | None = None) -> Trial:
    """Compare the two arms of a switchback by what the regions' logs of offers hold.

    Args:
        plan: As it was run.
        logs: Region -> its log of offers, or those of its shards.
        level: Confidence.
        ran: Region -> blocks that were under the plan, from `arms_logged`; None = all were.

    Raises:
        BadInput: too few blocks in an arm.

    Source:
        Bojinov, Simchi-Levi, Zhao (2023), "Design and analysis of switchback experiments", Management Science 69(7). The draw is the
        only chance that is counted on: blocks that resemble their neighbours make no interval too narrow, as orders would.
    """
    parts = [(region, asked_logged(log)) for region, log in sorted(logs.items())]
    region = np.repeat([r for r, _ in parts], [len(a) for _, a in parts]).astype(np.int64)
    columns = {name: np.concatenate([getattr(a, name) for _, a in parts]).astype(np.float64) for name in ("placed_s", *MEASURES)}
    placed_s = columns["placed_s"]
    arm = plan.arms(placed_s, region)
    kept = _kept(plan, placed_s)
    number = np.floor(placed_s / plan.block_s).astype(np.int64)
    if ran is not None:
        kept &= np.array([n in ran.get(r, ()) for n, r in zip(number.tolist(), region.tolist())], dtype=np.bool_)
    effects: dict[str, Effect] = {}
    for name in MEASURES:
        used = kept & np.isfinite(columns[name])
        effects[name] = switchback_effect(
            columns[name][used], placed_s[used], region[used], arm[used],
            block_s=plan.block_s, washout_s=plan.washout_s, level=level,
        )  # fmt: skip
    block = np.stack([region, number], axis=1)[kept]
    first = np.unique(block, axis=0, return_index=True)[1]
    fell = sample_ratio(arm[kept][first], (0.5, 0.5))
    return Trial(effects, fell, int(kept.sum()), int((~kept).sum()), judge(effects, fell))


def _kept(plan: Plan, placed_s: Floats) -> NDArray[np.bool_]:
    of_block = placed_s - np.floor(placed_s / plan.block_s) * plan.block_s
    return (of_block >= plan.washout_s) & (of_block < plan.block_s - plan.tail_s)


def judge(effects: Mapping[str, Effect], blocks: SampleRatio | None = None) -> Verdict:
    """Let the challenger pass only where orders surely wait less, and are surely not matched less.

    Example:
        >>> from rialto.spine.experiment import difference
        >>> arm = np.repeat([0, 1], 20)
        >>> calm, level = np.tile([90.0, 110.0], 20), np.tile([0.8, 0.9], 20)
        >>> sooner = {"response_s": difference(calm - 30.0 * arm, arm), "matched": difference(level, arm)}
        >>> judge(sooner).passed, judge({**sooner, "response_s": difference(calm, arm)}).passed
        (True, False)
    """
    wait, matched = effects["response_s"], effects["matched"]
    told = f"orders wait {wait.value:+.1f} s [{wait.low:+.1f}, {wait.high:+.1f}]"
    reason = ""
    if blocks is not None and not blocks.sound:
        reason = f"the blocks fell {blocks.counts} where {blocks.expected} were due: something else drew them"
    elif not wait.high < 0.0:
        reason = f"{told}, which is not surely less"
    elif matched.high < 0.0:
        reason = f"{told}, yet surely fewer are matched: {matched.value:+.2%}"
    return Verdict(not reason, reason or told, -wait.value, -wait.high, -wait.low)
