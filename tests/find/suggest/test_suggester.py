"""Completions."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.errors import BadInput
from rialto.find.builder import Builder
from rialto.find.catalogue import Catalogue
from rialto.find.records import split_path
from rialto.find.suggest import Choices, Policy, Ranking, Suggester, Suggestion, Typed
from rialto.find.suggest.records import keyed
from rialto.worlds.shop import Shop

Row = tuple[str, str, str, dict[str, str]]
SCARVES: list[Row] = [
    ("Red wool scarf", "Lumo", "Clothing/Scarves", {"colour": "red", "material": "wool"}),
    ("Blue wool scarf", "Lumo", "Clothing/Scarves", {"colour": "blue", "material": "wool"}),
    ("Red silk scarf", "Hexa", "Clothing/Scarves", {"colour": "red", "material": "silk"}),
    ("Walnut laptop stand", "Hexa", "Office/Stands", {"material": "walnut"}),
    ("Thin laptop 14", "Volt", "Computers/Laptops", {"colour": "grey"}),
    ("Heavy laptop 17", "Volt", "Computers/Laptops", {"colour": "black"}),
    ("Steel laptop stand", "Hexa", "Office/Stands", {"material": "steel"}),
]


def made(rows: list[Row], **columns: list[float]) -> Catalogue:
    b = Builder()
    for n, (title, brand, category, attributes) in enumerate(rows):
        values = {
            k: columns.get(k, [float("nan")] * len(rows))[n]
            for k in ("price_cents", "stock", "released_day", "rating", "rating_count")
        }
        texts = {"title": title, "brand": brand, "category": category, "description": "", "group": "", "image": "", "names": ""}
        b.add(str(n), texts, values, [(k, "t", (v,)) for k, v in attributes.items()])
    return b.finish()


@pytest.fixture(scope="module")
def small() -> Catalogue:
    return made(SCARVES)


@pytest.fixture(scope="module")
def suggester(catalogue: Catalogue, world: Shop) -> Suggester:
    return Suggester(catalogue, dict(zip(world.queries.text.tolist(), world.queries.frequency.tolist())))


def texts(found: list[Suggestion], kind: str = "") -> list[str]:
    return [s.text for s in found if (not kind or s.kind == kind) and not s.scope]


def test_a_shop_without_a_log_completes_what_its_catalogue_can_answer(small: Catalogue) -> None:
    assert texts(Suggester(small).complete("red wo"), "query")[0] == "red wool scarf"
    assert "lumo scarf" in texts(Suggester(small).complete("lumo s"), "query")


def test_words_may_come_in_another_order_and_from_the_middle_of_a_line(small: Catalogue) -> None:
    s = Suggester(small)
    assert "red wool scarf" in texts(s.complete("scarf wo"))
    assert "Heavy laptop 17" in texts(s.complete("laptop 1"), "product")


@pytest.mark.parametrize("typed", ["lapotp", "laptpo", "lpatop", "laptip", "lap top", "lapttop"])
def test_a_slip_of_the_fingers_is_forgiven(small: Catalogue, typed: str) -> None:
    found = [s for s in Suggester(small, {"laptop": 5.0}).complete(typed) if s.kind == "query"]
    assert found[0].text == "laptop" and found[0].corrected


def test_a_missing_blank_is_put_in(small: Catalogue) -> None:
    assert "red wool scarf" in texts(Suggester(small).complete("redwool sca"))


def test_what_begins_as_typed_and_is_asked_often_stands_before_a_slip(small: Catalogue) -> None:
    found = Suggester(small, {"lapton gadget": 5.0, "laptop": 9.0, "mug": 1.0}).complete("lapto")
    exact = [s for s in found if s.kind == "query"]
    assert not exact[0].corrected and [s.corrected for s in exact] == sorted(s.corrected for s in exact)


def test_a_word_spread_over_categories_is_offered_within_each(small: Catalogue) -> None:
    found = Suggester(small, {"laptop": 5.0}).complete("lapt")
    scopes = {s.scope for s in found if s.scope}
    assert scopes == {"Computers", "Office"} and all(s.text == "laptop" for s in found if s.scope)


def test_products_of_the_best_completion_are_shown_before_it_is_typed(small: Catalogue) -> None:
    asked = list[str]()

    def products(text: str, limit: int) -> np.ndarray:
        asked.append(text)
        return np.array([3, 99, -1])[:limit]

    found = Suggester(small, {"computer": 5.0, "volt computers": 2.0}, products=products).complete("comp")
    assert asked == ["computer"] and "Walnut laptop stand" in texts(found, "product")
    own = Suggester(small, {"volt computers": 2.0}).complete("volt comp")
    assert set(texts(own, "product")) == {"Thin laptop 14", "Heavy laptop 17"}


def test_the_blocked_the_hidden_the_sold_out_and_the_unanswered_are_not_offered() -> None:
    stock = [1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0]
    policy = Policy(blocked=["Walnut", "steel lap"], hidden=[4], results={"laptop bag": 0.0, "laptop": 3.0})
    queries = {"walnuts desk": 9.0, "laptop bag": 9.0, "laptop": 1.0, "xylophone zebra": 9.0, "steel laptop": 2.0}
    s = Suggester(made(SCARVES, stock=stock), queries, policy=policy)
    offered = {t for p in ("w", "l", "x", "s", "r", "t", "silk", "th", "walnut") for t in texts(s.complete(p, limit=50))}
    assert offered.isdisjoint(
        {"walnuts desk", "laptop bag", "xylophone zebra", "Walnut laptop stand", "Red silk scarf", "Thin laptop 14"}
    )
    assert not any("silk" in t for t in offered) and {"laptop", "steel laptop", "Red wool scarf"} <= offered
    assert s.complete("walnut lap") == []


def test_a_product_sold_out_a_moment_ago_is_withheld(small: Catalogue) -> None:
    whole = Suggester(small)
    s = whole.without(np.array([4, 1234, -1]))
    found = {t for p in ("thin", "laptop", "volt lap") for t in texts(s.complete(p))}
    assert "Thin laptop 14" not in found and "Heavy laptop 17" in found
    assert "Thin laptop 14" in texts(whole.complete("thin"))
    none = s.without(whole.numbers)
    assert not texts(none.complete("laptop"), "product") and "Heavy laptop 17" in texts(s.complete("laptop"))


def test_a_bare_text_as_block_list_is_refused() -> None:
    with pytest.raises(BadInput, match="wanted a list"):
        Policy(blocked="rude")


def test_the_more_frequent_query_comes_first_and_past_choices_turn_it_round(small: Catalogue) -> None:
    queries = {"laptop bag": 3.0, "laptop rug": 9.0}
    s = Suggester(small, queries)
    assert texts(s.complete("laptop "), "query")[:2] == ["laptop rug", "laptop bag"]
    choices = Choices.of([Typed("laptop", ("laptop rug", "laptop bag"), "laptop bag")] * 60)
    assert texts(s.ranked_by(Ranking(choices=choices)).complete("laptop "), "query")[0] == "laptop bag"


def test_trees_or_any_other_scorer_may_rank(small: Catalogue) -> None:
    s = Suggester(small, {"laptop bag": 3.0, "laptop rug": 9.0}, ranking=Ranking(lambda x: -x[:, 0].astype(np.float64)))
    found = texts(s.complete("laptop ", limit=60), "query")
    assert found.index("laptop bag") < found.index("laptop rug")
    odd = s.ranked_by(Ranking(lambda x: np.full(len(x), np.nan)))
    assert set(texts(odd.complete("laptop "))) >= {"laptop bag"}


def test_each_kind_keeps_its_room(suggester: Suggester) -> None:
    for prefix in ("s", "r", "ha", "wo"):
        found = suggester.complete(prefix, limit=8)
        kinds = [s.kind for s in found]
        assert len(found) == 8 and 1 <= kinds.count("product") <= 3 and kinds == sorted(kinds, key=lambda k: k == "product")


def test_every_line_holds_what_was_typed_or_is_marked_as_corrected_or_is_a_hit(suggester: Suggester) -> None:
    for prefix in ("s", "run", "sho", "HALL", "red b", "é", "blue ru"):
        for s in suggester.complete(prefix, limit=20):
            words = keyed(s.text).split()
            if s.kind != "product" and not s.corrected:
                assert all(any(w.startswith(t) for w in words) for t in keyed(prefix).split()), (prefix, s)


def test_a_scope_is_a_category_of_the_catalogue(suggester: Suggester, catalogue: Catalogue) -> None:
    paths = {split_path(p)[:n] for p in catalogue.text("category").tolist() for n in range(1, 5)}
    found = [s for p in "abcdefghijklmnoprstuvw" for s in suggester.complete(p) if s.scope]
    assert found and all(split_path(s.scope) in paths for s in found)


def test_nothing_is_suggested_for_nothing(suggester: Suggester) -> None:
    nothing = ("", "   ", "zzzzqqq", "\U0010ffff" * 5, "\x00\x01\x1f", "!?;", "\t\r\n")
    assert [suggester.complete(p) for p in nothing] == [[]] * len(nothing)
    assert suggester.complete("a", limit=0) == suggester.complete("a", limit=-3) == []


def test_a_catalogue_and_a_log_may_be_empty() -> None:
    assert Suggester(made([])).complete("a") == []
    assert texts(Suggester(made([("", "", "", {})]), {"": 1.0, "  ": 2.0, "lamp": float("nan")}).complete("l")) == []


@pytest.mark.parametrize("query", ["电脑 桌", "مصباح مكتب", "🎧 kopfhörer", "שולחן", "naïve café"])
def test_every_script_is_completed(query: str) -> None:
    s = Suggester(made([(query, "", "", {})]), {query: 2.0})
    assert texts(s.complete(query[:2]))[0] == query


@given(st.text(max_size=40) | st.text("redblu wosca", max_size=14), st.integers(0, 12))
@settings(max_examples=150, deadline=None)
def test_whatever_is_typed_gives_no_more_than_asked_no_line_twice_and_the_same_again(
    suggester: Suggester, typed: str, limit: int
) -> None:
    found = suggester.complete(typed, limit=limit)
    assert len(found) <= limit and found == suggester.complete(typed, limit=limit)
    assert len({(s.text.casefold(), s.scope) for s in found}) == len(found)
    assert all(np.isfinite(s.weight) and s.text.strip() for s in found)
    assert [s.kind == "product" for s in found] == sorted(s.kind == "product" for s in found)


@pytest.mark.parametrize("make", [lambda: "a" * 10_000, lambda: "lamp " * 2000, lambda: "x y " * 2500, lambda: "\u202e" * 9999])
def test_a_prefix_of_ten_thousand_characters_is_answered(suggester: Suggester, make: Callable[[], str]) -> None:
    assert isinstance(suggester.complete(make()), list)


def test_two_suggesters_of_one_catalogue_are_the_same(catalogue: Catalogue) -> None:
    a, b = Suggester(catalogue), Suggester(catalogue)
    assert [a.complete(p) for p in ("l", "red", "boot bl")] == [b.complete(p) for p in ("l", "red", "boot bl")]
