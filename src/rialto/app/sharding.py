"""How a city is cut into shards, read from the setting `shards`: how many, where they run, whose a place is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from rialto.app.hosts import Hosts, ProcessHosts
from rialto.config import Settings, Url
from rialto.errors import BadInput, BadSettings, known
from rialto.match.hexagons import HexRegions, read_regions
from rialto.match.hexagons import told as names_of
from rialto.match.records import Plane
from rialto.match.regions import Regions, strips

__all__ = ["Sharding", "held_to", "sharding"]

_NUMBERS = {"standby": 0.0, "halo_m": 1500.0, "cell_m": 0.0}
_RAY = {"cpus": 0.0, "memory_mb": 0.0, "actor_cpus": 0.0}
_MOST = 256


@dataclass(frozen=True, slots=True)
class Sharding:
    """The setting `shards`, read.

    Args:
        url: `process://N` or `ray://N`, with its options.
        count: How many shards.
        standby: Whether each has a second worker that follows its log.
        halo_m: How far beyond its border a shard sees drivers.
        cell_m: Width of the cells that strips are made of; 0 = a 64th of the city.
    """

    url: Url
    count: int
    standby: bool
    halo_m: float
    cell_m: float

    def hosts(self) -> Hosts:
        """Where the workers run; `EngineMissing` where Ray is wanted and absent."""
        if self.url.scheme == "process":
            return ProcessHosts()
        whole = {name: int(self.url.number(name, default)) for name, default in _RAY.items() if name != "actor_cpus"}
        return import_module("rialto.adapters.ray").RayHosts(
            address=self.url.options.get("address", ""), actor_cpus=self.url.number("actor_cpus", 0.0), **whole
        )

    def regions(self, plane: Plane, radius_m: float) -> Regions | HexRegions:
        """The H3 cells of the file that the setting names; else strips of equal width: nobody knows yet where orders will be.

        Raises:
            BadSettings: The file has another number of shards, or is none of regions.
        """
        if file := self.url.options.get("regions"):
            return self._read(Path(file), plane)
        cell_m = self.cell_m or max(radius_m / 32.0, 2.0 * radius_m / (self.count * 4))
        cell_m = min(cell_m, 2.0 * radius_m / self.count)
        middles = np.arange(-radius_m + cell_m / 2.0, radius_m, cell_m)
        x_m, y_m = (m.reshape(-1) for m in np.meshgrid(middles, middles))
        return strips(x_m, y_m, shards=self.count, cell_m=cell_m)

    def _read(self, file: Path, plane: Plane) -> HexRegions:
        try:
            found = read_regions(file, plane)
        except BadInput as e:
            raise BadSettings([f"shards = {self.url.text!r}: {e}"]) from None
        if found.shards != self.count:
            raise BadSettings(
                [f"shards = {self.url.text!r}: {str(file)!r} has cells of {found.shards} shards; wanted {self.count}."]
            )
        return found


def sharding(settings: Settings) -> Sharding | None:
    """What `settings.shards` says; None for one process.

    Raises:
        BadSettings: No number of shards, or an option that does not exist.

    Example:
        >>> found = sharding(Settings(shards="process://3?standby=1"))
        >>> (found.count, found.standby, found.regions(Plane(52.5, 13.4), 6000.0).shards) if found else None
        (3, True, 3)
    """
    url = settings.url("shards")
    if url.scheme == "none":
        return None
    options = {*_NUMBERS, "regions", *({"address", *_RAY} if url.scheme == "ray" else ())}
    for name in sorted(url.options.keys() - options):
        raise BadSettings([f"shards = {url.text!r} has the option {name!r}; known: {known(name, options)}."])
    if not url.host.isdigit() or not 1 <= int(url.host) <= _MOST:
        raise BadSettings([f"shards = {url.text!r} names {url.host!r} shards; wanted {url.scheme}://N with N from 1 to {_MOST}."])
    told = {
        name: url.number(name, default)
        for name, default in (_NUMBERS if url.scheme == "process" else {**_NUMBERS, **_RAY}).items()
    }
    for name, value in told.items():
        if not 0.0 <= value < np.inf:
            raise BadSettings([f"shards = {url.text!r}: {name} is {value}; wanted a number of 0 or more."])
    return Sharding(url, int(url.host), bool(told["standby"]), told["halo_m"], told["cell_m"])


def held_to(file: Path, regions: Regions | HexRegions, plane: Plane) -> Regions | HexRegions:
    """The regions that the logs beside `file` were written under, which are kept there: an order stays where it was placed.

    Raises:
        BadSettings: The logs are another number's of shards, or another city's.
    """
    told: dict[str, Any] = {"plane": [plane.lat, plane.lon], "owner": regions.owner.tolist()}
    if isinstance(regions, HexRegions):
        told["cells"] = names_of(regions.cells)
    else:
        told |= {name: getattr(regions, name) for name in ("west_m", "south_m", "cell_m", "columns")}
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(told))
        return regions
    kept = json.loads(file.read_text())
    if kept != told:
        raise BadSettings([
            f"{str(file)!r} says that the logs beside it are of {max(kept['owner']) + 1} shards around {kept['plane']}; the settings say "
            f"{regions.shards} around {told['plane']}, or cut them otherwise. Set `shards` as it was, or move the folder away "
            "once no order is under way."
        ])  # fmt: skip
    return regions
