"""A small made-up shop, read from its files and indexed once, for all tests of `find`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rialto.find.catalogue import Catalogue
from rialto.find.ingest import read_catalogue
from rialto.find.pipeline import Search, build
from rialto.find.retrieve import TEXT_FIELDS, described
from rialto.local.encoder import StaticEncoder
from rialto.local.models import LocalModels
from rialto.local.text import TantivyText
from rialto.local.vectors import FlatVectors
from rialto.worlds.shop import Shop, make_shop


@pytest.fixture(scope="session")
def world() -> Shop:
    return make_shop(seed=3, products=900)


@pytest.fixture(scope="session")
def world_folder(world: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    world.write(folder)
    return folder


@pytest.fixture(scope="session")
def catalogue(world_folder: Path) -> Catalogue:
    return read_catalogue(str(world_folder / "catalogue.jsonl")).catalogue


@pytest.fixture(scope="session")
def encoder(catalogue: Catalogue) -> StaticEncoder:
    return StaticEncoder.fit(described(catalogue), dimensions=32)


@pytest.fixture(scope="session")
def search(catalogue: Catalogue, encoder: StaticEncoder) -> Search:
    """Without a ranker: the fusion score ranks."""
    made = build(catalogue, text=TantivyText(TEXT_FIELDS), vectors=FlatVectors(32), encode=encoder.encode, models=LocalModels())
    made.index()
    return made


@pytest.fixture
def texts(world: Shop) -> list[str]:
    """Queries of every kind."""
    _, first = np.unique(world.queries.kind.astype(str), return_index=True)
    return [str(t) for t in world.queries.text[first]]
