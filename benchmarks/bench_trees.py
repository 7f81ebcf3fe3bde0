"""Scoring 100 oblivious trees of depth 6: Rialto's kernel beside CatBoost's and LightGBM's own, in one run, on the same rows.

CatBoost scores the very same trees, so the scores are compared too. It is asked in three ways: a float32 table by rows, a float32 table
by columns, and a `Pool` made beforehand. The first two start from what Rialto starts from, and the faster of them stands first; the pool
leaves the reading of the table out of the clock. LightGBM has as many trees with as many leaves, of its own kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from rialto.cli.bench import Metric
from rialto.local.trees import Trees

THREADS = 2
TREES, DEPTH, INPUTS = 100, 6, 24


def run(*, quick: bool = False) -> list[Metric]:
    """Rows/s over blocks of 100,000 rows on two threads, against each peer."""
    import catboost

    rows, rounds, taught = (4_000, 3, 2_000) if quick else (100_000, 25, 20_000)
    table, label, block = data(taught, rows)
    model = catboost.CatBoost(
        {"loss_function": "RMSE", "iterations": TREES, "depth": DEPTH, "thread_count": THREADS, "random_seed": 1,
         "allow_writing_files": False, "logging_level": "Silent"}
    ).fit(table, label)  # fmt: skip
    ours = rialto_trees(model)
    wanted = model.predict(block, prediction_type="RawFormulaVal", thread_count=THREADS)
    if np.abs(ours.score(block) - wanted).max() > 1e-6:
        raise AssertionError("Rialto and CatBoost disagree on the scores of the same trees")
    by_column, pool = np.asfortranarray(block), catboost.Pool(block)

    def asked(form: object) -> Callable[[], object]:
        return lambda: model.predict(form, prediction_type="RawFormulaVal", thread_count=THREADS)

    peers = {"catboost, rows": asked(block), "catboost, columns": asked(by_column), "catboost, pool made before": asked(pool)}
    mine, *others = rates([lambda: ours.score(block, threads=THREADS), *peers.values()], rounds, rows)
    rate_of = {name: rate for name, (rate, _) in zip(peers, others)}
    first = max(("catboost, rows", "catboost, columns"), key=lambda name: rate_of[name])
    found = [_metric(mine, shown, rate_of[name]) for shown, name in [("catboost", first), *((name, name) for name in peers)]]
    light = lightgbm_rate(table, label, block, max(rounds // 4, 3))
    return found if light is None else [*found, _metric(mine, "lightgbm", light)]


def lightgbm_rate(
    table: NDArray[np.float32], label: NDArray[np.float64], block: NDArray[np.float32], rounds: int
) -> float | None:
    """LightGBM's rows/s; None where it is absent, or the system lacks the OpenMP library that it loads.

    Timed apart, as LightGBM's threads keep a processor busy for a while after each call.
    """
    try:
        import lightgbm
    except (ImportError, OSError):
        return None
    light = lightgbm.train(
        {"num_leaves": 2**DEPTH, "max_depth": DEPTH, "verbose": -1, "num_threads": THREADS, "seed": 1, "min_data_in_leaf": 1},
        lightgbm.Dataset(table, label),
        TREES,
    )
    asked = rates([lambda: light.predict(block, raw_score=True, num_threads=THREADS)], rounds, len(block))
    return asked[0][0]


def _metric(mine: tuple[float, float], peer: str, rate: float) -> Metric:
    return Metric("trees_rows_per_s", mine[0], "rows/s", mine[1], peer, rate, mine[0] / rate)


def data(taught: int, rows: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float32]]:
    """Rows to learn from with their label, and rows to score; 24 inputs, of which 8 matter."""
    chance = np.random.default_rng(seed)
    table, block = (chance.normal(size=(n, INPUTS)).astype(np.float32) for n in (taught, rows))
    signal = table[:, 0] * table[:, 1] + np.sin(table[:, 2:8]).sum(axis=1)
    return table, (signal + chance.normal(size=taught)).astype(np.float64), block


def rialto_trees(model: object) -> Trees:
    """The same trees in Rialto's form."""
    with TemporaryDirectory() as folder:
        saved = Path(folder) / "model.json"
        model.save_model(str(saved), format="json")  # type: ignore[attr-defined]
        return Trees.from_catboost_json(saved.read_bytes())


def rates(work: Sequence[Callable[[], object]], rounds: int, amount: int) -> list[tuple[float, float]]:
    """Median rate and spread of each, run in turns so that a disturbance meets all alike; one round before the clock counts."""
    times: list[list[float]] = [[] for _ in work]
    for turn in range(rounds + 1):
        for each, call in zip(times, work):
            start = perf_counter()
            call()
            if turn:
                each.append(perf_counter() - start)
    return [(amount / median(t), (max(t) - min(t)) / median(t)) for t in times]
