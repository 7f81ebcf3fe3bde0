"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rialto.app.engines import Engines

__all__ = ["AsJson", "DataFile", "Seed", "SettingsFile", "opened"]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Seed = Annotated[int, typer.Option(help="Seed of every chance.", min=0)]
SettingsFile = Annotated[Path | None, typer.Option("--settings", help="TOML file of settings.", metavar="FILE")]
DataFile = Annotated[str, typer.Argument(help="File or URL.", metavar="FILE")]


@contextmanager
def opened(settings: Path | None) -> Generator[Engines, None, None]:
    """The engines that the settings name, closed at the end."""
    from rialto.app.engines import Engines
    from rialto.config import load

    engines = Engines(load(settings))
    try:
        yield engines
    finally:
        engines.close()
