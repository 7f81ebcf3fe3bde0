"""Nearest vectors in process: the usearch graph beside the exact scan, with the recall that the speed costs."""

from __future__ import annotations

from time import perf_counter

import numpy as np

from rialto.cli.bench import Metric
from rialto.local.vectors import FlatVectors, UsearchVectors

DIMENSIONS = 128


def clustered(rows: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(500, DIMENSIONS))
    return (centres[rng.integers(0, 500, rows)] + 0.5 * rng.normal(size=(rows, DIMENSIONS))).astype(np.float32)


def time_ms(index: FlatVectors | UsearchVectors, queries: np.ndarray, allowed: np.ndarray | None) -> float:
    taken = []
    for row in range(len(queries)):
        start = perf_counter()
        index.search(queries[row : row + 1], limit=10, allowed=allowed)
        taken.append(1e3 * (perf_counter() - start))
    return float(np.median(taken))


def build(ids: np.ndarray, vectors: np.ndarray) -> tuple[UsearchVectors, float]:
    """A graph that answers at any size, and vectors added a second."""
    graph = UsearchVectors(DIMENSIONS, scan=0)
    start = perf_counter()
    graph.add(ids, vectors)
    return graph, len(ids) / (perf_counter() - start)


def spread(values: list[float]) -> float:
    return (max(values) - min(values)) / float(np.median(values))


def run(*, quick: bool = False) -> list[Metric]:
    """Medians of five alternating runs; `ratio` above 1 is ahead of the exact scan."""
    rows, asked = (2_000, 20) if quick else (50_000, 100)
    ids, vectors, queries = np.arange(rows), clustered(rows, 1), clustered(asked, 2)
    flat, built = FlatVectors(DIMENSIONS), [build(ids[: rows // 5], vectors[: rows // 5])[1] for _ in range(5)]
    flat.add(ids, vectors)
    graph, _ = build(ids, vectors)
    truth, found = (index.search(queries, limit=10).ids.reshape(asked, 10) for index in (flat, graph))
    recall = [len(set(a) & set(b)) / 10 for a, b in zip(truth.tolist(), found.tolist())]
    made = [
        Metric("vectors_add_per_s", float(np.median(built)), "vectors/s", spread(built)),
        Metric("vectors_recall_at_10", float(np.mean(recall)), "share", spread(recall), "flat", 1.0, float(np.mean(recall))),
    ]
    for name, allowed in (("all", None), ("half_allowed", ids[::2])):
        pairs = [(time_ms(graph, queries, allowed), time_ms(flat, queries, allowed)) for _ in range(5)]
        mine, theirs = ([float(time) for time in times] for times in zip(*pairs))
        value, peer = float(np.median(mine)), float(np.median(theirs))
        made.append(Metric(f"vectors_query_{name}_p50_ms", value, "ms", spread(mine), "flat", peer, peer / value))
    return made
