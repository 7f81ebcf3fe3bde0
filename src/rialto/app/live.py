"""A shop that changes while it is searched: products put in and taken out, durable and seen at once, and full indexes made beside it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Lock, Thread
from time import time

from rialto.app.cross import cross_of
from rialto.app.engines import Engines
from rialto.app.fitting import personalised
from rialto.app.folders import Current, Hold, current_of, drafted, point, sweep
from rialto.app.journal import Journal
from rialto.app.mapped import REJECTS, mapping_of
from rialto.app.past import Past, past_of
from rialto.app.shop import (
    Shop,
    Step,
    index_catalogue,
    made_up_file,
    open_index,
    open_shop,
    ranker_of,
    settle,
    stamps,
    write_index,
)
from rialto.app.suggesting import ranking_of
from rialto.app.updates import Batch, Merged, Updated
from rialto.errors import BadInput, EngineBusy, EngineError, EngineLost, NothingHere, RialtoError
from rialto.find.catalogue import Catalogue
from rialto.find.change import changed_catalogue, compacted, renumbered
from rialto.find.changes import apply
from rialto.find.ingest import read_catalogue, write_rejects
from rialto.find.mapping import FieldMap, read_mapping
from rialto.find.page import Pages
from rialto.find.pipeline import Search
from rialto.ports import Models

__all__ = ["Job", "LiveShop", "Updated", "warmed"]

_GRACE_S = 10.0  # how long the searches that began before a swap may take
_MOST, _SHOWN = 50_000, 100  # rows of one call, and rejected ones that a job shows


@dataclass(frozen=True, slots=True)
class Job:
    """A full index in the making.

    Args:
        id: Its name.
        path: The file that it reads; "" = the products as they are.
        state, step: `running`, `done` (it is served) or `failed` (the one before is served on); and what is being done.
        started_s, ended_s: Seconds since 1970; `ended_s` None while it runs.
        products, rows, rejected, rejects: Of the file; 0 until it is read; of the rejected rows the first hundred, as `BadRow` tells them.
        error: Why it failed.
    """

    id: str
    path: str
    state: str
    step: str
    started_s: float
    ended_s: float | None = None
    products: int = 0
    rows: int = 0
    rejected: int = 0
    rejects: tuple[dict[str, object], ...] = ()
    error: str = ""


@dataclass(slots=True)
class _Served:
    """One index that is served: its folder, its journal, and that it is in use."""

    folder: Path
    mapping: FieldMap
    journal: Journal
    hold: Hold
    following: int = 0  # the least number of a new product

    def close(self) -> None:
        self.journal.close()
        self.hold.close()


class LiveShop:
    """A shop with one writer and any number of searching threads.

    `shop` is the shop as it is now: whoever begins a request takes it once and keeps it to the request's end. Calls that change it
    come together: those that wait while one is being done are done together next.

    A change is in the journal, and so survives kill -9, before the call returns. It is seen by every request that begins after.
    What was learned from the whole catalogue (spelling, suggestions, rankers) is learned again by a full index, which is made in
    a thread beside the one that serves and takes its place at once; changes that came meanwhile are in it.

    Args:
        engines: Where engines come from; they are closed by whoever made them.
        catalogue: Path or URL of the catalogue; "" = the made-up shop.
        mapping: Which column is what; guessed where None.
        models: Whose live ranker ranks; None = the settings'.
        clock: Seconds since 1970.
        tell: Told what is being done while the shop is opened.
        begun: Told each search over a new index when it begins to serve, the first too; returns at once.
    """

    def __init__(
        self, engines: Engines, *, catalogue: str = "", mapping: FieldMap | None = None, models: Models | None = None,
        clock: Callable[[], float] = time, tell: Step = lambda _: None, begun: Callable[[Search], object] = lambda _: None,
    ) -> None:  # fmt: skip
        self._engines, self._path, self._asked, self._clock = engines, catalogue or str(made_up_file(engines)), mapping, clock
        self._models, self._ranker, self._begun = models or engines.models(), ranker_of(catalogue), begun
        self._place = engines.settings.home / "shops"
        self._writing, self._queueing, self._queue = Lock(), Lock(), list[Batch]()
        self._jobs, self._worker, self._closing = dict[str, Job](), Thread(), Event()
        sweep(self._place)
        shop = open_shop(engines, catalogue=catalogue, mapping=mapping, models=models, tell=tell)
        search = personalised(engines, shop.search)
        self._shop = replace(shop, search=search, pages=shop.pages.moved(search))
        folder, _ = index_catalogue(engines, self._path, mapping=mapping, ranker=self._ranker)
        self._served = _served(folder)
        try:
            self._served.journal.claim()
        except EngineBusy:  # another process writes to this shop: here it is searched, and calls that change it are refused
            logging.getLogger("rialto").info("%s is written by another process", folder)
        begun(search)

    @property
    def shop(self) -> Shop:
        """The shop as it is now."""
        return self._shop

    @property
    def folder(self) -> Path:
        """The index that is served: a full index brings another."""
        return self._served.folder

    @property
    def changing(self) -> bool:
        """True while a change is written: searches may wait for the engines then."""
        return self._writing.locked()

    def upsert(self, rows: Sequence[object]) -> Updated:
        """Put products in, or replace those with the same ids.

        Args:
            rows: Products with the columns of the catalogue's file; what a row leaves out is not known. Of two rows with one id the
                last counts.

        Raises:
            BadInput: there are too many rows, or the file's mapping has no column for ids.
            EngineBusy: another process writes to this shop, or the disk is full; nothing was changed.
            EngineLost: an engine failed; what was written is seen once the shop is opened again.

        Cost:
            About 0.2 s with 20,000 products, 1 to 2 s with 500,000, for all the calls that come together.
        """
        if len(rows) > _MOST:
            raise BadInput(f"there are {len(rows)} rows; wanted at most {_MOST} a call. Send them in parts, or index a file.")
        return self._write(Batch(rows, ()))

    def remove(self, ids: Collection[str]) -> Updated:
        """Take products out; ids that are not there are told and no error. Raises and costs as `upsert`."""
        if isinstance(ids, str):
            raise BadInput(f"ids is {ids!r}; wanted a list of ids.")
        return self._write(Batch((), ids))

    def change(self, rows: Sequence[object], ids: Collection[str]) -> Updated:
        """Take products out and put others in, in one; raises and costs as `upsert`."""
        return self._write(Batch(rows, ids))

    def refit(self, **parts: object) -> None:
        """Let searches that begin from here on have other `Fittings`, by name, such as what shoppers did; other parts stay as they are.

        It waits for a change that is being written. Products that come and go, and a full index, keep what was fitted.

        Raises:
            BadInput: the live ranker reads what this search does not make; nothing was changed.
        """
        with self._writing:
            now = self._shop.search.fitted(**parts)
            pages = self._shop.pages.moved(now)
            ranking = ranking_of(self._models, self._ranker, pages.typing.ranking)
            self._shop = replace(self._shop, search=now, pages=pages.ranked_by(ranking))

    def reindex(self, path: str | None = None) -> Job:
        """Begin a full index beside the one that serves.

        Args:
            path: The file to read, which is the truth from then on, but for changes that come while it is read; None = the shop's own
                file. "" = no file: the products as they are, which makes opening quick again after many changes.

        Raises:
            EngineBusy: one is being made already.
            NothingHere: there is no such file.
        """
        source = self._path if path is None else path
        if source:
            stamps(self._engines, source, self._asked)  # there must be a file
        with self._queueing:
            if self._worker.is_alive() or self._closing.is_set():
                raise EngineBusy("a full index is being made already; ask for its job, and again when it has ended.")
            job = Job(f"index-{len(self._jobs) + 1}", source, "running", "waiting", self._clock())
            self._jobs[job.id] = job
            self._worker = Thread(target=self._work, args=(job.id,), name="rialto-index", daemon=True)
            self._worker.start()
        return job

    def job(self, name: str) -> Job:
        """How far a full index is; `NothingHere` for a name that `reindex` never gave."""
        try:
            return self._jobs[name]
        except KeyError:
            raise NothingHere(f"there is no index job {name!r}; there are {', '.join(self._jobs) or 'none'}.") from None

    def jobs(self) -> tuple[Job, ...]:
        """All full indexes since the shop was opened, the first first."""
        return tuple(self._jobs.values())

    def close(self) -> None:
        """Wait for what is being written, and let go of the index; a second call does nothing."""
        self._closing.set()
        if self._worker.is_alive():
            self._worker.join()
        with self._writing:
            _let_go(self._shop.search)
            self._served.close()

    # Writing

    def _write(self, batch: Batch) -> Updated:
        with self._queueing:
            self._queue.append(batch)
        with self._writing:  # whoever gets here first does what the others queued meanwhile
            if batch.done is None and batch.error is None:
                with self._queueing:
                    waiting, self._queue = self._queue, []
                self._do(waiting)
        if batch.error is not None:
            raise batch.error
        assert batch.done is not None
        return batch.done

    def _do(self, waiting: list[Batch]) -> None:
        merged = Merged(self._shop.search.catalogue, self._served.mapping)
        for batch in waiting:
            try:
                merged.add(batch)
            except RialtoError as e:
                batch.error = e
        error: RialtoError | None = None
        try:
            if self._closing.is_set():
                raise EngineLost("this shop is closed; open it again.")
            if len(merged):
                self._commit(merged)
        except RialtoError as e:
            error = e
        except Exception as e:
            logging.getLogger("rialto").exception("a change of the shop failed")
            error = EngineLost(
                f"the change failed ({type(e).__name__}: {e}); what was written is seen once the shop is opened again."
            )
        c, pending = self._shop.search.catalogue, self._served.journal.end()
        for batch in waiting:
            batch.error = batch.error or error
            if batch.error is None:
                batch.done = replace(merged.told(batch), products=len(c), version=c.version, pending=pending)

    def _commit(self, merged: Merged) -> None:
        served, search = self._served, self._shop.search
        served.journal.claim()
        change = changed_catalogue(search.catalogue, merged.rows, merged.removed, following=served.following)
        numbers = dict(zip(change.fresh.ids.tolist(), change.fresh.numbers.tolist()))
        served.journal.write(merged.rows, merged.removed, numbers, time_s=self._clock())
        try:
            now = warmed(apply(search, change))
        except EngineError as e:
            raise EngineLost(
                f"the change is written, and is seen once the shop is opened again; now an engine failed: {e}"
            ) from e
        self._shop = replace(self._shop, search=now, pages=self._shop.pages.moved(now))

    # A full index

    def _work(self, name: str) -> None:
        try:
            self._index(name)
        except Exception as e:  # its failure is told by the job's record, and the shop goes on
            meant = isinstance(e, RialtoError)
            said = str(e) if meant else f"{type(e).__name__}: {e}"
            logging.getLogger("rialto").error("the full index failed: %s", said, exc_info=not meant)
            self._step(name, state="failed", ended_s=self._clock(), error=said)

    def _step(self, name: str, **now: object) -> None:
        self._jobs[name] = replace(self._jobs[name], **now)  # pyright: ignore[reportArgumentType]

    def _index(self, name: str) -> None:
        path, before = self._jobs[name].path, self._served
        before.journal.claim()  # a shop that another process serves is that one's to index
        shop, file, asked = stamps(self._engines, self._path, self._asked)
        if not path and (now := current_of(self._place, shop)):
            file, asked = now.file, now.asked  # the file was not read
        with drafted(self._place) as draft:
            start, made, mapping = self._read(name, path, draft)
            past = self._past()
            write_index(self._engines, made, mapping, draft, past=past, tell=lambda what: self._step(name, step=what))
            if self._closing.is_set():
                raise EngineBusy("the shop was closed while its index was made; begin again.")
            folder = settle(draft, self._place)
        self._step(name, step="taking over")
        served, search = self._opened(folder)
        try:
            pages = self._shop.pages.anew(search, past.often)  # made before the index serves: nobody who types waits for it
            with self._writing:
                old = self._take_over(served, search, pages, start, (shop, Current(asked, file, folder.name)))
                self._shop = replace(self._shop, past=past.queries)
        except BaseException:
            search.close()
            served.close()
            raise
        self._begun(self._shop.search)
        self._step(name, state="done", step="", ended_s=self._clock(), products=len(self._shop.search.catalogue))
        self._closing.wait(_GRACE_S)  # for the searches that began before
        _let_go(old)
        before.close()
        sweep(self._place)

    def _past(self) -> Past:
        """What shoppers asked and clicked until now, as far as searches know it."""
        return past_of(self._engines, self._path, self._ranker, behaviour=self._shop.search.fittings.behaviour)

    def _read(self, name: str, path: str, draft: Path) -> tuple[int, Catalogue, FieldMap]:
        """From which change on the journal holds what the index does not, the products, and the mapping."""
        self._step(name, step="reading")
        if not path:
            with self._writing:
                return self._served.journal.end(), compacted(self._shop.search.catalogue), self._served.mapping
        start, ingest = self._served.journal.end(), read_catalogue(path, mapping_of(self._engines, path, self._asked))
        with self._writing:  # new products get numbers that no change gives away meanwhile
            made = renumbered(ingest.catalogue, self._shop.search.catalogue)
            self._served.following = made.next_number
        write_rejects(ingest.rejects, str(draft / REJECTS))
        some = tuple(e.to_json() for e in ingest.rejects[:_SHOWN])
        self._step(name, rows=ingest.rows, rejected=len(ingest.rejects), rejects=some, products=len(made))
        return start, made, ingest.mapping

    def _opened(self, folder: Path) -> tuple[_Served, Search]:
        served = _served(folder)
        try:
            return served, personalised(
                self._engines, open_index(self._engines, folder, self._models, self._ranker, past=self._past)
            )
        except BaseException:
            served.close()
            raise

    def _take_over(self, served: _Served, search: Search, pages: Pages, start: int, now: tuple[str, Current]) -> Search:
        """Serve another index from here on, with the changes since `start`; the search that served before."""
        before = self._shop
        search = search.fitted(behaviour=before.search.fittings.behaviour)
        net = self._served.journal.net(start)
        if len(net):
            change = changed_catalogue(search.catalogue, net.rows, net.removed, numbers=net.numbers)
            numbers = dict(zip(change.fresh.ids.tolist(), change.fresh.numbers.tolist()))
            served.journal.write(net.rows, net.removed, numbers, time_s=self._clock())
            search = apply(search, change)
        search = warmed(search)
        served.journal.claim()
        point(self._place, *now)
        self._served, self._shop = served, replace(before, search=search, pages=pages.moved(search))
        return before.search


def _served(folder: Path) -> _Served:
    hold = Hold(folder)
    return _Served(folder, read_mapping(str(folder / "mapping.json")), Journal(folder), hold)


def _let_go(search: Search) -> None:
    """Close the engines of a search that serves no more, and end the threads of its cross-encoder."""
    search.close()
    if (cross := cross_of(search)) is not None:
        cross.close()


def warmed(search: Search) -> Search:
    """The search once its tables are made and its engines show what they were given, so that no request waits for that.

    Raises:
        EngineLost: an engine cannot show it.
    """
    _ = search.facet_table
    failed = search.search(["a"], explain=False).trace.fallbacks
    if failed:
        raise EngineLost(f"the search does not answer whole: {', '.join(failed)}.")
    return search
