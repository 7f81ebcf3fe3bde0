"""A running dispatch system goes by what was learned since it began: a drive correction, values of drivers, and what the day itself teaches."""

from __future__ import annotations

import logging
from hashlib import blake2b

import numpy as np

from rialto.app.engines import Engines
from rialto.app.learning import ahead_name
from rialto.errors import NothingHere, RialtoError
from rialto.match import eta
from rialto.match.ahead import Follower, dump, load
from rialto.match.outlook import Ahead
from rialto.match.pipeline import Dispatch
from rialto.match.travel import Travel
from rialto.ports import EventLog

__all__ = ["SWEEP_S", "Renewing"]

SWEEP_S = 30.0
"""How often a fleet looks for what was learned."""

_KEEP_S = 600.0
"""How often values that the day teaches are kept."""


class Renewing:
    """Puts a promoted drive correction and newly learned values into a dispatch system while it runs, and learns values on from its log.

    Acceptance, kitchens and patience are read anew in each window by those who use them; these two are parts of the chain. What the day
    teaches is kept beside the table that it grew from, which stays as it was: a restart goes on from there, and a table that is learned
    anew takes the place of both.

    Args:
        engines: Where models and blobs are kept, and the travel engine without a correction.
        dispatch: The system, which owns `log` by now.
        log: Its log of offers.
        name: Of the system, where several share a map (a city's shards).
    """

    def __init__(self, engines: Engines, dispatch: Dispatch, log: EventLog, *, name: str = "") -> None:
        self._engines, self._dispatch, self._log = engines, dispatch, log
        self._plane = dispatch.track.plane
        self._beside = ahead_name(self._plane).removesuffix(".npz") + f"-followed{name and '-'}{name}/"
        self._version, self._trained, self._kept_s = "", "", -np.inf
        self._follower: Follower | None = None
        self._moved = False
        self.failed = ""
        """Why what was learned could not be taken over last; "" where it could. What was there before goes on meanwhile."""

    def step(self, now_s: float) -> None:
        """Take over what is new, and learn from what the log has new; between two windows, by their thread.

        Cost:
            Two small reads where nothing is new, and some 10 us a row of the log since the last step.
        """
        failed = ""
        for part in (self._drives, self._values, lambda: self._learn(now_s)):
            try:
                part()
            except RialtoError as e:  # a window is decided all the same, by what was there before
                failed = failed or str(e)
        if failed and failed != self.failed:
            logging.getLogger("rialto").warning("what was learned is not taken over: %s", failed)
        self.failed = failed

    def keep(self) -> None:
        """Keep what the day has taught so far."""
        if self._follower is not None and self._moved:
            self._engines.blobs().put(self._beside + f"{self._trained}.npz", dump(self._follower.ahead))
            self._moved = False

    def _drives(self) -> None:
        models = self._engines.models()
        live = models.live(eta.MODEL)
        version = "" if live is None else live[0]
        if version != self._version:
            self._dispatch.renew(travel=Travel(eta.corrected(self._engines.travel(), models)))
            self._version = version

    def _values(self) -> None:
        blobs = self._engines.blobs()
        try:
            body = blobs.get(ahead_name(self._plane))
        except NothingHere:
            return
        trained = blake2b(body, digest_size=16).hexdigest()
        if trained == self._trained:
            return
        table = self._grown(trained) or load(body)
        self._dispatch.renew(ahead=table)
        if self._follower is None:
            start, epoch = self._log.end(), self._dispatch.offers.owned
            self._follower = Follower(table, self._plane, self._log, start=start, epoch=epoch)
        else:
            self._follower.turn_to(table)
        self._trained, self._moved = trained, False
        for name in [n for n in blobs.names(self._beside) if n != self._beside + f"{trained}.npz"]:
            blobs.remove(name)

    def _grown(self, trained: str) -> Ahead | None:
        """What an earlier run made of that table."""
        try:
            return load(self._engines.blobs().get(self._beside + f"{trained}.npz"))
        except NothingHere:
            return None

    def _learn(self, now_s: float) -> None:
        if self._follower is not None and self._follower.catch_up():
            self._moved = True
        if now_s - self._kept_s >= _KEEP_S:
            self._kept_s = now_s
            self.keep()
