"""What was put into a shop and taken out since its index was made: written before it is acknowledged, read when the shop is opened."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from rialto.errors import EngineLost
from rialto.find.ingest import Attribute, Parsed
from rialto.local.events import LocalEvents
from rialto.records import Event

__all__ = ["Journal", "Net"]

_PUT, _OUT = "product.put", "product.removed"


@dataclass(frozen=True, slots=True)
class Net:
    """What a run of changes comes to: each product as it was put last, the ids that left last, and the numbers given to ids."""

    rows: tuple[Parsed, ...]
    removed: tuple[str, ...]
    numbers: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.rows) + len(self.removed)


class Journal:
    """The changes of one index, in its folder.

    Args:
        folder: The index's folder.

    Raises:
        EngineLost: the journal is damaged; the text names file and byte.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     journal = Journal(Path(folder))
        ...     journal.write([("a", {"title": "Lamp"}, {"stock": 1.0}, [("watt", "n", 5.0)])], ["b"], {"a": 7}, time_s=0.0)
        ...     journal.net().rows[0][0], journal.net().removed, dict(journal.net().numbers), journal.end()
        ...     journal.close()
        2
        ('a', ('b',), {'a': 7}, 2)
    """

    def __init__(self, folder: Path) -> None:
        self._log = LocalEvents(folder / "journal")

    def write(self, rows: Sequence[Parsed], removed: Sequence[str], numbers: Mapping[str, int], *, time_s: float) -> int:
        """Write changes durably, all or none; one past the last one's place.

        Raises:
            EngineBusy: another process writes to this shop, or the disk is full; nothing was written.
            EngineLost: the disk failed.
        """
        first = self._log.end()
        bodies = [(_PUT, _written(row, numbers[row[0]])) for row in rows]
        bodies += [(_OUT, json.dumps({"id": name}).encode()) for name in removed]
        self._log.append([Event(f"{first + at}", "catalogue", kind, time_s, body) for at, (kind, body) in enumerate(bodies)])
        return first + len(bodies)

    def claim(self) -> None:
        """Become the one process that writes; `EngineBusy` where another is."""
        self._log.claim()

    def end(self) -> int:
        """One past the last change."""
        return self._log.end()

    def net(self, start: int = 0) -> Net:
        """What the changes from `start` on come to."""
        state, numbers = dict[str, Parsed | None](), dict[str, int]()
        at, end = start, self._log.end()
        while at < end:
            for offset, event in self._log.read(at, 1000):
                name, row, number = _read(event, offset)
                state.pop(name, None)
                state[name], at = row, offset + 1
                if row is not None:
                    numbers[name] = number
        return Net(tuple(r for r in state.values() if r), tuple(n for n, r in state.items() if r is None), numbers)

    def close(self) -> None:
        """Let go of the file; a second call does nothing."""
        self._log.close()


def _written(row: Parsed, number: int) -> bytes:
    name, texts, values, attributes = row
    known = {k: v for k, v in values.items() if not math.isnan(v)}
    body = {"id": name, "number": number, "texts": texts, "values": known, "absent": [k for k in values if k not in known]}
    return json.dumps({**body, "attributes": attributes}).encode()


def _read(event: Event, offset: int) -> tuple[str, Parsed | None, int]:
    try:
        told = cast("dict[str, Any]", json.loads(event.body))
        if event.kind == _OUT:
            return str(told["id"]), None, -1
        values = {**dict.fromkeys(told["absent"], math.nan), **told["values"]}
        attributes: list[Attribute] = [(n, k, tuple(v) if isinstance(v, list) else v) for n, k, v in told["attributes"]]
        return str(told["id"]), (str(told["id"]), told["texts"], values, attributes), int(told["number"])
    except (ValueError, KeyError, TypeError) as e:
        raise EngineLost(
            f"change {offset} of the shop's journal cannot be read ({type(e).__name__}: {e}); index the shop anew."
        ) from None
