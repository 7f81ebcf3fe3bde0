"""Hub labels on disk, so that a graph is prepared once: one file, written whole or not at all, checked when it is read."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np

from rialto.errors import BadInput
from rialto.local.roads_labels import FAR_MS, Labels

__all__ = ["keep", "kept"]

_NAMES = tuple(f"{way}_{column}" for way in ("forward", "backward") for column in ("start", "hub", "ms"))
_KINDS = {"start": np.int64, "hub": np.uint32, "ms": np.int32}


def keep(file: Path, labels: Labels) -> None:
    """Write labels; a reader sees the old file or the new one, never a part."""
    file.parent.mkdir(parents=True, exist_ok=True)
    making = file.with_name(f"{file.name}.{os.getpid()}.part")
    with making.open("wb") as out:
        np.savez(out, **dict(zip(_NAMES, (*labels.forward, *labels.backward))))  # type: ignore[arg-type]
        out.flush()
        os.fsync(out.fileno())
    making.replace(file)


def kept(file: Path, nodes: int) -> Labels | None:
    """Labels of a graph of so many nodes from `file`; None where it is not there, `BadInput` where it is damaged."""
    if not file.is_file():
        return None
    try:
        with file.open("rb") as body, np.load(body, allow_pickle=False) as table:
            columns = [table[name] for name in _NAMES]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as e:
        raise BadInput(f"{file.name} holds no labels of roads ({type(e).__name__}: {e}).") from None
    for name, column in zip(_NAMES, columns):
        if column.ndim != 1 or column.dtype != _KINDS[name.partition("_")[2]]:
            raise BadInput(f"{file.name}: {name} is {column.dtype} of shape {column.shape}; wanted one column.")
    for start, hub, ms in (columns[:3], columns[3:]):
        fits = len(start) == nodes + 1 and start[0] == 0 and start[-1] == len(hub) == len(ms) and (np.diff(start) >= 1).all()
        if not (fits and hub.max() < nodes and ms.min() >= 0 and ms.max() < FAR_MS // 2):
            raise BadInput(f"{file.name} is not of a graph of {nodes} nodes.")
    return Labels((columns[0], columns[1], columns[2]), (columns[3], columns[4], columns[5]))
