"""The catalogue in columns: every product a row, its stable number, typed attributes in compressed sparse rows; kept as Arrow files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any, cast

import fsspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rialto.errors import BadInput, NothingHere, known
from rialto.find.places import looked_up, looked_up_plain
from rialto.find.records import Product, Value, split_path
from rialto.find.values import day_text

__all__ = ["Catalogue", "Labels", "Measures", "held_pairs"]

TEXTS = ("title", "brand", "category", "description", "group", "image", "names")
NUMBERS = ("price_cents", "stock", "released_day", "rating", "rating_count", "margin")
_FORMAT = 1


@dataclass(frozen=True)
class Labels:
    """Text and yes/no attributes: product `i` holds `pair[offsets[i]:offsets[i+1]]`; a pair is one value of one attribute.

    Args:
        offsets: Shape (products + 1,), int64.
        pair: Shape (entries,), int32; rows of `pair_name` and `pair_text`.
        pair_name: Attribute of each pair, shape (pairs,), int32; rows of `names`.
        pair_text: Value of each pair, shape (pairs,), object array of str.
        names: Attribute names.
    """

    offsets: NDArray[np.int64]
    pair: NDArray[np.int32]
    pair_name: NDArray[np.int32]
    pair_text: NDArray[Any]
    names: tuple[str, ...]

    @cached_property
    def pair_of(self) -> Mapping[tuple[str, str], int]:
        """(attribute, value) -> pair."""
        return {(self.names[n], t): at for at, (n, t) in enumerate(zip(self.pair_name.tolist(), self.pair_text.tolist()))}


def held_pairs(labels: Labels) -> NDArray[np.int64]:
    """Products that hold each pair, shape (pairs,); 0 for one that its last product lost in a change."""
    return np.bincount(labels.pair, minlength=len(labels.pair_name)).astype(np.int64)


@dataclass(frozen=True)
class Measures:
    """Attributes that are numbers: product `i` holds rows `offsets[i]:offsets[i+1]` of `name` (int32) and `value` (float64)."""

    offsets: NDArray[np.int64]
    name: NDArray[np.int32]
    value: NDArray[np.float64]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Catalogue:
    """All products as columns; never changed in place: an update makes another one that keeps the numbers.

    Args:
        ids: The shop's own ids, shape (products,), object array of str, unique.
        numbers: Rialto's numbers, shape (products,), int64, unique; an id keeps its number for good.
        texts: `title`, `brand`, `category` (levels divided by "/"), `description`, `group`, `image`, `names`, shape (products,) each.
        values: `price_cents`, `stock`, `released_day` (days since 1970), `rating`, `rating_count`, `margin` (in the shop's own measure,
            never shown), shape (products,) float64; NaN = not known.
        labels: Text and yes/no attributes.
        measures: Attributes that are numbers.
        retired: Ids that left, with the numbers that they keep.
    """

    ids: NDArray[Any]
    numbers: NDArray[np.int64]
    texts: Mapping[str, NDArray[Any]]
    values: Mapping[str, NDArray[np.float64]]
    labels: Labels
    measures: Measures
    retired: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def text(self, name: str) -> NDArray[Any]:
        """A text column, shape (products,); O(1)."""
        return _column(self.texts, name)

    def value(self, name: str) -> NDArray[np.float64]:
        """A number column, shape (products,), NaN = not known; O(1)."""
        return _column(self.values, name)

    @cached_property
    def row_of_id(self) -> Mapping[str, int]:
        """The shop's id -> row."""
        return {str(i): row for row, i in enumerate(self.ids)}

    @cached_property
    def _row_of_number(self) -> NDArray[np.int64]:
        table = np.full(self.next_number, -1, dtype=np.int64)
        table[self.numbers] = np.arange(len(self))
        return table

    @cached_property
    def next_number(self) -> int:
        """The number that the next new product gets."""
        return 1 + max([int(self.numbers.max(initial=-1)), *self.retired.values()])

    def rows(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of `numbers`, same shape; -1 where no such product is here. O(1) a number."""
        if numbers.ndim != 1 or numbers.dtype != np.int64:
            return looked_up_plain(self._row_of_number, numbers)
        return looked_up(self._row_of_number, np.ascontiguousarray(numbers))

    def number_of(self, product_id: str) -> int:
        """Rialto's number of the shop's id; `NothingHere` where it is not in the catalogue."""
        row = self.row_of_id.get(product_id)
        if row is None:
            raise NothingHere(
                f"there is no product {product_id!r} among {len(self)}; ids look like {', '.join(map(str, self.ids[:3]))}."
            )
        return int(self.numbers[row])

    @cached_property
    def group_code(self) -> NDArray[np.int64]:
        """Variants of one model share a code, shape (products,); a product without a group has its own."""
        groups = self.texts["group"]
        own = np.array([g or f"\x00{i}" for i, g in enumerate(groups.tolist())], dtype=object)
        return np.unique(own.astype(str), return_inverse=True)[1].astype(np.int64) if len(own) else np.zeros(0, dtype=np.int64)

    @cached_property
    def brands(self) -> tuple[NDArray[np.int32], Mapping[str, int]]:
        """Code of each product's brand, shape (products,), and brand -> code; -1 = no brand."""
        codes = {b: at for at, b in enumerate(sorted({str(b) for b in self.texts["brand"].tolist()} - {""}))}
        return np.array([codes.get(b, -1) for b in self.texts["brand"].tolist()], dtype=np.int32), codes

    @cached_property
    def paths(self) -> tuple[NDArray[np.int32], list[tuple[str, ...]]]:
        """Code of each product's category, shape (products,), and the paths in order, so that what lies below one stands together."""
        texts = self.texts["category"].tolist()
        levels = {t: split_path(t) for t in set(texts)}
        order = sorted(set(levels.values()))
        codes = {p: at for at, p in enumerate(order)}
        of_text = {t: codes[p] for t, p in levels.items()}
        return np.array([of_text[t] for t in texts], dtype=np.int32), order

    @cached_property
    def version(self) -> str:
        """Names the content, 16 hexadecimal digits: its checksum, or where it came of changes, theirs in turn; pinned in every decision."""
        return _digest(self._tables())

    def attributes(self, row: int) -> dict[str, Value]:
        """Name -> value of one product; several values of one name are a tuple, yes/no is a bool."""
        a, m = self.labels, self.measures
        out: dict[str, Value] = {}
        for pair in a.pair[a.offsets[row] : a.offsets[row + 1]].tolist():
            name, text = a.names[a.pair_name[pair]], str(a.pair_text[pair])
            before = out.get(name)
            out[name] = text if before is None else (*(before if isinstance(before, tuple) else (str(before),)), text)
        for name, value in list(out.items()):
            out[name] = value == "yes" if value in ("yes", "no") else value
        for at in range(int(m.offsets[row]), int(m.offsets[row + 1])):
            out.setdefault(m.names[m.name[at]], float(m.value[at]))
        return out

    def product(self, number: int) -> Product:
        """One product as people read it; `NothingHere` where `number` is not in the catalogue."""
        row = int(self._row_of_number[number]) if 0 <= number < self.next_number else -1
        if row < 0:
            raise NothingHere(f"there is no product number {number} in a catalogue of {len(self)} products.")
        t, whole = {k: str(v[row]) for k, v in self.texts.items()}, {k: _whole(v[row]) for k, v in self.values.items()}
        rating = float(self.values["rating"][row])
        return Product(
            id=str(self.ids[row]), number=number, title=t["title"], brand=t["brand"], category=split_path(t["category"]),
            description=t["description"], price_cents=whole["price_cents"], stock=whole["stock"],
            rating=None if np.isnan(rating) else rating, rating_count=whole["rating_count"], group=t["group"], image=t["image"],
            released=day_text(float(self.values["released_day"][row])), attributes=self.attributes(row),
        )  # fmt: skip

    def save(self, folder: str) -> None:
        """Write the catalogue under `folder` (any fsspec path); the small head file goes last, so a half-written one is noticed."""
        fs, root = fsspec.core.url_to_fs(folder)
        fs.makedirs(root, exist_ok=True)
        tables = self._tables()
        for name, body in tables.items():
            fs.pipe_file(f"{root}/{name}.arrow", body)
        head = {
            "format": _FORMAT, "version": self.version, "products": len(self), "retired": dict(self.retired),
            "label_names": self.labels.names, "measure_names": self.measures.names,
        }  # fmt: skip
        fs.pipe_file(f"{root}/catalogue.json", json.dumps({**head, "checksum": _checksum(head, tables)}).encode())

    @classmethod
    def load(cls, folder: str) -> Catalogue:
        """Read what `save` wrote.

        Raises:
            NothingHere: there is no catalogue under `folder`.
            BadInput: it is of another format, or its files do not belong together.
        """
        fs, root = fsspec.core.url_to_fs(folder)
        if not fs.exists(f"{root}/catalogue.json"):
            raise NothingHere(f"there is no catalogue under {folder}; build one with `rialto find index`.")
        try:
            head = cast("dict[str, Any]", json.loads(fs.cat_file(f"{root}/catalogue.json")))
            if head["format"] != _FORMAT:
                raise BadInput(f"{folder} has catalogue format {head['format']!r}; wanted {_FORMAT}. Index it again.")
            bodies = {name: fs.cat_file(f"{root}/{name}.arrow") for name in ("products", "labels", "measures", "pairs")}
            if _checksum({k: v for k, v in head.items() if k != "checksum"}, bodies) != head["checksum"]:
                raise BadInput(f"the files in {folder} are not those that were written together; index it again.")
            return cls._read(head, {name: _read(body) for name, body in bodies.items()})
        except (ValueError, KeyError, TypeError, AttributeError, FileNotFoundError) as e:
            if isinstance(e, BadInput):
                raise
            raise BadInput(f"the catalogue in {folder} is damaged ({type(e).__name__}: {e}); index it again.") from None

    @classmethod
    def _read(cls, head: dict[str, Any], t: Mapping[str, dict[str, NDArray[Any]]]) -> Catalogue:
        p = t["products"]
        labels = Labels(
            _offsets(p["labels"]), t["labels"]["pair"], t["pairs"]["name"], t["pairs"]["text"], tuple(head["label_names"])
        )
        measures = Measures(_offsets(p["measures"]), t["measures"]["name"], t["measures"]["value"], tuple(head["measure_names"]))
        self = cls(p["id"], p["number"], {k: p[k] for k in TEXTS}, {k: p[k] for k in NUMBERS}, labels, measures, head["retired"])
        vars(self)["version"] = str(head["version"])
        return self

    def _tables(self) -> dict[str, bytes]:
        a, m = self.labels, self.measures
        flat = {"id": self.ids, "number": self.numbers, **self.texts, **self.values}
        flat |= {"labels": np.diff(a.offsets), "measures": np.diff(m.offsets)}
        return {
            "products": _written(flat),
            "labels": _written({"pair": a.pair}),
            "pairs": _written({"name": a.pair_name, "text": a.pair_text}),
            "measures": _written({"name": m.name, "value": m.value}),
        }


def _digest(tables: Mapping[str, bytes]) -> str:
    digest = blake2b(digest_size=8)
    for _, body in sorted(tables.items()):
        digest.update(body)
    return digest.hexdigest()


def _checksum(head: Mapping[str, Any], tables: Mapping[str, bytes]) -> str:
    return _digest({**tables, "head": json.dumps(head, sort_keys=True).encode()})


def _whole(value: float) -> int | None:
    return None if np.isnan(value) else round(float(value))


def _column(columns: Mapping[str, NDArray[Any]], name: str) -> NDArray[Any]:
    try:
        return columns[name]
    except KeyError:
        raise BadInput(f"there is no catalogue column {name!r}; known: {known(name, columns)}.") from None


def _written(columns: Mapping[str, NDArray[Any]]) -> bytes:
    arrays = {k: pa.array(v, type=pa.string()) if v.dtype == object else pa.array(v) for k, v in columns.items()}
    table, sink = pa.table(arrays), pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _read(body: bytes) -> dict[str, NDArray[Any]]:
    table = pa.ipc.open_file(pa.py_buffer(body)).read_all().combine_chunks()
    return {name: table.column(name).to_numpy(zero_copy_only=False) for name in table.column_names}


def _offsets(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
