"""Options of the `find` commands that name a catalogue and judgments, and the shop opened from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rialto.cli.output import tell

if TYPE_CHECKING:
    from rialto.app.engines import Engines
    from rialto.app.shop import Shop
    from rialto.find.catalogue import Catalogue
    from rialto.find.ingest import Ingest
    from rialto.find.judgments import Judged

__all__ = ["CatalogueFile", "JudgmentsFile", "MappingFile", "QueriesFile", "judged_of", "shop_of", "tell_reading"]

CatalogueFile = Annotated[
    str, typer.Option("--catalogue", help="JSON lines, CSV or Parquet; the made-up shop where not given.", metavar="FILE")
]
MappingFile = Annotated[
    Path | None,
    typer.Option(
        "--mapping", help="Which column is what (TOML or JSON); the settings', else guessed, where not given.", metavar="FILE"
    ),
]
QueriesFile = Annotated[
    str, typer.Option("--queries", help="Table with query_id and query, for judgments that name queries by id.", metavar="FILE")
]
JudgmentsFile = Annotated[
    str, typer.Option("--judgments", help="TREC qrels, or a table with query, product_id, grade.", metavar="FILE")
]


def shop_of(engines: Engines, catalogue: str, mapping: Path | None, *, quiet: bool, rejects: str = "") -> Shop:
    """The shop of a catalogue, from its kept index where there is one; `quiet` says nothing of the steps."""
    from rialto.app.shop import open_shop
    from rialto.find.mapping import read_mapping

    with tell.status("opening the shop ...") as status:
        shop = open_shop(
            engines,
            catalogue=catalogue,
            mapping=read_mapping(str(mapping)) if mapping else None,
            rejects=rejects,
            tell=lambda what: None if quiet else status.update(f"{what} ..."),
        )
    if shop.ingest is not None and catalogue:
        tell_reading(shop.ingest)
    return shop


def tell_reading(ingest: Ingest) -> None:
    """Say on standard error what was guessed, let pass and left out when a catalogue was read."""
    for note in ingest.notes:
        tell.print(f"catalogue: {note}", markup=False, soft_wrap=True)
    if ingest.rejects:
        first = ingest.rejects[0]
        tell.print(
            f"catalogue: {len(ingest.rejects):,} of {ingest.rows:,} rows were rejected; {first}", markup=False, soft_wrap=True
        )
    if ingest.repeated:
        tell.print(
            f"catalogue: {len(ingest.repeated):,} ids stand twice; the last row of each went in", markup=False, soft_wrap=True
        )


def judged_of(path: str, catalogue: Catalogue, queries: str) -> Judged:
    """Judgments from a file; what was guessed, let pass and left out is said on standard error."""
    from rialto.find.judgments import read_judgments

    judged = read_judgments(path, catalogue, queries=queries)
    tell.print(f"judgments: {len(judged.judgments.ids):,} of {len(judged):,} queries", markup=False)
    for note in judged.notes:
        tell.print(f"judgments: {note}", markup=False, soft_wrap=True)
    return judged
