"""`find` put together: a catalogue read, indexed and kept under the home folder; the made-up shop where none is given."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from tempfile import mkdtemp
from zipfile import BadZipFile

import fsspec
import numpy as np

from rialto import __version__
from rialto.app.engines import Engines
from rialto.app.fitting import fitted, train_reader
from rialto.app.folders import Current, Damaged, current_of, drafted, point, sweep
from rialto.app.journal import Journal
from rialto.app.mapped import REJECTS, copy_rejects, mapping_of
from rialto.app.past import Asked, Past, folder_of, past_of, queries_beside
from rialto.app.suggesting import ranking_of
from rialto.errors import BadInput, EngineBusy, EngineError, EngineLost, NothingHere
from rialto.find.catalogue import Catalogue
from rialto.find.change import changed_catalogue
from rialto.find.changes import apply
from rialto.find.ingest import READING, Ingest, read_catalogue, write_rejects
from rialto.find.mapping import FieldMap, read_mapping, write_mapping
from rialto.find.page import Pages
from rialto.find.pipeline import RANKER, Search, build
from rialto.find.retrieve import TEXT_FIELDS, described
from rialto.ports import Models, TextIndex, VectorIndex
from rialto.worlds.pictures import draw_product
from rialto.worlds.shop import Shop as World
from rialto.worlds.shop import make_shop

__all__ = [
    "MADE_UP",
    "Shop",
    "index_catalogue",
    "made_up_file",
    "open_index",
    "open_shop",
    "ranker_of",
    "settle",
    "shop_over",
    "stamps",
    "write_index",
]

_HERE = ("local", "flat", "memory")  # schemes of engines in this process

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
        folder: Where the catalogue lies, for the pictures that it names; None where that is not a folder here.
        past: Queries asked before, with kind and how often, the most frequent first: of the log when it was opened or indexed, and of
            `queries.csv` beside the catalogue.
        beside: Those of `queries.csv` alone.
        made_up: True where the catalogue is the made-up one.
    """

    search: Search
    pages: Pages
    ingest: Ingest | None
    world: World | None
    folder: Path | None = None
    past: tuple[Asked, ...] = ()
    beside: tuple[Asked, ...] = ()
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
    path, ranker = catalogue or str(made_up_file(engines)), ranker_of(catalogue)
    folder, ingest = index_catalogue(engines, path, mapping=mapping, rejects=rejects, ranker=ranker, tell=tell)

    def past() -> Past:
        return past_of(engines, path, ranker)

    try:
        search = open_index(engines, folder, models or engines.models(), ranker, past=past)
    except Damaged as e:
        logging.getLogger("rialto").warning("%s It is indexed again now.", e)
        tell("indexing again, as the index is damaged")
        folder, ingest = index_catalogue(engines, path, mapping=mapping, rejects=rejects, ranker=ranker, tell=tell, again=True)
        search = open_index(engines, folder, models or engines.models(), ranker, past=past)
    return shop_over(engines, search, catalogue, ingest=ingest, world=made)


def shop_over(
    engines: Engines, search: Search, catalogue: str, *, ingest: Ingest | None = None, world: World | None = None
) -> Shop:
    """The shop of a catalogue over a search of its index; arguments as in `open_shop` and `Shop`."""
    path = catalogue or str(made_up_file(engines))
    past, folder = past_of(engines, path, search.ranker, behaviour=search.fittings.behaviour), folder_of(path)
    pages = Pages(search, past.often, ranking_of(engines.models(), search.ranker))
    return Shop(search, pages, ingest, world, folder, past.queries, queries_beside(folder), made_up=not catalogue)


def ranker_of(catalogue: str) -> str:
    """Name of a catalogue's ranker among the models: what one shop's queries taught does not rank another's.

    Example:
        >>> ranker_of(""), len(ranker_of("products.csv"))
        ('find.ranker', 24)
    """
    return f"{RANKER}-{blake2b(catalogue.encode(), digest_size=6).hexdigest()}" if catalogue else RANKER


def index_catalogue(
    engines: Engines,
    path: str,
    *,
    mapping: FieldMap | None = None,
    rejects: str = "",
    ranker: str = "",
    tell: Step = lambda _: None,
    again: bool = False,
) -> tuple[Path, Ingest | None]:
    """Index a catalogue into a folder of its own under the home folder, whole or not at all.

    Products keep their numbers from the index that this one takes the place of. Where the file is as it was, and only the version or
    the folder's soundness is not, what was put in and taken out since (`rialto.app.live`) is kept too; a new file is the truth.

    Args:
        ranker: Name of the shop's ranker, which what shoppers did goes by; "" = the one that goes by the path.
        again: Index also where there is an index: it is damaged.

    Returns:
        The folder, and what came of reading; None where an index of this very catalogue was there.
    """
    place, mapping = engines.settings.home / "shops", mapping_of(engines, path, mapping)
    shop, file, asked = stamps(engines, path, mapping)
    now = current_of(place, shop)
    if now is not None and now.asked == asked and not again:
        if rejects:
            copy_rejects(place / now.folder, rejects)
        return place / now.folder, None
    sweep(place)
    with drafted(place) as draft:
        tell(f"reading {path}")
        ingest = read_catalogue(path, mapping, rejects=rejects, before=_numbered(place / now.folder) if now else None)
        write_rejects(ingest.rejects, str(draft / REJECTS))
        past = past_of(engines, path, ranker or ranker_of(path))
        write_index(engines, ingest.catalogue, ingest.mapping, draft, past=past, tell=tell)
        if now is not None and now.file == file and (journal := place / now.folder / "journal").is_dir():
            shutil.copytree(journal, draft / "journal")
        folder = settle(draft, place)
    point(place, shop, Current(asked, file, folder.name))
    return folder, ingest


def write_index(
    engines: Engines,
    catalogue: Catalogue,
    mapping: FieldMap,
    draft: Path,
    *,
    past: Past | None = None,
    tell: Step = lambda _: None,
) -> None:
    """Write an index of a catalogue into an empty folder; `open_index` reads it. `past` teaches how queries are read."""
    catalogue.save(str(draft / "catalogue"))
    write_mapping(mapping, str(draft / "mapping.json"))
    tell("making text vectors")
    encode = engines.encoder(described(catalogue), saved=draft / "encoder.npz")
    tell("indexing")
    text = engines.text(TEXT_FIELDS, draft / "text")
    vectors = engines.vectors(encode(["x"]).shape[1], draft / "vectors")
    search = build(catalogue, text=text, vectors=vectors, encode=encode)
    try:
        units = search.index()
        assert units is not None
        np.save(draft / "units.npy", units, allow_pickle=False)
    finally:
        search.close()
    static = (draft / "encoder.npz").is_file()
    tell("learning to read queries")
    train_reader(catalogue, draft, past=past, seed=engines.settings.seed)
    about = {"products": len(catalogue), "encoder": "static" if static else "minilm", "dimensions": units.shape[1]}
    (draft / "about.json").write_text(json.dumps(about))


def open_index(
    engines: Engines,
    folder: Path,
    models: Models,
    ranker: str,
    *,
    journal_of: Path | None = None,
    past: Callable[[], Past] = Past,
) -> Search:
    """Open an index that `write_index` wrote, with what was put in and taken out since.

    Args:
        engines: Where engines come from.
        folder: The index.
        models: Whose live ranker ranks.
        ranker: Its name among the models.
        journal_of: The folder with what was put in and taken out since; None = `folder`.
        past: What was asked before, for a reader of queries that has to be trained again.

    Raises:
        Damaged: files are missing, cut off or changed; index the catalogue again.
    """
    try:
        about = json.loads((folder / "about.json").read_text())
        catalogue = Catalogue.load(str(folder / "catalogue"))
        read_mapping(str(folder / "mapping.json"))
        units = np.load(folder / "units.npy", allow_pickle=False)
        if (about["encoder"] == "static") != (folder / "encoder.npz").is_file():
            raise Damaged(f"{folder} has not the encoder that its vectors were made with; index the catalogue again.")
        encode = engines.encoder([], saved=folder / "encoder.npz")
        if units.shape != (len(catalogue), about["dimensions"]) or about["products"] != len(catalogue):
            raise Damaged(f"{folder} has vectors {units.shape} for {len(catalogue)} products; index the catalogue again.")
    except Damaged:
        raise
    except (BadInput, NothingHere, EngineLost, OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as e:
        raise Damaged(f"the index in {folder} is damaged ({type(e).__name__}: {e}); index the catalogue again.") from e
    journal = Journal(journal_of or folder)
    try:
        net = journal.net()
    finally:
        journal.close()
    text, vectors, own = _engines_of(engines, folder, units.shape[1], len(catalogue), len(net))
    name = about["encoder"]
    search = build(
        catalogue, text=text, vectors=vectors, encode=encode, models=models, units=units, encoder_name=name, ranker=ranker,
        aside=[leg for leg, port in (("lexical", "text"), ("vector", "vectors")) if engines.settings.url(port).scheme not in _HERE],
    )  # fmt: skip
    if not own:
        search.index()
    elif isinstance(vectors, Sized) and abs(len(vectors) - int(units.any(axis=1).sum())) > len(net):
        held = units.any(axis=1)  # an engine that keeps nothing, or one that was killed before it wrote
        vectors.add(catalogue.numbers[held], units[held])
    if len(net):
        search = apply(search, changed_catalogue(catalogue, net.rows, net.removed, numbers=net.numbers))
    return fitted(engines, search, folder, past)


def _engines_of(
    engines: Engines, folder: Path, dimensions: int, products: int, changes: int
) -> tuple[TextIndex, VectorIndex, bool]:
    """The engines of an index, and whether they are its own: another process may serve it, then they are in memory and empty."""
    local = engines.settings.url("text").scheme == "local"
    try:
        text = engines.text(TEXT_FIELDS, folder / "text")
        if isinstance(text, Sized) and abs(len(text) - products) > changes:
            text.close()
            raise Damaged(f"the text index in {folder} holds {len(text)} products of {products}; index the catalogue again.")
    except EngineBusy:
        return engines.text(TEXT_FIELDS, None), engines.vectors(dimensions, None), False
    except (EngineLost, BadInput, OSError) as e:
        if not local or isinstance(e, Damaged):
            raise
        raise Damaged(f"the text index in {folder} is damaged ({e}); index the catalogue again.") from e
    try:
        return text, engines.vectors(dimensions, folder / "vectors"), True
    except (EngineLost, BadInput, OSError) as e:
        text.close()
        raise Damaged(f"the vectors in {folder} are damaged ({e}); index the catalogue again.") from e


def _numbered(folder: Path) -> Catalogue | None:
    """The catalogue of an index whose place another takes, with what came to it since, for its numbers; None where it cannot be read."""
    try:
        catalogue, journal = Catalogue.load(str(folder / "catalogue")), Journal(folder)
        net = journal.net()
        journal.close()
    except (BadInput, NothingHere, EngineError, OSError):
        return None
    return changed_catalogue(catalogue, net.rows, net.removed, numbers=net.numbers).after if len(net) else catalogue


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


def stamps(engines: Engines, path: str, mapping: FieldMap | None) -> tuple[str, str, str]:
    """Names of the shop (path, mapping, engines), of the file as it is now, and of what an index of both depends on."""
    fs, inside = fsspec.core.url_to_fs(path)
    try:
        info = fs.info(inside)
    except FileNotFoundError:
        raise NothingHere(f"there is no catalogue at {path!r}; wanted a JSON lines, CSV or Parquet file.") from None
    except OSError as e:
        raise EngineError(f"the catalogue at {path!r} cannot be reached: {e}") from None
    s, mapping = engines.settings, mapping_of(engines, path, mapping)
    shop = _named([path, repr(mapping), s.text, s.vectors, engines.encoder_name(), s.seed])
    file = _named([path, info.get("size"), str(info.get("mtime") or info.get("LastModified") or info.get("ETag"))])
    return shop, file, _named([shop, file, __version__, READING])


def _named(parts: Sequence[object]) -> str:
    return blake2b(json.dumps(parts).encode(), digest_size=10).hexdigest()


def settle(draft: Path, place: Path) -> Path:
    """Give a finished draft a name of its own, and return where it is."""
    folder = place / f"shop-{draft.name.removeprefix('index-')}"
    draft.rename(folder)
    return folder


def _settle(draft: Path, folder: Path) -> None:
    """Give the finished draft its name; where another process was first, its work stays."""
    try:
        draft.rename(folder)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        if not folder.is_dir():
            raise
