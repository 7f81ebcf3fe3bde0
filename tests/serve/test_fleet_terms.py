"""What a dispatch team says besides orders: who must not meet, what is on board, what was paid, where zones lie; and it outlives a restart."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from rialto.app.engines import Engines
from rialto.app.systems import Systems
from rialto.config import Fleet, Settings
from rialto.local.events import LocalEvents
from rialto.match.trips import prep_logged
from rialto.serve.service import create

NOW_S = 1_800_000_000.0
LAT, LON = 52.5, 13.4


@pytest.fixture(params=["none://", "process://2"], ids=["one process", "two shards"])
def begun(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Callable[[], TestClient], None, None]:
    """Starts a service over one folder; drivers 1 and 2 are 100 and 900 m north of the middle."""
    made: list[Systems] = []

    def begin() -> TestClient:
        for old in made:
            old.close()
        chosen = Settings(home=tmp_path, shards=str(request.param), fleet=Fleet(on=True, lat=LAT, lon=LON, window_s=0.0))
        systems = Systems(Engines(chosen), clock=lambda: NOW_S)
        made.append(systems)
        systems.build("city")
        http = TestClient(create(systems, clock=lambda: NOW_S), raise_server_exceptions=False)
        post(http, "drivers", [{"id": 1, "seats": 4}, {"id": 2, "seats": 4, "flags": 8}])
        post(
            http,
            "positions",
            [{"driver": d, "lat": LAT + m / 111_195.0, "lon": LON, "time_s": NOW_S} for d, m in ((1, 100), (2, 900))],
        )
        return http

    yield begin
    for systems in made:
        systems.close()


def post(http: TestClient, path: str, body: Any, *, status: int = 200, method: str = "POST", key: str = "") -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    answer = http.request(method, f"/api/match/{path}", json=body, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


def asked(http: TestClient, order: int, **more: Any) -> int | None:
    """Who is asked for an order at the middle; None where it waits. It is cancelled afterwards."""
    post(http, "orders", {"id": order, "lat": LAT, "lon": LON, **more})
    for _ in range(2):  # with shards, a driver may change over in the first window
        post(http, "windows", None)
    driver = http.get(f"/api/match/orders/{order}").json()["driver"]
    post(http, f"orders/{order}/cancel", None)
    return driver


def test_terms_hold_from_the_next_window_on_and_after_a_restart(begun: Callable[[], TestClient]) -> None:
    http = begun()
    assert asked(http, 10, customer=5) == 1
    assert post(http, "blocked", [{"customer": 5, "driver": 1}, {"customer": 6, "driver": 2}])["pairs"] == 2
    assert post(http, "blocked", {"customer": 6, "driver": 2, "barred": 0})["pairs"] == 1
    assert asked(http, 11, customer=5) == 2 and asked(http, 12, customer=6) == 1
    answer = post(
        http,
        "loads",
        [{"driver": 1, "seats": 1}, {"driver": 1, "seats": 3}, {"driver": 9, "seats": 1}, {"driver": 2, "seats": -1}],
    )
    assert (answer["taken"], answer["counts"]) == (2, {"taken": 2, "unknown_driver": 1, "bad_value": 1})
    assert asked(http, 13, seats=2) == 2 and asked(http, 14, seats=1) == 1
    half = 0.02
    corners = [[LAT - half, LON - half], [LAT - half, LON + half], [LAT + half, LON + half], [LAT + half, LON - half]]
    drawn = post(http, "zones", [{"name": "airport", "bit": 3, "corners": corners}], method="PUT")
    assert drawn["zones"][0]["parts"] == [corners] == http.get("/api/match/zones").json()["zones"][0]["parts"]
    assert asked(http, 15) == 2, "the airport is for drivers with bit 3"
    paid = post(http, "earnings", [{"key": "a", "driver": 1, "cents": 900}, {"key": "a", "driver": 1, "cents": 900}])
    assert paid["counts"] == {"taken": 1, "known": 1}
    again = begun()
    assert post(again, "earnings", {"driver": 1, "cents": 900, "key": "a"})["counts"] == {"known": 1}
    assert asked(again, 16) == 2 and asked(again, 17, seats=2) == 2
    post(again, "zones", [], method="PUT")
    assert asked(again, 18, customer=5) == 2 and asked(again, 19, seats=1) == 1


def test_what_is_wrong_is_named_and_changes_nothing(begun: Callable[[], TestClient]) -> None:
    http = begun()
    assert "no_key" in post(http, "earnings", {"driver": 1, "cents": 9})["counts"]
    assert post(http, "earnings", {"driver": 1, "cents": -1}, key="k")["counts"] == {"bad_value": 1}
    assert post(http, "blocked", {"customer": 1})["counts"] == {"bad_value": 1}
    for zone, wrong in (
        ({"corners": [[LAT, LON], [LAT, LON + 1]]}, "three"), ({}, "wanted one of both"), ({"cells": ["zz"]}, "H3 cell"),
        ({"corners": [[LON, 200.0], [0, 0], [1, 1]]}, "wanted (latitude, longitude)"),
    ):  # fmt: skip
        told = post(http, "zones", [{"name": "z", "bit": 1, **zone}], method="PUT", status=422)
        assert wrong in told["detail"], told
    for zone in ({"name": "z", "bit": 63}, {"name": "", "bit": 1}, {"name": "z", "bit": 1, "colour": "red"}):
        post(http, "zones", [zone], method="PUT", status=422)
    assert http.get("/api/match/zones").json() == {"zones": []}


@pytest.mark.parametrize("route", ["blocked", "loads", "earnings", "ready", "orders"])
def test_a_batch_of_any_kind_may_be_as_large_as_one_of_orders(begun: Callable[[], TestClient], route: str) -> None:
    http = begun()
    answers = [http.post(f"/api/match/{route}", content=b"[" + b" " * size + b"]") for size in (2_000_000, 16_000_000)]
    assert [answer.status_code == 413 for answer in answers] == [False, True]


def test_merchants_tell_when_orders_were_ready(begun: Callable[[], TestClient], tmp_path: Path) -> None:
    http = begun()
    post(http, "orders", {"id": 7, "lat": LAT, "lon": LON, "placed_s": NOW_S - 600.0})
    rows = [{"order": o, "merchant": 5, "ready_s": NOW_S - s} for o, s in ((7, 200.0), (7, 300.0), (8, 300.0))]
    answer = post(http, "ready", [*rows, {"order": 7, "merchant": 5, "ready_s": NOW_S * 1000.0}])
    assert answer["counts"] == {"taken": 2, "unknown_order": 1, "bad_value": 1}
    for _ in range(2):
        post(http, "windows", None)
    driver = http.get("/api/match/orders/7").json()["driver"]
    post(http, "answers", [{"key": k, "kind": k, "order": 7, "driver": driver} for k in ("accepted", "picked_up", "delivered")])
    logs = [*(tmp_path / "fleet" / "shards").glob("shard-*"), tmp_path / "fleet" / "offers"]
    found = [prep_logged(LocalEvents(log)) for log in logs if log.is_dir()]
    told = [(f.orders.merchant.tolist(), f.ready_s.tolist()) for f in found if len(f.ready_s)]
    assert told == [([5], [300.0])], "the last word counts"


def test_places_are_told_as_cells_of_the_resolution_asked_for(
    begun: Callable[[], TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    h3 = pytest.importorskip("h3", reason="h3 is not installed: pip install 'rialto[h3]'")
    http = begun()
    post(http, "orders", {"id": 10, "lat": LAT, "lon": LON, "need": 32})
    told = http.get("/api/match/snapshot", params={"resolution": 9}).json()
    for row in (*told["drivers"], *told["orders"]):
        assert row["cell"] == h3.latlng_to_cell(row["lat"], row["lon"], 9)
    cells = http.get("/api/match/cells", params={"resolution": 9}).json()["cells"]
    assert (sum(c["free"] for c in cells), sum(c["waiting"] for c in cells), cells[0]["waiting"]) == (2, 1, 1)
    assert "cell" not in http.get("/api/match/snapshot").json()["drivers"][0]
    assert http.get("/api/match/cells", params={"resolution": 16}).status_code == 422
    monkeypatch.setitem(sys.modules, "h3.api.basic_int", None)
    answer = http.get("/api/match/cells")
    assert answer.status_code == 502 and "rialto[h3]" in answer.json()["detail"]


def test_a_zone_may_be_drawn_in_h3_cells(begun: Callable[[], TestClient]) -> None:
    h3 = pytest.importorskip("h3", reason="h3 is not installed: pip install 'rialto[h3]'")
    http = begun()
    post(
        http,
        "zones",
        [{"name": "middle", "bit": 3, "cells": sorted(h3.grid_disk(h3.latlng_to_cell(LAT, LON, 9), 1))}],
        method="PUT",
    )
    assert asked(http, 10) == 2
    post(http, "zones", [{"name": "away", "bit": 3, "cells": [h3.latlng_to_cell(LAT + 0.1, LON, 9)]}], method="PUT")
    assert asked(http, 11) == 1
