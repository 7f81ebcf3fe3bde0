"""Drivers with an order on the live map: from where they were to the pickup, then to the door, then free again."""

import numpy as np
import pytest

from rialto.app.journeys import Journeys
from rialto.worlds.city import make_city
from rialto.worlds.city_sim import CitySim

NOON_S = 43_200.0


def test_a_journey_goes_from_the_driver_to_the_pickup_and_on_to_the_door() -> None:
    city = make_city(seed=1, drivers=20)
    orders = city.orders(NOON_S, NOON_S + 3600.0)
    order, pickup = int(orders["id"][0]), (orders["pickup_lat"][0], orders["pickup_lon"][0])
    journeys = Journeys(city, start_s=NOON_S, end_s=NOON_S + 3600.0)
    journeys.free({"id": np.array([3]), "lat": np.array([pickup[0] + 0.02]), "lon": np.array([pickup[1]])})
    offers = {
        "order": [order, order],
        "driver": [4, 3],
        "accepted": [False, True],
        "pickup_s": [1.0, 100.0],
        "at_s": [NOON_S] * 2,
    }
    journeys.answered({name: np.array(values) for name, values in offers.items()})
    (half,) = journeys.now(NOON_S + 50.0)
    assert (half.driver, half.state, half.lat) == (3, "assigned", pytest.approx(pickup[0] + 0.01))
    (there,) = journeys.now(NOON_S + 500.0)
    assert (there.lat, there.lon) == pytest.approx(pickup)
    trip = {"order": np.array([order]), "picked_s": np.array([NOON_S + 500.0]), "delivered_s": np.array([np.nan])}
    journeys.follow(trip)
    (on,) = journeys.now(NOON_S + 500.0)
    assert (on.state, on.lat, on.goal_lat) == ("picked_up", pytest.approx(pickup[0]), orders["dropoff_lat"][0])
    journeys.follow(trip | {"delivered_s": np.array([NOON_S + 900.0])})
    assert journeys.now(NOON_S + 900.0) == []


def test_whoever_has_an_order_in_the_city_has_a_journey_and_nobody_else() -> None:
    city = make_city(seed=2, drivers=40)
    end_s = NOON_S + 900.0
    sim, journeys = CitySim(city, start_s=NOON_S, end_s=end_s), Journeys(city, start_s=NOON_S, end_s=end_s)
    while not sim.done:
        state = sim.state()
        journeys.free(state.drivers)
        pairs = min(len(state.orders["id"]), len(state.drivers["id"]))
        journeys.answered(sim.step(order=state.orders["id"][:pairs], driver=state.drivers["id"][:pairs]).answers)
        trips = sim.trips()
        journeys.follow(trips)
    moving = np.isnan(trips["delivered_s"])
    now = {(j.order, j.driver, j.state) for j in journeys.now(sim.state().time_s)}
    state = np.where(np.isnan(trips["picked_s"]), "assigned", "picked_up")
    assert now == set(zip(trips["order"][moving].tolist(), trips["driver"][moving].tolist(), state[moving].tolist()))
    assert len(now) > 0
