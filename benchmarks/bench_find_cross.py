"""The last phase of search, pair by pair: layers, int8, tokens, batches, and a product side that is kept; beside float32 with six layers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

from rialto.cli.bench import Metric
from rialto.local.bert import weight_bits
from rialto.local.cross import CrossEncoder
from rialto.local.late import LateEncoder

PEER = "float32, 6 layers, one pair a run"
QUERY = "black laptop bag"
WORDS = (
    "bag", "for", "laptop", "computer", "black", "blue", "steel", "screen", "case", "with", "cable", "light", "wireless", "mouse",
    "printer", "paper", "home", "kitchen",
)  # fmt: skip


def text_of(tokens: int) -> Callable[[int], str]:
    """Texts of so many tokens; the words are common, each one token."""
    return lambda row: " ".join(np.random.default_rng(row).choice(WORDS, tokens - 2))


def spread(values: list[float]) -> float:
    return (max(values) - min(values)) / float(np.median(values))


def measured(works: dict[str, Callable[[], object]], runs: int) -> dict[str, list[float]]:
    """Seconds of each work, run after run in turn, after one that warms it."""
    out: dict[str, list[float]] = {name: [] for name in works}
    for run_ in range(runs + 1):
        for name, work in works.items():
            start = perf_counter()
            work()
            if run_:
                out[name].append(perf_counter() - start)
    return out


def joint(encoder: CrossEncoder, tokens: int, rows: np.ndarray) -> Callable[[], object]:
    products = encoder.products(text_of(tokens), 1000)
    products.ahead(rows.tolist())
    return lambda: encoder.score(QUERY, products, rows)


def kept(encoder: LateEncoder, tokens: int, rows: np.ndarray) -> Callable[[], object]:
    products = encoder.products(text_of(tokens), 1000)
    encoder.ahead(products, rows)
    return lambda: encoder.score(QUERY, products, rows)


def unread(encoder: LateEncoder, tokens: int, rows: np.ndarray) -> Callable[[], object]:
    return lambda: encoder.score(QUERY, encoder.products(text_of(tokens), 1000), rows)


def batched(encoder: CrossEncoder, tokens: int, rows: np.ndarray, size: int) -> Callable[[], object]:
    """`size` pairs a run on one core, as a server that waits for company would."""
    words = np.random.default_rng(0).integers(2000, 20_000, (size, tokens))
    places = np.broadcast_to(np.arange(tokens), words.shape)
    feed = {"ids": words, "places": places, "split": np.array([5])}
    return lambda: [encoder._session.run(None, feed) for _ in range(len(rows) // size)]  # pyright: ignore[reportPrivateUsage]


def run(*, quick: bool = False) -> list[Metric]:
    """Medians of five alternating runs (`quick`: two); `ratio` above 1 is ahead of the peer, in pairs a second."""
    with TemporaryDirectory() as folder:
        return _run(Path(folder), (2,) if quick else (6, 4, 3, 2), 4 if quick else 24, 2 if quick else 5)


def _run(folder: Path, layers: tuple[int, ...], pairs: int, runs: int) -> list[Metric]:
    rows, many = np.arange(pairs), np.arange(2 * pairs + 2)
    plain = CrossEncoder(folder, bits=0)
    joints = {at: CrossEncoder(folder, layers=at) for at in layers}
    lates = {at: LateEncoder(folder, layers=at) for at in layers}
    first, bits = joints[layers[0]], weight_bits()
    works: dict[str, tuple[Callable[[], object], int]] = {"peer": (joint(plain, 32, rows), pairs)}
    works |= {f"cross_l{at}_int{bits}_32_tokens": (joint(joints[at], 32, rows), pairs) for at in layers}
    works |= {f"cross_l{layers[0]}_int{bits}_{t}_tokens": (joint(first, t, rows), pairs) for t in (16, 48)}
    works[f"cross_l{layers[0]}_int{bits}_many"] = joint(first, 32, many), len(many)
    works |= {f"batch_{size}_one_core": (batched(first, 37, rows, size), pairs // size * size) for size in (1, 4, pairs)}
    works |= {f"late_l{at}_kept": (kept(lates[at], 32, many), len(many)) for at in layers}
    works[f"late_l{layers[0]}_unread"] = unread(lates[layers[0]], 32, rows), pairs
    times = measured({name: work for name, (work, _) in works.items()}, runs)
    peer = pairs / float(np.median(times["peer"]))
    made: list[Metric] = []
    for name, (_, size) in works.items():
        value = size / float(np.median(times[name]))
        made.append(Metric(f"{name}_pairs_per_s", value, "pairs/s", spread(times[name]), PEER, peer, value / peer))
        made.append(Metric(f"{name}_ms_of_{size}", 1e3 * float(np.median(times[name])), "ms", spread(times[name])))
    for encoder in (plain, *joints.values(), *lates.values()):
        encoder.close()
    return made
