"""The loop of `find` on the made-up shop: simulated shoppers search and click, the ranker learns from their log behind its gate, and again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.app.engines import Engines
from rialto.app.rounds import learn
from rialto.app.shop import Shop, open_shop
from rialto.errors import BadInput
from rialto.find.behaviour import Behaviour
from rialto.find.pipeline import RANKER, Search
from rialto.ports import Models
from rialto.records import hash64
from rialto.spine.evaluate import Difference, Judgments, graded, ndcg, paired
from rialto.spine.learn import Fit, Gate
from rialto.spine.log import DecisionLog, Feedback
from rialto.spine.pipeline import Outcome
from rialto.worlds.shop import Shop as World
from rialto.worlds.shoppers import Sessions, Shoppers, Visits

__all__ = ["Lesson", "Step", "Street", "learn_from_shoppers", "taught_shop"]

VISITS = 8000
ROUNDS = 2
PLACES = 16
"""Products of a list that simulated shoppers see."""
_BATCH = 250
_REFRESH = 1000  # visits after which behaviour is brought up to date
_HEADS = 150  # most asked queries on which the truth is measured too
_SERVED = {"find.decide.swap": 0.5, "find.decide.size": PLACES, "find.rank.fusion_keep": 60, "find.retrieve.lexical": 200,
           "find.retrieve.vector": 60, "find.cross.depth": 0}  # fmt: skip
"""How lists are made for shoppers: one pair exchanged in half of them, to tell place from taste; fewer candidates are logged."""

Advance = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Step:
    """What one round taught, and nDCG@10 by the truth after it: on queries never asked, and on the ones asked most.

    Args:
        visits, clicks: Of this round.
        passed, reason, difference, low, high: The gate's verdict, in click value a search.
        fresh: Mean over queries that no visit asked; `asked`: over those asked most.
        fresh_gain, asked_gain: Against the shop before anybody came: mean, low end, high end.
    """

    visits: int
    clicks: int
    passed: bool
    reason: str
    difference: float
    low: float
    high: float
    fresh: float
    asked: float
    fresh_gain: tuple[float, float, float]
    asked_gain: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Lesson:
    """What shoppers taught: visits and clicks, the gate's verdict (in click value a search), and nDCG@10 by the world's truth, which no training saw.

    The truth is measured on `truth_queries` queries that no visit of the training asked, and on the ones asked most. The verdict is
    that of the last round that passed, or of the last one.
    """

    visits: int
    clicks: int
    passed: bool
    reason: str
    difference: float
    low: float
    high: float
    truth_before: float
    truth_after: float
    truth_queries: int
    asked_before: float = 0.0
    asked_after: float = 0.0
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Street:
    """The shoppers who come to a made-up shop, and what is asked of the truth: `held` queries are never asked, `heads` the most.

    Args:
        world: The shop's truth.
        shoppers: Who comes.
        came: Their searches, in order of time.
        held, heads: Shape (queries,).
        rows: World row of each catalogue row.
        seed: Of what they do.
    """

    world: World
    shoppers: Shoppers
    came: Visits
    held: NDArray[np.bool_]
    heads: NDArray[np.bool_]
    rows: NDArray[np.int64]
    seed: int

    @classmethod
    def of(cls, search: Search, world: World, *, visits: int, seed: int) -> Street:
        """Draw the visits; one query in four is never asked."""
        held = np.array([hash64(t) % 4 == 0 for t in world.queries.text])
        shoppers = Shoppers(world, seed=seed)
        came = _asking(shoppers, held, visits, seed)
        often = np.bincount(came.query, minlength=len(held))
        heads = np.zeros(len(held), dtype=np.bool_)
        heads[np.argsort(-often, kind="stable")[:_HEADS]] = True
        row_of = {p["id"]: row for row, p in enumerate(world.products)}
        rows = np.array([row_of.get(i, -1) for i in search.catalogue.ids.tolist()])
        return cls(world, shoppers, came, held, heads & (often > 0), rows, seed)

    def browse(self, search: Search, log: DecisionLog, first: int, stop: int, advance: Advance) -> tuple[int, int]:
        """Serve the visits `first` to `stop`, log them and what came of them; returns the clicks, and the log's offset that it began at."""
        clicks, began, came = 0, -1, self.came
        for start in range(first, stop, _BATCH):
            part = slice(start, min(start + _BATCH, stop))
            ids = np.arange(part.start, part.stop, dtype=np.uint64)
            texts = [str(self.world.queries.text[q]) for q in came.query[part]]
            outcome = search.search(texts, ids=ids, time_s=float(came.time_s[start]), params=_SERVED, seed=self.seed)
            shown = np.full((len(texts), PLACES), -1, dtype=np.int64)
            for b in range(len(texts)):
                chosen = search.catalogue.rows(outcome.decisions.of(b))
                shown[b, : len(chosen)] = self.rows[chosen]
            sessions = self.shoppers.browse(came.query[part], shown, seed=self.seed + start, shopper=came.shopper[part])
            offset = int(log.write([outcome])[0])
            began = offset if began < 0 else began
            clicks += _tell(log, outcome, sessions)
            advance(part.stop, len(came.query))
        return clicks, max(began, 0)

    def truth(self, search: Search, queries: NDArray[np.bool_]) -> NDArray[np.float64]:
        """nDCG@10 of each of `queries` by the world's grades, in order; NaN where nothing is relevant."""
        numbers, grades = np.flatnonzero(queries), self.world.grades
        row_of = search.catalogue.row_of_id
        known = np.array([search.catalogue.numbers[row_of[p["id"]]] for p in self.world.products])
        query, product = np.nonzero(grades[numbers] > 0)
        judged = Judgments.of(
            query=query, ids=known[product], grades=grades[numbers][query, product].astype(np.float64), queries=len(numbers)
        )
        decisions = search.search([str(self.world.queries.text[q]) for q in numbers]).decisions
        return ndcg(graded(decisions.offsets, decisions.ids, judged), k=10, kind="trec")


def learn_from_shoppers(
    engines: Engines, shop: Shop, *, visits: int = VISITS, rounds: int = ROUNDS, seed: int = 0, behave: bool = True, fit: Fit | None = None,
    advance: Advance = lambda done, total: None,
) -> Lesson:  # fmt: skip
    """Let shoppers in, log, train, gate, and again with what is known of their behaviour; measure by the truth before and after.

    The truth is measured on queries that were never asked and on those asked most.

    Args:
        engines: Where models live.
        shop: Opened with its made-up world; its search serves what was learned from here on.
        visits: How many searches, all rounds together.
        rounds: How often it learns.
        seed: Of shoppers, split and training.
        behave: False learns rankers alone, without behaviour.
        fit: Trainer of the ranker.
        advance: Told visits done of all.

    Raises:
        BadInput: the shop has no made-up world, or `rounds` is not from 1 to the square root of `visits`.
        EngineMissing: CatBoost is not installed.
    """
    world, search = shop.world, shop.search
    if world is None:
        raise BadInput("this shop is not made up, so nobody knows its truth; open the made-up one.")
    if not 1 <= rounds**2 <= visits:
        raise BadInput(f"rounds is {rounds} with {visits} visits; wanted at least 1, and some visits for the first, short one.")
    street = Street.of(search, world, visits=visits, seed=seed)
    start = street.truth(search, street.held), street.truth(search, street.heads)
    steps: list[Step] = []
    with TemporaryDirectory(prefix="rialto-clicks-") as folder:
        from rialto.local.events import LocalEvents

        events = LocalEvents(Path(folder) / "events", sync=False)
        log = DecisionLog(events)
        for n in range(rounds):
            # The first rounds are short: what is logged before behaviour is known teaches nothing of it.
            part = (visits * n * n // rounds**2, visits * (n + 1) ** 2 // rounds**2)
            step = _round(search, street, log, engines.models(), part, start, behave, fit, advance)
            steps.append(step)
        events.close()
    last = next((s for s in reversed(steps) if s.passed), steps[-1])
    means = [float(np.nanmean(v)) for v in start]
    return Lesson(
        visits, sum(s.clicks for s in steps), last.passed, last.reason, last.difference, last.low, last.high,
        means[0], steps[-1].fresh, int(np.isfinite(start[0]).sum()), means[1], steps[-1].asked, tuple(steps),
    )  # fmt: skip


def taught_shop(engines: Engines, *, advance: Advance = lambda done, total: None) -> tuple[Shop, Lesson]:
    """The made-up shop and what its shoppers taught it; taught once, then kept under the home folder beside the model."""
    home = engines.settings.home
    file, behaviour = home / "lesson.json", home / "behaviour.npz"
    known = file.is_file() and behaviour.is_file() and engines.models().live(RANKER) is not None
    shop = open_shop(engines, world=not known)
    if known:
        shop.search.refit(behaviour=Behaviour.load(behaviour.read_bytes()))
        told: dict[str, Any] = json.loads(file.read_text())
        told["steps"] = tuple(Step(**s) for s in told["steps"])
        return shop, Lesson(**told)
    lesson = learn_from_shoppers(engines, shop, seed=engines.settings.seed, advance=advance)
    assert shop.search.fittings.behaviour is not None
    behaviour.write_bytes(shop.search.fittings.behaviour.save())
    file.write_text(json.dumps(asdict(lesson)))
    return shop, lesson


def _round(
    search: Search, street: Street, log: DecisionLog, models: Models, part: tuple[int, int],
    start: tuple[NDArray[np.float64], NDArray[np.float64]], behave: bool, fit: Fit | None, advance: Advance,
) -> Step:  # fmt: skip
    """Serve, log, learn, gate, promote; then serve with what was learned, and measure."""
    since_s = float(street.came.time_s[part[0]])
    before, clicks = search.fittings.behaviour, 0
    for first in range(part[0], part[1], _REFRESH):
        more, offset = street.browse(search, log, first, min(first + _REFRESH, part[1]), advance)
        clicks += more
        if before is not None:  # in service: what shoppers do is known soon after
            search.refit(behaviour=(search.fittings.behaviour or before).with_more(log, start=offset))
    judge = search.fitted(behaviour=before)  # it knows none of the clicks that judge
    made = learn(judge, log, models, since_s=since_s, seed=street.seed, gate=Gate(least=50), fit=fit)
    search.refit(behaviour=(search.fittings.behaviour or Behaviour.of(log)) if behave else None)
    after = street.truth(search, street.held), street.truth(search, street.heads)
    gains = [_gain(paired(a, b, seed=street.seed)) for a, b in zip(start, after)]
    v = made.report.verdict
    means = [float(np.nanmean(a)) for a in after]
    passed = bool(made.report.version)
    return Step(
        part[1] - part[0], clicks, passed, made.reason, v.difference, v.low, v.high, means[0], means[1], gains[0], gains[1]
    )


def _gain(d: Difference) -> tuple[float, float, float]:
    return d.value, d.low, d.high


def _asking(shoppers: Shoppers, held: NDArray[np.bool_], visits: int, seed: int) -> Visits:
    """The first `visits` of those whose query may be asked."""
    came = shoppers.visits(visits * 3, seed=seed)
    rows = np.flatnonzero(~held[came.query])[:visits]
    return Visits(came.query[rows], came.shopper[rows], came.time_s[rows])


def _tell(log: DecisionLog, outcome: Outcome, sessions: Sessions) -> int:
    kinds = (("click", sessions.clicks), ("cart", sessions.carts), ("purchase", sessions.purchases))
    d, told = outcome.decisions, list[Feedback]()
    for kind, happened in kinds:
        for b, place in np.argwhere(happened).tolist():
            when = float(outcome.requests.time_s[b]) + 5.0
            told.append(Feedback(kind, int(d.request_ids[b]), int(d.of(b)[place]), 1.0, when))
    log.write_feedback(told)
    return int(sessions.clicks.sum())
