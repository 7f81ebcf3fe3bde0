"""Searches over HTTP: the real command serves, another process asks over keep-alive connections, in turns with `/health` as the floor.

The floor is what the HTTP server and the framework can answer when there is nothing to decide; both load the same machine in one run.
Queries are distinct within a round (`cold`), as many as the shop has, and from the second round on the reader remembers them; `new` asks
what was never asked before, whatever the round; `hot` asks the most frequent ones as often as shoppers do.
One process and two workers serve at the same time and are asked in turns, each from a home of its own; `memory_mb_*` are proportional shares.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import urlopen

import numpy as np

from rialto.app.engines import Engines
from rialto.app.learning import fitter
from rialto.app.shop import open_shop, ranker_of
from rialto.cli.bench import Metric
from rialto.config import Settings
from rialto.find.judgments import judged
from rialto.find.train import from_judgments
from rialto.ports import ModelCard
from rialto.worlds.shop import Shop, make_shop

SIZE = 10
"""Hits a page."""
LOADER = Path(__file__).with_name("http_load.py")
PATIENCE_S = 300.0
COLOURS = ("red", "blue", "black", "white", "green", "grey", "yellow", "beige", "pink", "brown")
"""What is put behind the shop's queries, one in each round, to make such as nobody asked."""
WORKERS = (1, 2)
"""Processes that answer searches: the service as it comes, and one for each of two cores."""


def run(*, quick: bool = False) -> list[Metric]:
    """Requests a second, p50 and p99 of searches of ten hits with trees, and of `/health` beside them."""
    products, asked, rounds = (60, 40, 2) if quick else (20_000, 1500, 5)
    with TemporaryDirectory() as place:
        folder = Path(place)
        world = make_shop(seed=0, products=products)
        world.write(folder / "shop")
        settings, catalogue = (
            Settings(home=folder / "home", encoder="static://", cross="none://"),
            str(folder / "shop" / "catalogue.jsonl"),
        )
        prepare(settings, catalogue, world, grow=not quick)
        texts = [str(t) for t in world.queries.text]
        often = np.array(world.queries.frequency, dtype=np.float64)
        drawn = np.random.default_rng(0).choice(len(texts), size=asked, p=often / often.sum())
        kinds = {
            "cold": [address_of(t) for t in dict.fromkeys(texts)][:asked],
            "hot": [address_of(texts[i]) for i in drawn.tolist()],
            "health": ["/health"] * asked,
        }
        with ExitStack() as stack:
            services = {n: stack.enter_context(served(moved(settings, f"w{n}"), catalogue, workers=n)) for n in WORKERS}
            for service in services.values():
                wait(service.port, ("shop", "workers") if quick else ())
                for paths in kinds.values():
                    loaded(service.port, paths[:200])
            found = {(n, k): list[dict[str, float]]() for n in WORKERS for k in (*kinds, "new")}
            for colour in COLOURS[:rounds]:
                fresh = [address_of(f"{t} {colour}") for t in dict.fromkeys(texts) if colour not in t][: asked // 3]
                for kind, paths in [*kinds.items(), ("new", fresh)]:
                    for n, service in services.items():
                        found[n, kind].append(loaded(service.port, paths))
            memory = [m for n, s in services.items() for m in held(s, n)]
    return [m for n in WORKERS for k in ("new", "cold", "hot") for m in figures(k, n, found[n, k], found[n, "health"])] + memory


def address_of(text: str) -> str:
    """The address of one search."""
    return f"/api/find/search?size={SIZE}&q={quote(text)}"


def prepare(settings: Settings, catalogue: str, world: Shop, *, grow: bool) -> None:
    """Index the shop, and make trees live that learned from some of the world's grades."""
    engines = Engines(settings)
    search = open_shop(engines, catalogue=catalogue).search
    if grow:
        table = world.judgments()
        texts, some = [str(t) for t in world.queries.text], table.query < 120
        rows = zip(table.query[some].tolist(), table.product[some].tolist(), table.grade[some].tolist())
        told = judged(search.catalogue, [(texts[q], f"p{p:05d}", float(g)) for q, p, g in rows])
        examples = from_judgments(search, told)
        models, name = engines.models(), ranker_of(catalogue)
        models.promote(name, models.put(ModelCard(name, "trees", examples.names), fitter("YetiRank")(examples, 0)))
    search.close()
    engines.close()


def moved(settings: Settings, name: str) -> Settings:
    """The same settings with a copy of the home, as a home has one service."""
    home = settings.home.with_name(name)
    shutil.copytree(settings.home, home)
    return settings.model_copy(update={"home": home})


@dataclass(frozen=True)
class Service:
    """A service that runs: its port and its process."""

    port: int
    process: int


@contextmanager
def served(settings: Settings, catalogue: str, *, workers: int) -> Generator[Service, None, None]:
    """The service as people start it, which is not ready yet."""
    told = {"RIALTO_HOME": str(settings.home), "RIALTO_ENCODER": settings.encoder, "RIALTO_CROSS": settings.cross}
    command = [sys.executable, "-m", "rialto", "serve", "--port", "0", "--catalogue", catalogue, "--workers", str(workers)]
    with subprocess.Popen(command, env={**os.environ, **told}, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline().strip().rsplit(":", 1)[1])
            yield Service(port, server.pid)
        finally:
            server.terminate()
            server.wait(timeout=30)


def held(service: Service, workers: int) -> list[Metric]:
    """Memory of the service's parent and of its largest worker, each with its share of what they have in common, in MB."""
    children = Path(f"/proc/{service.process}/task/{service.process}/children")
    if not children.is_file():
        return []
    shares = [share(int(p)) for p in (service.process, *children.read_text().split())]
    out = [Metric(label("memory_mb", "parent", workers), shares[0], "MB", 0.0)]
    return out + ([Metric(label("memory_mb", "worker", workers), max(shares[1:]), "MB", 0.0)] if workers > 1 else [])


def share(process: int) -> float:
    """Proportional set size in MB."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1000.0


def label(name: str, kind: str, workers: int) -> str:
    """The name of a figure.

    Example:
        >>> label("requests_per_s", "cold", 1), label("requests_per_s", "hot", 2)
        ('http_requests_per_s', 'http_hot_requests_per_s_workers_2')
    """
    return f"http_{'' if kind == 'cold' else f'{kind}_'}{name}{'' if workers == 1 else f'_workers_{workers}'}"


def wait(port: int, parts: Sequence[str] = ()) -> None:
    """Wait until these parts are built, all where none is named; before that the service has other work."""
    until = monotonic() + PATIENCE_S
    while monotonic() < until:
        states = told_by(port)
        if states and all(states.get(p, "ready") == "ready" for p in parts or states):
            return
        sleep(0.1)
    raise TimeoutError(f"the service at port {port} is not ready after {PATIENCE_S} s: {told_by(port)}")


def told_by(port: int) -> dict[str, str]:
    """Part -> its state; nothing before the service listens."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/ready") as answer:
            return json.load(answer)["systems"]
    except HTTPError as e:
        return json.load(e)["systems"]
    except (URLError, ConnectionError):
        return {}


def loaded(port: int, paths: Sequence[str]) -> dict[str, float]:
    """Ask for all `paths` from another process; requests a second, p50 and p99 in milliseconds."""
    given = json.dumps({"port": port, "paths": list(paths)})
    made = subprocess.run(
        [sys.executable, "-S", str(LOADER)], input=given, capture_output=True, text=True, check=True, timeout=120
    )
    return json.loads(made.stdout)


def figures(kind: str, workers: int, rounds: Sequence[dict[str, float]], floor: Sequence[dict[str, float]]) -> list[Metric]:
    """Medians over the rounds, the spread over them, and the same of `/health`."""
    out = list[Metric]()
    for name, key, unit in (("requests_per_s", "per_s", "1/s"), ("p50_ms", "p50", "ms"), ("p99_ms", "p99", "ms")):
        mine, other = ([r[key] for r in rounds_] for rounds_ in (rounds, floor))
        spread = (max(mine) - min(mine)) / median(mine)
        ratio = median(mine) / median(other)
        out.append(Metric(label(name, kind, workers), median(mine), unit, spread, "/health", median(other), ratio))
    return out
