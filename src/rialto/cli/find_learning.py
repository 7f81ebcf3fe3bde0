"""`rialto find judgments` and `rialto find learn`: what the decision log of a shop teaches."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import typer

from rialto.cli.find_shop import CatalogueFile
from rialto.cli.options import AsJson, Seed, SettingsFile, opened
from rialto.cli.output import json_out, out, tell
from rialto.errors import NothingHere

__all__ = ["judgments", "learn"]


def judgments(
    file: Annotated[Path, typer.Option("--out", help="Write query,product_id,grade here.", metavar="FILE")],
    catalogue: CatalogueFile = "",
    least: Annotated[float, typer.Option(help="Looks at a product for a query that a grade needs.", min=0)] = 3.0,
    level: Annotated[float, typer.Option(help="How sure a grade must be, between 0 and 1.", min=0.01, max=0.99)] = 0.6,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Write judgments from what shoppers clicked, put in the cart and bought, for `rialto find evaluate` and `train`."""
    from rialto.app.behaving import behaviour_of
    from rialto.app.shop import open_shop, ranker_of
    from rialto.find.behaviour import implicit, judgment_rows
    from rialto.spine.log import DecisionLog

    with opened(settings) as engines, tell.status("reading the log ..."):
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


def learn(catalogue: CatalogueFile = "", seed: Seed = 0, as_json: AsJson = False, settings: SettingsFile = None) -> None:
    """Train the ranker on the decision log, and promote it where it gains on what was shown and loses nowhere else."""
    from rialto.app.behaving import behaviour_of, kept_behaviour
    from rialto.app.rounds import learn as round_of
    from rialto.app.shop import open_shop, ranker_of
    from rialto.spine.log import DecisionLog

    with opened(settings) as engines, tell.status("learning from the log ..."):
        name, log = ranker_of(catalogue), DecisionLog(engines.events())
        shop = open_shop(engines, catalogue=catalogue)
        before = kept_behaviour(engines.blobs(), name)
        shop.search.refit(behaviour=before if len(before.ids) else None)
        made = round_of(shop.search, log, engines.models(), since_s=before.until_s, seed=seed, having=name)
        now = behaviour_of(engines.blobs(), log, name)
    v, wider = made.report.verdict, made.wider
    told = {
        "passed": bool(made.report.version), "reason": made.reason, "difference": v.difference, "low": v.low, "high": v.high,
        "wider": None if wider is None else wider.value, "version": made.report.version, "queries": len(now.keys),
        "products": len(now.ids),
    }  # fmt: skip
    if as_json:
        json_out(told)
        return
    out.print(f"{'Promoted ' + made.report.version if told['passed'] else 'Refused'}: {made.reason}", markup=False)
    for kind, d in v.by_class.items():
        out.print(f"  {kind}: {d}", markup=False)
    out.print(f"Behaviour is known of {len(now.keys):,} queries and {len(now.ids):,} products.")
