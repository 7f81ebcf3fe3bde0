"""What the query means held against what is found: excluded phrases leave, and the columns of meaning tell of every candidate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rialto.find.catalogue import Catalogue
from rialto.find.meant import MEANT
from rialto.find.page import Pages
from rialto.find.pipeline import Search
from rialto.find.query import Reader
from rialto.find.query.background import Background
from rialto.find.query.negation import holds
from rialto.find.query.training import train_parts
from rialto.find.query.types import Types


@pytest.fixture(scope="module")
def meaning(search: Search, catalogue: Catalogue) -> Search:
    parts = train_parts(catalogue, seed=0, most=2000).parts()
    plain = Reader.of(catalogue, background=Background({"without": 1e6, "shelf": 1e5}, {}), seed=1)
    return search.fitted(reader=replace(plain, parts=parts))


def test_what_a_query_excludes_is_on_no_page_and_the_trace_says_why(meaning: Search, catalogue: Catalogue) -> None:
    value = next(
        str(v) for v in catalogue.labels.pair_text.tolist() if v not in ("yes", "no") and v.isalpha() and 20 < holds(catalogue, [v]).sum() < 300
    )  # fmt: skip
    plain = Pages(meaning).page(value, size=50)
    kind = plain.results[0].product.category[-1]
    page = Pages(meaning).page(f"{kind} without {value}", size=50)
    assert any(value in str(r) for r in page.rewrites)
    shown = catalogue.rows(np.array([catalogue.number_of(r.product.id) for r in page.results]))
    assert len(shown) and not holds(catalogue, [value], shown).any()
    undone = Pages(meaning).page(f"{kind} without {value}", size=50, undo=["all"])
    assert holds(catalogue, [value], catalogue.rows(np.array([catalogue.number_of(r.product.id) for r in undone.results]))).any()
    ends = {row["end"] for row in Pages(meaning).page(f"{kind} without {value}", explain=True).explain}
    assert "removed: excluded" in ends


def test_types_of_some_rows_are_those_of_all(meaning: Search, catalogue: Catalogue) -> None:
    reader = meaning.fittings.reader
    assert reader is not None and isinstance(typing := reader.parts.typing, Types)
    some = np.array([5, 0, len(catalogue) - 1, 5])
    assert typing.codes(catalogue, some).tolist() == typing.codes(catalogue)[some].tolist()


def test_the_columns_of_meaning_lie_between_none_and_all(meaning: Search, texts: list[str]) -> None:
    ranked = meaning.search(texts).ranked
    told = ranked.column("type_probability")
    assert np.isfinite(told).any()
    for name in MEANT:
        values = ranked.column(name)
        assert ((values >= 0) & (values <= 1.0 + 1e-6))[np.isfinite(values)].all()
