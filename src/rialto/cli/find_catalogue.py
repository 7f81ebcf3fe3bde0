"""`rialto find quality` and `rialto find update`: what is wrong with a catalogue, and a kept index changed without making it anew."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rialto.cli.find_shop import MappingFile
from rialto.cli.options import AsJson, SettingsFile, opened
from rialto.cli.output import json_out, out, table, tell
from rialto.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rialto.app.updates import Updated

__all__ = ["add_to", "quality", "update"]

_PART = 10_000  # rows of one change


def add_to(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command()(quality)
    app.command()(update)


def quality(
    catalogue: Annotated[str, typer.Argument(help="JSON lines, CSV or Parquet, by path or URL.", metavar="FILE")],
    mapping: MappingFile = None,
    most: Annotated[int, typer.Option(help="Findings printed.", min=1)] = 20,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with a catalogue: what is missing, there twice, priced oddly, in another unit or in the wrong category."""
    from rialto.find.ingest import read_catalogue
    from rialto.find.mapping import read_mapping
    from rialto.find.quality import report

    with tell.status("reading ...") as status:
        ingest = read_catalogue(catalogue, read_mapping(str(mapping)) if mapping else None)
        status.update("looking ...")
        found = report(ingest.catalogue)
    if as_json:
        json_out({"rows": ingest.rows, "rejected": [str(e) for e in ingest.rejects], **found.to_json()})
        return
    bad = f", {len(ingest.rejects):,} rows rejected" if ingest.rejects else ""
    out.print(f"{found.products:,} products{bad}; {found.share_sound:.1%} have nothing wrong that matters.")
    rows = [(f.severity, f.count, f.says, ", ".join(f.products[:3])) for f in found.findings[:most]]
    if rows:
        out.print(table("", ("", "products", "finding", "such as"), rows))
    if len(found.findings) > most:
        out.print(f"and {len(found.findings) - most} more findings; --most shows more, --json all.")


def update(
    catalogue: Annotated[str, typer.Option("--catalogue", help="The catalogue whose index is changed.", metavar="FILE")],
    upsert: Annotated[
        str, typer.Option("--upsert", help="Products to put in or replace: a file like the catalogue's.", metavar="FILE")
    ] = "",
    remove: Annotated[
        str, typer.Option("--remove", help="Ids to take out: a list with commas, or a file with one a line.", metavar="IDS")
    ] = "",
    mapping: MappingFile = None,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Put products into a kept index, replace and remove them; what is told here is durable, and searches see it."""
    from rialto.app.live import LiveShop
    from rialto.find.ingest import read_rows
    from rialto.find.mapping import read_mapping

    if not upsert and not remove:
        raise BadInput("there is nothing to do; give --upsert FILE, --remove IDS, or both.")
    with opened(settings) as engines, tell.status("opening the shop ...") as status:
        live = LiveShop(engines, catalogue=catalogue, mapping=read_mapping(str(mapping)) if mapping else None)
        try:
            status.update("changing it ...")
            told = [live.remove(_ids(remove))] if remove else []
            rows = (row for _, row in read_rows(upsert)) if upsert else iter(())
            told += [live.upsert(part) for part in _parts(rows)]
        finally:
            live.close()
    if not told:
        raise BadInput(f"{upsert} has no rows; wanted products with the columns of {catalogue}.")
    _print(told, as_json=as_json)


def _ids(text: str) -> list[str]:
    file = Path(text)
    lines = file.read_text(encoding="utf-8").splitlines() if "," not in text and file.is_file() else text.split(",")
    return [i.strip() for i in lines if i.strip()]


def _parts(rows: Iterator[object]) -> Iterator[list[object]]:
    while part := list(islice(rows, _PART)):
        yield part


def _print(told: list[Updated], *, as_json: bool) -> None:
    last = told[-1]
    sums = {name: sum(getattr(u, name) for u in told) for name in ("added", "replaced", "removed")}
    unknown, rejects = [i for u in told for i in u.unknown], [e for u in told for e in u.rejects]
    if as_json:
        json_out({**sums, "unknown": unknown, "rejected": [str(e) for e in rejects], "products": last.products,
                  "version": last.version, "pending": last.pending})  # fmt: skip
        return
    out.print(
        f"{sums['added']:,} added, {sums['replaced']:,} replaced, {sums['removed']:,} removed; {last.products:,} products now."
    )
    if unknown:
        out.print(f"Not there to be removed: {', '.join(unknown[:10])}{' ...' if len(unknown) > 10 else ''}", markup=False)
    for e in rejects[:10]:
        out.print(f"  {e}", markup=False)
