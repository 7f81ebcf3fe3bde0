"""What a counter keeps, declared once for live, replay and training; and the events that write it, as columns."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, BadSettings
from rialto.records import Columns, Event

__all__ = ["NOBODY", "Counter", "Occurred", "occurred"]

NOBODY = np.iinfo(np.int64).min
"""Entity of an event that names none: a click without a shopper."""


@dataclass(frozen=True, slots=True)
class Counter:
    """One number kept for each entity.

    | kind | as of t |
    |---|---|
    | `count` | events in [t - span_s, t) |
    | `sum` | sum of `value` over them, kept in steps of 2**-16 so that no order of addition matters |
    | `ratio` | (`value` of the first kind + prior mean x strength) / (events of the second kind + strength), over the same time |
    | `last` | `value` of the latest of them; NaN where there is none |
    | `decay` | sum of `value` x 2**(-age / span_s) over all events before t |

    Args:
        name: The feature's name.
        kind: See above.
        events: Kind of event that writes it; for a ratio two, above and below the line: `("click", "impression")`.
        entity: Field of the event that names the entity, int64.
        value: Field that is summed or kept; "" = each event counts 1.
        span_s: Length of the window, seconds (`inf` = for ever); half-life of `decay`.
        prior: Of a ratio: mean and strength, in events, that it starts from.

    Raises:
        BadSettings: the parts do not fit together.

    Example:
        >>> Counter("ctr_7d", "ratio", ("click", "impression"), "product", span_s=7 * 86400.0, prior=(0.05, 20.0)).name
        'ctr_7d'
    """

    name: str
    kind: Literal["count", "sum", "ratio", "last", "decay"]
    events: tuple[str, ...]
    entity: str
    value: str = ""
    span_s: float = np.inf
    prior: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        problems = [
            text
            for wrong, text in (
                (self.kind not in ("count", "sum", "ratio", "last", "decay"), "wanted count, sum, ratio, last or decay"),
                (len(self.events) != (2 if self.kind == "ratio" else 1), "wanted one kind of event, or two for a ratio"),
                (self.kind in ("sum", "last") and not self.value, "wanted a value field"),
                (self.kind == "count" and bool(self.value), "wanted no value field; a sum of values is a sum"),
                (not self.span_s > 0.0, "wanted span_s above 0"),
                (self.kind == "decay" and not np.isfinite(self.span_s), "wanted a finite half-life"),
                (self.prior != (0.0, 0.0) and self.kind != "ratio", "wanted a prior on ratios only"),
                (not (np.isfinite(self.prior[0]) and 0.0 <= self.prior[1] < np.inf), "wanted a finite prior of strength >= 0"),
            )
            if wrong
        ]
        if problems:
            raise BadSettings([f"counter {self.name!r}: {p}; got {self}." for p in problems])


@dataclass(frozen=True, slots=True)
class Occurred:
    """Events of one kind, as columns.

    Args:
        kind: Kind of all of them.
        time_s: Shape (events,), seconds.
        fields: Field -> (events,); entities int64 (`NOBODY` = none named), values float64 (NaN = none).

    Raises:
        BadInput: lengths differ.
    """

    kind: str
    time_s: NDArray[np.float64]
    fields: Columns

    def __post_init__(self) -> None:
        for name, column in self.fields.items():
            if len(column) != len(self.time_s):
                raise BadInput(
                    f"field {name!r} of {self.kind!r} has {len(column)} rows; wanted {len(self.time_s)}, one an event."
                )


def occurred(events: Iterable[Event], declared: Sequence[Counter]) -> list[Occurred]:
    """Read the fields that `declared` counters need from events with JSON bodies, in order of arrival within a kind.

    An event id that comes twice is read once; kinds that no counter reads are passed over.

    Raises:
        BadInput: a body of a wanted kind is not a JSON object, or a field holds no number; names the event.

    Example:
        >>> clicks = Counter("clicks", "count", ("click",), "product")
        >>> batch = occurred([Event("e1", "p", "click", 5.0, b'{"product": 7}')], [clicks])[0]
        >>> batch.kind, batch.time_s.tolist(), batch.fields["product"].tolist()
        ('click', [5.0], [7])
    """
    entities, values = _fields(declared)
    kinds = {k for c in declared for k in c.events}
    rows: dict[str, list[tuple[float, list[int], list[float]]]] = {}
    seen: set[str] = set()
    for event in events:
        if event.kind not in kinds or event.id in seen:
            continue
        seen.add(event.id)
        body = _body(event)
        row = ([_number(event, body, f, int, NOBODY) for f in entities], [_number(event, body, f, float, np.nan) for f in values])
        rows.setdefault(event.kind, []).append((event.time_s, *row))
    return [_batch(kind, of_kind, entities, values) for kind, of_kind in rows.items()]


def _fields(declared: Sequence[Counter]) -> tuple[list[str], list[str]]:
    return sorted({c.entity for c in declared}), sorted({c.value for c in declared if c.value})


def _batch(kind: str, rows: list[tuple[float, list[int], list[float]]], entities: list[str], values: list[str]) -> Occurred:
    named = np.array([r[1] for r in rows], dtype=np.int64).reshape(len(rows), len(entities))
    amounts = np.array([r[2] for r in rows], dtype=np.float64).reshape(len(rows), len(values))
    fields: dict[str, NDArray[Any]] = {f: named[:, i] for i, f in enumerate(entities)}
    fields |= {f: amounts[:, i] for i, f in enumerate(values)}
    return Occurred(kind, np.array([r[0] for r in rows]), fields)


def _body(event: Event) -> dict[str, Any]:
    try:
        body = json.loads(event.body)
    except ValueError as e:
        raise BadInput(f"event {event.id!r} of kind {event.kind!r} has a body that is not JSON: {e}") from None
    if not isinstance(body, dict):
        raise BadInput(
            f"event {event.id!r} of kind {event.kind!r} has a body of type {type(body).__name__}; wanted a JSON object."
        )
    return body


def _number(event: Event, body: dict[str, Any], field: str, kind: type, missing: float) -> Any:
    value = body.get(field)
    if value is None:
        return missing
    if isinstance(value, bool) or not isinstance(value, int if kind is int else (int, float)):
        raise BadInput(f"event {event.id!r} of kind {event.kind!r}, field {field!r}: got {value!r}; wanted {kind.__name__}.")
    if kind is int and not -(2**63) < value < 2**63:
        raise BadInput(f"event {event.id!r} of kind {event.kind!r}, field {field!r}: got {value}; wanted a 64-bit integer.")
    return value
