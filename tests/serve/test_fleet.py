"""A fleet over HTTP: what goes in, what is named and left out, what is decided and why; and that nothing sent to it fails inside."""

from __future__ import annotations

import json
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rialto.app.engines import Engines
from rialto.app.systems import Systems
from rialto.config import Fleet, Settings
from rialto.match.ledger import REASONS
from rialto.serve.dispatching import CODES
from rialto.serve.rows import ARROW
from rialto.serve.service import create
from rialto.spine.params import settle

NOW_S = 1_800_000_000.0
LAT, LON = 52.5, 13.4


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = NOW_S

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def http(tmp_path: Path, clock: Clock) -> Generator[TestClient, None, None]:
    """A fleet whose windows are decided when asked for; drivers 1 to 3 are 100, 1000 and 2000 m north of the middle."""
    chosen = Settings(home=tmp_path, fleet=Fleet(on=True, lat=LAT, lon=LON, window_s=0.0))
    systems = Systems(Engines(chosen), clock=clock)
    systems.build("city")
    made = TestClient(create(systems, clock=clock), raise_server_exceptions=False)
    post(made, "drivers", [{"id": i} for i in (1, 2, 3)])
    post(made, "positions", [at(1, 100.0), at(2, 1000.0), at(3, 2000.0)])
    yield made
    systems.close()


def at(driver: int, north_m: float, time_s: float = NOW_S) -> dict[str, Any]:
    return {"driver": driver, "lat": LAT + north_m / 111_195.0, "lon": LON, "time_s": time_s}


def post(http: TestClient, path: str, body: Any, *, status: int = 200, key: str = "") -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    answer = http.post(f"/api/match/{path}", json=body, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


def stream(**columns: Any) -> bytes:
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def arrow(http: TestClient, path: str, body: bytes) -> Any:
    return http.post(f"/api/match/{path}", content=body, headers={"Content-Type": ARROW})


def get(http: TestClient, path: str, **query: Any) -> Any:
    answer = http.get(f"/api/match/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_road_engine_that_is_away_is_seen_in_the_window_and_on_the_map(tmp_path: Path, clock: Clock) -> None:
    chosen = Settings(home=tmp_path, travel="osrm://127.0.0.1:9", fleet=Fleet(on=True, lat=LAT, lon=LON, window_s=0.0))
    systems = Systems(Engines(chosen), clock=clock)
    systems.build("city")
    http = TestClient(create(systems, clock=clock), raise_server_exceptions=False)
    post(http, "drivers", [{"id": 1}])
    post(http, "positions", [at(1, 100.0)])
    post(http, "orders", {"id": 7, "lat": LAT, "lon": LON})
    window = post(http, "windows", None)
    assert (window["offered"], window["fallbacks"]) == (1, ["travel"]), "straight lines decide"
    assert get(http, "assignments")["assignments"][0]["pickup_s"] is None
    clock.now_s += 1.0
    assert get(http, "snapshot")["fallbacks"] == ["travel"]
    systems.close()


def test_an_order_goes_through_its_life(http: TestClient, clock: Clock) -> None:
    assert post(http, "orders", {"id": 7, "lat": LAT, "lon": LON})["counts"] == {"placed": 1}
    assert get(http, "orders/7")["state"] == "waiting"
    window = post(http, "windows", None)
    assert (window["waiting"], window["offered"], window["fallbacks"]) == (1, 1, [])
    (asked,) = get(http, "drivers/1/offers")["offers"]
    assert (asked["order"], asked["state"], asked["until_s"]) == (7, "offered", NOW_S + 20.0)
    (row,) = get(http, "assignments", window=window["at_s"])["assignments"]
    assert (row["driver"], row["state"]) == (1, "offered") and 0.0 < row["accepts"] <= 1.0
    why = get(http, "why/7")
    assert (why["chosen"]["driver"], why["rivals"][0]["driver"], why["instead"]) == (1, 2, 2)
    for kind, state in (("accepted", "assigned"), ("picked_up", "picked_up"), ("delivered", "delivered")):
        told = post(http, "answers", {"key": kind, "kind": kind, "order": 7, "driver": 1})
        assert told["answers"] == [{"row": 1, "done": True, "code": "done", "reason": ""}]
        assert get(http, "orders/7")["state"] == state


def test_an_acceptance_after_the_offer_expired_is_answered_with_its_reason(http: TestClient, clock: Clock) -> None:
    post(http, "orders", {"id": 7, "lat": LAT, "lon": LON})
    post(http, "windows", None)
    clock.now_s += 60.0
    post(http, "windows", None)
    (answer,) = post(http, "answers", {"kind": "accepted", "order": 7, "driver": 1}, key="late")["answers"]
    assert (answer["done"], answer["code"]) == (False, "offer_expired")


def test_a_repeat_acts_once_and_is_answered_the_same(http: TestClient) -> None:
    order = {"lat": LAT, "lon": LON}
    first, again = post(http, "orders", order, key="k"), post(http, "orders", order, key="k")
    assert first == again and first["taken"] == 1
    assert "another body" in post(http, "orders", {"lat": LAT, "lon": LON + 0.01}, key="k", status=422)["detail"]
    assert post(http, "orders", {"id": first["ids"][0], **order})["counts"] == {"known": 1}
    post(http, "windows", None)
    yes = {"key": "yes", "kind": "accepted", "order": first["ids"][0], "driver": 1}
    assert [post(http, "answers", yes)["done"] for _ in range(2)] == [1, 1]
    (other,) = post(http, "answers", {**yes, "kind": "declined"})["answers"]
    assert other["code"] == "key_used"


def test_a_cancelled_order_ends_its_offer_and_frees_its_driver(http: TestClient) -> None:
    post(http, "orders", {"id": 7, "lat": LAT, "lon": LON})
    post(http, "windows", None)
    assert post(http, "orders/7/cancel", None)["ended"] == [{"order": 7, "driver": 1, "offer": 0}]
    assert post(http, "orders/7/cancel", None)["done"] == 1
    assert get(http, "drivers/1/offers")["offers"] == []
    post(http, "orders/8/cancel", None, status=404)


def test_of_a_batch_of_positions_each_reason_is_counted_and_bad_rows_are_named(http: TestClient) -> None:
    rows = [
        at(1, 110.0, NOW_S + 1), at(9, 0.0), {**at(1, 0.0), "lat": LON, "lon": LAT}, at(2, 0.0, NOW_S * 1000), {"driver": "x"},
        {**at(3, 0.0, NOW_S + 1), "speed": 3}, {**at(3, 0.0), "lat": float("nan")}, at(-1, 0.0), at(3, 2001.0, NOW_S + 1),
    ]  # fmt: skip
    text = json.dumps(rows)
    told = http.post("/api/match/positions", content=text, headers={"Content-Type": "application/json"}).json()
    named = {b["row"]: b["reason"] for b in told["bad"]}
    assert named == {
        2: "unknown_driver",
        3: "swapped",
        4: "future",
        5: "bad_value",
        6: "unknown_field",
        7: "bad_value",
        8: "unknown_driver",
    }
    assert (told["taken"], sum(told["counts"].values())) == (2, 9)
    assert "milliseconds" in next(b["problem"] for b in told["bad"] if b["row"] == 4)


def test_of_a_batch_of_orders_the_bad_ones_are_named_and_the_rest_goes_in(http: TestClient) -> None:
    good = {"lat": LAT, "lon": LON}
    rows = [
        {"id": 1, **good}, {"id": -1, **good}, {"id": 2, "lat": LON, "lon": LAT}, {"id": 3, "lat": 0, "lon": 0}, {"id": 1, **good},
        {"id": 4, **good, "expire_s": NOW_S - 1}, {"id": 5, **good, "placed_s": NOW_S * 1000}, good, {"id": 6, **good, "weight_kg": -1},
        {"id": 8, **good, "placed_s": NOW_S + 1e6}, {"id": 9, **good, "drop_lat": 52.0}, {"id": 2**70, **good}, {"id": 10, "lat": 91, "lon": 0},
        {"key": "mine", **good}, [1], {"id": 11, **good, "due_s": NOW_S - 50, "placed_s": NOW_S - 10},
    ]  # fmt: skip
    told = post(http, "orders", rows)
    assert told["taken"] == 2, told["bad"]
    assert told["ids"][0] == 1 and told["ids"][13] > 2**62
    assert {b["row"]: b["reason"] for b in told["bad"]} == {
        2: "bad_value", 3: "swapped", 4: "out_of_range", 5: "twice", 6: "over", 7: "bad_value", 8: "no_id", 9: "bad_value", 10: "future",
        11: "bad_value", 12: "bad_value", 13: "bad_value", 15: "bad_value", 16: "impossible",
    }  # fmt: skip


def test_arrow_does_what_json_does(http: TestClient) -> None:
    body = stream(
        driver=np.array([1, 2, 9]), lat=np.array([LAT, LAT, LAT]), lon=np.array([LON, np.nan, LON]), time_s=np.full(3, NOW_S + 2)
    )
    told = arrow(http, "positions", body).json()
    assert told["counts"] == {"taken": 1, "unknown_driver": 1, "bad_value": 1} and [b["row"] for b in told["bad"]] == [2, 3]
    orders = stream(id=pa.array([5, None, 6]), lat=[LAT, LAT, 99.0], lon=[LON] * 3)
    assert arrow(http, "orders", orders).json()["taken"] == 1
    window = post(http, "windows", None)
    answer = http.get("/api/match/assignments", params={"window": window["at_s"]}, headers={"Accept": ARROW})
    table = pa.ipc.open_stream(answer.content).read_all()
    assert table.column("order").to_pylist() == [5]


@pytest.mark.parametrize("path", ["drivers", "positions", "orders", "answers"])
@pytest.mark.parametrize(
    "body",
    [b"", b"x", stream(id=[1])[:-30], stream(driver=["a"], lat=[1.0], lon=[1.0], time_s=[1.0]), stream(odd=[1]), b"\xff" * 4000],
    ids=["empty", "no stream", "cut", "wrong type", "odd column", "noise"],
)
def test_a_malformed_stream_is_refused_with_words(http: TestClient, path: str, body: bytes) -> None:
    answer = arrow(http, path, body)
    assert answer.status_code == 422 and len(answer.json()["detail"]) > 20, answer.text


@pytest.mark.parametrize("packing", ["lz4", "zstd"])
def test_a_compressed_stream_is_refused_before_it_is_unpacked(http: TestClient, packing: str) -> None:
    table, sink = pa.table({"driver": np.zeros(100_000, np.int64)}), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=packing)) as writer:
        writer.write_table(table)
    answer = arrow(http, "positions", sink.getvalue().to_pybytes())
    assert answer.status_code == 422 and "compressed" in answer.json()["detail"]


def test_bodies_that_are_too_long_are_refused(http: TestClient) -> None:
    assert http.post("/api/match/orders", content=b" " * 16_000_001).status_code == 413
    assert "100000" in arrow(http, "positions", stream(driver=np.zeros(100_001, np.int64), lat=np.zeros(100_001),
                                                       lon=np.zeros(100_001), time_s=np.zeros(100_001))).json()["detail"]  # fmt: skip


def test_without_a_fleet_its_routes_say_how_to_start_one(tmp_path: Path) -> None:
    systems = Systems(Engines(Settings(home=tmp_path)))
    answer = TestClient(create(systems)).post("/api/match/orders", json=[])
    assert answer.status_code == 404 and "--fleet" in answer.json()["detail"]
    systems.close()


def test_many_threads_at_once_lose_nothing_and_hold_no_driver_twice(http: TestClient) -> None:
    def sends(turn: int) -> None:
        post(http, "orders", [{"id": 100 * turn + i, "lat": LAT, "lon": LON + i * 1e-4} for i in range(20)])
        post(http, "windows", None)
        for driver in (1, 2, 3):
            for o in get(http, f"drivers/{driver}/offers")["offers"]:
                told = {"key": f"{turn}-{driver}-{o['order']}", "kind": "accepted", "order": o["order"], "driver": driver}
                post(http, "answers", told)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(sends, range(1, 9)))
    states = [get(http, f"orders/{100 * turn + i}") for turn in range(1, 9) for i in range(20)]
    busy = [s["driver"] for s in states if s["state"] in ("offered", "assigned")]
    assert sorted(busy) == [1, 2, 3] and [s["state"] for s in states].count("waiting") == 157


def test_the_map_shows_the_fleet_and_what_it_showed(http: TestClient, clock: Clock) -> None:
    post(http, "orders", {"id": 7, "lat": LAT, "lon": LON, "drop_lat": LAT, "drop_lon": LON})
    post(http, "windows", None)
    clock.now_s += 30.0
    post(http, "positions", [at(2, 1500.0, clock.now_s)])
    post(http, "windows", None)
    now, then = get(http, "snapshot"), get(http, "snapshot", at_s=NOW_S + 1)
    ages = {d["id"]: d["age_s"] for d in now["drivers"]}
    assert ages == {1: 30.0, 2: 0.0, 3: 30.0}
    north = [next(d["lat"] for d in s["drivers"] if d["id"] == 2) for s in (now, then)]
    assert north[0] > north[1]
    assert get(http, "moments")["at_s"] == [NOW_S, NOW_S + 30.0]
    assert "The fleet" in http.get("/city", headers={"Accept": "text/html"}).text


ANY = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=20)),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
FIELDS = st.sampled_from(
    [
        "id",
        "key",
        "kind",
        "driver",
        "order",
        "offer",
        "lat",
        "lon",
        "time_s",
        "placed_s",
        "need",
        "flags",
        "merchant",
        "ready_s",
        "incentive_cents",
        "odd",
    ]
)


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(
    path=st.sampled_from(["drivers", "positions", "orders", "answers"]), body=st.lists(st.dictionaries(FIELDS, ANY), max_size=4)
)
def test_whatever_is_sent_is_counted_or_refused_and_never_fails(http: TestClient, path: str, body: Any) -> None:
    text = json.dumps(body)
    answer = http.post(
        f"/api/match/{path}",
        content=text,
        headers={
            "Content-Type": "application/json",
            "Idempotency-Key": text[:50].encode("ascii", "replace").decode().replace("\n", ""),
        },
    )
    assert answer.status_code in (200, 422), answer.text
    if answer.status_code == 200:
        told = answer.json()
        assert told["rows"] == len(body)
        assert sum(told["counts"].values()) == len(body) if "counts" in told else len(told["answers"]) == len(body)


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(cut=st.integers(0, 700), noise=st.binary(max_size=30))
def test_a_stream_with_noise_in_it_is_taken_or_refused(http: TestClient, cut: int, noise: bytes) -> None:
    body = stream(driver=np.array([1, 2]), lat=np.array([LAT] * 2), lon=np.array([LON] * 2), time_s=np.full(2, NOW_S))
    answer = arrow(http, "positions", body[:cut] + noise + body[cut + len(noise) :])
    assert answer.status_code in (200, 422), answer.text


def test_every_reason_of_the_ledger_has_a_code_of_its_own() -> None:
    assert len(CODES) == len(REASONS) == len(set(CODES))


def test_a_drivers_route_is_his_stops_in_order_with_their_times(http: TestClient) -> None:
    assert get(http, "drivers/1/route") == {"driver": 1, "stops": []}
    post(http, "orders", {"id": 7, "lat": LAT, "lon": LON, "drop_lat": LAT + 0.01, "drop_lon": LON})
    post(http, "windows", None)
    first, second = get(http, "drivers/1/route")["stops"]
    assert (first["order"], first["kind"], first["state"]) == (7, "pickup", "offered") and NOW_S < first["eta_s"] < second[
        "eta_s"
    ]
    assert (second["kind"], second["lat"], second["lon"]) == ("dropoff", LAT + 0.01, LON)
    for kind in ("accepted", "picked_up"):
        post(http, "answers", {"key": kind, "kind": kind, "order": 7, "driver": 1})
    (only,) = get(http, "drivers/1/route")["stops"]
    assert (only["kind"], only["state"]) == ("dropoff", "picked_up")


def test_a_stop_that_nobody_placed_has_no_place_and_no_time(http: TestClient) -> None:
    post(http, "orders", {"id": 7, "lat": LAT, "lon": LON})
    post(http, "windows", None)
    last = get(http, "drivers/1/route")["stops"][1]
    assert (last["lat"], last["lon"], last["eta_s"]) == (None, None, None)


def test_the_route_of_a_driver_who_is_not_enrolled_is_not_there(http: TestClient) -> None:
    assert http.get("/api/match/drivers/9/route").status_code == 404
    assert http.get("/api/match/drivers/x/route").status_code == 422


def test_two_orders_of_one_way_are_one_route(http: TestClient, clock: Clock) -> None:
    settle({"match.stack.most": 2})
    try:
        way = {"drop_lat": LAT + 0.05, "drop_lon": LON}
        for order, north in ((7, 0.0), (8, 0.002)):
            post(http, "orders", {"id": order, "lat": LAT + north, "lon": LON, **way})
            post(http, "windows", None)
            post(http, "answers", {"key": f"yes{order}", "kind": "accepted", "order": order, "driver": 1})
            clock.now_s += 2.0
        stops = [(s["order"], s["kind"]) for s in get(http, "drivers/1/route")["stops"]]
        assert stops[:2] == [(7, "pickup"), (8, "pickup")] and len(stops) == 4
        assert [o["order"] for o in get(http, "drivers/1/offers")["offers"]] == [7, 8]
    finally:
        settle({})
