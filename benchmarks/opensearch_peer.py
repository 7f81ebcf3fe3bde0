"""OpenSearch as a shop would set it up without plugins of its own: multi_match tuned on judged queries, k-NN, and the two fused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from rialto.errors import EngineLost
from rialto.find.catalogue import Catalogue
from rialto.find.judgments import Judged
from rialto.find.retrieve import documents
from rialto.spine.evaluate import graded, ndcg

INDEX = "plain"
NAMES = ("title", "names", "brand", "category", "description", "attributes")
START = (3.0, 2.0, 2.0, 2.0, 1.0, 0.5)
DEPTH = 100
Vectors = Mapping[str, NDArray[np.float32]]
Scored = list[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Lexical:
    """One way to ask: kind of query, analyser of the fields (`english`, or `parts`, which divides model numbers), weights."""

    kind: str
    analyser: str = "english"
    weights: tuple[float, ...] = START
    tie: float | None = None
    least: str = ""

    def query(self, text: str) -> dict[str, object]:
        lowest = min(w for w in self.weights if w > 0)  # combined_fields wants weights of 1 or more
        fields = [f"{n}.{self.analyser}^{w / lowest:.4g}" for n, w in zip(NAMES, self.weights) if w > 0]
        body: dict[str, object] = {"query": text, "fields": fields}
        if self.least:
            body["minimum_should_match"] = self.least
        if self.kind == "combined_fields":
            return {"combined_fields": body}
        if self.tie is not None:
            body["tie_breaker"] = self.tie
        return {"multi_match": {**body, "type": self.kind}}


@dataclass(frozen=True, slots=True)
class Hybrid:
    """A lexical way and the nearest vectors: `knn` alone, `bool` (summed by the server), `rrf` or `minmax` (fused by the client)."""

    how: str
    vectors: str
    lexical: Lexical
    share: float = 0.5
    smooth: float = 60.0

    def bodies(self, text: str, vector: Sequence[float]) -> list[dict[str, object]]:
        """The searches of one request, one or two."""
        # The server refuses a vector without a direction, which is what an encoder says of words that it never saw.
        boost = {"boost": self.smooth} if self.how == "bool" else {}
        asked = {"vector": list(vector), "k": DEPTH, **boost}
        near: dict[str, object] = {"knn": {self.vectors: asked}} if any(vector) else {"match_none": {}}
        if self.how == "knn":
            return [found(near, 10)]
        words = self.lexical.query(text)
        if self.how == "bool":
            return [found({"bool": {"should": [words, near]}}, 10)]
        return [found(words, DEPTH), found(near, DEPTH)]

    def fused(self, lists: Sequence[Scored]) -> list[int]:
        """Ten products of the answers to `bodies`."""
        if len(lists) == 1:
            return [i for i, _ in lists[0][:10]]
        total: dict[int, float] = {}
        for weight, part in zip((1.0 - self.share, self.share), lists):
            scores = [s for _, s in part]
            low, span = (min(scores), max(max(scores) - min(scores), 1e-9)) if scores else (0.0, 1.0)
            for rank, (number, score) in enumerate(part, start=1):
                worth = 1.0 / (self.smooth + rank) if self.how == "rrf" else (score - low) / span
                total[number] = total.get(number, 0.0) + weight * worth
        return sorted(total, key=lambda i: (-total[i], i))[:10]


def found(query: Mapping[str, object], size: int) -> dict[str, object]:
    """A search's body that fetches ids alone."""
    return {"query": query, "size": size, "track_total_hits": False, "stored_fields": "_none_", "docvalue_fields": ["id"]}


class Wire:
    """One kept connection; each client has its own."""

    def __init__(self, url: str) -> None:
        self._http = HTTPConnection(urlsplit(url).netloc, timeout=120)

    def close(self) -> None:
        self._http.close()

    def call(self, method: str, path: str, body: bytes | None = None) -> dict[str, object]:
        self._http.request(method, path, body, {"content-type": "application/json"})
        answer = self._http.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise EngineLost(f"OpenSearch answers {answer.status}: {text[:500]!r}")
        return json.loads(text)

    def search(self, bodies: bytes) -> list[Scored]:
        """Ids and scores of each search of an _msearch."""
        path = f"/{INDEX}/_msearch?filter_path=responses.hits.hits._score,responses.hits.hits.fields,responses.error,responses.status"
        answers: list[dict[str, object]] = self.call("POST", path, bodies).get("responses", [])  # type: ignore[assignment]
        for answer in answers:
            if "error" in answer:
                raise EngineLost(f"OpenSearch answers {answer['error']!r:.500}")
        return [
            [(h["fields"]["id"][0], h["_score"]) for h in a.get("hits", {}).get("hits", ())]  # type: ignore[attr-defined]
            for a in answers
        ]


def lines(bodies: Sequence[Mapping[str, object]]) -> bytes:
    """Searches as _msearch takes them."""
    return "".join(f"{{}}\n{json.dumps(body)}\n" for body in bodies).encode()


class Peer:
    """The catalogue in an OpenSearch of its own, asked in any way."""

    def __init__(self, url: str, catalogue: Catalogue, vectors: Vectors) -> None:
        self._url, self._wires = url, list[Wire]()
        self.wire = self.connection()
        self.wire.call("PUT", f"/{INDEX}", json.dumps(settings(vectors)).encode())
        for part in rows(catalogue, vectors):
            self.wire.call("POST", f"/{INDEX}/_bulk?filter_path=errors", part)
        self.wire.call("POST", f"/{INDEX}/_forcemerge?max_num_segments=1&flush=true")
        self.wire.call("POST", f"/{INDEX}/_refresh")
        self.combined = tuple(int(n) for n in self._version().split(".")[:2]) >= (3, 2)

    def connection(self) -> Wire:
        """Another connection, closed with the rest."""
        self._wires.append(Wire(self._url))
        return self._wires[-1]

    def close(self) -> None:
        for wire in self._wires:
            wire.close()

    def lists(self, bodies: Sequence[Mapping[str, object]]) -> list[Scored]:
        """The answers to many searches, fifty a call."""
        return [a for at in range(0, len(bodies), 50) for a in self.wire.search(lines(bodies[at : at + 50]))]

    def lexical(self, way: Lexical, texts: Sequence[str], size: int = 10) -> list[Scored]:
        return self.lists([found(way.query(t), size) for t in texts])

    def _version(self) -> str:
        return str(self.wire.call("GET", "/")["version"]["number"])  # type: ignore[index]


def settings(vectors: Vectors) -> dict[str, object]:
    parts = {"type": "word_delimiter_graph", "catenate_all": True, "split_on_numerics": False, "split_on_case_change": False,
             "preserve_original": True}  # fmt: skip
    chain = ["parts", "flatten_graph", "asciifolding", "lowercase", "endings"]
    analysis = {
        "filter": {"parts": parts, "endings": {"type": "stemmer", "language": "english"}},
        "analyzer": {"parts": {"tokenizer": "whitespace", "filter": chain}},
    }
    text = {"type": "text", "index": False, "fields": {a: {"type": "text", "analyzer": a} for a in ("english", "parts")}}
    method = {"name": "hnsw", "engine": "lucene", "space_type": "cosinesimil", "parameters": {"m": 16, "ef_construction": 128}}
    near = {n: {"type": "knn_vector", "dimension": u.shape[1], "method": method} for n, u in vectors.items()}
    index = {"knn": True, "number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": -1}
    properties = {"id": {"type": "long"}, **dict.fromkeys(NAMES, text), **near}
    return {
        "settings": {"index": index, "analysis": analysis},
        "mappings": {"_source": {"enabled": False}, "dynamic": False, "properties": properties},
    }


def rows(catalogue: Catalogue, vectors: Vectors) -> Iterator[bytes]:
    texts = documents(catalogue)
    for at in range(0, len(catalogue), 500):
        part: list[str] = []
        for row in range(at, min(at + 500, len(catalogue))):
            body: dict[str, object] = {"id": int(catalogue.numbers[row]), **{n: texts[n][row] for n in NAMES}}
            body |= {n: [round(x, 7) for x in u[row].tolist()] for n, u in vectors.items() if u[row].any()}
            part += [f'{{"index":{{"_id":"{body["id"]}"}}}}', json.dumps(body)]
        yield ("\n".join(part) + "\n").encode()


def quality(lists: Sequence[Sequence[int]], judged: Judged) -> float:
    """nDCG@10 as TREC has it, mean over queries."""
    offsets = np.cumsum([0, *(len(x) for x in lists)], dtype=np.int64)
    ids = np.array([i for x in lists for i in x], dtype=np.int64)
    return float(np.nanmean(ndcg(graded(offsets, ids, judged.judgments), kind="trec")))


def tuned_lexical(peer: Peer, judged: Judged, *, passes: int) -> dict[str, Lexical]:
    """The best way of each kind on `judged`: tie breaker, analyser and least match by grid, then each weight in turn."""

    def score(way: Lexical) -> float:
        return quality([[i for i, _ in x] for x in peer.lexical(way, judged.texts)], judged)

    ties = {"best_fields": (0.0, 0.3, 0.7, 1.0), "cross_fields": (0.0, 0.3, 0.7, 1.0), "most_fields": (None,)}
    kinds: dict[str, tuple[float | None, ...]] = {**ties, **({"combined_fields": (None,)} if peer.combined else {})}
    chosen: dict[str, Lexical] = {}
    for kind, values in kinds.items():
        grid = [
            Lexical(kind, analyser, START, tie, least)
            for tie in values
            for analyser in ("english", "parts")
            for least in ("", "2<-1", "60%")
        ]
        chosen[kind] = climbed(max(grid, key=score), score, passes)
    return chosen


def climbed(way: Lexical, score: Callable[[Lexical], float], passes: int) -> Lexical:
    """Each weight in turn set to what scores best, `passes` times over."""
    best = score(way)
    for _ in range(passes):
        for at, w in enumerate(way.weights):
            for factor in (0.0, 0.33, 0.6, 1.6, 3.0):
                other = replace(way, weights=(*way.weights[:at], w * factor, *way.weights[at + 1 :]))
                if any(other.weights) and (now := score(other)) > best:
                    best, way = now, other
    return way


def tuned_hybrid(peer: Peer, name: str, lexical: Lexical, judged: Judged, vectors: NDArray[np.float32]) -> dict[str, Hybrid]:
    """The best of each way to fuse on `judged`; `vectors` (queries, dimensions) are the queries' own."""
    near = peer.lists([Hybrid("rrf", name, lexical).bodies(t, v.tolist())[1] for t, v in zip(judged.texts, vectors)])
    words = peer.lexical(lexical, judged.texts, DEPTH)

    def client(way: Hybrid) -> float:
        return quality([way.fused(pair) for pair in zip(words, near)], judged)

    shares = np.round(np.arange(0.1, 0.95, 0.1), 2).tolist()
    rrf = [Hybrid("rrf", name, lexical, s, k) for s in shares for k in (1.0, 5.0, 20.0, 60.0)]
    summed = [Hybrid("bool", name, lexical, smooth=b) for b in (1.0, 3.0, 10.0, 20.0, 40.0, 80.0, 160.0)]
    return {
        "knn": Hybrid("knn", name, lexical),
        "rrf": max(rrf, key=client),
        "minmax": max((Hybrid("minmax", name, lexical, s) for s in shares), key=client),
        "bool": max(summed, key=lambda way: quality(answers(peer, way, judged.texts, vectors), judged)),
    }


def answers(peer: Peer, way: Lexical | Hybrid, texts: Sequence[str], vectors: NDArray[np.float32]) -> list[list[int]]:
    """Ten products for each text."""
    if isinstance(way, Lexical):
        return [[i for i, _ in x] for x in peer.lexical(way, texts)]
    asked = [way.bodies(t, v.tolist()) for t, v in zip(texts, vectors)]
    flat = iter(peer.lists([body for bodies in asked for body in bodies]))
    return [way.fused([next(flat) for _ in bodies]) for bodies in asked]
