"""Trains the parts of query understanding from one catalogue, with or without clicks, and loads them again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from rialto.errors import BadInput
from rialto.find.catalogue import Catalogue
from rialto.find.query.classes import Classes
from rialto.find.query.clicked import Clicked
from rialto.find.query.gazetteer import Gazetteer
from rialto.find.query.intent import Intents, navigation_phrases
from rialto.find.query.negation import Negation
from rialto.find.query.parts import Parts
from rialto.find.query.quantities import Quantities
from rialto.find.query.tagging import Tagger
from rialto.find.query.types import Types
from rialto.find.query.understood import Understood
from rialto.find.query.weak import OTHER, Example, Maker

__all__ = ["Trained", "queries_for", "train_parts"]

_QUERIES = 12_000  # made-up queries, or as many as products; fewer for few products
_MOST = 60_000
_INTENTS = 2_500
_EACH = 6  # of one product at most
_ENOUGH = 100  # queries from which intents are learned; fewer take the weights that ship
_BOUNDED = 4
_CLICKED = 3  # times that queries with clicks are repeated beside the made-up ones


@dataclass(frozen=True)
class Trained:
    """What was trained; `parts()` is what a reader takes."""

    tagger: Tagger
    types: Types
    intents: Intents
    negation: Negation
    quantities: Quantities

    def parts(self) -> Parts:
        """For `Reader.of(..., parts=...)`."""
        return Parts(self.negation, self.quantities, self.tagger, self.types, self.intents, self.save())

    def save(self) -> dict[str, bytes]:
        """Name -> bytes, for `load`."""
        named = {
            "tagging": self.tagger,
            "types": self.types,
            "intents": self.intents,
            "negation": self.negation,
            "quantities": self.quantities,
        }
        return {name: part.save() for name, part in named.items()}

    @classmethod
    def load(cls, kept: Mapping[str, bytes], catalogue: Catalogue | None = None) -> Trained:
        """What `save` gave; `catalogue` for ids that queries may name.

        Raises:
            BadInput: a part is missing or is something else.
        """
        missing = {"tagging", "types", "intents", "negation", "quantities"} - kept.keys()
        if missing:
            raise BadInput(f"the parts of query understanding lack {', '.join(sorted(missing))}; wanted what Trained.save gave.")
        return cls(
            Tagger.load(kept["tagging"]), Types.load(kept["types"]), Intents.load(kept["intents"], ids=_ids(catalogue)),
            Negation.load(kept["negation"]), Quantities.load(kept["quantities"]),
        )  # fmt: skip


def train_parts(
    catalogue: Catalogue, *, clicks: Mapping[str, Mapping[int, float]] | None = None, queries: Mapping[str, float] | None = None,
    seed: int = 0, most: int = _MOST,
) -> Trained:  # fmt: skip
    """Train negation, quantities, tags, types and intents.

    Args:
        clicks: Past query -> product number -> weight; they are aligned with the products' values and trained on beside made-up queries.
        queries: Taken for symmetry with `Reader.of`; queries without clicks teach nothing here.
        seed: The same catalogue, clicks and seed give the same.
        most: Made-up queries at most.

    Cost:
        About 10 s for 20,000 products, at most a few minutes for 500,000.
    """
    classes, quantities = Classes.of(catalogue, seed=seed), Quantities.of(catalogue)
    gazetteer = Gazetteer.of(catalogue, classes.nouns, classes.of_noun)
    maker = Maker.of(catalogue, classes, quantities)
    examples = maker.make(queries_for(catalogue, most), seed=seed)
    tagged, typed = examples, examples
    if clicks:
        told = Clicked.of(maker, gazetteer, clicks)
        gazetteer = gazetteer.with_learned(told.learned)
        tagged, typed = [*examples, *told.tagged], [*examples, *_repeated(told.typed, seed)]
    tagger, types = Tagger.train(gazetteer, tagged, seed=seed), Types.train(catalogue, classes, typed, seed=seed)
    negation = Negation.of(catalogue, gazetteer.entries.keys())
    parts = Parts(negation, quantities, tagger, types)
    return Trained(tagger, types, _intents(catalogue, maker, parts, seed), negation, quantities)


def queries_for(catalogue: Catalogue, most: int) -> int:
    """How many queries are made up from a catalogue, at most `most`: one a product, 12,000 at least, but few from a handful of products."""
    return min(most, max(_QUERIES, len(catalogue)), _EACH * len(catalogue))


def _repeated(examples: tuple[Example, ...], seed: int) -> list[Example]:
    rng = np.random.default_rng((seed, 10))
    return [examples[i] for i in rng.permutation(np.tile(np.arange(len(examples)), _CLICKED)).tolist()]


def _intents(catalogue: Catalogue, maker: Maker, parts: Parts, seed: int) -> Intents:
    ids = _ids(catalogue)
    made = maker.make(min(_INTENTS, queries_for(catalogue, _MOST)), seed=seed + 1)
    if len(made) < _ENOUGH:
        return Intents.default(ids)
    phrases = sorted(navigation_phrases())
    made += [Example(p, (OTHER,) * len(p), (False,) * len(p), -1, "navigation") for p in phrases]
    seen = [parts.fill(Understood(t, t)) for t in (" ".join(e.words) for e in made)]
    right = [e.intent for e in made]
    some = [at for at, i in enumerate(right) if i == "type"][
        ::_BOUNDED
    ]  # a thing with a bound on its price, or without something
    seen += [replace(seen[at], **({"high_cents": 5000.0} if n % 2 else {"without": ("that",)})) for n, at in enumerate(some)]
    return Intents.train(seen, [*right, *("attribute" for _ in some)], ids=ids)


def _ids(catalogue: Catalogue | None) -> frozenset[str]:
    return frozenset(str(i).lower() for i in catalogue.ids.tolist()) if catalogue is not None else frozenset()
