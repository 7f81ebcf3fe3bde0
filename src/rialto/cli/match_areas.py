"""`rialto match areas` and `rialto match regions`: what a log of offers says by H3 cell, and a city cut into shards by its orders."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rialto.cli.options import AsJson, Seed, SettingsFile, opened
from rialto.cli.output import json_out, out, progress, table

if TYPE_CHECKING:
    from rialto.app.engines import Engines
    from rialto.match.jobs import Jobs

__all__ = ["areas", "regions"]

OffersFolder = Annotated[
    Path | None, typer.Option("--offers", help="Folder of a log of offers, instead of a made-up city.", metavar="FOLDER")
]
Resolution = Annotated[
    int, typer.Option(help="Of the H3 cells: 7 is 1.4 km an edge, 8 half a kilometre, 9 two hundred metres.", min=0, max=15)
]
Minutes = Annotated[float, typer.Option(help="Simulated minutes of the made-up city.", min=0.1)]
_SHOWN = 20


def areas(
    offers: OffersFolder = None,
    resolution: Resolution = 8,
    minutes: Minutes = 60.0,
    file: Annotated[Path | None, typer.Option("--out", help="Write all cells here as CSV.", metavar="FILE")] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Say by H3 cell how many orders were delivered, how long they waited, how drives compare with what was expected, and what was earned."""
    from rialto.match.areas import areas as summed
    from rialto.match.areas import write_areas

    with opened(settings) as engines, _jobs(engines, offers, minutes, seed, quiet=as_json) as jobs:
        found = summed(jobs, engines.travel(), resolution=resolution)
    if file is not None:
        write_areas(file, found)
    if as_json:
        json_out(found.rows())
        return
    heads = ("cell", "orders", "response s", "pickup s", "drive s", "over expected", "pay an hour")
    rows = [
        (r["cell"], r["orders"], f"{r['response_s']:.0f}", f"{r['pickup_s']:.0f}", f"{r['drive_s']:.0f}", f"{r['factor']:.2f}",
         f"{r['pay_hour_cents'] / 100.0:.2f}")
        for r in found.rows()[:_SHOWN]
    ]  # fmt: skip
    out.print(table(f"{int(found.orders.sum()):,} orders in {len(found):,} cells of resolution {resolution}", heads, rows))


def regions(
    file: Annotated[Path, typer.Argument(help="Write `cell,shard` rows here.", metavar="FILE")],
    shards: Annotated[int, typer.Option(help="Shards to cut the city into.", min=1, max=256)] = 2,
    offers: OffersFolder = None,
    resolution: Resolution = 8,
    minutes: Minutes = 60.0,
    seed: Seed = 0,
    settings: SettingsFile = None,
) -> None:
    """Cut a city into shards of about as many orders each, as H3 cells; name the file in the setting `shards`."""
    import numpy as np

    from rialto.errors import BadInput
    from rialto.match.hexagons import cut, write_regions
    from rialto.match.records import Plane

    with opened(settings) as engines, _jobs(engines, offers, minutes, seed, quiet=False) as jobs:
        if not len(jobs):
            raise BadInput("no order was delivered in this log, so nobody knows where the city's orders are. Give another.")
        plane = Plane(float(np.median(jobs.lat)), float(np.median(jobs.lon)))
        made = cut(plane, jobs.lat, jobs.lon, shards=shards, resolution=resolution)
        counts = np.bincount(made.of(*plane.xy(jobs.lat, jobs.lon)), minlength=shards).tolist()
    write_regions(file, made)
    out.print(f"{len(made.cells):,} cells; orders by shard: {', '.join(f'{n:,}' for n in counts)}")
    out.print(f'shards = "process://{shards}?regions={file}"', markup=False)


@contextmanager
def _jobs(engines: Engines, offers: Path | None, minutes: float, seed: int, *, quiet: bool) -> Generator[Jobs, None, None]:
    """The deliveries of a log, or of a made-up city's."""
    from rialto.app.city import open_town, run_town
    from rialto.errors import NothingHere
    from rialto.local.events import LocalEvents
    from rialto.match.jobs import jobs_logged
    from rialto.worlds.city import make_city

    if offers is not None:
        if not offers.is_dir():
            raise NothingHere(f"there is no folder {str(offers)!r}; wanted that of a log of offers.")
        log = LocalEvents(offers)
        try:
            yield jobs_logged(log)
        finally:
            log.close()
        return
    with progress("simulating", quiet=quiet) as advance, open_town(engines, make_city(seed=seed, drivers=300)) as town:
        run_town(town, seconds=minutes * 60.0, seed=seed, progress=lambda s, _: advance(int(s), int(minutes * 60.0)))
        yield jobs_logged(town.offers)
