"""Systems on made-up worlds for one command: opened in a temporary home where they must begin empty, closed at the end."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rialto.app.engines import Engines
from rialto.config import load

if TYPE_CHECKING:
    from rialto.app.studio import Gallery

__all__ = ["campaign", "fresh", "kept"]


@contextmanager
def fresh(settings: Path | None) -> Generator[Engines, None, None]:
    """Engines with an empty home of their own, gone at the end; what the settings put elsewhere stays elsewhere."""
    with TemporaryDirectory(prefix="rialto-") as folder:
        engines = Engines(load(settings).model_copy(update={"home": Path(folder)}))
        try:
            yield engines
        finally:
            engines.close()


@contextmanager
def kept(settings: Path | None, seed: int) -> Generator[Engines, None, None]:
    """Engines with a home of their own for trying, apart from the user's, which stays for the next time."""
    chosen = load(settings)
    engines = Engines(chosen.model_copy(update={"home": chosen.home / "try" / str(seed), "seed": seed}))
    try:
        yield engines
    finally:
        engines.close()


@contextmanager
def campaign(settings: Path | None, seed: int) -> Generator[Gallery, None, None]:
    """A made-up campaign, checked and admitted, nothing learned yet."""
    from rialto.app.studio import open_gallery  # loads what draws and checks pictures, which the other two do not need
    from rialto.spine.log import DecisionLog

    with fresh(settings) as engines:
        yield open_gallery(engines, DecisionLog(engines.events()), seed=seed)
