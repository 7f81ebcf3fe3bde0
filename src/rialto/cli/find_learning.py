"""`rialto find judgments` and `rialto find learn`: what the decision log of a shop teaches."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rialto.cli.find_shop import CatalogueFile, MappingFile
from rialto.cli.options import AsJson, Seed, SettingsFile, opened
from rialto.cli.output import json_out, out, tell
from rialto.errors import NothingHere

if TYPE_CHECKING:
    from rialto.app.engines import Engines
    from rialto.app.shop import Shop
    from rialto.find.behaviour import Behaviour
    from rialto.spine.log import DecisionLog

__all__ = ["judgments", "learn"]


def judgments(
    file: Annotated[Path, typer.Option("--out", help="Write query,product_id,grade here.", metavar="FILE")],
    catalogue: CatalogueFile = "",
    mapping: MappingFile = None,
    least: Annotated[float, typer.Option(help="Looks at a product for a query that a grade needs.", min=0)] = 3.0,
    level: Annotated[float, typer.Option(help="How sure a grade must be, between 0 and 1.", min=0.01, max=0.99)] = 0.6,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Write judgments from what shoppers clicked, put in the cart and bought, for `rialto find evaluate` and `train`."""
    from rialto.app.behaved import behaviour_of
    from rialto.app.shop import open_shop, ranker_of
    from rialto.find.behaviour import implicit, judgment_rows
    from rialto.spine.log import DecisionLog

    with opened(settings, mapping) as engines, tell.status("reading the log ..."):
        shop = open_shop(engines, catalogue=catalogue)
        behaviour = behaviour_of(engines.blobs(), DecisionLog(engines.events()), ranker_of(catalogue))
        judged = implicit(behaviour, least=least, level=level)
        rows = list(judgment_rows(judged, shop.search.catalogue))
    if not rows:
        raise NothingHere(
            f"the log knows {len(behaviour.keys)} queries of this shop and none with grades sure enough; "
            "serve more searches, or lower --least or --level."
        )
    draft = file.with_name(f"{file.name}.part")
    with draft.open("w", newline="", encoding="utf-8") as sink:
        writer = csv.writer(sink)
        writer.writerow(("query", "product_id", "grade"))
        writer.writerows(rows)
    draft.replace(file)
    if as_json:
        json_out({"file": str(file), "queries": len(judged), "judgments": len(rows), "power": behaviour.power})
        return
    out.print(f"{len(rows):,} judgments of {len(judged):,} queries: {file}", markup=False)


def learn(
    catalogue: CatalogueFile = "",
    mapping: MappingFile = None,
    seed: Seed = 0,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Learn from the decision log: the ranker, how completions are ranked, and how queries are read.

    The ranker is promoted where it gains on what was shown and loses nowhere else, completions where held-out ones rank better; the
    reader is kept unless whole lists surely lose. A service that runs reads queries with it from its next start or full index on.
    """
    from rialto.app.behaved import behaviour_of, kept_behaviour
    from rialto.app.rounds import learn as round_of
    from rialto.app.shop import open_shop, ranker_of
    from rialto.spine.log import DecisionLog

    with opened(settings, mapping) as engines, tell.status("learning from the log ...") as status:
        name, log = ranker_of(catalogue), DecisionLog(engines.events())
        shop = open_shop(engines, catalogue=catalogue)
        before = kept_behaviour(engines.blobs(), name)
        shop.search.refit(behaviour=before if len(before.ids) else None)
        made = round_of(shop.search, log, engines.models(), since_s=before.until_s, seed=seed, having=name)
        now = behaviour_of(engines.blobs(), log, name)
        status.update("learning how completions are ranked, and how queries are read ...")
        beside = _beside(engines, catalogue, shop, log, now, seed)
    v, wider = made.report.verdict, made.wider
    told = {
        "passed": bool(made.report.version), "reason": made.reason, "difference": v.difference, "low": v.low, "high": v.high,
        "wider": None if wider is None else wider.value, "version": made.report.version, "queries": len(now.keys),
        "products": len(now.ids), **beside,
    }  # fmt: skip
    if as_json:
        json_out(told)
        return
    out.print(f"{'Promoted ' + made.report.version if told['passed'] else 'Refused'}: {made.reason}", markup=False)
    for kind, d in v.by_class.items():
        out.print(f"  {kind}: {d}", markup=False)
    out.print(f"Completions: {beside['suggestions']['reason']}", markup=False)
    kept, read = ("kept" if beside["reader"]["kept"] else "not kept, as whole lists lose"), beside["reader"]
    out.print(
        f"Reader of queries: {kept}; {read['queries']:,} past queries, {read['clicked']:,} of them with clicks.", markup=False
    )
    out.print(f"Behaviour is known of {len(now.keys):,} queries and {len(now.ids):,} products.")


def _beside(engines: Engines, catalogue: str, shop: Shop, log: DecisionLog, behaviour: Behaviour, seed: int) -> dict[str, Any]:
    """What else the log teaches: how completions are ranked, and how queries are read."""
    from rialto.app.past import past_of
    from rialto.app.rereading import learn_reader
    from rialto.app.shop import index_catalogue, made_up_file
    from rialto.app.suggesting import learn_suggestions, looks_logged

    ranker, path = shop.search.ranker, catalogue or str(made_up_file(engines))
    past = past_of(engines, path, ranker, behaviour=behaviour)
    looks = list(looks_logged(log, ranker))
    lines = learn_suggestions(shop.search.catalogue, past.often, looks, engines.models(), ranker, seed=seed)
    folder, _ = index_catalogue(engines, path, ranker=ranker)
    reader = learn_reader(shop.search, folder, past, behaviour, seed=seed)
    return {
        "suggestions": {"passed": bool(lines.version), "reason": lines.verdict.reason, "version": lines.version, "looks": len(looks)},
        "reader": {
            "kept": reader.kept, "queries": reader.queries, "clicked": reader.clicked,
            "difference": None if reader.difference is None else reader.difference.value,
        },
    }  # fmt: skip
