"""Which column of a catalogue file is what, kept in a small file that people edit; `rialto.find.guessing` guesses it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any, cast

import fsspec

from rialto.errors import BadInput, NothingHere, known

__all__ = ["FieldMap", "read_mapping", "write_mapping"]


@dataclass(frozen=True, slots=True)
class FieldMap:
    """Which column of the file is what; "" = the file has no such column.

    Args:
        id: "" numbers the rows, so that a moved row becomes another product.
        margin: What a product earns, a number in any measure: it may weigh in ranking (`find.objectives.margin`), and nobody is shown it.
        markup: What descriptions are written in: `html` (tags and entities are taken out) or `text`.
        price_unit: What a bare number in the price column counts: `cents` or `units` (dollars, euros).
        category_divider: What parts the levels of a category; "" = ">" where a value holds one, else "/".
        attributes: Column that holds attributes: an object, a list of names and values, `k=v,k=v` or `k:v|k:v`.
        extra: Further columns that become attributes of their own; `attr_t_*`, `attr_n_*`, `attr_b_*` always do.
        names: Further columns whose text counts as names of the product (model number, alternative title).
        more: Further columns whose text is searched with the description (bullet points, keywords).
        notes: What was guessed and why; for people, never read back.
    """

    id: str = ""
    title: str = ""
    brand: str = ""
    category: str = ""
    category_divider: str = ""
    description: str = ""
    markup: str = "html"
    price: str = ""
    price_unit: str = "units"
    stock: str = ""
    released: str = ""
    rating: str = ""
    rating_count: str = ""
    margin: str = ""
    group: str = ""
    image: str = ""
    attributes: str = ""
    extra: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.title or self.price_unit not in ("cents", "units") or self.markup not in ("html", "text"):
            raise BadInput(
                f"mapping has title={self.title!r}, price_unit={self.price_unit!r}, markup={self.markup!r}; wanted the column that holds "
                "titles, cents or units, and html or text. Name them in the mapping file."
            )


def read_mapping(path: str) -> FieldMap:
    """Read a mapping from a JSON or TOML file; `BadInput` names every key that is unknown or of a wrong type."""
    try:
        with fsspec.open(path, "rb") as stream:
            body = cast("bytes", cast("Any", stream).read())
    except FileNotFoundError:
        raise NothingHere(f"there is no mapping file {path}.") from None
    except OSError as e:
        raise BadInput(f"mapping file {path} cannot be read: {e.strerror or e}.") from None
    try:
        data = tomllib.loads(body.decode()) if path.endswith(".toml") else json.loads(body)
    except (ValueError, UnicodeDecodeError) as e:
        raise BadInput(f"mapping file {path} cannot be read: {e}; wanted JSON, or TOML where its name ends in .toml.") from None
    if not isinstance(data, dict):
        raise BadInput(f"mapping file {path} holds {type(data).__name__}; wanted an object of field names and column names.")
    names = {f.name for f in fields(FieldMap)}
    problems = [f"unknown {k!r}, known: {known(k, names)}" for k in data if k not in names]
    lists = {"extra", "names", "more", "notes"}
    problems += [f"{k!r} is {v!r}" for k, v in data.items() if k in names and not _typed(v, many=k in lists)]
    if problems:
        raise BadInput(
            f"mapping file {path}: {'; '.join(problems)}; wanted a column's name, or a list of them for {sorted(lists)}."
        )
    typed: dict[str, Any] = {k: tuple(v) if k in lists else v for k, v in data.items()}
    return FieldMap(**typed)


def _typed(value: object, *, many: bool) -> bool:
    if not many:
        return isinstance(value, str)
    return isinstance(value, list) and all(isinstance(x, str) for x in cast("Iterable[object]", value))


def write_mapping(mapping: FieldMap, path: str) -> None:
    """Write the mapping as JSON, for people to edit."""
    with fsspec.open(path, "w", encoding="utf-8") as stream:
        cast("Any", stream).write(json.dumps(asdict(mapping), indent=2, ensure_ascii=False) + "\n")
