"""`rialto find`: index a catalogue, search it, evaluate and train its ranking, explain a result."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rialto.cli.options import AsJson, Seed, SettingsFile, opened
from rialto.cli.output import Advance, json_out, out, progress, table, tell
from rialto.errors import NothingHere

if TYPE_CHECKING:
    from rialto.app.engines import Engines
    from rialto.app.shop import Shop
    from rialto.find.evaluate import Evaluation
    from rialto.find.records import Facet, FacetValue, SearchPage
    from rialto.spine.learn import Examples, Fit

__all__ = ["app", "evaluation_table", "print_page"]

app = typer.Typer(no_args_is_help=True, help="Product search: which products, in what order, for this query?")

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


def _shop(engines: Engines, catalogue: str, mapping: Path | None, *, quiet: bool, rejects: str = "") -> Shop:
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
    else:
        bad = [str(r) for r in ingest.rejects]
        found = {"index": str(folder), "fresh": True, "rows": ingest.rows, "products": len(ingest.catalogue), "rejected": bad,
                 "repeated": list(ingest.repeated)}  # fmt: skip
        if not as_json:
            out.print(
                f"{len(ingest.catalogue):,} products from {ingest.rows:,} rows; {len(bad)} rejected, {len(ingest.repeated)} ids twice."
            )
            for line in bad[:10]:
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
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Search a catalogue and print the results with their facets."""
    with opened(settings) as engines:
        page = _shop(engines, catalogue, mapping, quiet=as_json).pages.page(query, size=size)
    if as_json:
        json_out(page)
        return
    print_page(page)


def print_page(page: SearchPage) -> None:
    """Print results, rewrites and the first facets."""
    for r in page.rewrites:
        out.print(f"  [dim]{r.kind}: “{r.before}” read as {r.after}[/]")
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
        pages = _shop(engines, catalogue, mapping, quiet=as_json).pages
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


@app.command()
def evaluate(
    judgments: JudgmentsFile,
    catalogue: CatalogueFile = "",
    mapping: MappingFile = None,
    queries: QueriesFile = "",
    folds: Annotated[int, typer.Option(help="Parts that the queries are split into.", min=2)] = 5,
    stages: Annotated[str, typer.Option(help="Which stages: bm25f,vector,fusion,trees,all.")] = "",
    seed: Seed = 0,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Measure every stage on held-out queries: three nDCG@10, MRR, recall@100, with intervals, and the time a query."""
    from rialto.app.learning import fitter, scorer
    from rialto.find.evaluate import STAGES
    from rialto.find.evaluate import evaluate as measure
    from rialto.find.judgments import read_judgments

    with opened(settings) as engines:
        shop = _shop(engines, catalogue, mapping, quiet=as_json)
        judged = read_judgments(judgments, shop.search.catalogue, queries=queries)
        with progress(f"measuring, training {folds} folds", quiet=as_json) as advance:
            found = measure(
                shop.search,
                judged,
                fit=_counted(fitter("YetiRank"), advance, folds),
                score=scorer(engines.models()),
                folds=folds,
                seed=seed,
                stages=[s.strip() for s in stages.split(",")] if stages else STAGES,
            )
    if as_json:
        json_out(found.figures())
        return
    evaluation_table(found)


def _counted(fit: Fit, advance: Advance, total: int) -> Fit:
    """`fit`, telling after each training how many of `total` are done."""
    done = count(1)

    def counted(examples: Examples, seed: int) -> bytes:
        body = fit(examples, seed)
        advance(next(done), total)
        return body

    advance(0, total)
    return counted


def evaluation_table(found: Evaluation) -> None:
    """Print an evaluation: a row a stage, intervals at 95 %, and the difference to the stage before."""
    rows: list[tuple[Any, ...]] = []
    for s in found.stages:
        first, *others = s.intervals.values()
        d = s.difference
        gain = "" if d is None else f"{d.value:+.3f} [{d.low:+.3f}, {d.high:+.3f}] p={d.p:.3f}"
        rows.append(
            (s.name, f"{first.value:.3f} [{first.low:.3f}, {first.high:.3f}]", *(f"{i.value:.3f}" for i in others), gain, s.ms)
        )
    heads = ("stage", "nDCG@10 trec", "linear", "graded", "MRR", "rec@100", "trec, to the stage before", "ms")
    left = f"; {found.left_out} left out, as their grades are all alike" if found.left_out else ""
    out.print(table(f"{len(found.queries)} queries{left}", heads, rows))


@app.command()
def train(
    judgments: JudgmentsFile,
    catalogue: CatalogueFile = "",
    mapping: MappingFile = None,
    queries: QueriesFile = "",
    seed: Seed = 0,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Train the ranker on judgments, compare it with the live one on held-out queries, and promote it behind the gate."""
    from rialto.app.learning import fitter, scorer
    from rialto.find.judgments import read_judgments
    from rialto.find.pipeline import RANKER
    from rialto.find.train import from_judgments
    from rialto.spine.learn import Gate, Learner, improve

    with opened(settings) as engines, progress("training", quiet=as_json) as advance:
        shop = _shop(engines, catalogue, mapping, quiet=as_json)
        examples = from_judgments(shop.search, read_judgments(judgments, shop.search.catalogue, queries=queries))
        advance(1, 2)
        models = engines.models()
        learner = Learner(RANKER, "trees", fitter("YetiRank"), scorer(models), Gate(least=20))
        report = improve(examples, models, learner, seed=seed)
    v = report.verdict
    if as_json:
        json_out({"passed": v.passed, "reason": v.reason, "difference": v.difference, "low": v.low, "high": v.high,
                  "version": report.version, "parent": report.parent, "trained_on": report.trained_on, "judged_on": report.judged_on})  # fmt: skip
        return
    out.print(f"Trained on {report.trained_on} queries, judged on {report.judged_on} others.")
    out.print(f"{'Promoted ' + report.version if v.passed else 'Refused'}: {v.reason}", markup=False)
