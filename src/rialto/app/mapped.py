"""How a catalogue was read, for the index made of it: its mapping, and the rows that did not go in."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import fsspec

from rialto.app.engines import Engines
from rialto.errors import NothingHere
from rialto.find.mapping import FieldMap, read_mapping

__all__ = ["REJECTS", "copy_rejects", "mapping_of"]

REJECTS = "rejects.jsonl"
"""Name of the file in an index's folder with the rows of the catalogue that did not go in."""


def mapping_of(engines: Engines, path: str, mapping: FieldMap | None) -> FieldMap | None:
    """The mapping of a catalogue: the one given, else the settings'; None = guessed, as always for the made-up shop.

    Raises:
        NothingHere, BadInput: the settings name a file that is not there or cannot be read.
    """
    made_up = not path or Path(path).is_relative_to(engines.settings.home / "made-up")
    return mapping if mapping is not None or made_up or not engines.settings.mapping else read_mapping(engines.settings.mapping)


def copy_rejects(folder: Path, rejects: str) -> None:
    """Write the rejected rows of an index that is there to `rejects`; `NothingHere` where it was not made by reading a whole file."""
    kept = folder / REJECTS
    if not kept.is_file():
        raise NothingHere(
            f"the index {folder} keeps no rejected rows, as it was made from the products that were served, not from a file."
        )
    with fsspec.open(rejects, "wb") as sink:
        cast("Any", sink).write(kept.read_bytes())
