"""Personalisation: what a shopper has shown to like, kept as a small decaying profile, and how a product agrees with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, known
from rialto.find.catalogue import Catalogue
from rialto.find.records import split_path
from rialto.find.select import entries_of
from rialto.ports import FeatureStore
from rialto.records import Candidates, Columns, Context, Requests
from rialto.spine.features import Features

__all__ = ["NAMES", "WORTH", "Profiles", "personal", "pseudonym"]

NAMES = ("personal_brand", "personal_type", "personal_price", "personal_size")
"""Columns that the features step makes."""

WORTH = {"click": 1.0, "cart": 3.0, "purchase": 5.0}
"""How much each kind of event tells, in clicks."""

_SLOTS = {"brand": 12, "type": 12, "size": 4}
_COLUMNS = (*(f"find.{k}.{part}{n}" for k, size in _SLOTS.items() for n in range(size) for part in ("code", "weight")),
            "find.price.mean", "find.price.weight", "find.profile.at_s")  # fmt: skip
_DAY = 86_400.0


def pseudonym(shopper: str, secret: bytes) -> str:
    """The name that a shopper goes by everywhere behind the door: 16 hexadecimal digits, of no use without the secret.

    Args:
        shopper: The shop's id; "" = nobody, and gives "".
        secret: A key of the shop's own, 16 to 64 bytes; with another one all profiles are strangers.

    Raises:
        BadInput: the secret is shorter or longer.

    Example:
        >>> pseudonym("ann", b"sixteen bytes ok") == pseudonym("ann", b"sixteen bytes ok"), pseudonym("", b"sixteen bytes ok")
        (True, '')
    """
    if not 16 <= len(secret) <= 64:
        raise BadInput(f"the secret has {len(secret)} bytes; wanted 16 to 64, random and kept.")
    return blake2b(shopper.encode("utf-8", "replace"), digest_size=8, key=secret).hexdigest() if shopper else ""


@lru_cache(maxsize=65_536)
def _entity(name: str) -> int:
    if len(name) != 16 or any(c not in "0123456789abcdef" for c in name):
        raise BadInput(f"shopper is {name!r:.60}; wanted what `pseudonym` gives: 16 hexadecimal digits, or nothing.")
    return int.from_bytes(bytes.fromhex(name), "little", signed=True)


def _code(kind: str, value: str) -> float:
    """A value's number: 52 bits of its hash, so that a profile outlives any catalogue and a float holds it whole."""
    return float(int.from_bytes(blake2b(f"{kind}\x00{value}".encode(), digest_size=8).digest(), "little") >> 12)


@dataclass(frozen=True)
class _Shelf:
    """What profiles speak of, by row of the catalogue: codes (products, slots), 0 = none; price level 0..1, NaN = not known."""

    brand: NDArray[np.float64]
    kind: NDArray[np.float64]
    size: NDArray[np.float64]
    level: NDArray[np.float64]


class Profiles:
    """Profiles of shoppers in a feature store, over one catalogue.

    A profile is one entity with fixed columns: the brands, category paths (whole and top level) and sizes that weigh most, and the
    mean price level, which is a product's rank by price within its category, so that dear socks and dear coats are alike. All of
    it halves every `half_life_s`.

    Args:
        store: Where profiles are kept. It should keep no older versions (`MemoryStore(depth=0)`), so that what is forgotten is gone.
        catalogue: The products.
        sizes: Attributes whose values are sizes.
        half_life_s: Time in which what was learned halves.

    Threads may learn and read at once; of what two of them learn of one shopper nothing is lost within one process.

    Cost:
        A read is one round trip for a batch; 57 numbers a shopper.
    """

    def __init__(
        self, store: FeatureStore, catalogue: Catalogue, *, sizes: Collection[str] = ("size",), half_life_s: float = 30 * _DAY
    ) -> None:
        if not half_life_s > 0:
            raise BadInput(f"half_life_s is {half_life_s}; wanted seconds above 0.")
        self._store, self._catalogue, self._half_life_s = store, catalogue, half_life_s
        self._sizes, self._turn = frozenset(sizes), Lock()
        self._shelf = _shelf(catalogue, self._sizes, np.arange(len(catalogue)))

    def over(self, catalogue: Catalogue, kept: NDArray[np.int64] | None = None) -> Profiles:
        """The same profiles over another catalogue.

        Args:
            catalogue: The products now.
            kept: Rows of the catalogue before that are its first rows, as they were; None = nothing is known of them.

        Cost:
            That of the rows that are not kept, and of sorting all prices.
        """
        known = np.zeros(0, dtype=np.int64) if kept is None else kept
        fresh = _shelf(catalogue, self._sizes, np.arange(len(known), len(catalogue)))
        old = self._shelf
        other = copy(self)
        other._catalogue = catalogue
        other._shelf = _Shelf(
            *(
                np.concatenate([a[known], b])
                for a, b in ((old.brand, fresh.brand), (old.kind, fresh.kind), (old.size, fresh.size))
            ),
            level=fresh.level,
        )
        return other

    def learn(self, shopper: str, kind: str, product_ids: Sequence[str], *, at_s: float) -> None:
        """Add what a shopper did to the profile; products that are not in the catalogue tell nothing.

        Args:
            shopper: From `pseudonym`; "" is nobody and changes nothing.
            kind: `click`, `cart` or `purchase`.
            product_ids: The shop's ids of the products.
            at_s: When, seconds since 1970; an event older than the profile's last counts as of that.

        Raises:
            BadInput: the kind is unknown, the shopper is no pseudonym, or `at_s` is not finite.
        """
        if kind not in WORTH:
            raise BadInput(f"event kind is {kind!r:.40}; known: {known(kind, WORTH)}.")
        if not np.isfinite(at_s):
            raise BadInput(f"at_s is {at_s}; wanted seconds since 1970.")
        rows = [self._catalogue.row_of_id[i] for i in product_ids if i in self._catalogue.row_of_id]
        if not shopper or not rows:
            return
        with self._turn:
            self._learn(np.array([_entity(shopper)], dtype=np.int64), kind, rows, at_s)

    def _learn(self, entity: NDArray[np.int64], kind: str, rows: list[int], at_s: float) -> None:
        (held,) = self._store.read(entity, _COLUMNS, at_s=np.finfo(np.float64).max)
        columns = dict(zip(_COLUMNS, held.tolist()))
        last = columns["find.profile.at_s"]
        now = at_s if np.isnan(last) else max(at_s, last)
        fade = 1.0 if np.isnan(last) else 0.5 ** ((now - last) / self._half_life_s)
        made = {"find.profile.at_s": now, **_price(columns, fade, self._shelf.level[rows], WORTH[kind])}
        for part, codes in (("brand", self._shelf.brand), ("type", self._shelf.kind), ("size", self._shelf.size)):
            made |= _topped(part, columns, fade, codes[rows], WORTH[kind])
        self._store.write(entity, {n: np.array([v]) for n, v in made.items()}, at_s=now)

    def forget(self, shopper: str, *, at_s: float) -> None:
        """Clear all that is known of a shopper; `at_s` is now, and is raised to the profile's own time where that is later."""
        if not shopper:
            return
        entity = np.array([_entity(shopper)], dtype=np.int64)
        with self._turn:
            last = float(self._store.read(entity, ["find.profile.at_s"], at_s=np.finfo(np.float64).max)[0, 0])
            when = at_s if np.isnan(last) else max(at_s, last)
            self._store.write(entity, {n: np.array([np.nan]) for n in _COLUMNS}, at_s=when)

    def expire(self, *, before_s: float) -> None:
        """Forget every shopper of whom nothing was learned since `before_s`."""
        self._store.expire(before_s=before_s)

    def read(self, shoppers: Sequence[str], *, at_s: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Profiles as of `at_s` (shoppers,) as columns, shape (shoppers,) each or (shoppers, slots), NaN without a profile.

        One round trip for each different time; weights are as of the profile's last event, `at_s` in the answer.
        """
        out = np.full((len(shoppers), len(_COLUMNS)), np.nan)
        named = np.array([at for at, s in enumerate(shoppers) if s], dtype=np.int64)
        for when in sorted(set(at_s[named].tolist())):
            mine = named[at_s[named] == when]
            entities = np.array([_entity(shoppers[at]) for at in mine.tolist()], dtype=np.int64)
            out[mine] = self._store.read(entities, _COLUMNS, at_s=when)
        made, at = dict[str, NDArray[np.float64]](), 0
        for kind, size in _SLOTS.items():
            made[f"{kind}.code"], made[f"{kind}.weight"] = out[:, at : at + 2 * size : 2], out[:, at + 1 : at + 2 * size : 2]
            at += 2 * size
        made["price.mean"], made["price.weight"], made["at_s"] = out[:, at], out[:, at + 1], out[:, at + 2]
        return made

    def agreement(
        self, shoppers: Sequence[str], candidates: Candidates, *, at_s: NDArray[np.float64]
    ) -> dict[str, NDArray[np.float32]]:
        """How each candidate agrees with its request's shopper, shape (rows,) each, NaN without a profile; see `personal`."""
        size = len(candidates)
        out = {n: np.full(size, np.nan, dtype=np.float32) for n in NAMES}
        if not any(shoppers) or not size:
            return out
        profile = self.read(shoppers, at_s=at_s)
        with_profile = ~np.isnan(profile["at_s"])
        at = np.flatnonzero(with_profile[candidates.owner])
        if not len(at):
            return out
        rows, owner = np.maximum(self._catalogue.rows(candidates.ids[at]), 0), candidates.owner[at]
        fade = 0.5 ** (np.maximum(at_s - profile["at_s"], 0.0) / self._half_life_s)[:, np.newaxis]
        for name, codes in (("brand", self._shelf.brand), ("type", self._shelf.kind), ("size", self._shelf.size)):
            out[f"personal_{name}"][at] = _share(profile[f"{name}.code"], profile[f"{name}.weight"] * fade, codes[rows], owner)
        out["personal_price"][at] = self._shelf.level[rows] - profile["price.mean"][owner]
        return out


def personal(profiles: Profiles) -> Features:
    """The Features step of personalisation; columns as `NAMES`, NaN for a request whose column `shopper` is empty or unknown.

    `personal_brand`, `personal_type`, `personal_size`: share of the shopper's own weight that the product's brand, category or size
    has, 0..1, NaN where the product has none; a thin or old profile tells little, as three clicks' worth of nothing is added to it.
    `personal_price`: price level of the product (0 the cheapest of its category, 1 the dearest) less the shopper's.
    """

    def compute(requests: Requests, candidates: Candidates, context: Context) -> Columns:
        column = requests.columns.get("shopper")
        shoppers = [""] * len(requests) if column is None else [str(s) for s in column.tolist()]
        return profiles.agreement(shoppers, candidates, at_s=requests.time_s)

    return Features("personal", NAMES, compute, otherwise=float("nan"))


_PRIOR = 3.0


def _share(
    codes: NDArray[np.float64], weights: NDArray[np.float64], own: NDArray[np.float64], owner: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Share of the profile's weight on any of a product's codes (rows, own codes), the mean over those it has; shape (rows,)."""
    told = np.where(np.isnan(weights), 0.0, weights)
    share = (told / (told.sum(axis=1, keepdims=True) + _PRIOR))[owner]
    table, held = codes[owner], np.zeros(len(owner))
    for j in range(own.shape[1]):
        held += ((table == own[:, j : j + 1]) * share).sum(axis=1)
    has = (own > 0).sum(axis=1)
    held[(has == 0) | np.isnan(codes[:, 0])[owner]] = np.nan  # the heaviest stands first: without it there is none
    return (held / np.maximum(has, 1)).astype(np.float32)


def _topped(part: str, columns: Mapping[str, float], fade: float, codes: NDArray[np.float64], worth: float) -> dict[str, float]:
    """The slots of one kind after an event: faded, added to, and the heaviest kept."""
    weights: dict[float, float] = {}
    for n in range(_SLOTS[part]):
        code, weight = columns[f"find.{part}.code{n}"], columns[f"find.{part}.weight{n}"]
        if not np.isnan(code):
            weights[code] = weight * fade
    for code in codes.ravel().tolist():
        if code > 0:
            weights[code] = weights.get(code, 0.0) + worth
    best = sorted(weights.items(), key=lambda kv: (-kv[1], kv[0]))[: _SLOTS[part]]
    best += [(float("nan"), float("nan"))] * (_SLOTS[part] - len(best))
    return {f"find.{part}.{k}{n}": v for n, (code, weight) in enumerate(best) for k, v in (("code", code), ("weight", weight))}


def _price(columns: Mapping[str, float], fade: float, levels: NDArray[np.float64], worth: float) -> dict[str, float]:
    told = levels[~np.isnan(levels)]
    old = np.nan_to_num(columns["find.price.weight"], nan=0.0) * fade
    weight = float(old + worth * len(told))
    if weight <= 0:
        return {"find.price.mean": float("nan"), "find.price.weight": float("nan")}
    mean = (np.nan_to_num(columns["find.price.mean"], nan=0.0) * old + worth * told.sum()) / weight
    return {"find.price.mean": float(mean), "find.price.weight": weight}


def _shelf(catalogue: Catalogue, sizes: Collection[str], rows: NDArray[np.int64]) -> _Shelf:
    """Codes of some rows, in their order; levels of all."""
    paths = [split_path(str(p)) for p in catalogue.text("category")[rows].tolist()]
    cache: dict[tuple[str, str], float] = {("", ""): 0.0}

    def code(kind: str, value: str) -> float:
        return cache.setdefault((kind, value), _code(kind, value)) if value else 0.0

    brand = np.array([[code("brand", str(b))] for b in catalogue.text("brand")[rows].tolist()]).reshape(-1, 1)
    kind = np.array([[code("type", "/".join(p)), code("type", p[0]) if len(p) > 1 else 0.0] for p in paths]).reshape(-1, 2)
    return _Shelf(brand, kind, _sizes(catalogue, sizes, code, rows), _levels(catalogue))


def _sizes(catalogue: Catalogue, sizes: Collection[str], code: Any, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """The first size of each of `rows`, shape (rows, 1)."""
    labels, out = catalogue.labels, np.zeros((len(rows), 1))
    names = np.array([n in sizes for n in labels.names], dtype=np.bool_)
    if not names.any():
        return out
    of_pair = np.zeros(len(labels.pair_name))
    told = np.flatnonzero(names[labels.pair_name])
    of_pair[told] = [code("size", str(t)) for t in np.asarray(labels.pair_text)[told].tolist()]
    entries, counts = entries_of(labels.offsets, rows)
    values, owner = of_pair[labels.pair[entries]], np.repeat(np.arange(len(rows)), counts)
    held = np.flatnonzero(values)[::-1]  # the first of a product is written last
    out[owner[held], 0] = values[held]
    return out


def _levels(catalogue: Catalogue) -> NDArray[np.float64]:
    """Rank of each price within its category, 0 the cheapest to 1 the dearest; half for a category of one; NaN = no price."""
    price = catalogue.value("price_cents")
    known_price = np.flatnonzero(~np.isnan(price))
    out = np.full(len(price), np.nan)
    if not len(known_price):
        return out
    codes = dict[str, int]()
    group = np.array([codes.setdefault(p, len(codes)) for p in catalogue.text("category")[known_price].tolist()], dtype=np.int64)
    order = np.lexsort((price[known_price], group))
    first, last = (np.searchsorted(group[order], group, side=side) for side in ("left", "right"))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    count = last - first
    out[known_price] = np.where(count > 1, (place - first) / np.maximum(count - 1, 1), 0.5)
    return out
