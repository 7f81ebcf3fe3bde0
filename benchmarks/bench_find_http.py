"""Searches over HTTP: the real command serves, another process asks over keep-alive connections, in turns with `/health` as the floor.

The floor is what the HTTP server and the framework can answer when there is nothing to decide; both load the same machine in one run.
Queries are distinct within a round (`cold`), as many as the shop has; `hot` asks the most frequent ones as often as shoppers do.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from urllib.error import URLError
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
PATIENCE_S = 120.0


def run(*, quick: bool = False) -> list[Metric]:
    """Requests a second, p50 and p99 of searches of ten hits with trees, and of `/health` beside them."""
    products, asked, rounds = (60, 40, 2) if quick else (20_000, 1500, 5)
    with TemporaryDirectory() as place:
        folder = Path(place)
        world = make_shop(seed=0, products=products)
        world.write(folder / "shop")
        settings = Settings(home=folder / "home", encoder="static://", cross="none://")
        prepare(settings, str(folder / "shop" / "catalogue.jsonl"), world, grow=not quick)
        texts = [str(t) for t in world.queries.text]
        often = np.array(world.queries.frequency, dtype=np.float64)
        drawn = np.random.default_rng(0).choice(len(texts), size=asked, p=often / often.sum())
        kinds = {
            "cold": [address_of(t) for t in dict.fromkeys(texts)][:asked],
            "hot": [address_of(texts[i]) for i in drawn.tolist()],
            "health": ["/health"] * asked,
        }
        with served(settings, str(folder / "shop" / "catalogue.jsonl")) as port:
            for paths in kinds.values():
                loaded(port, paths[:200])
            found = {k: list[dict[str, float]]() for k in kinds}
            for _ in range(rounds):
                for kind, paths in kinds.items():
                    found[kind].append(loaded(port, paths))
    return [m for kind in ("cold", "hot") for m in figures(kind, found[kind], found["health"])]


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


@contextmanager
def served(settings: Settings, catalogue: str) -> Generator[int, None, None]:
    """The service as people start it; its port, once the shop is there."""
    told = {"RIALTO_HOME": str(settings.home), "RIALTO_ENCODER": settings.encoder, "RIALTO_CROSS": settings.cross}
    command = [sys.executable, "-m", "rialto", "serve", "--port", "0", "--catalogue", catalogue]
    with subprocess.Popen(command, env={**os.environ, **told}, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline().strip().rsplit(":", 1)[1])
            until = monotonic() + PATIENCE_S
            while not answered(port) and monotonic() < until:
                sleep(0.1)
            yield port
        finally:
            server.terminate()
            server.wait(timeout=30)


def answered(port: int) -> bool:
    """Whether everything is built; before that the service has other work."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/ready") as answer:
            return answer.status == 200
    except URLError:
        return False


def loaded(port: int, paths: Sequence[str]) -> dict[str, float]:
    """Ask for all `paths` from another process; requests a second, p50 and p99 in milliseconds."""
    given = json.dumps({"port": port, "paths": list(paths)})
    made = subprocess.run(
        [sys.executable, "-S", str(LOADER)], input=given, capture_output=True, text=True, check=True, timeout=120
    )
    return json.loads(made.stdout)


def figures(kind: str, rounds: Sequence[dict[str, float]], floor: Sequence[dict[str, float]]) -> list[Metric]:
    """Medians over the rounds, the spread over them, and the same of `/health`."""
    out = list[Metric]()
    for name, key, unit in (("requests_per_s", "per_s", "1/s"), ("p50_ms", "p50", "ms"), ("p99_ms", "p99", "ms")):
        mine, other = ([r[key] for r in rounds_] for rounds_ in (rounds, floor))
        spread = (max(mine) - min(mine)) / median(mine)
        label = f"http_{name}" if kind == "cold" else f"http_{kind}_{name}"
        out.append(Metric(label, median(mine), unit, spread, "/health", median(other), median(mine) / median(other)))
    return out
