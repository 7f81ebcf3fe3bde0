"""`rialto match train`, `compare`, `experiment` and `fairness`: what the logs of a dispatch system teach, and whether it is true."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rialto.cli.options import AsJson, FleetLogged, Seed, SettingsFile, opened
from rialto.cli.output import json_out, out, progress, table

if TYPE_CHECKING:
    from rialto.app.engines import Engines
    from rialto.app.fair import FairLog
    from rialto.app.teaching import Lessons
    from rialto.match.durations import Learned
    from rialto.match.fairness import Fairness
    from rialto.match.patience import Taught
    from rialto.match.simulate import Policy
    from rialto.match.switchback import Trial
    from rialto.match.whatif import WhatIf
    from rialto.spine.learn import Verdict

__all__ = ["compare", "experiment", "fairness", "train"]

Drivers = Annotated[int, typer.Option(help="Drivers in the made-up city.", min=1)]
Hour = Annotated[float, typer.Option(help="Hour of the day to begin at.", min=0.0, max=23.9)]
Minutes = Annotated[float, typer.Option(help="Simulated minutes.", min=0.1)]
Set = Annotated[list[str] | None, typer.Option("--set", help="A param of the challenger; may come again.", metavar="NAME=VALUE")]
Greedy = Annotated[bool, typer.Option("--greedy", help="The challenger takes the cheapest pair first.")]
Version = Annotated[
    str | None,
    typer.Option(help='Acceptance model of the challenger; "" = none. Where not given: the live one.', metavar="VERSION"),
]
OffersFolders = Annotated[
    list[Path] | None,
    typer.Option("--offers", help="Folder of a log of offers, one a shard, instead of a made-up city.", metavar="FOLDER"),
]


def train(
    offers: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of a log of offers, one a shard, instead of a made-up city. With --decisions.", metavar="FOLDER"
        ),
    ] = None,
    decisions: Annotated[
        list[Path] | None, typer.Option(help="Folder of the log of decisions beside it, one a shard.", metavar="FOLDER")
    ] = None,
    fleet: FleetLogged = "",
    drivers: Drivers = 400,
    hour: Hour = 12.0,
    minutes: Minutes = 60.0,
    challenger: Annotated[
        bool,
        typer.Option("--challenger", help="Keep what passes without making it live; try it by `match experiment --version`."),
    ] = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Learn acceptance, drives, kitchens, patience and drivers' worth from a fleet's logs or a made-up city's; each live behind its gate."""
    with opened(settings, fleet=fleet) as engines:
        if offers or decisions or fleet:
            learned = _learned(engines, offers or [], decisions or [], seed=seed, shelve=challenger)
        else:
            city = drivers, hour * 3600.0, minutes * 60.0
            learned = _learned_of_city(engines, *city, seed=seed, shelve=challenger, quiet=as_json)
    _tell_lessons(learned, shelved=challenger, as_json=as_json)


def _learned(engines: Engines, offers: list[Path], decisions: list[Path], *, seed: int, shelve: bool) -> Lessons:
    from rialto.app.fleet_logs import FleetLogs
    from rialto.app.teaching import Logbook, teach_from
    from rialto.errors import BadInput

    if bool(offers) != bool(decisions):
        raise BadInput("--offers and --decisions belong together: acceptance is learned from both. Give the other one too.")
    places = FleetLogs.of_folders(offers, decisions) if offers else FleetLogs.of_fleet(engines)
    with places.opened() as logs:
        return teach_from(Logbook.of(logs, engines.settings), engines, seed=seed, shelve=shelve)


def _learned_of_city(
    engines: Engines, drivers: int, start_s: float, seconds: float, *, seed: int, shelve: bool, quiet: bool
) -> Lessons:
    from rialto.app.city import open_town, run_town
    from rialto.app.teaching import teach_all
    from rialto.match.simulate import Policy
    from rialto.worlds.city import make_city

    with progress("logging offers", quiet=quiet) as advance, open_town(engines, make_city(seed=seed, drivers=drivers)) as town:
        step = lambda s, _: advance(int(s), int(seconds))  # noqa: E731 (binds the run)
        run_town(town, start_s=start_s, seconds=seconds, seed=seed, policy=Policy("least cost", version=""), progress=step)
        return teach_all(town, engines, seed=seed, shelve=shelve)


def _tell_lessons(learned: Lessons, *, shelved: bool, as_json: bool) -> None:
    report = learned.acceptance.report
    durations = {"travel": learned.travel, "prep": learned.prep}
    if as_json:
        told = {
            "version": report.version,
            "parent": report.parent,
            "trained_on": report.trained_on,
            "judged_on": report.judged_on,
        }
        others: dict[str, Any] = {name: _of_duration(d) for name, d in durations.items()}
        others["patience"] = _of_patience(learned.patience)
        json_out(
            {**_of_verdict(report.verdict), **told, **others, "ahead": {**_of_verdict(learned.ahead), "cells": learned.cells}}
        )
        return
    out.print(f"Acceptance, learned from {report.trained_on:,} orders, judged on {report.judged_on:,} others.")
    out.print(f"  {_said(report.verdict, report.version, shelved=shelved)}", markup=False)
    for name, d in durations.items():
        out.print(f"{name.capitalize()}, learned from {d.rows[0]:,}, judged on {d.rows[2]:,} others.")
        if d.error_s == d.error_s:
            out.print(
                f"  mean error {d.error_s:.0f} s, before {d.before_s:.0f} s; the interval holds {d.coverage:.0%} of the time, "
                f"{d.width_s:.0f} s wide"
            )
        out.print(f"  {_said(d.verdict, d.version, shelved=shelved)}", markup=False)
    p = learned.patience
    out.print(f"Patience, learned from {p.orders:,} orders, {p.cancelled:,} of them given up.")
    if p.seen == p.seen:
        out.print(f"  foretold that {p.foretold:.1%} of the orders judged are given up; {p.seen:.1%} were")
    out.print(f"  {_said(p.verdict, p.version, shelved=shelved)}", markup=False)
    out.print("Worth of a free driver by place and time, beside time alone.")
    out.print(
        f"  {_said(learned.ahead, f'{learned.cells} cells' if learned.cells else 'nothing of it', shelved=shelved)}",
        markup=False,
    )


def _said(v: Verdict, version: str, *, shelved: bool = False) -> str:
    return f"{('Kept ' if shelved else 'Promoted ') + version if v.passed else 'Refused'}: {v.reason}"


def _of_verdict(v: Verdict) -> dict[str, Any]:
    return {"passed": v.passed, "reason": v.reason, "difference": v.difference, "low": v.low, "high": v.high}


def _of_patience(p: Taught) -> dict[str, Any]:
    told = {"orders": p.orders, "cancelled": p.cancelled, "foretold": p.foretold, "seen": p.seen}
    return {**_of_verdict(p.verdict), "version": p.version, **told}


def _of_duration(d: Learned) -> dict[str, Any]:
    measured = {"error_s": d.error_s, "before_s": d.before_s, "coverage": d.coverage, "width_s": d.width_s}
    return {**_of_verdict(d.verdict), "version": d.version, "rows": d.rows, **measured}


def compare(
    changed: Set = None,
    greedy: Greedy = False,
    version: Version = None,
    decisions: Annotated[
        Path | None, typer.Option(help="Folder of a decision log, instead of a made-up city's.", metavar="FOLDER")
    ] = None,
    referee: Annotated[str | None, typer.Option(help='Acceptance model that judges all; "" = none.', metavar="VERSION")] = None,
    drivers: Drivers = 200,
    hour: Hour = 12.0,
    minutes: Minutes = 30.0,
    seed: Seed = 0,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Decide logged windows again under a challenger, on the same candidates: what it would have done, one step from where the log was."""
    from rialto.app.city import open_town, run_town
    from rialto.errors import NothingHere
    from rialto.local.events import LocalEvents
    from rialto.match.whatif import what_if
    from rialto.spine.log import DecisionLog
    from rialto.worlds.city import make_city

    with opened(settings) as engines:
        challenger = _challenger(changed, greedy, version)
        if decisions is not None:
            if not decisions.is_dir():
                raise NothingHere(f"there is no folder {str(decisions)!r}; wanted one that a decision log was written to.")
            log = LocalEvents(decisions)
            found = what_if(DecisionLog(log), engines.models(), [challenger], referee=referee, seed=seed)
            log.close()
        else:
            with (
                progress("logging windows", quiet=as_json) as advance,
                open_town(engines, make_city(seed=seed, drivers=drivers)) as t,
            ):
                step = lambda s, _: advance(int(s), int(minutes * 60.0))  # noqa: E731 (binds the run)
                run_town(t, start_s=hour * 3600.0, seconds=minutes * 60.0, seed=seed, progress=step)
                found = what_if(t.decisions, engines.models(), [challenger], referee=referee, seed=seed)
    _tell_what_if(found, as_json)


def _challenger(changed: list[str] | None, greedy: bool, version: str | None) -> Policy:
    from rialto.app.engines import declare
    from rialto.errors import BadInput
    from rialto.match import decide
    from rialto.match.simulate import Policy

    declare()  # params are known by the modules that declare them
    overrides: dict[str, float] = {}
    for text in changed or []:
        name, _, value = text.partition("=")
        try:
            overrides[name.strip()] = float(value)
        except ValueError:
            raise BadInput(f"--set is {text!r}; wanted NAME=VALUE with a number, such as match.decide.waited=0.5.") from None
    if not overrides and not greedy and version is None:
        raise BadInput("the challenger is the champion; give --set NAME=VALUE, --greedy or --version to make another.")
    return Policy("challenger", decide.greedy if greedy else decide.assignment, version, overrides)


def _tell_what_if(found: WhatIf, as_json: bool) -> None:
    differences = {m: by["challenger"] for m, by in found.differences.items() if by}
    if as_json:
        json_out({"windows": found.windows, "thinned": found.thinned, "same": found.same, "differing": found.differing,
                  "means": found.means, "changed": found.changed,
                  "differences": {m: {"value": d.value, "low": d.low, "high": d.high, "p": d.p} for m, d in differences.items()}})  # fmt: skip
        return
    rows = [
        (m, *(f"{found.means[n][m]:.4g}" for n in found.means), f"{d.value:+.4g} [{d.low:+.4g}, {d.high:+.4g}]")
        for m, d in differences.items()
    ]
    title = f"{found.windows:,} windows decided again; {found.same:,} of them repeat the log bit for bit"
    out.print(table(title, ("measure", *found.means, "difference"), rows))
    out.print(
        f"Decided otherwise: {found.changed.get('challenger', 0.0):.1%} of orders asked. {found.thinned:,} thinned windows left out."
    )
    out.print("One step: each window is that of the log. What comes of it in the long run: rialto match experiment.")


def experiment(
    plan: Annotated[
        Path | None,
        typer.Option(help="Plan of an experiment on a fleet, as `fleet.experiment` has it: read its logs.", metavar="FILE"),
    ] = None,
    offers: OffersFolders = None,
    decisions: Annotated[
        list[Path] | None, typer.Option(help="Folder of the log of decisions beside it, one a shard.", metavar="FOLDER")
    ] = None,
    fleet: FleetLogged = "",
    changed: Set = None,
    greedy: Greedy = False,
    version: Version = None,
    cities: Annotated[int, typer.Option(help="Regions: made-up cities of their own.", min=1)] = 3,
    drivers: Drivers = 100,
    hour: Hour = 10.0,
    minutes: Minutes = 480.0,
    block_min: Annotated[float, typer.Option(help="Minutes of one block.", min=1.0)] = 40.0,
    washout_min: Annotated[float, typer.Option(help="Minutes at each block's start that are left out.", min=0.0)] = 10.0,
    window_s: Annotated[float, typer.Option(help="Seconds from one decision to the next.", min=0.1)] = 10.0,
    promote: Annotated[
        bool, typer.Option("--promote", help="Make the challenger's model the live one where it surely wins.")
    ] = False,
    seed: Seed = 0,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Say whether a challenger surely wins: in made-up cities, switched by blocks of time, or by what the logs of a fleet's experiment hold."""
    if plan is not None or offers or decisions or fleet:
        _tell_trial(_tried(plan, offers or [], decisions or [], fleet, promote=promote, settings=settings), as_json)
        return
    from rialto.app.teaching import switch_cities
    from rialto.errors import BadInput
    from rialto.match.decide import ACCEPTANCE
    from rialto.match.simulate import Policy
    from rialto.match.switchback import Plan

    challenger = _challenger(changed, greedy, version)
    if promote and not version:
        raise BadInput("--promote makes a model live; give the challenger's --version.")
    drawn = Plan(
        "experiment", Policy("champion"), challenger, block_s=block_min * 60.0, washout_s=washout_min * 60.0, tail_s=120.0
    )
    with opened(settings) as engines, progress("switching", quiet=as_json) as advance:
        found = switch_cities(
            engines, drawn, cities=cities, drivers=drivers, start_s=hour * 3600.0, seconds=minutes * 60.0, window_s=window_s, seed=seed,
            progress=advance,
        )  # fmt: skip
        if promote and version and found.verdict.passed:
            engines.models().promote(ACCEPTANCE, version)
    _tell_trial(found, as_json)


def _tried(
    plan: Path | None, offers: list[Path], decisions: list[Path], fleet: str, *, promote: bool, settings: Path | None
) -> Trial:
    from rialto.app.experiments import plan_of, read_plan, tried
    from rialto.app.fleet_logs import FleetLogs
    from rialto.errors import BadInput
    from rialto.match.decide import ACCEPTANCE

    if bool(offers) != bool(decisions):
        raise BadInput(
            "--offers and --decisions belong together: one says what became of orders, the other under which arm. Give both."
        )
    with opened(settings, fleet=fleet) as engines:
        chosen = plan_of(engines) if plan is None else read_plan(plan)
        if chosen is None:
            raise BadInput("no plan: give --plan FILE, or set `fleet.experiment` as the fleet has it.")
        version = chosen.challenger.version
        if promote and not version:
            raise BadInput("--promote makes a model live; this plan's challenger has no version of its own.")
        places = FleetLogs.of_folders(offers, decisions) if offers else FleetLogs.of_fleet(engines)
        with places.opened() as logs:
            found = tried(chosen, logs)
        if promote and version and found.verdict.passed:
            engines.models().promote(ACCEPTANCE, version)
        return found


def _tell_trial(found: Trial, as_json: bool) -> None:
    if as_json:
        effects = {
            m: {"champion": e.control, "challenger": e.treatment, "value": e.value, "low": e.low, "high": e.high, "p": e.p, "blocks": e.units}
            for m, e in found.effects.items()
        }  # fmt: skip
        json_out({"effects": effects, "orders": found.orders, "left_out": found.left_out, **_of_verdict(found.verdict)})
        return
    rows = [
        (
            m,
            f"{e.control:.4g}",
            f"{e.treatment:.4g}",
            f"{e.value:+.4g} [{e.low:+.4g}, {e.high:+.4g}]",
            f"{e.units[0]} + {e.units[1]}",
        )
        for m, e in found.effects.items()
    ]
    out.print(table(f"{found.orders:,} orders, {found.left_out:,} at blocks' ends left out",
                    ("measure", "champion", "challenger", "difference", "blocks"), rows))  # fmt: skip
    out.print(f"{'The challenger wins' if found.verdict.passed else 'The champion stays'}: {found.verdict.reason}", markup=False)


def fairness(
    offers: OffersFolders = None,
    fleet: FleetLogged = "",
    drivers: Drivers = 200,
    hour: Hour = 10.0,
    minutes: Minutes = 120.0,
    seed: Seed = 0,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Say how evenly drivers earned, from a fleet's logs or a simulated city's: pay an hour, its spread, and gaps between groups of drivers."""
    from rialto.app.fair import fairness_of_logs
    from rialto.app.fleet_logs import FleetLogs
    from rialto.app.teaching import fairness_of_city

    logged = None
    with opened(settings, fleet=fleet) as engines:
        if offers or fleet:
            places = FleetLogs.of_folders(offers) if offers else FleetLogs.of_fleet(engines)
            with places.opened() as logs:
                logged = fairness_of_logs(logs, seed=seed)
            found = logged.found
        else:
            with progress("simulating", quiet=as_json) as advance:
                found = fairness_of_city(
                    engines, drivers=drivers, start_s=hour * 3600.0, seconds=minutes * 60.0, seed=seed, progress=advance
                )
    _tell_fairness(found, logged, as_json)


def _tell_fairness(found: Fairness, logged: FairLog | None, as_json: bool) -> None:
    intervals = {"cents an hour": found.an_hour, "gini": found.gini, "worst tenth over the mean": found.low_share}
    if as_json:
        bounds = {n.replace(" ", "_"): {"value": i.value, "low": i.low, "high": i.high} for n, i in intervals.items()}
        gap = {n: {"value": i.value, "low": i.low, "high": i.high} for n, i in found.gap.items()}
        source = {} if logged is None else {"pay": "earnings" if logged.told else "orders", "shifts": logged.shifts}
        json_out({"drivers": found.drivers, "idle": found.idle, **bounds, "gap": gap, **source})
        return
    if logged is not None:
        out.print(
            "Pay is what was told as earnings." if logged.told else "No earnings were told: pay is what the orders were worth."
        )
        out.print(f"Time is on shift for {logged.shifts:,} drivers; for others from the first acceptance to the last delivery.")
    rows = [(n, f"{i.value:.3g}", f"[{i.low:.3g}, {i.high:.3g}]") for n, i in intervals.items()]
    rows += [(f"{n}: pay over the others'", f"{i.value:+.1%}", f"[{i.low:+.1%}, {i.high:+.1%}]") for n, i in found.gap.items()]
    out.print(table(f"{found.drivers:,} drivers, {found.idle:.0%} of them without an order", ("measure", "value", "95 %"), rows))
