"""Splitting by unit, by switchback and by interleaving, and the analysis of each."""

from rialto.spine.experiment.analysis import (
    Effect,
    SampleRatio,
    always_valid,
    by_unit,
    cuped,
    difference,
    sample_ratio,
    switchback_effect,
)
from rialto.spine.experiment.assignment import OUTSIDE, Experiment, arm_column, expose, switchback
from rialto.spine.experiment.interleaving import Draft, credit, preference, team_draft

__all__ = [
    "OUTSIDE",
    "Draft",
    "Effect",
    "Experiment",
    "SampleRatio",
    "always_valid",
    "arm_column",
    "by_unit",
    "credit",
    "cuped",
    "difference",
    "expose",
    "preference",
    "sample_ratio",
    "switchback",
    "switchback_effect",
    "team_draft",
]
