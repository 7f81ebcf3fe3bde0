"""A reader of a small shop's queries, with a small list of words, so that no test depends on what is installed."""

from __future__ import annotations

import numpy as np
import pytest

from rialto.find.catalogue import Catalogue
from rialto.find.query.background import Background
from rialto.find.query.reader import Reader
from rialto.find.query.training import Trained, train_parts

_WORDS = [
    "the", "and", "for", "with", "without", "under", "over", "laptop", "laptops", "notebook", "keyboard", "keyboards",
    "wireless", "mouse", "headphones", "cable", "charger", "battery", "microwave", "oven", "coupling", "brass", "wall", "tube",
    "inch", "stainless", "steel", "sink", "window", "air", "conditioner", "hydraulic", "jack", "exterior", "door", "light",
    "switch", "garden", "hose", "lamp", "table", "chair", "phone", "case", "printer", "cartridge", "paper", "black", "white",
    "silver", "red", "monitor", "stand", "screen", "camera", "lens", "bag", "shelf", "drawer", "machine", "coffee", "vacuum",
    "cleaner", "water", "filter", "glass", "bottle", "kitchen", "knife", "board", "wood", "metal", "plastic", "leather",
    "shoes", "shirt", "jacket"
]  # fmt: skip


@pytest.fixture(scope="session")
def words() -> Background:
    return Background(
        {w: 1e6 / (rank + 5) for rank, w in enumerate(_WORDS)}, {("wireless", "mouse"): 5e6, ("garden", "hose"): 5e6}
    )


@pytest.fixture(scope="session")
def reader(catalogue: Catalogue, words: Background) -> Reader:
    queries = {
        "wireless mouse": 30.0,
        "laptop bag": 20.0,
        "laptop 15.6 in": 20.0,
        "brass wall tube": 10.0,
        "garden hose": 10.0,
        "coupling": 5.0,
    }
    return Reader.of(catalogue, queries=queries, background=words, seed=1)


@pytest.fixture(scope="session")
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def trained(catalogue: Catalogue) -> Trained:
    """Tags, types, intents, negation and quantities, from the catalogue alone."""
    return train_parts(catalogue, seed=0, most=4000)
