"""H3 cells at the edges: places as cells of a declared resolution, counts by cell, and regions made of cells.

Inside, places are metres on a plane and degrees; a cell is what goes out to maps, reports and logs, or comes in as a region's outline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, BadRow, EngineMissing
from rialto.match.records import Plane

__all__ = [
    "NOWHERE",
    "Counts",
    "HexRegions",
    "cells_of",
    "counted",
    "cut",
    "middles",
    "named",
    "outline",
    "read_regions",
    "told",
    "write_regions",
]

Floats = NDArray[np.float64]
Cells = NDArray[np.uint64]

NOWHERE = 0
"""The cell of a place that is not known."""

_EARTH_M = 6_371_008.8
_HEAD = "cell,shard"


def _h3() -> Any:
    try:
        return import_module("h3.api.basic_int")
    except ImportError:
        raise EngineMissing("h3", "pip install 'rialto[h3]'") from None


def cells_of(lat: Floats, lon: Floats, resolution: int) -> Cells:
    """The cell of each place, shape (places,), uint64; `NOWHERE` where a coordinate is not finite.

    Args:
        lat, lon: Degrees, shape (places,).
        resolution: 0 (1,107 km an edge) to 15 (half a metre); 8 is half a kilometre, 9 two hundred metres.

    Raises:
        BadInput: A resolution that does not exist, or a latitude beyond a pole.
        EngineMissing: `h3` is not installed.

    Cost:
        Some 2 us a place: for reports and answers, not for a search.

    Source:
        H3, Uber: hexagons on the faces of an icosahedron, each of 7 finer ones, with 12 pentagons at its corners.

    Example:
        >>> told(cells_of(np.array([52.52, np.nan]), np.array([13.405, 0.0]), 8))
        ['881f1d4895fffff', '']
    """
    h3 = _h3()
    if not 0 <= resolution <= 15:
        raise BadInput(f"the resolution is {resolution}; wanted 0 to 15. 8 is half a kilometre an edge.")
    lat, lon = np.asarray(lat, dtype=np.float64), np.asarray(lon, dtype=np.float64)
    good = np.isfinite(lat) & np.isfinite(lon)
    beyond = np.flatnonzero(good & (np.abs(lat) > 90.0))
    if len(beyond):
        raise BadInput(f"latitude {lat[beyond[0]]} of place {int(beyond[0]) + 1} is beyond a pole; wanted -90 to 90 degrees.")
    out = np.full(lat.shape, NOWHERE, dtype=np.uint64)
    around = (lon[good] + 180.0) % 360.0 - 180.0
    out[good] = [h3.latlng_to_cell(a, b, resolution) for a, b in zip(lat[good].tolist(), around.tolist())]
    return out


def told(cells: Cells) -> list[str]:
    """Cells as people write them, 15 hexadecimal digits; "" for `NOWHERE`."""
    return [f"{cell:x}" if cell else "" for cell in cells.tolist()]


def named(names: Sequence[str]) -> Cells:
    """The cells of their names; `BadRow` where one is none."""
    h3, out = _h3(), np.zeros(len(names), dtype=np.uint64)
    for row, name in enumerate(names, 1):
        try:
            out[row - 1] = cell = int(name, 16)
            good = h3.is_valid_cell(cell)
        except (ValueError, OverflowError):
            good = False
        if not good:
            raise BadRow(row, "cell", name[:40], "an H3 cell, 15 hexadecimal digits")
    return out


def middles(cells: Cells) -> tuple[Floats, Floats]:
    """Latitude and longitude of the cells' middles, degrees, shape (cells,) each; NaN for `NOWHERE`."""
    h3 = _h3()
    found = [h3.cell_to_latlng(cell) if cell else (np.nan, np.nan) for cell in cells.tolist()]
    lat, lon = np.array(found, dtype=np.float64).reshape(-1, 2).T
    return lat, lon


def outline(cell: int) -> list[tuple[float, float]]:
    """The corners of a cell as (latitude, longitude): six, five for a pentagon, and more where an edge of the icosahedron crosses it."""
    return list(_h3().cell_to_boundary(cell))


@dataclass(frozen=True, slots=True)
class Counts:
    """What was counted by cell: `cells` rising, shape (cells,), and `columns` of sums, shape (cells,) each."""

    cells: Cells
    columns: dict[str, Floats]


def counted(cells: Cells, **values: Floats) -> Counts:
    """Sums by cell, and `count`, the rows of each; what is nowhere is left out.

    Example:
        >>> counted(np.array([5, 7, 5, 0], dtype=np.uint64), cents=np.array([1.0, 2.0, 3.0, 9.0])).columns["cents"].tolist()
        [4.0, 2.0]
    """
    there = cells != NOWHERE
    found, at = np.unique(cells[there], return_inverse=True)
    size = len(found)
    sums: dict[str, Floats] = {"count": np.bincount(at, minlength=size).astype(np.float64)}
    for name, v in values.items():
        sums[name] = np.bincount(at, np.asarray(v, dtype=np.float64)[there], size).astype(np.float64)
    return Counts(found, sums)


@dataclass(frozen=True, slots=True)
class HexRegions:
    """H3 cells, each owned by one shard; a place in none of them belongs to the one whose middle is nearest.

    Args:
        plane: Map that metres are laid on.
        cells: Shape (cells,), of one resolution, each once.
        owner: Shard of each cell, shape (cells,), from 0, none left out.

    Raises:
        BadInput: No cells, several resolutions, a cell twice, or a shard without a cell.
    """

    plane: Plane
    cells: Cells
    owner: NDArray[np.int64]

    def __post_init__(self) -> None:
        h3 = _h3()
        resolutions = {h3.get_resolution(cell) for cell in self.cells.tolist()}
        if len(self.cells) != len(self.owner) or len(resolutions) != 1 or len(np.unique(self.cells)) != len(self.cells):
            raise BadInput(
                f"{len(self.cells)} cells of resolutions {sorted(resolutions)} came with {len(self.owner)} shards; wanted cells of one "
                "resolution, each once, and a shard for each."
            )
        empty = np.setdiff1d(np.arange(int(self.owner.max()) + 1), self.owner)
        if len(empty) or self.owner.min() < 0:
            raise BadInput(f"shards are {np.unique(self.owner)[:10].tolist()}; wanted 0, 1, 2 ... with a cell each.")
        order = np.argsort(self.cells)
        object.__setattr__(self, "cells", self.cells[order])
        object.__setattr__(self, "owner", self.owner[order])

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return int(self.owner.max()) + 1

    @property
    def resolution(self) -> int:
        """Of the cells."""
        return int(_h3().get_resolution(int(self.cells[0])))

    def of(self, x_m: Floats, y_m: Floats) -> NDArray[np.int64]:
        """Shard of each place, shape (places,)."""
        lat, lon = self._degrees(x_m, y_m)
        asked = cells_of(lat, lon, self.resolution)
        at = np.minimum(np.searchsorted(self.cells, asked), len(self.cells) - 1)
        known = self.cells[at] == asked
        if not known.all():
            at[~known] = _nearest(lat[~known], lon[~known], *middles(self.cells))
        return self.owner[at]

    def near(self, x_m: Floats, y_m: Floats, *, halo_m: float) -> NDArray[np.bool_]:
        """Whether each place is a shard's own or about `halo_m` from one of its cells (never less), shape (places, shards).

        Cost:
            A distance for each place and cell: regions are hundreds of cells, not millions.
        """
        lat, lon = self._degrees(x_m, y_m)
        out = np.zeros((len(lat), self.shards), dtype=np.bool_)
        out[np.arange(len(lat)), self.of(x_m, y_m)] = True
        reach_m = halo_m + self._radius_m()
        for shard in range(self.shards):
            out[:, shard] |= (_apart_m(lat, lon, *middles(self.cells[self.owner == shard])) <= reach_m).any(axis=1)
        return out

    def _radius_m(self) -> float:
        """From a middle to the farthest corner of any cell."""
        lat, lon = middles(self.cells)
        corners = [np.array(outline(int(cell))) for cell in self.cells.tolist()]
        return max(float(_apart_m(c[:, 0], c[:, 1], lat[i : i + 1], lon[i : i + 1]).max()) for i, c in enumerate(corners))

    def _degrees(self, x_m: Floats, y_m: Floats) -> tuple[Floats, Floats]:
        if not (np.isfinite(x_m).all() and np.isfinite(y_m).all()):
            raise BadInput("a place is not finite; wanted metres on the plane.")
        lat, lon = self.plane.latlon(np.asarray(x_m, dtype=np.float64), np.asarray(y_m, dtype=np.float64))
        return np.clip(lat, -90.0, 90.0), lon


def _apart_m(lat: Floats, lon: Floats, to_lat: Floats, to_lon: Floats) -> Floats:
    """Great-circle metres, shape (places, goals)."""
    a, b, c, d = (np.radians(v) for v in (lat[:, None], lon[:, None], to_lat[None], to_lon[None]))
    h = np.sin((c - a) / 2.0) ** 2 + np.cos(a) * np.cos(c) * np.sin((d - b) / 2.0) ** 2
    return 2.0 * _EARTH_M * np.arcsin(np.sqrt(np.minimum(h, 1.0)))


def _nearest(lat: Floats, lon: Floats, to_lat: Floats, to_lon: Floats) -> NDArray[np.int64]:
    return np.concatenate(
        [_apart_m(lat[i : i + 1000], lon[i : i + 1000], to_lat, to_lon).argmin(axis=1) for i in range(0, len(lat), 1000)]
    )


def cut(plane: Plane, lat: Floats, lon: Floats, *, shards: int, resolution: int) -> HexRegions:
    """Cut a city into shards with about equal shares of the places given: halved again and again across its longer side.

    Args:
        plane: Map that metres are laid on.
        lat, lon: Where orders were, degrees, shape (places,).
        shards: How many; no more than there are cells with places.
        resolution: Of the cells.

    Raises:
        BadInput: Fewer cells with places than shards.

    Example:
        >>> there = np.array([13.30, 13.31, 13.50, 13.51])
        >>> halves = cut(Plane(52.5, 13.4), np.full(4, 52.5), there, shards=2, resolution=8)
        >>> halves.of(*halves.plane.xy(np.full(4, 52.5), there)).tolist()
        [0, 0, 1, 1]
    """
    places = counted(cells_of(lat, lon, resolution))
    if shards < 1 or len(places.cells) < shards:
        raise BadInput(f"{len(places.cells)} cells have places; wanted one for each of {shards} shards. Take a finer resolution.")
    at = np.stack(plane.xy(*middles(places.cells)), axis=1)
    owner = np.zeros(len(at), dtype=np.int64)
    _halve(np.arange(len(at)), at, places.columns["count"], owner, first=0, shards=shards)
    return HexRegions(plane, places.cells, owner)


def _halve(rows: NDArray[np.int64], at: Floats, weight: Floats, owner: NDArray[np.int64], *, first: int, shards: int) -> None:
    if shards == 1:
        owner[rows] = first
        return
    axis = int(np.ptp(at[rows], axis=0).argmax())
    rows = rows[np.argsort(at[rows, axis], kind="stable")]
    left = shards // 2
    share = np.cumsum(weight[rows]) / weight[rows].sum()
    cut_at = int(np.clip(np.searchsorted(share, left / shards - 1e-9) + 1, left, len(rows) - (shards - left)))
    _halve(rows[:cut_at], at, weight, owner, first=first, shards=left)
    _halve(rows[cut_at:], at, weight, owner, first=first + left, shards=shards - left)


def read_regions(file: Path, plane: Plane) -> HexRegions:
    """Regions from a CSV file of `cell,shard`.

    Raises:
        BadRow: A row that is no cell and a whole number.
        BadInput: The file cannot be read, or is none of that form; or as `HexRegions`.
    """
    try:
        head, *lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as e:
        raise BadInput(f"the regions {str(file)!r} cannot be read: {e}.") from None
    if head.strip() != _HEAD:
        raise BadInput(f"{str(file)!r} begins with {head[:40]!r}; wanted the head {_HEAD!r}.")
    rows = [line.strip().split(",") for line in lines if line.strip()]
    for number, row in enumerate(rows, 2):
        if len(row) != 2 or not row[1].isdigit() or len(row[1]) > 4:
            raise BadRow(number, "shard", ",".join(row)[:40], "a cell, a comma, and a shard's number from 0")
    if not rows:
        raise BadInput(f"{str(file)!r} has no cells.")
    return HexRegions(plane, named([r[0] for r in rows]), np.array([int(r[1]) for r in rows]))


def write_regions(file: Path, regions: HexRegions) -> None:
    """Regions as `read_regions` reads them."""
    rows = [f"{name},{shard}" for name, shard in zip(told(regions.cells), regions.owner.tolist())]
    file.write_text("\n".join([_HEAD, *rows, ""]), encoding="utf-8")
