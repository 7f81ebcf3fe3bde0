"""Who was enrolled, in a log: the fleet is there again after a restart."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

import numpy as np
import pyarrow as pa

from rialto.errors import EngineLost
from rialto.match.records import Drivers
from rialto.ports import EventLog
from rialto.records import Event

__all__ = ["Enrolled"]


class Enrolled:
    """Enrolments as they came, an event a batch; the last of each driver counts.

    Args:
        events: A log of its own.
    """

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self.first_s: dict[int, float] = {}
        """When each driver of `everyone` was enrolled first, seconds UTC."""

    def keep(self, drivers: Drivers, *, at_s: float) -> None:
        """Write a batch durably."""
        sink = pa.BufferOutputStream()
        table = pa.table({name: pa.array(column) for name, column in drivers.columns().items()})
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        body = sink.getvalue().to_pybytes()
        name = blake2b(body + repr(at_s).encode(), digest_size=16).hexdigest()
        self._events.append([Event(name, "fleet", "enrolled", at_s, body)])

    def everyone(self) -> Drivers:
        """Every driver as he was enrolled last, ids rising.

        Raises:
            EngineLost: The log holds something else.
        """
        fleet = Drivers.of(np.zeros(0, dtype=np.int64))
        for at_s, new in self.batches():
            fleet = Drivers.join(fleet.take(~np.isin(fleet.ids, new.ids)), new)
            for driver in new.ids.tolist():
                self.first_s.setdefault(driver, at_s)
        return fleet.take(np.argsort(fleet.ids))

    def batches(self) -> Iterator[tuple[float, Drivers]]:
        """Every enrolment as it came: when, seconds UTC, and who."""
        start = 0
        while batch := self._events.read(start, 64):
            for _, event in batch:
                yield event.time_s, _read(event)
            start = batch[-1][0] + 1


def _read(event: Event) -> Drivers:
    if event.kind != "enrolled":
        raise EngineLost(f"an event of kind {event.kind!r} is no enrolment. Give the fleet's drivers a log of their own.")
    with pa.ipc.open_stream(pa.BufferReader(event.body)) as reader:
        table = reader.read_all()
    return Drivers(**{name: table.column(name).to_numpy() for name in table.column_names})
