"""`rialto match`: simulate a city, replay a real day, train acceptance, explain a choice."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rialto.cli.options import AsJson, Seed, SettingsFile, opened
from rialto.cli.output import json_out, out, progress, table

if TYPE_CHECKING:
    from rialto.match.simulate import SimReport
    from rialto.spine.evaluate import Interval

__all__ = ["app", "report_rows"]

app = typer.Typer(no_args_is_help=True, help="Driver matching: which driver takes which order, now?")

Drivers = Annotated[int, typer.Option(help="Drivers in the city.", min=1)]
Hour = Annotated[float, typer.Option(help="Hour of the day to begin at.", min=0.0, max=23.9)]
Minutes = Annotated[float, typer.Option(help="Simulated minutes.", min=0.1)]


@app.command()
def simulate(
    drivers: Drivers = 400,
    hour: Hour = 12.0,
    minutes: Minutes = 30.0,
    seeds: Annotated[int, typer.Option(help="Cities to run, each under every policy.", min=1)] = 1,
    seed: Seed = 0,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Run a made-up city under greedy and least-cost matching (and the live acceptance model, if any), on the same luck."""
    from rialto.app.city import open_town, run_town
    from rialto.match.decide import ACCEPTANCE, assignment, greedy
    from rialto.match.simulate import Policy
    from rialto.worlds.city import make_city

    policies = [Policy("nearest first", greedy, ""), Policy("least cost", assignment, "")]
    reports: list[SimReport] = []
    with opened(settings) as engines, progress("simulating", quiet=as_json) as advance:
        if engines.models().live(ACCEPTANCE) is not None:
            policies.append(Policy("least cost, learned acceptance", assignment, None))
        total = int(minutes * 60) * len(policies) * seeds
        for run in range(seeds):
            city = make_city(seed=seed + run, drivers=drivers)
            for policy in policies:
                done = len(reports) * int(minutes * 60)
                with open_town(engines, city) as town:
                    step = lambda s, _, done=done: advance(done + int(s), total)  # noqa: E731 (binds the run)
                    reports.append(
                        run_town(town, start_s=hour * 3600, seconds=minutes * 60, seed=seed + run, policy=policy, progress=step)
                    )
    if as_json:
        json_out([_figures(r) for r in reports])
        return
    out.print(table(f"{drivers} drivers, {minutes:g} minutes from {hour:g}:00", HEADS, [report_rows(r) for r in reports]))


HEADS = ("policy", "orders", "matched", "response s", "pickup s", "offers accepted", "decision ms (p99)")


def report_rows(r: SimReport) -> tuple[Any, ...]:
    """A report as a row under HEADS; 95 % intervals in brackets."""
    shares = [_bounded(i, "{:.1%}") for i in (r.matched, r.accepted)]
    seconds = [_bounded(i, "{:.0f}") for i in (r.response_s, r.pickup_s)]
    return (r.policy, r.orders, shares[0], *seconds, shares[1], f"{r.decision_ms[0]:.1f} ({r.decision_ms[1]:.1f})")


def _bounded(i: Interval, form: str) -> str:
    """A value with its bounds; alone where there was too little to bound it by."""
    value = form.format(i.value)
    return f"{value} [{form.format(i.low)}, {form.format(i.high)}]" if isfinite(i.low) and isfinite(i.high) else value


def _figures(r: SimReport) -> dict[str, Any]:
    figures: dict[str, Any] = {"policy": r.policy, "orders": r.orders, "offers": r.offers, "windows": r.windows}
    for name, i in (("matched", r.matched), ("response_s", r.response_s), ("pickup_s", r.pickup_s), ("accepted", r.accepted)):
        figures |= {name: i.value, f"{name}_low": i.low, f"{name}_high": i.high}
    return figures | {"decision_ms": r.decision_ms[0], "decision_ms_p99": r.decision_ms[1], "fallbacks": dict(r.fallbacks)}


@app.command()
def replay(
    day: Annotated[Path, typer.Argument(help="arrivals.txt or arrivals.txt.gz of a two-sided online matching day.")],
    window_s: Annotated[float, typer.Option(help="Seconds from one decision to the next.", min=0.1)] = 2.0,
    hope: Annotated[float | None, typer.Option(help="Sets match.replay.hope: more matched, or sooner.")] = None,
    hold_s: Annotated[float | None, typer.Option(help="Sets match.replay.hold_s: seconds a task may be held on purpose.")] = None,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Decide a real day again and print matched tasks and mean response beside the published methods."""
    from rialto.match.replay import PUBLISHED, check, read_day
    from rialto.match.replay import replay as run

    overrides = {k: v for k, v in (("match.replay.hope", hope), ("match.replay.hold_s", hold_s)) if v is not None}
    with opened(settings) as engines, progress("replaying", quiet=as_json) as advance:
        arrivals = read_day(day)
        found = run(
            arrivals,
            engines.geo(),
            window_s=window_s,
            overrides=overrides,
            progress=lambda share, matched: advance(round(share * 100), 100),
        )
    check(arrivals, found)
    rows = [("Rialto (this run)", found.matched, found.mean_response_s), *((n, m, s) for n, (m, s) in PUBLISHED.items())]
    if as_json:
        json_out([{"method": n, "matched": m, "mean_response_s": s} for n, m, s in rows])
        return
    rows.sort(key=lambda r: -r[1])
    title = f"{len(arrivals.tasks):,} tasks, {len(arrivals.workers):,} workers; no worker twice, every pair feasible (checked)"
    out.print(table(title, ("method", "matched tasks", "mean response s"), rows))


@app.command()
def train(
    drivers: Drivers = 400,
    hour: Hour = 12.0,
    minutes: Minutes = 60.0,
    seed: Seed = 0,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Learn which driver accepts which order from a simulated city's logged offers, and promote the model behind its gate."""
    from rialto.app.city import open_town, run_town, teach
    from rialto.match.simulate import Policy
    from rialto.worlds.city import make_city

    city = make_city(seed=seed, drivers=drivers)
    with opened(settings) as engines, progress("logging offers", quiet=as_json) as advance, open_town(engines, city) as town:
        policy = Policy("least cost", version="")
        total = int(minutes * 60)
        run_town(
            town,
            start_s=hour * 3600,
            seconds=minutes * 60,
            seed=seed,
            policy=policy,
            progress=lambda s, _: advance(int(s), total),
        )
        trained = teach(town, engines.models(), seed=seed)
    report, verdict = trained.report, trained.report.verdict
    if as_json:
        json_out({"passed": verdict.passed, "reason": verdict.reason, "difference": verdict.difference, "low": verdict.low,
                  "high": verdict.high, "version": report.version, "parent": report.parent, "trained_on": report.trained_on,
                  "judged_on": report.judged_on})  # fmt: skip
        return
    out.print(f"Learned from {report.trained_on:,} orders, judged on {report.judged_on:,} others.")
    out.print(f"{'Promoted ' + report.version if verdict.passed else 'Refused'}: {verdict.reason}")


@app.command()
def explain(
    order: Annotated[int | None, typer.Option(help="Order to explain; the last one offered where not given.")] = None,
    drivers: Drivers = 200,
    hour: Hour = 12.0,
    minutes: Minutes = 5.0,
    seed: Seed = 0,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Run a made-up city and say why an order was offered to its driver, who was next, and what would have changed the choice."""
    from rialto.app.city import open_town, run_town
    from rialto.worlds.city import make_city

    city = make_city(seed=seed, drivers=drivers)
    with opened(settings) as engines, progress("simulating", quiet=as_json) as advance, open_town(engines, city) as town:
        total = int(minutes * 60)
        run_town(town, start_s=hour * 3600, seconds=minutes * 60, seed=seed, progress=lambda s, _: advance(int(s), total))
        recent = town.dispatch.snapshot().recent
        if order is None and not recent:
            out.print("No order was offered to anybody; give the city more minutes or drivers.")
            return
        reasons = town.dispatch.why(recent[0].order if order is None else order)
    if as_json:
        json_out(reasons)
        return
    out.print(reasons.text())
