"""More than relevance: weights of zero change nothing, bounds hold, the unit of the scores does not matter."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rialto.errors import BadInput
from rialto.find.catalogue import Catalogue
from rialto.find.ingest import read_catalogue
from rialto.find.objectives import Objectives, balanced, objectives, standardised
from rialto.find.page import Pages
from rialto.find.pipeline import Search, build
from rialto.find.retrieve import TEXT_FIELDS
from rialto.find.scale import discounted, relative
from rialto.local.text import TantivyText

numbers = st.floats(-100, 100).map(lambda v: round(v, 6)) | st.integers(-2, 2).map(float)
rows = st.lists(st.tuples(numbers, numbers, st.booleans()), min_size=1, max_size=30)


@given(rows, st.integers(1, 12), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_the_bounds_hold(given_rows: list[tuple[float, float, bool]], page: int, loss: float, share: float) -> None:
    scores = np.sort(np.array([r[0] for r in given_rows]))[::-1]
    gain, gone = np.array([r[1] for r in given_rows]), np.array([r[2] for r in given_rows])
    made = balanced(scores, gain, gone, page=page, loss=loss, in_stock=share)
    assert sorted(made.tolist()) == list(range(len(scores)))
    size = min(page, len(scores))
    assert (~gone[made[:page]]).sum() >= min(np.ceil(share * size - 1e-9), (~gone).sum())
    known, plain = relative(scores), balanced(scores, gain * 0, gone, page=page, loss=0.0, in_stock=share)
    assert discounted(known[made[:page]]) >= (1 - loss) * discounted(known[plain[:page]]) - 1e-9
    assert np.array_equal(balanced(scores, gain * 0, gone, page=page, loss=loss, in_stock=0.0), np.arange(len(scores)))
    assert np.array_equal(balanced(scores * 4.0, gain, gone, page=page, loss=loss, in_stock=share), made)


@given(st.lists(numbers | st.just(np.nan), max_size=20))
def test_standardised_values_have_no_unit_and_what_is_not_known_is_the_mean(values: list[float]) -> None:
    made = standardised(np.array(values, dtype=np.float64))
    assert np.isfinite(made).all() and (made[np.isnan(np.array(values, dtype=np.float64))] == 0).all()
    assert np.allclose(standardised(np.array(values, dtype=np.float64) * 8.0), made, atol=1e-6)


def weighed(search: Search) -> Search:
    p, step = search.pipeline, objectives(search.catalogue, Objectives.of(search.catalogue))
    made = Search.__new__(Search)
    made.__dict__.update(search.__dict__)
    made.pipeline = replace(p, phases=[step if phase.name == step.name else phase for phase in p.phases], _pool=[])
    return made


def test_weights_of_zero_change_nothing_and_a_sorted_list_is_left_alone(search: Search, texts: list[str]) -> None:
    under = weighed(search)
    assert under.search(texts).decisions.same(search.search(texts).decisions)
    params = {"find.objectives.freshness": 5.0}
    assert under.search(texts, sort="price_up", params=params).decisions.same(search.search(texts, sort="price_up").decisions)


def test_a_weight_moves_the_page_its_way_and_the_rest_is_conserved(search: Search, texts: list[str]) -> None:
    under, c = weighed(search), search.catalogue
    params = {"find.objectives.freshness": 3.0, "find.objectives.loss": 1.0, "find.decide.size": 10}

    def day(s: Search, **more: float) -> float:
        out = s.search(texts, params={**params, **more} if s is under else {"find.decide.size": 10})
        assert out.trace.balance().tolist() == [0] * len(texts)
        return float(np.nanmean(c.value("released_day")[c.rows(out.decisions.ids)]))

    assert day(under) > day(search)
    assert under.search(texts, params={**params, "find.objectives.loss": 0.0}).decisions.counts.sum() > 0


def test_a_page_is_in_stock_as_far_as_it_can_be(search: Search) -> None:
    c, under = search.catalogue, weighed(search)
    ids = under.search(["lamp"], params={"find.objectives.in_stock": 1.0, "find.decide.size": 10}).decisions.ids
    assert (c.value("stock")[c.rows(ids)] > 0).all()


def test_demand_of_another_length_is_refused(search: Search) -> None:
    with pytest.raises(BadInput, match="demand has 3 values"):
        Objectives.of(search.catalogue, demand=np.ones(3))


def test_a_margin_of_the_catalogue_weighs_and_nobody_is_shown_it(tmp_path: Path) -> None:
    rows = [{"id": f"p{n}", "title": f"Oak lamp {n}", "brand": "Acme", "watt": n, "Gross Margin": n} for n in range(12)]
    file = tmp_path / "catalogue.jsonl"
    file.write_text("\n".join(json.dumps(r) for r in rows))
    read = read_catalogue(str(file))
    assert read.mapping.margin == "Gross Margin" and read.catalogue.value("margin").tolist() == list(range(12))
    search = build(read.catalogue, text=TantivyText(TEXT_FIELDS))
    search.index()
    page = Pages(search).page("oak lamp", params={"find.objectives.margin": 10.0, "find.objectives.loss": 1.0})
    assert [r.product.id for r in page.results[:3]] == ["p11", "p10", "p9"]
    assert all(set(r.product.attributes) <= {"watt"} for r in page.results) and "margin" not in {f.name for f in page.facets}
    read.catalogue.save(str(tmp_path / "kept"))
    assert Catalogue.load(str(tmp_path / "kept")).value("margin").tolist() == list(range(12))
