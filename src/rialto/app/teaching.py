"""Everything that a dispatch system learns from its logs, in one round: acceptance, drives, kitchens, and what drivers are worth where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from rialto.app.city import Town, open_town
from rialto.app.engines import Engines
from rialto.app.fleet_logs import OpenedLogs
from rialto.app.fleet_windows import plane_of
from rialto.app.learning import fitter, keep_ahead, scorer
from rialto.config import Settings
from rialto.match import ahead, eta, prep
from rialto.match.answers import answered_logged
from rialto.match.durations import Learned
from rialto.match.fairness import Fairness, fairness
from rialto.match.jobs import jobs_logged
from rialto.match.outlook import PATIENCE_S
from rialto.match.patience import Taught
from rialto.match.patience import train as train_patience
from rialto.match.records import Plane
from rialto.match.simulate import simulate
from rialto.match.switchback import Plan, Trial, trial
from rialto.match.train import Trained, train
from rialto.match.trips import prep_logged, trips_logged
from rialto.match.waits import waits_logged
from rialto.ports import EventLog, Models
from rialto.records import Requests
from rialto.spine.learn import Verdict
from rialto.spine.log import DecisionLog
from rialto.worlds.city import VEHICLES, make_city
from rialto.worlds.city_sim import CitySim

__all__ = ["Lessons", "Logbook", "fairness_of_city", "switch_cities", "teach_all", "teach_from"]

CELL_M = 2500.0
"""Width of the cells that drivers' worth is told by: a made-up city has some 60 of them, each with a few hundred jobs a day."""


@dataclass(frozen=True, slots=True)
class Lessons:
    """What came of a round.

    Args:
        acceptance: Which driver accepts which order.
        travel: How long drives take, on top of the engine.
        prep: When orders are ready.
        patience: When customers give up.
        ahead: Whether what drivers are worth where was kept.
        cells: Cells of that table; 0 = none was kept.
    """

    acceptance: Trained
    travel: Learned
    prep: Learned
    patience: Taught
    ahead: Verdict
    cells: int


@dataclass(frozen=True, slots=True)
class Logbook:
    """What a dispatch system logged.

    Args:
        offers: Its logs of offers: one, or one a shard.
        decisions: Its logs of decisions, as many.
        plane: Its map, which values of places are kept by.
        offset_s: Local time's lead over UTC, s.
    """

    offers: Sequence[EventLog]
    decisions: Sequence[DecisionLog]
    plane: Plane
    offset_s: float = 0.0

    @classmethod
    def of(cls, logs: OpenedLogs, settings: Settings) -> Logbook:
        """The logs of the fleet that the settings name; where they name none, its map lies around the middle of its orders."""
        decisions = [DecisionLog(log) for log in logs.decisions]
        if settings.fleet.on:
            return cls(logs.offers, decisions, plane_of(settings), settings.fleet.utc_offset_s)
        jobs = jobs_logged(logs.offers)
        middle = (float(np.median(jobs.lat)), float(np.median(jobs.lon))) if len(jobs) else (0.0, 0.0)
        return cls(logs.offers, decisions, Plane(*middle))  # without a delivery no place is learned of


class _Shelf:
    """Models that are kept and not made live: challengers."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self.put, self.live, self.score = models.put, models.live, models.score

    def promote(self, name: str, version: str) -> None:
        """Leave the live version where it is."""


def teach_all(town: Town, engines: Engines, *, seed: int = 0, shelve: bool = False) -> Lessons:
    """`teach_from` what the town logged, which has been run."""
    return teach_from(Logbook([town.offers], [town.decisions], town.dispatch.track.plane), engines, seed=seed, shelve=shelve)


def teach_from(book: Logbook, engines: Engines, *, seed: int = 0, shelve: bool = False) -> Lessons:
    """Learn all models from logs; each goes live only where its own gate lets it pass.

    Args:
        book: The logs.
        engines: Where models and blobs are kept.
        seed: Of splits, trainings and intervals.
        shelve: Keep what passes without making it live, to be tried against the live ones first (`rialto.match.switchback`).

    Raises:
        EngineMissing: CatBoost is not installed.
        EngineLost: A log is none of offers.

    Cost:
        Four trainings, a few seconds each; some passes over the logs, some 10 us a row of offers.
    """
    models: Models = _Shelf(engines.models()) if shelve else engines.models()
    told = _Told(models, seed, book.offset_s)
    accepted = _acceptance(book, models, seed)
    drives, ready, patience = told.drives(book, engines), told.prep(book), told.patience(book)
    verdict = ahead.worth_telling(book.offers, book.plane, cell_m=CELL_M, seed=seed)
    cells = 0
    if verdict.passed and not shelve and (learned := ahead.learn_from(book.offers, book.plane, cell_m=CELL_M)) is not None:
        keep_ahead(engines.blobs(), book.plane, learned)
        cells = learned.values.table.shape[1]
    return Lessons(accepted, drives, ready, patience, verdict, cells)


def _acceptance(book: Logbook, models: Models, seed: int) -> Trained:
    """From how offers ended, as the logs of offers hold it, and what was known of the pairs, as those of decisions do."""
    fit, score = fitter("Logloss", trees=100), scorer(models)
    return train(book.decisions, answered_logged(book.offers), models, fit=fit, score=score, seed=seed)


@dataclass(frozen=True, slots=True)
class _Told:
    """What is learned from logs of offers alone."""

    models: Models
    seed: int
    offset_s: float

    def drives(self, book: Logbook, engines: Engines) -> Learned:
        """From pick-ups and deliveries, on top of the engine."""
        fit, score, trips = fitter("RMSE", trees=200, depth=5), scorer(self.models), trips_logged(book.offers).trips
        return eta.train(trips, engines.travel(), self.models, fit=fit, score=score, seed=self.seed, offset_s=self.offset_s)

    def prep(self, book: Logbook) -> Learned:
        """From when merchants said that orders were ready."""
        told = prep_logged(book.offers)
        fit, score = fitter("RMSE", trees=200, depth=5), scorer(self.models)
        return prep.train(told.orders, told.ready_s, self.models, fit=fit, score=score, seed=self.seed, offset_s=self.offset_s)

    def patience(self, book: Logbook) -> Taught:
        """From how long orders waited and which of them were given up; beside the formula where none is live."""
        fit, formula_s = fitter("Logloss", trees=100, depth=4), float(PATIENCE_S.one(Requests.of({})))
        waits, score = waits_logged(book.offers), scorer(self.models)
        return train_patience(
            waits, self.models, fit=fit, score=score, patience_s=formula_s, seed=self.seed, offset_s=self.offset_s
        )


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
