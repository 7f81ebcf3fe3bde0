"""`match` put together: the dispatch system over its engines, the made-up city, and a city that lives beside the service."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Lock, Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.app.engines import Engines
from rialto.app.journeys import Journeys
from rialto.app.learning import fitter, scorer
from rialto.app.scenes import Album, Moment, Scene
from rialto.app.seen import town_scene
from rialto.app.wired import wired
from rialto.errors import EngineBusy, EngineLost
from rialto.match.decide import ACCEPTANCE
from rialto.match.pipeline import Dispatch
from rialto.match.records import Plane
from rialto.match.simulate import Policy, SimReport, simulate
from rialto.match.train import Trained, train
from rialto.match.why import Why
from rialto.ports import EventLog, Models
from rialto.spine.log import DecisionLog
from rialto.worlds.city import City, make_city
from rialto.worlds.city_plans import Routes
from rialto.worlds.city_sim import CitySim, SimState

__all__ = ["LESSON_S", "LiveCity", "Town", "open_town", "run_town", "taught", "teach"]

NOON_S = 43_200.0
LESSON_S = 7_200.0
"""Of a city that teaches acceptance where no model is live: some two thousand offers, of which the gate wants two hundred to judge by."""
HEAD_START_S = 600.0
"""Of the live city's day, run before anybody looks: drivers have orders from the first look on."""


class Town:
    """A made-up city with a dispatch system of its own.

    Args:
        city: The city.
        dispatch: The system, empty.
        decisions: Where its windows are logged.
        offers: The log behind its offers.
    """

    __slots__ = ("city", "decisions", "dispatch", "offers")

    def __init__(self, city: City, dispatch: Dispatch, decisions: DecisionLog, offers: EventLog) -> None:
        self.city, self.dispatch, self.decisions, self.offers = city, dispatch, decisions, offers


@contextmanager
def open_town(engines: Engines, city: City) -> Generator[Town, None, None]:
    """Wire a dispatch system for `city`, with logs of its own: a simulation begins with nothing offered, and ends with its folder."""
    from rialto.local.events import LocalEvents

    with TemporaryDirectory(prefix="rialto-city-") as folder:
        logs = [LocalEvents(Path(folder) / name, sync=False) for name in ("offers", "decisions")]
        geo, plane = engines.geo(), Plane(*city.centre)
        dispatch = wired(engines, geo, plane, offers=logs[0], decisions=logs[1])
        try:
            yield Town(city, dispatch, DecisionLog(logs[1]), logs[0])
        finally:
            geo.close()
            for log in logs:
                log.close()


def run_town(
    town: Town,
    *,
    start_s: float = NOON_S,
    seconds: float = 1800.0,
    seed: int = 0,
    policy: Policy | None = None,
    progress: Callable[[float, int], None] | None = None,
    window_s: float = 2.0,
) -> SimReport:
    """Run the town's city for `seconds` from `start_s` of its first day under a policy, with a decision every `window_s`."""
    sim = CitySim(town.city, start_s=start_s, end_s=start_s + seconds, seed=seed, window_s=window_s)
    return simulate(sim, town.dispatch, seed=seed, policy=policy, progress=progress)


def teach(town: Town, models: Models, *, seed: int = 0) -> Trained:
    """Learn acceptance from the offers that the town made, behind the gate; `EngineMissing` without CatBoost."""
    answered = town.dispatch.offers.answered()
    return train(town.decisions, answered, models, fit=fitter("Logloss", trees=100), score=scorer(models), seed=seed)


def taught(engines: Engines, *, seed: int = 0, progress: Callable[[float, int], None] | None = None) -> bool:
    """True where an acceptance model is live; where none is, two hours of a made-up city teach one first, behind the gate."""
    models = engines.models()
    if models.live(ACCEPTANCE) is None:
        with open_town(engines, make_city(seed=seed + 1000, drivers=400)) as town:
            base = Policy("least cost", version="")
            run_town(town, seconds=LESSON_S, seed=seed + 1000, policy=base, window_s=10.0, progress=progress)
            teach(town, models, seed=seed)
    return models.live(ACCEPTANCE) is not None


class LiveCity:
    """A made-up city that runs in a thread beside the service, faster than life, around the clock.

    Args:
        engines: Where engines come from.
        drivers: How many work there.
        seed: Of the city.
        pace_s: Real seconds for a window of two simulated ones.
    """

    def __init__(self, engines: Engines, *, drivers: int = 260, seed: int = 0, pace_s: float = 0.5) -> None:
        self.city = make_city(seed=seed, drivers=drivers)
        self._engines, self._pace_s, self._seed = engines, pace_s, seed
        self._lock, self._stop = Lock(), Event()
        self._town: Town | None = None
        self._journeys = Journeys(self.city, start_s=NOON_S, end_s=NOON_S)
        self._album = Album()
        self._thread = Thread(target=self._live, name="rialto-city", daemon=True)
        self.failed = ""

    def start(self) -> None:
        """Begin; a second call does nothing."""
        if not self._thread.is_alive() and not self._stop.is_set():
            self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)

    @property
    def centre(self) -> tuple[float, float]:
        """Latitude and longitude of its middle."""
        return self.city.centre

    @property
    def radius_m(self) -> float:
        """How far it reaches."""
        return self.city.radius_m

    @property
    def ready(self) -> bool:
        """True once the city is under way."""
        return self._town is not None and not self.failed

    def scene(self, at_s: float | None = None) -> Scene:
        """The city now, or as it was at `at_s` of its last hour; `EngineBusy` before it is under way, `EngineLost` after a failure."""
        self._open()
        if at_s is not None:
            return self._album.at(at_s)
        with self._lock:
            return self._scene(self._open())

    def moments(self) -> Sequence[Moment]:
        """The moments of the last hour that `scene` can show."""
        return self._album.moments()

    def _scene(self, town: Town) -> Scene:
        snapshot = town.dispatch.snapshot()
        return town_scene(snapshot, self._journeys.now(snapshot.at_s))

    def why(self, order: int, *, at_s: float | None = None) -> Why:
        """Why an order was decided as it was, among the latest windows, whatever `at_s`; `NothingHere` for another."""
        with self._lock:
            return self._open().dispatch.why(order)

    def _open(self) -> Town:
        if self.failed:
            raise EngineLost(f"the city has stopped: {self.failed}")
        if self._town is None:
            raise EngineBusy("the city is not running yet; ask again in a second.")
        return self._town

    def _live(self) -> None:
        day = 0
        try:
            while not self._stop.is_set():
                with open_town(self._engines, self.city) as town, self._lock:
                    end_s = NOON_S + 4 * 3600.0
                    sim = CitySim(self.city, start_s=NOON_S, end_s=end_s, seed=self._seed + day)
                    self._journeys = Journeys(self.city, start_s=NOON_S, end_s=end_s)
                    paced = _Paced(sim, lambda at_s, town=town: self._let_others(town, at_s), self._journeys)
                    simulate(paced, town.dispatch, seed=self._seed)
                day += 1
        except Exception as e:  # a thread's failure would be lost: readiness tells it
            self.failed = f"{type(e).__name__}: {e}"
            raise

    def _let_others(self, town: Town, at_s: float) -> bool:
        """Let requests in for as long as the pace says, after a head start in which the streets fill; true where the city should end."""
        if at_s < NOON_S + HEAD_START_S:
            return self._stop.is_set()
        self._town = town
        if self._album.due(at_s):
            self._album.put(self._scene(town))
        self._lock.release()
        try:
            return self._stop.wait(self._pace_s)
        finally:
            self._lock.acquire()


class _Paced:
    """A simulation that pauses after each window, and whose journeys are followed."""

    def __init__(self, sim: CitySim, pause: Callable[[float], bool], journeys: Journeys) -> None:
        self._sim, self._pause, self._journeys = sim, pause, journeys
        self.window_s, self.city = sim.window_s, sim.city
        self._ended = False

    @property
    def done(self) -> bool:
        return self._ended or self._sim.done

    def state(self) -> SimState:
        return self._sim.state()

    def step(self, *, order: NDArray[np.int64], driver: NDArray[np.int64], routes: Routes | None = None) -> SimState:
        self._journeys.free(self._sim.state().drivers)
        after = self._sim.step(order=order, driver=driver, routes=routes)
        self._journeys.answered(after.answers)
        self._journeys.follow(self._sim.trips())
        self._ended = self._pause(after.time_s)
        return after

    def trips(self) -> Any:
        return self._sim.trips()
