"""A search end to end at 20,000 products: trees alone and all phases, suggestions, and the cost beside a bare index and bare trees."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import tantivy

from rialto.app.cross import open_cross
from rialto.app.engines import Engines
from rialto.app.learning import fitter
from rialto.cli.bench import Metric
from rialto.config import Settings
from rialto.find.catalogue import Catalogue
from rialto.find.ingest import read_catalogue
from rialto.find.judgments import judged
from rialto.find.pipeline import RANKER, Search, build
from rialto.find.retrieve import TEXT_FIELDS, described, documents
from rialto.find.train import from_judgments
from rialto.local.models import LocalModels
from rialto.local.text import TantivyText
from rialto.local.trees import Trees
from rialto.ports import ModelCard
from rialto.spine.features import matrix
from rialto.worlds.shop import Shop, make_shop

ROUNDS = 5
CANDIDATES = 1000


def shop(products: int, folder: Path) -> tuple[Catalogue, Shop]:
    """A made-up shop, read as any catalogue is."""
    world = make_shop(seed=0, products=products)
    world.write(folder)
    return read_catalogue(str(folder / "catalogue.jsonl")).catalogue, world


def taught(search: Search, world: Shop, models: LocalModels) -> bytes:
    """Trees trained on some of the world's own grades, made live; their bytes."""
    table = world.judgments()
    texts = [str(t) for t in world.queries.text]
    some = table.query < 120
    rows = zip(table.query[some].tolist(), table.product[some].tolist(), table.grade[some].tolist())
    told = judged(search.catalogue, [(texts[q], f"p{p:05d}", float(g)) for q, p, g in rows])
    examples = from_judgments(search, told)
    body = fitter("YetiRank")(examples, 0)
    models.promote(RANKER, models.put(ModelCard(RANKER, "trees", examples.names), body))
    search.refresh()
    return body


class Bare:
    """What a search cannot do without: one query of a plain index for its best thousand, and the trees over a hundred rows.

    As many are fetched as the search's own lexical leg fetches, numbers and scores as arrays; no filter, price bound or feature.
    """

    def __init__(self, catalogue: Catalogue, body: bytes, inputs: np.ndarray) -> None:
        schema = tantivy.SchemaBuilder().add_integer_field("number", indexed=True, fast=True)
        for field in TEXT_FIELDS:
            schema = schema.add_text_field(field.name, tokenizer_name="en_stem")
        self._index = tantivy.Index(schema.build())
        writer = self._index.writer(64_000_000, 1)
        texts = documents(catalogue)
        for row, number in enumerate(catalogue.numbers.tolist()):
            document = tantivy.Document()
            document.add_integer("number", number)
            for name, column in texts.items():
                document.add_text(name, str(column[row]))
            writer.add_document(document)
        writer.commit()
        writer.wait_merging_threads()
        self._index.reload()
        self._searcher = self._index.searcher()
        self._names, self._boosts = [f.name for f in TEXT_FIELDS], {f.name: f.boost for f in TEXT_FIELDS}
        self._trees, self._inputs = Trees.from_bytes(body), inputs

    def ask(self, text: str) -> int:
        words = " ".join("".join(c if c.isalnum() else " " for c in text).split()) or "x"
        query = self._index.parse_query(words.lower(), self._names, field_boosts=self._boosts)
        hits = self._searcher.search(query, CANDIDATES, count=False).hits
        numbers = np.array(self._searcher.fast_field_values("number", [address for _, address in hits]), dtype=np.int64)
        scores = np.array([score for score, _ in hits])
        return len(numbers) + len(scores) + len(self._trees.score(self._inputs))


def times_ms(ask: Callable[[str], object], texts: Sequence[str]) -> np.ndarray:
    out = np.empty(len(texts))
    for at, text in enumerate(texts):
        start = perf_counter()
        ask(text)
        out[at] = 1e3 * (perf_counter() - start)
    return out


def alternating(asks: Sequence[Callable[[str], object]], texts: Sequence[str], rounds: int) -> list[list[np.ndarray]]:
    """Times of each of `asks`, a list of rounds; they take turns, so that what else the machine does hits all alike."""
    for ask in asks:
        times_ms(ask, texts[:50])
    gc.collect()
    gc.freeze()
    found: list[list[np.ndarray]] = [[] for _ in asks]
    for _ in range(rounds):
        for into, ask in zip(found, asks):
            into.append(times_ms(ask, texts))
    gc.unfreeze()
    return found


def figures(name: str, rounds: list[np.ndarray]) -> list[Metric]:
    """p50 and p99 over all rounds; the spread is that of the rounds."""
    out = []
    for label, q in (("p50", 50), ("p99", 99)):
        each = [float(np.percentile(r, q)) for r in rounds]
        out.append(Metric(f"{name}_{label}_ms", float(np.median(each)), "ms", (max(each) - min(each)) / float(np.median(each))))
    return out


def run(*, quick: bool = False) -> list[Metric]:
    """Medians of five rounds of all queries; `overhead_ratio` is the trees phase's time over the bare index's and the bare trees'.

    Every query comes once a round and once before: what is kept of a text's analysis (some 30 us) is there, answers are not kept.
    """
    products, rounds = (600, 2) if quick else (20_000, ROUNDS)
    with TemporaryDirectory() as place:
        folder = Path(place)
        catalogue, world = shop(products, folder / "shop")
        texts = [str(t) for t in world.queries.text][: 60 if quick else 500]
        models, index = LocalModels(), TantivyText(TEXT_FIELDS)
        start = perf_counter()
        plain = build(catalogue, text=index, models=models)
        plain.index()
        seconds = perf_counter() - start
        body = taught(plain, world, models)
        ranked = plain.search(texts[:1]).ranked
        inputs = matrix(ranked, plain.inputs)[:100]
        bare = Bare(catalogue, body, np.ascontiguousarray(np.resize(inputs, (100, inputs.shape[1]))))
        from rialto.find.page import Pages

        pages = Pages(plain, {t: float(n) for t, n in zip(texts, world.queries.frequency)})
        prefixes = [t[: 1 + (7 * at) % max(len(t), 1)] for at, t in enumerate(texts)]
        trees, peer = alternating([lambda t: plain.search([t]), bare.ask], texts, rounds)
        whole = alternating([lambda t: pages.page(t, size=10)], texts, rounds)[0]
        typed = alternating([pages.suggest], prefixes, rounds)[0]
        every = _all_phases(catalogue, models, folder, texts, rounds)
    found = [*figures("trees", trees), *figures("page", whole), *figures("suggest", typed), *every]
    mine, theirs = ([float(np.median(r)) for r in rounds] for rounds in (trees, peer))
    ratios = [a / b for a, b in zip(mine, theirs)]
    found.append(Metric("overhead_ratio", float(np.median(ratios)), "trees phase / bare", (max(ratios) - min(ratios)) / float(np.median(ratios)),
                        "bare tantivy query + bare trees, ms", float(np.median(theirs)), float(np.median(ratios))))  # fmt: skip
    found.append(Metric("index_s", seconds, f"s for {products} products without encoder", 0.0))
    return found


def _all_phases(catalogue: Catalogue, models: LocalModels, folder: Path, texts: list[str], rounds: int) -> list[Metric]:
    """All phases with the encoder that is installed."""
    engines = Engines(Settings(home=folder / "home"))
    name = engines.encoder_name(len(catalogue))
    encode = engines.encoder(described(catalogue), saved=folder / "encoder.npz")
    vectors = engines.vectors(encode(["x"]).shape[1], None)
    search = build(catalogue, text=TantivyText(TEXT_FIELDS), vectors=vectors, encode=encode, models=models, encoder_name=name)
    search.index()
    if not engines.reads_pairs():
        return figures("all", alternating([lambda t: search.search([t])], texts, rounds)[0])
    cross = open_cross(folder / "home", catalogue)
    whole = search.fitted(cross=cross.read, cross_version=cross.version)
    found = figures("all", alternating([lambda t: whole.search([t])], texts, rounds)[0])
    depths = [float(np.nanmax(whole.search([t]).ranked.column("cross_depth"), initial=0.0)) for t in texts[:100]]
    cross.close()
    return [*found, Metric("all_depth", float(np.mean(depths)), "candidates read", 0.0)]
