"""The made-up shop: the same from the same seed, consistent with its truth, and hard in the ways that real shops are."""

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from rialto.errors import BadInput
from rialto.worlds.chance import Chance
from rialto.worlds.shop import Shop, make_shop
from rialto.worlds.shop_data import inks, product_types, words
from rialto.worlds.shop_grades import Constraint, Intent, grades
from rialto.worlds.shop_queries import KINDS


@pytest.fixture(scope="module")
def shop() -> Shop:
    return make_shop(seed=1, products=4000)


def test_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        make_shop(seed=3, products=150).write(tmp_path / folder)
    for name in ("catalogue.jsonl", "queries.csv", "judgments.csv", "qrels.txt"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_another_seed_makes_another_shop() -> None:
    one, other = make_shop(seed=1, products=100), make_shop(seed=2, products=100)
    assert sum(a["title"] == b["title"] for a, b in zip(one.products, other.products, strict=True)) < 5


def test_every_product_has_the_fields_of_a_catalogue(shop: Shop) -> None:
    wanted = {
        "id": str, "title": str, "brand": str, "category": str, "description": str, "price_cents": int, "stock": int, "released": str,
        "rating": float, "rating_count": int, "attributes": dict, "group": str, "image": str,
    }  # fmt: skip
    for number, product in enumerate(shop.products):
        assert {name: type(value) for name, value in product.items()} == wanted
        assert product["id"] == f"p{number:05d}" and product["category"].count("/") == 2
        assert product["title"] and product["price_cents"] > 0 and product["stock"] >= 0 and 1.0 <= product["rating"] <= 5.0
        assert all(isinstance(value, str | int | float | bool) for value in product["attributes"].values())


def test_shop_is_wide_and_its_tail_is_long(shop: Shop) -> None:
    assert len({p["category"] for p in shop.products}) >= 80
    popular = np.sort(shop.truth.popularity)[::-1]
    assert popular.sum() == pytest.approx(1.0)
    assert 0.35 < popular[:400].sum() < 0.75
    assert 0.03 < np.mean([p["stock"] == 0 for p in shop.products]) < 0.10
    assert np.mean([count > 1 for count in Counter(p["group"] for p in shop.products).values()]) > 0.25


def test_variants_of_a_model_differ_in_colour_and_share_brand_and_category(shop: Shop) -> None:
    groups: dict[str, list[dict[str, object]]] = {}
    for product in shop.products:
        groups.setdefault(product["group"], []).append(product)
    for variants in groups.values():
        assert len({(p["brand"], p["category"]) for p in variants}) == 1
        assert len({p["attributes"]["colour"] for p in variants}) == len(variants)  # type: ignore[index]


def test_catalogue_never_contradicts_the_truth_but_leaves_some_out(shop: Shop) -> None:
    told = missing = 0
    for row, product in enumerate(shop.products):
        assert product["attributes"]["colour"] == shop.truth.colour_names[shop.truth.colour[row]]
        for name, column in shop.truth.attributes.items():
            if column[row] is not None:
                missing += name not in product["attributes"]
                told += name in product["attributes"]
                assert product["attributes"].get(name, column[row]) == column[row]
    assert 0.02 < missing / (told + missing) < 0.10


def test_a_red_query_holds_only_red_products_at_grade_3(shop: Shop) -> None:
    seen = 0
    for number, intent in enumerate(shop.queries.intents):
        wanted = [c.value for c in intent.constraints if c.name == "colour"]
        if wanted == ["red"]:
            seen += 1
            assert {shop.products[p]["attributes"]["colour"] for p in np.flatnonzero(shop.grades[number] == 3)} == {"red"}
    assert seen >= 3


def test_a_price_bound_is_kept_at_grade_3_and_nearly_kept_at_2(shop: Shop) -> None:
    for number in np.flatnonzero(shop.queries.kind == "price"):
        (bound,) = [int(c.value) for c in shop.queries.intents[number].constraints]
        prices = shop.truth.price_cents
        assert prices[shop.grades[number] == 3].max() <= bound
        assert np.all(prices[shop.grades[number] == 2] <= 1.15 * bound)


def test_queries_are_many_of_all_kinds_each_with_an_answer(shop: Shop) -> None:
    assert len(shop.queries) >= 400 and set(shop.queries.kind) == set(KINDS)
    assert len(set(shop.queries.text)) == len(shop.queries)
    assert (shop.grades == 3).any(axis=1).all()
    assert shop.queries.frequency.sum() == pytest.approx(1.0)
    assert np.sort(shop.queries.frequency)[::-1][: len(shop.queries) // 10].sum() > 0.4


def test_words_alone_miss_much_of_what_is_relevant(shop: Shop) -> None:
    def share_with_all_words(kind: str) -> float:
        shares = []
        for number in np.flatnonzero(shop.queries.kind == kind):
            asked = set(shop.queries.text[number].lower().split())
            rows = np.flatnonzero(shop.grades[number] == 3)
            shares.append(np.mean([asked <= set(shop.products[r]["title"].lower().replace(",", "").split()) for r in rows]))
        return float(np.mean(shares))

    assert share_with_all_words("synonym") < 0.05
    assert share_with_all_words("vague") < 0.02
    assert 0.05 < share_with_all_words("type") < 0.75


def test_judgments_hold_every_relevant_pair_and_some_hard_zeros(shop: Shop) -> None:
    judged = shop.judgments()
    assert (judged.grade > 0).sum() == (shop.grades > 0).sum()
    assert (judged.grade == 0).sum() > 5 * len(shop.queries)
    assert np.array_equal(judged.grade, shop.grades[judged.query, judged.product])


def test_files_read_back_as_what_was_written(tmp_path: Path) -> None:
    small = make_shop(seed=5, products=40)
    small.write(tmp_path, pictures=True)
    assert [json.loads(line) for line in (tmp_path / "catalogue.jsonl").read_text("utf-8").splitlines()] == list(small.products)
    with (tmp_path / "judgments.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == len(small.judgments().query) and {row["grade"] for row in rows} <= {"0", "1", "2", "3"}
    assert all((tmp_path / product["image"]).read_bytes().startswith(b"\x89PNG") for product in small.products)


def test_grades_fall_with_what_is_missed(shop: Shop) -> None:
    truth = shop.truth
    row = next(r for r in range(len(truth.type)) if truth.attributes["material"][r] is not None)
    colour, material = truth.colour_names[truth.colour[row]], truth.attributes["material"][row]
    right, wrong = Constraint("colour", "is", colour), Constraint("brand", "is", truth.brand_names[truth.brand[row] - 1])
    kind = (int(truth.type[row]),)
    assert grades(Intent(kind, (right, Constraint("material", "is", material))), truth)[row] == 3
    assert grades(Intent(kind, (right, wrong)), truth)[row] == 2
    assert grades(Intent(kind, (wrong,)), truth)[row] == 1
    assert grades(Intent((kind[0] - 1 if kind[0] else 40,), (wrong,)), truth)[row] == 0


def test_organic_cotton_is_nearly_cotton_and_not_without_it(shop: Shop) -> None:
    rows = np.flatnonzero(shop.truth.attributes["material"] == "organic cotton")
    kind = (int(shop.truth.type[rows[0]]),)
    assert grades(Intent(kind, (Constraint("material", "is", "cotton"),)), shop.truth)[rows[0]] == 2
    assert grades(Intent(kind, (Constraint("material", "is not", "cotton"),)), shop.truth)[rows[0]] < 3


def test_an_unknown_relation_is_refused(shop: Shop) -> None:
    with pytest.raises(BadInput, match="is unknown"):
        grades(Intent((0,), (Constraint("material", "like", "wool"),)), shop.truth)


@pytest.mark.parametrize("products", [1, 2, 7])
def test_a_tiny_shop_still_has_queries_with_answers(products: int) -> None:
    tiny = make_shop(seed=2, products=products)
    assert len(tiny.products) == products and len(tiny.queries) > 0 and (tiny.grades == 3).any(axis=1).all()


@pytest.mark.parametrize(("seed", "products"), [(0, 0), (0, -5), (-1, 10)])
def test_impossible_shops_are_refused(seed: int, products: int) -> None:
    with pytest.raises(BadInput, match="wanted"):
        make_shop(seed=seed, products=products)


def test_data_files_agree_with_one_another() -> None:
    book, guilds = words(), {guild for brand in words().brands for guild in brand.guilds}
    for kind in product_types():
        assert kind.guild in guilds and kind.palette in book.palettes and set(kind.variants) <= set(kind.attributes)
        assert all(isinstance(spec, float) or name in book.say for name, spec in kind.attributes.items())
        assert not set(kind.asks) & set(kind.nouns), f"{kind.name}: what shoppers ask must not stand in titles"
    assert {c for palette in book.palettes.values() for c in palette} <= set(book.colours) <= set(inks())
    assert len({kind.path for kind in product_types()}) == len(product_types()) >= 40


def test_chance_is_even_and_normal() -> None:
    chance = Chance(7)
    counts = Counter(chance.below(4) for _ in range(8000))
    assert set(counts) == {0, 1, 2, 3} and all(1800 < n < 2200 for n in counts.values())
    draws = np.array([chance.normal() for _ in range(8000)])
    assert abs(draws.mean()) < 0.05 and abs(draws.std() - 1.0) < 0.05
    assert sorted(chance.some("abcd", 9)) == list("abcd")
