"""GridGeo passes the exam of GeoIndex, equals the plain search on whatever comes, and bears several threads at once."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rialto.errors import BadInput
from rialto.local.geo import GridGeo
from rialto.local.geo_layout import room
from rialto.local.geo_search import Ask, search_plain
from rialto.local.geo_sift import Chosen, by_cell, sift, sift_plain
from rialto.local.grid import Points, build, cell_of
from rialto.ports import Positioned, Terms
from rialto.records import Candidates
from rialto.testing.geo import GeoIndexExam, layouts
from rialto.threads import spread


class TestGridGeo(GeoIndexExam):
    def open(self):
        return GridGeo()


PLACES = st.one_of(st.floats(-1e4, 1e4), st.integers(-3, 3).map(float), st.floats(-1e8, 1e8), st.just(1e-200))
AMOUNTS = st.sampled_from([-np.inf, 0.0, 1.0, 2.5, 1e9, np.inf])
LEAST = st.sampled_from([-np.inf, 0.0, 1.0, 2.0, 1e9])


def plain_ask(x, y, need, *, radius_m=np.inf, fresh=-np.inf, terms: Terms | None = None, columns=()) -> Ask:
    """What the plain search reads; `columns` maps each kind of the terms to the points' amounts."""
    terms = terms or Terms()
    least = np.array([terms.least[n] for n in terms.least]).reshape(len(terms.least), len(x)).T
    per_m = np.array([terms.per_m.get(n, 0.0) for n in terms.least])
    barred = terms.barred or Candidates.none(len(x))
    kinds = np.arange(len(terms.least))
    return Ask(
        x, y, need, np.arange(len(x)), radius_m**2, fresh, True, True, kinds, np.asarray(columns, dtype=np.int64), least, per_m,
        barred.offsets, barred.ids,
    )  # fmt: skip


def assert_same(hits, points, ask, k, step=1):
    for q in range(0, len(ask.x), step):
        ids, far = search_plain(points, ask, q, k=k)
        rows = slice(hits.offsets[q], hits.offsets[q + 1])
        assert hits.ids[rows].tolist() == ids.tolist()
        assert hits.scores[rows].tolist() == far.tolist()


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_search_equals_the_plain_search(data):
    size, queries = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 8))
    x, y = (data.draw(arrays(np.float64, size, elements=PLACES)) for _ in range(2))
    qx, qy = (data.draw(arrays(np.float64, queries, elements=PLACES)) for _ in range(2))
    flags = data.draw(arrays(np.uint64, size, elements=st.integers(0, 3)))
    need = data.draw(arrays(np.uint64, queries, elements=st.integers(0, 3)))
    amounts = data.draw(arrays(np.float64, (size, 2), elements=AMOUNTS))
    least = data.draw(arrays(np.float64, (2, queries), elements=LEAST))
    bars = [sorted(data.draw(st.sets(st.integers(0, size), max_size=4))) for _ in range(queries)]
    barred = Candidates(np.cumsum([0, *map(len, bars)]), np.array([i for b in bars for i in b], dtype=np.int64))
    per_m = data.draw(st.sampled_from([{}, {"b": 0.5}, {"a": 0.0, "b": 1e-3}]))
    terms = Terms({"a": least[0], "b": least[1]}, per_m, barred)
    k, radius = data.draw(st.integers(1, 70)), data.draw(st.sampled_from([np.inf, 0.0, 3.0, 1e4]))
    ids = np.arange(size)[::-1].copy()
    points = Points(x, y, np.arange(size, dtype=np.float64), flags, ids, ids, amounts)
    ask = plain_ask(qx, qy, need, radius_m=radius, fresh=2.0, terms=terms, columns=[0, 1])
    geo = GridGeo()
    geo.move(Positioned(ids, x, y, points.time, flags, {"a": amounts[:, 0], "b": amounts[:, 1]}))
    for _ in range(2):  # all points loose, then all in cells
        assert_same(geo.nearest(qx, qy, k=k, need=need, radius_m=radius, fresh_after_s=2.0, terms=terms), points, ask, k)
        geo.nearest(np.zeros(17), np.zeros(17), k=1)


@pytest.mark.parametrize("layout", list(layouts(1)))
@pytest.mark.parametrize("ranged", [False, True])
def test_thousands_of_points_and_queries_equal_the_plain_search(layout, ranged):
    chance = np.random.default_rng(5)
    place = layouts(5000, seed=5)[layout] + chance.random((5000, 2)) * (layout != "one place")
    flags = np.where(chance.random(5000) < 0.01, 1, 0).astype(np.uint64) | (
        chance.integers(0, 4, 5000).astype(np.uint64) << np.uint64(1)
    )
    amounts = chance.integers(0, 9, (5000, 2)).astype(np.float64) * [1.0, 1000.0]
    points = Points(place[:, 0], place[:, 1], chance.random(5000), flags, chance.permutation(5000), np.arange(5000), amounts)
    asked, need = place[chance.integers(0, 5000, 1500)] + 3.0, chance.integers(0, 8, 1500).astype(np.uint64)
    barred = Candidates(np.arange(1501) * 2, chance.integers(0, 5000, 3000))
    least = {"seats": chance.integers(0, 6, 1500) * 1.0, "range_m": np.full(1500, 1500.0)}
    terms = Terms(least, {"range_m": 1.3}, barred) if ranged else Terms()
    geo = GridGeo(threads=2)
    geo.move(Positioned(points.id, points.x, points.y, points.time, flags, {"seats": amounts[:, 0], "range_m": amounts[:, 1]}))
    hits = geo.nearest(asked[:, 0], asked[:, 1], k=5, need=need, fresh_after_s=0.2, terms=terms)
    ask = plain_ask(asked[:, 0], asked[:, 1], need, fresh=0.2, terms=terms, columns=[0, 1])
    assert_same(hits, points, ask, 5, step=10)


@given(
    st.lists(st.tuples(st.floats(-50, 50), st.integers(0, 3), st.integers(0, 3), AMOUNTS), min_size=2, max_size=40),
    st.integers(0, 3),
    st.integers(0, 3),
)
def test_sifting_keeps_whom_plain_sifting_keeps_and_each_in_its_cell(rows, need, fresh):
    size = len(rows)
    x = np.array([np.nan if i > 1 and f == 3 and t == 0 else x for i, (x, f, t, _) in enumerate(rows)], dtype=np.float64)
    flags, time = np.array([r[1] for r in rows], dtype=np.uint64), np.array([r[2] for r in rows], dtype=np.float64)
    amounts = np.array([r[3] for r in rows], dtype=np.float64).reshape(-1, 1)
    points = Points(x, np.arange(float(size)), time, flags, np.arange(size), np.arange(size), amounts)
    half = np.flatnonzero(~np.isnan(x[: size // 2 + 1]))
    columns, low = np.array([0]), np.array([1.0])
    lay = room(size, 1)
    grid = build(points, half, columns, lay)
    for old, new in zip(lay, points):
        old[len(half) : len(half) + size - size // 2 - 1] = new[size // 2 + 1 :]
    used = len(half) + size - size // 2 - 1
    new, start = room(size, 1), np.empty(len(grid.start), dtype=np.int64)
    order, chosen = by_cell(lay, grid, len(half), used), Chosen(np.uint64(need), float(fresh), columns, low)
    kept = sift(lay, order, chosen, new, start, lambda work, rows, grain: spread(work, rows, grain=grain))
    assert start[-1] == kept
    assert sorted(new.id[:kept].tolist()) == sift_plain(lay, used, np.uint64(need), float(fresh), columns, low).tolist()
    for c in range(len(start) - 1):
        assert all(cell_of(grid, new.x[p], new.y[p]) == c for p in range(start[c], start[c + 1]))


def test_an_answer_does_not_depend_on_the_batch():
    place = layouts(3000, seed=8)["clustered"]
    geo = GridGeo()
    geo.move(Positioned(np.arange(3000), place[:, 0], place[:, 1], np.zeros(3000)))
    whole = geo.nearest(place[:2000, 0], place[:2000, 1], k=8)
    alone = [geo.nearest(place[q : q + 1, 0], place[q : q + 1, 1], k=8) for q in range(0, 2000, 50)]
    for q, hits in zip(range(0, 2000, 50), alone):
        assert hits.ids.tolist() == whole.ids[8 * q : 8 * q + 8].tolist()


def test_threads_that_move_and_search_at_once_see_whole_batches_only():
    geo, size = GridGeo(), 2000
    ids, still = np.arange(size), np.zeros(size)

    def drive(turn: int) -> None:
        geo.move(Positioned(ids, np.full(size, float(turn)), still, np.full(size, float(turn))))

    def look(_: int) -> set[float]:
        return set(geo.nearest(np.zeros(600), np.zeros(600), k=3).scores.tolist())

    drive(0)
    with ThreadPoolExecutor(4) as pool:
        moves = [pool.submit(drive, turn) for turn in range(1, 20)]
        seen = list(pool.map(look, range(20)))
        for done in moves:
            done.result()
    assert all(len(distances) == 1 for distances in seen)


def test_a_fleet_that_keeps_moving_does_not_grow():
    geo, chance = GridGeo(), np.random.default_rng(0)
    for turn in range(60):
        xy = chance.random((500, 2)) * 1e4
        geo.move(Positioned(np.arange(500), xy[:, 0], xy[:, 1], np.full(500, float(turn))))
        geo.nearest(xy[:1, 0], xy[:1, 1], k=1)
    assert len(geo) == 500
    assert len(geo._lay.points.id) <= 4000


def test_ids_that_come_and_go_do_not_fill_the_table():
    geo = GridGeo()
    for turn in range(200):
        ids = np.arange(turn * 100, turn * 100 + 100)
        geo.move(Positioned(ids, np.zeros(100), np.zeros(100), np.zeros(100)))
        geo.remove(ids[:-1] if turn == 199 else ids)
    assert len(geo) == 1
    assert len(geo._table.id) <= 2048
    assert geo.nearest(np.zeros(1), np.zeros(1), k=5).ids.tolist() == [19999]


def test_extreme_ids_are_ids():
    geo, ids = GridGeo(), np.array([-(2**63), 2**63 - 1, 0, -1])
    geo.move(Positioned(ids, np.arange(4.0), np.zeros(4), np.zeros(4)))
    assert geo.nearest(np.zeros(1), np.zeros(1), k=9).ids.tolist() == ids.tolist()


def test_what_is_wrong_is_named():
    geo = GridGeo()
    with pytest.raises(BadInput, match=r"x_m\[1\] is 2e\+08; wanted a finite number within 1e\+08 m"):
        geo.move(Positioned(np.arange(2), np.array([0.0, 2e8]), np.zeros(2), np.zeros(2)))
    with pytest.raises(BadInput, match="whole numbers"):
        geo.move(Positioned(np.array([1.5]), np.zeros(1), np.zeros(1), np.zeros(1)))
    with pytest.raises(BadInput, match="threads"):
        GridGeo(threads=-1)


def test_the_densest_and_the_emptiest_places_cost_no_error():
    tiny = np.array([5e-324, 0.0, 1e-310, 3e-200])
    geo = GridGeo()
    geo.move(Positioned(np.arange(4), tiny, tiny[::-1].copy(), np.zeros(4)))
    far = np.array([1e8, -1e8, 0.0])
    for _ in range(3):
        assert geo.nearest(far, far[::-1].copy(), k=4).offsets.tolist() == [0, 4, 8, 12]
        geo.nearest(np.zeros(50), np.zeros(50), k=1)
