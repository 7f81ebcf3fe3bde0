"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rialto.errors import BadSettings

if TYPE_CHECKING:
    from rialto.app.engines import Engines
    from rialto.config import Settings

__all__ = ["AsJson", "DataFile", "FleetLogged", "Seed", "SettingsFile", "opened", "with_fleet"]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Seed = Annotated[int, typer.Option(help="Seed of every chance.", min=0)]
SettingsFile = Annotated[Path | None, typer.Option("--settings", help="TOML file of settings.", metavar="FILE")]
FleetLogged = Annotated[
    str,
    typer.Option(
        "--fleet",
        metavar="LAT,LON",
        help="The fleet's own logs: its middle as `serve --fleet` has it, or `on` where settings name it.",
    ),
]
DataFile = Annotated[str, typer.Argument(help="File or URL.", metavar="FILE")]


@contextmanager
def opened(settings: Path | None, mapping: Path | None = None, *, fleet: str = "") -> Generator[Engines, None, None]:
    """The engines that the settings name, closed at the end; `mapping` and `fleet` go over the settings' own."""
    from rialto.app.engines import Engines
    from rialto.config import load

    chosen = with_fleet(load(settings), "" if fleet == "on" else fleet)
    engines = Engines(chosen.model_copy(update={"mapping": str(mapping)}) if mapping else chosen)
    try:
        yield engines
    finally:
        engines.close()


def with_fleet(chosen: Settings, place: str) -> Settings:
    """The settings with a fleet around `place`, `LAT,LON`; as they are where it is ""."""
    if not place:
        return chosen
    from pydantic import ValidationError

    try:
        lat, lon = (float(part) for part in place.split(","))
        made = type(chosen.fleet).model_validate({**chosen.fleet.model_dump(), "on": True, "lat": lat, "lon": lon})
    except (ValueError, ValidationError):
        raise BadSettings([f"--fleet is {place!r}; wanted LAT,LON in degrees, as 52.5,13.4."]) from None
    return chosen.model_copy(update={"fleet": made})
