"""What counts as found: pages show and count what matches well enough; rankings and selections keep what they had."""

from __future__ import annotations

from copy import copy

import numpy as np
import pytest
from numpy.typing import NDArray

from rialto.find.belong import BELONGS, REASON, belonging, good_enough
from rialto.find.page import Pages, answer
from rialto.find.pipeline import Search
from rialto.find.records import Selections
from rialto.find.rules import Compiled, Rule, RuleBook, Scope, When, ruled
from rialto.find.terms import analyse
from rialto.records import Candidates, Context, Requests

NAN = float("nan")


def asked(size: int = 1, **params: float) -> Requests:
    overrides = {f"find.facets.belongs_{n}": np.full(size, v) for n, v in params.items()}
    return Requests.of({"text": np.array(["x"] * size)}, overrides=overrides)


def test_a_candidate_belongs_by_words_near_the_best_or_by_meaning_near_the_best() -> None:
    c = Candidates(np.array([0, 4]), np.arange(4), {"cosine_leg": np.array([NAN, 0.9, 0.8, 0.5], dtype=np.float32)})
    cover = np.array([1.0, 0.3, 0.3, 0.3], dtype=np.float32)
    assert belonging(asked(), c, cover).tolist() == [True, True, True, False]
    assert belonging(asked(words=0.3, cosine=1.0), c, cover).tolist() == [True, True, True, True]
    assert belonging(asked(cosine=1.0), c, cover).tolist() == [True, True, False, False]


def test_less_is_asked_where_no_product_holds_all_words() -> None:
    c = Candidates(np.array([0, 2]), np.arange(2))
    assert belonging(asked(), c, np.array([0.6, 0.4], dtype=np.float32)).tolist() == [True, True]
    assert belonging(asked(), c, np.array([1.0, 0.4], dtype=np.float32)).tolist() == [True, False]


def test_what_matches_nothing_belongs_only_when_it_is_pinned_or_browsed_to() -> None:
    columns = {"pinned": np.array([NAN, 1.0, NAN]), "rank_browse": np.array([NAN, NAN, 3.0])}
    c = Candidates(np.array([0, 3]), np.arange(3), columns)
    assert belonging(asked(), c, np.zeros(3, dtype=np.float32)).tolist() == [False, True, True]


def test_each_request_is_compared_with_its_own_best() -> None:
    c = Candidates(np.array([0, 2, 2, 4]), np.array([1, 2, 1, 2]))
    assert belonging(asked(3), c, np.array([1.0, 0.3, 0.3, 0.01], dtype=np.float32)).tolist() == [True, False, True, False]


def test_pages_count_fewer_than_the_legs_fetched_and_show_all_of_them(search: Search) -> None:
    page, outcome = answer(search, "running shoes", size=100)
    assert 0 < page.total < int(outcome.trace.fetched[0])
    assert len(page.results) == min(page.total, 100)
    assert outcome.trace.removed[REASON][0] > 0 and (outcome.trace.balance() == 0).all()


def test_a_search_without_pages_ranks_everything_as_before(search: Search) -> None:
    plain = search.search(["running shoes"], params={"find.decide.size": 100})
    assert plain.trace.removed[REASON][0] == 0
    everything, shown = (
        plain.decisions.ids.tolist(),
        {r.product.number for r in answer(search, "running shoes", size=100)[0].results},
    )
    assert shown <= set(plain.ranked.ids.tolist()) and len(everything) >= len(shown)


def test_a_selection_brings_in_nothing_that_did_not_belong(search: Search) -> None:
    free, before = answer(search, "lamp", size=100)
    brand = next(f for f in free.facets if f.name == "brand").values[0].value
    ticked, after = answer(search, "lamp", size=100, selections=Selections(values={"brand": (brand,)}))
    assert before.merged is not None and after.merged is not None
    belongs = set(before.merged.ids[before.kept[REASON]].tolist())
    assert {r.product.number for r in ticked.results} <= belongs


def test_what_matches_an_alternative_belongs(search: Search) -> None:
    requests, _ = search.requests(["lamp"], params={"find.facets.belongs": True})
    plain = search.pipeline.run(requests)
    both = search.pipeline.run(requests.with_columns(alternatives=np.array(["zzz\nchair"], dtype=object)))
    assert both.merged is not None and both.kept[REASON].sum() >= plain.kept[REASON].sum()
    chairs = ["chair" in analyse(search.catalogue.product(i).title) for i in both.merged.ids.tolist()]
    assert both.kept[REASON][np.array(chairs)].all()


def test_explain_says_what_does_not_belong(search: Search) -> None:
    ends = {str(r["end"]) for r in Pages(search).page("running shoes", explain=True).explain}
    assert f"removed: {REASON}" in ends


@pytest.mark.parametrize("text", ["qqqqqqzz", "....", "の", "x" * 5000])
def test_a_query_that_matches_little_is_still_answered(search: Search, text: str) -> None:
    page, _ = answer(search, text)
    assert page.total >= len(page.results) == min(page.total, 24)


def under(search: Search, *rules: Rule) -> Search:
    other = copy(search)
    other.pipeline = ruled(search.pipeline, Compiled(RuleBook(rules), search.catalogue))
    return other


def test_a_pinned_product_counts_where_it_passes_the_filters_and_a_hidden_one_never(search: Search) -> None:
    c = search.catalogue
    free, outcome = answer(search, "lamp")
    assert outcome.merged is not None
    row = next(
        r for r in range(len(c)) if "lamp" not in str(c.text("title")[r]).lower() and c.numbers[r] not in outcome.merged.ids
    )
    brand, product = str(c.text("brand")[row]), str(c.ids[row])
    pin = Rule("a", "ann", "pin", products=Scope(ids=(product,)), place=1, when=When(queries=("lamp",)))
    with_pin = under(search, pin)
    page, _ = answer(with_pin, "lamp")
    assert page.total == free.total + 1 and page.results[0].product.id == product
    mine = Selections(values={"brand": (brand,)})
    assert answer(with_pin, "lamp", selections=mine)[0].total == answer(search, "lamp", selections=mine)[0].total + 1
    others = Selections(values={"brand": ("Nobody",)})
    assert answer(with_pin, "lamp", selections=others)[0].total == 0

    best = free.results[0].product
    hide = Rule("b", "ann", "hide", products=Scope(ids=(best.id,)), when=When(queries=("lamp",)))
    gone, _ = answer(under(search, hide), "lamp", size=100)
    assert best.id not in {r.product.id for r in gone.results}
    assert gone.total == free.total - (free.results[0].variants == 1)


def test_a_product_hidden_from_a_category_is_not_counted_there(search: Search) -> None:
    made = answer(search, "", selections=Selections(values={"category": ("Shoes",)}))[0]
    alone = next(r.product for r in made.results if r.variants == 1)
    rule = Rule("a", "ann", "hide", products=Scope(ids=(alone.id,)), when=When(categories=("Shoes",)))
    fewer, _ = answer(under(search, rule), "", selections=Selections(values={"category": ("Shoes",)}))
    assert fewer.total == made.total - 1


def test_a_word_that_no_product_holds_does_not_lower_what_is_asked_of_the_others(search: Search) -> None:
    everything = Candidates(np.array([0, len(search.catalogue)]), search.catalogue.numbers)

    def found(text: str) -> NDArray[np.bool_]:
        requests = Requests.of({"text": np.array([text])}, overrides={BELONGS.name: np.array([True])})
        return good_enough(search.knowledge).keep(requests, everything, Context())

    assert 0 < found("running shoes").sum() < len(search.catalogue) / 4
    assert found("running shoes xqzzy").tolist() == found("running shoes").tolist()
    assert not found("xqzzy").any()
