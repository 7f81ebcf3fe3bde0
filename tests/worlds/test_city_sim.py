"""The city in motion: no order is lost, no driver is in two places, and better choices do better."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.errors import BadInput
from rialto.worlds.city import City, make_city
from rialto.worlds.city_sim import CitySim, SimState

NOON = 12 * 3600.0
NONE = np.zeros(0, dtype=np.int64)


@pytest.fixture(scope="module")
def city() -> City:
    return make_city(seed=2, drivers=120)


def nearest(state: SimState) -> tuple[np.ndarray, np.ndarray]:
    """Each order in turn takes the nearest able driver that is left."""
    orders, drivers, used, pairs = state.orders, state.drivers, set[int](), list[tuple[int, int]]()
    for i, order in enumerate(orders["id"]):
        away = np.hypot(drivers["x_m"] - orders["pickup_x_m"][i], drivers["y_m"] - orders["pickup_y_m"][i])
        away[(drivers["flags"] & orders["need"][i]) != orders["need"][i]] = np.inf
        for j in np.argsort(away, kind="stable")[:5]:
            if int(j) not in used and np.isfinite(away[j]):
                used.add(int(j))
                pairs.append((int(order), int(drivers["id"][j])))
                break
    return np.array([p[0] for p in pairs], dtype=np.int64), np.array([p[1] for p in pairs], dtype=np.int64)


def random_pairs(state: SimState, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    pairs = min(len(state.orders["id"]), len(state.drivers["id"]))
    return rng.permutation(state.orders["id"])[:pairs], rng.permutation(state.drivers["id"])[:pairs]


def balanced(sim: CitySim) -> bool:
    r = sim.report()
    return r.arrived == r.waiting + r.moving + r.delivered + r.cancelled


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), window=st.sampled_from([1.0, 2.0, 7.5, 60.0]))
def test_no_order_is_lost_and_no_driver_is_in_two_places(city: City, seed: int, window: float) -> None:
    rng = np.random.default_rng(seed)
    sim = CitySim(city, start_s=NOON, end_s=NOON + 40 * window, seed=seed, window_s=window)
    state = sim.state()
    while not sim.done:
        order, driver = random_pairs(state, rng)
        state = sim.step(order=order, driver=driver)
        assert balanced(sim)
        moving = sim.trips()
        active = moving["driver"][np.isnan(moving["delivered_s"])]
        assert len(np.unique(active)) == len(active) == sim.report().moving
        assert not np.isin(state.drivers["id"], active).any()


def test_a_run_repeats_bit_for_bit(city: City) -> None:
    runs = []
    for _ in range(2):
        sim = CitySim(city, start_s=NOON, end_s=NOON + 900.0, seed=5)
        state = sim.state()
        while not sim.done:
            state = sim.step(**dict(zip(("order", "driver"), nearest(state), strict=True)))
        runs.append(sim)
    one, again = (run.log() for run in runs)
    assert all(np.array_equal(one[name], again[name]) for name in one) and repr(runs[0].report()) == repr(runs[1].report())


def test_near_drivers_deliver_more_than_random_ones(city: City) -> None:
    reports = []
    for choose in (nearest, lambda state: random_pairs(state, np.random.default_rng(0))):
        sim = CitySim(city, start_s=NOON, end_s=NOON + 2700.0, seed=5, window_s=5.0)
        state = sim.state()
        while not sim.done:
            order, driver = choose(state)
            state = sim.step(order=order, driver=driver)
        reports.append(sim.report())
    good, poor = reports
    assert good.accepted / good.offers > 1.5 * poor.accepted / poor.offers
    assert good.pickup_s_mean < poor.pickup_s_mean and good.delivered > poor.delivered


def test_times_of_a_trip_are_in_order_and_wait_for_the_goods(city: City) -> None:
    sim = CitySim(city, start_s=NOON, end_s=NOON + 3600.0, window_s=10.0)
    state = sim.state()
    while not sim.done:
        order, driver = nearest(state)
        state = sim.step(order=order, driver=driver)
    trips, orders = sim.trips(), city.orders(NOON, NOON + 3600.0)
    done = ~np.isnan(trips["delivered_s"])
    assert done.sum() > 10
    ready = (orders["time_s"] + orders["prep_s"])[np.searchsorted(orders["id"], trips["order"][done])]
    assert np.all(trips["accepted_s"][done] <= trips["picked_s"][done]) and np.all(trips["picked_s"][done] >= ready)
    assert np.all(trips["picked_s"][done] <= trips["delivered_s"][done])
    earned = orders["value_cents"][np.searchsorted(orders["id"], trips["order"][done])].sum()
    assert sim.report().earned_cents == earned


def test_orders_nobody_takes_are_cancelled_when_patience_ends(city: City) -> None:
    sim = CitySim(city, start_s=NOON, end_s=NOON + 3600.0, window_s=30.0)
    while not sim.done:
        state = sim.step(order=NONE, driver=NONE)
        assert np.all(state.time_s - state.orders["time_s"] <= state.orders["patience_s"])
    report = sim.report()
    assert report.cancelled > 0.5 * report.arrived and report.delivered == report.accepted == 0


def test_who_cannot_carry_it_says_no(city: City) -> None:
    sim = CitySim(city, start_s=NOON, end_s=NOON + 1200.0, window_s=20.0)
    state = sim.state()
    while not sim.done:
        able = (state.drivers["flags"] & state.orders["need"][:, None]) == state.orders["need"][:, None]
        rows, columns = np.nonzero(~able)
        state = sim.step(order=state.orders["id"][rows[:1]], driver=state.drivers["id"][columns[:1]])
    report = sim.report()
    assert report.offers > 20 and report.accepted == 0


def test_a_driver_who_declines_is_not_asked_for_a_while(city: City) -> None:
    sim = CitySim(city, start_s=NOON, end_s=NOON + 600.0)
    state = sim.state()
    while not (~state.answers["accepted"]).any():
        assert not sim.done
        order, driver = nearest(state)
        state = sim.step(order=order[:1], driver=driver[:1])
    declined = state.answers["driver"][~state.answers["accepted"]][0]
    assert declined not in state.drivers["id"]
    for _ in range(8):
        state = sim.step(order=NONE, driver=NONE)
    assert declined in state.drivers["id"]


def test_log_answers_at_the_probability_it_tells(city: City) -> None:
    sim = CitySim(city, start_s=NOON, end_s=NOON + 3600.0, window_s=5.0)
    state = sim.state()
    while not sim.done:
        order, driver = nearest(state)
        state = sim.step(order=order, driver=driver)
    log = sim.log()
    spread = np.sqrt((log["probability"] * (1 - log["probability"])).sum())
    assert abs(log["accepted"].sum() - log["probability"].sum()) < 4 * spread
    assert len(log["order"]) == sim.report().offers > 50


def test_a_driver_asked_again_for_the_same_order_hardly_ever_agrees(city: City) -> None:
    sim = CitySim(city, start_s=NOON, end_s=NOON + 3600.0, window_s=5.0)
    state = sim.state()
    while not sim.done:
        order, driver = nearest(state)
        state = sim.step(order=order, driver=driver)
    log = sim.log()
    assert log["probability"][log["again"]].mean() < 0.4 * log["probability"][~log["again"]].mean()
    first = np.unique(np.stack((log["order"], log["driver"]), axis=1), axis=0, return_index=True)[1]
    assert not log["again"][first].any() and log["again"].sum() == len(log["order"]) - len(first)


def test_drivers_leave_at_the_end_of_their_shift_and_others_come(city: City) -> None:
    sim = CitySim(city, start_s=15 * 3600.0, end_s=16.5 * 3600.0, window_s=60.0)
    before = set(sim.state().drivers["id"].tolist())
    while not sim.done:
        state = sim.step(order=NONE, driver=NONE)
    after = set(state.drivers["id"].tolist())
    assert before - after and after - before
    assert after == set(np.flatnonzero(city.on_shift(sim.time_s)).tolist())


def test_wrong_offers_are_refused_and_change_nothing(city: City) -> None:
    sim = CitySim(city, start_s=NOON, end_s=NOON + 600.0)
    while len(sim.state().orders["id"]) < 2:
        sim.step(order=NONE, driver=NONE)
    state = sim.state()
    order, free = state.orders["id"][:2], state.drivers["id"][:2]
    wrong = [
        (order, free[:1], "one shape"), (order, free[[0, 0]], "comes twice"), (order[[0, 0]], free, "comes twice"),
        (np.array([-7]), free[:1], "does not wait"), (np.array([10**12]), free[:1], "does not wait"),
        (order[:1], np.array([10**9]), "not free"), (order[:1], np.array([-1]), "not free"),
    ]  # fmt: skip
    for orders, drivers, text in wrong:
        with pytest.raises(BadInput, match=text):
            sim.step(order=orders, driver=drivers)
    assert sim.time_s == state.time_s and sim.report().offers == 0


@pytest.mark.parametrize(("start", "end", "window"), [(10.0, 10.0, 2.0), (-1.0, 5.0, 2.0), (0.0, 5.0, 0.0)])
def test_impossible_runs_are_refused(city: City, start: float, end: float, window: float) -> None:
    with pytest.raises(BadInput, match="wanted 0 <= start < end"):
        CitySim(city, start_s=start, end_s=end, window_s=window)


# several orders with one driver


def stacked(city: City, seed: int, window: float, most: int = 2) -> CitySim:
    return CitySim(city, start_s=NOON, end_s=NOON + 60 * window, seed=seed, window_s=window, most=most)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), window=st.sampled_from([60.0, 300.0]), most=st.integers(2, 3))
def test_drivers_with_several_orders_keep_within_their_places_and_lose_none(
    city: City, seed: int, window: float, most: int
) -> None:
    rng, sim = np.random.default_rng(seed), stacked(city, seed, window, most)
    state = sim.state()
    while not sim.done:
        order, driver = random_pairs(state, rng)
        state = sim.step(order=order, driver=driver)
        assert balanced(sim)
        trips = sim.trips()
        active, counts = np.unique(trips["driver"][np.isnan(trips["delivered_s"])], return_counts=True)
        assert not (counts > most).any() and counts.sum() == sim.report().moving
        assert not np.isin(state.drivers["id"], active[counts == most]).any()
        done = trips["delivered_s"] <= sim.time_s
        assert (trips["picked_s"][done] <= trips["delivered_s"][done]).all()


def test_a_driver_makes_the_stops_of_his_route_in_their_order(city: City) -> None:
    sim = CitySim(city, start_s=NOON, end_s=NOON + 4 * 3600.0, seed=1, window_s=10.0, most=2)
    state, routes, taken = sim.state(), dict[int, list[int]](), set[int]()
    while not sim.done:
        order, driver = nearest(state)
        asked = dict[int, list[tuple[int, bool]]]()
        for o, d in zip(order.tolist(), driver.tolist()):
            if len(first := routes.get(d, [])) == 1:  # the new order first, but for the stop under way
                trip = {t: sim.trips()[t][sim.trips()["order"] == first[0]][0] for t in ("picked_s", "delivered_s")}
                left = [(first[0], False)] * bool(np.isnan(trip["picked_s"])) + [(first[0], True)] * bool(
                    np.isnan(trip["delivered_s"])
                )
                asked[d] = [*left[:1], (o, False), (o, True), *left[1:]] if left else [(o, False), (o, True)]
        state = sim.step(order=order, driver=driver, routes=asked)
        for o, d, yes in zip(*(state.answers[n].tolist() for n in ("order", "driver", "accepted"))):
            if yes:
                routes.setdefault(d, []).append(o)
                taken |= {o} if d in asked and len(asked[d]) == 4 else set()
    trips = sim.trips()
    of = {o: i for i, o in enumerate(trips["order"].tolist())}
    pairs = [
        r for r in routes.values() if len(r) == 2 and r[1] in taken and all(np.isfinite(trips["delivered_s"][of[o]]) for o in r)
    ]
    assert pairs
    assert all(trips["delivered_s"][of[second]] < trips["delivered_s"][of[first]] for first, second in pairs)


def test_a_route_that_leaves_stops_out_or_turns_round_is_refused(city: City) -> None:
    sim = stacked(city, 3, 30.0)
    state = sim.state()
    while not np.isin(state.drivers["id"], busy := sim.trips()["driver"]).any() or not len(state.orders["id"]):
        state = sim.step(order=state.orders["id"][:20], driver=state.drivers["id"][: len(state.orders["id"][:20])])
    driver = int(state.drivers["id"][np.isin(state.drivers["id"], busy)][0])
    order, had = int(state.orders["id"][0]), int(sim.trips()["order"][sim.trips()["driver"] == driver][0])
    for wrong in (
        [(order, False), (order, True)],
        [(order, False), (order, True), (had, False), (had, True)],
        [(had, True), (order, True)],
    ):
        with pytest.raises(BadInput, match="under way first"):
            sim.step(order=np.array([order]), driver=np.array([driver]), routes={driver: wrong})


def test_a_driver_with_no_places_is_refused_as_input() -> None:
    with pytest.raises(BadInput, match="1 order or more"):
        CitySim(make_city(drivers=5), start_s=NOON, end_s=NOON + 60.0, most=0)
