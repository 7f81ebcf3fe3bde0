"""An independent check of a courier day's result: plain loops over the order rows alone, sharing nothing with the simulator."""

from __future__ import annotations

from itertools import groupby
from math import dist, isfinite, isnan

from rialto.errors import BadInput
from rialto.match.courier_rows import OrderRows
from rialto.match.courier_sim import Rules
from rialto.match.days import CourierDay

__all__ = ["broken_rules", "check_couriers"]

SLACK_S = 1e-3
"""Seconds by which a time may be short: what is written has three decimals."""

Event = tuple[float, int, int]
"""When it ended, 0 for a drop-off or 1 for a pickup, the order."""


def check_couriers(day: CourierDay, rules: Rules, rows: OrderRows) -> None:
    """Raise `BadInput` with the first broken rules, if any is; see `broken_rules`."""
    broken = broken_rules(day, rules, rows)
    if broken:
        more = f" ({len(broken) - 3} more)" if len(broken) > 3 else ""
        raise BadInput(f"the result breaks the rules of the day: {' '.join(broken[:3])}{more}")


def broken_rules(day: CourierDay, rules: Rules, rows: OrderRows) -> list[str]:
    """Hold the rows of a day against its rules.

    Each order has one courier or none; is taken on no sooner than it is placed; its service at the restaurant lies between the later
    of its ready time and the courier's arrival, and `picked_s`; the one at the door between arrival and `delivered_s`. A courier is at
    one place at a time: from each stop to the next there is time for the way and the service; pickups at one house behind one another
    share one service. He begins at his start no sooner than `on_s`, and ends pickups (under strict shifts: all) by `off_s`. He never
    carries more than `rows.capacity` orders.

    Args:
        day: The day.
        rules: Its rules.
        rows: A row an order of the day, in the day's order.

    Returns:
        A sentence for each broken rule; none where all hold.

    Cost:
        O(orders x log orders).
    """
    found: list[str] = []
    if len(rows.courier) != day.orders:
        return [f"{len(rows.courier)} rows came for {day.orders} orders; wanted one an order."]
    by_courier: dict[int, list[int]] = {}
    for order, courier in enumerate(rows.courier.tolist()):
        times = [float(c[order]) for c in (rows.assigned_s, rows.picked_s, rows.delivered_s)]
        if courier < 0:
            if not all(isnan(t) for t in times):
                found.append(f"Order {day.order_ids[order]} has no courier, but times.")
        elif courier >= day.couriers or not all(isfinite(t) for t in times):
            found.append(f"Order {day.order_ids[order]} has no such courier ({courier}), or lacks a time.")
        else:
            by_courier.setdefault(courier, []).append(order)
    for courier, orders in sorted(by_courier.items()):
        for order in orders:
            found.extend(_order(day, rules, rows, order))
        found.extend(_courier(day, rules, rows, courier, orders))
    return found


def _order(day: CourierDay, rules: Rules, rows: OrderRows, order: int) -> list[str]:
    name, found = day.order_ids[order], list[str]()
    placed, ready = float(day.placed_s[order]), float(day.ready_s[order])
    assigned, picked, delivered = (float(c[order]) for c in (rows.assigned_s, rows.picked_s, rows.delivered_s))
    if assigned < placed - SLACK_S or assigned > picked + SLACK_S:
        found.append(f"Order {name} is assigned at {assigned:g} s, placed at {placed:g} s and picked up at {picked:g} s.")
    if picked < ready + rules.pickup_s - SLACK_S:
        found.append(
            f"Order {name} is picked up by {picked:g} s; it is ready at {ready:g} s and the service takes {rules.pickup_s:g} s."
        )
    if delivered < picked - SLACK_S:
        found.append(f"Order {name} is delivered at {delivered:g} s, before it is picked up at {picked:g} s.")
    return found


def _courier(day: CourierDay, rules: Rules, rows: OrderRows, courier: int, orders: list[int]) -> list[str]:
    """What is wrong with one courier's day: his stops in the order in which they end, visits of one house as one."""
    name, found = day.courier_ids[courier], list[str]()
    events: list[Event] = [(float(rows.picked_s[o]), 1, o) for o in orders] + [(float(rows.delivered_s[o]), 0, o) for o in orders]
    events.sort()
    at, free_s, aboard = day.start_m[courier].tolist(), float(day.on_s[courier]), 0
    for (kind, _), visit in groupby(events, key=lambda e: (e[1], _house(day, e))):
        stops = list(visit)
        # pickups of one house behind one another are one visit with one service; each door takes its own
        for n, (end_s, _kind, order) in enumerate(stops):
            service = rules.pickup_s if kind == 1 else rules.dropoff_s
            here = (day.pickup_m if kind == 1 else day.dropoff_m)[order].tolist()
            shares = kind == 1 and n > 0
            soonest = free_s if shares else free_s + dist(at, here) / rules.speed_mps + service
            if end_s < soonest - SLACK_S:
                what = "picks up" if kind == 1 else "delivers"
                found.append(f"Courier {name} {what} order {day.order_ids[order]} by {end_s:g} s; he can by {soonest:g} s.")
            last_s = float(day.off_s[courier])
            if end_s > last_s + SLACK_S and (kind == 1 or rules.strict_shifts):
                found.append(
                    f"Courier {name} serves order {day.order_ids[order]} until {end_s:g} s; his shift ends at {last_s:g} s."
                )
            aboard += 1 if kind == 1 else -1
            if aboard > rows.capacity:
                found.append(f"Courier {name} carries {aboard} orders at {end_s:g} s; {rows.capacity} are allowed.")
            at, free_s = here, end_s
    return found


def _house(day: CourierDay, event: Event) -> tuple[float, ...]:
    """The house of a pickup, to the metre; a drop-off is a stop of its own."""
    _, kind, order = event
    return tuple(round(v) for v in day.pickup_m[order].tolist()) if kind == 1 else (float(order),)
