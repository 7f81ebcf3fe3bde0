"""A road graph from two tables, checked row by row: places where roads meet, and one-way stretches between them with their speeds."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, BadRow, NothingHere, known

__all__ = ["Roads", "read_roads"]

_NODES, _EDGES = ("osm_id", "lat", "lon"), ("from", "to", "length_m", "speed_limit_kmh")


@dataclass(frozen=True, slots=True)
class Roads:
    """A directed graph; nodes are rows of `lat` and `lon`, edges go from `tail` to `head`.

    Args:
        lat, lon: Shape (nodes,), degrees.
        tail, head: Nodes that each edge leaves and reaches, shape (edges,), int64.
        length_m: Shape (edges,), above 0.
        speed_mps: At the limit, shape (edges,), above 0.

    Raises:
        BadInput: an edge of a node that is not there, or a number out of range.
    """

    lat: NDArray[np.float64]
    lon: NDArray[np.float64]
    tail: NDArray[np.int64]
    head: NDArray[np.int64]
    length_m: NDArray[np.float64]
    speed_mps: NDArray[np.float64]

    def __post_init__(self) -> None:
        nodes, edges = len(self.lat), len(self.tail)
        shapes = {np.shape(c) for c in (self.tail, self.head, self.length_m, self.speed_mps)}
        if np.shape(self.lat) != np.shape(self.lon) or shapes != {(edges,)} or not nodes or not edges:
            raise BadInput(
                f"{nodes} nodes, edge columns of shapes {sorted(shapes)}; wanted at least one of each and equal lengths."
            )
        if not (np.abs(self.lat) < 89.0).all() or not (np.abs(self.lon) <= 180.0).all():
            raise BadInput("a node has a latitude beyond 89 or a longitude beyond 180 degrees. Are they swapped?")
        ends = np.concatenate((self.tail, self.head))
        if ends.min() < 0 or ends.max() >= nodes:
            raise BadInput(f"an edge ends at node {int(ends.max())}; wanted 0 to {nodes - 1}.")
        if not (_above_zero(self.length_m) and _above_zero(self.speed_mps)):
            raise BadInput("a length or speed is not finite and above 0.")
        if float((self.length_m / self.speed_mps).max()) > 86_400.0:
            raise BadInput("an edge takes more than a day; wanted metres and metres a second.")

    @property
    def ms(self) -> NDArray[np.int64]:
        """Each edge's milliseconds at the limit, rounded, at least 1, shape (edges,): sums of them are exact in any order."""
        return np.maximum(np.rint(1000.0 * self.length_m / self.speed_mps), 1.0).astype(np.int64)

    def hash(self) -> str:
        """Content hash, hexadecimal: what was prepared for a graph belongs to this one alone."""
        digest = blake2b(digest_size=12)
        for column in (self.lat, self.lon, self.tail, self.head, self.length_m, self.speed_mps):
            digest.update(np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()


def read_roads(folder: Path) -> Roads:
    """Read `nodes.csv` and `edges.csv` of a folder; nodes come in an order of their own, near ones together.

    Args:
        folder: Holds `nodes.csv` with `osm_id` (whole, each once), `lat`, `lon`, and `edges.csv` with `from`, `to` (ids of nodes),
            `length_m`, `speed_limit_kmh`, one row a direction; other columns are not read. UTF-8, a header line each.

    Raises:
        NothingHere: a file is not there.
        BadRow: with row (the first after the header is 1), field and value; a column that is missing is a `BadInput`.

    Cost:
        About 3 us a row.
    """
    ids: list[int] = []
    places: list[tuple[float, float]] = []
    row_of: dict[int, int] = {}
    for row, cells in _rows(folder / "nodes.csv", _NODES):
        number = _whole(row, "osm_id", cells[0])
        if number in row_of:
            raise BadRow(row, "osm_id", cells[0], f"each node once; row {row_of[number] + 1} has it")
        row_of[number] = len(ids)
        ids.append(number)
        lat = _number(row, "lat", cells[1], lambda v: abs(v) < 89.0, "degrees within 89")
        places.append((lat, _number(row, "lon", cells[2], lambda v: abs(v) <= 180.0, "degrees within 180")))
    ends: list[tuple[int, int]] = []
    drives: list[tuple[float, float]] = []
    for row, cells in _rows(folder / "edges.csv", _EDGES):
        ends.append((_end(row, "from", cells[0], row_of), _end(row, "to", cells[1], row_of)))
        length_m = _number(row, "length_m", cells[2], lambda v: 0.0 < v <= 1e6, "metres above 0, at most 1,000,000")
        speed = _number(row, "speed_limit_kmh", cells[3], lambda v: 0.0 < v <= 300.0, "kilometres an hour above 0, at most 300")
        drives.append((length_m, speed / 3.6))
    if not places or not ends:
        raise BadInput(f"{str(folder)!r} has {len(places)} nodes and {len(ends)} edges; wanted at least one of each.")
    at, drive = np.array(places), np.array(drives)
    turn = _along_a_curve(at)  # what is near by on the ground is near by in memory
    place_of = np.empty_like(turn)
    place_of[turn] = np.arange(len(turn))
    end = place_of[np.array(ends, dtype=np.int64)]
    return Roads(*(np.ascontiguousarray(c) for c in (*at[turn].T, *end.T, *drive.T)))


def _along_a_curve(places: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rows of (places, 2) in Morton's order."""
    low = places.min(axis=0)
    scaled = ((places - low) / np.maximum(np.ptp(places, axis=0), 1e-12) * 65_535.0).astype(np.uint64)
    code = np.zeros(len(places), dtype=np.uint64)
    for bit in range(16):
        for axis in range(2):
            code |= ((scaled[:, axis] >> np.uint64(bit)) & np.uint64(1)) << np.uint64(2 * bit + axis)
    return np.argsort(code, kind="stable")


def _rows(file: Path, wanted: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    """Number and the wanted cells of each row."""
    if not file.is_file():
        raise NothingHere(f"{str(file)!r} is not there; a road graph is a folder with nodes.csv and edges.csv.")
    with file.open(newline="", encoding="utf-8") as lines:
        table = csv.reader(lines)
        try:
            header = next(table, [])
            missing = [name for name in wanted if name not in header]
            if missing:
                raise BadInput(f"{str(file)!r} has no column {missing[0]!r}; it has {known(missing[0], header)}.")
            at = [header.index(name) for name in wanted]
            for row, cells in enumerate(table, start=1):
                if len(cells) != len(header):
                    raise BadRow(row, header[min(len(cells), len(header) - 1)], cells, f"{len(header)} cells")
                yield row, [cells[i] for i in at]
        except (UnicodeDecodeError, csv.Error) as e:
            raise BadInput(f"{str(file)!r} is no table in UTF-8 ({e}).") from None


def _whole(row: int, field: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise BadRow(row, field, text, "a whole number") from None


def _number(row: int, field: str, text: str, fits: Callable[[float], bool], wanted: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise BadRow(row, field, text, wanted) from None
    if not fits(value):
        raise BadRow(row, field, text, wanted)
    return value


def _end(row: int, field: str, text: str, row_of: dict[int, int]) -> int:
    node = row_of.get(_whole(row, field, text), -1)
    if node < 0:
        raise BadRow(row, field, text, "the osm_id of a row in nodes.csv")
    return node


def _above_zero(values: NDArray[np.float64]) -> bool:
    return bool((np.isfinite(values) & (values > 0.0)).all())
