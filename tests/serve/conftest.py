"""A small made-up shop, city and studio behind the service: called in process, and over HTTP for browsers."""

import shutil
import socket
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Thread
from time import monotonic

import httpx
import pytest
import uvicorn
from fastapi.testclient import TestClient

from rialto.app.engines import Engines
from rialto.app.systems import Systems
from rialto.config import Settings
from rialto.serve.service import create
from rialto.worlds.shop import make_shop

NOW_S = 1_800_000_000.0
PATIENCE_S = 60.0


@pytest.fixture(scope="session")
def systems(tmp_path_factory: pytest.TempPathFactory) -> Generator[Systems, None, None]:
    """All three systems, built: 300 products, 60 drivers."""
    folder = tmp_path_factory.mktemp("serve")
    make_shop(seed=1, products=300).write(folder / "shop")
    made = Systems(
        Engines(Settings(home=folder / "home", seed=1)), catalogue=str(folder / "shop" / "catalogue.jsonl"), drivers=60
    )
    for part in ("shop", "city", "studio"):
        made.build(part)
    yield made
    made.close()


@pytest.fixture(scope="session")
def client(systems: Systems) -> TestClient:
    """The service, called in process; the systems stay open behind it."""
    return TestClient(create(systems, clock=lambda: NOW_S), raise_server_exceptions=False)


@contextmanager
def _serving(systems: Systems) -> Generator[str, None, None]:
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(create(systems), log_level="warning", lifespan="off", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=PATIENCE_S)
        listening.close()


@pytest.fixture(scope="session")
def serving() -> Callable[[Systems], AbstractContextManager[str]]:
    """Serves systems over HTTP on a free port for a while, and tells the address."""
    return _serving


@pytest.fixture(scope="session")
def address(systems: Systems, serving: Callable[[Systems], AbstractContextManager[str]]) -> Generator[str, None, None]:
    """Where the service listens, with everything ready."""
    with serving(systems) as where:
        until = monotonic() + PATIENCE_S
        while httpx.get(f"{where}/ready").status_code != 200 and monotonic() < until:
            pass
        yield where


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the system's Chromium."""
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("no chromium on the path: install the system's chromium package to test the pages in a browser")
    return found


@pytest.fixture
def broken(tmp_path: Path) -> Generator[Systems, None, None]:
    """Systems whose shop cannot be built, as its catalogue is not there, and whose other parts are not built yet."""
    made = Systems(Engines(Settings(home=tmp_path)), catalogue=str(tmp_path / "absent.jsonl"))
    made.build("shop")
    yield made
    made.close()
