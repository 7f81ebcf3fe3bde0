"""Outcomes joined to decisions, position bias undone, models trained, judged behind a gate and promoted."""

from rialto.spine.learn.examples import Examples, JoinReport, join
from rialto.spine.learn.position import Examination, examination, weigh
from rialto.spine.learn.promote import Fit, Gate, Learner, Measure, Report, Score, Verdict, improve, weighted_dcg, weighted_ndcg

__all__ = [
    "Examination",
    "Examples",
    "Fit",
    "Gate",
    "JoinReport",
    "Learner",
    "Measure",
    "Report",
    "Score",
    "Verdict",
    "examination",
    "improve",
    "join",
    "weigh",
    "weighted_dcg",
    "weighted_ndcg",
]
