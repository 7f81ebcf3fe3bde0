"""Shoppers of the made-up shop with known taste: what they search for, look at, click, put in the cart and buy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.records import Columns, uniforms
from rialto.worlds.shop import Shop
from rialto.worlds.shop_data import words

__all__ = ["Sessions", "Shoppers", "Visits"]

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

_EXAMINED_FIRST = 0.96
_EXAMINED_POWER = 0.62  # the chance that a place is looked at falls with this power of its number
_BY_GRADE = np.array([-4.8, -3.0, -1.6, -0.35])  # log-odds of a click on what is looked at, by relevance
_POPULAR, _LEVEL, _BRAND, _PRICE, _QUALITY = 0.22, 0.55, 0.45, 0.5, 0.12
_CART = np.array([0.03, 0.07, 0.12, 0.18])  # of clicks, by relevance
_BUY = 0.38  # of carts, at a middling price
_DAYS = 28.0


@dataclass(frozen=True, slots=True)
class Visits:
    """Searches to be answered, shape (sessions,): `query` and `shopper` numbers (int64), and `time_s` (rising, over 28 days)."""

    query: Ids
    shopper: Ids
    time_s: Floats


@dataclass(frozen=True, slots=True)
class Sessions:
    """What came of showing slates: `shopper` (sessions,), the others (sessions, positions) bool. `examined` is truth, not to learn from."""

    shopper: Ids
    examined: NDArray[np.bool_]
    clicks: NDArray[np.bool_]
    carts: NDArray[np.bool_]
    purchases: NDArray[np.bool_]


class Shoppers:
    """A shop's shoppers, each with a taste in brands and prices, under a position-based model of attention.

    A click needs a look and liking: P(click) = examination(position) x attraction(query, product, shopper), as in Richardson, Dominowska
    and Ragno (2007), "Predicting clicks", WWW, and Chuklin, Markov and de Rijke (2015), "Click Models for Web Search", section 3.3.

    Args:
        shop: The shop.
        seed: Non-negative.
        shoppers: How many.

    Raises:
        BadInput: `shoppers` is below 1 or `seed` below 0.

    Example:
        >>> from rialto.worlds.shop import make_shop
        >>> crowd = Shoppers(make_shop(products=100), seed=1)
        >>> shown = np.tile(np.arange(8), (5, 1))
        >>> sessions = crowd.browse(np.zeros(5, dtype=np.int64), shown, seed=2)
        >>> sessions.clicks.shape, bool((sessions.clicks & ~sessions.examined).any())
        ((5, 8), False)
    """

    def __init__(self, shop: Shop, seed: int = 0, shoppers: int = 2000) -> None:
        if shoppers < 1 or seed < 0:
            raise BadInput(f"shoppers is {shoppers}, seed {seed}; wanted at least 1 and at least 0.")
        rng = np.random.default_rng((shop.seed, seed, 5))
        brands = words().brands
        self._shop, self._seed, self._count = shop, seed, shoppers
        self._brand_level = np.log([b.level for b in brands])
        self._prestige = np.array([b.prestige for b in brands])
        self._taste: Columns = {
            "level": rng.normal(0.0, 0.8, shoppers),  # + likes costly brands
            "thrift": np.clip(rng.normal(0.6, 0.35, shoppers), 0.0, None),  # minds a price above its type's usual
        }
        self._liking = rng.normal(0.0, 1.0, (shoppers, len(brands)))
        truth = shop.truth
        self._popular = np.log(truth.popularity * len(truth.popularity))
        self._dear = self._dearness(truth.type, truth.price_cents)

    @staticmethod
    def _dearness(types: Ids, cents: Ids) -> Floats:
        """Logarithm of each price against the median of its type."""
        dear = np.zeros(len(types))
        for kind in np.unique(types):
            rows = types == kind
            dear[rows] = np.log(cents[rows] / np.median(cents[rows]))
        return dear

    def visits(self, count: int, seed: int = 0) -> Visits:
        """Draw `count` searches by the queries' frequency, by shoppers of whom some come often."""
        if count < 0 or seed < 0:
            raise BadInput(f"count is {count}, seed {seed}; wanted 0 or more of both.")
        rng = np.random.default_rng((self._shop.seed, self._seed, 6, seed))
        often = rng.gamma(0.7, 1.0, self._count) + 0.02
        query = rng.choice(len(self._shop.queries), size=count, p=self._shop.queries.frequency)
        shopper = rng.choice(self._count, size=count, p=often / often.sum())
        return Visits(query, shopper, np.sort(rng.uniform(0.0, _DAYS * 86400.0, count)))

    def examination(self, positions: int) -> Floats:
        """Chance that each place is looked at, shape (positions,), first place first: the truth.

        Example:
            >>> from rialto.worlds.shop import make_shop
            >>> Shoppers(make_shop(products=50)).examination(3).round(2)
            array([0.96, 0.62, 0.49])
        """
        return _EXAMINED_FIRST * np.arange(1, positions + 1, dtype=np.float64) ** -_EXAMINED_POWER

    def attraction(self, query: Ids, product: Ids, shopper: Ids) -> Floats:
        """Chance of a click on a product that is looked at, shape (rows,): the truth.

        Args:
            query, product, shopper: Numbers, shape (rows,) each; products are rows of the catalogue.
        """
        truth = self._shop.truth
        brand = truth.brand[product]
        logit = (
            _BY_GRADE[self._shop.grades[query, product]]
            + _POPULAR * self._popular[product]
            + _QUALITY * truth.quality[product]
            + _BRAND * (self._prestige[brand] + 0.6 * self._liking[shopper, brand])
            + _LEVEL * self._taste["level"][shopper] * self._brand_level[brand]
            - _PRICE * self._taste["thrift"][shopper] * self._dear[product]
        )
        return 1.0 / (1.0 + np.exp(-logit))

    def browse(self, query: Ids, shown: Ids, *, seed: int, shopper: Ids | None = None) -> Sessions:
        """Let shoppers look at slates.

        Args:
            query: Query number of each session, shape (sessions,).
            shown: Products (rows of the catalogue) from the first place on, shape (sessions, positions); -1 = an empty place.
            seed: Of this run's chance; a session's draws depend on the seed and its row.
            shopper: Who looks, shape (sessions,); drawn where not given.

        Returns:
            What they did.

        Raises:
            BadInput: shapes do not fit, or a query, product or shopper does not exist.

        Cost:
            O(sessions x positions), about 0.3 s for a million places.
        """
        query, shown = np.asarray(query, dtype=np.int64), np.asarray(shown, dtype=np.int64)
        who = self._who(len(query), seed) if shopper is None else np.asarray(shopper, dtype=np.int64)
        self._check(query, shown, who)
        positions = shown.shape[1]
        u = uniforms(seed, np.arange(len(query), dtype=np.uint64), "browse", 4 * positions).reshape(-1, 4, positions)
        there = shown >= 0
        product = np.where(there, shown, 0)
        liked = self.attraction(np.repeat(query, positions), product.ravel(), np.repeat(who, positions)).reshape(shown.shape)
        grade = self._shop.grades[query[:, np.newaxis], product]
        examined = (u[:, 0] < self.examination(positions)) & there
        clicks = examined & (u[:, 1] < liked)
        carts = clicks & (u[:, 2] < _CART[grade])
        thrift = self._taste["thrift"][who][:, np.newaxis]
        purchases = carts & (u[:, 3] < np.clip(_BUY * np.exp(-0.5 * thrift * self._dear[product]), 0.0, 1.0))
        return Sessions(who, examined, clicks, carts, purchases)

    def _who(self, sessions: int, seed: int) -> Ids:
        u = uniforms(seed, np.arange(sessions, dtype=np.uint64), "shopper", 1)[:, 0]
        return (u * self._count).astype(np.int64)

    def _check(self, query: Ids, shown: Ids, shopper: Ids) -> None:
        if shown.ndim != 2 or query.shape != shown.shape[:1] or shopper.shape != query.shape:
            raise BadInput(
                f"query has shape {query.shape}, shown {shown.shape}, shopper {shopper.shape}; "
                "wanted (sessions,), (sessions, positions), (sessions,)."
            )
        limits = (("query", query, 0, len(self._shop.queries)), ("shown", shown, -1, len(self._shop.products)))
        for name, numbers, low, end in (*limits, ("shopper", shopper, 0, self._count)):
            if numbers.size and not (low <= numbers.min() and numbers.max() < end):
                raise BadInput(f"{name} holds {numbers.min()} to {numbers.max()}; wanted numbers from {low} to {end - 1}.")
