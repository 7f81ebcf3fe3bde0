"""`rialto find train-cross` and `rialto find models`: a cross-encoder taught behind a gate, and which versions rank, changed by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rialto.cli.find_shop import CatalogueFile, MappingFile, QueriesFile, judged_of, shop_of
from rialto.cli.options import AsJson, Seed, SettingsFile, opened
from rialto.cli.output import json_out, out, table, tell
from rialto.errors import BadInput

if TYPE_CHECKING:
    from rialto.app.shelf import Kept

__all__ = ["models", "train_cross"]


def train_cross(
    judgments: Annotated[
        str,
        typer.Option(
            "--judgments",
            help="TREC qrels, or a table of query, product_id, grade; nothing is promoted without.",
            metavar="FILE",
        ),
    ] = "",
    catalogue: CatalogueFile = "",
    mapping: MappingFile = None,
    queries: QueriesFile = "",
    steps: Annotated[int, typer.Option(help="Training steps on queries made from the catalogue.", min=1)] = 400,
    judged_steps: Annotated[int, typer.Option(help="Training steps on judged queries, for each fold and for all.", min=1)] = 120,
    made_up: Annotated[int, typer.Option(help="Queries made from the catalogue; 0 = judgments alone.", min=0)] = 1500,
    folds: Annotated[int, typer.Option(help="Parts that judged queries are split into.", min=2)] = 2,
    seed: Seed = 0,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Train the cross-encoder of the last phase for a shop; promoted where held-out queries show that whole lists rank better.

    Needs the extra `train` (PyTorch) and takes more than half an hour on two cores; serving needs neither.
    """
    from rialto.app.cross_teaching import Course, teach_cross, wanted

    wanted()
    with opened(settings) as engines:
        search = shop_of(engines, catalogue, mapping, quiet=as_json).search
        judged = judged_of(judgments, search.catalogue, queries) if judgments else None
        course = Course(made_up, (steps, judged_steps), folds, seed)
        with tell.status("training ...") as status:
            made = teach_cross(
                engines.settings.home, search, judged, course=course, tell=lambda what: status.update(f"{what} ...")
            )
    v = made.verdict
    if as_json:
        json_out({"version": made.version, "promoted": made.promoted, "reason": v.reason, "difference": v.difference, "low": v.low,
                  "high": v.high, "judged_on": made.judged_on})  # fmt: skip
        return
    what = f"Promoted {made.version}" if made.promoted else f"Kept {made.version}, not promoted" if made.version else "Refused"
    out.print(f"{what}: {v.reason}", markup=False)
    for kind, d in v.by_class.items():
        out.print(f"  {kind}: {d}", markup=False)


def models(
    catalogue: CatalogueFile = "",
    promote: Annotated[str, typer.Option(help="Let this version rank, whatever a gate said.", metavar="VERSION")] = "",
    back: Annotated[bool, typer.Option("--back", help="Let the version rank that the live one took the place of.")] = False,
    kind: Annotated[str, typer.Option(help="Which model: ranker, suggestions or cross.")] = "ranker",
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """List the versions of a shop's models, the newest first; or promote one, or go back to the one before.

    A service that runs takes another ranker over when it next learns what shoppers did; a cross-encoder at its next start or full index.
    """
    from rialto.app.shelf import shelves
    from rialto.app.shop import ranker_of

    if promote and back:
        raise BadInput("both --promote and --back are given; wanted one of them.")
    with opened(settings) as engines:
        kept = shelves(engines, ranker_of(catalogue))
        if kind not in kept:
            raise BadInput(f"the kind of model is {kind!r}; wanted {', '.join(kept)}.")
        shelf = kept[kind]
        if promote:
            shelf.promote(promote)
        if back:
            shelf.back()
        found = shelf.versions()
    if as_json:
        json_out(found)
        return
    out.print(_table(kind, found))


def _table(kind: str, found: tuple[Kept, ...]) -> object:
    from rialto.cli.find_rules import day

    rows = [(v.version, "live" if v.live else "", day(v.time_s), v.parent, v.about) for v in found]
    return table(f"{len(found)} versions of the {kind}", ("version", "", "kept", "in place of", "about"), rows)
