"""Orders placed, offered and accepted in batches with the journal on, and recovery, beside the plain ledger, which keeps no log.

A batch is 20,000 rows: orders placed, offered to as many drivers, accepted, picked up and delivered, so that each driver is free for
the next batch. Every call is one durable append (fsync) to the local event log; `_unsynced` is the same without waiting for the disk.
The plain ledger does the same rows in dictionaries, without keys or log. `ratio` is ours over the peer's; the spread is that of the
quartiles, as a table that doubles makes one batch in many slow. Recovery reads the whole log of the run; `snapshot_rows` is one that
begins with a snapshot, per row of the history that it stands for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from rialto.cli.bench import Metric
from rialto.local.events import LocalEvents
from rialto.match.ledger import ACCEPT, DELIVER, KINDS, PICK_UP, PlainLedger, PlainMessage
from rialto.match.offers import Messages, Offers
from rialto.match.records import Orders

PLAIN = "plain ledger in dictionaries, no keys, no log"
TELLS = (ACCEPT, PICK_UP, DELIVER)


@dataclass(slots=True)
class Times:
    """Rows a second of each kind of write, a figure a batch."""

    rows: int
    of: dict[str, list[float]] = field(default_factory=dict[str, list[float]])

    def take(self, name: str, work: Callable[[], object]) -> object:
        """Do `work` on `rows` rows and note its speed."""
        start = perf_counter()
        done = work()
        self.of.setdefault(name, []).append(self.rows / (perf_counter() - start))
        return done


def run(*, quick: bool = False) -> list[Metric]:
    """Rows/s placed, offered and told, with and without waiting for the disk; of repeats; of recovery; each beside the plain ledger."""
    size, batches = (500, 3) if quick else (20_000, 16)
    with TemporaryDirectory(prefix="rialto-bench-") as name:
        logs = [LocalEvents(Path(name) / kind, sync=kind == "synced") for kind in ("synced", "unsynced")]
        crews = [Offers(log) for log in logs]
        plain, times = PlainLedger(), [Times(size) for _ in range(3)]
        for n in range(-1, batches):  # the first batch compiles, and counts for nothing
            for offers, each in zip(crews, times):
                _batch(offers, each if n >= 0 else Times(size), n + 1, size)
            _plainly(plain, times[2] if n >= 0 else Times(size), n + 1, size)
        metrics = [m for names in zip(("", "_unsynced"), times) for m in _metrics(*names, times[2])]
        metrics += _recovery(logs[0], crews[0], 5 * size * (batches + 1), 2 if quick else 5, times[2])
        for log in logs:
            log.close()
    return metrics


def _pairs(n: int, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    chance = np.random.default_rng(n)
    return np.arange(n * size, (n + 1) * size), chance.permutation(size) + (n % 5) * size


def _batch(offers: Offers, times: Times, n: int, size: int) -> None:
    orders, drivers = _pairs(n, size)
    lat = 52.0 + 1e-6 * orders
    placed = Orders.of(orders, lat=lat, lon=lat - 39.0, placed_s=0.1 * orders, value_cents=orders % 5000, customer=orders % 9999)
    at_s, none = 10.0 * n, np.full(size, -1)
    times.take("placed", lambda: offers.place(placed, at_s=at_s))
    until_s = at_s + 20.0
    times.take("offers", lambda: offers.offer(orders, drivers, key=f"{n}", at_s=at_s, until_s=until_s, requests=orders * 77))
    for i, kind in enumerate(TELLS, 1):
        keys = np.random.default_rng((n, i)).integers(1, 2**63, (size, 2)).astype(np.uint64)
        messages = Messages(keys, np.full(size, kind, dtype=np.uint8), orders, drivers, none)
        done = times.take(KINDS[kind], lambda m=messages: offers.tell_all(m, at_s=at_s + 5.0).done.all())
        assert done, "every message was to be acted on"
        times.take("repeats", lambda m=messages: offers.tell_all(m, at_s=at_s + 6.0))


def _plainly(ledger: PlainLedger, times: Times, n: int, size: int) -> None:
    orders, drivers = (c.tolist() for c in _pairs(n, size))
    at_s = 10.0 * n
    times.take("placed", lambda: [ledger.place(order, at_s=at_s) for order in orders])
    pairs = list(zip(orders, drivers))
    times.take("offers", lambda: [ledger.offer(o, d, until_s=at_s + 20.0, at_s=at_s, request=o) for o, d in pairs])
    for kind in TELLS:
        messages = [PlainMessage(kind, o, d) for o, d in pairs]
        times.take(KINDS[kind], lambda m=messages: [ledger.tell(each, at_s=at_s) for each in m])
        times.take("repeats", lambda m=messages: [ledger.tell(each, at_s=at_s) for each in m])  # refused: it knows no keys


def _metrics(suffix: str, ours: Times, plain: Times) -> list[Metric]:
    found = [_metric(f"offers_{name}_per_s{suffix}", speeds, plain.of[name]) for name, speeds in ours.of.items()]
    chain, peer = ([1.0 / sum(1.0 / t.of[k][i] for k in ("placed", "offers", "accepted")) for i in range(len(t.of["placed"]))]
                   for t in (ours, plain))  # fmt: skip
    return [*found, _metric(f"offers_placed_offered_accepted_orders_per_s{suffix}", chain, peer)]


def _recovery(log: LocalEvents, offers: Offers, rows: int, rounds: int, plain: Times) -> list[Metric]:
    whole = [_recovered(log, offers, rows) for _ in range(rounds)]
    start = perf_counter()
    offers.snapshot(at_s=1e6)
    snapshot_s = perf_counter() - start
    short = [_recovered(log, offers, rows) for _ in range(rounds)]
    return [
        _metric("offers_recovery_rows_per_s", whole, plain.of["accepted"]),
        _metric("offers_recovery_snapshot_rows_per_s", short, plain.of["accepted"]),
        Metric("offers_snapshot_s", snapshot_s, "s", 0.0),
    ]


def _recovered(log: LocalEvents, offers: Offers, rows: int) -> float:
    start = perf_counter()
    back = Offers(log)
    took = perf_counter() - start
    assert back.states().keys() == offers.states().keys(), "recovered something else"
    return rows / took


def _metric(name: str, ours: list[float], theirs: list[float]) -> Metric:
    value, other = float(np.median(ours)), float(np.median(theirs))
    low, high = np.percentile(ours, [25, 75])
    return Metric(name, value, "rows/s", float(high - low) / value, PLAIN, other, value / other)
