"""Calls between the processes of a service: the log and the profiles behind a line pass the exams of the engines they stand for."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import pytest

from rialto.app.engines import Engines
from rialto.app.workers_engines import LinedEvents, LinedStore, answers_of
from rialto.app.workers_line import Line, Lines
from rialto.config import Settings
from rialto.errors import BadInput, EngineBusy, EngineLost
from rialto.local.events import LocalEvents
from rialto.local.store import LocalStore
from rialto.records import Event
from rialto.testing.events import EventLogExam
from rialto.testing.store import FeatureStoreExam


@contextmanager
def lines(**answers: object) -> Generator[Path, None, None]:
    with TemporaryDirectory(prefix="rialto-") as place:
        path = Path(place) / "line"
        made = Lines(path, answers, lambda connection: connection.close())  # type: ignore[arg-type]
        yield path
        made.close()


def refuse(payload: bytes) -> bytes:
    raise BadInput(f"{payload.decode()} is wrong.")


def lose(payload: bytes) -> bytes:
    raise KeyError("inside")


def test_a_call_is_answered_with_its_bytes() -> None:
    with lines(turn=lambda payload: payload[::-1]) as path:
        line = Line(path)
        assert (line.call("turn", b"abc"), line.call("turn", b"\n\n"), line.call("turn")) == (b"cba", b"\n\n", b"")
        line.close()


def test_errors_come_back_as_what_they_are() -> None:
    with lines(refuse=refuse, lose=lose) as path:
        line = Line(path)
        with pytest.raises(BadInput, match="x is wrong"):
            line.call("refuse", b"x")
        with pytest.raises(EngineLost, match="KeyError"):
            line.call("lose")
        with pytest.raises(EngineLost, match="nothing"):
            line.call("nothing")
        line.close()


def test_without_the_other_process_the_caller_may_ask_again() -> None:
    with lines(turn=lambda payload: payload) as path:
        line = Line(path)
        assert line.call("turn", b"a") == b"a"
    with pytest.raises(EngineBusy, match="ask again"):
        line.call("turn", b"a")
    line.close()


def test_threads_call_side_by_side() -> None:
    with lines(same=lambda payload: payload) as path:
        line, wrong = Line(path), list[bytes]()

        def work(own: bytes) -> None:
            wrong.extend(got for _ in range(50) if (got := line.call("same", own)) != own)

        threads = [Thread(target=work, args=(bytes([n]) * 100,)) for n in range(6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        line.close()
    assert wrong == []


@pytest.fixture
def owner(tmp_path: Path) -> Generator[tuple[Engines, Line], None, None]:
    engines = Engines(Settings(home=tmp_path))
    with lines(**answers_of(engines)) as path:
        line = Line(path)
        yield engines, line
        line.close()
    engines.close()


def test_what_is_appended_over_a_line_is_durable_and_read_from_the_folder(owner: tuple[Engines, Line]) -> None:
    engines, line = owner
    log = LinedEvents(line, engines.settings.folder("events"))
    events = [Event("a", "ann", "click", 1.0, b"\n\x00"), Event("b", "bob", "click", 2.0)]
    assert log.append(events).tolist() == [0, 1]
    assert log.append([]).tolist() == []
    assert (log.end(), [e for _, e in log.read(0)]) == (2, events)
    log.close()
    assert engines.events().end() == 2


def test_a_bad_event_is_refused_before_it_is_sent(owner: tuple[Engines, Line]) -> None:
    engines, line = owner
    log = LinedEvents(line, engines.settings.folder("events"))
    with pytest.raises(BadInput, match="row 1"):
        log.append([Event("", "ann", "click", 1.0)])
    assert log.end() == 0
    log.close()


class Owner:
    """As much of the owner's `Engines` as `answers_of` asks for."""

    def __init__(self, log: LocalEvents | None = None, store: LocalStore | None = None) -> None:
        self.log, self.store = log, store

    def events(self) -> LocalEvents:
        assert self.log is not None
        return self.log

    def profiles(self) -> LocalStore:
        assert self.store is not None
        return self.store


class OwnedEvents(LinedEvents):
    """A log behind a line, with its owner in this process."""

    def __init__(self, folder: Path) -> None:
        self.held = ExitStack()
        owner = Owner(log=LocalEvents(folder))
        line = Line(self.held.enter_context(lines(**answers_of(owner))))  # type: ignore[arg-type]
        for close in (owner.events().close, line.close):
            self.held.callback(close)
        super().__init__(line, folder)

    def close(self) -> None:
        super().close()
        self.held.close()


class OwnedStore(LinedStore):
    """A store behind a line, with its owner in this process."""

    def __init__(self, folder: Path) -> None:
        self.held = ExitStack()
        owner = Owner(store=LocalStore(folder))
        line = Line(self.held.enter_context(lines(**answers_of(owner))))  # type: ignore[arg-type]
        for close in (owner.profiles().close, line.close):
            self.held.callback(close)
        super().__init__(line)

    def close(self) -> None:
        super().close()
        self.held.close()


class TestLinedEvents(EventLogExam):
    examples = 10

    def open(self, folder):
        return OwnedEvents(folder)


class TestLinedStore(FeatureStoreExam):
    examples = 10

    def open(self, folder):
        return OwnedStore(folder)
