"""How search grows with the catalogue: time of a selective query, pages, memory and indexing from a thousand to a million made-up products."""

from __future__ import annotations

import gc
import resource
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
from bench_find_latency import times_ms

from rialto.cli.bench import Metric
from rialto.find.catalogue import Catalogue, Labels, Measures
from rialto.find.ingest import read_catalogue
from rialto.find.page import answer
from rialto.find.pipeline import build
from rialto.find.retrieve import TEXT_FIELDS
from rialto.local.text import TantivyText
from rialto.worlds.shop import make_shop

SIZES = (1_000, 10_000, 100_000, 1_000_000)
BASE = 10_000
ROUNDS = 3


def grown(base: Catalogue, size: int) -> Catalogue:
    """The catalogue repeated up to `size` products; each copy has ids, groups and a series word of its own, as a larger shop has more lines."""
    copies, rows = -(-size // len(base)), np.arange(size)
    of, copy = rows % len(base), rows // len(base)
    series = [f"series{c:03d}" for c in range(copies)]
    texts = {name: column[of] for name, column in base.texts.items()}
    texts["title"] = np.array([f"{t} {series[c]}" for t, c in zip(texts["title"].tolist(), copy.tolist())], dtype=object)
    texts["group"] = np.array([f"{g}-{c}" if g else "" for g, c in zip(texts["group"].tolist(), copy.tolist())], dtype=object)
    a, m = base.labels, base.measures
    labels = Labels(_spread(np.diff(a.offsets)[of]), _taken(a.pair, a.offsets, of), a.pair_name, a.pair_text, a.names)
    measures = Measures(_spread(np.diff(m.offsets)[of]), _taken(m.name, m.offsets, of), _taken(m.value, m.offsets, of), m.names)
    return replace(
        base, ids=np.array([f"g{r:07d}" for r in rows.tolist()], dtype=object), numbers=rows.astype(np.int64), texts=texts,
        values={name: column[of] for name, column in base.values.items()}, labels=labels, measures=measures, retired={},
    )  # fmt: skip


def _spread(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _taken(values: np.ndarray, offsets: np.ndarray, rows: np.ndarray) -> np.ndarray:
    counts = np.diff(offsets)[rows]
    ends = np.cumsum(counts)
    return values[np.arange(ends[-1] if len(ends) else 0) + np.repeat(offsets[rows] - (ends - counts), counts)]


def memory_mb() -> float:
    """Resident memory of this process now."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _figures(name: str, ask: Callable[[str], object], texts: Sequence[str], size: int) -> list[Metric]:
    """p50 and p99, medians over the rounds."""
    rounds, found = [times_ms(ask, texts) for _ in range(ROUNDS)], list[Metric]()
    for label, q in (("p50", 50), ("p99", 99)):
        each = [float(np.percentile(r, q)) for r in rounds]
        middle = float(np.median(each))
        found.append(Metric(f"{name}{label}_ms_{size}", middle, "ms", (max(each) - min(each)) / middle))
    return found


def run(*, quick: bool = False) -> list[Metric]:
    """Selective queries name a product's own words and its series; `growth` is time at the largest over time at 10,000 products, beside
    the ratio of the sizes' logarithms. A page counts its facets over all that matches, too."""
    sizes = (200, 400) if quick else SIZES
    found: list[Metric] = []
    with TemporaryDirectory() as place:
        make_shop(seed=0, products=min(BASE, sizes[-1])).write(Path(place))
        base = read_catalogue(str(Path(place) / "catalogue.jsonl")).catalogue
    median: dict[int, float] = {}
    for size in sizes:
        gc.collect()
        before = memory_mb()
        catalogue = grown(base, size)
        start = perf_counter()
        search = build(catalogue, text=TantivyText(TEXT_FIELDS))
        search.index()
        seconds = perf_counter() - start
        rng = np.random.default_rng(size)
        titles = catalogue.text("title")[rng.integers(0, size, 30 if quick else 200)].tolist()
        texts = [" ".join([*t.split()[:3], t.split()[-1]]) for t in titles]
        times_ms(lambda t, s=search: s.search([t]), texts[:20])
        found += _figures("", lambda t, s=search: s.search([t]), texts, size)
        median[size] = found[-2].value
        times_ms(lambda t, s=search: answer(s, t), texts[:20])
        found += _figures("page_", lambda t, s=search: answer(s, t), texts, size)
        found.append(Metric(f"index_rows_per_s_{size}", size / seconds, "rows/s", 0.0))
        found.append(Metric(f"memory_mb_{size}", memory_mb() - before, "MB more than before", 0.0))
        search.close()
        del search, catalogue
    small, large = sizes[-3] if len(sizes) > 2 else sizes[0], sizes[-1]
    ratio, logs = median[large] / median[small], float(np.log(large) / np.log(small))
    found.append(
        Metric("growth", ratio, f"time at {large} over {small}", 0.0, "ratio of the sizes' logarithms", logs, logs / ratio)
    )
    return found
