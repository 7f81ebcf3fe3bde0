"""`rialto find`: index a catalogue, search it, evaluate and train its ranking, explain a result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rialto.cli import find_catalogue, find_evaluate, find_interleave, find_learning, find_models, find_rules, find_synonyms
from rialto.cli.find_shop import CatalogueFile, MappingFile, shop_of
from rialto.cli.options import AsJson, SettingsFile, opened
from rialto.cli.output import json_out, out, table, tell
from rialto.errors import NothingHere

if TYPE_CHECKING:
    from rialto.find.records import Facet, FacetValue, SearchPage

__all__ = ["app", "print_page"]

app = typer.Typer(no_args_is_help=True, help="Product search: which products, in what order, for this query?")
app.add_typer(find_rules.app, name="rules")
app.add_typer(find_synonyms.app, name="synonyms")
find_catalogue.add_to(app)
find_evaluate.add_to(app)
app.command("judgments")(find_learning.judgments)
app.command("learn")(find_learning.learn)
app.command("train-cross")(find_models.train_cross)
app.command("models")(find_models.models)
app.command("mix")(find_interleave.mix)
app.command("prefer")(find_interleave.prefer)


@app.command()
def index(
    catalogue: Annotated[str, typer.Argument(help="JSON lines, CSV or Parquet, by path or URL.", metavar="FILE")],
    mapping: MappingFile = None,
    rejects: Annotated[str, typer.Option(help="Write rejected rows here, a JSON line each.", metavar="FILE")] = "",
    show_mapping: Annotated[
        bool, typer.Option("--show-mapping", help="Print the guessed mapping, to edit and give back.")
    ] = False,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Read a catalogue and index it; bad rows are told with their number, field and value, the rest goes in."""
    from rialto.app.shop import index_catalogue
    from rialto.find.ingest import read_catalogue
    from rialto.find.mapping import read_mapping

    chosen = read_mapping(str(mapping)) if mapping else None
    if show_mapping:
        json_out(read_catalogue(catalogue, chosen).mapping)
        return
    with opened(settings) as engines, tell.status("indexing ...") as status:
        folder, ingest = index_catalogue(
            engines, catalogue, mapping=chosen, rejects=rejects, tell=lambda what: status.update(f"{what} ...")
        )
    if ingest is None:
        found = {"index": str(folder), "fresh": False}
        if not as_json:
            out.print(f"Already indexed, and unchanged since: {folder}", markup=False)
            if rejects:
                out.print(f"The rows rejected then: {rejects}", markup=False)
    else:
        bad = [str(r) for r in ingest.rejects]
        found = {"index": str(folder), "fresh": True, "rows": ingest.rows, "products": len(ingest.catalogue), "rejected": bad,
                 "repeated": list(ingest.repeated), "notes": list(ingest.notes)}  # fmt: skip
        if not as_json:
            out.print(
                f"{len(ingest.catalogue):,} products from {ingest.rows:,} rows; {len(bad)} rejected, {len(ingest.repeated)} ids twice."
            )
            for line in (*(f"note: {n}" for n in ingest.notes), *bad[:10]):
                out.print(f"  {line}", markup=False)
            if len(bad) > 10:
                out.print(f"  and {len(bad) - 10} more{'' if rejects else '; --rejects FILE writes all'}")
    if as_json:
        json_out(found)


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="What a shopper would type.")],
    catalogue: CatalogueFile = "",
    mapping: MappingFile = None,
    size: Annotated[int, typer.Option(help="Results.", min=1, max=100)] = 10,
    segment: Annotated[
        list[str] | None, typer.Option(help="An audience that the shopper belongs to, for rules; may be given several times.")
    ] = None,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Search a catalogue and print the results with their facets."""
    with opened(settings) as engines:
        page = shop_of(engines, catalogue, mapping, quiet=as_json).pages.page(query, size=size, segments=segment or ())
    if as_json:
        json_out(page)
        return
    print_page(page)


def print_page(page: SearchPage) -> None:
    """Print results, rewrites and the first facets."""
    for r in page.rewrites:
        done = f"read as {r.after}" if r.kind != "synonym" else f"searched as {r.after} too"
        out.print(f"  [dim]{r.kind}: “{r.before}” {done}[/]")
    rows = [(r.place, r.product.title, r.product.brand, _price(r.product.price_cents), r.product.id) for r in page.results]
    about = "" if page.total_exact else "about "
    out.print(table(f"{about}{page.total:,} products for “{page.text}”", ("", "title", "brand", "price", "id"), rows))
    out.print()
    for facet in page.facets[:4]:
        shown = "  ".join(f"{_label(facet, v)} [dim]{v.count}[/]" for v in facet.values[:5])
        out.print(f"  [bold]{facet.label}[/]  {shown}")


def _label(facet: Facet, value: FacetValue) -> str:
    if facet.name != "price_cents" or value.low is None or value.high is None:
        return value.label
    return f"{value.low / 100:,.0f}–{value.high / 100:,.0f}"


def _price(cents: int | None) -> str:
    return "" if cents is None else f"{cents / 100:,.2f}"


@app.command()
def explain(
    query: Annotated[str, typer.Argument(help="What a shopper would type.")],
    product: Annotated[str, typer.Argument(help="Product id; the first result where not given.")] = "",
    catalogue: CatalogueFile = "",
    mapping: MappingFile = None,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Say what became of one product for one query: removed for a reason, cut by a phase, or chosen, and by which numbers."""
    with opened(settings) as engines:
        pages = shop_of(engines, catalogue, mapping, quiet=as_json).pages
        first = pages.page(query, size=1)
        if not product and not first.results:
            raise NothingHere(f"nothing was found for {query!r}, so there is no first result to explain; name a product.")
        chosen = product or first.results[0].product.id
        told = pages.explain(query, chosen)
    if as_json:
        json_out(told)
        return
    out.print(f"“{query}”, product {chosen}: {told['end']}" + (f", place {told['place']}" if told["place"] else ""), markup=False)
    rows = [*(("score " + k, v) for k, v in told["scores"].items()), *told["features"].items()]
    out.print(table("", ("what", "value"), [r for r in rows if r[1] == r[1]]))
