"""A fleet's windows, wherever they are decided: a thread decides one every few seconds, and the last hour of them can be looked at again."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Event, Lock, Thread
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from rialto.app.renewing import SWEEP_S
from rialto.app.scenes import LATEST, Album, Moment, Scene
from rialto.config import Settings
from rialto.errors import BadSettings, EngineError, NothingHere
from rialto.match.ledger import Held
from rialto.match.pipeline import Assigned
from rialto.match.records import Plane
from rialto.match.track import Track

__all__ = ["FleetWindows", "Kept", "known_order", "plane_of", "reach_of"]

_KEPT_S = 3600.0
"""How long windows can be explained, listed and looked at again."""

_REACH_M = 200_000.0
_SHOWN_S = 0.5  # a scene that is not older than this is shown again
_WINDOW_ROWS = 50  # what a window takes that compared nobody, in rows of those that did
_SHARE = 0.8  # of the seconds between windows that a window may take
_LEAST_S = 0.25  # and what it may take at least


class Kept(Protocol):
    """One window that is kept: when it was, and who was asked for what, shape (asked,) each; `rows` is what it takes to keep it.

    `fallbacks` names the steps that their fallback answered: an engine was away, or there was no time left.
    """

    @property
    def at_s(self) -> float: ...
    @property
    def waiting(self) -> int: ...
    @property
    def fallbacks(self) -> tuple[str, ...]: ...
    @property
    def rows(self) -> int: ...
    @property
    def orders(self) -> NDArray[np.int64]: ...
    @property
    def drivers(self) -> NDArray[np.int64]: ...
    @property
    def pickup_s(self) -> NDArray[np.float64]: ...


W = TypeVar("W", bound=Kept)


def plane_of(settings: Settings) -> Plane:
    """The fleet's map; `BadSettings` where the settings say that orders may be farther away than it is true."""
    plane = Plane(settings.fleet.lat, settings.fleet.lon)
    true_m, asked_m = int(plane.true_m()), settings.fleet.reach_m
    if asked_m > true_m:
        raise BadSettings([
            f"fleet.reach_m = {asked_m:.0f}: at latitude {plane.lat} the flat map is true up to {true_m} m from its middle, within "
            "5 %. Set it to that or less, or to 0 for as far as it is true."
        ])  # fmt: skip
    return plane


def reach_of(settings: Settings) -> float:
    """Farthest place from the middle that an order may have, metres."""
    return settings.fleet.reach_m or min(_REACH_M, plane_of(settings).true_m())


def known_order(order: int, held: Held) -> Held:
    """How an order stands; `NothingHere` where it is unknown."""
    if held.state == "unknown":
        raise NothingHere(f"order {order} is unknown: it was never placed here, or ended long ago and was forgotten.")
    return held


class FleetWindows(ABC, Generic[W]):
    """What every fleet beside the service does with its windows. Who derives it decides a window, and says what the map shows now.

    Args:
        settings: Its `fleet` has the plane's middle, the seconds between windows, and whether orders wake the thread.
        track: Where drivers are; it is swept of those long unseen.
        clock: Seconds since 1970, UTC.
        most_rows: Rows of windows that are kept, of `Kept.rows`.
    """

    def __init__(self, settings: Settings, track: Track, *, clock: Callable[[], float], most_rows: int) -> None:
        chosen = settings.fleet
        self.centre = chosen.lat, chosen.lon
        self.radius_m, self._every_s, self._at_once = chosen.radius_m, chosen.window_s, chosen.at_once
        self.reach_m = reach_of(settings)
        self._clock, self._seed, self._most_rows = clock, settings.seed, most_rows
        self._track = track
        self._decided, self._rows = deque[W](), 0
        self._album = Album(every_s=max(10.0, self._every_s), span_s=_KEPT_S)
        self._scene: Scene | None = None
        self._shown = Lock()
        self._last_s = self._swept_s = -np.inf
        self._stopped, self._wake = Event(), Event()
        self._warm = False
        self._thread = Thread(target=self._windows, name="rialto-fleet", daemon=True)
        self.failed = ""
        """Why the last window could not be decided; "" where it was."""

    @abstractmethod
    def window(self) -> W:
        """Decide a window now: what waits is offered to who is free."""

    @abstractmethod
    def _seen(self, now_s: float) -> Scene:
        """What the map shows now."""

    @property
    def fallbacks(self) -> tuple[str, ...]:
        """Steps of the last window that their fallback answered."""
        return self._decided[-1].fallbacks if self._decided else ()

    @property
    def ready(self) -> bool:
        """True while windows are decided."""
        return not self.failed

    @property
    def plane(self) -> Plane:
        """The map."""
        return self._track.plane

    def known(self, drivers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which drivers are enrolled, shape (drivers,)."""
        return self._track.slots(drivers)[0]

    def _must_know(self, driver: int) -> None:
        if not self.known(np.array([driver]))[0]:
            raise NothingHere(f"driver {driver} is not enrolled. Enrol the fleet first.")

    def start(self) -> None:
        """Begin to decide windows; a second call does nothing."""
        if self._every_s > 0 and not self._thread.is_alive() and not self._stopped.is_set():
            self._thread.start()

    def _end(self) -> bool:
        """End the thread, after the window under way; False where it had ended before."""
        if self._stopped.is_set():
            return False
        self._stopped.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        return True

    def _placed(self, new: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Orders came in, of which these are new: where the settings say so, a window is decided at once."""
        if self._at_once and new.any():
            self._wake.set()
        return new

    def _deadline_s(self) -> float:
        """How long a window that begins now may take before the steps that have a fallback are answered by it.

        The first one that has something to decide may take what it wants: it loads code, and compiles what was never used here.
        """
        return max(_SHARE * self._every_s, _LEAST_S) if self._every_s > 0 and self._warm else np.inf

    def _moment(self) -> float:
        """The moment of a window that begins now; it names the window, so no two have the same."""
        self._last_s = max(self._clock(), self._last_s + 0.001)
        return self._last_s

    def _keep(self, decided: W) -> None:
        """Keep a window, let old ones go, and from time to time drivers long unseen, and what was learned before."""
        self._warm = self._warm or decided.waiting > 0
        self._decided.append(decided)
        self._rows += decided.rows + _WINDOW_ROWS
        while len(self._decided) > 1 and (self._rows > self._most_rows or self._decided[0].at_s < decided.at_s - _KEPT_S):
            self._rows -= self._decided.popleft().rows + _WINDOW_ROWS
        if decided.at_s - self._swept_s >= SWEEP_S:
            self._swept_s = decided.at_s
            self._track.sweep(now_s=decided.at_s)
            self._renew(decided.at_s)

    def _renew(self, now_s: float) -> None:
        """Take over what was learned meanwhile; between two windows, every half a minute."""

    def _picture(self, at_s: float) -> None:
        """Put what the map shows into the album, where it is time to."""
        if self._album.due(at_s):
            self._album.put(self.scene())

    def _windows(self) -> None:
        while not self._stopped.is_set():
            self._wake.wait(self._every_s)
            self._wake.clear()  # before the window: what is placed from here on wakes the next one
            if self._stopped.is_set():
                return
            try:
                self.window()
                self.failed = ""
            except (
                Exception
            ) as e:  # a thread that ended here would leave every later order waiting: readiness tells it, and it goes on
                if not self.failed:
                    logging.getLogger("rialto").error("a window was not decided: %s", e, exc_info=not isinstance(e, EngineError))
                self.failed = f"a window was not decided: {e}"

    def since(self, at_s: float, *, window: bool = False) -> list[W]:
        """The kept windows after `at_s`, rising; with `window` the one at that very moment alone."""
        return [d for d in list(self._decided) if (d.at_s == at_s if window else d.at_s > at_s)]

    def scene(self, at_s: float | None = None) -> Scene:
        """What the map shows now, or showed at `at_s` of the last hour."""
        if at_s is not None:
            return self._album.at(at_s)
        with self._shown:
            now_s = self._clock()
            if self._scene is None or not 0.0 <= now_s - self._scene.at_s < _SHOWN_S:
                self._scene = replace(self._seen(now_s), fallbacks=self.fallbacks)
            return self._scene

    def moments(self) -> Sequence[Moment]:
        """The moments of the last hour that `scene` can show."""
        return self._album.moments()

    def _latest(self) -> tuple[Assigned, ...]:
        """The latest offers, newest window first."""
        found: list[Assigned] = []
        for d in reversed(list(self._decided)):
            rows = zip(d.orders[:LATEST].tolist(), d.drivers.tolist(), d.pickup_s.tolist())
            found += [Assigned(order, driver, d.at_s, pickup_s) for order, driver, pickup_s in rows]
            if len(found) >= LATEST:
                break
        return tuple(found[:LATEST])
