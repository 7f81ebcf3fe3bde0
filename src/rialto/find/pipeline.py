"""Product search, wired: reads from top to bottom like a request."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property, lru_cache
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.asking import batch, read
from rialto.find.behaviour import BEHAVIOUR, Behaviour, behaviour_features, behaviour_leg, clicks_bonus
from rialto.find.belong import good_enough
from rialto.find.cards import check_inputs, share_of_card, tuning_of
from rialto.find.catalogue import Catalogue
from rialto.find.cross import CROSS_DEPTH, Pace, blended, cross_features, in_place
from rialto.find.decide import decider, sort_phase
from rialto.find.facets import FacetTable
from rialto.find.features import FEATURES, Knowledge, features, first
from rialto.find.fittings import Fittings
from rialto.find.fusion import Fusion
from rialto.find.meant import MEANT, meant, without
from rialto.find.objectives import Objectives, objectives
from rialto.find.personal import NAMES as PERSONAL
from rialto.find.personal import personal
from rialto.find.query import Understood
from rialto.find.records import Product, Selections
from rialto.find.retrieve import Encode, QueryVectors, browse, described, documents, filter_columns, lexical, unit_vectors, vector
from rialto.find.rules import ruled
from rialto.find.select import filters
from rialto.find.shelves import Shelves
from rialto.find.shrink import LAST_SHARE, SHARE, shrunk
from rialto.find.weights import DEFAULT, Weights
from rialto.ports import ModelCard, Models, TextIndex, VectorIndex
from rialto.records import Candidates, Context, Requests, hash64
from rialto.spine.features import matrix, unknown
from rialto.spine.params import Param, Value
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
_READING_S = 0.045  # most seconds that the cross-encoder reads for one batch; what it did not come to keeps its place behind
_LEG = 0.6  # of a search's time that a server's leg may take: what is left is enough to rank what the other legs found
_CHUNK = 2048  # products that are given to an engine at a time
_KEPT = 8192  # products kept as people read them, about 2 kB each


def build(
    catalogue: Catalogue,
    *,
    text: TextIndex,
    vectors: VectorIndex | None = None,
    encode: Encode | None = None,
    models: Models | None = None,
    units: NDArray[np.float32] | None = None,
    encoder_name: str = "",
    ranker: str = RANKER,
    behaviour: Behaviour | None = None,
    aside: Collection[str] = (),
) -> Search:
    """Wire a search over engines.

    Args:
        catalogue: The products.
        text: The lexical leg's index, made with `rialto.find.retrieve.TEXT_FIELDS`.
        vectors, encode: The vector leg's index and its encoder; both or neither.
        models: Where the ranker's live version is; None = the fusion score ranks.
        units: Product vectors that an earlier `Search.index` returned, where the engines still hold the catalogue.
        encoder_name: Name and version of the encoder, pinned in every decision.
        ranker: Name of the ranker among the models: every catalogue has its own.
        behaviour: What shoppers did; `Search.fitted` changes it.
        aside: Legs, `lexical` and `vector`, whose engine is a server: they run side by side, and what they do not answer within a
            share of a search's time is searched for without them.

    Raises:
        BadInput: an encoder without a vector index, or the other way round.
    """
    if (vectors is None) != (encode is None):
        raise BadInput("a vector leg needs both an index and an encoder; give vectors and encode, or neither.")
    made = Search(catalogue, text, vectors, encode, models, units, (encoder_name, ranker), aside)
    return made if behaviour is None else made.fitted(behaviour=behaviour)


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
        names: tuple[str, str],
        aside: Collection[str] = (),
    ) -> None:
        self.catalogue, self._text, self._vectors, self._encode, self._models = catalogue, text, vectors, encode, models
        self._query_vectors = QueryVectors(encode) if encode else None
        self._encoder_name, self.ranker = names
        self._aside = aside
        self._units = units
        self._given: tuple[str, ModelCard] | None = None
        self._pace = Pace()  # of reading on this machine: it outlives what is refitted
        self.weights, self.fusion, self.fittings = DEFAULT, Fusion.fixed(), Fittings()
        self.refresh()

    def index(self) -> NDArray[np.float32] | None:
        """Fill the engines with the catalogue, and return the product vectors (products, dimensions) for a later `build`.

        Cost:
            About 4 s for 20,000 products, and the encoder's time.
        """
        c = self.catalogue
        self._units = self.take_in(c, np.array(sorted(c.retired.values()), dtype=np.int64))
        self.refresh()
        return self._units

    def take_in(self, fresh: Catalogue, gone: NDArray[np.int64]) -> NDArray[np.float32] | None:
        """Give the engines the products of `fresh`, new or in place of old ones, and take out those with the numbers `gone`.

        Returns:
            Unit vectors of the fresh products, shape (fresh, dimensions), zero rows where there is none; None without an encoder.
        """
        texts, columns, numbers = documents(fresh), filter_columns(fresh), fresh.numbers
        if len(gone):
            self._text.remove(gone)
        for at in range(0, len(numbers), _CHUNK):
            part = slice(at, at + _CHUNK)
            fields = {name: values[part] for name, values in texts.items()}
            self._text.add(numbers[part], fields, {name: values[part] for name, values in columns.items()})
        if self._encode is None or self._vectors is None:
            return None
        units = unit_vectors(self._encode, described(fresh))
        held = units.any(axis=1)
        self._vectors.remove(np.concatenate([gone, numbers[~held]]))
        if held.any():
            self._vectors.add(numbers[held], units[held])
        return units

    def moved(self, catalogue: Catalogue, knowledge: Knowledge, fittings: Fittings) -> Search:
        """The same search over the same engines, which hold `catalogue` by now; this one goes on answering from its own."""
        other = copy(self)
        for name in [n for n in vars(other) if isinstance(getattr(type(other), n, None), cached_property)]:
            del vars(other)[name]  # what is made on first use was made of the catalogue before
        other.catalogue, other.knowledge, other._units, other.fittings = catalogue, knowledge, knowledge.units, fittings
        other.refresh()
        return other

    def refresh(self) -> None:
        """Wire the pipeline again with the ranker that is live now; a promotion is served from here on."""
        live = self._given or (self._models.live(self.ranker) if self._models else None)
        if live is not None:
            check_inputs(live[1], self.inputs)
            self.weights, self.fusion = tuning_of(live[1])
        vectors = self._query_vectors if self._units is not None else None
        if self._stale():
            self.knowledge = Knowledge.of(self.catalogue, vectors=vectors, units=self._units)
        self.knowledge = replace(self.knowledge, weights=self.weights)
        c, fusion, fitted = self.catalogue, self.fusion, self.fittings
        self.words = None if "lexical" in self._aside else self._text
        self.bare = Pipeline(
            name="find",
            sources=[self._beside(lexical(self._text, c)), *self._vector_leg(), *self._behaviour_leg(), browse(c, self.shelves)],
            filters=[*filters(c), without(c), good_enough(self.knowledge)],
            features=[first(self.knowledge)],
            phases=[
                Phase("fusion", lambda r, c, x: _fused(fusion, r, c), keep=FUSION_KEEP),
                self._trees(live),
                *self._last(live),
                objectives(c, self.objectives),
                sort_phase(c),
            ],
            decider=decider(c),
            versions={
                "catalogue": c.version,
                "encoder": self._encoder_name,
                "tuning": self.tuning,
                self.ranker: live[0] if live else "",
                "cross": fitted.cross_version,
                "synonyms": fitted.reader.own if fitted.reader else "",
                "behaviour": fitted.behaviour.version if fitted.behaviour else "",
            },
        )
        self.pipeline = ruled(self.bare, fitted.rules) if fitted.rules else self.bare

    def tuned(self, weights: Weights, fusion: Fusion) -> Search:
        """The same search over the same engines with these weights of the fields, this fusion and no ranker; cheap."""
        other = copy(self)
        other.weights, other.fusion, other._models, other._given = weights, fusion, None, None
        other.refresh()
        return other

    def fitted(self, **parts: Any) -> Search:
        """The same search over the same engines with other `Fittings`, by name; cheap."""
        other = copy(self)
        other.refit(**parts)
        return other

    def refit(self, **parts: Any) -> None:
        """Change `Fittings` of this search itself, by name; served from here on."""
        self.fittings = replace(self.fittings, **parts)
        self.refresh()

    def with_ranker(self, models: Models, version: str, card: ModelCard) -> Search:
        """The same search with one version of a ranker, live or not: to try it before it is promoted."""
        other = copy(self)
        other._models, other._given = models, (version, card)
        other.refresh()
        return other

    def untaught(self) -> Search:
        """The same search over the same engines with the defaults and no ranker."""
        return self.tuned(DEFAULT, Fusion.fixed())

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
        undo: Collection[str] = (),
        shopper: str = "",
        segments: Collection[str] = (),
    ) -> tuple[Requests, list[Understood]]:
        """Queries as a batch, and what was understood of each.

        Args:
            texts: What was typed, one a request; "" browses.
            selections: What is ticked, one a request.
            ids: Request ids, unique over time where decisions are logged; counted from 0 where None.
            params: Overrides of tunables by name.
            price_bounds: False takes "under $50" for words.
            undo: Ids of rewrites that are not to be made; "all" makes none.
            shopper: Pseudonym of who asks, for what is known of them; "" = nobody.
            segments: Audiences that they belong to, which rules may be for.

        Raises:
            BadInput: lengths differ, or `texts` is one string.
        """
        if isinstance(texts, str):
            raise BadInput(f"texts is {texts!r:.60}; wanted a list of queries, one a request.")
        understood = [read(self.fittings.reader, t, undo=undo, price_bounds=price_bounds) for t in texts]
        asked = batch(
            understood,
            selections=selections,
            sort=sort,
            shopper=shopper,
            segments=segments,
            ids=ids,
            time_s=time_s,
            params=params,
        )
        return asked, understood

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
        return (*FEATURES, *MEANT, *BEHAVIOUR, *PERSONAL)

    @property
    def tuning(self) -> str:
        """A checksum of the fields' weights and the fusion, 16 hexadecimal digits; "" for the defaults."""
        if self.weights.same(DEFAULT) and np.array_equal(self.fusion.weights, Fusion.fixed().weights):
            return ""
        return f"{hash64(self.weights.to_json() + self.fusion.to_json()):016x}"

    @cached_property
    def objectives(self) -> Objectives:
        """What products are worth besides relevance."""
        return Objectives.of(self.catalogue)

    @cached_property
    def shelves(self) -> Shelves:
        """The catalogue as pages without words read it; its orders are made on first use."""
        return Shelves(self.catalogue)

    @cached_property
    def facet_table(self) -> FacetTable:
        """What facets count in; made on first use."""
        return FacetTable.of(self.catalogue)

    @cached_property
    def product(self) -> Callable[[int], Product]:
        """A product by its number, as `Catalogue.product`; the latest few thousand asked for are kept."""
        return lru_cache(maxsize=_KEPT)(self.catalogue.product)

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
        return [self._beside(vector(self._vectors, self._query_vectors, self.catalogue))]

    def _beside(self, leg: Source) -> Source:
        """The leg as it runs: aside, with a share of the time, where its engine is a server."""
        return replace(leg, aside=True, share=_LEG) if leg.name in self._aside else leg

    def _behaviour_leg(self) -> list[Source]:
        known = self.fittings.behaviour
        return [behaviour_leg(known, self.catalogue)] if known else []

    def _trees(self, live: tuple[str, ModelCard] | None) -> Phase:
        """The trees over the best by fusion; without a live model the fusion's order stays, and the features are there to learn from."""
        models = self._models

        def score(requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.float64]:
            if live is None or models is None or not len(candidates):
                return previous_score(requests, candidates)
            alone = models.score(live[0], matrix(candidates, live[1].inputs))
            return shrunk(candidates, candidates.column("score").astype(np.float64), alone, share_of_card(live[1], SHARE))

        profiles = self.fittings.profiles
        steps = [
            features(self.knowledge),
            meant(self.fittings.reader, self.catalogue),
            behaviour_features(self.fittings.behaviour),
            personal(profiles) if profiles else unknown("personal", PERSONAL),
        ]
        return Phase("trees", score, otherwise=previous_score, depth=TREES_DEPTH, features=steps)

    def _last(self, live: tuple[str, ModelCard] | None) -> list[Phase]:
        """The cross-encoder and the last ranker over the best by the trees; none without a cross-encoder, and the trees' order stays.

        Without a last ranker of its own the cross-encoder's score is blended with the trees'.
        """
        read, models = self.fittings.cross, self._models
        if read is None:
            return []
        version = live[1].params.get("last", "") if live else ""
        inputs = tuple(json.loads(live[1].params.get("last_inputs", "[]"))) if live else ()
        share = share_of_card(live[1], LAST_SHARE) if live else 1.0

        def score(requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.float64]:
            if not version or models is None or not len(candidates):
                return blended(requests, candidates, context)
            alone = models.score(version, matrix(candidates, inputs))
            scores = shrunk(candidates, candidates.column("score").astype(np.float64), alone, share)
            return in_place(candidates, scores, ~np.isnan(candidates.column("cross")))

        step = cross_features(self.catalogue, read, pace=self.fittings.pace or self._pace, budget_s=_READING_S)
        return [Phase("last", score, otherwise=previous_score, depth=CROSS_DEPTH, features=[step])]


def _fused(fusion: Fusion, requests: Requests, candidates: Candidates) -> NDArray[np.float64]:
    how = str(FUSION.one(requests))
    made = (
        fusion.score(candidates) + clicks_bonus(requests, candidates)
        if how == "learned"
        else candidates.column(how).astype(np.float64)
    )
    # A page without words has no text to match: popularity, which the leg ranked by, decides.
    if "rank_browse" not in candidates.columns:
        return made
    browsed = candidates.column("rank_browse").astype(np.float64)
    return np.where(np.isnan(browsed), made, -browsed)
