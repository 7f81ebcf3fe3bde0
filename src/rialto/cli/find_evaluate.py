"""`rialto find evaluate` and `train`: every stage measured on held-out queries, and a ranker taught behind a gate."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rialto.cli.find_shop import CatalogueFile, JudgmentsFile, MappingFile, QueriesFile, judged_of, shop_of
from rialto.cli.options import AsJson, Seed, SettingsFile, opened
from rialto.cli.output import Advance, json_out, out, progress, table, tell
from rialto.errors import BadInput

if TYPE_CHECKING:
    from rialto.app.shop import Shop
    from rialto.find.evaluate import Evaluation
    from rialto.find.judgments import Judged
    from rialto.spine.learn import Examples, Fit

__all__ = ["add_to", "evaluation_table"]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(evaluate)
    app.command()(train)


def evaluate(
    judgments: JudgmentsFile = "",
    catalogue: CatalogueFile = "",
    mapping: MappingFile = None,
    queries: QueriesFile = "",
    folds: Annotated[int, typer.Option(help="Parts that the queries are split into.", min=2)] = 5,
    stages: Annotated[str, typer.Option(help="Which stages: bm25f,vector,fusion,trees,all.")] = "",
    page: Annotated[str, typer.Option(help="Write wins and losses by query here, as a page.", metavar="FILE")] = "",
    query_understanding: Annotated[
        bool, typer.Option("--query-understanding", help="Measure how queries are understood instead; needs no judgments.")
    ] = False,
    corrections: Annotated[str, typer.Option(help="CSV with query and corrected, for spelling's measure.", metavar="FILE")] = "",
    good_queries: Annotated[str, typer.Option(help="Queries that are right, one a line, for its harm.", metavar="FILE")] = "",
    brands: Annotated[str, typer.Option(help="CSV with name: brands beside the catalogue's own.", metavar="FILE")] = "",
    labelled: Annotated[
        str, typer.Option(help="CSV with query, and type, intent, spans where known, for tags and types.", metavar="FILE")
    ] = "",
    seed: Seed = 0,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Measure every stage on held-out queries: three nDCG@10, MRR, recall@100, with intervals, and the time a query."""
    with opened(settings) as engines:
        shop = shop_of(engines, catalogue, mapping, quiet=as_json)
        if query_understanding:
            from rialto.cli.find_query import query_understanding as measure

            measure(
                shop.search.catalogue, corrections=corrections, good=good_queries, brands=brands, labelled=labelled, folds=folds, seed=seed,
                as_json=as_json,
            )  # fmt: skip
            return
        if not judgments:
            raise BadInput("there are no judgments; give --judgments FILE, or --query-understanding, which needs none.")
        judged = judged_of(judgments, shop.search.catalogue, queries)
        found = _measured(shop, judged, folds=folds, stages=stages, seed=seed, quiet=as_json)
        if page:
            from rialto.find.wins import page as drawn

            names = [s.name for s in found.stages]
            Path(page).write_text(drawn(found, judged, shop.search.catalogue, names[0], names[-1]), encoding="utf-8")
    if as_json:
        json_out(found.figures())
        return
    evaluation_table(found)
    if "all" in [s.name for s in found.stages] and shop.search.fittings.cross is None:
        out.print("Without the extra `neural` and its weights there is no cross-encoder: `all` is `trees`.", markup=False)


def _measured(shop: Shop, judged: Judged, *, folds: int, stages: str, seed: int, quiet: bool) -> Evaluation:
    from rialto.app.learning import fitter, scorer
    from rialto.find.evaluate import STAGES
    from rialto.find.evaluate import evaluate as measure
    from rialto.local.models import LocalModels

    rankers = 2 if shop.search.fittings.cross is not None else 1  # each is trained four times: three say how much it counts
    with progress(f"measuring, {folds} folds", quiet=quiet) as advance:
        return measure(
            shop.search,
            judged,
            fit=_counted(fitter("YetiRank"), advance, folds * 4 * rankers),
            score=scorer(LocalModels()),
            folds=folds,
            seed=seed,
            stages=[s.strip() for s in stages.split(",")] if stages else STAGES,
        )


def _counted(fit: Fit, advance: Advance, total: int) -> Fit:
    """`fit`, telling after each training how many of `total` are done."""
    done = count(1)

    def counted(examples: Examples, seed: int) -> bytes:
        body = fit(examples, seed)
        advance(min(next(done), total), total)
        return body

    advance(0, total)
    return counted


def evaluation_table(found: Evaluation) -> None:
    """Print an evaluation: a row a stage, intervals at 95 %, the difference to the stage before, and what to beware of."""
    rows: list[tuple[Any, ...]] = []
    for s in found.stages:
        first, *others = s.intervals.values()
        d = s.difference
        gain = "" if d is None else f"{d.value:+.3f} [{d.low:+.3f}, {d.high:+.3f}] p={s.p:.3f}"
        rows.append(
            (s.name, f"{first.value:.3f} [{first.low:.3f}, {first.high:.3f}]", *(f"{i.value:.3f}" for i in others), gain, s.ms)
        )
    heads = ("stage", "nDCG@10 trec", "linear", "graded", "MRR", "rec@100", "trec, to the stage before", "ms")
    left = f"; {found.left_out} left out, as their grades are all alike" if found.left_out else ""
    out.print(table(f"{len(found.queries)} queries{left}", heads, rows))
    for warning in found.warnings():
        out.print(f"  ! {warning}", markup=False)


def train(
    judgments: JudgmentsFile,
    catalogue: CatalogueFile = "",
    mapping: MappingFile = None,
    queries: QueriesFile = "",
    seed: Seed = 0,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Teach field weights, fusion and rankers from judgments; promoted where cross-validation shows that they rank better."""
    from rialto.app.training import teach

    with opened(settings) as engines:
        shop = shop_of(engines, catalogue, mapping, quiet=as_json)
        judged = judged_of(judgments, shop.search.catalogue, queries)
        with tell.status("training ..."):
            report = teach(shop.search, judged, engines.models(), seed=seed)
    v = report.verdict
    if as_json:
        json_out({"passed": v.passed, "reason": v.reason, "difference": v.difference, "low": v.low, "high": v.high,
                  "version": report.version, "parent": report.parent, "trained_on": report.trained_on, "judged_on": report.judged_on})  # fmt: skip
        return
    out.print(f"Judged by cross-validation on {report.judged_on} queries.")
    out.print(f"{'Promoted ' + report.version if v.passed else 'Refused'}: {v.reason}", markup=False)
