"""A fleet goes by what was learned since it began: no restart is needed, and what the day taught is there after one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rialto.app.engines import Engines
from rialto.app.fleet import Fleet
from rialto.app.learning import ahead_name, fitter, keep_ahead, scorer
from rialto.app.renewing import SWEEP_S
from rialto.app.shard_worker import ShardWorker, spec_of
from rialto.config import Fleet as Chosen
from rialto.config import Settings
from rialto.match import eta
from rialto.match.ahead import grid
from rialto.match.eta import Trips
from rialto.match.offers import Message, Messages
from rialto.match.outlook import Ahead
from rialto.match.records import Drivers, Orders, Pings
from rialto.match.shard import Parcel

NOW_S = 1_800_000_000.0


def chosen(home: Path) -> Settings:
    return Settings(home=home, fleet=Chosen(on=True, lat=52.5, lon=13.4, window_s=0.0))


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., tuple[Fleet, Engines, list[float]]]:
    """Opens the fleet of one folder, with its engines and its clock."""

    def open_(now_s: float = NOW_S) -> tuple[Fleet, Engines, list[float]]:
        engines, now = Engines(chosen(tmp_path)), [now_s]
        return Fleet(engines, clock=lambda: now[0]), engines, now

    return open_


def twice_as_long(engines: Engines) -> None:
    """Promote a correction by which drives take twice what the engine says, give or take."""

    pytest.importorskip("catboost", reason="training needs catboost: pip install 'rialto[trees]'")
    chance = np.random.default_rng(0)
    start, goal = (52.5 + chance.uniform(-0.05, 0.05, (3000, 2)) + [0.0, -39.1] for _ in range(2))
    at_s = np.full(3000, NOW_S)
    took_s = engines.travel().seconds(start, goal, at_s=at_s) * 2.0 * np.exp(chance.normal(0.0, 0.1, 3000))
    models, fit = engines.models(), fitter("RMSE", trees=3, depth=1)
    found = eta.train(Trips(start, goal, at_s, took_s), engines.travel(), models, fit=fit, score=scorer(models))
    assert found.verdict.passed


def placed(fleet: Fleet, number: int, at_s: float) -> None:
    """An order 1.2 km east of the middle, whose door is 3 km east."""
    lat, lon = fleet.plane.latlon(np.array([1200.0, 3000.0]), np.zeros(2))
    fleet.place(
        Orders.of(np.array([number]), lat=lat[:1], lon=lon[:1], drop_lat=lat[1:], drop_lon=lon[1:], placed_s=np.array([at_s]))
    )


def seen(fleet: Fleet, at_s: float) -> None:
    fleet.pings(Pings.of(np.array([1]), lat=np.array([52.5]), lon=np.array([13.4]), time_s=np.array([at_s])))


def asked_s(fleet: Fleet, number: int, now: list[float]) -> float:
    """Seconds of the drive to an order's pickup, as its window had them."""
    seen(fleet, now[0])
    placed(fleet, number, now[0])
    decided = fleet.window()
    fleet.tell(Messages.of([Message(f"c{number}", "cancelled", number)]))
    return float(decided.pickup_s[0])


def rode(fleet: Fleet, number: int, now: list[float]) -> None:
    """The driver takes an order and delivers it within a minute."""
    seen(fleet, now[0])
    placed(fleet, number, now[0])
    fleet.window()
    for kind in ("accepted", "picked_up", "delivered"):
        now[0] += 20.0
        assert fleet.tell(Messages.of([Message(f"{kind}{number}", kind, number, 1)])).done.all()


def table(fleet: Fleet) -> Ahead:
    found = fleet._renewing._follower  # pyright: ignore[reportPrivateUsage, reportOptionalMemberAccess] (what it decides by)
    assert found is not None
    return found.ahead


def test_a_promoted_drive_correction_is_gone_by_without_a_restart(
    opened: Callable[..., tuple[Fleet, Engines, list[float]]],
) -> None:
    fleet, engines, now = opened()
    fleet.enrol(Drivers.of(np.array([1])))
    before_s = asked_s(fleet, 1, now)
    twice_as_long(engines)
    now[0] += SWEEP_S + 1.0
    fleet.window()
    now[0] += 1.0
    assert asked_s(fleet, 2, now) == pytest.approx(2.0 * before_s, rel=0.1)
    engines.models().back(eta.MODEL)
    now[0] += SWEEP_S + 1.0
    fleet.window()
    now[0] += 1.0
    assert asked_s(fleet, 3, now) == pytest.approx(before_s), "and it goes back as well"
    fleet.stop()


def test_values_are_taken_over_learned_on_from_the_log_and_kept_for_the_next_start(
    opened: Callable[..., tuple[Fleet, Engines, list[float]]],
) -> None:
    fleet, engines, now = opened()
    fleet.enrol(Drivers.of(np.array([1])))
    rode(fleet, 1, now)
    trained = grid(np.array([-5000.0, 5000.0]), np.array([-5000.0, 5000.0]))
    keep_ahead(engines.blobs(), fleet.plane, trained)
    now[0] += SWEEP_S + 1.0
    fleet.window()
    assert not table(fleet).values.table.any(), "what was done before it was learned is in it already"
    rode(fleet, 2, now)
    now[0] += SWEEP_S + 1.0
    fleet.window()
    learned = table(fleet).values.table.copy()
    cell = trained.cells(np.array([1200.0]), np.array([0.0]))[0]
    assert learned[:, cell].max() == pytest.approx(0.05) and np.count_nonzero(learned) == 1, (
        "one job of worth 1, at a rate of 0.05"
    )
    fleet.stop()
    again, _, now = opened(now[0] + 5.0)
    assert np.array_equal(table(again).values.table, learned)
    keep_ahead(engines.blobs(), again.plane, grid(np.array([0.0, 100.0]), np.zeros(2)))
    now[0] += SWEEP_S + 1.0
    again.window()
    assert table(again).values.table.shape[1] == 1, "a table learned anew takes the place of both"
    again.stop()


def test_damaged_values_stop_no_window_and_are_told(opened: Callable[..., tuple[Fleet, Engines, list[float]]]) -> None:
    fleet, engines, now = opened()
    fleet.enrol(Drivers.of(np.array([1])))
    engines.blobs().put(ahead_name(fleet.plane), b"broken")
    now[0] += SWEEP_S + 1.0
    fleet.window()
    assert asked_s(fleet, 1, now) > 0.0
    assert "learn them again" in fleet._renewing.failed  # pyright: ignore[reportPrivateUsage]
    fleet.stop()


def test_a_shard_s_worker_goes_by_a_promoted_correction_too(tmp_path: Path) -> None:
    settings = chosen(tmp_path)
    engines = Engines(settings)
    fleet_plane = Fleet(Engines(chosen(tmp_path / "other"))).plane
    worker = ShardWorker(spec_of(settings, fleet_plane, log=str(tmp_path / "log"), sync=False, decisions=str(tmp_path / "kept")))

    def say(kind: str, at_s: float, columns: dict[str, np.ndarray] | None = None, **facts: object) -> Parcel:
        found = Parcel.of_bytes(worker.answer(Parcel(kind, at_s, columns or {}, facts).to_bytes()))
        assert found.kind != "failed", found.facts
        return found

    say("lead", NOW_S, owner="me")
    fleet = Drivers.of(np.array([1])).columns()
    say("enrol", NOW_S, {**fleet, "own": np.array([True])})

    def asked(number: int, at_s: float) -> float:
        here = Pings.of(np.array([1]), lat=np.array([52.5]), lon=np.array([13.4]), time_s=np.array([at_s])).columns()
        say("pings", at_s, {**here, "gone": np.zeros(0, dtype=np.int64)})
        order = Orders.of(np.array([number]), lat=np.array([52.51]), lon=np.array([13.4]), placed_s=np.array([at_s]))
        say("place", at_s, dict(order.columns()), key=f"k{number}")
        found = say("window", at_s, seed=0)
        gone = Messages.of([Message(f"c{number}", "cancelled", number)])
        say("tell", at_s, {name: getattr(gone, name) for name in gone.__slots__})
        return float(found.columns["pickup_s"][0])

    before_s = asked(1, NOW_S)
    twice_as_long(engines)
    say("window", NOW_S + SWEEP_S + 1.0, seed=0)
    assert asked(2, NOW_S + SWEEP_S + 2.0) == pytest.approx(2.0 * before_s, rel=0.1)
    worker.close()
