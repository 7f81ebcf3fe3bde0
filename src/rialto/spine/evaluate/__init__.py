"""Ranking, matching and off-policy measures, always with intervals."""

from rialto.spine.evaluate.intervals import Difference, Interval, bootstrap, holm, paired
from rialto.spine.evaluate.matching import Matching, matching
from rialto.spine.evaluate.offpolicy import Estimate, Tried, direct, doubly_robust, effective, ips, snips
from rialto.spine.evaluate.ranking import (
    Graded,
    Judgments,
    Kind,
    best_dcg,
    graded,
    labelled,
    mrr,
    ndcg,
    ranking,
    recall,
    unjudged,
)

__all__ = [
    "Difference",
    "Estimate",
    "Graded",
    "Interval",
    "Judgments",
    "Kind",
    "Matching",
    "Tried",
    "best_dcg",
    "bootstrap",
    "direct",
    "doubly_robust",
    "effective",
    "graded",
    "holm",
    "ips",
    "labelled",
    "matching",
    "mrr",
    "ndcg",
    "paired",
    "ranking",
    "recall",
    "snips",
    "unjudged",
]
