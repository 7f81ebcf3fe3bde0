"""Behaviour: looks, clicks, carts and purchases by query and product and by product, decaying, as of one moment."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from io import BytesIO
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.behaviour.counts import CLICKS, COUNTS, LOOKS, summed, worthiest
from rialto.find.behaviour.nearby import Nearby
from rialto.find.behaviour.prior import Prior
from rialto.find.behaviour.served import Served, happened, power_of, read, together
from rialto.find.terms import analyse
from rialto.spine.log import DecisionLog

__all__ = ["Behaviour", "Recalled", "key_of"]

_DAY = 86_400.0
_KEPT = 10_000  # queries whose answer is remembered
_MOST_WORDS = 16


def key_of(text: str) -> str:
    """The name that a query goes by: its terms, each once, in order of the alphabet.

    Example:
        >>> key_of("Red lamps"), key_of("lamp, red")
        ('lamp red', 'lamp red')
    """
    return " ".join(sorted(set(analyse(text)))[:_MOST_WORDS])


@dataclass(frozen=True, slots=True)
class Recalled:
    """What is known of a query's products, numbers rising; NaN = nothing.

    Args:
        ids: Product numbers, shape (products,), rising.
        lift: How many times the usual product of a list this one is clicked when looked at for this query, shape (products,).
        share: Its part of all that attracts among the products shown for this query.
        looks: How often it was looked at for this query.
        similar: As `lift`, for queries like this one, each by its likeness and by what is known of it.
    """

    ids: NDArray[np.int64]
    lift: NDArray[np.float64]
    share: NDArray[np.float64]
    looks: NDArray[np.float64]
    similar: NDArray[np.float64]


@dataclass(frozen=True)
class Behaviour:
    """What shoppers did before one moment, and nothing after it.

    A place that is looked at less gets fewer clicks whatever stands there. So a product's looks are counted, not its views: a place p
    counts p ** -power of one. Clicks over looks is then free of the place, and equals what the position-based model says of the
    product. All counts halve every `half_life_s`, looks and clicks alike.

    Args:
        until_s: The moment: only what has an earlier time is in it.
        half_life_s: Time in which what happened comes to count half.
        within_s: Longest time from a list to what follows from it.
        power: As `rialto.find.behaviour.served.power_of`; NaN until there was a log to learn it from.
        most: Most pairs of query and product kept, those looked at and clicked least go first.
        keys, texts: The queries by `key_of`, and each as it was first asked.
        offsets: Shape (queries + 1,): query q owns the pairs `offsets[q]:offsets[q+1]`.
        pair_product: Shape (pairs,), rising within a query.
        pair: Looks, clicks, carts, purchases, shape (pairs, 4).
        ids: Products, shape (products,), rising.
        product: As `pair`, over all queries, pages without words too, shape (products, 4).
        last_s: When each product was last clicked, shape (products,); NaN = never.
        open: Lists that may still be clicked.

    Cost:
        One pass over the log; about 100 bytes a pair. `with_more` reads what is new alone.

    Source:
        Chuklin, Markov, de Rijke (2015), "Click Models for Web Search", section 3.3 (position-based model); Zhang, Jones (2007), "Comparing click
        logs and editorial labels for training query rewriting" (clicks over expected clicks).

    Example:
        >>> Behaviour.none().recall("lamp") is None
        True
    """

    until_s: float = -np.inf
    half_life_s: float = 30 * _DAY
    within_s: float = _DAY
    power: float = np.nan
    most: int = 1_000_000
    keys: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    offsets: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, dtype=np.int64))
    pair_product: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    pair: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, COUNTS)))
    ids: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    product: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, COUNTS)))
    last_s: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    open: Served = field(default_factory=Served.none)

    def __post_init__(self) -> None:
        if not (self.half_life_s > 0.0 and self.within_s >= 0.0 and self.most >= 1):
            raise BadInput(
                f"half_life_s {self.half_life_s}, within_s {self.within_s}, most {self.most}; wanted above 0, at least 0, at least 1."
            )

    @classmethod
    def none(cls, **settings: float) -> Behaviour:
        """Nothing seen yet; `half_life_s`, `within_s`, `power` and `most` may be given."""
        made = cls()
        return replace(made, **{**settings, "most": int(settings.get("most", made.most))})

    @classmethod
    def of(cls, log: DecisionLog, *, until_s: float = np.inf, having: str = "", **settings: float) -> Behaviour:
        """What the log tells of the time before `until_s`: of all of it where that is infinite, as of its latest time."""
        return cls.none(**settings).with_more(log, until_s=until_s, having=having)

    def with_more(self, log: DecisionLog, *, until_s: float = np.inf, start: int = 0, having: str = "") -> Behaviour:
        """What is known at a later moment: the same as from the whole log at once, where nothing came late.

        Args:
            log: Decisions of `find` and feedback. What it holds of times before this moment was counted, and is not counted again.
            until_s: The moment; not before this one's.
            start: Offset from which the log is read: decisions and feedback below it are all older than this moment.
            having: Only decisions that pin a version of this name, such as one shop's ranker; "" = all of the log.

        Raises:
            BadInput: `until_s` is earlier, or not a number.
        """
        if not until_s >= self.until_s:
            raise BadInput(f"until_s is {until_s}, and this is as of {self.until_s} already; wanted a time not before it.")
        queries = dict(zip(self.keys, range(len(self.keys))))
        texts = list(self.texts)

        def number(text: str) -> int:
            key = key_of(text)
            if key and key not in queries:
                queries[key] = len(queries)
                texts.append(" ".join(text.split()))
            return queries[key] if key else -1

        logged = (r for r in log.read(start, pipeline="find") if not having or having in r.versions)
        fresh = read(logged, self.until_s, until_s, number)
        rows = together([self.open, fresh])
        at, bit, when = happened(rows, log.feedback(start), self.until_s, until_s, self.within_s)
        latest = max([*fresh.time_s.tolist(), *when.tolist(), -np.inf])
        now = until_s if np.isfinite(until_s) else max(float(np.nextafter(latest, np.inf)), self.until_s)
        if not np.isfinite(now):
            return self
        np.bitwise_or.at(rows.did, at, bit)
        named = replace(self, keys=tuple(queries), texts=tuple(texts))
        return _added(named, rows, len(rows) - len(self.open), (at, bit, when), now)

    @cached_property
    def version(self) -> str:
        """A checksum of what it says, 16 hexadecimal digits; what a decision pins."""
        digest = blake2b(repr((self.until_s, self.power, self.keys)).encode(), digest_size=8)
        for part in (self.offsets, self.pair_product, self.pair, self.ids, self.product):
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()

    @cached_property
    def usual(self) -> Prior:
        """Clicks a look, of a product shown for a query."""
        return Prior.of(self.pair[:, CLICKS], self.pair[:, LOOKS])

    @cached_property
    def lift(self) -> NDArray[np.float64]:
        """Of each pair, its smoothed clicks a look over the usual, shape (pairs,)."""
        return self.usual.rate(self.pair[:, CLICKS], self.pair[:, LOOKS]) / max(self.usual.mean, 1e-12)

    def recall(self, text: str) -> Recalled | None:
        """What is known of the products of this query and of queries like it; None where nothing is. Remembered for some queries."""
        key = key_of(text)
        if key not in self._held:
            while len(self._held) >= _KEPT:
                self._held.pop(next(iter(self._held)), None)
            self._held[key] = self._recalled(key)
        return self._held.get(key)

    @cached_property
    def _held(self) -> dict[str, Recalled | None]:
        return {}

    @cached_property
    def number_of(self) -> dict[str, int]:
        """Key of a query -> its number."""
        return dict(zip(self.keys, range(len(self.keys))))

    @cached_property
    def nearby(self) -> Nearby:
        """Finds queries like another."""
        owner = np.repeat(np.arange(len(self.keys)), np.diff(self.offsets))
        clicks = np.bincount(owner, weights=self.pair[:, CLICKS], minlength=len(self.keys))
        return Nearby.of(self.keys, clicks.astype(np.float64))

    def _recalled(self, key: str) -> Recalled | None:
        own = self.number_of.get(key, -1)
        like = self.nearby.like(key, but=own) if key else []
        rows = slice(int(self.offsets[own]), int(self.offsets[own + 1])) if own >= 0 else slice(0, 0)
        if rows.start == rows.stop and not like:
            return None
        products, similar = self._of_similar(like)
        ids = np.union1d(self.pair_product[rows], products)
        out = np.full((4, len(ids)), np.nan)
        at, lift = np.searchsorted(ids, self.pair_product[rows]), self.lift[rows]
        out[0, at], out[2, at] = lift, self.pair[rows, LOOKS]
        out[1, at] = lift / max(float(lift.sum()), 1e-12)
        out[3, np.searchsorted(ids, products)] = similar
        return Recalled(ids, *out)

    def _of_similar(self, like: list[tuple[int, float]]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Products of queries like one, and their mean lift there: looks count, by the square of the likeness, against the prior."""
        spans = [np.arange(int(self.offsets[n]), int(self.offsets[n + 1])) for n, _ in like]
        rows = np.concatenate([np.zeros(0, dtype=np.int64), *spans])
        weight = np.repeat([s * s for _, s in like], [len(s) for s in spans])
        ids, code = np.unique(self.pair_product[rows], return_inverse=True)
        clicks, looks = (np.bincount(code, weights=weight * self.pair[rows, c], minlength=len(ids)) for c in (CLICKS, LOOKS))
        clicks, looks = clicks.astype(np.float64), looks.astype(np.float64)
        return ids, self.usual.rate(clicks, looks) / max(self.usual.mean, 1e-12)

    def save(self) -> bytes:
        """As bytes, for `load`."""
        texts = {"keys": self.keys, "texts": self.texts}
        arrays: dict[str, Any] = {
            n: np.frombuffer("\n".join(t).encode("utf-8", "replace"), dtype=np.uint8) for n, t in texts.items()
        }
        arrays |= {n: getattr(self, n) for n in ("offsets", "pair_product", "pair", "ids", "product", "last_s")}
        arrays |= {f"open_{n}": v for n, v in self.open.columns().items()}
        arrays["settings"] = np.array([self.until_s, self.half_life_s, self.within_s, self.power, self.most])
        sink = BytesIO()
        np.savez_compressed(sink, **arrays)
        return sink.getvalue()

    @classmethod
    def load(cls, body: bytes) -> Behaviour:
        """What `save` wrote; `BadInput` where it is something else or cut short."""
        try:
            with np.load(BytesIO(body), allow_pickle=False) as held:
                a = {n: held[n] for n in held.files}
            until_s, half_life_s, within_s, power, most = a.pop("settings").tolist()
            keys, texts = (tuple(t.split("\n")) if (t := a.pop(n).tobytes().decode()) else () for n in ("keys", "texts"))
            waiting = Served(**{n.removeprefix("open_"): a.pop(n) for n in list(a) if n.startswith("open_")})
            made = cls(until_s, half_life_s, within_s, power, int(most), keys, texts, **a, open=waiting)
        except (ValueError, KeyError, TypeError, OSError, EOFError, BadZipFile) as e:
            raise BadInput(f"these {len(body)} bytes are not saved behaviour: {type(e).__name__}: {e}.") from None
        sizes = (len(made.offsets) - 1, len(texts), int(made.offsets[-1]), len(made.ids), len(made.ids))
        if sizes != (len(keys), len(keys), len(made.pair), len(made.product), len(made.last_s)):
            raise BadInput(
                f"saved behaviour has parts of {sizes} rows, which do not fit one another; make it from the log again."
            )
        return made


def _added(
    b: Behaviour, rows: Served, fresh: int, news: tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.float64]], now: float
) -> Behaviour:
    """Counts as of `now`: the old ones faded, the looks at the last `fresh` rows, and what was newly done."""
    at, bit, when = news
    power = b.power if np.isfinite(b.power) else power_of(rows)
    first = len(rows) - fresh
    row = np.concatenate([np.arange(first, len(rows)), at])
    column = np.concatenate([np.full(fresh, LOOKS), np.log2(bit).astype(np.int64) + 1])
    time_s = np.concatenate([rows.time_s[first:], when])
    worth = np.concatenate([(rows.place[first:] + 1.0) ** -power, np.ones(len(at))]).astype(np.float64)
    worth *= np.exp2((time_s - now) / b.half_life_s)
    faded = float(np.exp2((b.until_s - now) / b.half_life_s))
    owner = np.repeat(np.arange(len(b.offsets) - 1), np.diff(b.offsets))
    asked = rows.key[row] >= 0
    key, product, pair = summed(
        (owner, b.pair_product, b.pair * faded), rows.key[row][asked], rows.product[row][asked], column[asked], worth[asked]
    )
    nobody = np.zeros(len(row) + len(b.ids), dtype=np.int64)
    old = (nobody[: len(b.ids)], b.ids, b.product * faded)
    _, ids, of_product = summed(old, nobody[len(b.ids) :], rows.product[row], column, worth)
    last_s = np.full(len(ids), np.nan)
    last_s[np.searchsorted(ids, b.ids)] = b.last_s
    clicked = column == CLICKS
    np.fmax.at(last_s, np.searchsorted(ids, rows.product[row][clicked]), time_s[clicked])
    kept = worthiest(pair, b.most)
    offsets = np.searchsorted(key[kept], np.arange(len(b.keys) + 1)).astype(np.int64)
    waiting = rows.take(rows.time_s >= now - b.within_s)
    made = replace(
        b, until_s=now, power=power, offsets=offsets, pair_product=product[kept], pair=pair[kept], ids=ids, product=of_product,
        last_s=last_s, open=waiting,
    )  # fmt: skip
    return _without_empty(made) if len(kept) < len(key) else made


def _without_empty(b: Behaviour) -> Behaviour:
    """The same without queries that have no pairs left and no open list."""
    used = np.diff(b.offsets) > 0
    used[b.open.key[b.open.key >= 0]] = True
    number = np.where(used, np.cumsum(used) - 1, -1)
    key = np.where(b.open.key >= 0, number[b.open.key], -1)
    names = [tuple(t for t, u in zip(part, used.tolist()) if u) for part in (b.keys, b.texts)]
    offsets = np.concatenate([[0], np.cumsum(np.diff(b.offsets)[used])]).astype(np.int64)
    return replace(b, keys=names[0], texts=names[1], offsets=offsets, open=replace(b.open, key=key))
