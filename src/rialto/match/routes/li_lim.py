"""Li and Lim's instances of pickup and delivery with time windows, and the best plans known of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, BadRow
from rialto.match.routes.records import Routes, Stops, Terms

__all__ = ["Instance", "Known", "parse_instance", "read_instance", "read_known"]

FIELDS = ("number", "x", "y", "demand", "earliest", "latest", "service", "pickup", "delivery")


@dataclass(frozen=True, slots=True)
class Known:
    """The best plan known: fewest vehicles, then distance."""

    vehicles: int
    distance: float


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance.

    Args:
        name: The file's name without its ending, `lr101`.
        vehicles, capacity: The fleet, all alike.
        stops: Pairs, then the depot, as `Stops` has them; a unit of distance takes a second.
        task: The number that the file gives each stop, shape (stops,).
        end_s: When the depot closes.
    """

    name: str
    vehicles: int
    capacity: float
    stops: Stops
    task: NDArray[np.int64]
    end_s: float

    @property
    def orders(self) -> int:
        """Pairs of pickup and delivery."""
        return (len(self.task) - 1) // 2

    @property
    def terms(self) -> Terms:
        """Straight lines, a second a unit."""
        return Terms.of()

    def fleet(self) -> Routes:
        """All vehicles idle at the depot."""
        depot = np.full(self.vehicles, 2 * self.orders)
        limits = {"capacity": np.full(self.vehicles, self.capacity), "end_by_s": np.full(self.vehicles, self.end_s)}
        open_s = float(self.stops.column("earliest_s")[-1])
        return Routes.of(depot, np.full(self.vehicles, open_s), most=2 * self.orders + 2, home=depot, limits=limits)


def read_instance(path: Path) -> Instance:
    """Read an instance: a line of vehicles, capacity and speed, then a line a task, the depot first.

    Args:
        path: The file. A task is number, x, y, demand, earliest, latest, service, the row of its pickup (0: it is one), and the row of
            its delivery (0: it is one). Rows of the table count from 0, the depot's.

    Raises:
        BadInput: there is no such file, it is empty, or pairs do not match.
        BadRow: a line of it is wrong.
    """
    if not path.is_file():
        raise BadInput(f"there is no file {path}; wanted an instance of Li and Lim (text, a line a task).")
    return parse_instance(path.read_text(encoding="utf-8", errors="replace"), path.stem)


def parse_instance(text: str, name: str) -> Instance:
    """What `read_instance` reads, from the text itself."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if len(lines) < 2:
        raise BadInput(f"{name!r} has {len(lines)} lines with text; wanted the fleet, the depot, and a line a task.")
    fleet = _numbers(lines[0], 1, ("vehicles", "capacity", "speed"))
    tasks = np.array([_numbers(line, n, FIELDS) for n, line in enumerate(lines[1:], 2)])
    if fleet[0] < 1 or fleet[1] <= 0.0:
        raise BadRow(1, "vehicles", " ".join(lines[0]), "at least one vehicle that holds something")
    pairs = _pairs(tasks)
    row = np.append(np.array(pairs, dtype=np.int64).reshape(-1), 0)
    stops = Stops.of(
        orders=len(pairs), x=tasks[row, 1], y=tasks[row, 2], earliest_s=tasks[row, 4], latest_s=tasks[row, 5],
        service_s=tasks[row, 6], load=tasks[row, 3],
    )  # fmt: skip
    return Instance(name, int(fleet[0]), float(fleet[1]), stops, tasks[row, 0].astype(np.int64), float(tasks[0, 5]))


def _numbers(line: list[str], row: int, names: tuple[str, ...]) -> list[float]:
    if len(line) < len(names):
        raise BadRow(row, names[len(line)], " ".join(line), f"{len(names)} numbers: {', '.join(names)}")
    found: list[float] = []
    for name, text in zip(names, line, strict=False):
        try:
            found.append(float(text))
        except ValueError as wrong:
            raise BadRow(row, name, text, "a number") from wrong
        if not np.isfinite(found[-1]):
            raise BadRow(row, name, text, "a finite number")
    return found


def _pairs(tasks: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Rows of each pickup and its delivery, once each."""
    pairs: list[tuple[int, int]] = []
    for row in range(1, len(tasks)):
        before, behind = int(tasks[row, 7]), int(tasks[row, 8])
        other = before or behind
        if (before == 0) == (behind == 0) or not 1 <= other < len(tasks) or int(tasks[other, 8 if before else 7]) != row:
            raise BadRow(row + 2, "delivery", behind or before, "one other task, of which this one is the pickup or the delivery")
        if tasks[row, 4] > tasks[row, 5] or tasks[row, 6] < 0.0:
            raise BadRow(
                row + 2, "latest", tasks[row, 5], "a window that ends no earlier than it begins, and a service of 0 or more"
            )
        if behind:
            if tasks[row, 3] <= 0.0 or tasks[row, 3] != -tasks[behind, 3]:
                raise BadRow(row + 2, "demand", tasks[row, 3], "more than 0, and the same less at its delivery")
            pairs.append((row, behind))
    return pairs


def read_known(path: Path) -> dict[str, Known]:
    """Best plans known by name, in lower case: a JSON object whose values hold `solved_with_vehicles` and `best_known_cost`.

    Raises:
        BadInput: the file is not that.
    """
    try:
        table: dict[str, dict[str, float]] = json.loads(path.read_text(encoding="utf-8"))
        return {
            name.lower(): Known(int(one["solved_with_vehicles"]), float(one["best_known_cost"])) for name, one in table.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as wrong:
        raise BadInput(
            f"{path} holds no best known plans ({wrong!r}); wanted name: solved_with_vehicles, best_known_cost."
        ) from wrong
