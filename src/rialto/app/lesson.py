"""The loop of `find` on the made-up shop: simulated shoppers search and click, the ranker learns from their log behind its gate."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from rialto.app.engines import Engines
from rialto.app.learning import fitter, scorer
from rialto.app.shop import Shop, open_shop
from rialto.errors import BadInput
from rialto.find.clicks import from_clicks, ranker
from rialto.find.pipeline import RANKER, Search
from rialto.records import hash64
from rialto.spine.evaluate import Judgments, graded, ndcg
from rialto.spine.learn import Gate, Report, improve
from rialto.spine.log import DecisionLog, Feedback
from rialto.spine.pipeline import Outcome
from rialto.worlds.shop import Shop as World
from rialto.worlds.shoppers import Sessions, Shoppers, Visits

__all__ = ["Lesson", "learn_from_shoppers", "taught_shop"]

VISITS = 8000
PLACES = 16
"""Products of a list that simulated shoppers see."""
_BATCH = 250
_SERVED = {"find.decide.swap": 0.5, "find.decide.size": PLACES, "find.rank.fusion_keep": 60, "find.retrieve.lexical": 200,
           "find.retrieve.vector": 60}  # fmt: skip
"""How lists are made for shoppers: one pair exchanged in half of them, to tell place from taste; fewer candidates are logged."""

Advance = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Lesson:
    """What shoppers taught: visits and clicks, the gate's verdict (in click value a search), and nDCG@10 by the world's truth, which no training saw.

    The truth is measured on `truth_queries` queries that no visit of the training asked.
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


def learn_from_shoppers(
    engines: Engines, shop: Shop, *, visits: int = VISITS, seed: int = 0, advance: Advance = lambda done, total: None
) -> Lesson:
    """Let shoppers in, log, train, gate; measure by the truth before and after, on queries that were not asked.

    Args:
        engines: Where models live.
        shop: Opened with its made-up world.
        visits: How many searches.
        seed: Of shoppers, split and training.
        advance: Told visits done of all.

    Raises:
        BadInput: the shop has no made-up world.
        EngineMissing: CatBoost is not installed.
    """
    world, search = shop.world, shop.search
    if world is None:
        raise BadInput("this shop is not made up, so nobody knows its truth; open the made-up one.")
    held = np.array([hash64(t) % 4 == 0 for t in world.queries.text])  # one query in four is never asked
    before = _truth(search, world, held)
    with TemporaryDirectory(prefix="rialto-clicks-") as folder:
        from rialto.local.events import LocalEvents

        events = LocalEvents(Path(folder) / "events", sync=False)
        log = DecisionLog(events)
        clicks = _browse(search, world, held, log, visits=visits, seed=seed, advance=advance)
        examples = from_clicks(log, clip=4.0).examples
        events.close()
    models = engines.models()
    learner = ranker(fitter("YetiRank", trees=80, depth=4, learning_rate=0.05), scorer(models), Gate(least=50))
    report: Report = improve(examples, models, learner, seed=seed)
    search.refresh()
    after = _truth(search, world, held)
    v = report.verdict
    used = np.isfinite(before) & np.isfinite(after)
    return Lesson(
        visits, clicks, v.passed, v.reason, v.difference, v.low, v.high,
        float(before[used].mean()), float(after[used].mean()), int(used.sum()),
    )  # fmt: skip


def taught_shop(engines: Engines, *, advance: Advance = lambda done, total: None) -> tuple[Shop, Lesson]:
    """The made-up shop and what its shoppers taught it; taught once, then kept under the home folder beside the model."""
    file = engines.settings.home / "lesson.json"
    known = file.is_file() and engines.models().live(RANKER) is not None
    shop = open_shop(engines, world=not known)
    if known:
        return shop, Lesson(**json.loads(file.read_text()))
    lesson = learn_from_shoppers(engines, shop, seed=engines.settings.seed, advance=advance)
    file.write_text(json.dumps({name: getattr(lesson, name) for name in Lesson.__slots__}))
    return shop, lesson


def _browse(
    search: Search, world: World, held: NDArray[np.bool_], log: DecisionLog, *, visits: int, seed: int, advance: Advance
) -> int:
    shoppers = Shoppers(world, seed=seed)
    came = _asking(shoppers, held, visits, seed)
    row_of = {p["id"]: row for row, p in enumerate(world.products)}
    rows = np.array([row_of.get(i, -1) for i in search.catalogue.ids.tolist()])
    clicks = 0
    for start in range(0, visits, _BATCH):
        part = slice(start, min(start + _BATCH, visits))
        ids = np.arange(part.start, part.stop, dtype=np.uint64)
        texts = [str(world.queries.text[q]) for q in came.query[part]]
        outcome = search.search(texts, ids=ids, time_s=float(came.time_s[start]), params=_SERVED, seed=seed)
        shown = np.full((len(texts), PLACES), -1, dtype=np.int64)
        for b in range(len(texts)):
            chosen = search.catalogue.rows(outcome.decisions.of(b))
            shown[b, : len(chosen)] = rows[chosen]
        sessions = shoppers.browse(came.query[part], shown, seed=seed + start, shopper=came.shopper[part])
        log.write([outcome])
        clicks += _tell(log, outcome, sessions)
        advance(part.stop, visits)
    return clicks


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


def _truth(search: Search, world: World, held: NDArray[np.bool_]) -> NDArray[np.float64]:
    """nDCG@10 of each held-out query by the world's grades, shape (queries,); NaN where nothing is relevant."""
    numbers = np.flatnonzero(held)
    row_of = search.catalogue.row_of_id
    known = np.array([search.catalogue.numbers[row_of[p["id"]]] for p in world.products])
    query, product = np.nonzero(world.grades[numbers] > 0)
    judged = Judgments.of(
        query=query, ids=known[product], grades=world.grades[numbers][query, product].astype(np.float64), queries=len(numbers)
    )
    decisions = search.search([str(world.queries.text[q]) for q in numbers]).decisions
    return ndcg(graded(decisions.offsets, decisions.ids, judged), k=10, kind="trec")
