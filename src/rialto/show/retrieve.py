"""Retrieval for a placement: the checked creatives made for it, and the reasons for which one may not be shown now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timezone

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.records import Candidates, Context, Requests
from rialto.show.records import Creative
from rialto.spine.retrieve import Filter, Source

__all__ = ["Arm", "Roster", "filters", "source", "start_of"]

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Arm:
    """A creative that passed every gate: its files by format, and from when to when it may be shown (seconds, UTC, end out)."""

    creative: Creative
    files: Mapping[str, str]
    starts_s: float
    ends_s: float


@dataclass(frozen=True, slots=True)
class Roster:
    """All arms in columns, by id; the arms of one placement stand together.

    Args:
        arms: Sorted by placement, then id.
        ids: Shape (arms,), int64.
        starts_s, ends_s: Shape (arms,), float64.
        locale, product: Shape (arms,), text.
        places: Placement -> first arm and one past the last.
        safe: Placement -> row of the arm that is shown when nothing else may be.
        withheld: Product ids whose creatives may not be shown now.
    """

    arms: tuple[Arm, ...]
    ids: NDArray[np.int64]
    starts_s: NDArray[np.float64]
    ends_s: NDArray[np.float64]
    locale: NDArray[np.str_]
    product: NDArray[np.str_]
    places: Mapping[str, tuple[int, int]]
    safe: Mapping[str, int]
    withheld: frozenset[str] = frozenset()

    @classmethod
    def of(cls, arms: Mapping[int, Arm], safe: Mapping[str, int], withheld: frozenset[str] = frozenset()) -> Roster:
        """Lay out arms (id -> arm); `safe` is placement -> id."""
        ordered = sorted(arms.items(), key=lambda pair: (pair[1].creative.surface, pair[0]))
        ids = np.array([i for i, _ in ordered], dtype=np.int64)
        places: dict[str, tuple[int, int]] = {}
        for row, (_, arm) in enumerate(ordered):
            first, _ = places.get(arm.creative.surface, (row, row))
            places[arm.creative.surface] = (first, row + 1)
        held = tuple(arm for _, arm in ordered)
        rows = {int(i): row for row, i in enumerate(ids)}
        return cls(
            held,
            ids,
            np.array([a.starts_s for a in held], dtype=np.float64),
            np.array([a.ends_s for a in held], dtype=np.float64),
            np.array([a.creative.locale for a in held], dtype=np.str_),
            np.array([a.creative.product_id for a in held], dtype=np.str_),
            places,
            {place: rows[i] for place, i in safe.items() if i in rows},
            withheld,
        )

    def rows_of(self, candidates: Candidates) -> NDArray[np.int64]:
        """The row of each candidate in the roster, shape (rows,)."""
        order = np.argsort(self.ids)
        return order[np.searchsorted(self.ids[order], candidates.ids)]


def source(roster: Callable[[], Roster]) -> Source:
    """The leg that fetches every arm of the placement asked for; its fallback is the placement's safe arm alone."""

    def fetch(requests: Requests, context: Context) -> Candidates:
        return _fetched(roster(), requests)

    def safe(requests: Requests) -> Candidates:
        now = roster()
        rows = [now.safe.get(str(p), -1) for p in requests.column("placement")]
        offsets = np.concatenate([[0], np.cumsum([r >= 0 for r in rows])]).astype(np.int64)
        return Candidates(offsets, now.ids[[r for r in rows if r >= 0]])

    return Source("roster", fetch, otherwise=safe)


def filters(roster: Callable[[], Roster]) -> tuple[Filter, ...]:
    """Why an arm may not be shown: outside its dates, in another language, or its product is withheld; all fail shut."""

    def in_dates(requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.bool_]:
        now, rows = roster(), roster().rows_of(candidates)
        asked = requests.time_s[candidates.owner]
        return (now.starts_s[rows] <= asked) & (asked < now.ends_s[rows])

    def in_locale(requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.bool_]:
        if "locale" not in requests.columns or len(candidates) == 0:
            return np.ones(len(candidates), dtype=np.bool_)
        now = roster()
        wanted = requests.column("locale").astype(np.str_)[candidates.owner]
        return np.asarray(now.locale[now.rows_of(candidates)] == wanted)

    def available(requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.bool_]:
        now = roster()
        return ~np.isin(now.product[now.rows_of(candidates)], sorted(now.withheld))

    return (
        Filter("not_in_its_dates", in_dates, otherwise=False),
        Filter("other_locale", in_locale, otherwise=False),
        Filter("withheld", available, otherwise=False),
    )


def start_of(day: date) -> float:
    """Midnight UTC at which `day` begins, in seconds since 1970."""
    return datetime(day.year, day.month, day.day, tzinfo=timezone.utc).timestamp()  # noqa: UP017


def _fetched(roster: Roster, requests: Requests) -> Candidates:
    names, which = np.unique(requests.column("placement").astype(np.str_), return_inverse=True)
    unknown = [str(n) for n in names if str(n) not in roster.places]
    if unknown:
        known = ", ".join(list(roster.places)[:10]) or "(none: admit a creative first)"
        raise BadInput(f"there is no creative for placement {unknown[0]!r}; known placements: {known}.")
    spans = np.array([roster.places[str(n)] for n in names], dtype=np.int64).reshape(-1, 2)[which.reshape(-1)]
    counts = spans[:, 1] - spans[:, 0]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    rows = np.arange(offsets[-1]) - np.repeat(offsets[:-1] - spans[:, 0], counts)
    return Candidates(offsets, roster.ids[rows])
