"""Durable appends to the local event log, by batch size and by threads, beside SQLite and, where its jars are, Kafka.

Every append waits for the disk: fsync here, `synchronous=FULL` in SQLite's write-ahead log. Kafka's broker acknowledges from the page
cache (acks=all of one node), and its adapter writes a transaction a batch. The rounds alternate between the engines.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from time import perf_counter

import numpy as np

from rialto.adapters.kafka import KafkaEvents
from rialto.cli.bench import Metric
from rialto.local.events import LocalEvents
from rialto.ports import EventLog
from rialto.records import Event
from rialto.testing.servers import absent, kafka_broker

Append = Callable[[list[Event]], object]


class SqliteEvents:
    """Events in a SQLite table, one transaction a batch; one connection a thread would be needed for more, so it has one."""

    def __init__(self, folder: Path) -> None:
        self.db = sqlite3.connect(folder / "events.db", isolation_level=None)
        self.db.execute("pragma journal_mode=wal")
        self.db.execute("pragma synchronous=full")
        self.db.execute("create table events (seq integer primary key, id text, key text, kind text, time_s real, body blob)")

    def append(self, events: list[Event]) -> None:
        self.db.execute("begin")
        rows = [(e.id, e.key, e.kind, e.time_s, e.body) for e in events]
        self.db.executemany("insert into events (id, key, kind, time_s, body) values (?, ?, ?, ?, ?)", rows)
        self.db.execute("commit")


def run(*, quick: bool = False) -> list[Metric]:
    """Events a second by batch size, then eight threads that share commits, and replay."""
    rounds, budget_s = (2, 0.02) if quick else (7, 0.4)
    events = [Event(f"e{i:07d}", f"shopper-{i % 997}", "click", float(i), b"x" * 100) for i in range(10_000)]
    with TemporaryDirectory(prefix="rialto-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        local = LocalEvents(folder / "local")
        stack.callback(local.close)
        peers: dict[str, Append] = {"SQLite WAL, synchronous=FULL": SqliteEvents(folder).append}
        kafka = None if quick or absent("kafka") else KafkaEvents(stack.enter_context(kafka_broker()), "bench")
        if kafka:
            stack.callback(kafka.close)
            peers["Kafka 4.1, one node, a transaction a batch"] = kafka.append
        metrics = [
            metric
            for size in (1, 10, 100, 1000, 10_000)
            for metric in _by_size(local.append, peers, events[:size], rounds, budget_s)
        ]
        metrics.append(_threads(folder, events, rounds, budget_s))
        metrics.extend(_replay(local, kafka, rounds))
    return metrics


def _by_size(ours: Append, peers: dict[str, Append], batch: list[Event], rounds: int, budget_s: float) -> list[Metric]:
    speeds: dict[str, list[float]] = {"": [], **{name: [] for name in peers}}
    for _ in range(rounds):
        for name, append in (("", ours), *peers.items()):
            speeds[name].append(_speed(append, batch, budget_s))
    name = f"local_events_durable_batch_{len(batch)}"
    return [_metric(name, speeds[""], peer, speeds[peer]) for peer in peers]


def _speed(append: Append, batch: list[Event], budget_s: float) -> float:
    done, start = 0, perf_counter()
    while done == 0 or perf_counter() - start < budget_s:
        append(batch)
        done += len(batch)
    return done / (perf_counter() - start)


def _threads(folder: Path, events: list[Event], rounds: int, budget_s: float) -> Metric:
    """Eight threads, one event an append, against the same log with one thread."""
    together, alone = [], []
    log = LocalEvents(folder / "threads")
    for _ in range(rounds):
        together.append(_eight(lambda: _speed(log.append, events[:1], budget_s)))
        alone.append(_speed(log.append, events[:1], budget_s))
    log.close()
    return _metric("local_events_durable_single_8_threads", together, "the same with one thread", alone)


def _eight(measure: Callable[[], float]) -> float:
    speeds: list[float] = []
    threads = [Thread(target=lambda: speeds.append(measure())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(speeds)


def _replay(local: LocalEvents, kafka: EventLog | None, rounds: int) -> list[Metric]:
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(rounds):
        ours.append(_read_speed(local))
        if kafka:
            theirs.append(_read_speed(kafka))
    return [_metric("local_events_replay", ours, "Kafka 4.1 through confluent-kafka" if kafka else "", theirs)]


def _read_speed(log: EventLog) -> float:
    at, done, start = 0, 0, perf_counter()
    while done < 50_000 and (found := log.read(at, 1000)):
        at, done = found[-1][0] + 1, done + len(found)
    return done / (perf_counter() - start)


def _metric(name: str, ours: list[float], peer: str, theirs: list[float]) -> Metric:
    value = float(np.median(ours))
    spread = (max(ours) - min(ours)) / value
    if not theirs:
        return Metric(name, value, "events/s", spread)
    other = float(np.median(theirs))
    return Metric(name, value, "events/s", spread, peer, other, value / other)
