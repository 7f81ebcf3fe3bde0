"""A fleet over HTTP whose city is shared by two processes: the routes answer as they do for one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from rialto.app.engines import Engines
from rialto.app.systems import Systems
from rialto.config import Fleet, Settings
from rialto.serve.service import create

NOW_S = 1_800_000_000.0
LAT, LON = 52.5, 13.4


def test_orders_on_both_sides_go_through_their_life_over_http(tmp_path: Path) -> None:
    chosen = Settings(home=tmp_path, shards="process://2", fleet=Fleet(on=True, lat=LAT, lon=LON, window_s=0.0))
    systems = Systems(Engines(chosen), clock=lambda: NOW_S)
    systems.build("city")
    http = TestClient(create(systems, clock=lambda: NOW_S), raise_server_exceptions=False)

    def post(path: str, body: Any, status: int = 200) -> Any:
        answer = http.post(f"/api/match/{path}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def get(path: str, **query: Any) -> Any:
        answer = http.get(f"/api/match/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    try:
        post("drivers", [{"id": 1}, {"id": 2}])
        post("positions", [{"driver": d, "lat": LAT, "lon": LON + e, "time_s": NOW_S} for d, e in ((1, -0.03), (2, 0.03))])
        assert post("orders", [{"id": 7, "lat": LAT, "lon": LON - 0.03}, {"id": 8, "lat": LAT, "lon": LON + 0.03}])["taken"] == 2
        windows = [post("windows", None) for _ in range(2)]
        assert windows[0]["waiting"] == 2 and sum(w["offered"] for w in windows) == 2
        rows = {r["order"]: r["driver"] for r in get("assignments")["assignments"]}
        assert rows == {7: 1, 8: 2}
        assert get("why/8")["chosen"]["driver"] == 2
        for kind, state in (("accepted", "assigned"), ("picked_up", "picked_up"), ("delivered", "delivered")):
            said = [{"key": f"{kind}{o}", "kind": kind, "order": o, "driver": d} for o, d in rows.items()]
            assert post("answers", said)["done"] == 2
            assert get("orders/7")["state"] == state == get("orders/8")["state"]
            left = {"accepted": ["pickup", "dropoff"], "picked_up": ["dropoff"], "delivered": []}[kind]
            assert [s["kind"] for s in get("drivers/2/route")["stops"]] == left
        assert post("answers", {"key": "l", "kind": "left", "driver": 1})["done"] == 1
        assert len(get("snapshot")["drivers"]) == 2
    finally:
        systems.close()
