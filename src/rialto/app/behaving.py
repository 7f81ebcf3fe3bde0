"""A shop's behaviour, brought up to date from the decision log, and taken over by the searches that serve."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Event, Lock, Thread
from time import monotonic, time

import numpy as np

from rialto.app.behaved import behaviour_of, kept_behaviour
from rialto.app.lean import give_back
from rialto.app.live import LiveShop
from rialto.errors import RialtoError
from rialto.ports import Blobs, EventLog
from rialto.spine.log import DecisionLog

__all__ = ["Behaving", "behaviour_of", "kept_behaviour"]

_SETTLE_S = 1.0  # events of the last moment may still be on their way to the log; what is counted later is never counted again
_REST = 9.0  # times as long as an update took, at least, before the next: a tenth of one core at most
_KEEP_S = 180 * 86_400.0  # profiles that learned nothing for so long are forgotten: by then a sixty-fourth of them is left
_DAY_S = 86_400.0


class Behaving:
    """Lets a live shop's searches know what shoppers did: what was kept at once, what the log tells of the time since at each tick.

    A tick reads what is new in the log, keeps what it came to, and has the shop serve it (`LiveShop.refit`): searches that began go on
    with what they had. Where nothing was logged meanwhile, a tick does nothing. One that fails is told, and the next one tries again.

    Args:
        live: The shop.
        blobs: Where behaviour is kept.
        events: The log, once all that was decided until now is in it.
        ranker: Name of the shop's ranker, which its decisions pin.
        every_s: Seconds from tick to tick; 0 = one, when it starts. Where an update takes long, they are further apart.
        clock: Seconds since 1970.
    """

    def __init__(
        self, live: LiveShop, blobs: Blobs, events: Callable[[], EventLog], ranker: str, *, every_s: float,
        clock: Callable[[], float] = time,
    ) -> None:  # fmt: skip
        self._live, self._blobs, self._events, self._ranker = live, blobs, events, ranker
        self._every_s, self._clock = every_s, clock
        self._turn, self._stop, self._thread = Lock(), Event(), Thread()
        self._seen = [(0, -np.inf)]  # ends of the log, rising, and when each was there first
        self._until_s = -np.inf
        self._swept_s = -np.inf

    def start(self) -> None:
        """Serve what was kept, then tick in a thread, at once and from time to time."""
        kept = kept_behaviour(self._blobs, self._ranker)
        if len(kept.ids):
            self._live.refit(behaviour=kept)
        self._thread = Thread(target=self._work, name="rialto-behaviour", daemon=True)
        self._thread.start()

    def tick(self) -> bool:
        """Take over what was logged since the last tick; True where there was something, which searches know when this returns.

        Raises:
            RialtoError: the log, the blobs or the shop's engines do not answer; searches go on with what they know.
        """
        with self._turn:
            self._sweep()
            events, until_s = self._events(), self._clock() - _SETTLE_S
            self._look(events.end(), until_s + _SETTLE_S)
            if not self._seen[-1][0] or self._seen[-1][1] < self._until_s:
                return False
            made = behaviour_of(self._blobs, DecisionLog(events), self._ranker, until_s=until_s, start=self._seen[0][0])
            self._until_s = made.until_s
            if len(made.ids):
                self._live.refit(behaviour=made)
            return True

    def _look(self, end: int, now_s: float) -> None:
        """Note where the log ends, and drop what need not be read again: all that was there before the moment of the last tick."""
        if end > self._seen[-1][0]:
            self._seen.append((end, now_s))
        while len(self._seen) > 1 and self._seen[1][1] < self._until_s:
            del self._seen[0]

    def close(self) -> None:
        """End the thread, once it has done what it began; a second call does nothing."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _sweep(self) -> None:
        """Once a day forget shoppers who did nothing for half a year."""
        profiles, now = self._live.shop.search.fittings.profiles, self._clock()
        if profiles is not None and now - self._swept_s > _DAY_S:
            profiles.expire(before_s=now - _KEEP_S)
            self._swept_s = now

    def _work(self) -> None:
        wait_s = 0.0
        while not self._stop.wait(wait_s):
            start = monotonic()
            try:
                if self.tick():
                    give_back()
            except RialtoError as e:
                logging.getLogger("rialto").warning("what shoppers did is not taken over: %s", e)
            except Exception:  # a thread that ended here would let searches grow old without a word
                logging.getLogger("rialto").exception("what shoppers did is not taken over")
            if self._every_s <= 0:
                return
            wait_s = max(self._every_s, _REST * (monotonic() - start))
