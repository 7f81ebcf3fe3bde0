"""OSRM over HTTP: a real server on loopback speaks its protocol, answering from the road graph; some of them misbehave."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from time import monotonic
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from rialto.adapters.osrm import OsrmAddress, OsrmTimes
from rialto.errors import BadInput, EngineBusy, EngineError, EngineLost
from rialto.local.roads import Roads
from rialto.local.roads_labels import labels_of
from rialto.local.roads_snap import Ground
from rialto.local.roads_times import RoadTimes
from rialto.testing.travel import TravelTimesExam

ORIGIN, STEP, SIDE = np.array([40.70, -74.00]), 0.001, 9
LIMIT = 30


def roads(*, apart: bool = False) -> RoadTimes:
    """A grid of two-way streets; `apart`, and one more street that nothing leads to, or from."""
    row, column = np.divmod(np.arange(SIDE * SIDE), SIDE)
    ends = [(n, n + 1) for n in range(SIDE * SIDE) if n % SIDE < SIDE - 1]
    ends += [(n, n + SIDE) for n in range(SIDE * SIDE - SIDE)] + ([(81, 82)] if apart else [])
    lat, lon = ORIGIN[0] + STEP * row, ORIGIN[1] + STEP * column
    if apart:
        lat, lon = np.append(lat, [40.72, 40.721]), np.append(lon, [-74.0, -74.0])
    tail, head = np.array(ends + [(b, a) for a, b in ends]).T
    graph = Roads(lat, lon, tail, head, np.full(len(tail), 100.0), np.full(len(tail), 10.0))
    return RoadTimes(labels_of(len(lat), tail, head, graph.ms), Ground.of(graph, reach_m=300.0))


class Server(ThreadingHTTPServer):
    """Knows the table service of version 1; `mode` is how it behaves."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, mode: str, travel: RoadTimes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.mode, self.travel, self.over, self.asked = mode, travel, Event(), list[tuple[int, int]]()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone away is no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        mode = self.server.mode
        if mode == "silent":
            self.server.over.wait(20.0)
            self.close_connection = True
        elif mode == "drips":
            self._drip()
        elif mode in ("html", "busy"):
            self._send(200 if mode == "html" else 503, b"<html>what is this</html>")
        elif mode == "cut":
            self.send_response(200)
            self.send_header("content-length", "1000")
            self.end_headers()
            self.wfile.write(b'{"code":"Ok","durations":[[')
            self.close_connection = True
        elif mode.startswith("{"):
            self._send(200, mode.encode())
        else:
            status, answer = self._table()
            self._send(status, json.dumps(answer).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _drip(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "100000")
        self.end_headers()
        while not self.server.over.wait(0.02):
            self.wfile.write(b" ")
            self.wfile.flush()

    def _table(self) -> tuple[int, dict[str, Any]]:
        parts = urlsplit(self.path)
        _, service, version, profile, text = parts.path.split("/")
        options = {k: v[0] for k, v in parse_qs(parts.query).items()}
        if (service, version) != ("table", "v1") or profile != "driving":
            return 400, {"code": "InvalidUrl", "message": "URL string malformed"}
        lon_lat = np.array([[float(v) for v in pair.split(",")] for pair in text.split(";")])
        places = lon_lat[:, ::-1].copy()
        frm, to = (np.array([int(i) for i in options[k].split(";")]) for k in ("sources", "destinations"))
        self.server.asked.append((len(frm), len(to)))
        if len(frm) * len(to) > LIMIT**2 or len(places) > LIMIT:
            return 400, {"code": "TooBig", "message": "Too many table coordinates"}
        lost = np.flatnonzero(self.server.travel.ground.snap(places).segment < 0)
        if len(lost):
            return 400, {"code": "NoSegment", "message": f"Could not find a matching segment for coordinate {lost[0]}"}
        pairs = places[np.repeat(frm, len(to))], places[np.tile(to, len(frm))]
        took = self.server.travel.seconds(*pairs, at_s=np.zeros(len(pairs[0]))).reshape(len(frm), len(to))
        rows = [[None if np.isinf(v) else round(v, 1) for v in row] for row in took.tolist()]
        return 200, {"code": "Ok", "durations": rows, "sources": [], "destinations": []}


@contextmanager
def osrm(mode: str = "ok", *, apart: bool = False) -> Iterator[Server]:
    travel = roads(apart=apart)
    for trips in (1, 60):  # kernels are compiled now, not while a client's time runs
        start, goal = some(trips)
        travel.ground.snap(start)
        travel.seconds(start, goal, at_s=np.zeros(trips))
        travel.seconds(np.repeat(start, 3, axis=0), np.tile(goal, (3, 1)), at_s=np.zeros(3 * trips))
    server = Server(mode, travel)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join(5.0)


@contextmanager
def opened(server: Server, options: str = f"max_table={LIMIT}") -> Iterator[OsrmTimes]:
    travel = OsrmTimes.open(f"osrm://127.0.0.1:{server.server_address[1]}/driving?{options}")
    try:
        yield travel
    finally:
        travel.close()


def some(trips: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    start, goal = ORIGIN + STEP * np.random.default_rng(seed).uniform(0.0, 8.0, (2, trips, 2))
    return start, goal


ONE = {"at_s": np.zeros(1)}


class TestOsrm(TravelTimesExam):
    places = ORIGIN + STEP * np.array([[0.2, 0.1], [7.5, 7.9], [3.3, 6.0], [5.0, 1.5]])

    @pytest.fixture(autouse=True)
    def _server(self) -> Iterator[None]:
        with osrm() as server, opened(server) as travel:
            self.travel = travel
            yield

    def open(self) -> OsrmTimes:
        return self.travel


def test_trips_of_any_number_come_back_in_tables_that_the_server_takes() -> None:
    start, goal = some(400)
    goal[100:] = goal[np.arange(300) // 8]  # eight drivers an order
    with osrm() as server, opened(server) as travel:
        found = travel.seconds(start, goal, at_s=np.zeros(400))
        assert found == pytest.approx(roads().seconds(start, goal, at_s=np.zeros(400)), abs=0.11)
        assert max(s + g for s, g in server.asked) <= LIMIT


def test_trips_share_places_and_one_table_is_enough() -> None:
    start, goal = some(12)
    with osrm() as server, opened(server) as travel:
        travel.seconds(np.repeat(start, 12, axis=0), np.tile(goal, (12, 1)), at_s=np.zeros(144))
        assert server.asked == [(12, 12)]
        assert travel.seconds(start, start, at_s=np.zeros(12)).tolist() == [0.0] * 12
        assert len(server.asked) == 1, "nobody need be asked how far a place is from itself"


def test_no_way_is_inf_and_a_place_on_no_road_is_nan() -> None:
    start, goal = some(3)
    start[1], goal[2] = [40.7205, -74.0], [41.7, -74.0]
    with osrm(apart=True) as server, opened(server) as travel:
        found = travel.seconds(start, goal, at_s=np.zeros(3))
    assert np.isfinite(found[0])
    assert np.isinf(found[1])
    assert np.isnan(found[2])


@pytest.mark.parametrize("mode", ["silent", "drips"])
def test_a_slow_server_is_busy_within_the_time_of_the_call(mode: str) -> None:
    with osrm(mode) as server, opened(server, "timeout_s=0.2") as travel, pytest.raises(EngineBusy, match="OSRM at http"):
        travel.seconds(*some(1), **ONE)


def test_many_tables_of_a_slow_server_end_with_the_time_of_the_call() -> None:
    start, goal = some(300)
    with osrm("silent") as server, opened(server, "timeout_s=0.3&max_table=10") as travel:
        begin = monotonic()
        with pytest.raises(EngineBusy):
            travel.seconds(start, goal, at_s=np.zeros(300))
        assert monotonic() - begin < 5.0, "sixty tables of 0.3 s each are not waited for"


def test_a_server_that_is_away_is_busy_and_answers_when_it_is_back() -> None:
    with osrm() as server:
        port = server.server_address[1]
    travel = OsrmTimes.open(f"osrm://127.0.0.1:{port}/driving")
    with pytest.raises(EngineBusy, match=f"127.0.0.1:{port}"):
        travel.seconds(*some(1), **ONE)
    travel.close()


def test_a_server_that_ends_in_between_is_busy() -> None:
    with osrm() as server, opened(server) as travel:
        travel.seconds(*some(1), **ONE)
        server.mode = "cut"
        with pytest.raises(EngineBusy):
            travel.seconds(*some(1), **ONE)
        server.mode = "ok"
        assert np.isfinite(travel.seconds(*some(1), **ONE)).all()


@pytest.mark.parametrize(
    ("mode", "kind", "said"),
    [
        ("html", EngineLost, "wanted OSRM's JSON"),
        ("busy", EngineBusy, "503"),
        ('{"code":"Ok"}', EngineLost, "without a table"),
        ('{"code":"Ok","durations":[[1.0,2.0]]}', EngineLost, r"\(1, 2\)"),
        ('{"code":"Ok","durations":[[-4.0]]}', EngineLost, "0 or more"),
        ('{"code":"Ok","durations":[[NaN]]}', EngineLost, "0 or more"),
        ('{"code":"Ok","durations":[["x"]]}', EngineLost, "without a table"),
        ('{"code":"Ok","durations":7}', EngineLost, "without a table"),
        ('{"code":"NotImplemented","message":"no table here"}', EngineLost, "NotImplemented: no table here"),
        ('{"code":"NoSegment","message":"somewhere"}', EngineLost, "NoSegment"),
        ('{"code":"NoSegment","message":"coordinate 99"}', EngineLost, "NoSegment"),
    ],
)
def test_an_answer_that_is_no_table_is_told_with_its_code(mode: str, kind: type[EngineError], said: str) -> None:
    with osrm(mode) as server, opened(server) as travel, pytest.raises(kind, match=said):
        travel.seconds(*some(1), **ONE)


def test_a_table_that_is_too_big_names_the_setting() -> None:
    start, goal = some(40)
    with osrm() as server, opened(server, "max_table=100") as travel, pytest.raises(EngineLost, match=r"TooBig.*max_table"):
        travel.seconds(start, goal, at_s=np.zeros(40))


@pytest.mark.parametrize(
    "url",
    ["http://x/driving", "osrm:///driving", "osrm://x:5000/a/b", "osrm://x:x/driving", "osrm://u@x/driving",
     "osrm://x/driving?timeout=3", "osrm://x/driving?timeout_s=0", "osrm://x/driving?max_table=nan", "osrm://[x/driving"],
)  # fmt: skip
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(BadInput):
        OsrmAddress.of(url)


def test_the_profile_and_port_have_defaults() -> None:
    assert (OsrmAddress.of("osrm://[::1]").server, OsrmAddress.of("osrms://maps").profile) == ("http://[::1]:5000", "driving")
