"""The made-up city: orders, pings and answers follow the truth that it tells."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.errors import BadInput
from rialto.worlds.city import FLAGS, VEHICLES, City, make_city
from rialto.worlds.city_pings import JUMP, LATE, REPEATED

NOON = 12 * 3600.0


@pytest.fixture(scope="module")
def city() -> City:
    return make_city(seed=1, drivers=800)


def about(city: City, **changed: object) -> np.ndarray:
    """Acceptance of an ordinary offer to driver 0 .. 199, with something changed."""
    ordinary = {"pickup_s": 240.0, "value_cents": 700.0, "trip_m": 2500.0, "at_s": NOON, "homeward": 0.0} | changed
    driver = np.arange(200)
    columns = {k: np.broadcast_to(np.asarray(v, dtype=np.float64), (200,)) for k, v in ordinary.items()}
    return city.acceptance_probability(driver, **columns)  # type: ignore[arg-type]


def test_same_seed_makes_the_same_city_and_another_another() -> None:
    one, again, other = make_city(seed=4, drivers=60), make_city(seed=4, drivers=60), make_city(seed=5, drivers=60)
    for name in one.drivers:
        assert np.array_equal(one.drivers[name], again.drivers[name])
    a, b, c = (x.orders(NOON, NOON + 1800.0) for x in (one, again, other))
    assert all(np.array_equal(a[name], b[name]) for name in a)
    assert not np.array_equal(a["time_s"], c["time_s"])


@settings(max_examples=25, deadline=None)
@given(cut=st.floats(0.0, 7200.0))
def test_orders_are_the_same_however_time_is_sliced(city: City, cut: float) -> None:
    whole = city.orders(NOON, NOON + 7200.0)
    parts = [city.orders(NOON, NOON + cut), city.orders(NOON + cut, NOON + 7200.0)]
    for name, column in whole.items():
        assert np.array_equal(column, np.concatenate([part[name] for part in parts]))


def test_orders_are_in_time_order_with_unique_ids_inside_the_city(city: City) -> None:
    orders = city.orders(0.0, 86400.0)
    assert np.all(np.diff(orders["time_s"]) >= 0) and len(np.unique(orders["id"])) == len(orders["id"])
    assert np.hypot(orders["dropoff_x_m"], orders["dropoff_y_m"]).max() <= city.radius_m + 1.0
    assert orders["value_cents"].min() > 0 and orders["patience_s"].min() >= 60.0 and orders["prep_s"].min() > 0
    assert len(orders["id"]) == pytest.approx(0.55 * 800 * 24, rel=0.05)


def test_demand_peaks_at_lunch_and_in_the_evening(city: City) -> None:
    by_hour = np.histogram(city.orders(0.0, 86400.0)["time_s"], bins=24, range=(0, 86400.0))[0]
    assert by_hour[12] > 1.2 * by_hour[14] and by_hour[18] > 1.3 * by_hour[15] and by_hour[3] < 0.1 * by_hour[18]


def test_every_order_can_be_carried_by_some_driver(city: City) -> None:
    needs = np.unique(city.orders(0.0, 86400.0)["need"])
    assert all(((city.drivers["flags"] & need) == need).any() for need in needs)
    assert np.all(needs & np.uint64(FLAGS["small"] | FLAGS["medium"] | FLAGS["large"]))


def test_degrees_and_metres_go_there_and_back(city: City) -> None:
    x_m, y_m = np.array([0.0, 5000.0, -8000.0]), np.array([0.0, -7000.0, 300.0])
    back = city.to_plane(*city.to_degrees(x_m, y_m))
    assert back[0] == pytest.approx(x_m, abs=1e-6) and back[1] == pytest.approx(y_m, abs=1e-6)
    lat, _ = city.to_degrees(np.array([0.0]), np.array([1111.9]))
    assert lat[0] - city.centre[0] == pytest.approx(0.01, rel=1e-3)


def test_traffic_slows_cars_more_than_bikes(city: City) -> None:
    def trip(hour: float, vehicle: str) -> float:
        one = np.ones(1)
        kind = np.array([VEHICLES.index(vehicle)], dtype=np.int8)
        return float(city.travel_seconds(0 * one, 0 * one, 4000 * one, 0 * one, at_s=hour * 3600.0, vehicle=kind)[0])

    assert trip(17.5, "car") / trip(3.0, "car") > 1.5 > 1.3 > trip(17.5, "bike") / trip(3.0, "bike") > 1.0


def test_acceptance_falls_with_pickup_time_and_rises_with_pay(city: City) -> None:
    minutes = [about(city, pickup_s=60.0 * m).mean() for m in (1, 3, 6, 12)]
    assert sorted(minutes, reverse=True) == minutes and minutes[0] > 0.6 > 0.35 > minutes[-1]
    assert about(city, value_cents=1500.0).mean() > about(city, value_cents=400.0).mean()


def test_way_home_counts_more_at_the_end_of_the_shift(city: City) -> None:
    end = city.drivers["shift_end_s"][:200]

    def gain(at_s: np.ndarray) -> float:
        odds = [np.log(p / (1 - p)) for p in (about(city, at_s=at_s, homeward=h) for h in (0.0, 1.0))]
        return float((odds[1] - odds[0]).mean())

    assert gain(end - 600.0) > gain(end - 3 * 3600.0) + 1.0


def test_answers_come_at_the_told_probability_and_repeat(city: City) -> None:
    order, driver, p = np.arange(20_000), np.arange(20_000) % 800, np.full(20_000, 0.3)
    yes = city.answer(order, driver, probability=p, seed=1)
    assert yes.mean() == pytest.approx(0.3, abs=0.015)
    assert np.array_equal(yes, city.answer(order, driver, probability=p, seed=1))
    some = np.arange(50, 90)
    assert np.array_equal(yes[some], city.answer(order[some], driver[some], probability=p[some], seed=1))
    assert np.all(city.answer(order, driver, probability=p + 0.2, seed=1)[yes])


def test_homeward_has_the_sign_of_the_way_home(city: City) -> None:
    d = np.array([0, 0])
    home = city.drivers["home_x_m"][0], city.drivers["home_y_m"][0]
    away = np.array([home[0] + 3000.0, home[0]]), np.array([home[1], home[1]])
    goal = np.array([home[0], home[0] + 3000.0]), np.array([home[1], home[1]])
    towards, from_home = city.homeward(d, *away, *goal)
    assert towards == pytest.approx(-from_home) and 0.7 < towards < 1.0


def test_sound_pings_are_near_the_truth_and_in_order(city: City) -> None:
    pings = city.pings(NOON, seed=3)
    assert np.array_equal(np.sort(pings["driver"]), np.flatnonzero(city.on_shift(NOON)))
    x_m, y_m = city.to_plane(pings["lat"], pings["lon"])
    true_x, true_y = city.positions(pings["driver"], pings["time_s"])
    error = np.hypot(x_m - true_x, y_m - true_y)
    assert np.mean(error <= pings["accuracy_m"]) == pytest.approx(0.68, abs=0.08)
    assert np.all(np.diff(pings["time_s"]) >= 0) and not pings["fault"].any()
    assert np.all((pings["heading"] >= 0) & (pings["heading"] < 360))


def test_drivers_wander_at_road_speed(city: City) -> None:
    driver = np.arange(200)
    places = [np.stack(city.positions(driver, np.full(200, NOON + s)), axis=1) for s in (0.0, 10.0)]
    speed = np.hypot(*(places[1] - places[0]).T) / 10.0
    assert 1.0 < np.median(speed) < 15.0 and speed.max() < 50.0


def test_faults_come_on_demand_and_are_told(city: City) -> None:
    pings = city.pings(NOON, seed=3, late=0.2, repeated=0.1, jumps=0.05)
    count = city.on_shift(NOON).sum()
    told = np.bincount(pings["fault"], minlength=4) / count
    assert told[LATE] == pytest.approx(0.2, abs=0.06) and told[REPEATED] == pytest.approx(0.1, abs=0.05)
    assert told[JUMP] == pytest.approx(0.05, abs=0.03) and (np.diff(pings["time_s"]) < 0).any()
    x_m, y_m = city.to_plane(pings["lat"], pings["lon"])
    true_x, true_y = city.positions(pings["driver"], pings["time_s"])
    assert np.hypot(x_m - true_x, y_m - true_y)[pings["fault"] == JUMP].min() > 4000.0


def test_pings_of_a_time_do_not_depend_on_other_times(city: City) -> None:
    first = city.pings(NOON)
    city.pings(NOON + 60.0)
    again = city.pings(NOON)
    assert all(np.array_equal(first[name], again[name]) for name in first)


@pytest.mark.parametrize("wrong", [{"drivers": 0}, {"hours": 0.0}, {"orders_per_hour": -1.0}, {"seed": -1}])
def test_impossible_cities_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadInput, match="wanted at least 1"):
        make_city(**wrong)  # type: ignore[arg-type]


def test_impossible_times_and_shares_are_refused(city: City) -> None:
    with pytest.raises(BadInput, match="start <= end"):
        city.orders(10.0, 5.0)
    with pytest.raises(BadInput, match="at_s is -1"):
        city.pings(-1.0)
    with pytest.raises(BadInput, match="late is"):
        city.pings(NOON, late=1.5)


def test_no_time_and_no_demand_give_no_orders(city: City) -> None:
    assert len(city.orders(NOON, NOON)["id"]) == 0
    assert len(make_city(drivers=5, orders_per_hour=0.0).orders(0.0, 86400.0)["id"]) == 0
