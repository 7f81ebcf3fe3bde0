"""`rialto match`: simulate a city, replay a real day, learn and compare, explain a choice."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rialto.cli import match_areas, match_day, match_learning, match_routes
from rialto.cli.options import AsJson, FleetLogged, Seed, SettingsFile, opened
from rialto.cli.output import json_out, out, progress, table
from rialto.errors import BadInput

if TYPE_CHECKING:
    from rialto.match.courier_rows import CourierReport
    from rialto.match.simulate import SimReport
    from rialto.match.why import Why
    from rialto.spine.evaluate import Interval

__all__ = ["app", "report_rows"]

app = typer.Typer(no_args_is_help=True, help="Driver matching: which driver takes which order, now?")
app.command("day")(match_day.day)
app.command("areas")(match_areas.areas)
app.command("regions")(match_areas.regions)
app.command("routes")(match_routes.routes)
app.command("train")(match_learning.train)
app.command("compare")(match_learning.compare)
app.command("experiment")(match_learning.experiment)
app.command("fairness")(match_learning.fairness)

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
    shards: Annotated[
        str,
        typer.Option(
            help="Also over shards: a number of processes, or as the setting `shards` (`process://2?standby=1`, `ray://2`).",
            metavar="N|URL",
        ),
    ] = "",
    orders: Annotated[
        Path | None,
        typer.Option(
            help="CSV of a day's orders: order_id, placed_s, ready_s and pickup_x_m, pickup_y_m, dropoff_x_m, dropoff_y_m "
            "(or pickup_lat, pickup_lon, dropoff_lat, dropoff_lon). With --couriers: runs this day instead of a made-up city.",
            metavar="FILE",
        ),
    ] = None,
    couriers: Annotated[
        Path | None,
        typer.Option(help="CSV of the day's couriers: courier_id, on_s, off_s and x_m, y_m (or lat, lon).", metavar="FILE"),
    ] = None,
    speed_mps: Annotated[float, typer.Option(help="Day: couriers go straight at this speed, m/s.")] = 5.0,
    pickup_s: Annotated[
        float, typer.Option(help="Day: seconds of service at a restaurant, from when the meal is ready.")
    ] = 240.0,
    dropoff_s: Annotated[float, typer.Option(help="Day: seconds of service at each door.")] = 240.0,
    strict_shifts: Annotated[
        bool, typer.Option("--strict-shifts", help="Day: drop off before off_s too, not only pick up before it.")
    ] = False,
    policy: Annotated[
        str, typer.Option(help="Day: rolling (ours), matched or nearest (its peers), or all, compared on the same day.")
    ] = "rolling",
    rows: Annotated[Path | None, typer.Option("--out", help="Day: write a CSV row an order here.", metavar="FILE")] = None,
    rejects: Annotated[
        Path | None,
        typer.Option(help="Day: leave wrong rows out and list them here, instead of refusing the day.", metavar="FILE"),
    ] = None,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Run a made-up city under greedy and least-cost matching, on the same luck; or any courier day, given as two CSV files.

    A day (--orders, --couriers): an order is known from placed_s on and picked up from ready_s on; several may ride together; orders of
    one restaurant that are picked up together take its service once. A courier picks up before off_s and finishes what he has. The result
    is checked by rules that share nothing with the simulator.
    """
    if orders is not None or couriers is not None:
        _simulate_day(
            orders, couriers, rows, rejects,
            speed_mps=speed_mps, pickup_s=pickup_s, dropoff_s=dropoff_s, strict_shifts=strict_shifts, policy=policy, seed=seed,
            as_json=as_json, settings=settings,
        )  # fmt: skip
        return
    from rialto.app.city import open_town, run_town
    from rialto.app.sharded_town import run_sharded
    from rialto.app.sharding import sharding
    from rialto.match.decide import ACCEPTANCE, assignment, greedy
    from rialto.match.simulate import Policy
    from rialto.worlds.city import make_city

    policies = [Policy("nearest first", greedy, ""), Policy("least cost", assignment, "")]
    reports: list[SimReport] = []
    with opened(settings) as engines, progress("simulating", quiet=as_json) as advance:
        if engines.models().live(ACCEPTANCE) is not None:
            policies.append(Policy("least cost, learned acceptance", assignment, None))
        shared = sharding(engines.settings.model_copy(update={"shards": _as_url(shards)})) if shards else None
        moves, total = 0, int(minutes * 60) * (len(policies) + (shared is not None)) * seeds
        for run in range(seeds):
            city = make_city(seed=seed + run, drivers=drivers)
            for one in policies:
                done = len(reports) * int(minutes * 60)
                with open_town(engines, city) as town:
                    step = lambda s, _, done=done: advance(done + int(s), total)  # noqa: E731 (binds the run)
                    reports.append(
                        run_town(town, start_s=hour * 3600, seconds=minutes * 60, seed=seed + run, policy=one, progress=step)
                    )
            if shared is not None:
                step = lambda s, _, done=len(reports) * int(minutes * 60): advance(done + int(s), total)  # noqa: E731 (binds the run)
                name = f"least cost, {shared.count} shards"
                told, moved = run_sharded(
                    engines, city, shared, start_s=hour * 3600, seconds=minutes * 60, seed=seed + run,
                    policy=Policy(name, assignment, ""), progress=step,
                )  # fmt: skip
                reports.append(told)
                moves += moved
    if seeds == 1 and as_json:
        json_out([report_figures(r) for r in reports])
        return
    if shared is not None and not as_json:
        out.print(f"Drivers changed their shard {moves:,} times.")
    if seeds > 1:
        _tell_compared(reports, seeds, as_json)
        return
    out.print(table(f"{drivers} drivers, {minutes:g} minutes from {hour:g}:00", HEADS, [report_rows(r) for r in reports]))


def _tell_compared(reports: list[SimReport], seeds: int, as_json: bool) -> None:
    """Policies over several cities: each but the first by its difference to it, paired on the same city and quarter of an hour."""
    import numpy as np

    from rialto.match.simulate import MEASURES, compared

    by: dict[str, list[SimReport]] = {}
    for r in reports:
        by.setdefault(r.policy, []).append(r)
    found = compared(by)
    if as_json:
        differences = {
            m: {name: {"value": d.value, "low": d.low, "high": d.high, "p": d.p} for name, d in of.items()}
            for m, of in found.differences.items()
        }
        json_out({"runs": [report_figures(r) for r in reports], "differences": differences})
        return
    rows: list[tuple[Any, ...]] = []
    for name, own in by.items():
        sums = np.concatenate([r.blocks for r in own]).sum(axis=0)
        for measure, (above, below) in MEASURES.items():
            d = found.differences[measure].get(name)
            told = "" if d is None else f"{d.value:+.4g} [{d.low:+.4g}, {d.high:+.4g}]"
            rows.append((name if measure == "matched" else "", measure, f"{sums[above] / sums[below]:.4g}", told))
    orders = sum(r.orders for r in next(iter(by.values())))
    out.print(
        table(
            f"{seeds} cities, {orders:,} orders under each policy", ("policy", "measure", "mean", "difference to the first"), rows
        )
    )


def _as_url(shards: str) -> str:
    """`4` means four processes here."""
    return f"process://{shards}" if shards.isdigit() else shards


def _simulate_day(
    orders: Path | None,
    couriers: Path | None,
    rows: Path | None,
    rejects: Path | None,
    *,
    speed_mps: float,
    pickup_s: float,
    dropoff_s: float,
    strict_shifts: bool,
    policy: str,
    seed: int,
    as_json: bool,
    settings: Path | None,
) -> None:
    from rialto.match.courier_check import check_couriers
    from rialto.match.courier_policy import POLICIES
    from rialto.match.courier_rows import order_rows, report_couriers, write_rejects, write_rows
    from rialto.match.courier_sim import Rules, run_couriers
    from rialto.match.days import read_courier_day

    if orders is None or couriers is None:
        raise BadInput("a courier day needs both --orders FILE and --couriers FILE; one of them is missing.")
    rules = Rules(speed_mps=speed_mps, pickup_s=pickup_s, dropoff_s=dropoff_s, strict_shifts=strict_shifts)
    day = read_courier_day(orders, couriers, keep_going=rejects is not None)
    if rejects is not None:
        write_rejects(rejects, day.rejected)
    reports: list[CourierReport] = []
    # the first policy asked for is the one whose rows are written
    names = ["rolling", *(p for p in POLICIES if p != "rolling")] if policy == "all" else [policy]
    with opened(settings), progress("dispatching", quiet=as_json) as advance:
        for number, name in enumerate(names):
            run = run_couriers(day, rules, policy=name, seed=seed, progress=advance)
            written = order_rows(day, run)
            check_couriers(day, rules, written)
            reports.append(report_couriers(day, rules, run, written))
            if rows is not None and number == 0:
                write_rows(rows, day, written)
    if as_json:
        days = [{"policy": r.policy, "checked": True, "rejected": len(day.rejected), **_day_figures(r)} for r in reports]
        json_out(days if policy == "all" else days[0])
        return
    left_out = f", {len(day.rejected):,} rows left out" if day.rejected else ""
    title = f"{day.orders:,} orders, {day.couriers:,} couriers{left_out}; minutes"
    out.print(table(title, DAY_HEADS, [_day_row(r) for r in reports]))
    out.print("Checked: each order once and not before it is ready; ways, services, shifts and loads hold.")


DAY_HEADS = (
    "policy", "undelivered", "click to door", "p90", "ready to door", "p90", "at the least", "ready to pickup", "p90",
    "orders a courier hour", "in bundles",
)  # fmt: skip


def _day_row(r: CourierReport) -> tuple[Any, ...]:
    spreads: list[str] = []
    for spread in (r.click_to_door, r.ready_to_door, r.ready_to_pickup):
        spreads += [f"{spread.mean.value / 60.0:.1f}", f"{spread.p90 / 60.0:.1f}"]
    least = f"{r.least_ready_to_door_s / 60.0:.1f}"
    return (r.policy, r.undelivered, *spreads[:4], least, *spreads[4:], f"{r.orders_a_courier_hour:.2f}", f"{r.in_bundles:.0%}")


def _day_figures(r: CourierReport) -> dict[str, Any]:
    figures: dict[str, Any] = {"orders": r.orders, "couriers": r.couriers, "undelivered": r.undelivered}
    for name, s in (
        ("click_to_door_s", r.click_to_door), ("ready_to_door_s", r.ready_to_door), ("ready_to_pickup_s", r.ready_to_pickup)
    ):  # fmt: skip
        bounds = {"mean_low": s.mean.low, "mean_high": s.mean.high}
        figures[name] = {"mean": s.mean.value, **bounds, "median": s.median, "p90": s.p90}
    for name in ("least_ready_to_door_s", "orders_a_courier_hour", "drive_a_order_s", "in_bundles", "overtime_s"):
        figures[name] = getattr(r, name)
    return figures


HEADS = ("policy", "orders", "matched", "response s", "pickup s", "offers", "accepted", "drive s", "ms (p99)")


def report_rows(r: SimReport) -> tuple[Any, ...]:
    """A report as a row under HEADS; 95 % intervals in brackets."""
    shares = [_bounded(i, "{:.1%}") for i in (r.matched, r.accepted)]
    *seconds, drive = [_bounded(i, "{:.0f}") for i in (r.response_s, r.pickup_s, r.drive_s)]
    took = f"{r.decision_ms[0]:.1f} ({r.decision_ms[1]:.1f})"
    return (r.policy, r.orders, shares[0], *seconds, r.offers, shares[1], drive, took)


def _bounded(i: Interval, form: str) -> str:
    """A value with its bounds; alone where there was too little to bound it by."""
    value = form.format(i.value)
    return f"{value} [{form.format(i.low)}, {form.format(i.high)}]" if isfinite(i.low) and isfinite(i.high) else value


def report_figures(r: SimReport) -> dict[str, Any]:
    """A report as numbers, for JSON; intervals are 95 %."""
    told: dict[str, Any] = {"policy": r.policy, "orders": r.orders, "offers": r.offers, "windows": r.windows}
    for name in ("matched", "response_s", "pickup_s", "accepted", "drive_s"):
        i: Interval = getattr(r, name)
        told |= {name: i.value, f"{name}_low": i.low, f"{name}_high": i.high}
    return told | {"decision_ms": r.decision_ms[0], "decision_ms_p99": r.decision_ms[1], "fallbacks": dict(r.fallbacks)}


@app.command()
def replay(
    day: Annotated[
        Path | None, typer.Argument(help="arrivals.txt or arrivals.txt.gz of a two-sided online matching day.")
    ] = None,
    window_s: Annotated[float, typer.Option(help="Seconds from one decision to the next.", min=0.1)] = 2.0,
    hope: Annotated[float | None, typer.Option(help="Sets match.replay.hope: more matched, or sooner.")] = None,
    hold_s: Annotated[float | None, typer.Option(help="Sets match.replay.hold_s: seconds a task may be held on purpose.")] = None,
    offers: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of a log of offers, one a shard: look at its days on the map, instead.", metavar="FOLDER"),
    ] = None,
    decisions: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of the log of decisions beside it, one a shard, for the reasons.", metavar="FOLDER"),
    ] = None,
    port: Annotated[int, typer.Option(help="Of the map of logged days; 0 takes a free one.", min=0, max=65535)] = 0,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Decide a real day again beside the published methods; or, with --offers, slide through the days of a fleet's own logs on the map."""
    if offers:
        match_day.look(offers, decisions or [], port=port, as_json=as_json, settings=settings)
        return
    if day is None:
        raise BadInput("nothing to replay: give a file of arrivals, or --offers FOLDER of a log of offers.")
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
def explain(
    order: Annotated[int | None, typer.Option(help="Order to explain; the last one offered where not given.")] = None,
    decisions: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of a log of decisions, one a shard, instead of a made-up city.", metavar="FOLDER"),
    ] = None,
    fleet: FleetLogged = "",
    at: Annotated[
        str,
        typer.Option(help="Last window up to then: seconds UTC, or 2027-01-15T18:30:00 (UTC unless it says).", metavar="TIME"),
    ] = "",
    drivers: Drivers = 200,
    hour: Hour = 12.0,
    minutes: Minutes = 5.0,
    seed: Seed = 0,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Say why an order was offered to its driver, who was next, and what would have changed the choice: from a log, or in a made-up city."""
    until_s = match_day.moment(at)
    if decisions or fleet:
        with opened(settings, fleet=fleet) as engines:
            reasons = match_day.explained(engines, decisions or [], order, until_s)
    else:
        found = _city_reasons(settings, order, until_s, drivers=drivers, hour=hour, minutes=minutes, seed=seed, quiet=as_json)
        if found is None:
            out.print("No order was offered to anybody; give the city more minutes or drivers.")
            return
        reasons = found
    if as_json:
        json_out(reasons)
        return
    out.print(reasons.text())


def _city_reasons(
    settings: Path | None, order: int | None, until_s: float, *, drivers: int, hour: float, minutes: float, seed: int, quiet: bool
) -> Why | None:
    from rialto.app.city import open_town, run_town
    from rialto.worlds.city import make_city

    city = make_city(seed=seed, drivers=drivers)
    with opened(settings) as engines, progress("simulating", quiet=quiet) as advance, open_town(engines, city) as town:
        total = int(minutes * 60)
        run_town(town, start_s=hour * 3600, seconds=minutes * 60, seed=seed, progress=lambda s, _: advance(int(s), total))
        recent = town.dispatch.snapshot().recent
        if order is None and not recent:
            return None
        return town.dispatch.why(recent[0].order if order is None else order, until_s)
