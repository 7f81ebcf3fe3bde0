"""Options of the `find` commands that name a catalogue and judgments, and the shop opened from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rialto.cli.output import tell

if TYPE_CHECKING:
    from rialto.app.engines import Engines
    from rialto.app.shop import Shop

__all__ = ["CatalogueFile", "JudgmentsFile", "MappingFile", "QueriesFile", "shop_of"]

CatalogueFile = Annotated[
    str, typer.Option("--catalogue", help="JSON lines, CSV or Parquet; the made-up shop where not given.", metavar="FILE")
]
MappingFile = Annotated[
    Path | None, typer.Option("--mapping", help="Which column is what (TOML or JSON); guessed where not given.", metavar="FILE")
]
QueriesFile = Annotated[str, typer.Option("--queries", help="CSV with query_id and query, for TREC qrels.", metavar="FILE")]
JudgmentsFile = Annotated[
    str, typer.Option("--judgments", help="TREC qrels, or CSV with query, product_id, grade.", metavar="FILE")
]


def shop_of(engines: Engines, catalogue: str, mapping: Path | None, *, quiet: bool, rejects: str = "") -> Shop:
    """The shop of a catalogue, from its kept index where there is one; `quiet` says nothing of the steps."""
    from rialto.app.shop import open_shop
    from rialto.find.mapping import read_mapping

    with tell.status("opening the shop ...") as status:
        return open_shop(
            engines,
            catalogue=catalogue,
            mapping=read_mapping(str(mapping)) if mapping else None,
            rejects=rejects,
            tell=lambda what: None if quiet else status.update(f"{what} ..."),
        )
