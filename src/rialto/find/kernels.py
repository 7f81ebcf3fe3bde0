"""The hot loops of the features: term match by field, cosine, attribute values, attribute profile; each beside a plain numpy twin."""

from __future__ import annotations

import numba as nb
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "MATCH", "cosine", "cosine_plain", "match", "match_plain", "of_query", "of_query_plain", "SHARES", "shares_plain", "valued",
    "valued_plain",
]  # fmt: skip

MATCH = (
    "bm25f", "bm25f_share",
    "cover_title", "cover_names", "cover_brand", "cover_category", "cover_description", "cover_attributes", "cover_any",
    "all_terms", "title_share", "names_share", "title_phrase", "title_first", "head_title", "head_end", "title_exact",
    "title_length", "description_length", "attributes_length",
)  # fmt: skip
"""What `match` says of each candidate, in the order of its columns."""

SHARES = ("bm25f_share", "cover_any", "cover_title")
"""What `rialto.find.holders.held_shares` says of each candidate: BM25F and the idf of the words found, anywhere and in the title,
as shares of the most."""


def shares_plain(
    rows: NDArray[np.int64],
    owner: NDArray[np.int64],
    query_offsets: NDArray[np.int64],
    query_terms: NDArray[np.int32],
    idf: NDArray[np.float64],
    offsets: NDArray[np.int64],
    terms: NDArray[np.int32],
    mean_length: NDArray[np.float64],
    weight: NDArray[np.float64],
    b: NDArray[np.float64],
    k1: float,
) -> NDArray[np.float32]:
    """`rialto.find.holders.held_shares` in plain numpy, for its test; arguments as in `match`, shape (rows, SHARES)."""
    table = match_plain(rows, owner, query_offsets, query_terms, idf, offsets, terms, mean_length, weight, b, k1)
    return np.ascontiguousarray(table[:, [MATCH.index(name) for name in SHARES]])


@nb.njit(cache=True, nogil=True)
def match(
    rows: NDArray[np.int64],
    owner: NDArray[np.int64],
    query_offsets: NDArray[np.int64],
    query_terms: NDArray[np.int32],
    idf: NDArray[np.float64],
    offsets: NDArray[np.int64],
    terms: NDArray[np.int32],
    mean_length: NDArray[np.float64],
    weight: NDArray[np.float64],
    b: NDArray[np.float64],
    k1: float,
) -> NDArray[np.float32]:
    """Compare each candidate with its query, field by field.

    Args:
        rows: Catalogue row of each candidate, shape (rows,).
        owner: Query of each candidate, shape (rows,).
        query_offsets: Shape (queries + 1,): terms of query q are `query_terms[query_offsets[q]:query_offsets[q+1]]`, each once.
        query_terms: Shape (query terms,); -1 = a word that no product holds.
        idf: Shape (query terms,).
        offsets, terms, mean_length: As `rialto.find.terms.Terms` holds them.
        weight, b: Shape (fields,); `k1` one for all: BM25F saturates once, after the fields are summed.

    Returns:
        Shape (rows, MATCH), float32, in the order of `MATCH`. Missing is NaN: shares of a query without terms.

    Cost:
        One scan of the candidate's terms for each query term.

    Source:
        BM25F: Robertson, Zaragoza (2009), "The probabilistic relevance framework: BM25 and beyond", section 3.6.
    """
    fields = len(weight)
    out = np.full((len(rows), 20), np.nan, dtype=np.float32)
    cover = np.empty(fields)
    for i in range(len(rows)):
        q0, q1 = query_offsets[owner[i]], query_offsets[owner[i] + 1]
        base = rows[i] * fields
        for f, column in ((0, 17), (4, 18), (5, 19)):
            out[i, column] = offsets[base + f + 1] - offsets[base + f]
        if q0 == q1:
            continue
        cover[:] = 0.0
        total, bound, most, seen, found = 0.0, 0.0, 0.0, 0.0, 0
        first, title_hits, names_hits = 1e9, 0, 0
        t0, t1 = offsets[base], offsets[base + 1]
        for t in range(q0, q1):
            term, w = query_terms[t], idf[t]
            most += w
            bound += w * (k1 + 1.0)
            if term < 0:
                continue
            frequency = 0.0
            for f in range(fields):
                start, stop = offsets[base + f], offsets[base + f + 1]
                count = np.int32(0)
                for at in range(start, stop):  # no branch within: it becomes vector instructions
                    count += np.int32(terms[at] == term)
                if count:
                    if f == 0:
                        at = start
                        while terms[at] != term:
                            at += 1
                        first = min(first, at - start)
                    cover[f] += w
                    frequency += weight[f] * count / (1.0 - b[f] + b[f] * (stop - start) / mean_length[f])
                    if f == 0:
                        title_hits += count
                    elif f == 1:
                        names_hits += count
            if frequency > 0.0:
                found += 1
                seen += w
                total += w * (k1 + 1.0) * frequency / (k1 + frequency)
        out[i, 0], out[i, 1] = total, total / bound
        for f in range(fields):
            out[i, 2 + f] = cover[f] / most
        out[i, 8], out[i, 9] = seen / most, 1.0 if found == q1 - q0 else 0.0
        out[i, 10] = title_hits / max(t1 - t0, 1)
        out[i, 11] = names_hits / max(offsets[base + 2] - t1, 1)
        pairs = 0
        for t in range(q0, q1 - 1):
            for at in range(t0, t1 - 1):
                if terms[at] == query_terms[t] and terms[at + 1] == query_terms[t + 1]:
                    pairs += 1
                    break
        out[i, 12] = pairs / (q1 - q0 - 1) if q1 - q0 > 1 else np.nan
        out[i, 13] = first if first < 1e9 else np.nan
        head = -1
        for at in range(t0, t1):
            if terms[at] == query_terms[q1 - 1]:
                head = at - t0
                break
        out[i, 14] = head if head >= 0 else np.nan
        out[i, 15] = t1 - t0 - 1 - head if head >= 0 else np.nan
        same = t1 - t0 == q1 - q0
        for k in range(q1 - q0 if same else 0):
            same = same and terms[t0 + k] == query_terms[q0 + k]
        out[i, 16] = 1.0 if same else 0.0
    return out


def match_plain(
    rows: NDArray[np.int64],
    owner: NDArray[np.int64],
    query_offsets: NDArray[np.int64],
    query_terms: NDArray[np.int32],
    idf: NDArray[np.float64],
    offsets: NDArray[np.int64],
    terms: NDArray[np.int32],
    mean_length: NDArray[np.float64],
    weight: NDArray[np.float64],
    b: NDArray[np.float64],
    k1: float,
) -> NDArray[np.float32]:
    """`match` in plain numpy, for its test."""
    fields = len(weight)
    out = np.full((len(rows), len(MATCH)), np.nan, dtype=np.float32)
    for i, (row, q) in enumerate(zip(rows.tolist(), owner.tolist())):
        ask = query_terms[query_offsets[q] : query_offsets[q + 1]]
        w = idf[query_offsets[q] : query_offsets[q + 1]]
        held = [terms[offsets[row * fields + f] : offsets[row * fields + f + 1]] for f in range(fields)]
        lengths = np.array([len(h) for h in held])
        out[i, 17:20] = lengths[[0, 4, 5]]
        if len(ask) == 0:
            continue
        counts = np.stack([(h[:, np.newaxis] == np.where(ask < 0, -2, ask)).sum(axis=0) for h in held], axis=1)
        frequency = (weight * counts / (1 - b + b * lengths / mean_length)).sum(axis=1)
        out[i, 0] = (w * (k1 + 1) * frequency / (k1 + np.where(frequency > 0, frequency, 1))).sum()
        out[i, 1] = out[i, 0] / (w * (k1 + 1)).sum()
        out[i, 2 : 2 + fields] = ((counts > 0) * w[:, np.newaxis]).sum(axis=0) / w.sum()
        out[i, 8] = ((counts.sum(axis=1) > 0) * w).sum() / w.sum()
        out[i, 9] = (counts.sum(axis=1) > 0).all()
        out[i, 10:12] = counts[:, :2].sum(axis=0) / np.maximum(lengths[:2], 1)
        title = held[0].tolist()
        places = [title.index(t) for t in ask.tolist() if t in title]
        beside = list(zip(title, title[1:]))
        out[i, 12] = np.mean([p in beside for p in zip(ask.tolist(), ask.tolist()[1:])]) if len(ask) > 1 else np.nan
        out[i, 13] = min(places) if places else np.nan
        if ask[-1] in title:
            out[i, 14:16] = title.index(ask[-1]), len(title) - 1 - title.index(ask[-1])
        out[i, 16] = title == ask.tolist()
    return out


@nb.njit(cache=True, nogil=True)
def cosine(
    rows: NDArray[np.int64], owner: NDArray[np.int64], queries: NDArray[np.float32], units: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Dot product of each candidate's unit vector, a row of `units`, with its query's; shape (rows,), NaN where either is zero.

    The sum runs in one order, so that a row's value is the same bits in any batch; cost 2 x rows x dimensions.
    """
    out = np.empty(len(rows), dtype=np.float32)
    for i in range(len(rows)):
        # Four running sums: the order of additions is fixed, and the loop is not bound by the latency of one.
        a, b, c, d = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        q, u = queries[owner[i]], units[rows[i]]
        whole = len(q) // 4 * 4
        for k in range(0, whole, 4):
            a += q[k] * u[k]
            b += q[k + 1] * u[k + 1]
            c += q[k + 2] * u[k + 2]
            d += q[k + 3] * u[k + 3]
        for k in range(whole, len(q)):
            a += q[k] * u[k]
        total = (a + b) + (c + d)
        out[i] = total if total != 0.0 else np.nan
    return out


def cosine_plain(
    rows: NDArray[np.int64], owner: NDArray[np.int64], queries: NDArray[np.float32], units: NDArray[np.float32]
) -> NDArray[np.float32]:
    """`cosine` in plain numpy, for its test."""
    total = (queries[owner].astype(np.float64) * units[rows]).sum(axis=1)
    return np.where(total != 0.0, total, np.nan).astype(np.float32)


@nb.njit(cache=True, nogil=True)
def valued(
    rows: NDArray[np.int64],
    owner: NDArray[np.int64],
    said_offsets: NDArray[np.int64],
    said_pair: NDArray[np.int32],
    said_name: NDArray[np.int32],
    said_phrase: NDArray[np.int32],
    offsets: NDArray[np.int64],
    pair: NDArray[np.int32],
    pair_name: NDArray[np.int32],
) -> NDArray[np.float32]:
    """Count the attribute values that a query names and a product has, or has otherwise.

    Args:
        rows, owner: Candidates, shape (rows,): catalogue row and query.
        said_offsets: Shape (queries + 1,): query q names pairs `said_pair[said_offsets[q]:said_offsets[q+1]]`, each of attribute
            `said_name`, by its phrase number `said_phrase` (from 0 in each query, below 32): one phrase may be a value of several attributes.
        offsets, pair, pair_name: As `rialto.find.catalogue.Labels` holds them.

    Returns:
        Shape (rows, 2): phrases of the query that the product has as a value, and those where it has another value of that
        attribute and none that fits. NaN for a query that names no value.
    """
    out = np.full((len(rows), 2), np.nan, dtype=np.float32)
    for i in range(len(rows)):
        s0, s1 = said_offsets[owner[i]], said_offsets[owner[i] + 1]
        if s0 == s1:
            continue
        has, known = 0, 0
        for at in range(offsets[rows[i]], offsets[rows[i] + 1]):
            held = pair[at]
            name = pair_name[held]
            for s in range(s0, s1):
                if said_name[s] == name:
                    known |= 1 << said_phrase[s]
                    if said_pair[s] == held:
                        has |= 1 << said_phrase[s]
        known &= ~has
        hits, misses = 0, 0
        for bit in range(32):
            hits += (has >> bit) & 1
            misses += (known >> bit) & 1
        out[i, 0], out[i, 1] = hits, misses
    return out


def valued_plain(
    rows: NDArray[np.int64],
    owner: NDArray[np.int64],
    said_offsets: NDArray[np.int64],
    said_pair: NDArray[np.int32],
    said_name: NDArray[np.int32],
    said_phrase: NDArray[np.int32],
    offsets: NDArray[np.int64],
    pair: NDArray[np.int32],
    pair_name: NDArray[np.int32],
) -> NDArray[np.float32]:
    """`valued` in plain numpy, for its test."""
    out = np.full((len(rows), 2), np.nan, dtype=np.float32)
    for i, (row, q) in enumerate(zip(rows.tolist(), owner.tolist())):
        part = slice(said_offsets[q], said_offsets[q + 1])
        if part.start == part.stop:
            continue
        held = pair[offsets[row] : offsets[row + 1]]
        has = set(said_phrase[part][np.isin(said_pair[part], held)].tolist())
        known = set(said_phrase[part][np.isin(said_name[part], pair_name[held])].tolist())
        out[i] = len(has), len(known - has)
    return out


@nb.njit(cache=True, nogil=True)
def of_query(
    offsets: NDArray[np.int64], starts: NDArray[np.int64], idf: NDArray[np.float64], all_terms: NDArray[np.float32],
    share: NDArray[np.float32],
) -> NDArray[np.float64]:  # fmt: skip
    """What is so of each query, shape (3, queries), NaN for one without candidates: its most telling word, how many candidates hold
    all of its words, and the best share.

    Args:
        offsets: Candidates, shape (queries + 1,).
        starts, idf: Query q has words of these weights, `idf[starts[q]:starts[q+1]]`; 0 where it has none.
        all_terms, share: Columns of the candidates, shape (rows,); NaN = not known.
    """
    out = np.full((3, len(offsets) - 1), np.nan)
    for q in range(len(offsets) - 1):
        if offsets[q] == offsets[q + 1]:
            continue
        out[0, q], out[1, q] = 0.0, 0.0
        for t in range(starts[q], starts[q + 1]):
            out[0, q] = max(out[0, q], idf[t])
        for i in range(offsets[q], offsets[q + 1]):
            out[1, q] += all_terms[i] == 1.0
            if not share[i] <= out[2, q] and share[i] == share[i]:
                out[2, q] = share[i]
    return out


def of_query_plain(
    offsets: NDArray[np.int64], starts: NDArray[np.int64], idf: NDArray[np.float64], all_terms: NDArray[np.float32],
    share: NDArray[np.float32],
) -> NDArray[np.float64]:  # fmt: skip
    """`of_query` in plain numpy, for its test."""
    out = np.full((3, len(offsets) - 1), np.nan)
    for q, (low, high) in enumerate(zip(offsets.tolist(), offsets[1:].tolist())):
        if low < high:
            out[0, q] = max(idf[starts[q] : starts[q + 1]].tolist(), default=0.0)
            out[1, q] = np.count_nonzero(all_terms[low:high] == 1.0)
            out[2, q] = np.fmax.reduce(share[low:high])
    return out
