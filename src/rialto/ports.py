"""Protocols for the outside, four methods or fewer each; every engine of a port passes that port's exam in `rialto.testing`.

Arrays name their axes. Entities, documents and points are int64 numbers that the calling system owns; a port never invents one.
Every engine raises the errors of `rialto.errors` and no others: `EngineBusy` may be tried again, `EngineLost` may not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rialto.records import Candidates, Columns, Event

__all__ = [
    "PORTS", "Box", "Blobs", "Canvas", "Clause", "Critic", "EventLog", "FeatureStore", "GeoIndex", "Hits", "Jobs", "ModelCard",
    "Models", "Opinion", "Picture", "Positioned", "Terms", "TextField", "TextIndex", "TextQuery", "TravelTimes", "VectorIndex", "Writer", "WriterJob",
]  # fmt: skip


@runtime_checkable
class EventLog(Protocol):
    """Append-only, keyed, replayable. The law: an acknowledged event survives kill -9; order is kept within a key; at-least-once."""

    def append(self, events: Sequence[Event]) -> NDArray[np.int64]:
        """Write `events` durably and return their offsets, shape (events,), rising; none is visible unless all are durable."""
        ...

    def read(self, start: int = 0, limit: int = 1000) -> list[tuple[int, Event]]:
        """Up to `limit` events with offset >= `start`, in offset order; fewer only at the end. `[]` at the end."""
        ...

    def end(self) -> int:
        """One past the offset of the last durable event; 0 for an empty log."""
        ...

    def close(self) -> None:
        """Let go of files and connections; a second call does nothing."""
        ...


@runtime_checkable
class FeatureStore(Protocol):
    """Values by entity and name. The law: one round trip for many entities; the value as of a time; expiry; missing is NaN, never 0."""

    def write(self, entities: NDArray[np.int64], columns: Columns, *, at_s: float) -> None:
        """Set `columns` (name -> (entities,) float64) as of `at_s`. A NaN clears. An older write never hides a newer one."""
        ...

    def read(self, entities: NDArray[np.int64], names: Sequence[str], *, at_s: float) -> NDArray[np.float64]:
        """Values as of `at_s`, shape (entities, names): the last written at or before `at_s` and not expired then; else NaN."""
        ...

    def expire(self, *, before_s: float) -> None:
        """Forget every value written before `before_s`."""
        ...

    def close(self) -> None:
        """Flush and let go; what was written before is there on reopening where the engine is durable."""
        ...


@dataclass(frozen=True, slots=True)
class TextField:
    """One field of a text index: its name, its weight in the score, and the BM25 parameters where the engine can set them."""

    name: str
    boost: float = 1.0
    k1: float = 1.2
    b: float = 0.75


@dataclass(frozen=True, slots=True)
class Clause:
    """One filter: `field` has any of `values` (text), or lies in `low..high` (number, both ends in); exact in every engine."""

    field: str
    values: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    negate: bool = False


@dataclass(frozen=True, slots=True)
class TextQuery:
    """One query: free text, exact filters (all must hold), and how many of its words at least must match (0..1)."""

    text: str
    filters: tuple[Clause, ...] = ()
    match_share: float = 0.0


@dataclass(frozen=True, slots=True)
class Hits:
    """Answers to a batch of queries in CSR: `offsets` (queries + 1,), `ids` (hits,) int64, `scores` (hits,) float64, best first; ties by id.
    A GeoIndex adds `time_s` (hits,), when each was where it was found."""

    offsets: NDArray[np.int64]
    ids: NDArray[np.int64]
    scores: NDArray[np.float64]
    time_s: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))


@runtime_checkable
class TextIndex(Protocol):
    """Fielded lexical search. The law: filters exact, deletes honoured, a re-added id replaces, order total (score, then id)."""

    def add(self, ids: NDArray[np.int64], texts: Mapping[str, Sequence[str]], filters: Columns) -> None:
        """Add or replace documents; `texts` by field, `filters` by field ((ids,) numbers, or object arrays of str or tuples of str)."""
        ...

    def remove(self, ids: NDArray[np.int64]) -> None:
        """Remove documents; unknown ids are no error."""
        ...

    def search(self, queries: Sequence[TextQuery], *, limit: int) -> Hits:
        """The best `limit` documents for each query; what was added or removed before is seen."""
        ...

    def close(self) -> None:
        """Flush and let go."""
        ...


@runtime_checkable
class VectorIndex(Protocol):
    """Nearest vectors by cosine. The law: recall against `flat`, filters exact (limit allowed come back, not limit minus removed)."""

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Add or replace vectors, shape (ids, dimensions); `BadInput` on NaN, zero rows or another dimension."""
        ...

    def remove(self, ids: NDArray[np.int64]) -> None:
        """Remove vectors; unknown ids are no error."""
        ...

    def search(self, queries: NDArray[np.float32], *, limit: int, allowed: NDArray[np.int64] | None = None) -> Hits:
        """The `limit` most similar to each query (queries, dimensions), among `allowed` ids where given; score = cosine."""
        ...

    def close(self) -> None:
        """Flush and let go."""
        ...


@dataclass(frozen=True, slots=True)
class Positioned:
    """Points as columns: `ids` (points,), `x_m`, `y_m` (metres in a local plane), `time_s`, and `flags` (points,) uint64 eligibility bits.

    `amounts`, name -> (points,), not NaN, is what each has of what `Terms.least` may ask for: free seats, when it must be home.
    """

    ids: NDArray[np.int64]
    x_m: NDArray[np.float64]
    y_m: NDArray[np.float64]
    time_s: NDArray[np.float64]
    flags: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))
    amounts: Columns = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Terms:
    """Who may answer a batch of queries beyond flags and freshness: a part of the search, so that k eligible points come back.

    Args:
        least: Name -> (queries,): a point answers where it has at least this amount; -inf asks for nothing, and what it lacks is -inf.
        per_m: Name -> how much more of it each metre of distance takes, at least 0: seconds to get there, metres of range.
        barred: Points that must not answer a query, in its rows; None = nobody is barred.
    """

    least: Columns = field(default_factory=dict)
    per_m: Mapping[str, float] = field(default_factory=dict)
    barred: Candidates | None = None


@runtime_checkable
class GeoIndex(Protocol):
    """Moving points. The law: exact k nearest among the eligible, ties by id; stale points are gone; a move replaces, an older one is
    refused; a search sees all of a batch of moves or nothing of it."""

    def move(self, points: Positioned) -> NDArray[np.bool_]:
        """Insert or move points, replacing flags and amounts; true where taken, false where older than what is held. Later rows win
        within a batch at equal time."""
        ...

    def remove(self, ids: NDArray[np.int64]) -> None:
        """Remove points; unknown ids are no error."""
        ...

    def nearest(
        self, x_m: NDArray[np.float64], y_m: NDArray[np.float64], *, k: int, need: NDArray[np.uint64] | None = None,
        radius_m: float = np.inf, fresh_after_s: float = -np.inf, terms: Terms | None = None,
    ) -> Hits:  # fmt: skip
        """The `k` nearest points to each query whose flags hold all bits of `need` (queries,), within `radius_m`, with time >= `fresh_after_s`.

        `terms` narrows them further. `scores` are distances in metres, rising; `time_s` says when each was there.
        """
        ...

    def close(self) -> None:
        """Let go."""
        ...


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a model version is: the engine that reads it, its inputs in order, where it comes from and how good it was.

    Args:
        name: The model's name, `find.ranker`.
        kind: `trees` or `onnx`.
        inputs: Feature names in column order.
        parent: Version that it was trained to replace, or "".
        data: Fingerprint of the training data.
        params: Training parameters, as text.
        metrics: Measured before promotion.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    parent: str = ""
    data: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


@runtime_checkable
class Models(Protocol):
    """Model versions and their scores. The law: a batch equals its rows one by one; a version is its content's hash; never a pickle."""

    def put(self, card: ModelCard, body: bytes) -> str:
        """Keep a version and return its name (a content hash); the same content gives the same name."""
        ...

    def promote(self, name: str, version: str) -> None:
        """Make `version` the live one of model `name`; `NothingHere` where it does not exist."""
        ...

    def live(self, name: str) -> tuple[str, ModelCard] | None:
        """The live version of `name` with its card, or None where none was promoted."""
        ...

    def score(self, version: str, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Raw scores, shape (rows,) from (rows, inputs); NaN inputs go where the training sent missing values."""
        ...


@runtime_checkable
class TravelTimes(Protocol):
    """How long a drive takes. The law: seconds, never negative, zero from a place to itself; a time-out raises `EngineBusy`."""

    def seconds(self, start: NDArray[np.float64], goal: NDArray[np.float64], *, at_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Seconds for each trip, shape (trips,), from `start` (trips, 2) to `goal` (trips, 2), latitude and longitude in degrees."""
        ...


@runtime_checkable
class Jobs(Protocol):
    """Work in partitions. The law: the same result for any number of partitions; a failed partition fails the job with its number."""

    def map(self, work: Callable[[Any], Any], parts: Sequence[Any]) -> list[Any]:
        """`work` of each part, in the order of `parts`; `work` is a top-level function and sees its part only."""
        ...


@dataclass(frozen=True, slots=True)
class WriterJob:
    """Copy to write: the slots wanted with their limits in characters, the facts it may use, and the voice.

    Args:
        slots: Slot name -> most characters.
        facts: Fact name -> text as the catalogue holds it, already in the locale's format (`price` = "$52.00").
        locale: BCP 47 tag, `en-US`.
        voice: Approved words and phrases by slot; the call to action must be one of `voice["call_to_action"]`.
        seed: Chooses among equally good copy.
        avoid: Phrases that must not appear.
    """

    slots: Mapping[str, int]
    facts: Mapping[str, str]
    locale: str = "en-US"
    voice: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    seed: int = 0
    avoid: tuple[str, ...] = ()


@runtime_checkable
class Writer(Protocol):
    """Copy from facts. The law: every number and price in the copy is a fact's; a slot that cannot be filled is absent, never made up."""

    def write(self, job: WriterJob, *, variants: int) -> list[dict[str, str]]:
        """Up to `variants` different sets of slot -> copy, best first, within the limits."""
        ...


@dataclass(frozen=True, slots=True)
class Opinion:
    """A critic's view of one rendered creative: `rule`, whether it `passed`, the `measured` value and a sentence a person can act on."""

    rule: str
    passed: bool
    measured: float
    reason: str


@dataclass(frozen=True, slots=True)
class Box:
    """One thing on a canvas, in pixels from the top left.

    Args:
        name: Slot that it fills (`headline`, `price`, `image`, `button`, `background`, ...).
        kind: `text`, `image`, `fill` or `button`.
        x, y, width, height: Where it stands.
        text: What it says (`text`, `button`).
        size_px: Font size (`text`, `button`).
        colour: Ink as #rrggbb (`text`, `button`: the letters; `fill`: the area).
        ground: Area behind the letters of a `button` as #rrggbb.
        source: Bytes of an encoded picture (`image`).
        weight: 400 or 700.
        lines: Text as it was broken into lines; empty = one line `text`.
    """

    name: str
    kind: str
    x: float
    y: float
    width: float
    height: float
    text: str = ""
    size_px: float = 0.0
    colour: str = "#000000"
    ground: str = ""
    source: bytes = field(default=b"", repr=False)
    weight: int = 400
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn creative: `pixels` (height, width, 3) uint8 sRGB, and the boxes that it was drawn from."""

    pixels: NDArray[np.uint8]
    boxes: tuple[Box, ...]


@runtime_checkable
class Critic(Protocol):
    """An opinion on pixels. The law: a broken rule is reported, never repaired in silence."""

    def judge(self, picture: Picture) -> list[Opinion]:
        """One opinion a rule that the critic knows."""
        ...


@runtime_checkable
class Canvas(Protocol):
    """Boxes to pixels to files. The law: equal input gives equal bytes; text that does not fit its box is an error, never clipped."""

    def measure(self, text: str, *, size_px: float, weight: int) -> tuple[float, float]:
        """Width and height in pixels of one line of `text`."""
        ...

    def draw(self, boxes: Sequence[Box], *, width: int, height: int) -> Picture:
        """Draw the boxes in order."""
        ...

    def encode(self, picture: Picture, *, kind: str, quality: int = 85) -> bytes:
        """The file's bytes; `kind` is `jpeg` or `png` (an engine may know more)."""
        ...


@runtime_checkable
class Blobs(Protocol):
    """Files by name. The law: a reader sees the old bytes or the new, never half; names cannot leave the root."""

    def put(self, name: str, body: bytes) -> None:
        """Write `body` under `name` (parts divided by "/"), whole or not at all."""
        ...

    def get(self, name: str) -> bytes:
        """The bytes under `name`; `NothingHere` where there are none."""
        ...

    def names(self, prefix: str = "") -> Iterator[str]:
        """Names that begin with `prefix`, in order."""
        ...

    def remove(self, name: str) -> None:
        """Forget `name`; an unknown name is no error."""
        ...


PORTS: tuple[type, ...] = (
    EventLog, FeatureStore, TextIndex, VectorIndex, GeoIndex, Models, TravelTimes, Jobs, Writer, Critic, Canvas, Blobs,
)  # fmt: skip
"""Every port, for settings, `doctor` and the tests that look for an exam of each."""
