"""The loop: logged searches and what shoppers did with them become examples for a ranker that must pass the gate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rialto.errors import BadInput
from rialto.find.pipeline import RANKER
from rialto.find.train import INPUTS
from rialto.spine.learn import (
    Examination,
    Examples,
    Fit,
    Gate,
    JoinReport,
    Learner,
    Score,
    examination,
    join,
    weigh,
    weighted_dcg,
)
from rialto.spine.log import DecisionLog
from rialto.spine.pipeline import Recorded

__all__ = ["LABELS", "Clicks", "from_clicks", "ranker"]

LABELS = {"click": 1.0, "cart": 2.0, "purchase": 3.0}
"""Label of each kind of feedback; the greatest of a product counts."""


@dataclass(frozen=True, slots=True)
class Clicks:
    """What a click log taught.

    Args:
        examples: Served products with what came of them.
        report: Where every outcome went.
        seen: How often each place was looked at.
        texts, intents: What each group of the examples asked for, and how it was understood ("" = not known), shape (groups,).
    """

    examples: Examples
    report: JoinReport
    seen: Examination
    texts: tuple[str, ...] = ()
    intents: tuple[str, ...] = ()


def from_clicks(
    log: DecisionLog,
    *,
    names: Sequence[str] = INPUTS,
    within_s: float = 86_400.0,
    until_s: float = np.inf,
    clip: float = 10.0,
    having: str = "",
) -> Clicks:
    """Make examples of logged searches and what shoppers did with them.

    Outcomes join their decisions; exchanged pairs tell how often each place is looked at; the label of a click is then its value
    over that, so that weights are all 1 and any trainer reads them. Only products that were shown become examples: one that was
    not has no label, and taking it for not wanted teaches against what a poor ranker hid.

    Args:
        log: Decisions of the pipeline `find`, and feedback of the kinds in `LABELS`.
        within_s: Longest time from a search to what follows.
        until_s: Time up to which the log was read.
        clip: Greatest factor that a click is raised by.
        having: Only decisions that pin a version of this name, such as one shop's ranker; "" = all of the log.

    Raises:
        BadInput: the log holds no search, or a search without one of `names`.

    Cost:
        Reads the whole log once; memory for the served rows.
    """
    asked: dict[int, tuple[str, str]] = {}
    served, report = join(
        _noted(log.read(pipeline="find"), having, asked),
        log.feedback(),
        names=names,
        label_of=lambda kind, _: LABELS.get(kind),
        within_s=within_s,
        until_s=until_s,
    )
    if len(served) == 0:
        raise BadInput(f"the log holds {report.decisions} searches and nothing served to learn from; serve some first.")
    seen = examination(served)
    weighed = weigh(served, seen, clip=clip)
    said = [asked[g] for g in served.group[served.offsets[:-1]].view(np.uint64).tolist()]
    examples = replace(weighed, label=weighed.label * weighed.weights, weights=np.ones(len(weighed)))
    return Clicks(examples, report, seen, tuple(t for t, _ in said), tuple(i for _, i in said))


def _noted(logged: Iterable[Recorded], having: str, asked: dict[int, tuple[str, str]]) -> Iterator[Recorded]:
    """The records as they are read, with what each request asked for noted by its id."""
    for record in logged:
        if having and having not in record.versions:
            continue
        r = record.requests
        intents = r.columns.get("intent", np.full(len(r), "", dtype=object))
        asked.update(zip(r.ids.tolist(), zip(r.column("text").tolist(), intents.tolist())))
        yield record


def ranker(fit: Fit, score: Score, gate: Gate, *, name: str = RANKER) -> Learner:
    """The learner of the ranker: trained by `fit`, compared with the live version on the products that shoppers were shown."""
    return Learner(name, "trees", fit, score, gate, measure=weighted_dcg)
