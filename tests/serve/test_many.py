"""A service of several processes: one answer whoever gives it, changes seen by all at once, and nothing acknowledged lost with a worker."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from time import monotonic
from typing import Any

import httpx
import pytest

from rialto.app.engines import Engines
from rialto.app.live import LiveShop
from rialto.app.workers_follow import linked
from rialto.config import Settings
from rialto.errors import BadSettings
from rialto.serve.front import reads
from rialto.serve.many import check
from rialto.spine.log import DecisionLog
from rialto.worlds.shop import make_shop

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("serve-many")]

PATIENCE_S = 240.0


@dataclass
class Service:
    """The real command with two workers."""

    process: subprocess.Popen[str]
    address: str
    home: Path

    def workers(self) -> list[int]:
        """Processes of the workers, the oldest first."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(p) for p in listed if _works(int(p))]

    def get(self, path: str, **query: Any) -> Any:
        """Ask over a connection of its own, so that any process may take it."""
        answer = httpx.get(self.address + path, params=query, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def many(self, path: str, **query: Any) -> list[Any]:
        """The same asked over eight connections at once."""
        with ThreadPoolExecutor(8) as threads:
            return list(threads.map(lambda _: self.get(path, **query), range(16)))


def until(there: Callable[[], object]) -> None:
    end = monotonic() + PATIENCE_S
    while not there():
        assert monotonic() < end, "it did not come"


@contextmanager
def started(home: Path, catalogue: Path) -> Generator[Service, None, None]:
    told = {"RIALTO_HOME": str(home), "RIALTO_ENCODER": "static://", "RIALTO_CROSS": "none://", "RIALTO_SERVE__KEEP_S": "0",
            "RIALTO_SERVE__DEADLINE_MS": "60000"}  # fmt: skip
    command = [sys.executable, "-m", "rialto", "serve", "--port", "0", "--workers", "2", "--catalogue", str(catalogue)]
    with subprocess.Popen(command, env={**os.environ, **told}, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            made = Service(process, process.stdout.readline().strip().rsplit(" ", 1)[1], home)
            until(lambda: _ready(made.address))
            yield made
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of 120 products and a home with its index, made once."""
    folder = tmp_path_factory.mktemp("many")
    make_shop(seed=2, products=120).write(folder / "shop")
    settings = Settings(home=folder / "home", encoder="static://", cross="none://")
    LiveShop(Engines(settings), catalogue=str(folder / "shop" / "catalogue.jsonl")).close()
    return folder


@pytest.fixture(scope="module")
def service(indexed: Path) -> Generator[Service, None, None]:
    with begun(indexed, "home-served") as made:
        yield made


@contextmanager
def begun(indexed: Path, name: str) -> Generator[Service, None, None]:
    """The command over a copy of the home."""
    shutil.copytree(indexed / "home", indexed / name)
    with started(indexed / name, indexed / "shop" / "catalogue.jsonl") as made:
        yield made


def ids(found: Any) -> list[str]:
    return [h["product"]["id"] for h in found["results"]]


def test_every_process_gives_one_answer(service: Service) -> None:
    assert len(service.workers()) == 2
    found = service.many("/api/find/search", q="shoes", size=20)
    assert len({tuple(ids(f)) for f in found}) == 1 and found[0]["total"] > 0
    assert len({f["request"] for f in found}) == len(found)
    assert all(f["fallbacks"] == [] for f in found)


def test_what_is_not_the_shop_is_answered_too(service: Service) -> None:
    assert service.get("/ready")["systems"] == {"shop": "ready", "city": "ready", "studio": "ready", "workers": "ready"}
    assert service.get("/health")["status"] == "ok"
    for path in ("/", "/city", "/shop?q=lamp", "/desk", "/openapi.json"):
        assert httpx.get(service.address + path, timeout=60).status_code == 200, path
    refused = httpx.post(f"{service.address}/api/find/events", json=[], headers={"Origin": "http://elsewhere"}, timeout=60)
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:rialto:foreign")
    wrong = httpx.get(f"{service.address}/api/find/search", params={"size": 0}, timeout=60)
    assert (wrong.status_code, wrong.json()["type"]) == (422, "urn:rialto:bad-request")


def test_a_product_is_found_by_every_process_once_the_call_returned(service: Service) -> None:
    for n in range(5):
        row = {"id": f"new{n}", "title": f"Zyxolith lantern {n}", "brand": "Zyx", "category": "Home", "price_cents": 900}
        assert httpx.post(f"{service.address}/api/find/products", json=[row], timeout=60).json()["added"] == 1
        assert all(f"new{n}" in ids(f) for f in service.many("/api/find/search", q="zyxolith lantern"))
    gone = httpx.delete(f"{service.address}/api/find/products", params={"id": ["new0", "new1"]}, timeout=60)
    assert gone.json()["removed"] == 2
    assert all({"new0", "new1"}.isdisjoint(ids(f)) for f in service.many("/api/find/search", q="zyxolith lantern"))


def test_a_rule_is_served_by_every_process_once_the_call_returned(service: Service) -> None:
    first = ids(service.get("/api/find/search", q="shoes"))[0]
    rule = {"id": "gone", "owner": "ann", "action": "hide", "products": {"ids": [first]}}
    saved = httpx.post(f"{service.address}/api/find/rules", json={"rules": [rule], "expected": 0, "who": "ann"}, timeout=60)
    assert saved.status_code == 200, saved.text
    assert all(first not in ids(f) for f in service.many("/api/find/search", q="shoes"))


def test_a_full_index_reaches_every_process(service: Service) -> None:
    begun = httpx.post(f"{service.address}/api/find/index", json={"source": "products"}, timeout=60).json()
    until(lambda: service.get(f"/api/find/index/{begun['id']}")["state"] != "running")
    assert service.get(f"/api/find/index/{begun['id']}")["state"] == "done"
    row = {"id": "late", "title": "Zyxolith kettle", "brand": "Zyx", "category": "Home", "price_cents": 900}
    assert httpx.post(f"{service.address}/api/find/products", json=[row], timeout=60).json()["pending"] == 1
    assert all("late" in ids(f) for f in service.many("/api/find/search", q="zyxolith kettle"))


def test_shoppers_are_known_to_every_process_and_forgotten_by_all(service: Service) -> None:
    found = service.get("/api/find/search", q="shoes", shopper="ann")
    happened = {"kind": "purchase", "request": found["request"], "product": ids(found)[-1], "shopper": "ann"}
    assert httpx.post(f"{service.address}/api/find/events", json=[happened], timeout=60).json() == {"counted": 1}
    assert len({tuple(ids(f)) for f in service.many("/api/find/search", q="shoes", shopper="ann")}) == 1
    assert httpx.delete(f"{service.address}/api/find/shoppers/ann", timeout=60).json() == {"forgotten": True}


def test_nothing_acknowledged_is_lost_when_workers_are_killed(service: Service) -> None:
    product, request = (lambda f: (ids(f)[0], f["request"]))(service.get("/api/find/search", q="lamp"))
    counted, stop = list[str](), Flag()

    def shopper(name: str) -> None:
        n = 0
        while not stop.is_set():
            n += 1
            event = {"kind": "click", "request": request, "product": product, "id": f"{name}-{n}"}
            with suppress(httpx.TransportError):  # its worker was killed: it was not told that the event counts
                if httpx.post(f"{service.address}/api/find/events", json=[event], timeout=60).status_code == 202:
                    counted.append(event["id"])

    threads = [Thread(target=shopper, args=(f"s{n}",)) for n in range(4)]
    for t in threads:
        t.start()
    try:
        for _ in range(3):
            enough = len(counted) + 5
            until(lambda enough=enough: len(counted) > enough)
            before = service.workers()
            with suppress(ProcessLookupError):  # it ended by itself a moment ago, which is as good
                os.kill(before[0], signal.SIGKILL)
            until(lambda before=before: len(service.workers()) == 2 and service.workers() != before)
    finally:
        stop.set()
        for t in threads:
            t.join()
    engines = Engines(Settings(home=service.home))
    kept = [f.id for f in DecisionLog(engines.events()).feedback()]
    engines.close()
    assert set(counted) <= set(kept) and len(counted) > 15
    until(lambda: all(f["total"] > 0 for f in service.many("/api/find/search", q="lamp")))


def test_the_end_of_the_service_loses_no_decision(indexed: Path) -> None:
    with begun(indexed, "home-ended") as service:
        served = {int(f["request"]) for f in service.many("/api/find/search", q="shoes")}
        workers = service.workers()
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(60) == 0
    assert not [p for p in workers if Path(f"/proc/{p}").exists()]
    engines = Engines(Settings(home=service.home))
    logged = {int(i) for r in DecisionLog(engines.events()).read(pipeline="find") for i in r.requests.ids.tolist()}
    engines.close()
    assert served <= logged
    assert [p.name for p in (service.home / "shops").glob("index-*")] == []  # the workers' copies


def test_workers_end_when_their_parent_is_killed(indexed: Path) -> None:
    with begun(indexed, "home-killed") as service:
        workers = service.workers()
        service.process.kill()
        until(lambda: not [p for p in workers if _lives(p)])


def _ready(address: str) -> bool:
    with suppress(httpx.TransportError):  # nobody took the connection yet
        return httpx.get(f"{address}/ready", timeout=10).status_code == 200
    return False


def _works(process: int) -> bool:
    with suppress(OSError):
        return _lives(process) and b"rialto.serve.worker" in Path(f"/proc/{process}/cmdline").read_bytes()
    return False


def _lives(process: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def test_settings_that_only_one_process_could_read_are_refused(tmp_path: Path) -> None:
    from rialto.app.systems import Systems

    systems = Systems(Engines(Settings(home=tmp_path, blobs="memory://")))
    with pytest.raises(BadSettings, match="other processes"):
        check(systems)
    systems.close()


@pytest.mark.parametrize("path", ["/api/find/events", "/api/find/products", "/api/find/rules", "/desk", "/city", "/ready", "/"])
def test_what_may_write_is_the_parents(path: str) -> None:
    assert not reads("GET", path) and not reads("POST", path)
    assert not reads("POST", "/api/find/search")


def test_a_copy_holds_what_the_index_holds_and_not_what_is_its_owners(tmp_path: Path) -> None:
    whole, copy = tmp_path / "index", tmp_path / "copy"
    for name, body in {"text/meta.json": b"{}", "text/seg.store": b"x" * 100_000, "text/.tantivy-writer.lock": b"",
                       "journal/0.log": b"j", "in-use": b"", "about.json": json.dumps({}).encode()}.items():  # fmt: skip
        (whole / name).parent.mkdir(parents=True, exist_ok=True)
        (whole / name).write_bytes(body)
    copy.mkdir()
    linked(whole, copy)
    assert sorted(str(p.relative_to(copy)) for p in copy.rglob("*") if p.is_file()) == [
        "about.json",
        "text/meta.json",
        "text/seg.store",
    ]
    assert (copy / "text" / "seg.store").stat().st_ino == (whole / "text" / "seg.store").stat().st_ino
