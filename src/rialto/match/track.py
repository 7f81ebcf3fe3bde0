"""Where the drivers are and what they can still take: pings judged one by one, moved into the GeoIndex; the age of every position."""

from __future__ import annotations

from dataclasses import replace
from threading import RLock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.match.judge import REASONS, Held, Judged, Limits, judge, judge_plain
from rialto.match.pairs import Fleet
from rialto.match.records import CAPACITY, FREE, Drivers, Pings, Plane
from rialto.match.slots import Slots
from rialto.match.zones import Zones
from rialto.ports import GeoIndex, Positioned

__all__ = ["REASONS", "UNTIL_S", "Judged", "Limits", "Track", "judge", "judge_plain"]

UNTIL_S = "until_s"
"""Amount of each driver in the GeoIndex: when it must be done, at its shift's end or its next break."""


class Track:
    """The fleet's positions and what each driver can still take, a slot a driver, in step with a GeoIndex; safe to call from several threads.

    The index holds, beside the place, what eligibility asks for: the driver's bits, with `FREE` only while no order holds it, its shift
    runs and it did not say that it left, or while it has a place left for one more; the amounts of `CAPACITY` that are free; and `UNTIL_S`.

    Args:
        geo: Holds the believed positions.
        plane: Map that degrees are laid on.
        limits: When a ping is believed.
        inside: Areas whose bits a driver has while it stands in them; no bit of a driver's own may be among them.

    Cost:
        O(pings) a batch, plus the index's moves, some 0.3 us together; O(drivers) memory.
    """

    def __init__(self, geo: GeoIndex, plane: Plane, *, limits: Limits | None = None, inside: Zones | None = None) -> None:
        self.plane = plane
        self.limits = limits or Limits()
        self._geo, self._inside = geo, inside
        self._lock = RLock()
        self._fleet = Drivers.of(np.zeros(0, dtype=np.int64))
        self._slots = Slots(self._fleet.ids)
        self._homes = np.zeros(0), np.zeros(0)
        self._looked_up = (self._fleet.ids, np.zeros(0, dtype=np.int64), self._slots)
        self._flags = np.zeros(0, dtype=np.uint64)
        self._held = Held(np.zeros((0, 4)), np.zeros((0, 4)), np.zeros(0), np.zeros(0, dtype=np.bool_))
        self._idle_since = np.zeros(0)
        self._paid, self._since_s = np.zeros(0), np.zeros(0)
        self._load = np.zeros((0, len(CAPACITY)))
        self._amounts: dict[str, NDArray[np.float64]] = {}
        self._duty, self._away = np.zeros(0, dtype=np.bool_), np.zeros(0, dtype=np.bool_)
        self._roomy, self._rooms = np.zeros(0, dtype=np.bool_), False
        self._view: tuple[Slots, Fleet] | None = None
        self._turn_s = np.zeros(0)
        self._clock_s = -np.inf
        self.step = 0
        """It rises when a driver moves: two equal ones, and nobody has."""

    @property
    def fleet(self) -> Drivers:
        """Every enrolled driver, ids rising, with the `FREE` bit as it stands now. A driver's slot is its row here."""
        return replace(self._fleet, flags=self._flags.copy())

    @property
    def amounts(self) -> frozenset[str]:
        """Names of amounts that limit anybody in the fleet, among `CAPACITY` and `UNTIL_S`: what a search has to ask for."""
        return frozenset(self._amounts)

    def enrol(self, drivers: Drivers, *, at_s: float = 0.0) -> None:
        """Add drivers, free, empty and idle since `at_s`; or give known ones new bits, homes, shifts and capacities, and leave the rest.

        Raises:
            BadInput: a driver has a bit of an area that it gets by standing there; nobody was enrolled.
        """
        if self._inside is not None and np.any(drivers.flags & self._inside.bits):
            raise BadInput("a driver is enrolled with a bit of an area to stand in; take it from its flags: Track sets it.")
        with self._lock:
            stays = Slots(drivers.ids).find(self._fleet.ids) < 0
            everyone = Drivers.join(self._fleet.take(stays), drivers)
            fleet = everyone.take(np.argsort(everyone.ids))
            old = self._slots.find(fleet.ids)
            known = old >= 0
            busy = known & (_grown(self._flags, known, old, FREE) & FREE == 0)
            self._flags = np.where(busy, fleet.flags & ~FREE, fleet.flags | FREE)
            last, doubt = (_grown(table, known, old, -np.inf) for table in self._held[:2])
            marked = np.zeros(len(fleet), dtype=np.bool_)
            self._held = Held(last, doubt, _grown(self._held.heading, known, old, np.nan), marked)
            self._idle_since = _grown(self._idle_since, known, old, at_s)
            self._away = _grown(self._away, known, old, fill=False)
            self._roomy = _grown(self._roomy, known, old, fill=False)
            self._load = _grown(self._load, known, old, 0.0)
            another = fleet.shift_start_s >= _grown(self._fleet.shift_end_s, known, old, -np.inf)  # a shift after the one before
            self._paid, self._since_s = _grown(self._paid, known, old, 0.0), _grown(self._since_s, known, old, at_s)
            self._paid[another] = 0.0
            self._fleet, self._slots = fleet, Slots(fleet.ids)
            self._homes = self.plane.xy(fleet.home_lat, fleet.home_lon)
            before = self.amounts
            self._reckon(max(self._clock_s, at_s))
            grew = self.amounts != before
            self._move(np.arange(len(fleet)) if grew else self._slots.find(drivers.ids))

    def _reckon(self, now_s: float) -> None:
        """Who works at `now_s`, until when, when that next changes, and what everybody can still take."""
        fleet = self._fleet
        begun, ended = now_s >= fleet.shift_start_s, now_s >= fleet.shift_end_s
        rests = (now_s >= fleet.break_start_s) & (now_s < fleet.break_end_s)
        self._duty = begun & ~ended & ~rests
        until_s = np.minimum(fleet.shift_end_s, np.where(now_s < fleet.break_start_s, fleet.break_start_s, np.inf))
        bounds = np.stack([fleet.shift_start_s, fleet.shift_end_s, fleet.break_start_s, fleet.break_end_s])
        self._turn_s = np.where(bounds > now_s, bounds, np.inf).min(axis=0)
        self._clock_s = now_s
        free = [getattr(fleet, name) - self._load[:, i] for i, name in enumerate(CAPACITY)]
        limited = {UNTIL_S: until_s, **dict(zip(CAPACITY, free))}
        names = {name for name, values in limited.items() if np.any(values < np.inf)} | self.amounts
        self._amounts = {name: values for name, values in limited.items() if name in names}

    def clock(self, now_s: float) -> int:
        """Begin and end the shifts and breaks that are due; returns how many drivers that concerns. Searches call it by themselves."""
        with self._lock:
            if now_s == self._clock_s or (now_s > self._clock_s and not np.any(self._turn_s <= now_s)):
                return 0
            before, until_s = self._duty, self._amounts.get(UNTIL_S)
            self._reckon(now_s)
            changed = before != self._duty
            if until_s is not None:
                changed |= until_s != self._amounts[UNTIL_S]
            slots = np.flatnonzero(changed)
            self._move(slots)
            return len(slots)

    def _latest_slots(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """As `_known`; the steps of a window ask for the same pairs one after another, so the last answer is kept."""
        asked, slots, of = self._looked_up
        if asked is not ids or of is not self._slots:
            slots = self._known(ids)
            self._looked_up = ids, slots, self._slots
        return slots

    def slots(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Whether each id is enrolled, and its slot (0 where it is not), shape (ids,) each."""
        found = self._slots.find(np.asarray(ids, dtype=np.int64))
        return found >= 0, np.maximum(found, 0)

    def pings(self, pings: Pings, *, now_s: float) -> Judged:
        """Judge `pings` in their order and move the believed ones, in one step for every search; says what became of each row."""
        columns = tuple(
            np.ascontiguousarray(c) for c in (pings.lat, pings.lon, pings.time_s, pings.accuracy_m, pings.heading_deg)
        )
        with self._lock:
            moved = np.empty(len(pings), dtype=np.int64)
            slot = self._slots.find(pings.driver)
            reasons, count = judge(slot, columns, self._held, self.limits.row(now_s, self.plane), moved)
            self._move(moved[:count])
            self.step += count > 0  # last: who reads it before a search sees these moves, or a higher number after it
        return Judged(pings, reasons)

    def take(self, pings: Pings, *, now_s: float) -> dict[str, int]:
        """`pings`, as reason -> count."""
        return self.pings(pings, now_s=now_s).counts

    def _move(self, slots: NDArray[np.int64]) -> None:
        last = self._held.last[slots]
        there = last[:, 2] > -np.inf
        if not there.all():
            slots, last = slots[there], last[there]
        if not len(slots):
            return
        x_m, y_m, time_s, _ = np.ascontiguousarray(last.T)
        flags = self._flags[slots]
        if self._rooms:
            flags[self._roomy[slots]] |= FREE
        flags[~self._duty[slots] | self._away[slots]] &= ~FREE
        if self._inside is not None:
            flags |= self._inside.of(x_m, y_m)
        amounts = {name: values[slots] for name, values in self._amounts.items()}
        self._geo.move(Positioned(self._fleet.ids[slots], x_m, y_m, time_s, flags, amounts))

    def hold(self, ids: NDArray[np.int64]) -> None:
        """Take drivers out of every search: an order holds them."""
        with self._lock:
            slots = self._known(ids)
            self._flags[slots] &= ~FREE
            self._roomy[slots] = False
            self._move(slots)

    def free(self, ids: NDArray[np.int64], *, at_s: float) -> None:
        """Put drivers back into the searches, idle since `at_s`."""
        with self._lock:
            slots = self._known(ids)
            self._flags[slots] |= FREE
            self._idle_since[slots] = at_s
            self._move(slots)

    def room(self, ids: NDArray[np.int64]) -> None:
        """Say which of the drivers whom orders hold have a place left: these are found as free ones are, and no others; ids are enrolled."""
        with self._lock:
            roomy = np.zeros(len(self._fleet), dtype=np.bool_)
            roomy[self._known(ids)] = True
            changed = np.flatnonzero(roomy != self._roomy)
            self._roomy, self._rooms = roomy, bool(roomy.any())
            self._move(changed)

    def away(self, ids: NDArray[np.int64], gone: NDArray[np.bool_]) -> None:
        """Keep drivers out of every search from when they say that they left until they say that they came, shape (ids,) each.

        It is no part of who holds them: a driver who left with an order on board is held until it is delivered, and away after that.
        Unknown ids are no error.
        """
        with self._lock:
            known, slots = self.slots(ids)
            changed = np.flatnonzero(known)
            changed = changed[self._away[slots[changed]] != gone[changed]]
            self._away[slots[changed]] = gone[changed]
            self._move(slots[changed])

    def gone(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which drivers said that they left, shape (ids,)."""
        return self._away[self._known(ids)]

    def carry(self, ids: NDArray[np.int64], load: NDArray[np.float64]) -> None:
        """Say what drivers have on board, shape (ids, 3) in the order of `CAPACITY`; the rest of their capacity is what they can take.

        Raises:
            BadInput: a driver is not enrolled, or a load is not a finite number of 0 or more; nothing was changed.
        """
        if load.shape != (len(ids), len(CAPACITY)) or not np.all((load >= 0.0) & (load < np.inf)):
            raise BadInput(f"the load has shape {load.shape}; wanted ({len(ids)}, {len(CAPACITY)}), finite numbers of 0 or more.")
        with self._lock:
            slots = self._known(ids)
            self._load[slots] = load
            for i, name in enumerate(CAPACITY):
                if name in self._amounts:
                    self._amounts[name][slots] = getattr(self._fleet, name)[slots] - self._load[slots, i]
            self._move(slots)

    def space(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """What drivers have on board by `carry`, and what they can carry at once, shape (ids, 3) each; when they must be done, (ids,), s."""
        with self._lock:
            slots = self._known(ids)
            room = np.stack([getattr(self._fleet, name)[slots] for name in CAPACITY], axis=1)
            until_s = self._amounts.get(UNTIL_S)
            return self._load[slots], room, np.full(len(ids), np.inf) if until_s is None else until_s[slots]

    def leave(self, ids: NDArray[np.int64]) -> None:
        """Forget drivers' positions (end of shift): nobody finds them until they ping again. Unknown ids are no error."""
        with self._lock:
            known, slots = self.slots(ids)
            self._held.last[slots[known]] = -np.inf
            self._held.doubt[slots[known]] = -np.inf
            self._geo.remove(ids)
            self.step += 1

    def sweep(self, *, now_s: float) -> int:
        """Drop ghosts: positions older than `limits.fresh_s`. Returns how many."""
        with self._lock:
            time_s = self._held.last[:, 2]
            old = (time_s > -np.inf) & (time_s < now_s - self.limits.fresh_s)
            self.leave(self._fleet.ids[old])
            return int(old.sum())

    def age_s(self, ids: NDArray[np.int64], *, now_s: float) -> NDArray[np.float64]:
        """Seconds since each driver's position was measured, shape (ids,); inf where there is none."""
        return now_s - self._held.last[self._known(ids), 2]

    def look(self) -> int:
        """Have `shown` tell from now on what stands at this moment, until the next look or enrolment: a window's steps see one fleet.

        Returns:
            The `step` of this moment.

        Cost:
            A copy of 48 bytes a driver.
        """
        with self._lock:
            last, heading = self._held.last.copy(), self._held.heading.copy()
            self._view = self._slots, Fleet(last, heading, self._idle_since.copy(), *self._homes)
            return self.step

    def shown(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], Fleet]:
        """Slot of each id, shape (ids,), and the fleet's columns by slot, which are not to be changed: as of the last `look`, else as they stand.

        `Fleet.place` holds x_m, y_m, the time in seconds and the accuracy in metres.
        """
        slots = self._latest_slots(ids)
        if self._view is not None and self._view[0] is self._slots:
            return slots, self._view[1]
        return slots, Fleet(self._held.last, self._held.heading, self._idle_since, *self._homes)

    def place(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Believed x_m and y_m of each driver, shape (ids,) each; not finite where there is none."""
        slots = self._known(ids)
        return self._held.last[slots, 0], self._held.last[slots, 1]

    def heading_deg(self, ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """Last heading of each driver, clockwise from north, shape (ids,); NaN = unknown."""
        return self._held.heading[self._known(ids)]

    def earn(self, ids: NDArray[np.int64], cents: NDArray[np.float64]) -> None:
        """Add what drivers were paid, shape (ids,); a driver may come more than once."""
        with self._lock:
            np.add.at(self._paid, self._known(ids), cents)

    def resume(self, ids: NDArray[np.int64], cents: NDArray[np.float64], since_s: NDArray[np.float64]) -> None:
        """Say what drivers were paid so far in their shifts, and since when they are enrolled, shape (ids,) each: as it was before a restart."""
        with self._lock:
            slots = self._known(ids)
            self._paid[slots], self._since_s[slots] = cents, since_s

    def underpaid(self, ids: NDArray[np.int64], *, now_s: float) -> NDArray[np.float64]:
        """How far each driver's pay an hour lies below the mean of those on duty, as a share of it, -1..1, shape (ids,); NaN while nobody earned.

        Hours count from the shift's start, or from when the driver was enrolled, and are at least half a one.
        """
        hours = np.maximum((now_s - np.maximum(self._since_s, self._fleet.shift_start_s)) / 3600.0, 0.5)
        an_hour = self._paid / hours
        mean = float(an_hour[self._duty].mean()) if self._duty.any() else 0.0
        if mean <= 0.0:
            return np.full(len(ids), np.nan)
        return np.clip(1.0 - an_hour[self._known(ids)] / mean, -1.0, 1.0)

    def shift_end_s(self, ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """When each driver must be free of orders, shape (ids,), s; inf = open."""
        return self._fleet.shift_end_s[self._known(ids)]

    def _known(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        known, slots = self.slots(ids)
        if not known.all():
            raise BadInput(f"driver {int(ids[~known][0])} is not enrolled; enrol the fleet first ({len(self._fleet)} are).")
        return slots


def _grown(table: NDArray[Any], known: NDArray[np.bool_], old: NDArray[np.int64], fill: Any) -> NDArray[Any]:
    """A table for the new slots: what was known, and `fill`."""
    new = np.full((len(known), *table.shape[1:]), fill, dtype=table.dtype)
    new[known] = table[old[known]]
    return new
