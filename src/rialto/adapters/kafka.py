"""The event log on Kafka: one topic of one partition, transactions for whole batches, replay from any offset."""

from __future__ import annotations

import logging
import os
import socket
import struct
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import count
from threading import Lock
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, BadRow, EngineBusy, EngineError, EngineLost, EngineMissing
from rialto.records import Event

__all__ = ["KafkaEvents"]

_TIME = struct.Struct("<d")
_numbers = count()  # of the writers of this process
_PROBED = (2, 64, 4096, 1 << 20, 1 << 62)  # how far before the partition's end its last event is looked for


class KafkaEvents:
    """An `EventLog` in a Kafka topic of one partition.

    Why one partition: the port's offset is one rising number that a reader may stop at and go on from. Kafka's offsets rise
    within a partition only; whatever packs (partition, offset) into one number, an event that arrives later in a slow partition
    can get a smaller number than one already read, and a reader that goes on after its last offset would never see it. One
    partition takes some 100,000 events a second; a larger shop has several logs (a topic a system or a region), not partitions.

    A batch is one transaction, so that a reader sees all of it or nothing. The transaction's own marker takes an offset too:
    offsets rise with gaps. A writer that dies in the middle of a transaction holds readers back at that point until the broker
    gives it up after `timeout_s`, or at once when a writer of the same name takes its place.

    The message's key and value are the event's key and body; id, kind and time travel as headers. The time is not the message's
    timestamp, because brokers refuse one that lies outside the bounds they are set to (by default an hour ahead).

    Args:
        brokers: Bootstrap addresses, `host:port,host:port`.
        topic: Made with one partition, and kept for ever, where it does not exist.
        writer: A name that this writer keeps over restarts; two that live at once must differ. Default: host, process, number.
        timeout_s: Longest wait of one call.
        settings: Further settings of librdkafka for all connections (`security.protocol`, `sasl.username`, ...).

    Raises:
        EngineMissing: confluent-kafka is not installed.
        EngineBusy: No broker answers.
        EngineLost: The brokers refuse this user, or the topic has several partitions.

    Example:
        >>> KafkaEvents.open("kafka://localhost:9092")
        Traceback (most recent call last):
        rialto.errors.BadInput: the event log's URL is kafka://localhost:9092; wanted kafka://host:port/topic, and users in `settings`.
    """

    def __init__(
        self,
        brokers: str,
        topic: str,
        *,
        writer: str = "",
        timeout_s: float = 10.0,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        if not brokers or not topic or not timeout_s > 0:
            raise BadInput(f"brokers={brokers!r}, topic={topic!r}, timeout_s={timeout_s}; wanted host:port, a name, seconds > 0.")
        try:
            import confluent_kafka
            from confluent_kafka import admin
        except ImportError:
            raise EngineMissing("confluent-kafka", "pip install 'rialto[kafka]'") from None
        self._kafka, self._admin, self._topic, self._brokers, self._timeout_s = confluent_kafka, admin, topic, brokers, timeout_s
        self._writer = writer or f"{topic}-{socket.gethostname()}-{os.getpid()}-{next(_numbers)}"
        self._writing, self._reading = Lock(), Lock()
        self._position, self._ahead = -1, deque[Any]()  # the offset that the consumer gives next; messages it gave too soon
        self._end = (0, 0)  # of the partition, with the transactions' markers; and of the events in it
        self._closed = False
        quiet = logging.Logger(__name__, logging.CRITICAL + 1)  # every failure comes back as an exception instead
        self._settings: dict[str, Any] = {**(settings or {}), "bootstrap.servers": brokers, "logger": quiet}
        self._ensure_topic()
        self._producer: Any = None
        self._consumer: Any = confluent_kafka.Consumer(
            {
                **self._settings,
                "group.id": "rialto",  # required and never used: offsets are the caller's
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 20,
            }
        )

    @classmethod
    def open(cls, url: str, *, timeout_s: float = 10.0, settings: Mapping[str, str] | None = None) -> KafkaEvents:
        """Open `kafka://host:port[,host:port]/topic`.

        Raises:
            BadInput: The URL is not of that form; and whatever the constructor raises.
        """
        parts = urlsplit(url)
        topic = parts.path.strip("/")
        if parts.scheme != "kafka" or not parts.netloc or not topic or "/" in topic or "@" in parts.netloc:
            wrong = url if "@" not in url else "one with a user in it"
            raise BadInput(f"the event log's URL is {wrong}; wanted kafka://host:port/topic, and users in `settings`.")
        return cls(parts.netloc, topic, timeout_s=timeout_s, settings=settings)

    def _ensure_topic(self) -> None:
        admin = self._admin.AdminClient(self._settings)
        until = monotonic() + self._timeout_s
        partitions = self._partitions(admin)
        if not partitions:
            new = self._admin.NewTopic(self._topic, num_partitions=1, config={"retention.ms": "-1"})
            try:
                admin.create_topics([new], operation_timeout=self._timeout_s)[self._topic].result(self._timeout_s)
            except self._kafka.KafkaException as error:
                if error.args[0].code() != self._kafka.KafkaError.TOPIC_ALREADY_EXISTS:
                    raise self._failure(error) from error
        while not partitions and monotonic() < until:  # the brokers tell one another of a new topic
            partitions = self._partitions(admin)
        if partitions != 1:
            raise EngineLost(f"Kafka topic {self._topic!r} has {partitions} partitions; wanted 1. Name a topic of one partition.")

    def _partitions(self, admin: Any) -> int:
        try:
            found = admin.list_topics(self._topic, timeout=self._timeout_s).topics.get(self._topic)
        except self._kafka.KafkaException as error:
            raise self._failure(error) from error
        return 0 if found is None or found.error else len(found.partitions)

    def append(self, events: Sequence[Event]) -> NDArray[np.int64]:
        """Write `events` in one transaction and return their offsets, shape (events,), rising.

        Raises:
            BadRow: An event is not as `Event` says, or is larger than Kafka takes; nothing was written.
            EngineBusy: The brokers did not answer in time. The batch may have been kept all the same: append it again, and
                readers drop the repeats by id.
            EngineLost: The brokers refuse this writer, or the log is closed.

        Cost:
            One transaction, some milliseconds; appends from several threads take turns.
        """
        messages = [_message(row, event) for row, event in enumerate(events, 1)]
        with self._writing:
            self._open_or_raise()
            return self._transaction(messages) if messages else np.zeros(0, dtype=np.int64)

    def _transaction(self, messages: list[dict[str, Any]]) -> NDArray[np.int64]:
        offsets = np.full(len(messages), -1, dtype=np.int64)
        producer = self._begin()
        try:
            for row, message in enumerate(messages):
                self._produce(producer, message, row, offsets)
            producer.commit_transaction(self._timeout_s)
        except self._kafka.KafkaException as error:
            self._abort(producer)
            raise self._failure(error) from error
        except BaseException:
            self._abort(producer)
            raise
        self._await_markers(int(offsets[-1]))
        return offsets

    def _await_markers(self, last: int) -> None:
        """Wait until readers see offset `last`: a commit returns before its marker is in the partition."""
        until = monotonic() + self._timeout_s
        with self._reading:
            while self._watermarks()[1] <= last:
                if monotonic() > until:
                    raise EngineBusy(
                        f"Kafka at {self._brokers} holds back a committed batch of {self._topic!r}; append it again."
                    )

    def _begin(self) -> Any:
        try:
            if self._producer is None:
                milliseconds = int(self._timeout_s * 1000)
                producer = self._kafka.Producer(
                    {
                        **self._settings,
                        "transactional.id": self._writer,
                        "transaction.timeout.ms": milliseconds,
                        "message.timeout.ms": milliseconds,
                        "acks": "all",
                        "linger.ms": 0,
                    }
                )
                producer.init_transactions(self._timeout_s)
                self._producer = producer
            self._producer.begin_transaction()
        except self._kafka.KafkaException as error:
            self._producer = None
            raise self._failure(error) from error
        return self._producer

    def _produce(self, producer: Any, message: dict[str, Any], row: int, offsets: NDArray[np.int64]) -> None:
        def delivered(error: Any, written: Any) -> None:  # on an error the commit fails with it
            if error is None:
                offsets[row] = written.offset()

        until = monotonic() + self._timeout_s
        while True:
            try:
                producer.produce(self._topic, partition=0, on_delivery=delivered, **message)
            except BufferError as error:  # the client's queue is full: wait for deliveries
                if monotonic() > until:
                    raise EngineBusy(f"Kafka at {self._brokers} takes no more messages; append the batch again.") from error
                producer.poll(0.1)
            except self._kafka.KafkaException as error:
                if error.args[0].code() != self._kafka.KafkaError.MSG_SIZE_TOO_LARGE:
                    raise
                wanted = "less than Kafka's message.max.bytes, 1 MB unless set"
                raise BadRow(row + 1, "body", f"{len(message['value'])} bytes", wanted) from error
            else:
                return

    def _abort(self, producer: Any) -> None:
        try:
            producer.abort_transaction(self._timeout_s)
        except self._kafka.KafkaException:
            self._producer = None  # the next append begins anew; the broker gives this transaction up by itself

    def read(self, start: int = 0, limit: int = 1000) -> list[tuple[int, Event]]:
        """Up to `limit` events with offset >= `start`, in offset order; fewer only at the end. `[]` at the end.

        Raises:
            BadInput: `start` or `limit` is negative.
            EngineBusy: The brokers did not answer in time.
            EngineLost: A message was not written by Rialto, or the log is closed.
        """
        if start < 0 or limit < 0:
            raise BadInput(f"start is {start} and limit {limit}; wanted numbers of events, 0 or more.")
        with self._reading:
            low, end = self._ends()
            start = max(start, low)
            return [(m.offset(), _event(m)) for m in self._messages(start, end, limit)] if start < end else []

    def end(self) -> int:
        """One past the offset of the last durable event; 0 for an empty log.

        Raises:
            EngineBusy: The brokers did not answer in time.
        """
        with self._reading:
            return self._ends()[1]

    def _ends(self) -> tuple[int, int]:
        """The first offset that the partition still has, and one past its last event: markers at its end are no events."""
        self._open_or_raise()
        low, high = self._watermarks()
        if self._end[0] != high:
            self._end = high, self._last_before(high, low)
        return low, self._end[1]

    def _watermarks(self) -> tuple[int, int]:
        try:
            low, high = self._consumer.get_watermark_offsets(self._kafka.TopicPartition(self._topic, 0), self._timeout_s)
        except self._kafka.KafkaException as error:
            raise self._failure(error) from error
        return int(low), int(high)

    def _last_before(self, high: int, low: int) -> int:
        for back in _PROBED:
            start = max(high - back, low)
            if start < high and (found := self._messages(start, high, back)):
                return found[-1].offset() + 1
        return low

    def _messages(self, start: int, end: int, limit: int) -> list[Any]:
        """Up to `limit` messages with offsets from `start` to `end - 1`; those beyond are put aside for the next call."""
        if self._position != start:
            self._consumer.assign([self._kafka.TopicPartition(self._topic, 0, start)])
            self._position = start
            self._ahead.clear()
        found: list[Any] = []
        until = monotonic() + self._timeout_s
        while self._position < end and len(found) < limit:
            message = self._next(limit - len(found), until)
            code = message.error().code() if message.error() else None
            if code == self._kafka.KafkaError._PARTITION_EOF:  # pyright: ignore[reportPrivateUsage]
                break
            if code is not None:
                self._position = -1
                raise self._failure(self._kafka.KafkaException(message.error()))
            if message.offset() >= end:
                self._ahead.appendleft(message)
                break
            found.append(message)
            self._position = message.offset() + 1
        return found

    def _next(self, wanted: int, until: float) -> Any:
        if not self._ahead:
            self._ahead.extend(self._consumer.consume(min(wanted, 10_000), 0))
        if self._ahead:
            return self._ahead.popleft()
        message = self._consumer.poll(max(until - monotonic(), 0.0))
        if message is None:
            self._position = -1
            raise EngineBusy(
                f"Kafka at {self._brokers} gave no message of {self._topic!r} within {self._timeout_s} s. Read again."
            )
        return message

    def _open_or_raise(self) -> None:
        if self._closed:
            raise EngineLost(f"event log {self._topic!r} was closed. Open it again.")

    def _failure(self, error: Any) -> EngineError:
        """The error of the port's tree for one of Kafka's."""
        cause, codes = error.args[0], self._kafka.KafkaError
        where = f"Kafka at {self._brokers}, topic {self._topic!r}: {cause.str()}"
        silent = {codes._TRANSPORT, codes._TIMED_OUT, codes._ALL_BROKERS_DOWN, codes._RESOLVE, codes._MSG_TIMED_OUT}
        if cause.code() in silent:
            return EngineBusy(f"{where}. No broker answered within {self._timeout_s} s: see that one runs there, and try again.")
        if cause.retriable() or (cause.txn_requires_abort() and not cause.fatal()):
            return EngineBusy(f"{where}. Try again.")
        return EngineLost(f"{where}. Trying again does not help: see the topic, the user's rights and the other writers.")

    def close(self) -> None:
        """Let go of the connections; a second call does nothing."""
        with self._writing, self._reading:
            if not self._closed:
                self._closed = True
                self._consumer.close()
                self._producer = None


def _message(row: int, event: Any) -> dict[str, Any]:
    name, key, kind = Event.checked(row, event)
    headers = [("id", name), ("kind", kind), ("time_s", _TIME.pack(event.time_s))]
    return {"key": key, "value": event.body, "headers": headers}


def _event(message: Any) -> Event:
    headers = dict(message.headers() or ())
    try:
        (time_s,) = _TIME.unpack(headers["time_s"])
        key, body = (message.key() or b"").decode(), message.value() or b""
        return Event(headers["id"].decode(), key, headers["kind"].decode(), time_s, body)
    except (KeyError, UnicodeDecodeError, struct.error) as error:
        raise EngineLost(
            f"the message at offset {message.offset()} of Kafka topic {message.topic()!r} is no event of Rialto ({error!r}). "
            "Give Rialto a topic of its own."
        ) from error
