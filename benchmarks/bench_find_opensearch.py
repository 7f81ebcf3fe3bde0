"""Rialto's search beside a real OpenSearch: nDCG@10 on judged queries that neither was tuned on, and requests a second.

The catalogue is icecat's where RIALTO_DATA (or ../shared/data) has it, else the made-up shop. OpenSearch runs on this machine, one
shard, one segment, a heap of 1 GiB, and is given its best: `multi_match` of every type and `combined_fields`, two English
analysers, field weights, tie breaker and least match tuned on half of the judged queries; k-NN on the vectors that Rialto uses; both
summed by the server, or fused by the client (reciprocal ranks, min-max), as the plugin with its own fusion is not to be had. What is
best on the tuning half counts. Rialto's trees are trained on the same half. Both are measured on the other half.

Throughput: two client processes, each with its half of real shopping queries, in alternating rounds; every query was asked once
before, so that vectors of queries are at hand on both sides. Rialto is called in the clients' own processes, which share its memory,
OpenSearch over kept connections with bodies made beforehand; both answer with ten ids. Once a query a request, and once sixteen: a batch
on one side, `_msearch` on the other. Sentence vectors (MiniLM) of the catalogue take minutes and are kept under var/bench.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread, local
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from opensearch_peer import Hybrid, Lexical, Peer, answers, found, lines, quality, tuned_hybrid, tuned_lexical

from rialto.app.learning import fitter, scorer
from rialto.cli.bench import Metric
from rialto.errors import EngineError
from rialto.find.catalogue import Catalogue
from rialto.find.evaluate import evaluate, folds_of
from rialto.find.ingest import read_catalogue
from rialto.find.judgments import Judged, read_judgments
from rialto.find.pipeline import RANKER, Search, build
from rialto.find.retrieve import TEXT_FIELDS, QueryVectors, described
from rialto.find.train import from_judgments
from rialto.local.encoder import MiniLMEncoder, StaticEncoder
from rialto.local.models import LocalModels
from rialto.local.text import TantivyText
from rialto.local.vectors import UsearchVectors
from rialto.ports import ModelCard, TextIndex, TextQuery
from rialto.testing.servers import absent, opensearch_server
from rialto.worlds.shop import make_shop

DATA = Path(os.environ.get("RIALTO_DATA", "../shared/data"))
CLIENTS = 2
TOGETHER = 16
PEER = "OpenSearch"


Ask = Callable[[Sequence[str]], object]
Encode = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True)
class Side:
    """Rialto with one encoder: its search, the text index in it, the products' vectors, and the queries' as they are asked for."""

    search: Search
    text: TextIndex
    units: NDArray[np.float32]
    vectors: Encode


@dataclass(frozen=True)
class Task:
    """What is searched, what is judged (half to tune, half to measure), and what is asked for speed."""

    catalogue: Catalogue
    tune: Judged
    measure: Judged
    queries: list[str]


def run(*, quick: bool = False) -> list[Metric]:
    """Medians of five alternating rounds; without the real server, or when quick, the peer is BM25F alone."""
    with TemporaryDirectory(prefix="rialto-bench-") as folder, ExitStack() as stack:
        task = made_up(Path(folder), 200) if quick else icecat() or made_up(Path(folder), 4000)
        none = quick or absent("opensearch")
        server = None if none else partial(stack.enter_context, opensearch_server(lasting=True))  # starts when it is wanted
        return compare(task, server, requests=10 if quick else 300, rounds=5, passes=2, sentences=not quick)


def compare(
    task: Task, server: Callable[[], str] | None, *, requests: int, rounds: int, passes: int, sentences: bool
) -> list[Metric]:
    """Train, tune and measure both; `sentences` tries sentence vectors beside the static ones where they are installed."""
    sides = {name: trained(task, encode) for name, encode in encoders(task.catalogue, sentences=sentences).items()}
    # The encoder is chosen on the tuning half, by models that did not see the query they order.
    name = max(sides, key=lambda n: held_out(sides[n], task.tune)) if len(sides) > 1 else next(iter(sides))
    search, queries = sides[name].search, task.queries[:requests]
    mine = {n: quality(first_ten(s.search, task.measure.texts), task.measure) for n, s in sides.items()}
    metrics = [Metric(f"ndcg_rialto_{n}", value, "nDCG@10 trec", 0.0) for n, value in mine.items()]
    ask = partial(asked_of_rialto, search)
    if server is None:
        return [*metrics, *beside_bm25f(sides[name], mine[name], task, queries, rounds)]
    peer = Peer(server(), task.catalogue, {n: s.units for n, s in sides.items()})
    vectors = {n: s.vectors for n, s in sides.items()}
    tried, best = tuned(peer, task, vectors, passes)
    metrics += [Metric(f"ndcg_opensearch_{n}", value, "nDCG@10 trec", 0.0) for n, (_, value) in tried.items()]
    way, theirs = tried[best]
    theirs_asked = asked_of(peer, way, queries, vectors)
    rates, peers = alternating([ask, theirs_asked], queries, rounds)
    many, others = alternating([ask, theirs_asked], queries, rounds, together=TOGETHER)
    peer.close()
    fast, slow, batched = float(np.median(rates)), float(np.median(peers)), float(np.median(many))
    return [
        *metrics,
        Metric("ndcg_opensearch", theirs, f"nDCG@10 trec ({best})", 0.0),
        Metric("ndcg_rialto", mine[name], f"nDCG@10 trec (trees, {name})", 0.0, PEER, theirs, mine[name] / theirs),
        Metric("opensearch_throughput", slow, "requests/s", spread(peers)),
        Metric("rialto_throughput", fast, "requests/s", spread(rates), PEER, slow, fast / slow),
        Metric("throughput_ratio", fast / slow, "times", spread([a / b for a, b in zip(rates, peers)])),
        Metric(
            "rialto_batched",
            batched,
            f"requests/s, {TOGETHER} together",
            spread(many),
            PEER,
            float(np.median(others)),
            batched / float(np.median(others)),
        ),
    ]


def beside_bm25f(side: Side, mine: float, task: Task, queries: Sequence[str], rounds: int) -> list[Metric]:
    """Where there is no OpenSearch: Rialto beside its own text index, asked alone."""
    alone = side.text.search([TextQuery(t) for t in task.measure.texts], limit=10)
    theirs = quality([alone.ids[a:b].tolist() for a, b in zip(alone.offsets[:-1], alone.offsets[1:])], task.measure)
    asks = [partial(asked_of_rialto, side.search), lambda texts: side.text.search([TextQuery(t) for t in texts], limit=10)]
    rates, peers = alternating(asks, queries, rounds)
    fast, slow = float(np.median(rates)), float(np.median(peers))
    return [
        Metric("ndcg_rialto", mine, "nDCG@10 trec", 0.0, "BM25F alone", theirs, mine / theirs),
        Metric("rialto_throughput", fast, "requests/s", spread(rates), "BM25F alone", slow, fast / slow),
    ]


def tuned(
    peer: Peer, task: Task, vectors: dict[str, Encode], passes: int
) -> tuple[dict[str, tuple[Lexical | Hybrid, float]], str]:
    """Each way with its nDCG on the measuring half, and the name of the one that is best on the tuning half."""
    ways: dict[str, tuple[Lexical | Hybrid, str]] = {}
    none = np.zeros((len(task.tune), 1), np.float32)
    lexical = tuned_lexical(peer, task.tune, passes=passes)
    ways |= {kind: (way, "") for kind, way in lexical.items()}
    at_tuning = {kind: quality(answers(peer, way, task.tune.texts, none), task.tune) for kind, way in lexical.items()}
    words = lexical[max(at_tuning, key=lambda n: at_tuning[n])]
    for name, encode in vectors.items():
        mine = encode(task.tune.texts)
        for how, way in tuned_hybrid(peer, name, words, task.tune, mine).items():
            ways[f"{how}_{name}"] = (way, name)
            at_tuning[f"{how}_{name}"] = quality(answers(peer, way, task.tune.texts, mine), task.tune)
    measured = {
        label: (way, quality(answers(peer, way, task.measure.texts, _vectors(vectors, name, task.measure.texts)), task.measure))
        for label, (way, name) in ways.items()
    }
    return measured, max(at_tuning, key=lambda n: at_tuning[n])


def icecat() -> Task | None:
    """The real catalogue with real queries, or None where it is not here."""
    if not (DATA / "icecat" / "ratings.csv").is_file():
        return None
    catalogue = read_catalogue(str(DATA / "icecat" / "products.jsonl.gz")).catalogue
    judged = read_judgments(str(DATA / "icecat" / "ratings.csv"), catalogue)
    asked = (DATA / "shopping_queries" / "queries.txt").read_text("utf-8").splitlines()
    return halves(catalogue, judged, [*judged.texts, *asked])


def made_up(folder: Path, products: int) -> Task:
    """The made-up shop of `products`."""
    world = make_shop(seed=0, products=products)
    world.write(folder)
    catalogue = read_catalogue(str(folder / "catalogue.jsonl")).catalogue
    judged = read_judgments(str(folder / "judgments.csv"), catalogue, queries=str(folder / "queries.csv"))
    return halves(catalogue, judged, [str(t) for t in world.queries.text])


def halves(catalogue: Catalogue, judged: Judged, queries: Sequence[str]) -> Task:
    """Half to tune and half to measure, queries of the same words on one side."""
    used = judged.take(np.flatnonzero(judged.spread))
    fold = folds_of(used.texts, 2, seed=0)
    rng = np.random.default_rng(0)
    mixed = [queries[at] for at in rng.permutation(len(queries))]
    return Task(catalogue, used.take(np.flatnonzero(fold == 0)), used.take(np.flatnonzero(fold == 1)), mixed)


def encoders(catalogue: Catalogue, *, sentences: bool) -> dict[str, Encode]:
    """The encoders that are here, by name."""
    texts = described(catalogue)
    made: dict[str, Encode] = {"static": StaticEncoder.fit(texts).encode}
    home = Path("var/bench")
    if not sentences:
        return made
    try:
        home.mkdir(parents=True, exist_ok=True)
        encode = MiniLMEncoder(home / "minilm").encode
    except EngineError:
        return made  # it is not installed: the static vectors alone
    file = home / f"minilm-{blake2b(''.join(texts).encode(), digest_size=8).hexdigest()}.npy"
    if not file.is_file():
        np.save(file, np.concatenate([encode(texts[at : at + 512]) for at in range(0, len(texts), 512)]))
    held = dict(zip(texts, np.load(file)))

    def remembered(asked: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([held[t] for t in asked]) if all(t in held for t in asked) else encode(asked)

    return {**made, "minilm": remembered}


def trained(task: Task, encode: Encode) -> Side:
    """A search over engines in this process, its ranker trained on the tuning half."""
    models = LocalModels()
    dimensions = np.asarray(encode(["x"])).shape[1]
    text = TantivyText(TEXT_FIELDS)
    search = build(task.catalogue, text=text, vectors=UsearchVectors(dimensions), encode=encode, models=models)
    units = search.index()
    assert units is not None
    examples = from_judgments(search, task.tune)
    models.promote(RANKER, models.put(ModelCard(RANKER, "trees", examples.names), fitter("YetiRank")(examples, 0)))
    search.refresh()
    return Side(search, text, units, QueryVectors(encode).of)


def held_out(side: Side, judged: Judged) -> float:
    """nDCG of the trees on `judged` by three folds."""
    found = evaluate(side.search, judged, fit=fitter("YetiRank"), score=scorer(LocalModels()), folds=3, stages=("trees",))
    return found["trees"].intervals["ndcg_trec"].value


def first_ten(search: Search, texts: Sequence[str]) -> list[list[int]]:
    """Ten products for each text as they are ranked, variants of one model each for itself, as OpenSearch lists them."""
    ranked = search.search(texts).ranked
    order = np.lexsort((ranked.ids, -ranked.column("score"), ranked.owner))
    return [ranked.ids[order[a:b]][:10].tolist() for a, b in zip(ranked.offsets[:-1], ranked.offsets[1:])]


def _vectors(vectors: dict[str, Encode], name: str, texts: Sequence[str]) -> NDArray[np.float32]:
    return vectors[name](texts) if name else np.zeros((len(texts), 1), np.float32)


def asked_of_rialto(search: Search, texts: Sequence[str]) -> object:
    return search.search(texts)


def asked_of(peer: Peer, way: Lexical | Hybrid, queries: Sequence[str], vectors: dict[str, Encode]) -> Ask:
    """One request to OpenSearch, from bytes that were made beforehand, over a connection of the client's own."""

    def searches(text: str) -> bytes:
        if isinstance(way, Lexical):
            return lines([found(way.query(text), 10)])
        return lines(way.bodies(text, vectors[way.vectors]([text])[0].tolist()))

    bodies, mine = {text: searches(text) for text in queries}, local()

    def ask(texts: Sequence[str]) -> object:
        if not hasattr(mine, "wire"):
            mine.wire = peer.connection()
        lists = mine.wire.search(b"".join(bodies[text] for text in texts))
        if isinstance(way, Lexical):
            return lists
        each = len(lists) // len(texts)
        return [way.fused(lists[at : at + each]) for at in range(0, len(lists), each)]

    return ask


def alternating(asks: Sequence[Ask], queries: Sequence[str], rounds: int, *, together: int = 1) -> list[list[float]]:
    """Requests a second of each, round by round, after every query was asked once by a thread of its own, whose connection is not shared."""
    parts = [queries[at : at + together] for at in range(0, len(queries), together)]
    for ask in asks:
        asked = Thread(target=lambda a=ask: [a(part) for part in parts])
        asked.start()
        asked.join()
    rates: list[list[float]] = [[] for _ in asks]
    for _ in range(rounds):
        for held, ask in zip(rates, asks):
            held.append(len(queries) / by_clients(ask, parts))
    return rates


def by_clients(ask: Ask, parts: Sequence[Sequence[str]]) -> float:
    """Seconds that `CLIENTS` processes take, forked from this one, each with its share of the requests."""
    forked = get_context("fork")
    ready, go = forked.Barrier(CLIENTS + 1), forked.Barrier(CLIENTS + 1)

    def client(mine: Sequence[Sequence[str]]) -> None:
        for part in mine[:1]:  # its connection
            ask(part)
        ready.wait()
        go.wait()
        for part in mine:
            ask(part)

    clients = [forked.Process(target=client, args=(parts[at::CLIENTS],)) for at in range(CLIENTS)]
    for process in clients:
        process.start()
    ready.wait(60)
    go.wait(60)
    start = perf_counter()
    for process in clients:
        process.join(300)
    seconds = perf_counter() - start
    if any(process.exitcode for process in clients):
        raise RuntimeError(f"a client ended with {[process.exitcode for process in clients]}; wanted 0 of all.")
    return seconds


def spread(values: Sequence[float]) -> float:
    return (max(values) - min(values)) / float(np.median(values))
