"""The exam of the `EventLog` port: what every engine of an event log must do, as tests to inherit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rialto.errors import BadInput, BadRow, EngineLost
from rialto.ports import EventLog
from rialto.records import Event
from rialto.testing.gaps import Exam

__all__ = ["EventLogExam", "event", "some_events"]

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def event(number: int, *, key: str = "ann", body: bytes = b"{}") -> Event:
    """The event called `e<number>`, at second `number`, for a test's own use.

    Example:
        >>> event(3, key="bob")
        Event(id='e3', key='bob', kind='click', time_s=3.0, body=b'{}')
    """
    return Event(f"e{number}", key, "click", float(number), body)


def some_events() -> st.SearchStrategy[Event]:
    """A Hypothesis strategy of any events that a log must keep: every alphabet, any bytes, times before 1970."""
    times = st.floats(allow_nan=False, allow_infinity=False)
    return st.builds(Event, _TEXT.filter(bool), _TEXT, _TEXT, times, st.binary(max_size=200))


class EventLogExam(Exam):
    """Inherit, and say how to open the engine; the same folder must give the same log.

        class TestMyLog(EventLogExam):
            def open(self, folder):
                return MyLog(folder)

    A slow engine may lower `examples`.
    """

    examples: ClassVar[int] = 40

    def open(self, folder: Path) -> EventLog:
        """Open the log that belongs to `folder`, an empty folder at first; a remote engine takes its name for a topic's."""
        raise NotImplementedError

    @pytest.fixture
    def log(self, tmp_path: Path) -> Iterator[EventLog]:
        """An empty log."""
        log = self.open(tmp_path / "log")
        yield log
        log.close()

    def test_it_is_an_event_log(self, log: EventLog) -> None:
        assert isinstance(log, EventLog)

    def test_an_empty_log_ends_at_0_and_reads_nothing(self, log: EventLog) -> None:
        assert log.end() == 0
        assert log.read() == []

    def test_offsets_rise_and_events_are_read_back_in_order(self, log: EventLog) -> None:
        first, second = log.append([event(0), event(1)]), log.append([event(2)])
        offsets = [*first.tolist(), *second.tolist()]
        assert first.dtype == np.int64 and first.shape == (2,)
        assert offsets == sorted(set(offsets))
        assert log.read() == list(zip(offsets, [event(0), event(1), event(2)]))

    def test_the_end_is_one_past_the_last_event(self, log: EventLog) -> None:
        for number in range(3):
            offsets = log.append([event(number), event(number)])
            assert log.end() == offsets[-1] + 1

    def test_appending_nothing_changes_nothing(self, log: EventLog) -> None:
        assert log.append([]).shape == (0,)
        assert log.end() == 0

    def test_any_events_come_back_as_they_were(self, log: EventLog) -> None:
        @settings(max_examples=self.examples, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
        @given(st.lists(some_events(), min_size=1, max_size=5))
        def law(events: list[Event]) -> None:
            offsets = log.append(events)
            assert log.read(int(offsets[0]), len(events)) == list(zip(offsets.tolist(), events))

        law()

    def test_it_is_replayed_from_any_offset_up_to_any_limit(self, log: EventLog) -> None:
        everything: list[tuple[int, Event]] = []
        for size in (1, 30, 2, 7):
            batch = [event(len(everything) + i) for i in range(size)]
            everything.extend(zip(log.append(batch).tolist(), batch))
        for start in range(0, len(everything), 3):
            for limit in (0, 1, 8, 1000):
                assert log.read(everything[start][0], limit) == everything[start : start + limit]

    def test_reading_from_the_end_or_beyond_gives_nothing(self, log: EventLog) -> None:
        log.append([event(0)])
        assert log.read(log.end()) == []
        assert log.read(log.end() + 1000) == []

    def test_a_large_event_comes_back_whole(self, log: EventLog) -> None:
        large = event(0, body=bytes(range(256)) * 2000)
        log.append([event(1), large, event(2)])
        assert [e for _, e in log.read()] == [event(1), large, event(2)]

    def test_a_repeated_event_is_kept_twice(self, log: EventLog) -> None:
        log.append([event(0), event(0)])
        log.append([event(0)])
        assert [e.id for _, e in log.read()] == ["e0", "e0", "e0"]

    @pytest.mark.parametrize(
        "wrong",
        [
            Event("", "k", "click", 1.0),
            Event("\ud800", "k", "click", 1.0),
            Event("a", "k", "click", float("nan")),
            Event("a", "k", "click", float("inf")),
            Event("a", "k", "click", None),  # pyright: ignore[reportArgumentType]
            Event("a", 7, "click", 1.0),  # pyright: ignore[reportArgumentType]
            Event("a", "k", "click", 1.0, "text"),  # pyright: ignore[reportArgumentType]
            {"id": "a"},
            None,
        ],
    )
    def test_a_wrong_event_is_refused_by_its_row_and_its_batch_with_it(self, log: EventLog, wrong: Any) -> None:
        with pytest.raises(BadRow) as caught:
            log.append([event(0), wrong])
        assert caught.value.row == 2
        assert log.end() == 0

    def test_a_negative_start_or_limit_is_refused(self, log: EventLog) -> None:
        with pytest.raises(BadInput, match="-1"):
            log.read(-1)
        with pytest.raises(BadInput, match="-2"):
            log.read(0, -2)

    def test_order_is_kept_within_a_key_when_several_threads_append(self, log: EventLog) -> None:
        def work(key: str) -> None:
            for number in range(0, 20, 2):
                log.append([event(number, key=key), event(number + 1, key=key)])

        _together([Thread(target=work, args=(key,)) for key in "abcd"])
        seen = [e for _, e in log.read()]
        assert len(seen) == 80
        for key in "abcd":
            assert [e.time_s for e in seen if e.key == key] == list(range(20))

    def test_a_reader_sees_all_of_a_batch_or_nothing(self, log: EventLog) -> None:
        torn: list[int] = []
        writer = Thread(target=lambda: [log.append([event(i) for i in range(50)]) for _ in range(20)])
        writer.start()
        while writer.is_alive():
            torn.append(len(log.read(0, 2000)) % 50)
        writer.join()
        assert set(torn) <= {0}
        assert len(log.read(0, 2000)) == 1000

    def test_another_reader_sees_what_was_appended_since_it_was_opened(self, log: EventLog, tmp_path: Path) -> None:
        log.append([event(0)])
        reader = self.open(tmp_path / "log")
        log.append([event(1)])
        assert [e for _, e in reader.read()] == [event(0), event(1)]
        assert reader.end() == log.end()
        reader.close()

    def test_a_log_opened_again_goes_on_where_it_was(self, tmp_path: Path) -> None:
        log = self.open(tmp_path / "log")
        before = log.append([event(0), event(1)])
        log.close()
        again = self.open(tmp_path / "log")
        after = again.append([event(2)])
        assert after[0] > before[-1]
        assert again.read() == list(zip([*before.tolist(), *after.tolist()], [event(0), event(1), event(2)]))
        again.close()

    def test_closing_twice_is_harmless_and_a_closed_log_says_so(self, log: EventLog) -> None:
        log.close()
        log.close()
        with pytest.raises(EngineLost, match="closed"):
            log.append([event(0)])
        with pytest.raises(EngineLost, match="closed"):
            log.read()


def _together(threads: list[Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
