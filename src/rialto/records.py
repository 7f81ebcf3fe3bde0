"""What crosses every border: Requests, Candidates, Decisions, Event, Trace; all of them batches in columns.

Candidates and Decisions are compressed sparse rows (CSR): request `b` owns rows `offsets[b]:offsets[b+1]`. Arrays inside a
record are never changed in place; a step that wants another column makes another record with `with_columns`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, BadRow, known

__all__ = ["Candidates", "Columns", "Context", "Decisions", "Event", "Requests", "StepTrace", "Trace", "hash64", "uniforms"]

Columns = Mapping[str, NDArray[Any]]
"""Named arrays of one length; the names are part of a step's contract."""


@dataclass(frozen=True, slots=True)
class Requests:
    """A batch of requests, a row each.

    Args:
        ids: Request ids, shape (requests,), uint64, unique in the batch. They seed each request's own stream of chance.
        time_s: When each was asked, shape (requests,), float64, seconds since 1970 in UTC (or since a simulation's start).
        columns: Named columns, shape (requests,) each; text as numpy string or object arrays.
        overrides: Param name -> column, shape (requests,); an experiment sets these, `rialto.spine.params` reads them.

    Raises:
        BadInput: a column's length differs from `ids`.

    Example:
        >>> r = Requests.of(columns={"text": np.array(["red shoe", "lamp"])})
        >>> len(r), r.column("text")[1].item()
        (2, 'lamp')
    """

    ids: NDArray[np.uint64]
    time_s: NDArray[np.float64]
    columns: Columns = field(default_factory=dict)
    overrides: Columns = field(default_factory=dict)

    def __post_init__(self) -> None:
        _one_length(len(self.ids), {"time_s": self.time_s, **self.columns, **self.overrides}, "requests")

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def of(
        cls,
        columns: Columns,
        *,
        ids: NDArray[Any] | None = None,
        time_s: float | NDArray[np.float64] = 0.0,
        overrides: Columns | None = None,
    ) -> Requests:
        """Make a batch from columns alone; `ids` count from 0 and `time_s` is spread over all rows where one number is given."""
        size = len(next(iter(columns.values()))) if columns else len(ids if ids is not None else ())
        numbers = np.arange(size, dtype=np.uint64) if ids is None else np.asarray(ids, dtype=np.uint64)
        times = np.broadcast_to(np.asarray(time_s, dtype=np.float64), (size,))
        return cls(numbers, times, columns, overrides or {})

    def column(self, name: str) -> NDArray[Any]:
        """The column called `name`, shape (requests,); `BadInput` with the nearest known names where it is absent."""
        return _column(self.columns, name, "request")

    def take(self, rows: NDArray[np.int64] | slice) -> Requests:
        """The requests at `rows`, in that order."""
        return Requests(
            self.ids[rows],
            self.time_s[rows],
            {k: v[rows] for k, v in self.columns.items()},
            {k: v[rows] for k, v in self.overrides.items()},
        )

    def with_columns(self, **columns: NDArray[Any]) -> Requests:
        """The same requests with `columns` added or replaced."""
        return replace(self, columns={**self.columns, **columns})


@dataclass(frozen=True, slots=True)
class Candidates:
    """All requests' candidates behind one another.

    Args:
        offsets: Shape (requests + 1,), int64, from 0, never falling, last = number of rows.
        ids: Candidate ids, shape (rows,), int64: a system's own stable numbers (product, driver, creative).
        columns: Named columns, shape (rows,) each.

    Raises:
        BadInput: offsets are not as above, or a column's length differs from `ids`.

    Example:
        >>> c = Candidates(np.array([0, 2, 3]), np.array([7, 9, 7]), {"km": np.array([1.0, 2.0, 5.0])})
        >>> c.counts.tolist(), c.owner.tolist()
        ([2, 1], [0, 0, 1])
        >>> c.keep(c.column("km") > 1.5).ids.tolist()
        [9, 7]
    """

    offsets: NDArray[np.int64]
    ids: NDArray[np.int64]
    columns: Columns = field(default_factory=dict)
    _owner: list[NDArray[np.int64]] = field(default_factory=list, repr=False, compare=False)

    @classmethod
    def _sure(cls, *parts: Any) -> Candidates:
        """Candidates of parts that were checked: a run makes dozens of sixty columns each, and checking costs more than making."""
        made = cls.__new__(cls)
        for name, part in zip(("offsets", "ids", "columns", "_owner"), parts):
            object.__setattr__(made, name, part)
        return made

    def __post_init__(self) -> None:
        if len(self.offsets) == 0 or self.offsets[0] != 0 or self.offsets[-1] != len(self.ids):
            ends = (int(self.offsets[0]), int(self.offsets[-1])) if len(self.offsets) else ()
            raise BadInput(f"offsets run over {ends}; wanted 0 to the {len(self.ids)} candidate rows, one more than requests.")
        _one_length(len(self.ids), self.columns, "candidates")

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def none(cls, requests: int) -> Candidates:
        """No candidates for each of `requests` requests."""
        return cls(np.zeros(requests + 1, dtype=np.int64), np.zeros(0, dtype=np.int64))

    @property
    def requests(self) -> int:
        """Number of requests that the rows belong to."""
        return len(self.offsets) - 1

    @property
    def counts(self) -> NDArray[np.int64]:
        """Candidates of each request, shape (requests,)."""
        return self.offsets[1:] - self.offsets[:-1]

    @property
    def owner(self) -> NDArray[np.int64]:
        """The request that each row belongs to, shape (rows,); made once."""
        if not self._owner:
            self._owner.append(np.repeat(np.arange(self.requests), self.counts))
        return self._owner[0]

    def column(self, name: str) -> NDArray[Any]:
        """The column called `name`, shape (rows,); `BadInput` with the nearest known names where it is absent."""
        return _column(self.columns, name, "candidate")

    def with_columns(self, columns: Columns) -> Candidates:
        """The same rows with `columns` added or replaced."""
        _one_length(len(self.ids), columns, "candidates")
        return self._sure(self.offsets, self.ids, {**self.columns, **columns}, self._owner)

    def keep(self, mask: NDArray[np.bool_]) -> Candidates:
        """The rows where `mask` (rows,) is true, in their order."""
        rows = np.flatnonzero(mask)
        return self.at(rows, np.searchsorted(rows, self.offsets).astype(np.int64))

    def at(self, rows: NDArray[np.int64], offsets: NDArray[np.int64]) -> Candidates:
        """The rows at `rows`, which `offsets` (requests + 1,) divides among the requests."""
        if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != len(rows):
            raise BadInput(f"offsets end at {offsets[-1:].tolist()}; wanted 0 first and the {len(rows)} rows last.")
        return self._sure(offsets, self.ids[rows], {k: v[rows] for k, v in self.columns.items()}, [])

    def rows_of(self, part: Candidates) -> NDArray[np.int64]:
        """Row here of each row of `part` (its rows,), the same request's and id's; `BadInput` where one is not here."""
        names, codes = np.unique(np.concatenate([self.ids, part.ids]), return_inverse=True)
        have = self.owner * len(names) + codes[: len(self)]
        want = part.owner * len(names) + codes[len(self) :]
        order = np.argsort(have, kind="stable")
        at = np.minimum(np.searchsorted(have[order], want), max(len(have) - 1, 0))
        if len(want) and (not len(have) or np.any(have[order[at]] != want)):
            raise BadInput("a row names a candidate that is not among these; the record is damaged.")
        return order[at] if len(want) else np.zeros(0, dtype=np.int64)

    def of(self, request: int) -> Candidates:
        """The candidates of one request, as a batch of one."""
        own = slice(int(self.offsets[request]), int(self.offsets[request + 1]))
        return self._sure(np.array([0, own.stop - own.start]), self.ids[own], {k: v[own] for k, v in self.columns.items()}, [])


@dataclass(frozen=True, slots=True)
class Decisions:
    """What was chosen for each request, best first.

    Args:
        request_ids: Shape (requests,), uint64.
        offsets: Shape (requests + 1,): request b chose rows `offsets[b]:offsets[b+1]`; an empty range is "none".
        ids: Chosen candidates, shape (chosen,), int64.
        rows: Row of each choice in the candidates that the decider saw, shape (chosen,), int64.
        scores: Score that it was chosen by, shape (chosen,), float64.
        propensity: Probability with which the policy chose exactly this for the request, shape (chosen,), float64 in (0, 1].
    """

    request_ids: NDArray[np.uint64]
    offsets: NDArray[np.int64]
    ids: NDArray[np.int64]
    rows: NDArray[np.int64]
    scores: NDArray[np.float64]
    propensity: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.request_ids)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Choices of each request, shape (requests,)."""
        return np.diff(self.offsets)

    def of(self, request: int) -> NDArray[np.int64]:
        """The ids chosen for one request, best first."""
        return self.ids[self.offsets[request] : self.offsets[request + 1]]

    def same(self, other: Decisions) -> bool:
        """True where both hold the same choices, scores and propensities, bit for bit."""
        return all(
            np.array_equal(a.view(np.uint64), b.view(np.uint64))
            for a, b in (
                (self.request_ids, other.request_ids),
                (self.offsets, other.offsets),
                (self.ids, other.ids),
                (self.scores, other.scores),
                (self.propensity, other.propensity),
            )
        )


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, as the event log keeps it.

    Args:
        id: Unique name; a second append of the same id is a repeat, for readers to drop.
        key: What it is about (shopper, driver, request); order is kept within a key.
        kind: What happened: `decision`, `impression`, `click`, `offer`, `accepted`, ...
        time_s: When, seconds since 1970 in UTC.
        body: The payload, JSON or Arrow IPC by `kind`.
    """

    id: str
    key: str
    kind: str
    time_s: float
    body: bytes = b""

    @staticmethod
    def checked(row: int, event: Any) -> tuple[bytes, bytes, bytes]:
        """Id, key and kind as bytes, for the engines of the event log; `BadRow`, counted from 1, where a log cannot keep it.

        Example:
            >>> Event.checked(1, Event("a1", "ann", "click", 2.5))
            (b'a1', b'ann', b'click')
        """
        if not isinstance(event, Event):
            raise BadRow(row, "event", event, "a rialto.records.Event")
        for name in ("id", "key", "kind"):
            if not isinstance(getattr(event, name), str):
                raise BadRow(row, name, getattr(event, name), "a str")
        if not event.id:
            raise BadRow(row, "id", event.id, "a unique name of one character or more")
        if not isinstance(event.body, bytes):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise BadRow(row, "body", event.body, "bytes")
        if not isinstance(event.time_s, (int, float)) or not np.isfinite(event.time_s):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise BadRow(row, "time_s", event.time_s, "finite seconds since 1970")
        try:
            return event.id.encode(), event.key.encode(), event.kind.encode()
        except UnicodeEncodeError as error:
            raise BadRow(row, "id, key or kind", error.object, "text without lone surrogates") from None


@dataclass(frozen=True, slots=True)
class Context:
    """What a step may know besides the data: the time left, the seed of chance, and whether somebody asked why.

    Args:
        deadline_s: The moment, in `clock`'s seconds, after which the answer is not wanted.
        seed: Seed of the run; a request's own stream is derived from it and the request's id by a stable hash.
        clock: Where time comes from.
        explain: True where the caller asked for details of every request.
    """

    deadline_s: float = float("inf")
    seed: int = 0
    clock: Callable[[], float] = monotonic
    explain: bool = False

    def left_s(self) -> float:
        """Seconds until the deadline; negative once it has passed."""
        return self.deadline_s - self.clock()


@dataclass(frozen=True, slots=True)
class StepTrace:
    """One step of one run: name, kind, seconds, rows before and after, and how it ended.

    `outcome` is `ok`, `fallback` (its declared fallback answered) or `late` (it overran, had none, and its answer was kept).
    """

    name: str
    kind: str
    seconds: float
    rows_in: int
    rows_out: int
    outcome: str = "ok"
    error: str = ""


@dataclass(frozen=True, slots=True)
class Trace:
    """What happened to every candidate of every request, in columns.

    Args:
        steps: One entry a step, in order.
        fetched: Candidates after merging, shape (requests,).
        removed: Reason -> candidates removed for it, shape (requests,).
        cut: Phase -> candidates cut after it, shape (requests,).
        unchosen: Candidates that reached the decider and were not chosen, shape (requests,).
        chosen: Candidates chosen, shape (requests,).
        sampled: Rows of the requests whose details were kept, shape (sampled,).
        details: Step -> the sampled requests' candidates as that step left them (as a batch of `sampled` requests), with a
            `removed` column on a filter's entry and `score` on a phase's.
    """

    steps: tuple[StepTrace, ...]
    fetched: NDArray[np.int64]
    removed: Mapping[str, NDArray[np.int64]]
    cut: Mapping[str, NDArray[np.int64]]
    unchosen: NDArray[np.int64]
    chosen: NDArray[np.int64]
    sampled: NDArray[np.int64]
    details: Mapping[str, Candidates]

    def balance(self) -> NDArray[np.int64]:
        """Fetched minus all that was removed, cut, left unchosen or chosen, shape (requests,): zero when nothing vanished."""
        gone = sum(self.removed.values(), np.zeros_like(self.fetched)) + sum(self.cut.values(), np.zeros_like(self.fetched))
        return np.asarray(self.fetched - gone - self.unchosen - self.chosen)

    @property
    def fallbacks(self) -> tuple[str, ...]:
        """Names of the steps that their fallback answered."""
        return tuple(s.name for s in self.steps if s.outcome == "fallback")


def hash64(text: str) -> int:
    """A stable 64-bit hash of `text`, the same on every machine and day (BLAKE2b, 8 bytes); an id for a name.

    Example:
        >>> hash64("query-1") == hash64("query-1"), hash64("a") < 2**64
        (True, True)
    """
    from hashlib import blake2b

    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def uniforms(seed: int, ids: NDArray[np.uint64], salt: str, size: int) -> NDArray[np.float64]:
    """Draw each request's own chances: shape (requests, size), float64 in [0, 1).

    The row of a request depends on `seed`, its id and `salt` alone, so it is the same in any batch and any order.

    Source:
        SplitMix64: Steele, Lea, Flood (2014), "Fast splittable pseudorandom number generators", OOPSLA.

    Example:
        >>> both = uniforms(1, np.array([5, 9], dtype=np.uint64), "explore", 3)
        >>> np.array_equal(both[1:], uniforms(1, np.array([9], dtype=np.uint64), "explore", 3))
        True
    """
    start = np.uint64((hash64(salt) ^ (seed * 0x9E3779B97F4A7C15)) & 0xFFFFFFFFFFFFFFFF)
    with np.errstate(over="ignore"):
        streams = _mix(np.asarray(ids, dtype=np.uint64) ^ start)[:, np.newaxis]
        steps = np.arange(1, size + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        return (_mix(streams + steps) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _one_length(size: int, columns: Columns, what: str) -> None:
    for name, values in columns.items():
        if len(values) != size:
            raise BadInput(f"column {name!r} has {len(values)} rows; wanted {size}, one for each of the {what}.")


def _column(columns: Columns, name: str, what: str) -> NDArray[Any]:
    try:
        return columns[name]
    except KeyError:
        raise BadInput(f"there is no {what} column {name!r}; known: {known(name, columns)}.") from None
