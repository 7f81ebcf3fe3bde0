"""A logged window as it was decided, so that its reasons can be told long after."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rialto.match import decide
from rialto.ports import Models
from rialto.records import Context, Trace
from rialto.spine.pipeline import Outcome, Recorded

__all__ = ["outcome_of"]


def outcome_of(record: Recorded, models: Models) -> Outcome:
    """The outcome of a logged window, ranked by the probabilities that were logged: no model of the time is needed.

    What was removed before the first phase is not in the log, so that no removals are told. Of a thinned window (`match.log.whole`)
    the chosen and their best rivals are known, and what would have changed the choice is reckoned among those.

    Args:
        record: As `DecisionLog.read` gives it.
        models: Any; none of them is asked.

    Cost:
        One pass over its candidates.
    """
    known = record.known()
    likely = known.column("likely").astype(np.float32)
    if "acceptance" in known.columns:
        trees = known.column("acceptance").astype(np.float32)
        likely = np.where(np.isnan(trees), likely, trees)
    ranked = known.with_columns({"likely": likely})
    asked = record.requests
    score = decide.phases(models, "")[0].score(asked, ranked, Context(seed=record.seed))
    columns = {name: values for name, values in ranked.columns.items() if name != "acceptance"}
    ranked = replace(ranked, columns={**columns, "score": score})
    size = np.zeros(len(asked), dtype=np.int64)
    chosen = record.decisions.counts
    trace = Trace((), known.counts, {}, {}, known.counts - chosen, chosen, size[:0], {})
    return Outcome(record, ranked, trace)
