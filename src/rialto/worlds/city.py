"""A made-up city with known truth: drivers, orders, positions, traffic, and how drivers answer offers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.records import Columns
from rialto.worlds import city_truth as truth
from rialto.worlds.city_data import FLAGS, VEHICLES, CityData, city_data
from rialto.worlds.city_orders import Demand, make_demand, orders_between
from rialto.worlds.city_pings import Faults, pings

__all__ = ["FLAGS", "VEHICLES", "City", "make_city"]

Floats = NDArray[np.float64]
_METRES_A_DEGREE = 111_194.93  # of latitude, on a sphere of 6371 km


@dataclass(frozen=True, slots=True)
class City:
    """A city: its drivers and merchants as columns, its demand, and the truth as methods.

    Times are seconds since the start of a Monday; every day has the same shifts. Places are metres east and north of `centre`.

    Args:
        seed: What it was made from.
        end_s: Until when it is meant to be run; it goes on if asked.
        drivers: Columns (drivers,): id int64 (= row), vehicle int8, flags uint64, home_lat, home_lon, home_x_m, home_y_m,
            shift_start_s, shift_end_s (of the day), speed_mps, capacity_l, and the truth `bias`, `phase_s`.
        demand: Hot spots and merchants.
        data: Constants.
    """

    seed: int
    end_s: float
    drivers: Columns
    demand: Demand
    data: CityData

    @property
    def centre(self) -> tuple[float, float]:
        """Latitude and longitude of the centre, degrees."""
        return self.data.centre

    @property
    def radius_m(self) -> float:
        """How far the city reaches."""
        return self.data.radius_m

    @property
    def traffic(self) -> Floats:
        """Speed factor by hour of day, shape (24,); the truth."""
        return self.data.traffic

    def to_plane(self, lat: Floats, lon: Floats) -> tuple[Floats, Floats]:
        """Degrees to metres east and north of the centre."""
        return _to_plane(self.data, lat, lon)

    def to_degrees(self, x_m: Floats, y_m: Floats) -> tuple[Floats, Floats]:
        """Metres east and north of the centre to degrees."""
        return _to_degrees(self.data, x_m, y_m)

    def on_shift(self, at_s: float) -> NDArray[np.bool_]:
        """Which drivers work at that time, shape (drivers,)."""
        of_day = at_s % 86400.0
        return (self.drivers["shift_start_s"] <= of_day) & (of_day < self.drivers["shift_end_s"])

    def orders(self, start_s: float, end_s: float) -> Columns:
        """The orders placed in [start_s, end_s), in time order; the same however the time is sliced.

        Returns:
            Columns (orders,): id int64, time_s, merchant int64, pickup_lat, pickup_lon, dropoff_lat, dropoff_lon, pickup_x_m,
            pickup_y_m, dropoff_x_m, dropoff_y_m, trip_m, need uint64, volume_l, patience_s, value_cents int64 (what the driver earns),
            basket_cents int64, prep_s (ready at time_s + prep_s).

        Raises:
            BadInput: `end_s` is before `start_s`, or `start_s` before 0.
        """
        if not 0.0 <= start_s <= end_s:
            raise BadInput(f"orders from {start_s} to {end_s} s; wanted 0 <= start <= end, seconds since the start.")
        found = orders_between(self.data, self.demand, self.seed, start_s, end_s)
        pickup = self.to_degrees(found["pickup_x_m"], found["pickup_y_m"])
        dropoff = self.to_degrees(found["dropoff_x_m"], found["dropoff_y_m"])
        degrees = {"pickup_lat": pickup[0], "pickup_lon": pickup[1], "dropoff_lat": dropoff[0], "dropoff_lon": dropoff[1]}
        return {**found, **degrees}

    def travel_seconds(
        self, x0_m: Floats, y0_m: Floats, x1_m: Floats, y1_m: Floats, *, at_s: Floats | float, vehicle: NDArray[np.int8]
    ) -> Floats:
        """Expected seconds of each drive, shape (trips,): the truth, of which a real drive is a noisy draw."""
        ends = np.stack((x0_m, y0_m), axis=1), np.stack((x1_m, y1_m), axis=1)
        return truth.travel_seconds(self.data, *ends, at_s=at_s, vehicle=vehicle)

    def homeward(self, driver: NDArray[np.int64], x_m: Floats, y_m: Floats, dropoff_x_m: Floats, dropoff_y_m: Floats) -> Floats:
        """How much nearer home the drop-off is than where the driver is, shape (pairs,): in [-1, 1], 0.5 for about 1.6 km nearer."""
        home_x, home_y = self.drivers["home_x_m"][driver], self.drivers["home_y_m"][driver]
        nearer_m = np.hypot(x_m - home_x, y_m - home_y) - np.hypot(dropoff_x_m - home_x, dropoff_y_m - home_y)
        return np.tanh(nearer_m / 3000.0)

    def acceptance_probability(
        self,
        driver: NDArray[np.int64],
        *,
        pickup_s: Floats,
        value_cents: Floats,
        trip_m: Floats,
        at_s: Floats | float,
        homeward: Floats,
        again: NDArray[np.bool_] | None = None,
    ) -> Floats:
        """Probability that each driver takes the order offered, shape (pairs,): the truth.

        Args:
            driver: Driver numbers, shape (pairs,).
            pickup_s: Expected seconds to the pick-up.
            value_cents: What the driver would earn.
            trip_m: Metres from pick-up to drop-off.
            at_s: When it is offered.
            homeward: As `homeward` answers.
            again: True where the driver has declined this very order before, which makes a yes unlikely; nowhere by default.
        """
        about = {name: self.drivers[name][driver] for name in ("vehicle", "shift_end_s", "bias")}
        when = np.broadcast_to(np.asarray(at_s, dtype=np.float64), (len(driver),))
        pair = {"pickup_s": pickup_s, "value_cents": value_cents, "trip_m": trip_m, "at_s": when, "homeward": homeward}
        pair["again"] = np.zeros(len(driver)) if again is None else again.astype(np.float64)
        return 1.0 / (1.0 + np.exp(-truth.acceptance_logit(self.data, about, pair)))

    def answer(
        self,
        order: NDArray[np.int64],
        driver: NDArray[np.int64],
        *,
        probability: Floats,
        seed: int,
        attempt: NDArray[np.int64] | None = None,
    ) -> NDArray[np.bool_]:
        """Whether each driver takes the order, shape (pairs,); luck depends on seed, order, driver and attempt (0 by default) alone."""
        return truth.answers(order, driver, np.zeros_like(order) if attempt is None else attempt, probability, seed)

    def positions(self, driver: NDArray[np.int64], time_s: Floats) -> tuple[Floats, Floats]:
        """Where wandering drivers are at each row's time, (rows,) metres each: the truth behind the pings."""
        place, _ = self._wander(driver, time_s)
        return place[:, 0], place[:, 1]

    def pings(self, at_s: float, *, seed: int = 0, late: float = 0.0, repeated: float = 0.0, jumps: float = 0.0) -> Columns:
        """What the drivers' telephones report about `at_s`, one ping for every driver on shift, and faults on demand.

        Args:
            at_s: Pings are of the 4 s before it.
            seed: Of the noise.
            late: Share of pings that are up to a minute old and come after newer ones.
            repeated: Share of pings that are sent twice.
            jumps: Share of pings 5 to 50 km off.

        Returns:
            Columns (pings,): driver int64, lat, lon, accuracy_m, heading (degrees from north, clockwise), time_s, and the truth
            `fault` int8: 0 none, 1 late, 2 repeated, 3 jump.

        Raises:
            BadInput: a share is not in [0, 1], or `at_s` or `seed` is below 0.
        """
        if seed < 0 or at_s < 0.0:
            raise BadInput(f"at_s is {at_s}, seed {seed}; wanted 0 or more of both.")
        on = np.flatnonzero(self.on_shift(at_s))
        found = pings(self._wander, on, at_s, seed=seed, faults=Faults(late, repeated, jumps))
        lat, lon = self.to_degrees(found.pop("x_m"), found.pop("y_m"))
        return {"driver": found.pop("driver"), "lat": lat, "lon": lon, **found}

    def _wander(self, driver: NDArray[np.int64], time_s: Floats) -> tuple[Floats, Floats]:
        haunts = self.demand.haunts[driver]
        return truth.wander(self.seed, driver, time_s, haunts, phase_s=self.drivers["phase_s"][driver])


def make_city(*, seed: int = 0, drivers: int = 2000, hours: float = 24.0, orders_per_hour: float | None = None) -> City:
    """Make a city from a seed.

    Args:
        seed: Non-negative; the same arguments give the same city, bit for bit.
        drivers: How many in all; at most about half of them are on shift at once.
        hours: How long it is meant to be run.
        orders_per_hour: Mean over the day; the default asks 0.55 for each driver, which is too much for the busiest hours.

    Returns:
        The city.

    Raises:
        BadInput: a number is out of range.

    Cost:
        Some milliseconds, and 1 ms a thousand drivers.

    Example:
        >>> city = make_city(seed=1, drivers=50)
        >>> lunch = city.orders(12 * 3600.0, 13 * 3600.0)
        >>> bool((lunch["time_s"][:-1] <= lunch["time_s"][1:]).all()), sorted(VEHICLES)
        (True, ['bike', 'car', 'van'])
    """
    wanted = 0.55 * drivers if orders_per_hour is None else orders_per_hour
    if drivers < 1 or hours <= 0.0 or wanted < 0.0 or seed < 0:
        raise BadInput(
            f"drivers is {drivers}, hours {hours}, orders_per_hour {wanted}, seed {seed}; wanted at least 1, above 0, at least 0, at least 0."
        )
    data = city_data()
    rng = np.random.default_rng((seed, 10))
    demand = make_demand(data, rng, drivers, wanted)
    return City(seed, 3600.0 * hours, _drivers(data, demand, rng, drivers), demand, data)


def _drivers(data: CityData, demand: Demand, rng: np.random.Generator, count: int) -> Columns:
    vehicle = rng.choice(len(VEHICLES), size=count, p=data.vehicles["share"]).astype(np.int8)
    flags = data.vehicles["carries"][vehicle]
    for name, share in data.skills.items():
        flags = flags | (np.uint64(data.flags[name]) * (rng.random(count) < share)).astype(np.uint64)
    shift = rng.choice(len(data.shifts["share"]), size=count, p=data.shifts["share"])
    start = np.clip(data.shifts["start"][shift] * 3600.0 + rng.normal(0.0, 1500.0, count), 0.0, None)
    end = np.clip(data.shifts["end"][shift] * 3600.0 + rng.normal(0.0, 1500.0, count), start + 7200.0, 86400.0)
    lat, lon = _to_degrees(data, demand.homes[:, 0], demand.homes[:, 1])
    return {
        "id": np.arange(count), "vehicle": vehicle, "flags": flags,
        "home_lat": lat, "home_lon": lon, "home_x_m": demand.homes[:, 0], "home_y_m": demand.homes[:, 1],
        "shift_start_s": start, "shift_end_s": end,
        "speed_mps": data.vehicles["speed_mps"][vehicle], "capacity_l": data.vehicles["capacity_l"][vehicle],
        "bias": rng.normal(0.0, data.acceptance["driver_spread"], count), "phase_s": rng.uniform(0.0, truth.LEG_S, count),
    }  # fmt: skip


def _to_plane(data: CityData, lat: Floats, lon: Floats) -> tuple[Floats, Floats]:
    x_m = (lon - data.centre[1]) * _METRES_A_DEGREE * np.cos(np.radians(data.centre[0]))
    return x_m, (lat - data.centre[0]) * _METRES_A_DEGREE


def _to_degrees(data: CityData, x_m: Floats, y_m: Floats) -> tuple[Floats, Floats]:
    lon = data.centre[1] + x_m / (_METRES_A_DEGREE * np.cos(np.radians(data.centre[0])))
    return data.centre[0] + y_m / _METRES_A_DEGREE, lon
