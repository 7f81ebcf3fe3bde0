"""Shoppers: what they click follows the known attention and the known taste."""

import numpy as np
import pytest

from rialto.errors import BadInput
from rialto.worlds.shop import Shop, make_shop
from rialto.worlds.shoppers import Shoppers


@pytest.fixture(scope="module")
def shop() -> Shop:
    return make_shop(seed=1, products=800)


def relevant_first(shop: Shop, query: np.ndarray, positions: int) -> np.ndarray:
    return np.argsort(-shop.grades[query].astype(np.int64), axis=1, kind="stable")[:, :positions]


def test_examination_curve_is_recovered_from_many_sessions(shop: Shop) -> None:
    crowd = Shoppers(shop, seed=1)
    visits = crowd.visits(30_000)
    # Every product stands at every place equally often, so that clicks by place are attention alone, but for one factor.
    shown = np.random.default_rng(0).permuted(relevant_first(shop, visits.query, 10), axis=1)
    clicks = crowd.browse(visits.query, shown, seed=2, shopper=visits.shopper).clicks.mean(axis=0)
    assert clicks / clicks[0] == pytest.approx(crowd.examination(10) / crowd.examination(10)[0], rel=0.08)


def test_nothing_is_clicked_that_was_not_looked_at_nor_bought_that_was_not_in_the_cart(shop: Shop) -> None:
    crowd = Shoppers(shop)
    query = crowd.visits(2000).query
    s = crowd.browse(query, relevant_first(shop, query, 12), seed=1)
    assert not (s.clicks & ~s.examined).any() and not (s.carts & ~s.clicks).any() and not (s.purchases & ~s.carts).any()
    assert s.clicks.sum() > s.carts.sum() > s.purchases.sum() > 0


def test_better_products_are_clicked_more_and_sell_more(shop: Shop) -> None:
    crowd = Shoppers(shop)
    visits = crowd.visits(8000)
    shown = np.random.default_rng(1).integers(len(shop.products), size=(8000, 10))
    good = relevant_first(shop, visits.query, 10)
    s, grade = crowd.browse(visits.query, good, seed=3, shopper=visits.shopper), shop.grades[visits.query[:, None], good]
    rates = [s.clicks[(grade == g) & s.examined].mean() for g in (0, 1, 3)]
    assert rates[0] < rates[1] < rates[2]
    poor = crowd.browse(visits.query, shown, seed=3, shopper=visits.shopper)
    assert s.purchases.sum() > 5 * poor.purchases.sum()


def test_clicks_come_at_the_known_rate(shop: Shop) -> None:
    crowd = Shoppers(shop)
    query, product, shopper = (np.full(20_000, n) for n in (0, int(shop.grades[0].argmax()), 5))
    s = crowd.browse(query, product[:, None], seed=9, shopper=shopper)
    wanted = crowd.examination(1)[0] * crowd.attraction(query[:1], product[:1], shopper[:1])[0]
    assert s.clicks.mean() == pytest.approx(wanted, abs=4 * np.sqrt(wanted * (1 - wanted) / 20_000))


def test_shoppers_differ_in_taste_and_brands_in_liking(shop: Shop) -> None:
    crowd, everybody = Shoppers(shop), np.arange(2000)
    liked = np.stack([crowd.attraction(np.zeros(2000, dtype=np.int64), np.full(2000, p), everybody) for p in range(40)])
    assert np.all((liked > 0) & (liked < 1))
    odds = np.log(liked / (1 - liked))
    assert odds.std(axis=1).min() > 0.1 and odds.mean(axis=1).std() > 0.1


def test_sessions_repeat_from_their_seed_and_differ_with_another(shop: Shop) -> None:
    crowd = Shoppers(shop)
    query = crowd.visits(500, seed=4).query
    shown = relevant_first(shop, query, 8)
    one, again, other = (crowd.browse(query, shown, seed=s) for s in (1, 1, 2))
    assert np.array_equal(one.clicks, again.clicks) and np.array_equal(one.shopper, again.shopper)
    assert not np.array_equal(one.clicks, other.clicks)


def test_an_empty_place_is_never_looked_at(shop: Shop) -> None:
    shown = np.full((200, 3), -1)
    assert not Shoppers(shop).browse(np.zeros(200, dtype=np.int64), shown, seed=1).examined.any()


def test_visits_follow_the_frequency_of_queries_in_time_order(shop: Shop) -> None:
    visits = Shoppers(shop).visits(60_000)
    share = np.bincount(visits.query, minlength=len(shop.queries)) / 60_000
    assert np.abs(share - shop.queries.frequency).max() < 0.005
    assert np.all(np.diff(visits.time_s) >= 0)


@pytest.mark.parametrize(
    ("query", "shown", "text"),
    [([0], [[0, 10**6]], "shown"), ([10**6], [[0, 1]], "query"), ([0, 0], [[0, 1]], "shape"), ([0], [[-2, 1]], "shown")],
)
def test_what_is_not_in_the_shop_is_refused(shop: Shop, query: list[int], shown: list[list[int]], text: str) -> None:
    with pytest.raises(BadInput, match=text):
        Shoppers(shop).browse(np.array(query), np.array(shown), seed=0)


def test_no_shoppers_are_refused(shop: Shop) -> None:
    with pytest.raises(BadInput, match="wanted at least 1"):
        Shoppers(shop, shoppers=0)


def test_negative_seeds_and_counts_are_refused(shop: Shop) -> None:
    for count, seed in ((-1, 0), (5, -1)):
        with pytest.raises(BadInput, match="wanted 0 or more"):
            Shoppers(shop).visits(count, seed=seed)
