"""The desk: a change is checked, saved and served at once; who comes late is told; another process's change is picked up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from rialto.errors import NothingHere
from rialto.find.catalogue import Catalogue
from rialto.find.rules import Compiled, Past, Refused, Rule, RuleBook, RuleDesk, RuleStore, Scope, Stale, When, ruled
from rialto.records import Requests
from rialto.spine.pipeline import Pipeline


def hide(name: str, *ids: str) -> Rule:
    return Rule(name, "ann", "hide", products=Scope(ids=ids), when=When(queries=("lamp",)))


def desk_of(small: Catalogue, bare: Pipeline, asking: Callable[..., Requests], folder: Path) -> tuple[RuleDesk, list[Pipeline]]:
    served = [bare]

    def requests(texts: Sequence[str]) -> Requests:
        return asking(*texts)

    past = Past(lambda: bare, requests, lambda: {"lamp": 3.0, "chair": 1.0})
    store = RuleStore(str(folder))
    live = Compiled(store.book(), small)
    return RuleDesk(store, live, past, serve=lambda c: served.append(ruled(bare, c)), clock=lambda: 100.0), served


def test_a_change_is_served_when_the_call_returns(
    small: Catalogue, bare: Pipeline, asking: Callable[..., Requests], tmp_path: Path
) -> None:
    desk, served = desk_of(small, bare, asking, tmp_path)
    asked, first = asking("lamp"), int(small.numbers[0])
    assert first in served[-1].run(asked).decisions.ids
    saved = desk.put([hide("a", "p0")], expected=0, who="ann", note="May")
    assert (saved.version, saved.changes) == (1, ("added a",))
    assert [c.kind for c in saved.conflicts] == ["broad"]  # it fires for three quarters of what is asked
    assert first not in served[-1].run(asked).decisions.ids
    assert desk.live.book == desk.book() and desk.rule("a").owner == "ann"
    desk.delete("a", expected=1, who="bo")
    assert first in served[-1].run(asked).decisions.ids
    desk.restore(1, expected=2, who="ann")
    assert first not in served[-1].run(asked).decisions.ids
    assert [c.who for c in desk.audit()] == ["ann", "bo", "ann"]


def test_checks_and_previews_save_nothing(
    small: Catalogue, bare: Pipeline, asking: Callable[..., Requests], tmp_path: Path
) -> None:
    desk, served = desk_of(small, bare, asking, tmp_path)
    desk.put([hide("a", "p0")], expected=0, who="ann")
    pin = Rule("p", "ann", "pin", products=Scope(ids=("p0",)), place=1)
    assert "pin_hide" in [c.kind for c in desk.conflicts([pin])]
    assert desk.preview([hide("b", "p1")], top=3).changed_share == 0.75
    assert desk.preview([], without=["a"]).changed_share == 0.75
    with pytest.raises(Refused):
        desk.put([pin], expected=1, who="ann")
    with pytest.raises(Stale):
        desk.put([hide("b", "p1")], expected=0, who="ann")
    with pytest.raises(NothingHere):
        desk.delete("z", expected=1, who="ann")
    assert desk.book().version == 1 and len(served) == 2


def test_another_process_s_change_is_picked_up(
    small: Catalogue, bare: Pipeline, asking: Callable[..., Requests], tmp_path: Path
) -> None:
    (one, _), (other, served) = (desk_of(small, bare, asking, tmp_path) for _ in range(2))
    one.put([hide("a", "p0")], expected=0, who="ann")
    assert other.reload() and not other.reload()
    assert int(small.numbers[0]) not in served[-1].run(asking("lamp")).decisions.ids
    assert other.reload(Compiled(RuleBook(), small))
    assert other.put([hide("b", "p1")], expected=1, who="bo").version == 2
