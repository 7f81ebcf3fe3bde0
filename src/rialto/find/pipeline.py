"""Product search, wired: reads from top to bottom like a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.catalogue import Catalogue
from rialto.find.decide import decider, sort_phase
from rialto.find.facets import FacetTable
from rialto.find.features import FEATURES, Knowledge, features, first
from rialto.find.fusion import Fusion
from rialto.find.query import Understood, understand
from rialto.find.records import Selections
from rialto.find.retrieve import Encode, QueryVectors, browse, described, documents, filter_columns, lexical, vector
from rialto.find.select import filters
from rialto.find.weights import DEFAULT, Weights
from rialto.ports import ModelCard, Models, TextIndex, VectorIndex
from rialto.records import Candidates, Context, Requests, hash64
from rialto.spine.features import matrix
from rialto.spine.params import Param, Value, overrides_of
from rialto.spine.pipeline import Outcome, Pipeline
from rialto.spine.rank import Phase, previous_score
from rialto.spine.retrieve import Source

__all__ = ["RANKER", "TREES_DEPTH", "Search", "build"]

RANKER = "find.ranker"
FUSION = Param(
    "find.rank.fusion", "learned", doc="First score: learned (a fixed blend until judgments taught one), or a column's name."
)
FUSION_KEEP = Param("find.rank.fusion_keep", 400, low=1, high=10_000, unit="candidates", doc="Candidates that pages can reach.")
TREES_DEPTH = Param("find.rank.trees_depth", 100, low=1, high=10_000, unit="candidates", doc="Candidates that the trees order.")
_CHUNK = 2048  # products that are given to an engine at a time


def build(
    catalogue: Catalogue,
    *,
    text: TextIndex,
    vectors: VectorIndex | None = None,
    encode: Encode | None = None,
    models: Models | None = None,
    units: NDArray[np.float32] | None = None,
    encoder_name: str = "",
) -> Search:
    """Wire a search over engines.

    Args:
        catalogue: The products.
        text: The lexical leg's index, made with `rialto.find.retrieve.TEXT_FIELDS`.
        vectors, encode: The vector leg's index and its encoder; both or neither.
        models: Where the ranker's live version is; None = the fusion score ranks.
        units: Product vectors that an earlier `Search.index` returned, where the engines still hold the catalogue.
        encoder_name: Name and version of the encoder, pinned in every decision.

    Raises:
        BadInput: an encoder without a vector index, or the other way round.
    """
    if (vectors is None) != (encode is None):
        raise BadInput("a vector leg needs both an index and an encoder; give vectors and encode, or neither.")
    return Search(catalogue, text, vectors, encode, models, units, encoder_name)


class Search:
    """Product search over one catalogue; make it with `build`, fill its engines with `index`."""

    def __init__(
        self,
        catalogue: Catalogue,
        text: TextIndex,
        vectors: VectorIndex | None,
        encode: Encode | None,
        models: Models | None,
        units: NDArray[np.float32] | None,
        encoder_name: str,
    ) -> None:
        self.catalogue, self._text, self._vectors, self._encode, self._models = catalogue, text, vectors, encode, models
        self._query_vectors = QueryVectors(encode) if encode else None
        self._encoder_name = encoder_name
        self._units = units
        self.weights, self.fusion = DEFAULT, Fusion.fixed()
        self.refresh()

    def index(self) -> NDArray[np.float32] | None:
        """Fill the engines with the catalogue, and return the product vectors (products, dimensions) for a later `build`.

        Cost:
            About 4 s for 20,000 products, and the encoder's time.
        """
        texts, columns, numbers = documents(self.catalogue), filter_columns(self.catalogue), self.catalogue.numbers
        gone = np.array(sorted(self.catalogue.retired.values()), dtype=np.int64)
        if len(gone):
            self._text.remove(gone)
        for at in range(0, len(numbers), _CHUNK):
            part = slice(at, at + _CHUNK)
            fields = {name: values[part] for name, values in texts.items()}
            self._text.add(numbers[part], fields, {name: values[part] for name, values in columns.items()})
        if self._encode is not None and self._vectors is not None:
            self._units = _units(self._encode, described(self.catalogue))
            self._vectors.remove(gone)
            held = self._units.any(axis=1)
            self._vectors.add(numbers[held], self._units[held])
        self.refresh()
        return self._units

    def refresh(self) -> None:
        """Wire the pipeline again with the ranker that is live now; a promotion is served from here on."""
        live = self._models.live(RANKER) if self._models else None
        if live is not None:
            _check_inputs(live[1])
        vectors = self._query_vectors if self._units is not None else None
        self.knowledge = Knowledge.of(self.catalogue, vectors=vectors, units=self._units) if self._stale() else self.knowledge
        c, fusion = self.catalogue, self.fusion
        self.pipeline = Pipeline(
            name="find",
            sources=[lexical(self._text, c), *self._vector_leg(), browse(c)],
            filters=filters(c),
            features=[first(self.knowledge)],
            phases=[Phase("fusion", lambda r, c, x: _fused(fusion, r, c), keep=FUSION_KEEP), self._trees(live), sort_phase(c)],
            decider=decider(c),
            versions={
                "catalogue": c.version,
                "encoder": self._encoder_name,
                "tuning": self.tuning,
                RANKER: live[0] if live else "",
            },
        )

    def tuned(self, weights: Weights, fusion: Fusion) -> Search:
        """The same search over the same engines with other weights of the fields and another fusion; cheap."""
        other = copy(self)
        other.weights, other.fusion = weights, fusion
        other.knowledge = replace(self.knowledge, weights=weights)
        other.refresh()
        return other

    def requests(
        self,
        texts: Sequence[str],
        *,
        selections: Sequence[Selections] | None = None,
        sort: str = "relevance",
        ids: NDArray[np.uint64] | None = None,
        time_s: float = 0.0,
        params: Mapping[str, Value] | None = None,
        price_bounds: bool = True,
    ) -> tuple[Requests, list[Understood]]:
        """Queries as a batch, and what was understood of each.

        Args:
            texts: What was typed, one a request; "" browses.
            selections: What is ticked, one a request.
            ids: Request ids, unique over time where decisions are logged; counted from 0 where None.
            params: Overrides of tunables by name.
            price_bounds: False takes "under $50" for words.

        Raises:
            BadInput: lengths differ, or `texts` is one string.
        """
        if isinstance(texts, str) or (selections is not None and len(selections) != len(texts)):
            raise BadInput(f"texts is {texts!r:.60}; wanted a list of queries, and as many selections where there are any.")
        read = [understand(t, price_bounds=price_bounds) for t in texts]
        columns = {
            "text": _objects([u.text for u in read]),
            "asked": _objects([u.asked.encode("utf-8", "replace").decode() for u in read]),
            "price_low": np.array([u.low_cents for u in read], dtype=np.float64),
            "price_high": np.array([u.high_cents for u in read], dtype=np.float64),
            "selections": _objects([s.to_json() for s in selections] if selections else [""] * len(read)),
            "sort": _objects([sort] * len(read)),
        }
        overrides = overrides_of(dict(params or {}), len(read))
        return Requests.of(columns, ids=ids, time_s=time_s, overrides=overrides), read

    def search(
        self,
        texts: Sequence[str],
        *,
        selections: Sequence[Selections] | None = None,
        sort: str = "relevance",
        ids: NDArray[np.uint64] | None = None,
        time_s: float = 0.0,
        params: Mapping[str, Value] | None = None,
        seed: int = 0,
        deadline_s: float = float("inf"),
        clock: Callable[[], float] = monotonic,
        explain: bool = False,
    ) -> Outcome:
        """Answer a batch of queries; arguments as in `requests` and `Pipeline.run`."""
        asked, _ = self.requests(texts, selections=selections, sort=sort, ids=ids, time_s=time_s, params=params)
        return self.pipeline.run(asked, seed=seed, deadline_s=deadline_s, clock=clock, explain=explain)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns that a ranker of this search may read."""
        return FEATURES

    @property
    def tuning(self) -> str:
        """A checksum of the fields' weights and the fusion, 16 hexadecimal digits; "" for the defaults."""
        if self.weights.same(DEFAULT) and np.array_equal(self.fusion.weights, Fusion.fixed().weights):
            return ""
        return f"{hash64(self.weights.to_json() + self.fusion.to_json()):016x}"

    @cached_property
    def facet_table(self) -> FacetTable:
        """What facets count in; made on first use."""
        return FacetTable.of(self.catalogue)

    def close(self) -> None:
        """Let go of the engines."""
        self.pipeline.close()
        self._text.close()
        if self._vectors is not None:
            self._vectors.close()

    def _stale(self) -> bool:
        return not hasattr(self, "knowledge") or self.knowledge.units is not self._units

    def _vector_leg(self) -> list[Source]:
        if self._vectors is None or self._query_vectors is None:
            return []
        return [vector(self._vectors, self._query_vectors, self.catalogue)]

    def _trees(self, live: tuple[str, ModelCard] | None) -> Phase:
        """The trees over the best by fusion; without a live model the fusion's order stays, and the features are there to learn from."""
        models = self._models

        def score(requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.float64]:
            if live is None or models is None or not len(candidates):
                return previous_score(requests, candidates)
            return models.score(live[0], matrix(candidates, live[1].inputs))

        step = features(self.knowledge)
        return Phase("trees", score, otherwise=previous_score, depth=TREES_DEPTH, features=[step])


def _fused(fusion: Fusion, requests: Requests, candidates: Candidates) -> NDArray[np.float64]:
    how = str(FUSION.one(requests))
    made = fusion.score(candidates) if how == "learned" else candidates.column(how).astype(np.float64)
    # A page without words has no text to match: popularity, which the leg ranked by, decides.
    browsed = candidates.column("rank_browse").astype(np.float64)
    return np.where(np.isnan(browsed), made, -browsed)


def _check_inputs(card: ModelCard) -> None:
    absent = [name for name in card.inputs if name not in FEATURES]
    if absent:
        raise BadInput(
            f"the live {RANKER} reads {absent[:10]}, which the features step does not make; train and promote it again."
        )


def _units(encode: Encode, texts: Sequence[str]) -> NDArray[np.float32]:
    parts = [np.asarray(encode(texts[at : at + _CHUNK]), dtype=np.float32) for at in range(0, len(texts), _CHUNK)]
    vectors = np.concatenate(parts) if parts else np.zeros((0, 1), dtype=np.float32)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    usable = np.isfinite(norms) & (norms > 0)
    return np.ascontiguousarray(np.where(usable, vectors / np.where(usable, norms, 1.0), 0.0), dtype=np.float32)


def _objects(values: Sequence[str]) -> NDArray[np.object_]:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out
