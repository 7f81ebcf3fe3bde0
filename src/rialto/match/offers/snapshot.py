"""The whole ledger as entries, and back: what a recovery begins with, so that it need not read the history before."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.errors import EngineLost
from rialto.match.ledger import DELIVERED
from rialto.match.offers.columns import Batch, ColumnLedger
from rialto.match.offers.entries import Entry, parts
from rialto.match.offers.tables import TABLES, Tables, empty, indexed, used
from rialto.match.records import Orders

__all__ = ["dump", "load"]

FORM = 1
"""Of the tables in a snapshot; another version's is refused, and the log read from its beginning where it still has it."""


def dump(ledger: ColumnLedger, *, at_s: float) -> list[Entry]:
    """The ledger as entries of kind `snapshot`.

    Cost:
        A copy of the tables: some 100 bytes an order that is not finished, 30 a key, 20 a pair.
    """
    t = ledger.tables
    tables: dict[str, dict[str, NDArray[Any]]] = {}
    for name, record in TABLES.items():
        tables[name] = {field: np.ascontiguousarray(used(t, name)[field]) for field in record.names or ()}
    rows = np.flatnonzero(tables["orders"]["state"] < DELIVERED)
    tables["placed"] = {"row": rows, **{name: column[rows] for name, column in ledger.columns.items()}}
    batches = ledger.batches.values()
    tables["batches"] = {
        "at_s": np.array([b.at_s for b in batches], dtype=np.float64),
        "content": np.array([b.content for b in batches], dtype=np.int64),
        "size": np.array([len(b.answers) for b in batches], dtype=np.int64),
    }
    tables["answers"] = {"answer": np.concatenate([np.zeros(0, dtype=np.int64), *(b.answers for b in batches)])}
    tables["names"] = {"byte": np.frombuffer(json.dumps(list(ledger.batches)).encode(), dtype=np.uint8)}
    facts = {"form": FORM, "counts": t.counts.tolist(), "held_epoch": ledger.epoch, "owner": ledger.owner}
    entries = [
        part for name, columns in tables.items() for part in parts(Entry("snapshot", at_s, columns, {**facts, "table": name}))
    ]
    return [replace(entry, facts={**entry.facts, "part": i, "parts": len(entries)}) for i, entry in enumerate(entries)]


def load(entries: Sequence[Entry]) -> ColumnLedger:
    """The ledger that `dump` was given.

    Raises:
        EngineLost: Parts are missing, or another version wrote them.
    """
    facts = entries[0].facts
    if facts["form"] != FORM or [e.facts.get("part") for e in entries] != list(range(facts["parts"])):
        raise EngineLost(
            f"the snapshot in the offers' log has form {facts['form']} and {facts['parts']} parts, which are not all there in their "
            f"order; wanted form {FORM} and all parts. Read the log with the version that wrote it, or restore it."
        )
    found: dict[str, dict[str, NDArray[Any]]] = {}
    for name in dict.fromkeys(e.facts["table"] for e in entries):
        cuts = [e.columns for e in entries if e.facts["table"] == name]
        found[name] = {column: np.concatenate([c[column] for c in cuts]) for column in cuts[0]}
    ledger = ColumnLedger()
    ledger.epoch, ledger.owner = facts["held_epoch"], facts["owner"]
    ledger.tables = _tables(np.array(facts["counts"], dtype=np.int64), found)
    ledger.columns = _columns(found["placed"], len(ledger.tables.orders))
    ledger.batches = _batches(found)
    return ledger


def _tables(counts: NDArray[np.int64], found: dict[str, dict[str, NDArray[Any]]]) -> Tables:
    new: dict[str, NDArray[Any]] = {}
    for name, record in TABLES.items():
        size = len(next(iter(found[name].values())))
        table = np.zeros(max(64, 1 << max(size - 1, 0).bit_length()), dtype=record)
        for field, column in found[name].items():
            table[field][:size] = column
        new[name] = table
    return indexed(empty()._replace(counts=counts, **new), "orders", "drivers", "keys", "pairs")


def _columns(placed: dict[str, NDArray[Any]], room: int) -> dict[str, NDArray[Any]]:
    rows = placed.pop("row")
    columns: dict[str, NDArray[Any]] = {}
    for name, column in Orders.filled(placed).items():
        columns[name] = np.zeros(room, dtype=column.dtype)
        columns[name][rows] = column
    return columns


def _batches(found: dict[str, dict[str, NDArray[Any]]]) -> dict[str, Batch]:
    names: list[str] = json.loads(found["names"]["byte"].tobytes())
    table, answers = found["batches"], found["answers"]["answer"]
    stops = np.cumsum(table["size"]).tolist()
    rows = zip(table["at_s"].tolist(), table["content"].tolist(), [0, *stops], stops)
    return {name: Batch(at_s, content, answers[start:stop].copy()) for name, (at_s, content, start, stop) in zip(names, rows)}
