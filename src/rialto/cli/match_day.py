"""`rialto match day`: a made-up courier day as the two CSV files that `rialto match simulate` runs."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rialto.cli.options import Seed
from rialto.cli.output import out

if TYPE_CHECKING:
    from rialto.records import Columns

__all__ = ["day"]


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
