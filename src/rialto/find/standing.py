"""Where a candidate stands among its request's: next to the best, in rank, and how alike it is to the best few; with plain twins."""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

__all__ = ["ALIKE", "STANDING", "alike", "alike_plain", "standing", "standing_plain"]

STANDING = ("blend_share", "bm25f_top", "cosine_top", "rank_text", "rank_cosine", "rrf")
"""What `standing` says of each candidate, in the order of its columns."""

ALIKE = ("type_share", "price_typical", "profile", "centroid")
"""What `alike` says of each candidate, in the order of its columns."""

_NAN = np.float32(np.nan)


@nb.njit(cache=True, nogil=True)
def standing(
    offsets: NDArray[np.int64],
    ids: NDArray[np.int64],
    fused: NDArray[np.float32],
    bm25: NDArray[np.float32],
    cosine: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Compare each candidate's scores with the best of its request, and rank it by words and by meaning.

    Args:
        offsets: Shape (requests + 1,).
        ids: Shape (rows,); of two equal scores the lower id ranks first.
        fused, bm25, cosine: Scores, shape (rows,); NaN = not known.

    Returns:
        Shape (STANDING, rows), float32: shares of the best fused and BM25F score (NaN where that is not above 0), the cosine less
        the best, ranks from 1 by BM25F and cosine (NaN where not known), and their reciprocal rank fusion.

    Cost:
        O(candidates^2) of each request: some microseconds for the hundred that the trees order.
    """
    out = np.full((6, len(ids)), np.nan, dtype=np.float32)
    for q in range(len(offsets) - 1):
        best_fused, best_text, best_cosine = _NAN, _NAN, _NAN
        for i in range(offsets[q], offsets[q + 1]):
            if fused[i] == fused[i] and not best_fused >= fused[i]:
                best_fused = fused[i]
            if bm25[i] == bm25[i] and not best_text >= bm25[i]:
                best_text = bm25[i]
            if cosine[i] == cosine[i] and not best_cosine >= cosine[i]:
                best_cosine = cosine[i]
        for i in range(offsets[q], offsets[q + 1]):
            if best_fused > 0:
                out[0, i] = fused[i] / best_fused
            if best_text > 0:
                out[1, i] = bm25[i] / best_text
            out[2, i] = cosine[i] - best_cosine
            text, near = np.int32(1), np.int32(1)
            words, meaning, own = bm25[i], cosine[i], ids[i]
            for j in range(offsets[q], offsets[q + 1]):  # no branch within: it becomes vector instructions
                before = ids[j] < own
                text += np.int32((bm25[j] > words) | ((bm25[j] == words) & before))
                near += np.int32((cosine[j] > meaning) | ((cosine[j] == meaning) & before))
            total = np.float32(0)
            if bm25[i] == bm25[i]:
                out[3, i] = text
                total += np.float32(1.0 / (60 + text))
            if cosine[i] == cosine[i]:
                out[4, i] = near
                total += np.float32(1.0 / (60 + near))
            out[5, i] = total
    return out


def standing_plain(
    offsets: NDArray[np.int64],
    ids: NDArray[np.int64],
    fused: NDArray[np.float32],
    bm25: NDArray[np.float32],
    cosine: NDArray[np.float32],
) -> NDArray[np.float32]:
    """`standing` in plain numpy, for its test."""
    owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    filled = np.flatnonzero(np.diff(offsets))
    out = np.full((6, len(ids)), np.nan, dtype=np.float32)

    def top(values: NDArray[np.float32]) -> NDArray[np.float32]:
        most = np.full(len(offsets) - 1, np.nan, dtype=np.float32)
        if len(filled):
            most[filled] = np.fmax.reduceat(values, offsets[filled])
        return most[owner]

    def rank(values: NDArray[np.float32]) -> NDArray[np.float32]:
        order = np.lexsort((ids, -values, owner))
        place = np.empty(len(ids))
        place[order] = np.arange(len(ids)) - offsets[owner] + 1
        return np.where(np.isnan(values), np.nan, place).astype(np.float32)

    with np.errstate(invalid="ignore", divide="ignore"):
        out[0] = np.where(top(fused) > 0, fused / top(fused), np.nan)
        out[1] = np.where(top(bm25) > 0, bm25 / top(bm25), np.nan)
    out[2], out[3], out[4] = cosine - top(cosine), rank(bm25), rank(cosine)
    out[5] = np.nansum([1 / (60 + out[3]), 1 / (60 + out[4])], axis=0)
    return out


@nb.njit(cache=True, nogil=True)
def alike(
    offsets: NDArray[np.int64],
    ids: NDArray[np.int64],
    rows: NDArray[np.int64],
    score: NDArray[np.float64],
    most: NDArray[np.int64],
    price_log: NDArray[np.float32],
    types: NDArray[np.int64],
    fact_offsets: NDArray[np.int64],
    fact_name: NDArray[np.int32],
    fact_weight: NDArray[np.float64],
    units: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Compare each candidate with the best few of its request: category, price, which attributes it has, meaning.

    Args:
        offsets, ids: Candidates, shape (requests + 1,) and (rows,).
        rows: Catalogue row of each candidate, shape (rows,).
        score: What the best few are the best by, shape (rows,).
        most: How many they are, shape (requests,).
        price_log, types: log(1 + price) and category of each product, shape (products,); NaN and -1 = not known.
        fact_offsets, fact_name: Attribute names of each product, compressed sparse rows; `fact_weight` says how telling each is.
        units: Unit vectors, shape (products, dimensions); (0, 0) = none.

    Returns:
        Shape (ALIKE, rows), float32, NaN where a side knows nothing: the share of the best few's score that its category has; its
        log price less their median; the cosine of its attribute names with theirs; the cosine of its vector with their mean.

    Cost:
        O(candidates x most) of each request, and the candidates' attributes and vectors once.
    """
    out = np.full((4, len(ids)), np.nan, dtype=np.float32)
    profile, centre = np.zeros(len(fact_weight)), np.zeros(units.shape[1])
    for q in range(len(offsets) - 1):
        start, stop = offsets[q], offsets[q + 1]
        size = min(most[q], stop - start)
        if size == 0:
            continue
        best = np.empty(size, dtype=np.int64)
        held = 0
        for i in range(start, stop):
            at = held
            while at > 0 and (score[i] > score[best[at - 1]] or (score[i] == score[best[at - 1]] and ids[i] < ids[best[at - 1]])):
                at -= 1
            if at < size:
                for k in range(min(held, size - 1), at, -1):
                    best[k] = best[k - 1]
                best[at] = i
                held = min(held + 1, size)
        total, prices, known = 0.0, np.empty(size), 0
        for k in range(size):
            row, weight = rows[best[k]], max(score[best[k]], 0.0)
            total += weight
            if price_log[row] == price_log[row]:
                prices[known] = price_log[row]
                known += 1
            for at in range(fact_offsets[row], fact_offsets[row + 1]):
                profile[fact_name[at]] += 1.0 / size
            for d in range(units.shape[1]):
                centre[d] += weight * units[row, d]
        typical = np.median(prices[:known]) if known else np.nan
        length, lead = 0.0, 0.0
        for k in range(size):
            row = rows[best[k]]
            for at in range(fact_offsets[row], fact_offsets[row + 1]):
                n = fact_name[at]
                if profile[n] > 0.0:  # each name once: its sign says that it was counted
                    length += (fact_weight[n] * profile[n]) ** 2
                    profile[n] = -profile[n]
        for d in range(units.shape[1]):
            lead += centre[d] * centre[d]
        for i in range(start, stop):
            row = rows[i]
            if total > 0.0 and types[row] >= 0:
                shared, any_known = 0.0, False
                for k in range(size):
                    other = types[rows[best[k]]]
                    any_known |= other >= 0
                    if other == types[row]:
                        shared += max(score[best[k]], 0.0)
                if any_known:
                    out[0, i] = shared / total
            out[1, i] = price_log[row] - typical
            together, own = 0.0, 0.0
            for at in range(fact_offsets[row], fact_offsets[row + 1]):
                w = fact_weight[fact_name[at]] ** 2
                together -= w * profile[fact_name[at]]
                own += w
            if own > 0.0 and length > 0.0:
                out[2, i] = together / np.sqrt(own * length)
            if lead > 0.0:
                dot = 0.0
                for d in range(units.shape[1]):
                    dot += centre[d] * units[row, d]
                if dot != 0.0:
                    out[3, i] = dot / np.sqrt(lead)
        for k in range(size):
            row = rows[best[k]]
            for at in range(fact_offsets[row], fact_offsets[row + 1]):
                profile[fact_name[at]] = 0.0
        centre[:] = 0.0
    return out


def alike_plain(
    offsets: NDArray[np.int64],
    ids: NDArray[np.int64],
    rows: NDArray[np.int64],
    score: NDArray[np.float64],
    most: NDArray[np.int64],
    price_log: NDArray[np.float32],
    types: NDArray[np.int64],
    fact_offsets: NDArray[np.int64],
    fact_name: NDArray[np.int32],
    fact_weight: NDArray[np.float64],
    units: NDArray[np.float32],
) -> NDArray[np.float32]:
    """`alike` in plain numpy, for its test."""
    out = np.full((4, len(ids)), np.nan, dtype=np.float32)

    def facts(row: int) -> NDArray[np.float64]:
        names = fact_name[fact_offsets[row] : fact_offsets[row + 1]]
        return np.bincount(names, minlength=len(fact_weight)).astype(np.float64)

    for q in range(len(offsets) - 1):
        part = slice(int(offsets[q]), int(offsets[q + 1]))
        order = np.lexsort((ids[part], -score[part]))[: int(most[q])]
        if not len(order):
            continue
        best, weight = rows[part][order], np.maximum(score[part][order], 0.0)
        profile = np.mean([facts(r) for r in best.tolist()], axis=0) * fact_weight
        centre = (units[best] * weight[:, np.newaxis]).sum(axis=0) if units.size else np.zeros(0)
        prices = price_log[best][~np.isnan(price_log[best])]
        for i in range(part.start, part.stop):
            row = int(rows[i])
            if weight.sum() > 0 and types[row] >= 0 and (types[best] >= 0).any():
                out[0, i] = weight[types[best] == types[row]].sum() / weight.sum()
            out[1, i] = price_log[row] - (np.median(prices) if len(prices) else np.nan)
            own = facts(row) * fact_weight
            if own.any() and profile.any():
                out[2, i] = own @ profile / np.sqrt((own @ own) * (profile @ profile))
            if centre.any() and (dot := float(centre @ units[row])) != 0.0:
                out[3, i] = dot / np.sqrt(centre @ centre)
    return out
