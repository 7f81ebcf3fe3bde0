"""How completions are ranked is learned from what shoppers took, behind a gate; how queries are read from what they clicked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rialto.app.fitting import open_reader
from rialto.app.past import Past, joined
from rialto.app.rereading import learn_reader
from rialto.app.suggesting import learn_suggestions, ranking_name, ranking_of
from rialto.errors import NothingHere
from rialto.find.behaviour import Behaviour
from rialto.find.catalogue import Catalogue
from rialto.find.ingest import read_catalogue
from rialto.find.page import Pages
from rialto.find.pipeline import build
from rialto.find.retrieve import TEXT_FIELDS
from rialto.find.suggest import Suggester, Typed
from rialto.local.models import LocalModels
from rialto.local.text import TantivyText
from rialto.spine.learn import Gate
from rialto.worlds.shop import Shop, make_shop


@pytest.fixture(scope="module")
def world() -> Shop:
    return make_shop(seed=4, products=300)


@pytest.fixture(scope="module")
def catalogue(world: Shop, tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    folder = tmp_path_factory.mktemp("shop")
    world.write(folder)
    return read_catalogue(str(folder / "catalogue.jsonl")).catalogue


@pytest.fixture(scope="module")
def queries(world: Shop) -> dict[str, float]:
    return dict(zip(world.queries.text.tolist(), world.queries.frequency.tolist()))


def looks(catalogue: Catalogue, queries: dict[str, float], kinds: tuple[str, ...]) -> list[Typed]:
    """Shoppers who always take the last line of some kinds."""
    made, out = Suggester(catalogue, queries), list[Typed]()
    for word in sorted({w for q in queries for w in q.split() if len(w) > 3}):
        for n in (2, 3, 4):
            lines = [s for s in made.complete(word[:n]) if not s.scope]
            wanted = [s.text for s in lines if s.kind in kinds]
            if wanted:
                out.append(Typed(word[:n], tuple(s.text for s in lines), wanted[-1]))
    return [out[i] for i in np.random.default_rng(1).permutation(len(out))]


def test_what_shoppers_take_is_promoted_and_served(catalogue: Catalogue, queries: dict[str, float]) -> None:
    models, own = LocalModels(), looks(catalogue, queries, ("brand", "category"))
    made = learn_suggestions(catalogue, queries, own, models, "find.ranker", seed=1, gate=Gate(least=20, harm=0.5))
    assert made.verdict.by_class["taken"].value > 0.0
    assert made.version and models.live(ranking_name("find.ranker")) is not None
    ranking = ranking_of(models, "find.ranker")
    assert ranking.version == made.version and ranking.choices.rates
    assert ranking_of(models, "find.ranker", ranking) is ranking, "nothing is read again where nothing changed"
    assert ranking_of(models, "another").version == ""


def test_where_held_out_looks_gain_nothing_what_is_live_stays(catalogue: Catalogue, queries: dict[str, float]) -> None:
    models, own = LocalModels(), looks(catalogue, queries, ("product",))  # which stand below all others whatever their score
    made = learn_suggestions(catalogue, queries, own, models, "find.ranker", seed=1, gate=Gate(least=20))
    assert not made.version and "not surely above 0" in made.verdict.reason and models.live(ranking_name("find.ranker")) is None


def test_without_past_queries_or_with_few_nothing_is_promoted(catalogue: Catalogue) -> None:
    for own in ({}, {"shoes": 9.0}):
        made = learn_suggestions(catalogue, own, [], LocalModels(), "find.ranker")
        assert not made.version and "too little" in made.verdict.reason


def test_pages_take_another_ranking_without_making_their_lines_again(catalogue: Catalogue, queries: dict[str, float]) -> None:
    search = build(catalogue, text=TantivyText(TEXT_FIELDS))
    pages = Pages(search, queries)
    pages.ready()
    models = LocalModels()
    from rialto.find.suggest import Model, Ranking

    other = pages.ranked_by(Ranking(Model.popularity(), version="v1"))
    assert other.typing.made and other.typing.suggester.lines is pages.typing.suggester.lines
    assert [s.text for s in other.suggest("s")] != [s.text for s in pages.suggest("s")]
    assert pages.ranked_by(ranking_of(models, "find.ranker")) is pages


def test_a_reader_is_taught_by_clicks_and_kept_with_the_index(catalogue: Catalogue, tmp_path: Path) -> None:
    search = build(catalogue, text=TantivyText(TEXT_FIELDS))
    search.index()
    with pytest.raises(NothingHere):
        open_reader(catalogue, tmp_path)
    number = int(catalogue.numbers[0])
    past = Past((("qwertine shoes", "logged", 9.0),), {"qwertine shoes": {number: 9.0}})
    made = learn_reader(search, tmp_path, past, Behaviour.none())
    assert made.kept and made.difference is None and made.queries == 1
    kept = open_reader(catalogue, tmp_path)
    assert kept.read("qwertine shoes").text == "qwertine shoes" and kept.speller.lexicon.index["qwertine"] >= 0
    assert joined((), Behaviour.none()) == Past()
