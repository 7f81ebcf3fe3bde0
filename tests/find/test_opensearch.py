"""One leg in this process and the other in OpenSearch: the same pipeline, and a server that goes away costs its leg alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import pytest

from rialto.adapters.opensearch import OpenSearchText, OpenSearchVectors
from rialto.app.engines import Engines
from rialto.app.shop import open_shop
from rialto.cli.bench import find_benchmark
from rialto.config import Settings
from rialto.find.catalogue import Catalogue
from rialto.find.pipeline import Search, build
from rialto.find.records import Selections
from rialto.find.retrieve import TEXT_FIELDS
from rialto.local.encoder import StaticEncoder
from rialto.local.text import TantivyText
from rialto.local.vectors import FlatVectors
from rialto.testing import servers

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("opensearch")]


def address(server: str, name: str) -> str:
    return server.replace("http", "opensearch") + f"/{name}?timeout_s=10"


def text_there(server: str, catalogue: Catalogue, encoder: StaticEncoder) -> Search:
    made = build(
        catalogue,
        text=OpenSearchText.beside(address(server, "legs"), TEXT_FIELDS, None),
        vectors=FlatVectors(32),
        encode=encoder.encode,
    )
    made.index()
    return made


def vectors_there(server: str, catalogue: Catalogue, encoder: StaticEncoder) -> Search:
    made = build(
        catalogue,
        text=TantivyText(TEXT_FIELDS),
        vectors=OpenSearchVectors.beside(address(server, "legs"), 32, None),
        encode=encoder.encode,
    )
    made.index()
    return made


@pytest.fixture(scope="module", params=[text_there, vectors_there], ids=["text", "vectors"])
def mixed(request: pytest.FixtureRequest, opensearch_url: str, catalogue: Catalogue, encoder: StaticEncoder) -> Iterator[Search]:
    made = request.param(opensearch_url, catalogue, encoder)
    yield made
    made.close()


def firsts(search: Search, texts: list[str], **more: object) -> list[list[int]]:
    decisions = search.search(texts, **more).decisions  # pyright: ignore[reportArgumentType]
    return [decisions.ids[a:b].tolist() for a, b in zip(decisions.offsets[:-1], decisions.offsets[1:])]


def test_mixed_engines_answer_much_as_local_ones_do(mixed: Search, search: Search, texts: list[str]) -> None:
    outcome = mixed.search(texts)
    assert outcome.trace.fallbacks == ()
    assert outcome.trace.balance().tolist() == [0] * len(texts)
    pairs = list(zip(firsts(search, texts), firsts(mixed, texts)))
    shared = [len(set(a) & set(b)) / max(len(a), 1) for a, b in pairs if a]
    assert sum(shared) / len(shared) > 0.7


def test_filters_are_exact_in_both_engines(mixed: Search, texts: list[str]) -> None:
    chosen = Selections(ranges={"price_cents": (1000.0, 5000.0)}, in_stock=True)
    c = mixed.catalogue
    for ids in firsts(mixed, texts, selections=[chosen] * len(texts)):
        rows = [c.row_of_id[c.product(i).id] for i in ids]
        assert all(1000 <= c.value("price_cents")[row] <= 5000 and not c.value("stock")[row] <= 0 for row in rows)


def test_a_server_that_goes_away_costs_its_leg_and_the_trace_says_so(
    catalogue: Catalogue, encoder: StaticEncoder, texts: list[str]
) -> None:
    if reason := servers.absent("opensearch"):
        pytest.skip(reason)
    with ExitStack() as stack:
        server = stack.enter_context(servers.opensearch_server(heap_mb=512))
        pairs = [(made(server, catalogue, encoder), leg) for made, leg in ((text_there, "lexical"), (vectors_there, "vector"))]
        assert [mixed.search(texts).trace.fallbacks for mixed, _ in pairs] == [(), ()]
        stack.close()
        for mixed, leg in pairs:
            start = monotonic()
            after = mixed.search(texts)
            assert monotonic() - start < 10.0, "a dead server is noticed at once, and a silent one after timeout_s"
            assert after.trace.fallbacks == (leg,)
            assert "does not answer" in str(after.trace)
            assert all(firsts(mixed, texts)), "the other leg finds something for every query"


def test_a_shop_is_kept_in_opensearch_and_opened_again(opensearch_url: str, world_folder: Path, tmp_path: Path) -> None:
    url = address(opensearch_url, "shop")
    settings = Settings(home=tmp_path, text=url, vectors=url, encoder="static://", cross="none://")
    pages = []
    for _ in range(2):
        engines = Engines(settings)
        shop = open_shop(engines, catalogue=str(world_folder / "catalogue.jsonl"))
        pages.append((shop.ingest is None, firsts(shop.search, ["red shoes", "lamp"])))
        shop.search.close()
        engines.close()
    (fresh, first), (again, second) = pages
    assert (fresh, again) == (False, True)
    assert first == second
    assert all(first)


def test_the_benchmark_measures_both_on_the_same_queries(opensearch_url: str, tmp_path: Path) -> None:
    run = find_benchmark("find_opensearch")
    bench = sys.modules[run.__module__]
    task = bench.made_up(tmp_path, 200)
    metrics = bench.compare(task, lambda: opensearch_url, requests=6, rounds=1, passes=0, sentences=False)
    found = {m.metric: m.value for m in metrics}
    assert {"ndcg_rialto", "ndcg_opensearch", "rialto_throughput", "opensearch_throughput", "throughput_ratio"} <= set(found)
    assert {"ndcg_opensearch_best_fields", "ndcg_opensearch_knn_static", "ndcg_opensearch_rrf_static"} <= set(found)
    assert all(0.2 < value <= 1.0 for name, value in found.items() if name.startswith("ndcg"))
    assert not set(task.tune.texts) & set(task.measure.texts)
