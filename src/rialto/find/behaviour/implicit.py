"""Judgments from what shoppers did: grades of query and product where there is evidence enough, for training and evaluation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

from rialto.errors import BadInput
from rialto.find.behaviour.counts import CARTS, CLICKS, LOOKS, PURCHASES
from rialto.find.behaviour.store import Behaviour
from rialto.find.catalogue import Catalogue
from rialto.find.judgments import Judged
from rialto.spine.evaluate import Judgments

__all__ = ["implicit", "judgment_rows"]

_CUTS = (0.5, 1.0, 2.0)  # lift from which on a product is of grade 1, 2, 3
_BOUGHT, _CART = 2, 1  # least grade of what was bought, or put in the cart


def implicit(behaviour: Behaviour, *, least: float = 3.0, level: float = 0.6, fewest: int = 4) -> Judged:
    """Judge products by what shoppers did: grade 0 to 3 by clicks a look over the usual, carts and purchases lifting the least grade.

    A pair is judged where it was looked at `least` times, and where its rate is known so well that both ends of its interval at `level`
    are at most one grade apart. Clicks are free of the place that they were made at, so that these grades do not repeat the
    order that was served; but what was never shown is not judged at all. Measure on judged products alone (`condensed`), and
    compare such figures with one another, not with human judgments'.

    Args:
        behaviour: What shoppers did, as of a moment.
        least: Looks at a product for a query, below which it is not judged.
        level: Of the interval, between 0 and 1; higher judges fewer pairs more surely.
        fewest: Judged products that a query must have.

    Raises:
        BadInput: `level` is not between 0 and 1.

    Cost:
        One pass over the pairs.

    Source:
        Joachims (2002), "Optimizing search engines using clickthrough data", KDD, for clicks as judgments; the interval is the gamma
        law of a Poisson rate under `Prior`.
    """
    if not 0.0 < level < 1.0:
        raise BadInput(f"level is {level}; wanted between 0 and 1.")
    pair, owner = behaviour.pair, np.repeat(np.arange(len(behaviour.keys)), np.diff(behaviour.offsets))
    low, high = (_graded(_bound(behaviour, (1.0 + sign * level) / 2.0)) for sign in (-1, 1))
    grade = _graded(behaviour.lift)
    grade = np.maximum(grade, np.where(pair[:, PURCHASES] > 0.25, _BOUGHT, np.where(pair[:, CARTS] > 0.25, _CART, 0)))
    sure = (pair[:, LOOKS] >= least) & (high - low <= 1) & (behaviour.usual.mean > 0.0)
    enough = np.bincount(owner[sure], minlength=len(behaviour.keys)) >= fewest
    rows = np.flatnonzero(sure & enough[owner])
    used, query = np.unique(owner[rows], return_inverse=True)
    texts = tuple(behaviour.texts[q] for q in used.tolist())
    judgments = Judgments.of(
        query=query, ids=behaviour.pair_product[rows], grades=grade[rows].astype(np.float64), queries=len(texts)
    )
    return Judged(texts, judgments)


def judgment_rows(judged: Judged, catalogue: Catalogue) -> Iterator[tuple[str, str, int]]:
    """Query, product id and grade, a row each, as `rialto find evaluate --judgments` reads them; products that are gone are left out."""
    j = judged.judgments
    at = catalogue.rows(j.ids)
    for q, text in enumerate(judged.texts):
        for row in range(int(j.offsets[q]), int(j.offsets[q + 1])):
            if at[row] >= 0:
                yield text, str(catalogue.ids[at[row]]), int(j.grades[row])


def _graded(lift: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.searchsorted(_CUTS, lift, side="right")


def _bound(b: Behaviour, share: float) -> NDArray[np.float64]:
    """The lift below which each pair's own is with this chance."""
    usual = b.usual
    shape = b.pair[:, CLICKS] + usual.mean * usual.strength
    rate = gammaincinv(np.maximum(shape, 1e-9), share) / (b.pair[:, LOOKS] + usual.strength)
    return np.asarray(rate / max(usual.mean, 1e-12), dtype=np.float64)
