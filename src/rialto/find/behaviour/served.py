"""Served places as columns: read from the decision log between two times, and joined with what shoppers did there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.spine.learn import Examination, Examples, examination
from rialto.spine.log import Feedback
from rialto.spine.pipeline import Recorded

__all__ = ["DID", "Served", "happened", "power_of", "read", "together"]

DID = {"click": 1, "cart": 3, "purchase": 7}
"""Bits of each kind of outcome: who puts a product in the cart has looked at it, who buys it had it in the cart."""

USUAL_POWER = 0.5
"""How fast looks fall with the place where no log of exchanged pairs tells."""


@dataclass(frozen=True, slots=True)
class Served:
    """Places of lists that were served, a row each; the rows of a request stand together.

    Args:
        request: Request id, shape (rows,), uint64.
        key: Number of the query, shape (rows,), int64; -1 = a page without words.
        product: Shape (rows,), int64.
        place: From 0, shape (rows,), int64; `rank` is the place before any exchange, `propensity` that of the list.
        time_s: When it was served, shape (rows,).
        did: Bits as in `DID` that were counted, shape (rows,), uint8.
    """

    request: NDArray[np.uint64]
    key: NDArray[np.int64]
    product: NDArray[np.int64]
    place: NDArray[np.int64]
    rank: NDArray[np.int64]
    propensity: NDArray[np.float64]
    time_s: NDArray[np.float64]
    did: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.request)

    def columns(self) -> dict[str, NDArray[Any]]:
        """Column by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def take(self, rows: NDArray[Any]) -> Served:
        """The rows at `rows`, a mask or numbers."""
        return Served(**{n: v[rows] for n, v in self.columns().items()})

    @classmethod
    def none(cls) -> Served:
        """No rows."""
        i, f = np.zeros(0, dtype=np.int64), np.zeros(0)
        return cls(i.astype(np.uint64), i, i, i, i, f, f, i.astype(np.uint8))


def together(parts: Iterable[Served]) -> Served:
    """Parts behind one another; a request that an earlier part holds is left out of a later one."""
    held = [Served.none(), *parts]
    whole = Served(**{n: np.concatenate([getattr(p, n) for p in held]) for n in Served.none().columns()})
    part = np.repeat(np.arange(len(held)), [len(p) for p in held])
    _, first, code = np.unique(whole.request, return_index=True, return_inverse=True)
    return whole.take(part == part[first][code]) if len(whole) else whole


def read(logged: Iterable[Recorded], start_s: float, until_s: float, number: Callable[[str], int]) -> Served:
    """The places of lists served from `start_s` up to, not with, `until_s`; `number` gives a query's number by its text."""
    return together(_places(record, start_s, until_s, number) for record in logged)


def _places(record: Recorded, start_s: float, until_s: float, number: Callable[[str], int]) -> Served:
    d, time_s = record.decisions, record.requests.time_s
    inside = (time_s >= start_s) & (time_s < until_s)
    if not inside.any():
        return Served.none()
    keys = np.full(len(time_s), -1, dtype=np.int64)
    texts = record.requests.column("text").tolist()
    for b in np.flatnonzero(inside).tolist():
        keys[b] = number(str(texts[b]))
    owner = np.repeat(np.arange(len(d)), d.counts)
    start, order = d.offsets[owner], np.lexsort((d.ids, -d.scores, owner))
    rank = np.empty(len(owner), dtype=np.int64)
    rank[order] = np.arange(len(owner)) - start
    did = np.zeros(len(owner), dtype=np.uint8)
    place = np.arange(len(owner)) - start
    rows = Served(d.request_ids[owner], keys[owner], d.ids, place, rank, d.propensity, time_s[owner], did)
    return rows.take(inside[owner])


def happened(
    served: Served, outcomes: Iterable[Feedback], start_s: float, until_s: float, within_s: float
) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.float64]]:
    """What is new of what shoppers did from `start_s` up to, not with, `until_s`.

    Returns:
        Row of `served`, one bit of `DID` that was not counted there, and when, shape (news,) each; no (row, bit) twice.
    """
    kept = [(o.request, o.candidate, DID[o.kind], o.time_s) for o in outcomes if o.kind in DID and start_s <= o.time_s < until_s]
    if not kept or not len(served):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint8), np.zeros(0)
    request, product = np.array([k[0] for k in kept], dtype=np.uint64), np.array([k[1] for k in kept], dtype=np.int64)
    bits, when = np.array([k[2] for k in kept], dtype=np.uint8), np.array([k[3] for k in kept])
    row = _rows_of(served, request, product)
    age = when - served.time_s[row]
    news = [
        (row[ok], np.full(int(ok.sum()), bit, dtype=np.uint8), when[ok])
        for bit in (1, 2, 4)
        for ok in [(row >= 0) & (age >= 0.0) & (age <= within_s) & (bits & bit > 0) & (served.did[row] & bit == 0)]
    ]
    row, bit, when = (np.concatenate(c) for c in zip(*news))
    order = np.lexsort((when, bit, row))
    fresh = np.ones(len(order), dtype=np.bool_)
    fresh[1:] = (row[order][1:] != row[order][:-1]) | (bit[order][1:] != bit[order][:-1])
    first = order[fresh]
    return row[first], bit[first], when[first]


def _rows_of(served: Served, request: NDArray[np.uint64], product: NDArray[np.int64]) -> NDArray[np.int64]:
    """Row of each (request, product), -1 where it was not served."""
    order = np.lexsort((served.product, served.request))
    requests = np.unique(served.request)
    at = np.minimum(np.searchsorted(requests, request), len(requests) - 1)
    products, column = np.unique(served.product, return_inverse=True)
    wanted = np.minimum(np.searchsorted(products, product), len(products) - 1)
    key = np.searchsorted(requests, served.request[order]) * len(products) + column[order]
    asked = at * len(products) + wanted
    found = np.minimum(np.searchsorted(key, asked), len(key) - 1)
    sure = (requests[at] == request) & (products[wanted] == product) & (key[found] == asked)
    return np.where(sure, order[found], -1)


def power_of(served: Served) -> float:
    """How fast looks fall with the place: a look at place p, from 1, is as likely as p ** -power.

    One number for all places, fitted to the ratios that exchanged pairs tell, each by how often it was exchanged; the single
    ratios are too noisy to be multiplied up. `USUAL_POWER` where the log tells none.

    Source:
        Joachims, Swaminathan, Schnabel (2017), "Unbiased learning-to-rank with biased feedback", WSDM, section 5 (the power law).
    """
    if not len(served):
        return USUAL_POWER
    ones = np.ones(len(served))
    rows = Examples(
        np.zeros((len(served), 0), dtype=np.float32), (), (served.did > 0).astype(np.float64), served.request.view(np.int64),
        served.product, served.place, served.rank, served.propensity, ones,
    )  # fmt: skip
    return _fitted(examination(rows))


def _fitted(seen: Examination) -> float:
    place = np.arange(1, seen.known)
    if len(place) == 0:
        return USUAL_POWER
    fall, far = -np.diff(np.log(seen.probability[: seen.known])), np.log((place + 1) / place)
    weight = seen.exchanged[: seen.known - 1].astype(np.float64)
    return float(np.clip((weight * fall * far).sum() / (weight * far * far).sum(), 0.0, 2.0))
