"""`rialto match routes`: a full plan of a pickup-and-delivery problem, and live insertion beside it."""

from __future__ import annotations

from pathlib import Path
from time import thread_time
from typing import Annotated

import typer

from rialto.cli.options import AsJson, Seed
from rialto.cli.output import json_out, out, table
from rialto.errors import NothingHere, RialtoError

__all__ = ["routes"]


def routes(
    file: Annotated[Path, typer.Argument(help="An instance in the format of Li and Lim.", metavar="FILE")],
    seconds: Annotated[float, typer.Option(help="Seconds of search, of this thread.", min=0.0)] = 10.0,
    rounds: Annotated[int | None, typer.Option(help="Rounds of search instead: the same plan every time.", min=0)] = None,
    known: Annotated[
        Path | None, typer.Option(help="JSON of best plans known: name, solved_with_vehicles, best_known_cost.", metavar="FILE")
    ] = None,
    live_ms: Annotated[float, typer.Option(help="Milliseconds an order where orders come one by one.", min=0.0)] = 10.0,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Plan the routes of a problem with pickups, deliveries, time windows and loads: fewest vehicles, then the shortest way.

    The plan is checked by rules that share nothing with the search. Beside it: what inserting orders one by one gives.
    """
    from rialto.match.routes.check import distance, faults
    from rialto.match.routes.effort import Effort
    from rialto.match.routes.li_lim import read_instance, read_known
    from rialto.match.routes.live import one_by_one
    from rialto.match.routes.solve import solve, warm

    instance = read_instance(file)
    best = read_known(known).get(instance.name.lower()) if known else None
    if known and best is None:
        raise NothingHere(f"{known} knows no plan of {instance.name!r}; wanted a file that names it, or no --known.")
    warm()
    effort = Effort.seconds(seconds, thread_time) if rounds is None else Effort.rounds(rounds)
    fleet = instance.fleet()
    found = solve(instance.stops, instance.terms, fleet, effort=effort, seed=seed)
    plan = [route for r in range(len(fleet)) if (route := fleet.of_row(r))]
    by_hand = [route for route in one_by_one(instance, each_s=live_ms / 1000.0, clock=thread_time, seed=seed) if route]
    wrong = faults(instance, plan)
    if wrong:
        raise RialtoError(f"the plan of {instance.name} is not allowed: {wrong[0]}")
    rows = [
        ("inserted once each", found.first_vehicles, found.first_travel_s),
        (f"live, {live_ms:g} ms an order", len(by_hand), distance(instance, by_hand)),
        ("planned anew", found.vehicles, distance(instance, plan)),
    ]
    if best:
        rows.append(("best known", best.vehicles, best.distance))
    if as_json:
        tasks = [[int(instance.task[stop]) for stop in route] for route in plan]
        json_out(
            {"name": instance.name, "orders": instance.orders, "plans": [dict(zip(("plan", "vehicles", "distance"), r)) for r in rows],
             "rounds": found.rounds, "routes": tasks}
        )  # fmt: skip
        return
    out.print(table(f"{instance.name}: {instance.orders} orders", ("plan", "vehicles", "distance"), rows))
