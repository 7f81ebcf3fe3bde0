"""`rialto try find|match|show`: each system on its made-up world, in seconds, with something to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rialto.cli.match import HEADS, report_figures, report_rows
from rialto.cli.options import AsJson, Seed, SettingsFile
from rialto.cli.output import json_out, out, progress, table, tell

if TYPE_CHECKING:
    from rialto.match.why import Why

__all__ = ["app"]

_UNMATCHED_S = 1000.0
"""Dearer pairs wait: most who would be asked from so far away say no."""

app = typer.Typer(no_args_is_help=True, help="See each system at work on a made-up world: no data, no network.")


@app.command()
def find(
    query: Annotated[str, typer.Argument(help="What a shopper would type.")] = "crimson runing shoes under $120",
    seed: Seed = 0,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Search a made-up shop, then let simulated shoppers' clicks teach the ranker through its gate."""
    from rialto.app.lesson import taught_shop
    from rialto.app.trying import kept
    from rialto.cli.find import print_page

    with kept(settings, seed) as engines, progress("building a shop, letting shoppers in (once)", quiet=as_json) as advance:
        shop, lesson = taught_shop(engines, advance=advance)
        page = shop.pages.page(query, size=6)
    if as_json:
        json_out({"page": page, "lesson": lesson})
        return
    out.print(f"A made-up shop of {len(shop.search.catalogue):,} products. A shopper types: [bold]{query}[/]\n")
    print_page(page)
    gain = f"[bold]{lesson.difference:+.3f}[/] click value a search [{lesson.low:+.3f}, {lesson.high:+.3f}]"
    out.print(
        f"\n{lesson.visits:,} simulated visits left {lesson.clicks:,} clicks. A ranker trained on them was held against the list "
        f"that was served, on searches it had not seen: {gain}, so the gate {'let it go live' if lesson.passed else 'refused it'}."
    )
    out.print(
        f"By the world's own truth, which no training saw: nDCG@10 [bold]{lesson.truth_before:.3f}[/] before, "
        f"[bold]{lesson.truth_after:.3f}[/] after, over {lesson.truth_queries} queries that were never asked; "
        f"{lesson.asked_before:.3f} before, [bold]{lesson.asked_after:.3f}[/] after, over those asked most, whose clicks are known."
    )
    out.print("\n[dim]rialto demo shows it in a browser; rialto find search --catalogue FILE takes your own.[/]")


def _telling(why: Why) -> tuple[bool, bool, int]:
    """How much a choice shows: somebody was chosen, another order wanted the runner-up, many were compared."""
    return why.chosen is not None, bool(why.rivals) and why.rivals[0].order >= 0, len(why.rivals)


@app.command()
def match(seed: Seed = 0, as_json: AsJson = False, settings: SettingsFile = None) -> None:
    """Run a made-up city twice on the same luck: nearest driver first, then least cost by a learned acceptance; explain a choice."""
    from rialto.app.city import LESSON_S, open_town, run_town, taught
    from rialto.app.trying import kept
    from rialto.match.decide import UNMATCHED_S, assignment, greedy
    from rialto.match.simulate import Policy
    from rialto.worlds.city import make_city

    city = make_city(seed=seed, drivers=200, orders_per_hour=700.0)
    seconds, reports, reasons = 300.0, [], None
    with kept(settings, seed) as engines, progress("a city's lunch, twice", quiet=as_json) as advance:
        learned = taught(engines, seed=seed, progress=lambda s, _: advance(int(s), int(LESSON_S)))
        waits = {UNMATCHED_S.name: _UNMATCHED_S}
        best = Policy("least cost, learned" if learned else "least cost", assignment, None, waits)
        for n, policy in enumerate((Policy("nearest first", greedy, ""), best)):
            with open_town(engines, city) as town:
                report = run_town(
                    town, seconds=seconds, seed=seed, policy=policy, window_s=10.0,
                    progress=lambda s, _, n=n: advance(int(s + n * seconds), int(2 * seconds)),
                )  # fmt: skip
                reports.append(report)
                if policy is best:
                    now = town.dispatch.snapshot()
                    asked = dict.fromkeys(r.order for r in now.recent if r.at_s > now.at_s - 60.0)  # each once
                    reasons = max((town.dispatch.why(order) for order in asked), key=_telling, default=None)
    if as_json:
        json_out({"reports": [report_figures(r) for r in reports], "why": reasons})
        return
    out.print("A made-up city at noon: 200 drivers, five busy minutes of orders, a decision every ten seconds.\n")
    shown = [n for n, head in enumerate(HEADS) if head != "pickup s"]  # what is left fits a narrow terminal
    out.print(table("", [HEADS[n] for n in shown], [[report_rows(r)[n] for n in shown] for r in reports]))
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
        rates = [gallery.visit(where, 400, seed=seed) for _ in range(10)]
        after = gallery.beliefs(where)
        earned = gallery.earns(before), gallery.earns(after)
        kept = gallery.save(folder) if folder is not None else []
    chance = {b.creative.id: b.chance for b in before}
    rows = [
        (b.creative.copy.get("headline", ""), b.creative.layout, chance[b.creative.id], b.views, b.mean, b.chance,
         gallery.truth[b.creative.id])
        for b in after
    ]  # fmt: skip
    heads = ("headline", "layout", "chance before", "views", "believed rate", "chance after", "true rate")
    if as_json:
        json_out(
            {
                "refused": planted,
                "arms": [dict(zip(heads, r)) for r in rows],
                "click_rates": rates,
                "earned": earned,
                "files": kept,
            }
        )
        return
    gates = len(next(iter(gallery.verdicts.values())))
    out.print(
        f"{gallery.brief.campaign}: {len(gallery.creatives)} creatives in {len(gallery.brief.surfaces)} sizes passed {gates} gates each.\n"
    )
    out.print("[bold]A wrong price, planted:[/]")
    for v in planted:
        out.print(f"  {v.rule}: {v.reason}", markup=False)
    out.print(table(f"\n{where}: 4,000 visitors in ten rounds", heads, rows))
    out.print(
        f"\nBy the truth, which the studio never sees, its choice earned {earned[0]:.2%} a view before anybody came and "
        f"[bold]{earned[1]:.2%}[/] now; always the best would earn {max(gallery.truth[b.creative.id] for b in after):.2%}."
    )
    for file in kept:
        out.print(f"  {file}", markup=False)
    out.print("\n[dim]rialto demo shows the pictures; rialto show check --luma FOLDER checks real products.[/]")
