"""The ledger in columns: the state of every order and driver as a pure function of the entries of its log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.errors import EngineLost
from rialto.match.ledger import CANCELLED, DELIVERED, EXPIRE, KEY_USED, STATES, UNKNOWN, Held
from rialto.match.offers import moves
from rialto.match.offers.entries import Entry
from rialto.match.offers.find import driver_row, order_place
from rialto.match.offers.tables import LIVE, Tables, empty, indexed, roomy, used
from rialto.match.records import Orders
from rialto.records import Columns

__all__ = ["Batch", "ColumnLedger", "Result"]

_UNANSWERED = -(2**63)


@dataclass(slots=True)
class Batch:
    """What was answered to the rows of a batch that has one key: a number of 0 or more, or -1 - the reason's number."""

    at_s: float
    content: int
    answers: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one entry: the answers to its rows, and offers that ended because of somebody else, shape (ended, 4)."""

    answers: NDArray[Any]
    ended: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 4), dtype=np.int64))


class ColumnLedger:
    """State by entries; the same entries give the same state and the same answers, wherever and however often they are read.

    Cost:
        Some 100 ns a row; memory by orders, keys and pairs until they are forgotten.
    """

    def __init__(self) -> None:
        self.tables: Tables = empty()
        self.columns: dict[str, NDArray[Any]] = {n: c[:0] for n, c in Orders.none().columns().items()}
        """Orders as they were placed, a row for each of `tables.orders`, and room for more."""
        self.batches: dict[str, Batch] = {}
        self.epoch, self.owner = 0, ""
        self._acts: Mapping[str, Callable[[Entry], Result]] = {
            "placed": self._place,
            "offered": self._offer,
            "told": self._tell,
            "clock": self._clock,
            "ready": self._ready,
            "forgot": self._forget,
            "opened": self._open,
        }

    def apply(self, entry: Entry) -> Result:
        """Act on an entry; one that another owner wrote after he had lost the log changes nothing.

        Raises:
            EngineLost: The entry is of a kind that this version does not know.
        """
        if entry.kind in ("snapshot", "kept"):
            return Result(np.zeros(0))
        if entry.kind not in self._acts:
            raise EngineLost(f"the offers' log holds an entry of kind {entry.kind!r}. Read it with the version that wrote it.")
        if entry.kind == "opened" or entry.facts["epoch"] == self.epoch:
            return self._acts[entry.kind](entry)
        return Result(np.zeros(0))

    def _open(self, entry: Entry) -> Result:
        first = entry.facts["epoch"] == self.epoch + 1  # of two who claim it at once, the first in the log has it
        if first:
            self.epoch, self.owner = entry.facts["epoch"], entry.facts["owner"]
        return Result(np.array([first]))

    def _part(self, entry: Entry) -> tuple[NDArray[np.int64], bool]:
        """Where the answers to a part go, and whether they are there already."""
        facts = entry.facts
        batch = self.batches.get(facts["key"])
        if batch is None:
            batch = self.batches[facts["key"]] = Batch(entry.at_s, facts["content"], np.full(facts["rows"], _UNANSWERED))
        if batch.content != facts["content"]:
            return np.full(len(entry), -1 - KEY_USED), True
        answers = batch.answers[facts["first"] : facts["first"] + len(entry)]
        return answers, not len(answers) or answers[0] != _UNANSWERED

    def _place(self, entry: Entry) -> Result:
        answers, known = self._part(entry)
        if not known:
            self.tables = roomy(self.tables, orders=len(entry))
            start, new = len(used(self.tables, "orders")), np.zeros(len(entry), dtype=np.bool_)
            moves.placed(self.tables, entry.columns["ids"], entry.at_s, new)
            self._keep(entry.columns, start, new)
            answers[:] = new
        return Result(answers)

    def _keep(self, columns: Columns, start: int, new: NDArray[np.bool_]) -> None:
        room, stop = len(self.tables.orders), start + int(new.sum())
        whole = Orders.filled(columns)
        for name, column in self.columns.items():
            if room > len(column):
                self.columns[name] = np.zeros(room, dtype=column.dtype)
                self.columns[name][:start] = column[:start]
            self.columns[name][start:stop] = whole[name][new]

    def _offer(self, entry: Entry) -> Result:
        answers, known = self._part(entry)
        if not known:
            self.tables = roomy(self.tables, offers=len(entry), drivers=len(entry))
            numbers, reasons = np.empty(len(entry), dtype=np.int64), np.empty(len(entry), dtype=np.uint8)
            c = entry.columns
            about = (c["order"], c["driver"], c["request"], c["until_s"], c["capacity"])
            moves.offered(self.tables, *about, bool(entry.facts["broadcast"]), entry.at_s, numbers, reasons)
            answers[:] = np.where(numbers >= 0, numbers, -1 - reasons.astype(np.int64))
        return Result(answers)

    def _tell(self, entry: Entry) -> Result:
        c = entry.columns
        keys, about = np.stack([c["a"], c["b"]], axis=1), np.stack([c["order"], c["driver"], c["offer"]], axis=1)
        return self._told(keys, c["kind"], about, entry.at_s, keyed=True)

    def _clock(self, entry: Entry) -> Result:
        """Offers whose time is over; each is named by its number, so that a repeat finds it ended."""
        about = np.stack([entry.columns[name] for name in ("order", "driver", "offer")], axis=1)
        kind = np.full(len(about), EXPIRE, dtype=np.uint8)
        return self._told(np.zeros((0, 2), dtype=np.uint64), kind, about, entry.at_s, keyed=False)

    def _ready(self, entry: Entry) -> Result:
        """Orders are ready, says who makes them: no state changes, but what is known of the orders does; readers of the log learn from it."""
        rows = np.array([order_place(self.tables, order)[0] for order in entry.columns["order"].tolist()], dtype=np.int64)
        known = rows >= 0
        for name in ("ready_s", "merchant"):
            self.columns[name][rows[known]] = entry.columns[name][known]  # of an order that comes again the last word stays
        return Result(known)

    def _told(
        self, keys: NDArray[np.uint64], kind: NDArray[np.uint8], about: NDArray[np.int64], at_s: float, *, keyed: bool
    ) -> Result:
        size, live = len(kind), int(self.tables.counts[LIVE])
        self.tables = roomy(self.tables, keys=size, drivers=size, ended=size, pairs=live)
        answers, ended = np.empty(size, dtype=np.uint8), np.empty((live, 4), dtype=np.int64)
        count = moves.told(self.tables, keys, kind, about, keyed, at_s, answers, ended)
        return Result(answers, ended[:count].copy())

    def _forget(self, entry: Entry) -> Result:
        """Drop what was finished or used before a moment; everything else moves up, and keeps its order."""
        before_s: float = entry.facts["before_s"]
        t = self.tables
        orders, offers, pairs = used(t, "orders"), used(t, "offers"), used(t, "pairs")
        stay = ~(np.isin(orders["state"], (DELIVERED, CANCELLED)) & (orders["since_s"] < before_s))
        gone = np.sort(orders["id"][~stay])
        place = np.clip(np.searchsorted(gone, pairs["order"]), 0, max(len(gone) - 1, 0))
        kept = {
            "orders": stay,
            "keys": used(t, "keys")["at_s"] >= before_s,
            "ended": used(t, "ended")["time_s"] >= before_s,
            "pairs": gone[place] != pairs["order"] if len(gone) else np.ones(len(pairs), dtype=np.bool_),
        }
        standing = offers["number"] >= 0
        offers["order"][standing] = (np.cumsum(stay) - 1)[offers["order"][standing]]
        for column in self.columns.values():
            column[: int(stay.sum())] = column[: len(stay)][stay]
        old = [key for key, batch in self.batches.items() if batch.at_s < before_s]
        for key in old:
            del self.batches[key]
        self.tables = _shrunk(t, kept)
        count = int((~stay).sum() + (~kept["keys"]).sum()) + len(old)
        return Result(np.array([count]))

    def due(self, at_s: float) -> dict[str, NDArray[np.int64]]:
        """Order, driver and number of every standing offer whose time is over, by number."""
        rows = moves.due(self.tables, at_s)
        offers = self.tables.offers[rows]
        order = np.argsort(offers["number"])
        offers = offers[order]
        who = self.tables.drivers["id"][offers["driver"]]
        return {"order": self.tables.orders["id"][offers["order"]], "driver": who, "offer": offers["number"].astype(np.int64)}

    def held(self, order: int) -> Held:
        """How an order stands."""
        row, _ = order_place(self.tables, order)
        return UNKNOWN if row < 0 else _held(self.tables.orders[row])

    def stands(self, order: int) -> tuple[bool, int, int]:
        """Whether an order is known, its state by number, and who was asked or has it (-1 = nobody); for readers of many."""
        row, _ = order_place(self.tables, order)
        if row < 0:
            return False, 0, -1
        o = self.tables.orders[row]
        return True, int(o["state"]), int(o["driver"])

    def states(self) -> dict[int, Held]:
        """How every order stands."""
        return {int(o["id"]): _held(o) for o in used(self.tables, "orders")}

    def holding(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Driver, order and offer number of every offer that stands, by number."""
        offers = used(self.tables, "offers")
        offers = offers[offers["number"] >= 0]
        offers = offers[np.argsort(offers["number"])]
        drivers, orders = self.tables.drivers["id"][offers["driver"]], self.tables.orders["id"][offers["order"]]
        return drivers, orders, offers["number"].astype(np.int64)

    def standing(self) -> Columns:
        """As `Offers.standing`."""
        offers = used(self.tables, "offers")
        offers = offers[offers["number"] >= 0]
        offers = offers[np.argsort(offers["number"])]
        rows = offers["order"].astype(np.int64)
        orders = self.tables.orders[rows]
        stands = {"driver": self.tables.drivers["id"][offers["driver"]], "number": offers["number"].astype(np.int64)}
        stands |= {"state": orders["state"].copy(), "since_s": orders["since_s"].copy()}
        return {**stands, **{name: column[rows] for name, column in self.columns.items()}}

    def holding_of(self, driver: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Order and offer number of every offer that stands to one driver, by number.

        Cost:
            O(offers of his), however large the fleet.
        """
        row, found = int(driver_row(self.tables, driver, False)), list[tuple[int, int]]()
        at = int(self.tables.drivers[row]["head"]) if row >= 0 else -1
        while at >= 0:
            offer = self.tables.offers[at]
            found.append((int(offer["number"]), int(self.tables.orders[offer["order"]]["id"])))
            at = int(offer["next"])
        numbers = np.array(sorted(found), dtype=np.int64).reshape(-1, 2)
        return numbers[:, 1], numbers[:, 0]

    def orders(self, ids: NDArray[np.int64]) -> tuple[Columns, NDArray[np.bool_]]:
        """Orders as they were placed, a row for each of `ids` that is known, in their order; and which are, shape (ids,)."""
        rows = np.array([order_place(self.tables, order)[0] for order in ids.tolist()], dtype=np.int64)
        known = rows >= 0
        return {name: column[rows[known]] for name, column in self.columns.items()}, known

    def freed(self) -> NDArray[np.int64]:
        """Drivers of whom a place became free since this was asked last, and who have no order now."""
        drivers = used(self.tables, "drivers")
        rows = np.flatnonzero(drivers["freed"])
        drivers["freed"][rows] = 0
        return np.sort(drivers["id"][rows[drivers["load"][rows] == 0]])


def _shrunk(t: Tables, kept: Mapping[str, NDArray[np.bool_]]) -> Tables:
    """Tables of the kept rows; the kernels count on zeros in none of the others."""
    counts = t.counts.copy()
    new: dict[str, Any] = {}
    for name, mask in kept.items():
        rows = used(t, name)[mask]
        table = np.zeros(max(64, 1 << max(len(rows) - 1, 0).bit_length()), dtype=rows.dtype)
        table[: len(rows)] = rows
        new[name] = table
        counts[Tables._fields.index(name) - 1] = len(rows)
    return indexed(t._replace(counts=counts, **new), "orders", "keys", "pairs")


def _held(o: Any) -> Held:
    if o["number"] < 0:
        return Held(STATES[o["state"]], since_s=float(o["since_s"]))
    state, since_s, until_s = STATES[o["state"]], float(o["since_s"]), float(o["until_s"])
    return Held(state, int(o["driver"]), int(o["number"]), until_s, int(o["request"]), since_s)
