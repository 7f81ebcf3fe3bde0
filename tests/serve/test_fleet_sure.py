"""Over HTTP: orders say who makes them and when they are ready, and every answer says how sure it is and how old the position."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from fastapi.testclient import TestClient

from rialto.app.engines import Engines
from rialto.app.learning import fitter, scorer
from rialto.app.systems import Systems
from rialto.config import Fleet, Settings
from rialto.match import eta
from rialto.match.eta import Trips
from rialto.serve.rows import ARROW
from rialto.serve.service import create

NOW_S = 1_800_000_000.0
LAT, LON = 52.5, 13.4

Begin = Callable[[], TestClient]


def learned(engines: Engines) -> None:
    """Drives take twice what the engine says, give or take: a correction with an interval of 80 in 100 goes live."""
    pytest.importorskip("catboost", reason="training needs catboost: pip install 'rialto[trees]'")
    chance, rows = np.random.default_rng(0), 3000
    start, goal = (np.array([LAT, LON]) + chance.uniform(-0.03, 0.03, (rows, 2)) for _ in range(2))
    at_s = np.full(rows, NOW_S)
    took_s = 2.0 * engines.travel().seconds(start, goal, at_s=at_s) * chance.uniform(0.7, 1.3, rows)
    models = engines.models()
    fit = fitter("RMSE", trees=30, depth=3)
    found = eta.train(Trips(start, goal, at_s, took_s), engines.travel(), models, fit=fit, score=scorer(models), level=0.8)
    assert found.version


@pytest.fixture(params=["none://", "process://2"], ids=["one process", "two shards"])
def begun(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Begin, None, None]:
    """Starts a service over one folder; drivers 1 and 2 are 100 and 900 m north of the middle, seen 3 s ago."""
    made: list[Systems] = []

    def begin() -> TestClient:
        for old in made:
            old.close()
        chosen = Settings(home=tmp_path, shards=str(request.param), fleet=Fleet(on=True, lat=LAT, lon=LON, window_s=0.0))
        engines = Engines(chosen)
        if not made:
            learned(engines)
        systems = Systems(engines, clock=lambda: NOW_S)
        made.append(systems)
        systems.build("city")
        http = TestClient(create(systems, clock=lambda: NOW_S), raise_server_exceptions=False)
        post(http, "drivers", [{"id": 1}, {"id": 2}])
        places = ((1, 100.0), (2, 900.0))
        post(http, "positions", [{"driver": d, "lat": LAT + m / 111_195.0, "lon": LON, "time_s": NOW_S - 3.0} for d, m in places])
        return http

    yield begin
    for systems in made:
        systems.close()


def post(http: TestClient, path: str, body: Any, *, status: int = 200) -> Any:
    answer = http.post(f"/api/match/{path}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def get(http: TestClient, path: str, **query: Any) -> Any:
    answer = http.get(f"/api/match/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def windows(http: TestClient) -> None:
    for _ in range(2):  # with shards, a driver may change over in the first one
        post(http, "windows", None)


def test_an_order_that_is_not_ready_waits_until_its_merchant_says_that_it_is_also_after_a_restart(begun: Begin) -> None:
    http = begun()
    order = {"id": 7, "lat": LAT, "lon": LON, "merchant": 5, "ready_s": NOW_S + 1200.0, "incentive_cents": 150}
    assert post(http, "orders", order)["taken"] == 1
    windows(http)
    assert get(http, "orders/7")["state"] == "waiting"
    why = get(http, "why/7")
    assert (
        why["held"]
        and why["ready_in_s"] == pytest.approx(1200.0, abs=0.1)
        and why["rivals"][0]["cost_s"] is None
        and "It waits: it is ready in" in why["text"]
    )
    http = begun()
    windows(http)
    assert get(http, "orders/7")["state"] == "waiting", "the log knows when it is ready"
    told = post(
        http,
        "ready",
        [{"order": 7, "merchant": 5, "ready_s": NOW_S + 900.0}, {"order": 7, "merchant": 5, "ready_s": NOW_S + 9e4}],
    )
    assert told["counts"] == {"taken": 1, "future": 1}
    windows(http)
    assert get(http, "orders/7")["state"] == "waiting" and get(http, "why/7")["ready_in_s"] == pytest.approx(900.0, abs=0.1)
    post(http, "ready", {"order": 7, "merchant": 5, "ready_s": NOW_S})
    windows(http)
    assert get(http, "orders/7")["state"] == "offered"


def test_the_columns_come_in_arrow_as_well_and_bad_ones_are_named(begun: Begin) -> None:
    http = begun()
    table = pa.table(
        {
            "id": [7, 8], "lat": [LAT, LAT], "lon": [LON, LON], "merchant": [5, -1], "ready_s": [NOW_S + 1200.0, None],
            "incentive_cents": [150, None],
        }
    )  # fmt: skip
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    answer = http.post("/api/match/orders", content=sink.getvalue().to_pybytes(), headers={"Content-Type": ARROW})
    assert answer.json()["taken"] == 2, answer.text
    windows(http)
    assert [get(http, f"orders/{i}")["state"] for i in (7, 8)] == ["waiting", "offered"]
    wrong = [{"merchant": -2}, {"merchant": "five"}, {"ready_s": NOW_S * 1000.0}, {"ready_s": "soon"}, {"incentive_cents": -1}]
    told = post(http, "orders", [{"id": 20 + i, "lat": LAT, "lon": LON, **w} for i, w in enumerate(wrong)])
    assert told["taken"] == 0 and [b["field"] for b in told["bad"]] == [next(iter(w)) for w in wrong]


def test_every_answer_says_how_old_the_position_is_and_what_the_drive_lies_between(begun: Begin) -> None:
    http = begun()
    post(http, "orders", {"id": 7, "lat": LAT, "lon": LON, "drop_lat": LAT - 0.02, "drop_lon": LON, "due_s": NOW_S + 900.0})
    windows(http)
    why = get(http, "why/7")
    assert why["level"] == 0.8 and why["ready_in_s"] is None and not why["held"]
    for r in (why["chosen"], *why["rivals"]):
        assert r["age_s"] == 3.0 and 0.0 < r["pickup_low_s"] < r["pickup_s"] < r["pickup_high_s"] and 0.0 <= r["late"] <= 1.0
    assert "in 80%, position 3 s old" in why["text"]
    (row,) = get(http, "assignments")["assignments"]
    assert {n: row[n] for n in ("level", "age_s")} == {"level": 0.8, "age_s": 3.0}
    chosen = why["chosen"]
    assert (row["driver"], row["pickup_low_s"], row["pickup_high_s"]) == pytest.approx(
        (chosen["driver"], chosen["pickup_low_s"], chosen["pickup_high_s"])
    )
    stream = http.get("/api/match/assignments", headers={"Accept": ARROW}).content
    table = pa.ipc.open_stream(stream).read_all()
    assert table.column_names[:5] == ["at_s", "order", "driver", "pickup_s", "accepts"], "as before, and more behind"
    assert table.to_pylist()[0]["pickup_high_s"] == pytest.approx(row["pickup_high_s"]) and table.to_pylist()[0]["age_s"] == 3.0


def test_an_order_with_a_driver_tells_when_it_is_picked_up_and_brought(begun: Begin) -> None:
    http = begun()
    post(http, "orders", {"id": 7, "lat": LAT, "lon": LON, "drop_lat": LAT - 0.02, "drop_lon": LON})
    names = [f"{end}_{which}_s" for end in ("pickup", "door") for which in ("low", "eta", "high")]
    assert [get(http, "orders/7")[n] for n in names] == [None] * 6
    windows(http)
    assert [get(http, "orders/7")[n] for n in names] == [None] * 6, "who is asked has not said yes"
    driver = get(http, "orders/7")["driver"]
    post(http, "answers", {"key": "a", "kind": "accepted", "order": 7, "driver": driver})
    told = get(http, "orders/7")
    ends = [told[n] for n in names]
    assert (
        ends[:3] == sorted(ends[:3]) and ends[3:] == sorted(ends[3:]) and NOW_S < ends[0] < ends[3] and ends[5] < NOW_S + 3600.0
    )
    assert (told["level"], told["age_s"], told["state"]) == (0.8, 3.0, "assigned")
    post(http, "answers", {"key": "p", "kind": "picked_up", "order": 7, "driver": driver})
    told = get(http, "orders/7")
    assert told["pickup_eta_s"] is None and NOW_S < told["door_low_s"] < told["door_eta_s"]
    post(http, "answers", {"key": "d", "kind": "delivered", "order": 7, "driver": driver})
    assert get(http, "orders/7")["door_eta_s"] is None


def test_the_fleets_settings_say_which_positions_are_believed(tmp_path: Path) -> None:
    fleet = Fleet(on=True, lat=LAT, lon=LON, window_s=0.0, fresh_s=10.0, accuracy_m=50.0, utc_offset_s=7200.0)
    systems = Systems(Engines(Settings(home=tmp_path, fleet=fleet)), clock=lambda: NOW_S)
    try:
        systems.build("city")
        http = TestClient(create(systems, clock=lambda: NOW_S), raise_server_exceptions=False)
        post(http, "drivers", [{"id": i} for i in (1, 2, 3)])
        rows = [{"time_s": NOW_S - 11.0}, {"time_s": NOW_S, "accuracy_m": 60.0}, {"time_s": NOW_S - 9.0}]
        told = post(http, "positions", [{"driver": i + 1, "lat": LAT, "lon": LON, **r} for i, r in enumerate(rows)])
        assert told["counts"] == {"stale": 1, "inaccurate": 1, "taken": 1}
        post(http, "orders", {"id": 7, "lat": LAT, "lon": LON})
        window = systems.fleet.window()
        turn = (NOW_S + 7200.0) % 86_400.0 / 86_400.0 * 2.0 * np.pi
        assert window.outcome.ranked.column("hour_sin")[0] == pytest.approx(np.sin(turn), abs=1e-5)  # type: ignore[union-attr]
    finally:
        systems.close()
