"""`find` put together: a catalogue read, indexed and kept under the home folder; the made-up shop where none is given."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from tempfile import mkdtemp

import fsspec
import numpy as np

from rialto import __version__
from rialto.app.engines import Engines
from rialto.errors import EngineBusy, EngineError, NothingHere
from rialto.find.catalogue import Catalogue
from rialto.find.ingest import Ingest, read_catalogue
from rialto.find.mapping import FieldMap
from rialto.find.page import Pages
from rialto.find.pipeline import Search, build
from rialto.find.retrieve import TEXT_FIELDS, described
from rialto.find.values import as_number
from rialto.ports import Models
from rialto.worlds.pictures import draw_product
from rialto.worlds.shop import Shop as World
from rialto.worlds.shop import make_shop

__all__ = ["MADE_UP", "Shop", "index_catalogue", "made_up_file", "open_shop"]

MADE_UP = 4000
"""Products of the made-up shop."""

Step = Callable[[str], None]
"""Told what is being done."""


@dataclass(frozen=True, slots=True)
class Shop:
    """A searchable shop, and the made-up world behind it where it is one.

    Args:
        search: The system.
        pages: Makes pages over it.
        ingest: What came of reading the catalogue; None where it was read before.
        world: The made-up shop, or None.
        folder: Where the catalogue lies, for the pictures that it names and past queries beside it; None where that is not a folder here.
        made_up: True where the catalogue is the made-up one.
    """

    search: Search
    pages: Pages
    ingest: Ingest | None
    world: World | None
    folder: Path | None = None
    made_up: bool = False

    def picture(self, product_id: str, *, size: int = 400) -> bytes:
        """A picture of a product: the PNG, JPEG or WebP file that its row names within the catalogue's folder, else one drawn from the row.

        Nothing is fetched from elsewhere: a picture's URL is not asked.
        """
        c = self.search.catalogue
        p = c.product(c.number_of(product_id))
        if (own := _picture_file(self.folder, p.image)) is not None:
            return own
        row = {"id": p.id, "title": p.title, "brand": p.brand, "category": "/".join(p.category), "attributes": dict(p.attributes)}
        return draw_product(row, size=size)

    def past_queries(self) -> list[tuple[str, str, float]]:
        """Queries asked before, with kind and how often, the most frequent first: `queries.csv` beside the catalogue, or none."""
        file = self.folder / "queries.csv" if self.folder else None
        if file is None or not file.is_file():
            return []
        with file.open(newline="", encoding="utf-8") as lines:
            rows = [
                (r.get("query") or "", r.get("kind") or "", as_number(r.get("frequency") or 0)) for r in csv.DictReader(lines)
            ]
        return sorted((r for r in rows if r[0].strip()), key=lambda r: (-r[2], r[0]))


def made_up_file(engines: Engines) -> Path:
    """The made-up shop's catalogue as a file, written once."""
    seed = engines.settings.seed
    folder = engines.settings.home / "made-up" / f"shop-{__version__}-{seed}-{MADE_UP}"
    file = folder / "catalogue.jsonl"
    if not file.is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(mkdtemp(prefix="shop-", dir=folder.parent))
        make_shop(seed=seed, products=MADE_UP).write(draft)
        _settle(draft, folder)
    return file


def open_shop(
    engines: Engines,
    *,
    catalogue: str = "",
    mapping: FieldMap | None = None,
    rejects: str = "",
    models: Models | None = None,
    world: bool = False,
    tell: Step = lambda _: None,
) -> Shop:
    """Open a shop: from its kept index where the catalogue is unchanged, else by indexing it.

    Args:
        engines: Where engines come from.
        catalogue: Path or URL of the catalogue; "" = the made-up shop.
        mapping: Which column is what; guessed where None.
        rejects: Where rejected rows are written.
        models: Whose live ranker ranks; None = the settings'.
        world: Make the made-up world too, for its truth.
        tell: Told what is being done.
    """
    made = make_shop(seed=engines.settings.seed, products=MADE_UP) if world and not catalogue else None
    folder, ingest = index_catalogue(
        engines, catalogue or str(made_up_file(engines)), mapping=mapping, rejects=rejects, tell=tell
    )
    place = Path(catalogue or made_up_file(engines)).parent
    own = place if "://" not in catalogue and place.is_dir() else None
    search = _opened(engines, folder, models or engines.models())
    return Shop(search, Pages(search), ingest, made, own, made_up=not catalogue)


def index_catalogue(
    engines: Engines, path: str, *, mapping: FieldMap | None = None, rejects: str = "", tell: Step = lambda _: None
) -> tuple[Path, Ingest | None]:
    """Index a catalogue into a folder of its own under the home folder, whole or not at all.

    Returns:
        The folder, and what came of reading; None where an index of this very catalogue was there.
    """
    folder = engines.settings.home / "shops" / _fingerprint(engines, path, mapping)
    if folder.is_dir():
        return folder, None
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(mkdtemp(prefix="index-", dir=folder.parent))
    try:
        tell(f"reading {path}")
        ingest = read_catalogue(path, mapping, rejects=rejects)
        ingest.catalogue.save(str(draft / "catalogue"))
        tell("making text vectors")
        encode = engines.encoder(described(ingest.catalogue), saved=draft / "encoder.npz")
        tell("indexing")
        text = engines.text(TEXT_FIELDS, draft / "text")
        vectors = engines.vectors(encode(["x"]).shape[1], draft / "vectors")
        search = build(ingest.catalogue, text=text, vectors=vectors, encode=encode)
        units = search.index()
        assert units is not None
        np.save(draft / "units.npy", units, allow_pickle=False)
        search.close()
        (draft / "about.json").write_text(json.dumps({"catalogue": path, "products": len(ingest.catalogue)}))
        _settle(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder, ingest


def _opened(engines: Engines, folder: Path, models: Models) -> Search:
    catalogue = Catalogue.load(str(folder / "catalogue"))
    encode = engines.encoder([], saved=folder / "encoder.npz")
    units = np.load(folder / "units.npy", allow_pickle=False)
    name = engines.settings.encoder
    try:
        text = engines.text(TEXT_FIELDS, folder / "text")
    except EngineBusy:  # another process serves this very index: this one makes its own in memory
        vectors = engines.vectors(units.shape[1], None)
        search = build(
            catalogue,
            text=engines.text(TEXT_FIELDS, None),
            vectors=vectors,
            encode=encode,
            models=models,
            encoder_name=name,
        )
        search.index()
        return search
    vectors = engines.vectors(units.shape[1], folder / "vectors")
    return build(catalogue, text=text, vectors=vectors, encode=encode, models=models, units=units, encoder_name=name)


_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF")
_PICTURE_BYTES = 8_000_000


def _picture_file(folder: Path | None, name: str) -> bytes | None:
    """The picture file that a row names, where it lies within the folder, begins like a picture and is not huge; else None."""
    if folder is None or not name or "://" in name or "\x00" in name:
        return None
    root = folder.resolve()
    file = (root / name).resolve()
    if not file.is_relative_to(root) or not file.is_file() or file.stat().st_size > _PICTURE_BYTES:
        return None
    body = file.read_bytes()
    return body if body.startswith(_PICTURES) else None


def _fingerprint(engines: Engines, path: str, mapping: FieldMap | None) -> str:
    """What an index depends on: the file as it is now, its mapping, the engines, this version."""
    fs, inside = fsspec.core.url_to_fs(path)
    try:
        info = fs.info(inside)
    except FileNotFoundError:
        raise NothingHere(f"there is no catalogue at {path!r}; wanted a JSON lines, CSV or Parquet file.") from None
    except OSError as e:
        raise EngineError(f"the catalogue at {path!r} cannot be reached: {e}") from None
    s = engines.settings
    stamp = [path, info.get("size"), str(info.get("mtime") or info.get("LastModified") or info.get("ETag")), repr(mapping)]
    return blake2b(json.dumps([*stamp, s.text, s.vectors, s.encoder, s.seed, __version__]).encode(), digest_size=10).hexdigest()


def _settle(draft: Path, folder: Path) -> None:
    """Give the finished draft its name; where another process was first, its work stays."""
    try:
        draft.rename(folder)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        if not folder.is_dir():
            raise
