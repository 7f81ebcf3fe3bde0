"""Positions are believed or refused with a reason, and the index follows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.local.geo import GridGeo
from rialto.match.judge import Held
from rialto.match.records import FREE, Drivers, Pings, Plane
from rialto.match.slots import Slots
from rialto.match.track import REASONS, Limits, Track, judge, judge_plain
from rialto.ports import Hits, Positioned, Terms

PLANE = Plane(52.0, 13.0)


class LastMoves:
    """A GeoIndex that only remembers."""

    def __init__(self) -> None:
        self.held: dict[int, tuple[float, float, float, int]] = {}

    def move(self, points: Positioned) -> NDArray[np.bool_]:
        for i, x, y, t, f in zip(points.ids, points.x_m, points.y_m, points.time_s, points.flags):
            self.held[int(i)] = (float(x), float(y), float(t), int(f))
        return np.ones(len(points.ids), dtype=np.bool_)

    def remove(self, ids: NDArray[np.int64]) -> None:
        for i in ids:
            self.held.pop(int(i), None)

    def nearest(self, *args: object, **kwargs: object) -> Hits:
        raise NotImplementedError

    def close(self) -> None:
        self.held.clear()


def tracked(*ids: int) -> tuple[Track, LastMoves]:
    geo = LastMoves()
    track = Track(geo, PLANE, limits=Limits(speed_mps=50.0))
    track.enrol(Drivers.of(np.array(ids)))
    return track, geo


def ping(driver: int, x_m: float, time_s: float, accuracy_m: float = 0.0) -> Pings:
    lat, lon = PLANE.latlon(np.array([x_m]), np.array([0.0]))
    return Pings.of(np.array([driver]), lat=lat, lon=lon, time_s=np.array([time_s]), accuracy_m=np.array([accuracy_m]))


def degrees(driver: int, lat: float, lon: float, time_s: float = 101.0) -> Pings:
    return Pings.of(np.array([driver]), lat=np.array([lat]), lon=np.array([lon]), time_s=np.array([time_s]))


def all_of(*pings: Pings) -> Pings:
    out = pings[0]
    for p in pings[1:]:
        out = Pings.join(out, p)
    return out


def test_believed_ping_moves_the_driver_and_gives_its_age() -> None:
    track, geo = tracked(3)
    assert track.take(ping(3, 100.0, 10.0), now_s=12.0) == {"taken": 1}
    assert geo.held[3][0] == pytest.approx(100.0)
    assert track.age_s(np.array([3]), now_s=15.0).tolist() == [5.0]


def test_each_refusal_has_its_reason() -> None:
    track, _ = tracked(3)
    track.take(ping(3, 0.0, 100.0), now_s=100.0)
    batch = all_of(
        ping(4, 0.0, 101.0),
        degrees(3, np.nan, 13.0),
        degrees(3, 95.0, 13.0),
        degrees(3, 13.0, 52.0),
        ping(3, 0.0, 101.0, accuracy_m=900.0),
        ping(3, 0.0, 500.0),
        ping(3, 0.0, -60.0),
        ping(3, 0.0, 100.0),
        ping(3, 0.0, 99.0),
        ping(3, 9000.0, 101.0),
        ping(3, 10.0, 102.0),
    )
    counts = track.take(batch, now_s=102.0)
    assert counts == dict.fromkeys((r for r in REASONS if r != "taken"), 1) | {"taken": 1}


def test_out_of_order_ping_never_moves_a_driver_back() -> None:
    track, geo = tracked(1)
    assert track.take(all_of(ping(1, 50.0, 20.0), ping(1, 0.0, 10.0)), now_s=20.0) == {"taken": 1, "out_of_order": 1}
    assert geo.held[1][2] == 20.0


def test_jump_is_believed_once_a_second_ping_agrees() -> None:
    track, geo = tracked(1)
    track.take(ping(1, 0.0, 10.0), now_s=10.0)
    assert track.take(ping(1, 8000.0, 12.0), now_s=12.0) == {"jump": 1}
    assert track.take(ping(1, 8020.0, 14.0), now_s=14.0) == {"taken": 1}
    assert geo.held[1][0] == pytest.approx(8020.0)


def test_accuracy_counts_in_the_drivers_favour() -> None:
    track, _ = tracked(1)
    track.take(ping(1, 0.0, 10.0), now_s=10.0)
    assert track.take(ping(1, 150.0, 11.0, accuracy_m=120.0), now_s=11.0) == {"taken": 1}


def test_held_driver_loses_the_free_bit_and_keeps_it_lost_while_moving() -> None:
    track, geo = tracked(1)
    track.take(ping(1, 0.0, 10.0), now_s=10.0)
    track.hold(np.array([1]))
    track.take(ping(1, 5.0, 12.0), now_s=12.0)
    assert geo.held[1][3] & int(FREE) == 0
    track.free(np.array([1]), at_s=20.0)
    assert geo.held[1][3] & int(FREE)
    slots, fleet = track.shown(np.array([1]))
    assert fleet.idle_since_s[slots].tolist() == [20.0]


def test_enrolling_again_keeps_position_and_hold() -> None:
    track, geo = tracked(5, 9)
    track.take(ping(9, 7.0, 10.0), now_s=10.0)
    track.hold(np.array([9]))
    track.enrol(Drivers.of(np.array([9, 2]), flags=np.array([4, 8], dtype=np.uint64)))
    assert track.fleet.ids.tolist() == [2, 5, 9]
    assert geo.held[9][3] == 4 and track.fleet.flags[0] == (FREE | np.uint64(8))
    assert track.age_s(np.array([9]), now_s=11.0).tolist() == [1.0]


def test_ghosts_are_swept_and_return_with_their_next_ping() -> None:
    track, geo = tracked(1, 2)
    track.take(all_of(ping(1, 0.0, 10.0), ping(2, 0.0, 110.0)), now_s=110.0)
    assert track.sweep(now_s=140.0) == 1
    assert list(geo.held) == [2]
    assert track.take(ping(1, 90000.0, 140.0), now_s=140.0) == {"taken": 1}


def test_unknown_driver_is_refused_with_its_number() -> None:
    track, _ = tracked(1)
    with pytest.raises(BadInput, match="driver 77 is not enrolled"):
        track.hold(np.array([77]))


numbers = st.one_of(st.floats(-0.2, 0.2), st.floats(-100, 400), st.just(float("nan")), st.just(float("inf")))
rows = st.tuples(st.integers(-1, 2), numbers, numbers, st.one_of(st.floats(-50, 300), st.just(float("nan"))), st.floats(-1, 300))


@given(st.lists(rows, max_size=25), st.sampled_from([Plane(0.0, 0.0), Plane(0.1, 180.0), Plane(-60.0, -179.9)]))
def test_compiled_judge_equals_the_plain_one(sample: list[tuple[int, float, float, float, float]], plane: Plane) -> None:
    slot = np.array([r[0] for r in sample], dtype=np.int64)
    table = np.array([r[1:] for r in sample], dtype=np.float64).reshape(-1, 4)
    columns = tuple(np.ascontiguousarray(c) for c in (*table.T, np.arange(len(table), dtype=np.float64)))
    limits = Limits(fresh_s=250.0, ahead_s=0.0, speed_mps=10.0, reach_m=30_000.0).row(250.0, plane)
    results = []
    for work in (judge, judge_plain):
        held = Held(np.full((3, 4), -np.inf), np.full((3, 4), -np.inf), np.zeros(3), np.zeros(3, dtype=np.bool_))
        moved = np.zeros(len(sample), dtype=np.int64)
        reasons, count = work(slot, columns, held, limits, moved)
        results.append([*held, moved[:count], reasons])
    for got, wanted in zip(*results):
        np.testing.assert_array_equal(got, wanted)


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(-500, 500), st.floats(0, 100)), max_size=30))
def test_counts_add_up_and_repeats_never_move_a_driver_back_in_time(sample: list[tuple[int, float, float]]) -> None:
    if not sample:
        return
    track, geo = tracked(0, 1, 2)
    batch = all_of(*(ping(d, x, t) for d, x, t in sample))
    assert sum(track.take(batch, now_s=100.0).values()) == len(sample)
    before = dict(geo.held)
    assert sum(track.take(batch, now_s=100.0).values()) == len(sample)
    assert all(geo.held[d][2] >= before[d][2] for d in before)


def test_one_bad_row_is_named_and_the_rest_goes_in() -> None:
    track, geo = tracked(1, 2, 3)
    swapped = degrees(2, 13.0, 52.0, 10.0)
    judged = track.pings(all_of(ping(1, 5.0, 10.0), swapped, ping(3, 7.0, 10.0), ping(4, 0.0, 10.0)), now_s=10.0)
    assert judged.counts == {"taken": 2, "unknown_driver": 1, "swapped": 1}
    assert sorted(geo.held) == [1, 3]
    first, second = judged.refused()
    assert (first.row, first.field, first.value) == (2, "lat, lon", (13.0, 52.0))
    assert "wrong way round" in str(first)
    assert (second.row, second.field, second.value) == (4, "driver", 4)


def test_the_date_line_is_crossed_without_a_jump() -> None:
    geo = LastMoves()
    track = Track(geo, Plane(0.0, 179.99))
    track.enrol(Drivers.of(np.array([1])))
    assert track.take(degrees(1, 0.0, 179.9999, 10.0), now_s=10.0) == {"taken": 1}
    assert track.take(degrees(1, 0.0, -179.9999, 11.0), now_s=11.0) == {"taken": 1}
    assert geo.held[1][0] == pytest.approx(1123.0, abs=1.0)


def test_a_repeated_batch_changes_nothing() -> None:
    track, geo = tracked(1, 2)
    batch = all_of(ping(1, 5.0, 10.0), ping(2, 6.0, 10.0), ping(1, 8.0, 11.0))
    track.pings(batch, now_s=11.0)
    before = dict(geo.held)
    assert track.take(batch, now_s=11.0) == {"repeated": 2, "out_of_order": 1}
    assert geo.held == before


@given(st.sets(st.integers(-(2**63), 2**63 - 1), max_size=50), st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_slots_are_found_as_a_dictionary_finds_them(ids: set[int], others: list[int]) -> None:
    table, plain = Slots(np.array(list(ids), dtype=np.int64)), {i: n for n, i in enumerate(ids)}
    asked = [*ids, *others]
    assert table.find(np.array(asked, dtype=np.int64)).tolist() == [plain.get(i, -1) for i in asked]


def test_a_search_beside_sees_all_of_a_batch_of_pings_or_nothing_of_it() -> None:
    size = 1500
    geo, fleet = GridGeo(), np.arange(size)
    track = Track(geo, PLANE)
    track.enrol(Drivers.of(fleet, weight_kg=np.full(size, 9.0)))

    def drive(turn: int) -> None:
        lat, lon = PLANE.latlon(np.full(size, float(turn)), np.zeros(size))
        assert track.take(Pings.of(fleet, lat=lat, lon=lon, time_s=np.full(size, float(turn))), now_s=float(turn)) == {
            "taken": size
        }

    def look(_: int) -> set[tuple[float, float]]:
        terms = Terms({"weight_kg": np.linspace(1.0, 9.0, 700)})
        hits = geo.nearest(np.zeros(700), np.zeros(700), k=3, need=np.full(700, FREE), terms=terms)
        return set(zip(np.rint(hits.scores).tolist(), hits.time_s.tolist()))

    drive(0)
    with ThreadPoolExecutor(3) as pool:
        moves = pool.submit(lambda: [drive(turn) for turn in range(1, 25)])
        seen = list(pool.map(look, range(24)))
        moves.result()
    assert all(len(each) == 1 and next(iter(each))[0] == next(iter(each))[1] for each in seen)


def test_a_load_that_is_no_number_is_refused_and_nothing_changes() -> None:
    track, _ = tracked(1, 2)
    with pytest.raises(BadInput, match="finite numbers of 0 or more"):
        track.carry(np.array([1, 2]), np.array([[1.0, 0.0, 0.0], [np.nan, 0.0, 0.0]]))
    with pytest.raises(BadInput, match="driver 9 is not enrolled"):
        track.carry(np.array([9]), np.zeros((1, 3)))
