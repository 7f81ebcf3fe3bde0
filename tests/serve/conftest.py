"""A small made-up shop, city and studio behind the service: called in process, and over HTTP for browsers."""

import shutil
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Thread
from time import monotonic

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page, expect, sync_playwright

from rialto.app.engines import Engines
from rialto.app.systems import Systems
from rialto.cli.demo import listen
from rialto.config import Settings
from rialto.serve.service import create
from rialto.serve.worker import Server, config
from rialto.worlds.shop import make_shop

NOW_S = 1_800_000_000.0
PATIENCE_S = 60.0
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip


@pytest.fixture(scope="session")
def systems(tmp_path_factory: pytest.TempPathFactory) -> Generator[Systems, None, None]:
    """All three systems, built: 300 products, 60 drivers."""
    folder = tmp_path_factory.mktemp("serve")
    make_shop(seed=1, products=300).write(folder / "shop")
    made = Systems(
        Engines(Settings(home=folder / "home", seed=1, encoder="static://", cross="none://")),
        catalogue=str(folder / "shop" / "catalogue.jsonl"),
        drivers=60,
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
    listening = listen("127.0.0.1", 0)  # as the command does
    server = Server(config(create(systems), lifespan=False))
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


@pytest.fixture(scope="module")
def browser(chromium: str) -> Generator[Browser, None, None]:
    """Headless Chromium; patient, as a page's first request may compile kernels."""
    expect.set_options(timeout=30_000)
    with sync_playwright() as play:
        made = play.chromium.launch(executable_path=chromium, args=FLAGS)
        yield made
        made.close()


@pytest.fixture(params=[1280, 390], ids=["wide", "phone"])
def width(request: pytest.FixtureRequest) -> int:
    """A desktop's width and a phone's."""
    return request.param


@pytest.fixture
def page(browser: Browser, address: str, width: int) -> Generator[Page, None, None]:
    """A page at the service; afterwards it must have logged no error and asked nothing of anybody else."""
    context = browser.new_context(viewport={"width": width, "height": 850}, base_url=address, reduced_motion="reduce")
    made = context.new_page()
    made.set_default_timeout(60_000)
    errors: list[str] = []
    asked: list[str] = []
    made.on("console", lambda m: errors.append(m.text) if m.type in ("error", "warning") else None)
    made.on("pageerror", lambda e: errors.append(str(e)))
    context.on("request", lambda r: asked.append(r.url))
    yield made
    context.close()
    assert [e for e in errors if "404" not in e and "409" not in e] == []  # what the test itself provokes
    assert [url for url in asked if not url.startswith(address)] == []


@pytest.fixture
def violations() -> Callable[[Page], list[str]]:
    """What axe finds on a page."""

    def found(page: Page) -> list[str]:
        named = Axe().run(page).response["violations"]
        return [f"{v['id']}: {v['help']}: {[n['html'][:160] for n in v['nodes'][:3]]}" for v in named]

    return found
