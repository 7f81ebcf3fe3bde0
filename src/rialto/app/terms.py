"""What a dispatch team says of a fleet besides orders: who must not meet whom, what is on board, what was paid, where zones lie; kept in a log."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.app.engines import Engines
from rialto.errors import BadInput, EngineLost
from rialto.match.blocked import Blocked
from rialto.match.records import CAPACITY, Orders, Plane
from rialto.match.zones import Zones
from rialto.ports import EventLog
from rialto.records import Event

__all__ = ["Barred", "Terms", "Zone", "earnings", "log_beside"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_PAID_S = 172_800.0
"""How long pay is known, s: longer than any shift."""

_NONE: Ints = np.zeros(0, dtype=np.int64)


class Barred(Blocked):
    """Blocked pairs that can be put anew while a system holds them; not while it decides."""

    def __init__(self) -> None:
        super().__init__(_NONE, _NONE)

    def put(self, left: Ints, right: Ints) -> None:
        """Bar these pairs, and no others."""
        super().__init__(left, right)


@dataclass(frozen=True, slots=True)
class Zone:
    """An area whose pick-ups want drivers with a bit.

    Args:
        name: People's name for it.
        bit: 0..62.
        parts: Polygons, each a list of corners (latitude, longitude), degrees, not closed.
    """

    name: str
    bit: int
    parts: Sequence[Sequence[tuple[float, float]]]


def log_beside(engines: Engines, name: str) -> EventLog:
    """A log of the fleet's own, beside the settings' events: a folder under `home`, or a topic."""
    url = engines.settings.url("events")
    if url.scheme == "kafka":
        return import_module("rialto.adapters.kafka").KafkaEvents.open(f"{url.text}-fleet-{name}")
    folder = engines.settings.home / "fleet" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    return import_module("rialto.local.events").LocalEvents(folder)


class Terms:
    """The terms as they stand, behind a log of their own; a term is durable when its call returns. Calls must take turns.

    Args:
        log: The log; what is in it is read at once.
        plane: The fleet's map.

    Raises:
        EngineLost: The log holds something else.
    """

    def __init__(self, log: EventLog, plane: Plane) -> None:
        self._log, self._plane = log, plane
        self._pairs: set[tuple[int, int]] = set()
        self._loads: dict[int, tuple[float, ...]] = {}
        self._keys: set[bytes] = set()
        self._paid = deque[tuple[float, list[int], list[int]]]()
        self.zones: tuple[Zone, ...] = ()
        """As they were drawn last."""
        self._areas: Zones | None = None
        start = 0
        while events := log.read(start, 256):
            for offset, event in events:
                self._take(event.kind, _read(event), event.time_s)
                start = offset + 1

    @property
    def pairs(self) -> tuple[Ints, Ints]:
        """Customers and the drivers who must not meet them, shape (pairs,) each."""
        left, right = np.array(sorted(self._pairs), dtype=np.int64).reshape(-1, 2).T
        return left, right

    @property
    def loads(self) -> tuple[Ints, Floats]:
        """Drivers with something on board, shape (drivers,), and what, shape (drivers, 3)."""
        load = np.array(list(self._loads.values()), dtype=np.float64).reshape(-1, len(CAPACITY))
        return np.array(list(self._loads), dtype=np.int64), load

    def block(self, customer: Ints, driver: Ints, barred: NDArray[np.bool_], *, at_s: float) -> int:
        """Bar pairs, or let them meet again, shape (pairs,) each; returns how many are barred now."""
        self._say("blocked", {"customer": customer.tolist(), "driver": driver.tolist(), "barred": barred.tolist()}, at_s)
        return len(self._pairs)

    def carry(self, drivers: Ints, load: Floats, *, at_s: float) -> None:
        """Say what drivers have on board, shape (drivers, 3)."""
        self._say("loads", {"driver": drivers.tolist(), "load": load.tolist()}, at_s)

    def earn(self, keys: Sequence[str], drivers: Ints, cents: Ints, *, at_s: float) -> NDArray[np.bool_]:
        """Note what drivers were paid, a key a row, shape (rows,); true where the key was not used before."""
        names = [blake2b(key.encode(), digest_size=16).digest() for key in keys]
        new, known = np.zeros(len(names), dtype=np.bool_), set[bytes]()
        for row, name in enumerate(names):
            new[row] = name not in self._keys and name not in known
            known.add(name)
        if new.any():
            told = [n.hex() for n, fresh in zip(names, new.tolist()) if fresh]
            self._say("earned", {"key": told, "driver": drivers[new].tolist(), "cents": cents[new].tolist()}, at_s)
        return new

    def paid(self, drivers: Ints, since_s: Floats) -> Floats:
        """What drivers were told to be paid since a moment of each, shape (drivers,), cents; what is older than two days is not known."""
        at, cents = {driver: row for row, driver in enumerate(drivers.tolist())}, np.zeros(len(drivers))
        for at_s, who, paid in self._paid:
            for driver, amount in zip(who, paid):
                if (row := at.get(driver, -1)) >= 0 and at_s >= since_s[row]:
                    cents[row] += amount
        return cents

    def draw(self, zones: Sequence[Zone], *, at_s: float) -> None:
        """Have these zones and no others.

        Raises:
            BadInput: A polygon is none; nothing was changed.
        """
        self._areas_of(zones)
        self._say("zones", {"zones": [{"name": z.name, "bit": z.bit, "parts": [list(p) for p in z.parts]} for z in zones]}, at_s)

    def needed(self, orders: Orders) -> Orders:
        """The orders with the bits of the zones that they are picked up in among what their drivers must hold."""
        if self._areas is None or not len(orders):
            return orders
        return replace(orders, need=orders.need | self._areas.of(*self._plane.xy(orders.lat, orders.lon)))

    def _areas_of(self, zones: Sequence[Zone]) -> Zones | None:
        corners: list[Floats] = []
        for zone in zones:
            for part in zone.parts:
                lat, lon = np.array(part, dtype=np.float64).reshape(-1, 2).T
                corners.append(np.stack(self._plane.xy(lat, lon), axis=1))
        bits = [zone.bit for zone in zones for _ in zone.parts]
        try:
            return Zones(corners, bits) if corners else None
        except BadInput as e:
            raise BadInput(f"the zones cannot be drawn, and stay as they were: {e}") from None

    def _say(self, kind: str, told: dict[str, Any], at_s: float) -> None:
        body = json.dumps(told).encode()
        name = blake2b(body + f"{kind}|{at_s!r}".encode(), digest_size=16).hexdigest()
        self._log.append([Event(name, "terms", kind, at_s, body)])
        self._take(kind, told, at_s)

    def _take(self, kind: str, told: dict[str, Any], at_s: float) -> None:
        if kind == "blocked":
            for customer, driver, barred in zip(told["customer"], told["driver"], told["barred"]):
                (self._pairs.add if barred else self._pairs.discard)((customer, driver))
        elif kind == "loads":
            self._loads |= {driver: tuple(load) for driver, load in zip(told["driver"], told["load"])}
        elif kind == "earned":
            self._keys.update(bytes.fromhex(key) for key in told["key"])
            self._paid.append((at_s, told["driver"], told["cents"]))
            while self._paid[0][0] < at_s - _PAID_S:
                self._paid.popleft()
        else:
            self.zones = tuple(Zone(z["name"], z["bit"], [[(a, b) for a, b in p] for p in z["parts"]]) for z in told["zones"])
            self._areas = self._areas_of(self.zones)


def earnings(log: EventLog) -> Iterator[tuple[float, list[int], list[int]]]:
    """What drivers were paid, out of a log of terms: when that was told, seconds UTC, who, and cents.

    Raises:
        EngineLost: The log holds something else.
    """
    start = 0
    while events := log.read(start, 256):
        for _, event in events:
            told = _read(event)
            if event.kind == "earned":
                yield event.time_s, told["driver"], told["cents"]
        start = events[-1][0] + 1


def _read(event: Event) -> dict[str, Any]:
    if event.kind not in ("blocked", "loads", "earned", "zones"):
        raise EngineLost(f"an event of kind {event.kind!r} is no term of a fleet. Give them a log of their own.")
    return json.loads(event.body)
