"""A search fitted with what it does without where it is absent: the reader of queries, the cross-encoder, profiles of shoppers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rialto.app.engines import Engines
from rialto.app.past import Past
from rialto.errors import BadInput, EngineError, EngineMissing, NothingHere
from rialto.find.catalogue import Catalogue
from rialto.find.personal import Profiles
from rialto.find.pipeline import Search
from rialto.local.files import FileBlobs

if TYPE_CHECKING:
    from rialto.find.query import Reader

__all__ = ["fitted", "keep_reader", "made_reader", "open_reader", "personalised", "train_reader"]

_READER, _PARTS = "reader.npz", "parts/"


def train_reader(catalogue: Catalogue, folder: Path, *, past: Past | None = None, seed: int = 0) -> Reader:
    """Train the reader of queries as `made_reader` does, and keep it in `folder`."""
    return keep_reader(made_reader(catalogue, past or Past(), seed=seed), folder)


def made_reader(catalogue: Catalogue, past: Past, *, seed: int = 0) -> Reader:
    """Train the reader of queries from a catalogue, and from past queries and what was clicked for them where there are some.

    Cost:
        About 15 s for 20,000 products.
    """
    from rialto.find.query import Reader
    from rialto.find.query.training import train_parts

    queries, clicks = past.often, past.clicks
    parts = train_parts(catalogue, clicks=clicks, queries=queries, seed=seed)
    return Reader.of(catalogue, queries=queries, clicks=clicks, parts=parts.parts(), seed=seed)


def keep_reader(reader: Reader, folder: Path) -> Reader:
    """Keep a reader in the folder of an index, from where whoever opens it next takes it."""
    files = _files(folder)
    for name, body in reader.parts.kept.items():
        files.put(_PARTS + name, body)
    files.put(_READER, reader.save())
    return reader


def open_reader(catalogue: Catalogue, folder: Path) -> Reader:
    """The reader that `train_reader` kept; `BadInput` where it is damaged, `NothingHere` where there is none."""
    from dataclasses import replace

    from rialto.find.query import Reader
    from rialto.find.query.training import Trained

    files = _files(folder)
    reader = Reader.load(files.get(_READER))
    kept = {name.removeprefix(_PARTS): files.get(name) for name in files.names(_PARTS)}
    return replace(reader, parts=Trained.load(kept, catalogue).parts())


def _files(folder: Path) -> FileBlobs:
    return FileBlobs((folder / "reader").absolute().as_uri())


def fitted(engines: Engines, search: Search, folder: Path, past: Callable[[], Past] = Past) -> Search:
    """The search with its reader, trained again, from the `past` too, where what was kept is damaged, and with the cross-encoder."""
    try:
        reader = open_reader(search.catalogue, folder)
    except (BadInput, NothingHere) as e:
        logging.getLogger("rialto").warning("the reader of queries in %s is trained again: %s", folder, e)
        reader = train_reader(search.catalogue, folder, past=past(), seed=engines.settings.seed)
    return _with_cross(engines, search.fitted(reader=reader))


def _with_cross(engines: Engines, search: Search) -> Search:
    from rialto.app.cross import open_cross, paced

    if not engines.reads_pairs():
        return search
    try:
        cross = open_cross(engines.settings.home, search.catalogue, shop=search.ranker)
    except EngineMissing as e:
        logging.getLogger("rialto").info("searches go without the cross-encoder: %s", e)
        return search
    return search.fitted(cross=cross, cross_version=cross.version, pace=paced(cross, len(search.catalogue)))


def personalised(engines: Engines, search: Search) -> Search:
    """The search with profiles of shoppers, where settings want them; without them where another process keeps them, and that is told."""
    try:
        store = engines.profiles()
    except EngineError as e:
        logging.getLogger("rialto").warning("searches go without shoppers' profiles: %s", e)
        return search
    return search if store is None else search.fitted(profiles=Profiles(store, search.catalogue))
