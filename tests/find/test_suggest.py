"""Completions."""

from rialto.find.catalogue import Catalogue
from rialto.find.suggest import Suggester
from rialto.find.terms import fold


def test_every_completion_holds_the_prefix_at_a_word_and_none_comes_twice(catalogue: Catalogue) -> None:
    for prefix in ("s", "run", "sho", "HALL", "é"):
        got = Suggester(catalogue).complete(prefix, limit=20)
        folded = [fold(s.text) for s in got]
        assert all(
            any(t.startswith(fold(prefix)) for t in (f, *(f[i + 1 :] for i, c in enumerate(f) if c == " "))) for f in folded
        )
        assert len(set(folded)) == len(folded)


def test_a_past_query_comes_before_a_category_and_a_category_before_a_product(catalogue: Catalogue) -> None:
    category = catalogue.text("category")[0].split("/")[-1]
    kinds = [s.kind for s in Suggester(catalogue, {category + " sale": 3.0}).complete(category[:4], limit=30)]
    assert kinds == sorted(kinds, key=["query", "category", "brand", "product"].index) and kinds[0] == "query"


def test_the_more_frequent_query_comes_first(catalogue: Catalogue) -> None:
    got = Suggester(catalogue, {"zebra mug": 1.0, "zebra rug": 9.0}).complete("zeb")
    assert [s.text for s in got] == ["zebra rug", "zebra mug"]


def test_nothing_is_suggested_for_nothing(catalogue: Catalogue) -> None:
    s = Suggester(catalogue)
    assert s.complete("") == s.complete("   ") == s.complete("zzzzqqq") == s.complete("a", limit=0) == []
    assert s.complete("\U0010ffff" * 5) == []
