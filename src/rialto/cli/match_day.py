"""`rialto match day`: a made-up courier day as two CSV files; and the map of a fleet's logged days, which `rialto match replay` opens."""

from __future__ import annotations

import csv
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rialto.cli.options import Seed, opened
from rialto.cli.output import json_out, out, table

if TYPE_CHECKING:
    from rialto.app.engines import Engines
    from rialto.app.logged_day import LoggedDays
    from rialto.match.why import Why
    from rialto.records import Columns

__all__ = ["day", "explained", "look", "moment"]


def day(
    folder: Annotated[Path, typer.Argument(help="Write orders.csv and couriers.csv here.", metavar="FOLDER")],
    orders: Annotated[int, typer.Option(help="Orders of the day.", min=1)] = 300,
    load: Annotated[float, typer.Option(help="Orders for each hour that a courier works.", min=0.1)] = 2.0,
    seed: Seed = 0,
) -> None:
    """Write a made-up day of meals: lunch and dinner, kitchens that take their time, couriers in shifts."""
    from rialto.worlds.courier_day import make_courier_day

    tables = dict(zip(("orders", "couriers"), make_courier_day(seed=seed, orders=orders, orders_a_courier_hour=load)))
    folder.mkdir(parents=True, exist_ok=True)
    for name, columns in tables.items():
        _write(folder / f"{name}.csv", columns)
    sizes = {name: len(next(iter(columns.values()))) for name, columns in tables.items()}
    out.print(f"{sizes['orders']:,} orders and {sizes['couriers']:,} couriers in {folder}; run them with")
    out.print(f"rialto match simulate --orders {folder / 'orders.csv'} --couriers {folder / 'couriers.csv'} --policy all")


def _write(path: Path, columns: Columns) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(columns)
        lines.writerows(zip(*([_told(v) for v in values.tolist()] for values in columns.values())))


def _told(value: object) -> object:
    return round(value, 1) if isinstance(value, float) else value


HEADS = ("day", "orders", "delivered", "cancelled", "drivers", "from", "to")


def look(offers: list[Path], decisions: list[Path], *, port: int, as_json: bool, settings: Path | None) -> None:
    """Tell what days logs have, and serve the map of them until Ctrl-C; with `as_json` only tell."""
    from rialto.app.logged_day import LoggedDays
    from rialto.errors import NothingHere

    with opened(settings) as engines:
        days = LoggedDays.of_folders(engines, offers, decisions)
        rows = [days.day(name).told() for name in days.names()]
        if not rows:
            raise NothingHere(
                f"no order took a step in {', '.join(repr(str(f)) for f in offers)}; wanted logs that `Offers` wrote."
            )
        if as_json:
            json_out([dict(zip(HEADS, row)) for row in rows])
            return
        out.print(table("days in the logs, UTC", HEADS, rows))
        _serve(engines, days, str(rows[-1][0]), port)


def _serve(engines: Engines, days: LoggedDays, day: str, port: int) -> None:
    import socket

    import uvicorn

    from rialto.app.systems import Systems
    from rialto.errors import EngineBusy
    from rialto.serve.service import create

    systems = Systems(engines)
    systems.days = days
    try:
        listening = socket.create_server(("127.0.0.1", port))
    except OSError as e:
        raise EngineBusy(f"cannot listen on 127.0.0.1:{port}: {e.strerror}. Give another --port, or 0 for a free one.") from None
    out.print(f"The map is at http://127.0.0.1:{listening.getsockname()[1]}/city?day={day}; Ctrl-C ends it.", markup=False)
    config: Any = uvicorn.Config(create(systems), log_level="warning", access_log=False, timeout_graceful_shutdown=2)
    uvicorn.Server(config).run(sockets=[listening])


def moment(text: str) -> float:
    """Seconds UTC of `--at`: a number, or a date and time; inf where it is "".

    Example:
        >>> moment("1800000000.5"), moment("2027-01-15T08:00:00"), moment("")
        (1800000000.5, 1800000000.0, inf)
    """
    from datetime import UTC, datetime

    from rialto.errors import BadInput

    if not text:
        return float("inf")
    with suppress(ValueError):
        return float(text)
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"--at is {text!r}; wanted seconds since 1970, UTC, or a time as 2027-01-15T18:30:00.") from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def explained(engines: Engines, decisions: list[Path], order: int | None, at_s: float) -> Why:
    """Why an order was decided as it was, from logs of decisions in folders, or from the fleet's own."""
    from rialto.app.fleet_logs import FleetLogs
    from rialto.app.logged_why import LoggedWhy

    logs = FleetLogs.of_folders([], decisions) if decisions else FleetLogs.of_fleet(engines)
    with logs.opened() as held:
        return LoggedWhy(held.decisions, engines.models()).why(order, at_s)
