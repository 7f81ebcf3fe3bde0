"""Everything that a dispatch system learns from its logs, in one round: acceptance, drives, kitchens, and what drivers are worth where."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rialto.app.city import Town, open_town, teach
from rialto.app.engines import Engines
from rialto.app.learning import fitter, keep_ahead, scorer
from rialto.errors import NothingHere
from rialto.local.events import LocalEvents
from rialto.match import ahead, eta, prep
from rialto.match.durations import Learned
from rialto.match.fairness import Fairness, fairness
from rialto.match.jobs import jobs_logged
from rialto.match.simulate import simulate
from rialto.match.switchback import Plan, Trial, trial
from rialto.match.train import Trained
from rialto.match.trips import prep_logged, trips_logged
from rialto.ports import EventLog, Models
from rialto.spine.learn import Verdict
from rialto.worlds.city import VEHICLES, make_city
from rialto.worlds.city_sim import CitySim

__all__ = ["Lessons", "fairness_of_city", "fairness_of_log", "switch_cities", "teach_all"]

CELL_M = 2500.0
"""Width of the cells that drivers' worth is told by: a made-up city has some 60 of them, each with a few hundred jobs a day."""


@dataclass(frozen=True, slots=True)
class Lessons:
    """What came of a round.

    Args:
        acceptance: Which driver accepts which order.
        travel: How long drives take, on top of the engine.
        prep: When orders are ready.
        ahead: Whether what drivers are worth where was kept.
        cells: Cells of that table; 0 = none was kept.
    """

    acceptance: Trained
    travel: Learned
    prep: Learned
    ahead: Verdict
    cells: int


class _Shelf:
    """Models that are kept and not made live: challengers."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self.put, self.live, self.score = models.put, models.live, models.score

    def promote(self, name: str, version: str) -> None:
        """Leave the live version where it is."""


def teach_all(town: Town, engines: Engines, *, seed: int = 0, shelve: bool = False) -> Lessons:
    """Learn all models from what the town logged; each goes live only where its own gate lets it pass.

    Args:
        town: Which has been run.
        engines: Where models and blobs are kept.
        seed: Of splits, trainings and intervals.
        shelve: Keep what passes without making it live, to be tried against the live ones first (`rialto.match.switchback`).

    Raises:
        EngineMissing: CatBoost is not installed.

    Cost:
        Three trainings, a few seconds each.
    """
    models: Models = _Shelf(engines.models()) if shelve else engines.models()
    plane = town.dispatch.track.plane
    fit, score = fitter("RMSE", trees=200, depth=5), scorer(models)
    accepted = teach(town, models, seed=seed)
    drives = eta.train(trips_logged(town.offers).trips, engines.travel(), models, fit=fit, score=score, seed=seed)
    ready = _prep(town, models, seed)
    verdict = ahead.worth_telling(town.offers, plane, cell_m=CELL_M, seed=seed)
    cells = 0
    if verdict.passed and not shelve and (learned := ahead.learn_from(town.offers, plane, cell_m=CELL_M)) is not None:
        keep_ahead(engines.blobs(), plane, learned)
        cells = learned.values.table.shape[1]
    return Lessons(accepted, drives, ready, verdict, cells)


def _prep(town: Town, models: Models, seed: int) -> Learned:
    """From when merchants said that orders were ready, as the log of offers holds it."""
    told = prep_logged(town.offers)
    fit = fitter("RMSE", trees=200, depth=5)
    return prep.train(told.orders, told.ready_s, models, fit=fit, score=scorer(models), seed=seed)


def switch_cities(
    engines: Engines, plan: Plan, *, cities: int, drivers: int, start_s: float, seconds: float, window_s: float = 10.0, seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Trial:  # fmt: skip
    """Run a switchback over made-up cities, each a region of its own, and analyse it from their logs of offers."""
    total = int(seconds) * cities
    with ExitStack() as held:
        logs: dict[int, EventLog] = {}
        for region in range(cities):
            town = held.enter_context(open_town(engines, make_city(seed=seed + region, drivers=drivers)))
            logs[region] = town.offers
            sim = CitySim(town.city, start_s=start_s, end_s=start_s + seconds, seed=seed + region, window_s=window_s)
            step = lambda s, _, done=region * int(seconds): progress(done + int(s), total)  # noqa: E731 (binds the region)
            simulate(sim, town.dispatch, seed=seed, switch=plan.policy(region), progress=step)
        return trial(plan, logs)


def fairness_of_log(folder: Path, *, seed: int = 0) -> Fairness:
    """How a log's earnings were spread. A driver's time counts from the first acceptance to the last delivery: the log knows no shifts.

    Raises:
        NothingHere: there is no such folder.
    """
    if not folder.is_dir():
        raise NothingHere(f"there is no folder {str(folder)!r}; wanted one that a log of offers was written to.")
    log = LocalEvents(folder)
    jobs = jobs_logged(log)
    log.close()
    who, at = np.unique(jobs.driver, return_inverse=True)
    first, last = np.full(len(who), np.inf), np.full(len(who), -np.inf)
    np.minimum.at(first, at, jobs.accepted_s)
    np.maximum.at(last, at, jobs.delivered_s)
    earned = np.bincount(at, jobs.value_cents, len(who))
    return fairness(earned.astype(np.float64), np.maximum(last - first, 0.0), seed=seed)


def fairness_of_city(
    engines: Engines, *, drivers: int, start_s: float, seconds: float, seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Fairness:  # fmt: skip
    """How a made-up city's earnings were spread, over all who were on shift, with the gap between vehicles."""
    city = make_city(seed=seed, drivers=drivers)
    with open_town(engines, city) as town:
        sim = CitySim(city, start_s=start_s, end_s=start_s + seconds, seed=seed, window_s=10.0)
        simulate(sim, town.dispatch, seed=seed, progress=lambda s, _: progress(int(s), int(seconds)))
        jobs = jobs_logged(town.offers)
    fleet = city.drivers
    on_s = np.minimum(fleet["shift_end_s"], start_s + seconds) - np.maximum(fleet["shift_start_s"], start_s)
    earned = np.bincount(jobs.driver, jobs.value_cents, len(fleet["id"])).astype(np.float64)
    vehicle = np.array(list(VEHICLES), dtype=str)[fleet["vehicle"]]
    return fairness(earned, np.maximum(on_s, 0.0), group=vehicle, seed=seed)
