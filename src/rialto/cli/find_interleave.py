"""`rialto find mix` and `rialto find prefer`: pages that two configurations share, and what clicks on them say of the two."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rialto.cli.find_shop import CatalogueFile, MappingFile, shop_of
from rialto.cli.options import AsJson, Seed, SettingsFile, opened
from rialto.cli.output import json_out, out
from rialto.errors import BadInput

if TYPE_CHECKING:
    from rialto.find.pipeline import Search
    from rialto.spine.experiment import Draft
    from rialto.spine.params import Value

__all__ = ["mix", "prefer"]

_PART = 64  # queries answered at a time
_HEADS = ("page", "query", "place", "product", "team")


def mix(
    queries: Annotated[Path, typer.Argument(help="A query a line.", metavar="FILE")],
    file: Annotated[
        Path, typer.Option("--out", help="Write page,query,place,product,team here; team 1 is the new.", metavar="FILE")
    ],
    change: Annotated[list[str] | None, typer.Option("--new", help="A tunable of the new: NAME=VALUE; repeat it.")] = None,
    untaught: Annotated[bool, typer.Option("--untaught", help="The new ranks without what was learned.")] = False,
    catalogue: CatalogueFile = "",
    mapping: MappingFile = None,
    size: Annotated[int, typer.Option(help="Results of a page.", min=1, max=100)] = 10,
    seed: Seed = 0,
    settings: SettingsFile = None,
) -> None:
    """Answer queries with pages that the live configuration and a new one fill by turns (team draft), to be shown and clicked."""
    from rialto.cli.find_query import read_lines

    texts, given = read_lines(queries), _tunables(change or ())
    if not texts or not (given or untaught):
        raise BadInput(
            f"{queries} holds {len(texts)} queries, and {len(given)} tunables are changed; wanted a query a line, and --new or --untaught."
        )
    with opened(settings) as engines:
        live = shop_of(engines, catalogue, mapping, quiet=True).search
        pages = _pages(live, live.untaught() if untaught else live, texts, given, size=size, seed=seed)
        names = live.catalogue
        rows = [
            (page, text, place, names.ids[row], team)
            for page, (text, d) in enumerate(zip(texts, pages), start=1)
            for place, (row, team) in enumerate(zip(names.rows(d.ids).tolist(), d.team.tolist()), start=1)
        ]
    draft = file.with_name(f"{file.name}.part")
    with draft.open("w", newline="", encoding="utf-8") as sink:
        csv.writer(sink).writerows([_HEADS, *rows])
    draft.replace(file)
    mixed = sum(bool((d.team == 0).any() and (d.team == 1).any()) for d in pages)
    out.print(f"{len(texts):,} pages, {mixed:,} of both: {file}", markup=False)


def prefer(
    pages: Annotated[Path, typer.Argument(help="What `rialto find mix` wrote.", metavar="FILE")],
    clicks: Annotated[Path, typer.Argument(help="CSV with page and product, and shopper where it is known.", metavar="CLICKS")],
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Say whose results shoppers want: above 0 the new one's, -1 to 1 a shopper, with a 95 % interval and a p-value."""
    import numpy as np

    from rialto.app.interleaving import preferred
    from rialto.spine.experiment import Draft

    shown: dict[str, list[tuple[str, int]]] = {}
    for row in _rows(pages, _HEADS):
        if row["team"] not in ("0", "1"):
            raise BadInput(f"{pages}: page {row['page']!r} has team {row['team']!r}; wanted 0 or 1, as `rialto find mix` writes.")
        shown.setdefault(row["page"], []).append((row["product"], int(row["team"])))
    clicked, shopper = _clicked(clicks, {(p, product) for p, lines in shown.items() for product, _ in lines})
    names = list(dict.fromkeys(shopper.get(p, f"page {p}") for p in shown))
    number = {name: at for at, name in enumerate(names)}
    found = preferred(
        [Draft(np.arange(len(lines)), np.array([t for _, t in lines], dtype=np.int8)) for lines in shown.values()],
        [np.array([(p, i) in clicked for i, _ in lines], dtype=np.bool_) for p, lines in shown.items()],
        shopper=np.array([number[shopper.get(p, f"page {p}")] for p in shown], dtype=np.int64), seed=seed,
    )  # fmt: skip
    if as_json:
        json_out({"preference": found.value, "low": found.low, "high": found.high, "p": found.p, "shoppers": len(names),
                  "pages": len(shown), "clicks": len(clicked)})  # fmt: skip
        return
    out.print(f"preference for the new: {found}; {len(clicked):,} clicks on {len(shown):,} pages", markup=False)


def _pages(live: Search, new: Search, texts: list[str], given: dict[str, Value], *, size: int, seed: int) -> list[Draft]:
    import numpy as np

    from rialto.app.interleaving import mixed

    made: list[Draft] = []
    for at in range(0, len(texts), _PART):
        part = texts[at : at + _PART]
        ids = np.arange(at + 1, at + 1 + len(part), dtype=np.uint64)
        made += mixed(live, new, part, ids=ids, size=size, seed=seed, only_new=given)
    return made


def _tunables(told: Sequence[str]) -> dict[str, Value]:
    """NAME=VALUE as overrides, each of its tunable's kind."""
    from rialto.app.engines import declare
    from rialto.errors import known
    from rialto.spine.params import params

    declare()
    declared = params()
    made: dict[str, Value] = {}
    for text in told:
        name, equals, value = text.partition("=")
        if not equals or name not in declared:
            raise BadInput(f"--new is {text!r}; wanted NAME=VALUE of a tunable; known: {known(name, declared)}.")
        default = declared[name].default
        try:
            if isinstance(default, bool):
                made[name] = {"true": True, "false": False}[value]
            else:
                made[name] = type(default)(value)
        except (KeyError, ValueError):
            raise BadInput(f"--new is {text!r}; wanted a value like {default!r}.") from None
    return made


def _clicked(file: Path, shown: set[tuple[str, str]]) -> tuple[set[tuple[str, str]], dict[str, str]]:
    """(Page, product) of each click, and page -> shopper where a row says so."""
    clicked, shopper = set[tuple[str, str]](), dict[str, str]()
    for number, row in enumerate(_rows(file, ("page", "product")), start=2):
        at = (row["page"], row["product"])
        if at not in shown:
            raise BadInput(
                f"{file}, row {number}: page {at[0]!r} did not show product {at[1]!r}; wanted clicks on these very pages."
            )
        clicked.add(at)
        if row.get("shopper"):
            shopper[at[0]] = f"shopper {row['shopper']}"
    return clicked, shopper


def _rows(file: Path, wanted: Sequence[str]) -> list[dict[str, str]]:
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            rows = csv.DictReader(lines, restval="")
            missing = [w for w in wanted if w not in (rows.fieldnames or ())]
            if missing:
                raise BadInput(f"{file} has columns {', '.join(rows.fieldnames or ()) or 'none'}; wanted {', '.join(wanted)}.")
            return list(rows)
    except (OSError, UnicodeDecodeError, csv.Error) as e:
        raise BadInput(f"{file} cannot be read: {e}; wanted CSV in UTF-8 with columns {', '.join(wanted)}.") from None
