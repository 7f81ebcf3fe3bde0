"""Is a plan allowed? Told by plain loops from the instance alone; nothing is shared with what made the plan."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot

from rialto.match.routes.li_lim import Instance

__all__ = ["distance", "faults"]

TIGHT = 1e-6
"""Rounding of sums that is no fault."""


def distance(instance: Instance, plan: Sequence[Sequence[int]]) -> float:
    """Length of all routes, from the depot and back."""
    x, y = instance.stops.column("x").tolist(), instance.stops.column("y").tolist()
    total = 0.0
    for route in plan:
        at = [len(x) - 1, *route, len(x) - 1]
        total += sum(hypot(x[a] - x[b], y[a] - y[b]) for a, b in zip(at, at[1:], strict=False)) if route else 0.0
    return total


def faults(instance: Instance, plan: Sequence[Sequence[int]]) -> list[str]:
    """What is wrong with a plan: stops missing or doubled, pairs apart or in the wrong order, windows, loads, the fleet.

    Args:
        instance: The problem.
        plan: Stops of each route, in order, without the depot.

    Returns:
        A sentence a fault; empty = the plan is allowed.
    """
    found: list[str] = []
    seen = sorted(stop for route in plan for stop in route)
    if seen != list(range(2 * instance.orders)):
        found.append(f"{len(seen)} stops are served, or some of them twice; wanted {2 * instance.orders}, each once.")
    used = [route for route in plan if route]
    if len(used) > instance.vehicles:
        found.append(f"{len(used)} vehicles drive; wanted {instance.vehicles} at most.")
    for n, route in enumerate(used):
        found += [f"route {n}: {fault}" for fault in _route_faults(instance, list(route))]
    return found


def _route_faults(instance: Instance, route: list[int]) -> list[str]:
    found: list[str] = []
    column = {k: instance.stops.column(k).tolist() for k in ("x", "y", "earliest_s", "latest_s", "service_s", "load")}
    x, y, depot = column["x"], column["y"], len(column["x"]) - 1
    now, load, at = column["earliest_s"][depot], 0.0, depot
    for k, stop in enumerate(route):
        if stop % 2 == 1 and stop - 1 not in route[:k]:
            found.append(f"stop {stop} is dropped before it is picked up, or elsewhere.")
        if stop % 2 == 0 and stop + 1 not in route[k:]:
            found.append(f"stop {stop} is picked up and not dropped.")
        now = max(now + hypot(x[at] - x[stop], y[at] - y[stop]), column["earliest_s"][stop])
        if now > column["latest_s"][stop] + TIGHT:
            found.append(f"stop {stop} is served at {now}; wanted {column['latest_s'][stop]} at the latest.")
        now += column["service_s"][stop]
        load += column["load"][stop]
        if load > instance.capacity + TIGHT:
            found.append(f"{load} is aboard after stop {stop}; wanted {instance.capacity} at most.")
        at = stop
    now += hypot(x[at] - x[depot], y[at] - y[depot])
    if now > instance.end_s + TIGHT:
        found.append(f"is back at {now}; wanted {instance.end_s} at the latest.")
    return found
