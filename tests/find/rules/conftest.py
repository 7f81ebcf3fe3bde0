"""A catalogue of a dozen products and a search over it without engines: scores and legs are plain columns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from rialto.find.catalogue import Catalogue
from rialto.find.decide import decider, sort_phase
from rialto.find.ingest import read_catalogue
from rialto.find.select import filters
from rialto.records import Candidates, Context, Requests
from rialto.spine.params import Param
from rialto.spine.pipeline import Pipeline
from rialto.spine.rank import Phase
from rialto.spine.retrieve import Source

KEEP = Param("test.rules.keep", 1000, low=1, high=1000, doc="Candidates that the test's phase keeps.")


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """Ids p0 to p15: four brands in turn, two categories, dearer with the number; p14 is sold out, p12 and p13 are variants."""
    file = tmp_path_factory.mktemp("small") / "catalogue.csv"
    lines = ["id,title,brand,category,price_cents,stock,group,colour,margin"]
    for n in range(16):
        group, stock = ("g" if n in (12, 13) else ""), 0 if n == 14 else 5
        kind = "Home/Lamps" if n % 2 else "Home/Chairs"
        lines.append(
            f"p{n},{'Desk lamp' if n % 2 else 'Oak chair'} {n},B{n % 4},{kind},{1000 * (n + 1)},{stock},{group},{'red' if n < 8 else 'blue'},{n}"
        )
    file.write_text("\n".join(lines) + "\n")
    return read_catalogue(str(file)).catalogue


@pytest.fixture
def asking() -> Callable[..., Requests]:
    def make(*texts: str, time_s: float = 100.0, **columns: object) -> Requests:
        size, given = len(texts), {k: np.array([v] * len(texts), dtype=object) for k, v in columns.items()}
        plain = {"text": np.array(texts, dtype=object), "asked": np.array(texts, dtype=object),
                 "selections": np.array([""] * size, dtype=object), "sort": np.array(["relevance"] * size, dtype=object)}  # fmt: skip
        prices = {"price_low": np.full(size, np.nan), "price_high": np.full(size, np.nan)}
        return Requests.of({**plain, **prices, **given}, time_s=time_s)

    return make


@pytest.fixture
def bare(small: Catalogue) -> Pipeline:
    """Finds p0 to p11 for any words, p0 first."""

    def fetch(requests: Requests, context: Context) -> Candidates:
        ids = small.numbers[:12]
        ranks = np.tile(np.arange(1.0, 13.0), len(requests)).astype(np.float32)
        return Candidates(np.arange(len(requests) + 1) * 12, np.tile(ids, len(requests)), {"rank_lexical": ranks})

    def score(requests: Requests, candidates: Candidates, context: Context) -> np.ndarray:
        return -candidates.ids.astype(np.float64)

    first = Phase("first", score, keep=KEEP)
    return Pipeline("find", [Source("lexical", fetch)], filters(small), [], [first, sort_phase(small)], decider(small))
