"""A shop that another process changes: a copy of its index, made by links, brought up to date from its journal while it is searched."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event, Lock, Thread
from typing import cast

from rialto.app.behaved import kept_behaviour
from rialto.app.cross import cross_of
from rialto.app.desk import Desk, rules_folder, synonyms_folder
from rialto.app.engines import Engines
from rialto.app.fitting import personalised
from rialto.app.folders import Hold, drafted
from rialto.app.journal import Journal
from rialto.app.live import LiveShop, warmed
from rialto.app.past import joined
from rialto.app.shop import Shop, open_index, ranker_of, shop_over
from rialto.app.suggesting import ranking_of
from rialto.app.systems import Systems
from rialto.app.workers import FOLLOW
from rialto.app.workers_line import Line
from rialto.errors import EngineBusy, RialtoError
from rialto.find.change import changed_catalogue
from rialto.find.changes import apply
from rialto.find.pipeline import Search
from rialto.find.rules import RuleStore
from rialto.find.synonyms import SynonymStore

__all__ = ["Followed", "FollowedShop", "linked"]

_LOOK_S = 0.2  # how often a worker looks by itself for what changed
_GRACE_S = 10.0  # how long the searches that began before a swap may take
_TRIES = 20
_OWN = frozenset({"journal", "in-use"})  # parts of an index that are the owner's alone
_SMALL_BYTES = 1 << 16


@dataclass(slots=True)
class _Copy:
    """A copy of one index, and up to where its journal is followed."""

    folder: Path
    journal: Journal
    at: int
    held: ExitStack


class FollowedShop:
    """A shop that is searched here and changed by another process.

    The index is a copy of hard links: engines put into it what they like, and the owner's files stay as they are. What the owner's
    journal tells is taken over by `follow`; so is a full index, which is another folder.

    Args:
        engines: Where engines come from.
        folder: The index that the owner serves.
        catalogue: As the owner was told it; "" = the made-up shop.
        begun: Told each search over a new index when it begins to serve.

    Raises:
        EngineBusy: the folder is being removed, as a full index took its place; ask the owner again.
        Damaged: as `rialto.app.shop.open_index`.
    """

    def __init__(
        self, engines: Engines, folder: Path, catalogue: str = "", *, begun: Callable[[Search], object] = lambda _: None
    ) -> None:
        self._engines, self._ranker, self._begun = engines, ranker_of(catalogue), begun
        self._place = engines.settings.home / "shops"
        self._turn, self._closing = Lock(), Event()
        self._copy, search = self._opened(folder)
        self._shop = shop_over(engines, search, catalogue)
        begun(search)

    @property
    def shop(self) -> Shop:
        """The shop as it is now."""
        return self._shop

    @property
    def changing(self) -> bool:
        """As `LiveShop.changing`."""
        return self._turn.locked()

    def follow(self, folder: Path) -> bool:
        """Take over what the owner, who serves `folder`, wrote until now; True where there was something.

        Cost:
            Looking where the journal ends; a change costs what it cost the owner, a full index what opening one costs.
        """
        with self._turn:
            if self._closing.is_set():
                return False
            if folder != self._copy.folder:
                self._exchange(folder)
                return True
            end = self._copy.journal.end()
            if end == self._copy.at:
                return False
            self._serve(warmed(_followed(self._shop.search, self._copy.journal, self._copy.at)))
            self._copy.at = end
            return True

    def refit(self, **parts: object) -> None:
        """As `LiveShop.refit`."""
        with self._turn:
            self._serve(self._shop.search.fitted(**parts))
            pages = self._shop.pages
            ranking = ranking_of(self._engines.models(), self._ranker, pages.typing.ranking)
            self._shop = replace(self._shop, pages=pages.ranked_by(ranking))

    def close(self) -> None:
        """Let go of the copy, which is removed; a second call does nothing."""
        self._closing.set()
        with self._turn:
            _let_go(self._shop.search, self._copy)

    def _serve(self, search: Search) -> None:
        self._shop = replace(self._shop, search=search, pages=self._shop.pages.moved(search))

    def _exchange(self, folder: Path) -> None:
        old, before = self._copy, self._shop
        copy, search = self._opened(folder)
        search = search.fitted(behaviour=before.search.fittings.behaviour)
        past = joined(before.beside, search.fittings.behaviour)
        pages = before.pages.anew(search, past.often)
        self._copy, self._shop = copy, replace(before, search=search, pages=pages, past=past.queries)
        self._begun(search)
        Thread(target=self._end, args=(before.search, old), name="rialto-old-index", daemon=True).start()

    def _end(self, search: Search, copy: _Copy) -> None:
        self._closing.wait(_GRACE_S)  # for the searches that began before
        _let_go(search, copy)

    def _opened(self, folder: Path) -> tuple[_Copy, Search]:
        with ExitStack() as held:
            held.enter_context(closing(Hold(folder)))
            draft = held.enter_context(drafted(self._place))
            linked(folder, draft)
            journal = held.enter_context(closing(Journal(folder)))
            at = journal.end()  # what comes after this is read again below, which changes nothing
            search = open_index(self._engines, draft, self._engines.models(), self._ranker, journal_of=folder)
            search = warmed(personalised(self._engines, search))
            return _Copy(folder, journal, at, held.pop_all()), search


def _followed(search: Search, journal: Journal, start: int) -> Search:
    net = journal.net(start)
    if not len(net):
        return search
    return apply(search, changed_catalogue(search.catalogue, net.rows, net.removed, numbers=net.numbers))


def _let_go(search: Search, copy: _Copy) -> None:
    search.pipeline.close()  # but not the engines: closing would have them write what is thrown away here
    if (cross := cross_of(search)) is not None:
        cross.close()
    copy.held.close()


def linked(folder: Path, copy: Path) -> None:
    """Make `copy`, an empty folder, hold the index that `folder` holds, by hard links where the file system has them.

    Engines replace their files and never write into them, so the owner and the copy do not see one another's changes. The owner may
    write meanwhile: then it is done again, until no commit fell into it.

    Raises:
        EngineBusy: the index changes faster than it can be linked.
    """
    for _ in range(_TRIES):
        before = _meta(folder)
        try:
            _link(folder, copy)
        except FileNotFoundError:  # replaced meanwhile
            before = None
        if before is not None and before == _meta(folder):
            return
        for part in copy.iterdir():
            if part.name not in _OWN:
                shutil.rmtree(part) if part.is_dir() else part.unlink()
    raise EngineBusy(f"the index in {folder} changes all the time; try again.")


def _meta(folder: Path) -> bytes:
    file = folder / "text" / "meta.json"
    return file.read_bytes() if file.is_file() else b""


def _link(folder: Path, copy: Path) -> None:
    for part in folder.iterdir():
        if part.name in _OWN or part.suffix in (".lock", ".new"):
            continue
        to = copy / part.name
        if part.is_dir():
            to.mkdir(exist_ok=True)
            _link(part, to)
        elif part.stat().st_size <= _SMALL_BYTES:
            shutil.copy2(part, to)
        else:
            try:
                os.link(part, to)
            except FileNotFoundError:
                raise
            except OSError:  # a file system without links
                shutil.copy2(part, to)


class Followed(Systems):
    """What a worker serves itself: the shop, followed. All else is its parent's.

    Args:
        engines: Of a worker.
        line: To the parent.
        catalogue: As the parent was told it.
    """

    def __init__(self, engines: Engines, line: Line, *, catalogue: str = "") -> None:
        super().__init__(engines, catalogue=catalogue)
        self._line, self._catalogue = line, catalogue
        self._ended, self._thread = Event(), Thread()
        self._following, self._seen, self._told = Lock(), dict[str, str](), ""

    def follow(self) -> None:
        """Take over what the parent changed: products, a full index, what shoppers did, the ranker, the rules."""
        with self._following:
            if "shop" not in self._made:
                return
            desk, state = self.desk, self._state()
            shop = cast("FollowedShop", desk.live)
            shop.follow(Path(str(state["folder"])))
            self._refit(shop, cast("Mapping[str, str]", state["versions"]))
            desk.rules.reload()
            desk.synonyms.reload()

    def wait(self, parent: Connection) -> None:
        """Do what the parent tells, until it hangs up."""
        try:
            while what := parent.recv_bytes():
                self.decisions.flush()
                if what == FOLLOW:
                    self._tried_to_follow()
                parent.send_bytes(b"done")
        except (OSError, EOFError):
            return

    def close(self) -> None:
        """End all threads, hand over what was decided, and let go of the copy of the index."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        super().close()
        self._line.close()

    def _open_desk(self, catalogue: str) -> Desk:
        while not (folder := self._state().get("folder")):
            if self._ended.wait(_LOOK_S):
                raise EngineBusy("this process ends.")
        shop = FollowedShop(self.engines, Path(str(folder)), catalogue, begun=self.warmer.begin)
        # Whoever changes the shop asks the parent: of the live shop, only what searches read is asked for here.
        desk = Desk(
            cast("LiveShop", shop),
            RuleStore(rules_folder(self.engines, catalogue)),
            SynonymStore(synonyms_folder(self.engines, catalogue)),
        )
        self._refit(shop, cast("Mapping[str, str]", self._state()["versions"]))
        self._thread = Thread(target=self._work, name="rialto-follow", daemon=True)
        self._thread.start()
        return desk

    def _refit(self, shop: FollowedShop, versions: Mapping[str, str]) -> None:
        """Have behaviour, tuning and ranker where the parent has them; each of its versions is tried once."""
        learned = {n: v for n, v in versions.items() if n != "catalogue"}
        if learned == self._seen:
            return
        own = shop.shop.search.pipeline.versions
        if any(own.get(n) != v for n, v in learned.items()):
            kept = kept_behaviour(self.engines.blobs(), ranker_of(self._catalogue))
            shop.refit(**({"behaviour": kept} if kept.version == versions.get("behaviour") else {}))
        self._seen = learned

    def _state(self) -> dict[str, object]:
        return json.loads(self._line.call("state"))

    def _work(self) -> None:
        while not self._ended.wait(_LOOK_S):
            self._tried_to_follow()

    def _tried_to_follow(self) -> None:
        try:
            self.follow()
            self._told = ""
        except Exception as e:  # a thread that ended here would serve an old shop without a word
            said = str(e) or type(e).__name__
            if said != self._told:
                expected = isinstance(e, RialtoError)
                logging.getLogger("rialto").error("what changed is not taken over: %s", said, exc_info=not expected)
            self._told = said
