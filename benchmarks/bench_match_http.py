"""Positions and orders over loopback HTTP as Arrow streams of 20,000 rows, in turns with `/health`, whose requests a second are the floor.

The real command serves a fleet; this process sends. Besides the two rates: what one window over all that waits takes, asked for over
HTTP, and from there the orders a second from their arrival to their offers.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic, perf_counter, sleep, time
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
import pyarrow as pa

from rialto.cli.bench import Metric

LAT, LON = 52.5, 13.4
ARROW = "application/vnd.apache.arrow.stream"
PATIENCE_S = 120.0


def run(*, quick: bool = False) -> list[Metric]:
    """Positions a second, orders a second, and orders a second through a window, each by batch."""
    rows, rounds, drivers = (200, 1, 200) if quick else (20_000, 5, 30_000)
    with TemporaryDirectory() as home, served(Path(home)) as link:
        return measured(link, rows, rounds, drivers)


def measured(link: HTTPConnection, rows: int, rounds: int, drivers: int) -> list[Metric]:
    """The figures over one connection; the first round of each kind compiles, and is not counted."""
    rng = np.random.default_rng(0)
    enrolled = posted(link, "drivers", stream(id=np.arange(drivers)))
    assert enrolled["taken"] == drivers, enrolled
    took: dict[str, list[float]] = {"positions": [], "orders": [], "windows": [], "health": []}
    place = around(rng, drivers)
    for turn in range(rounds + 1):
        place += rng.normal(0.0, 1e-5, place.shape)
        who = np.resize(np.arange(drivers), rows)
        body = stream(driver=who, lat=place[who, 0], lon=place[who, 1], time_s=np.full(rows, time()))
        took["positions"].append(timed(lambda body=body: posted(link, "positions", body), min(rows, drivers)))
        at = around(rng, rows)
        ends = around(rng, rows)
        body = stream(id=turn * rows + np.arange(rows), lat=at[:, 0], lon=at[:, 1], drop_lat=ends[:, 0], drop_lon=ends[:, 1])
        took["orders"].append(timed(lambda body=body: posted(link, "orders", body), rows))
        took["windows"].append(timed(lambda: posted(link, "windows", b""), 0))
        cancelled(link, turn * rows + np.arange(rows))
        took["health"].append(timed(lambda: asked(link), 0))
    counted = {name: np.array(seconds[1:]) for name, seconds in took.items()}
    both = counted["orders"] + counted["windows"]
    rates = {"positions": rows / counted["positions"], "orders": rows / counted["orders"], "orders_decided": rows / both}
    floor = float(median(1.0 / counted["health"]))
    return [
        Metric(
            f"match_http_{name}_per_s",
            float(median(r)),
            "1/s",
            spread(r),
            "requests of one row, as /health",
            floor,
            float(median(r)) / floor,
        )
        for name, r in rates.items()
    ]


def around(rng: np.random.Generator, size: int) -> np.ndarray:
    """Latitudes and longitudes of places in the city, shape (size, 2)."""
    return np.array([LAT, LON]) + rng.normal(0.0, 0.05, (size, 2))


def stream(**columns: np.ndarray) -> bytes:
    """Columns as an Arrow IPC stream."""
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def posted(link: HTTPConnection, path: str, body: bytes) -> dict[str, object]:
    """What a post is answered; an answer other than 200 ends the benchmark."""
    link.request("POST", f"/api/match/{path}", body, {"Content-Type": ARROW})
    answer = link.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {text[:500]!r}")
    return json.loads(text)


def cancelled(link: HTTPConnection, orders: np.ndarray) -> None:
    """Take the orders back, so that every round begins with as many free drivers."""
    keys = [f"c{i}" for i in orders.tolist()]
    posted(link, "answers", stream(key=np.array(keys), kind=np.full(len(orders), "cancelled"), order=orders))


def asked(link: HTTPConnection) -> dict[str, object]:
    """`/health`: what the server and the framework take for a request that decides nothing."""
    link.request("GET", "/health")
    return json.loads(link.getresponse().read())


def timed(call: Callable[[], dict[str, object]], taken: int) -> float:
    """Seconds of a call; with `taken`, as many rows must have gone in."""
    start = perf_counter()
    told = call()
    seconds = perf_counter() - start
    if taken and told["taken"] != taken:
        raise RuntimeError(f"{taken} rows should have gone in; {told}"[:500])
    return seconds


def spread(values: np.ndarray) -> float:
    """Range over the median."""
    return float((values.max() - values.min()) / np.median(values))


@contextmanager
def served(home: Path) -> Generator[HTTPConnection, None, None]:
    """A fleet as people start it, and a connection to it once it is there."""

    command = [sys.executable, "-c", SERVER, str(home), str(LAT), str(LON)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            until = monotonic() + PATIENCE_S
            while not answered(port) and monotonic() < until:
                sleep(0.05)
            link = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
            yield link
            link.close()
        finally:
            server.terminate()
            server.wait(timeout=30)


SERVER = """
import socket, sys
from pathlib import Path
import uvicorn
from rialto.app.engines import Engines
from rialto.app.systems import Systems
from rialto.config import Fleet, Settings
from rialto.serve.service import create
home, lat, lon = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
systems = Systems(Engines(Settings(home=Path(home), fleet=Fleet(on=True, lat=lat, lon=lon, window_s=0.0))))
systems.build("city")
listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # else the loop leaves Nagle's delay on
listening.bind(("127.0.0.1", 0))
listening.listen()
print(listening.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(create(systems), log_level="warning", access_log=False)).run(sockets=[listening])
"""
"""The service with its fleet alone: a shop built beside it would share the processors."""


def answered(port: int) -> bool:
    """Whether the service answers."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/health") as answer:
            return answer.status == 200
    except URLError:
        return False
