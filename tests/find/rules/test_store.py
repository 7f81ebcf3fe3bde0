"""Kept rules: versions made whole, two writers told apart, a trail that says who did what, and any version to go back to."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from rialto.errors import BadInput, EngineError, EngineLost, NothingHere
from rialto.find.catalogue import Catalogue
from rialto.find.rules import Compiled, Refused, Rule, RuleBook, RuleStore, Scope, Stale, conflicts


def hide(name: str, *ids: str) -> Rule:
    return Rule(name, "ann", "hide", products=Scope(ids=ids or ("1",)))


@pytest.fixture(params=["folder", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "rules") if request.param == "folder" else f"memory://rules-{uuid4().hex}"


def test_each_save_is_a_version_that_stays_and_the_trail_says_who(folder: str) -> None:
    store = RuleStore(folder)
    assert (store.version(), store.book(), store.history()) == (0, RuleBook(), ())
    first = store.save(store.book().with_rule(hide("a")), who="ann", at_s=10.0, note="for May")
    second = store.save(first.with_rule(hide("a", "2")).with_rule(hide("b")), who="bo", at_s=20.0)
    third = store.save(second.without("a"), who="cy", at_s=30.0)
    back = store.restore(1, expected=3, who="ann", at_s=40.0)
    assert [first.version, second.version, third.version, back.version] == [1, 2, 3, 4]
    assert [(c.who, c.time_s, c.parent, c.changes) for c in RuleStore(folder).history()] == [
        ("ann", 10.0, 0, ("added a",)), ("bo", 20.0, 1, ("changed a (products)", "added b")),
        ("cy", 30.0, 2, ("removed a",)), ("ann", 40.0, 3, ("added a", "removed b")),
    ]  # fmt: skip
    assert store.book().rules == first.rules and store.book(2) == second
    assert store.history()[3].note == "restored version 1"
    assert store.save(back, who="ann", at_s=50.0) == back and store.version() == 4


def test_a_writer_who_comes_late_is_told_and_writes_nothing(folder: str) -> None:
    one, other = RuleStore(folder), RuleStore(folder)
    mine, theirs = one.book(), other.book()
    one.save(mine.with_rule(hide("a")), who="ann", at_s=1.0)
    with pytest.raises(Stale, match="at version 1, and the change was made on 0") as caught:
        other.save(theirs.with_rule(hide("b")), who="bo", at_s=2.0)
    assert (caught.value.expected, caught.value.held) == (0, 1)
    with pytest.raises(Stale):
        other.restore(0, expected=0, who="bo", at_s=2.0)
    assert [r.id for r in other.book()] == ["a"]


def test_of_many_writers_at_once_one_wins_each_version(tmp_path: Path) -> None:
    folder = str(tmp_path)

    def write(n: int) -> int:
        store, lost = RuleStore(folder), 0
        while True:
            try:
                store.save(store.book().with_rule(hide(f"r{n}")), who=f"w{n}", at_s=float(n))
            except Stale:
                lost += 1
            else:
                return lost

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(12)))
    store = RuleStore(folder)
    assert store.version() == 12 and len(store.book()) == 12
    assert [c.parent for c in store.history()] == list(range(12))
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{n:08d}.json" for n in range(1, 13)]


def test_conflicts_of_severity_error_refuse_what_touches_them_unless_forced(folder: str, small: Catalogue) -> None:
    store = RuleStore(folder)
    pin = Rule("p", "ann", "pin", products=Scope(ids=("p1",)), place=1)
    clash = store.book().with_rule(pin).with_rule(hide("h", "p1"))
    found = conflicts(Compiled(clash, small), at_s=0.0)
    with pytest.raises(Refused, match="pins p1, which rule h hides") as caught:
        store.save(clash, who="ann", at_s=1.0, conflicts=found)
    assert [c.kind for c in caught.value.conflicts] == ["pin_hide"] and store.version() == 0
    held = store.save(clash, who="ann", at_s=1.0, conflicts=found, force=True)
    assert store.history()[0].forced
    more = held.with_rule(hide("other", "p2"))
    saved = store.save(more, who="bo", at_s=2.0, conflicts=conflicts(Compiled(more, small), at_s=0.0))
    assert saved.version == 2 and not store.history()[1].forced


def test_what_a_writer_left_unfinished_is_no_version(tmp_path: Path) -> None:
    store = RuleStore(str(tmp_path))
    book = store.save(RuleBook().with_rule(hide("a")), who="ann", at_s=1.0)
    (tmp_path / "00000002.json.unfinished-abc").write_text('{"format": 1, "ver')
    assert store.book() == book
    assert store.save(book.with_rule(hide("b")), who="ann", at_s=2.0).version == 2


def test_damage_and_absence_are_said(tmp_path: Path) -> None:
    store = RuleStore(str(tmp_path))
    book = store.save(RuleBook().with_rule(hide("a")), who="ann", at_s=1.0)
    with pytest.raises(NothingHere, match="no version 7"):
        store.book(7)
    with pytest.raises(NothingHere, match="no rule 'x'; known: a"):
        book.rule("x")
    with pytest.raises(BadInput, match="who is ' '"):
        store.save(book.with_rule(hide("b")), who=" ", at_s=1.0)
    for body in ("", "{", '{"format": 1}', '{"format": 9, "version": 2}'):
        (tmp_path / "00000002.json").write_text(body)
        with pytest.raises(EngineLost, match="move it away"):
            store.book()
    (tmp_path / "00000002.json").unlink()
    assert store.book() == book
    (tmp_path / "in-the-way").write_text("")
    with pytest.raises(EngineError, match="were not saved"):
        RuleStore(str(tmp_path / "in-the-way")).save(RuleBook().with_rule(hide("a")), who="ann", at_s=1.0)
    with pytest.raises(BadInput, match="folder is ''"):
        RuleStore("")
