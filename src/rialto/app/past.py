"""What shoppers asked before, and what they clicked for it: from the decision log, and from `queries.csv` beside the catalogue."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rialto.app.behaved import kept_behaviour
from rialto.app.engines import Engines
from rialto.errors import BadInput, EngineError
from rialto.find.behaviour import Behaviour, key_of
from rialto.find.behaviour.counts import CLICKS, LOOKS
from rialto.find.query_log import read_query_log
from rialto.find.tables import Remarks

__all__ = ["Asked", "Past", "folder_of", "joined", "past_of", "queries_beside"]

Asked = tuple[str, str, float]
"""A query, its kind ("" = not said, `typo` = not to be suggested, `logged`), and how often it was asked."""

_LEAST = 2.9  # searches, the older ones counting less, below which a query may be one person's own words


@dataclass(frozen=True, slots=True)
class Past:
    """Queries asked before, and what was clicked for them.

    Args:
        queries: The most frequent first.
        clicks: Query -> product number -> weight.
    """

    queries: tuple[Asked, ...] = ()
    clicks: Mapping[str, Mapping[int, float]] = field(default_factory=dict)

    @property
    def often(self) -> dict[str, float]:
        """Query -> how often, without those that are known to be mistyped."""
        return {text: often for text, kind, often in self.queries if kind != "typo"}


def past_of(engines: Engines, path: str, ranker: str, *, behaviour: Behaviour | None = None) -> Past:
    """What is known of a shop's past.

    Args:
        engines: Where behaviour is kept.
        path: The catalogue's file, beside which `queries.csv` may stand.
        ranker: Name of the shop's ranker, which its behaviour goes by.
        behaviour: What shoppers did; what was kept where None.
    """
    own = queries_beside(folder_of(path))
    if behaviour is None:
        try:
            behaviour = kept_behaviour(engines.blobs(), ranker)
        except EngineError as e:
            logging.getLogger("rialto").warning("past queries are those beside the catalogue alone: %s", e)
            return joined(own, None)
    return joined(own, behaviour)


def joined(own: tuple[Asked, ...], behaviour: Behaviour | None) -> Past:
    """Queries of a file with those of the log added: the same words count as one query, written as in the file.

    How often a query was asked is told by how often its most looked-at product was looked at: once a search at the first place. Asked of
    the log are those asked about three times within a half-life, so that what one person typed once is not shown to others. Where the
    file's figures are shares, they count together as much as all searches of the log.

    Example:
        >>> joined((("lamp", "", 3.0),), Behaviour.none()).often
        {'lamp': 3.0}
    """
    known = behaviour if behaviour is not None else Behaviour.none()
    searches = _searches(known)
    used = np.flatnonzero(searches >= _LEAST).tolist()
    unit = _unit(own, float(searches[used].sum()) if used else 0.0)
    rows = [(text, kind, often * unit) for text, kind, often in own]
    at = {key_of(text): n for n, (text, kind, _) in reversed(list(enumerate(rows))) if kind != "typo"}
    clicks: dict[str, Mapping[int, float]] = {}
    for query in used:
        n = at.get(known.keys[query], -1)
        text, kind, often = rows[n] if n >= 0 else (known.texts[query], "logged", 0.0)
        made = (text, kind, often + float(searches[query]))
        if n >= 0:
            rows[n] = made
        else:
            rows.append(made)
        if clicked := _clicked(known, query):
            clicks[text] = clicked
    return Past(tuple(sorted(rows, key=lambda r: (-r[2], r[0]))), clicks)


def queries_beside(folder: Path | None) -> tuple[Asked, ...]:
    """Queries asked before, with kind and how often, the most frequent first: `queries.csv` in a folder, or none."""
    file = folder / "queries.csv" if folder else None
    if file is None or not file.is_file():
        return ()
    remarks = Remarks()
    try:
        return read_query_log(str(file), remarks)
    except (BadInput, EngineError) as e:  # a shop opens without it
        remarks.note(str(e))
        return ()
    finally:
        for line in remarks.lines:
            logging.getLogger("rialto").warning("past queries of %s: %s", file, line)


def folder_of(path: str) -> Path | None:
    """The folder on this machine that a file lies in; None where it is elsewhere."""
    folder = Path(path).parent
    return folder if "://" not in path and folder.is_dir() else None


def _searches(b: Behaviour) -> NDArray[np.float64]:
    """How often each query was asked, shape (queries,), older searches counting less."""
    out = np.zeros(len(b.keys))
    owner = np.repeat(np.arange(len(b.keys)), np.diff(b.offsets))
    np.maximum.at(out, owner, b.pair[:, LOOKS])
    return out


def _clicked(b: Behaviour, query: int) -> dict[int, float]:
    rows = slice(int(b.offsets[query]), int(b.offsets[query + 1]))
    clicks = b.pair[rows, CLICKS]
    held = clicks > 0.0
    return dict(zip(b.pair_product[rows][held].tolist(), clicks[held].tolist()))


def _unit(own: tuple[Asked, ...], logged: float) -> float:
    """What one of the file's figures is in searches: 1, unless all of them are shares and there is a log to compare with."""
    total, most = sum(r[2] for r in own), max((r[2] for r in own), default=1.0)
    return logged / total if logged > 0.0 and total > 0.0 and most < 1.0 else 1.0
