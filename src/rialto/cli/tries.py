"""`rialto try find|match|show`: each system on its made-up world, in seconds, with something to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rialto.cli.match import HEADS, report_rows
from rialto.cli.options import AsJson, Seed, SettingsFile
from rialto.cli.output import json_out, out, progress, table, tell

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="See each system at work on a made-up world: no data, no network.")


@app.command()
def find(
    query: Annotated[str, typer.Argument(help="What a shopper would type.")] = "crimson runing shoes under $120",
    seed: Seed = 0,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Search a made-up shop, then let simulated shoppers' clicks teach the ranker through its gate."""
    from rialto.app.trying import taught_shop

    with progress("building a shop and letting shoppers in (once)", quiet=as_json) as advance, taught_shop(
        settings, seed, advance
    ) as taught:
        page = taught.shop.search.page(query, size=6)
    lesson = taught.lesson
    if as_json:
        json_out({"page": page, "lesson": lesson})
        return
    out.print(f"A made-up shop of {len(taught.shop.search.catalogue):,} products. A shopper types: [bold]{query}[/]")
    for note in page.rewrites:
        out.print(f"  [dim]{note}[/]")
    rows = [(n, r.title, r.brand, "" if r.price_cents is None else f"${r.price_cents / 100:,.2f}") for n, r in enumerate(page.results, 1)]
    out.print(table(f"\n{page.total:,} products", ("", "title", "brand", "price"), rows))
    out.print()
    for facet in page.facets[:3]:
        out.print(f"  [bold]{facet.label}[/]  " + "  ".join(f"{v.label} [dim]{v.count}[/]" for v in facet.values[:5]))
    out.print(
        f"\n{lesson['visits']:,.0f} simulated visits left {lesson['clicks']:,.0f} clicks. Trained on them, the ranker was held against the one before it "
        f"on queries it had not seen: [bold]{lesson['difference']:+.3f}[/] nDCG [{lesson['low']:+.3f}, {lesson['high']:+.3f}], "
        f"{'so the gate let it go live' if lesson['passed'] else 'so the gate refused it'}."
    )
    out.print(
        f"By the world's own truth, which the ranker never saw: nDCG@10 [bold]{lesson['truth_before']:.3f}[/] before, "
        f"[bold]{lesson['truth_after']:.3f}[/] after, over {lesson['truth_queries']:,.0f} queries."
    )
    out.print("\n[dim]rialto demo shows it in a browser; rialto find search --catalogue FILE takes your own.[/]")


@app.command()
def match(seed: Seed = 0, as_json: AsJson = False, settings: SettingsFile = None) -> None:
    """Run a made-up city twice on the same luck, nearest driver first and least cost together, and explain one choice."""
    from rialto.app.city import open_town, run_town
    from rialto.app.trying import fresh
    from rialto.match.decide import assignment, greedy
    from rialto.match.simulate import Policy
    from rialto.worlds.city import make_city

    city = make_city(seed=seed, drivers=120)
    seconds, reports, reasons = 600.0, [], None
    with fresh(settings) as engines, progress("two city lunches", quiet=as_json) as advance:
        for n, policy in enumerate((Policy("nearest first", greedy, ""), Policy("least cost", assignment, ""))):
            with open_town(engines, city) as town:
                report = run_town(
                    town, seconds=seconds, seed=seed, policy=policy,
                    progress=lambda s, _, n=n: advance(int(s + n * seconds), int(2 * seconds)),
                )  # fmt: skip
                reports.append(report)
                recent = town.dispatch.snapshot().recent
                reasons = town.dispatch.why(recent[0].order) if recent else None
    if as_json:
        json_out({"reports": [{k: v for k, v in zip(HEADS, report_rows(r))} for r in reports], "why": reasons})
        return
    out.print("A made-up city at noon: 120 drivers, ten minutes of orders, a decision every two seconds.\n")
    out.print(table("", HEADS, [report_rows(r) for r in reports]))
    if reasons is not None:
        out.print("\n[bold]Why this driver?[/]")
        out.print(reasons.text(), markup=False)
    out.print("\n[dim]rialto demo shows the map; rialto match replay FILE decides a real day again.[/]")


@app.command()
def show(
    seed: Seed = 0,
    folder: Annotated[Path | None, typer.Option(help="Write the creatives here, to look at.")] = None,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Make creatives for a made-up campaign, plant a wrong price, let visitors come, and watch the choice learn."""
    from rialto.app.trying import campaign

    with tell.status("composing, rendering, checking ..."), campaign(settings, seed) as gallery:
        where = gallery.brief.surfaces[0].name
        planted = gallery.plant_price()
        before = gallery.beliefs(where)
        rates = [gallery.visit(where, 250, seed=seed) for _ in range(8)]
        after = gallery.beliefs(where)
        kept = gallery.save(folder) if folder is not None else []
    chance = {b.creative.id: b.chance for b in before}
    rows = [
        (b.creative.copy.get("headline", ""), b.creative.layout, chance[b.creative.id], b.views, b.mean, b.chance,
         gallery.truth[b.creative.id])
        for b in after
    ]  # fmt: skip
    heads = ("headline", "layout", "chance before", "views", "believed rate", "chance after", "true rate")
    if as_json:
        json_out({"refused": planted, "arms": [dict(zip(heads, r)) for r in rows], "click_rates": rates, "files": kept})
        return
    gates = len(next(iter(gallery.verdicts.values())))
    out.print(f"{gallery.brief.campaign}: {len(gallery.creatives)} creatives in {len(gallery.brief.surfaces)} sizes passed {gates} gates each.\n")
    out.print("[bold]A wrong price, planted:[/]")
    for v in planted:
        out.print(f"  {v.rule}: {v.reason}", markup=False)
    out.print(table(f"\n{where}: 2,000 visitors in eight rounds", heads, rows))
    out.print(f"\nClick rate: {rates[0]:.1%} in the first round, {sum(rates[-3:]) / 3:.1%} over the last three.")
    for file in kept:
        out.print(f"  {file}", markup=False)
    out.print("\n[dim]rialto demo shows the pictures; rialto show check --luma FOLDER checks real products.[/]")
