"""The three systems of one service, each built once, in turn, and told apart by their state."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from threading import Lock, Thread
from time import time
from typing import TypeVar, cast

from rialto.app.behaving import Behaving
from rialto.app.city import LiveCity
from rialto.app.decisions import Decisions
from rialto.app.desk import Desk, rules_folder, synonyms_folder
from rialto.app.engines import Engines
from rialto.app.inspected import Inspected
from rialto.app.lean import begin_lean, give_back
from rialto.app.live import LiveShop
from rialto.app.logged_day import LoggedDays
from rialto.app.sharded_fleet import ShardedFleet, open_fleet
from rialto.app.shop import Shop, ranker_of
from rialto.app.studio import Gallery, open_gallery
from rialto.app.termed_fleet import TermedFleet
from rialto.app.warming import Warmer
from rialto.errors import EngineBusy, EngineLost, NothingHere
from rialto.find.records import BROWSE
from rialto.find.rules import RuleStore
from rialto.find.synonyms import SynonymStore
from rialto.ports import EventLog
from rialto.spine.log import DecisionLog

__all__ = ["Systems"]

T = TypeVar("T")
PARTS = ("shop", "city", "studio")


class Systems:
    """What the service serves.

    Args:
        engines: Where engines come from; closed with this.
        catalogue: A catalogue's file; the made-up shop where "".
        drivers: Drivers of the live city.
        clock: Seconds since 1970, UTC: up to when what shoppers did is known.
    """

    def __init__(self, engines: Engines, *, catalogue: str = "", drivers: int = 260, clock: Callable[[], float] = time) -> None:
        begin_lean()
        self.engines, self._clock = engines, clock
        seed = engines.settings.seed
        self._makers: dict[str, Callable[[], object]] = {
            "shop": lambda: _tried(self._open_desk(catalogue)),
            "city": lambda: _started(
                open_fleet(engines, clock=clock) if engines.settings.fleet.on else LiveCity(engines, drivers=drivers, seed=seed)
            ),
            "studio": lambda: open_gallery(engines, self.log, seed=seed, first=secrets.randbits(62)),
        }
        self._made: dict[str, object] = {}
        self._failed: dict[str, str] = {}
        self._locks = {part: Lock() for part in PARTS}
        self._log_lock = Lock()
        self._log: DecisionLog | None = None
        self.decisions = Decisions(self._opened)
        self.inspected, self.warmer = Inspected(), Warmer()
        self.days = LoggedDays.of_fleet(engines)
        self.behaving: Behaving | None = None
        self.beside: dict[str, Callable[[], str]] = {}
        """States of what else has to be there before the service is ready, by name."""

    @property
    def log(self) -> DecisionLog:
        """The decision log, with all that was decided until now in it."""
        return self.decisions.flushed()

    def _opened(self) -> DecisionLog:
        with self._log_lock:
            if self._log is None:
                self._log = DecisionLog(self.engines.events())
            return self._log

    def _written(self) -> EventLog:
        """The events, with all that was decided until now among them."""
        self.decisions.flush()
        return self.engines.events()

    def _open_desk(self, catalogue: str) -> Desk:
        """The shop under its rules, which learns what shoppers do; its cross-encoder reads ahead behind it."""
        live = LiveShop(self.engines, catalogue=catalogue, begun=self.warmer.begin)
        try:
            desk = Desk(
                live, RuleStore(rules_folder(self.engines, catalogue)), SynonymStore(synonyms_folder(self.engines, catalogue))
            )
            every_s = self.engines.settings.serve.behaviour_s
            self.behaving = Behaving(
                live, self.engines.blobs(), self._written, ranker_of(catalogue), every_s=every_s, clock=self._clock
            )
            self.behaving.start()
        except BaseException:
            self.warmer.close()
            live.close()
            raise
        return desk

    @property
    def desk(self) -> Desk:
        """The shop and its rules, as they are changed; `EngineBusy` while it is being built, `EngineLost` where that failed."""
        return cast("Desk", self._part("shop"))

    @property
    def shop(self) -> Shop:
        """The shop as it is now, for one request; raises as `desk`."""
        return self.desk.shop

    @property
    def searches_at_once(self) -> bool:
        """True while a search does nothing but count: no change of the shop is being written, and no cross-encoder reads for it."""
        desk = self._made.get("shop")
        return isinstance(desk, Desk) and not desk.live.changing and desk.live.shop.search.fittings.cross is None

    @property
    def city(self) -> LiveCity | TermedFleet | ShardedFleet:
        """The live city, or the fleet where there is one; `EngineBusy` while it is being built, `EngineLost` where that failed."""
        return cast("LiveCity | TermedFleet | ShardedFleet", self._part("city"))

    @property
    def fleet(self) -> TermedFleet | ShardedFleet:
        """The fleet; `NothingHere` where the settings have none, and as `city`."""
        if not self.engines.settings.fleet.on:
            raise NothingHere(
                "this service has no fleet: start `rialto serve --fleet LAT,LON`, or set `fleet.on`, `fleet.lat`, `fleet.lon`."
            )
        return cast("TermedFleet | ShardedFleet", self._part("city"))

    @property
    def studio(self) -> Gallery:
        """The studio's gallery; `EngineBusy` while it is being built, `EngineLost` where that failed."""
        return cast("Gallery", self._part("studio"))

    def warm(self) -> None:
        """Build all parts in a thread, so that pages answer `busy` rather than wait."""
        Thread(target=self._warm, name="rialto-warm", daemon=True).start()

    def _warm(self) -> None:
        for part in PARTS:
            self.build(part)

    def build(self, part: str) -> None:
        """Build one part now, if it is not there; its failure is kept and told by `states`."""
        with self._locks[part]:
            if part not in self._made and part not in self._failed:
                try:
                    self._made[part] = self._makers[part]()
                except Exception as e:  # one part's failure must not end the others: its state and the program's log tell it
                    logging.getLogger("rialto").exception("the %s could not be built", part)
                    self._failed[part] = f"{type(e).__name__}: {e}"
                give_back()

    def states(self) -> dict[str, str]:
        """Part -> `ready`, `building` or why it failed; the city is ready once it has decided its first window."""
        states = {p: "ready" if p in self._made else self._failed.get(p, "building") for p in PARTS}
        if isinstance(city := self._made.get("city"), (LiveCity, TermedFleet, ShardedFleet)) and not city.ready:
            states["city"] = city.failed or "building"
        return states | {name: tell() for name, tell in self.beside.items()}

    def close(self) -> None:
        """End all threads, write what was decided, and let go of the shop's index and all engines."""
        if self.behaving is not None:
            self.behaving.close()
        self.warmer.close()
        self.decisions.close()
        if isinstance(desk := self._made.get("shop"), Desk):
            desk.close()
        if isinstance(city := self._made.get("city"), (LiveCity, TermedFleet, ShardedFleet)):
            city.stop()
        self.days.close()
        self.engines.close()

    def _part(self, name: str) -> object:
        if name in self._failed:
            raise EngineLost(f"the {name} could not be built: {self._failed[name]}")
        if name not in self._made:
            raise EngineBusy(f"the {name} is still being built; ask again in a second.")
        return self._made[name]


def _tried(desk: Desk) -> Desk:
    """A shop whose kernels are compiled and whose columns are in memory: the first shopper does not wait for that."""
    for text in (BROWSE, "warm up"):
        desk.shop.pages.page(text)
    desk.shop.pages.ready()
    return desk


def _started(city: LiveCity | TermedFleet | ShardedFleet) -> LiveCity | TermedFleet | ShardedFleet:
    city.start()
    return city
