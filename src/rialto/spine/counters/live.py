"""Counters live and in replay: the same kernels over the same totals, so that training sees what serving saw, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, BadSettings, known
from rialto.spine.counters.declare import NOBODY, Counter, Occurred
from rialto.spine.counters.history import CUMULATE, DECAY, LAST, insert, read

__all__ = ["Counters", "Taken", "replay", "replay_plain"]

STEP = 2.0**-16
LARGEST = 2.0**31

_Key = tuple[str, str, str, int, float]


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch's writes, one an event and history that it feeds.

    Args:
        written: Taken.
        late: Older than what was already forgotten for their entity.
        refused: Without a finite time or a finite value of at most 2**31 in size.
        nobody: Naming no entity.
    """

    written: int
    late: int
    refused: int
    nobody: int


class Counters:
    """Declared counters, kept in memory.

    The law: an answer as of t depends on the events with time before t, and nothing else: not on when or in which order they
    came, nor on what was asked before. So `replay` of the log answers, bit for bit, what was answered live once the same events
    were in, as long as no update reported `late`. Equal times count in order of arrival.

    Args:
        declared: Counters, each name once. Those over the same events, entity and value share one history.
        keep_s: How far behind the newest event of an entity questions about it may reach; what no such question can need is
            forgotten as histories fill up, and a question that reaches further may be answered NaN. `inf` forgets nothing.

    Raises:
        BadSettings: a name twice, or keep_s below 0.

    Cost:
        24 bytes an event kept, at most about four times that while a history grows; not safe to update from two threads.

    Example:
        >>> day = Counter("clicks_1d", "count", ("click",), "product", span_s=86400.0)
        >>> live = Counters([day])
        >>> live.update([Occurred("click", np.array([10.0, 20.0]), {"product": np.array([7, 7])})]).written
        2
        >>> live.ask({"product": np.array([7, 7, 8])}, np.array([20.0, 21.0, 21.0]))["clicks_1d"].tolist()
        [1.0, 2.0, 0.0]
    """

    def __init__(self, declared: Sequence[Counter], *, keep_s: float = np.inf) -> None:
        names = [c.name for c in declared]
        if len(set(names)) != len(names) or not keep_s >= 0.0:
            raise BadSettings([f"counters are {names}, keep_s is {keep_s}; wanted each name once and seconds of at least 0."])
        self.declared = tuple(declared)
        self._slots: dict[str, dict[int, int]] = {c.entity: {} for c in declared}
        self._histories = {key: _History(key, span, keep_s) for key, span in _spans(declared).items()}

    def update(self, events: Sequence[Occurred]) -> Taken:
        """Take events in, any number, in any order.

        Raises:
            BadInput: a batch lacks a field that a counter of its kind needs; nothing was written.
        """
        work = [(batch, h) for batch in events for h in self._histories.values() if h.event == batch.kind]
        for batch, h in work:
            h.check(batch)
        counts = np.zeros(4, dtype=np.int64)
        for batch, h in work:
            counts += h.take(batch, self._slots[h.entity])
        return Taken(*counts.tolist())

    def ask(self, entities: Mapping[str, NDArray[np.int64]], time_s: NDArray[np.float64]) -> dict[str, NDArray[np.float32]]:
        """Answer questions as of just before their times.

        Args:
            entities: Entity field -> ids, shape (questions,); all fields of the declared counters.
            time_s: Shape (questions,), seconds; an event at exactly that time does not count yet.

        Returns:
            Counter name -> answers, shape (questions,), float32. An entity never seen has counts of 0, its prior's mean where a
            ratio has one, and NaN otherwise. See `keep_s` for the other NaN.

        Raises:
            BadInput: a field is missing, lengths differ, or a time is NaN.

        Cost:
            About 0.1 us an entity, and 0.2 us a question and counter where histories are long.
        """
        times = np.array(time_s, dtype=np.float64)
        if np.isnan(times).any():
            raise BadInput(f"the time of question {int(np.flatnonzero(np.isnan(times))[0])} is NaN; wanted seconds.")
        slots = {field: self._slots_of(field, entities, len(times)) for field in self._slots}
        return {c.name: self._answer(c, slots[c.entity], times).astype(np.float32) for c in self.declared}

    def _slots_of(self, field: str, entities: Mapping[str, NDArray[np.int64]], questions: int) -> NDArray[np.int64]:
        if field not in entities or len(entities[field]) != questions:
            came = len(entities[field]) if field in entities else f"none (known: {known(field, entities)})"
            raise BadInput(f"entities of field {field!r}: {came}; wanted {questions}, one a question.")
        slot_of = self._slots[field].get
        return np.fromiter((slot_of(e, -1) for e in entities[field].tolist()), dtype=np.int64, count=questions)

    def _answer(self, c: Counter, slots: NDArray[np.int64], time_s: NDArray[np.float64]) -> NDArray[np.float64]:
        parts = [self._histories[key].read(slots, time_s, c.span_s) for key in _keys(c)]
        if c.kind != "ratio":
            return parts[0]
        return _ratio(parts[0], parts[1], c.prior)


def replay(
    declared: Sequence[Counter],
    events: Sequence[Occurred],
    entities: Mapping[str, NDArray[np.int64]],
    time_s: NDArray[np.float64],
) -> dict[str, NDArray[np.float32]]:
    """Answer questions as of their own times from a whole log: what the counters said then, and nothing of what came after.

    Args:
        declared: Counters.
        events: The log, in order of arrival within a kind.
        entities, time_s: Questions, in any order, as in `Counters.ask`.

    Returns:
        As `Counters.ask`.

    Cost:
        O(events log events + questions log events) for each history.

    Example:
        >>> last = Counter("price", "last", ("priced",), "product", value="cents")
        >>> log = [Occurred("priced", np.array([10.0, 20.0]), {"product": np.array([7, 7]), "cents": np.array([500.0, 450.0])})]
        >>> replay([last], log, {"product": np.array([7, 7, 7])}, np.array([5.0, 15.0, 25.0]))["price"].tolist()
        [nan, 500.0, 450.0]
    """
    counters = Counters(declared)
    counters.update([_in_order(batch) for batch in events])
    return counters.ask(entities, time_s)


def replay_plain(
    declared: Sequence[Counter],
    events: Sequence[Occurred],
    entities: Mapping[str, NDArray[np.int64]],
    time_s: NDArray[np.float64],
) -> dict[str, NDArray[np.float32]]:
    """`replay` in plain numpy, a pass over the log for each question, for its test."""

    def window(c: Counter, kind: str, value: str, i: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        span = np.inf if c.kind == "decay" else c.span_s
        times, values = [np.zeros(0)], [np.zeros(0)]
        for b in (b for b in events if b.kind == kind):
            v = b.fields[value] if value else np.ones(len(b.time_s))
            fits = (b.fields[c.entity] == entities[c.entity][i]) & (b.time_s < time_s[i]) & (b.time_s >= time_s[i] - span)
            times.append(b.time_s[fits])
            values.append(v[fits])
        return np.concatenate(times), np.concatenate(values)

    def answer(c: Counter, i: int) -> float:
        times, values = window(c, c.events[0], c.value, i)
        if c.kind == "last":
            return float(values[np.argsort(times, kind="stable")[-1]]) if len(values) else np.nan
        if c.kind == "decay":
            return float((values * 2.0 ** ((times - time_s[i]) / c.span_s)).sum())
        top = np.array([values.sum()])
        return float(
            _ratio(top, np.array([float(len(window(c, c.events[1], "", i)[0]))]), c.prior)[0] if c.kind == "ratio" else top[0]
        )

    return {c.name: np.array([answer(c, i) for i in range(len(time_s))], dtype=np.float32) for c in declared}


class _History:
    """The events of one kind, by one entity field, with running totals of one value."""

    def __init__(self, key: _Key, span_s: float, keep_s: float) -> None:
        self.event, self.entity, self.value, self._mode, self._half_life_s = key
        self._keep_s = float(span_s + keep_s)
        self._table = np.zeros((64, 4), dtype=np.int64)
        self._arena = np.zeros((3, 256))
        self._used = np.zeros(1, dtype=np.int64)

    def check(self, batch: Occurred) -> None:
        for field in (self.entity, self.value):
            if field and field not in batch.fields:
                raise BadInput(f"events of kind {batch.kind!r} have no field {field!r}; known: {known(field, batch.fields)}.")

    def take(self, batch: Occurred, slot_of: dict[int, int]) -> NDArray[np.int64]:
        entities = batch.fields[self.entity]
        values = batch.fields[self.value].astype(np.float64) if self.value else np.ones(len(entities))
        named = entities != NOBODY
        fits = named & np.isfinite(batch.time_s) & (np.abs(values) <= LARGEST)
        values = np.rint(values[fits] / STEP) * STEP if self._mode == CUMULATE else values[fits]
        slots = np.fromiter((slot_of.setdefault(e, len(slot_of)) for e in entities[fits].tolist()), np.int64, int(fits.sum()))
        late = self._insert(slots, batch.time_s[fits], values, len(slot_of))
        return np.array([len(slots) - late, late, int((named & ~fits).sum()), int((~named).sum())])

    def read(self, slots: NDArray[np.int64], time_s: NDArray[np.float64], span_s: float) -> NDArray[np.float64]:
        known_here = np.where(slots < len(self._table), slots, -1)
        return read(self._table, self._arena, known_here, time_s, self._mode, float(span_s))

    def _insert(self, slots: NDArray[np.int64], times: NDArray[np.float64], values: NDArray[np.float64], entities: int) -> int:
        if entities > len(self._table):
            more = np.zeros((max(entities, 2 * len(self._table)) - len(self._table), 4), dtype=np.int64)
            self._table = np.concatenate([self._table, more])
        done, late = 0, 0
        while done < len(slots):
            done, too_late = insert(
                self._table, self._arena, self._used, slots, times, values, self._mode, self._half_life_s, self._keep_s, done
            )
            late += too_late
            if done < len(slots):
                self._grow()
        return late

    def _grow(self) -> None:
        """Lay the regions close together again, in a larger arena: those that moved left holes behind."""
        room = self._table[:, 2]
        starts = np.concatenate([[0], np.cumsum(room)])
        # The next event may ask for twice the room of the largest region.
        arena = np.zeros((3, max(2 * int(starts[-1]), int(starts[-1]) + 2 * int(room.max()) + 4, 256)))
        owner = np.repeat(np.arange(len(room)), self._table[:, 1])
        place = np.arange(len(owner)) - np.repeat(np.cumsum(self._table[:, 1]) - self._table[:, 1], self._table[:, 1])
        arena[:, starts[owner] + place] = self._arena[:, self._table[owner, 0] + place]
        self._table[:, 0] = starts[:-1]
        self._arena, self._used[0] = arena, starts[-1]


def _keys(c: Counter) -> list[_Key]:
    """The histories that a counter reads."""
    mode = {"decay": DECAY, "last": LAST}.get(c.kind, CUMULATE)
    top = (c.events[0], c.entity, c.value, mode, float(c.span_s) if mode == DECAY else np.inf)
    return [top] if c.kind != "ratio" else [top, (c.events[1], c.entity, "", CUMULATE, np.inf)]


def _spans(declared: Sequence[Counter]) -> dict[_Key, float]:
    """Longest time that each history is looked back over; a sum since ever, or a decaying one, needs its running total alone."""
    spans: dict[_Key, float] = {}
    for c in declared:
        for key in _keys(c):
            needed = c.span_s if np.isfinite(c.span_s) and c.kind != "decay" else 0.0
            spans[key] = max(spans.get(key, 0.0), needed)
    return spans


def _in_order(batch: Occurred) -> Occurred:
    order = np.argsort(batch.time_s, kind="stable")
    return Occurred(batch.kind, batch.time_s[order], {k: v[order] for k, v in batch.fields.items()})


def _ratio(top: NDArray[np.float64], bottom: NDArray[np.float64], prior: tuple[float, float]) -> NDArray[np.float64]:
    mean, strength = prior
    below = bottom + strength
    return np.divide(top + mean * strength, below, out=np.full(len(top), np.nan), where=below > 0.0)
