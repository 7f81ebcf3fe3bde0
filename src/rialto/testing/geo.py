"""The exam of GeoIndex: exact nearest among the eligible on every kind of layout, moves in order of time, stale points gone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.ports import GeoIndex, Hits, Positioned, Terms
from rialto.records import Candidates

__all__ = ["GeoIndexExam", "layouts", "nearest_plain"]

NOWHERE = np.zeros(0)


def layouts(points: int, *, seed: int = 0) -> dict[str, NDArray[np.float64]]:
    """Places by name of layout, shape (points, 2) each, whole metres, so that squared distances are exact and ties are common."""
    chance = np.random.default_rng(seed)
    knots = chance.integers(-9000, 9000, (5, 2)).astype(np.float64)
    spread = np.array([3.0, 20.0, 150.0, 700.0, 40.0])
    at = chance.integers(0, 5, points)
    line = np.zeros((points, 2))
    line[:, 0] = chance.integers(-5000, 5000, points)
    lost = chance.integers(0, 300, (points, 2)).astype(np.float64)
    lost[: points // 50 + 1] = chance.integers(-50_000_000, 50_000_000, (points // 50 + 1, 2))
    return {
        "uniform": chance.integers(-5000, 5000, (points, 2)).astype(np.float64),
        "clustered": np.rint(knots[at] + chance.normal(size=(points, 2)) * spread[at, np.newaxis]),
        "duplicates": chance.integers(0, 4, (points, 2)).astype(np.float64),
        "one place": np.full((points, 2), 17.0),
        "a line": line,
        "a few far away": lost,
    }


def nearest_plain(
    points: Positioned, x: float, y: float, *, k: int, need: int = 0, radius_m: float = np.inf, fresh_after_s: float = -np.inf
) -> tuple[list[int], list[float]]:
    """The answer to one query by looking at every point: ids, and distances in metres."""
    far2 = (points.x_m - x) ** 2 + (points.y_m - y) ** 2
    flags = points.flags if len(points.flags) else np.zeros(len(points.ids), dtype=np.uint64)
    fits = ((flags & np.uint64(need)) == need) & (points.time_s >= fresh_after_s) & (far2 <= radius_m**2)
    rows = np.flatnonzero(fits)
    rows = rows[np.lexsort((points.ids[rows], far2[rows]))][:k]
    return points.ids[rows].tolist(), np.sqrt(far2[rows]).tolist()


def _at(ids: list[int], x: list[float], *, time_s: float | list[float] = 0.0, flags: list[int] | None = None) -> Positioned:
    """Points on the x axis."""
    times = np.broadcast_to(np.asarray(time_s, dtype=np.float64), (len(ids),))
    bits = np.zeros(len(ids), dtype=np.uint64) if flags is None else np.array(flags, dtype=np.uint64)
    return Positioned(np.array(ids, dtype=np.int64), np.array(x, dtype=np.float64), np.zeros(len(ids)), times, bits)


def _answer(hits: Hits, query: int) -> tuple[list[int], list[float]]:
    rows = slice(int(hits.offsets[query]), int(hits.offsets[query + 1]))
    return hits.ids[rows].tolist(), hits.scores[rows].tolist()


class GeoIndexExam:
    """Tests that every GeoIndex passes; a subclass gives `open()`, which returns an empty index."""

    def open(self) -> GeoIndex:
        """An empty index; each test opens one and closes it."""
        raise NotImplementedError("an exam of GeoIndex needs open(), which returns an empty index")

    @pytest.mark.parametrize("layout", list(layouts(1)))
    @pytest.mark.parametrize("size", [1, 7, 900])
    def test_the_nearest_are_those_that_looking_at_every_point_finds(self, layout: str, size: int) -> None:
        chance = np.random.default_rng(size)
        place = layouts(size, seed=size)[layout]
        ids = chance.choice(2**62, size, replace=False) - 2**61
        points = Positioned(ids, place[:, 0], place[:, 1], chance.random(size), chance.integers(0, 8, size).astype(np.uint64))
        asked = np.concatenate((place[chance.integers(0, size, 20)], layouts(20, seed=2)["uniform"]))
        need = chance.choice([0, 1, 2, 5], 40).astype(np.uint64)
        geo = self.open()
        assert geo.move(points).all()
        hits = geo.nearest(asked[:, 0], asked[:, 1], k=8, need=need, radius_m=4000.0, fresh_after_s=0.3)
        for q in range(40):
            wanted = nearest_plain(points, *asked[q].tolist(), k=8, need=int(need[q]), radius_m=4000.0, fresh_after_s=0.3)
            found = _answer(hits, q)
            assert found[0] == wanted[0]
            assert np.allclose(found[1], wanted[1])
        geo.close()

    def test_equally_near_points_come_in_order_of_id(self) -> None:
        geo = self.open()
        geo.move(_at([9, 3, 7], [5.0, -5.0, 5.0]))
        assert geo.nearest(np.zeros(1), np.zeros(1), k=2).ids.tolist() == [3, 7]
        geo.close()

    def test_k_eligible_points_come_back_however_many_others_are_nearer(self) -> None:
        geo = self.open()
        geo.move(_at(list(range(500)), [float(i) for i in range(500)], flags=[1 if i in (400, 450) else 2 for i in range(500)]))
        assert geo.nearest(np.zeros(1), np.zeros(1), k=2, need=np.ones(1, dtype=np.uint64)).ids.tolist() == [400, 450]
        geo.close()

    def test_a_point_that_moved_is_found_where_it_is_and_nowhere_else(self) -> None:
        geo = self.open()
        geo.move(_at([1, 2], [0.0, 1000.0]))
        assert geo.move(_at([1], [2000.0], time_s=1.0)).tolist() == [True]
        found = geo.nearest(np.array([0.0, 2000.0]), np.zeros(2), k=2)
        assert found.ids.tolist() == [2, 1, 1, 2]
        assert found.scores.tolist() == [1000.0, 2000.0, 0.0, 1000.0]
        geo.close()

    def test_an_older_position_is_refused(self) -> None:
        geo = self.open()
        geo.move(_at([1], [10.0], time_s=5.0))
        assert geo.move(_at([1, 2], [99.0, 50.0], time_s=4.0)).tolist() == [False, True]
        assert geo.nearest(np.zeros(1), np.zeros(1), k=1).scores.tolist() == [10.0]
        geo.close()

    def test_the_later_row_wins_at_equal_time(self) -> None:
        geo = self.open()
        assert geo.move(_at([1, 1, 1], [10.0, 20.0, 30.0], time_s=[5.0, 5.0, 4.0])).tolist() == [True, True, False]
        found = geo.nearest(np.zeros(1), np.zeros(1), k=9)
        assert (found.ids.tolist(), found.scores.tolist()) == ([1], [20.0])
        geo.close()

    def test_stale_points_are_not_found(self) -> None:
        geo = self.open()
        geo.move(_at([1, 2], [1.0, 2.0], time_s=[10.0, 20.0]))
        assert geo.nearest(np.zeros(1), np.zeros(1), k=2, fresh_after_s=20.0).ids.tolist() == [2]
        geo.close()

    def test_a_removed_point_is_gone_and_may_come_back_with_any_time(self) -> None:
        geo = self.open()
        geo.move(_at([1, 2], [1.0, 2.0], time_s=10.0))
        geo.remove(np.array([1, 12345]))
        assert geo.nearest(np.zeros(1), np.zeros(1), k=2).ids.tolist() == [2]
        assert geo.move(_at([1], [3.0], time_s=1.0)).tolist() == [True]
        assert geo.nearest(np.zeros(1), np.zeros(1), k=2).ids.tolist() == [2, 1]
        geo.close()

    def test_many_rounds_of_moves_and_removals_leave_what_a_plain_list_holds(self) -> None:
        chance = np.random.default_rng(3)
        geo, held = self.open(), dict[int, tuple[float, float]]()
        for turn in range(12):
            ids = chance.choice(300, 120, replace=False)
            xy = chance.integers(-200, 200, (120, 2)).astype(np.float64)
            geo.move(Positioned(ids, xy[:, 0], xy[:, 1], np.full(120, float(turn))))
            held.update({int(i): (float(p[0]), float(p[1])) for i, p in zip(ids, xy)})
            gone = chance.choice(300, 20, replace=False)
            geo.remove(gone)
            for i in gone.tolist():
                held.pop(i, None)
            left = np.array(list(held.values())).reshape(-1, 2)
            points = Positioned(np.array(list(held)), left[:, 0], left[:, 1], np.zeros(len(held)))
            hits = geo.nearest(xy[:9, 0], xy[:9, 1], k=6)
            for q in range(9):
                assert _answer(hits, q)[0] == nearest_plain(points, *xy[q].tolist(), k=6)[0]
        geo.close()

    def test_a_point_answers_where_its_amounts_reach_what_is_asked_for(self) -> None:
        geo = self.open()
        seats, weight = np.array([1.0, 4.0, 4.0]), np.array([50.0, 5.0, 50.0])
        geo.move(replace(_at([1, 2, 3], [10.0, 20.0, 30.0]), amounts={"seats": seats, "weight": weight}))
        terms = Terms({"seats": np.array([2.0, 2.0, -np.inf, 5.0]), "weight": np.array([6.0, -np.inf, 50.0, 0.0])})
        hits = geo.nearest(np.zeros(4), np.zeros(4), k=2, terms=terms)
        assert [_answer(hits, q)[0] for q in range(4)] == [[3], [2, 3], [1, 3], []]
        geo.close()

    def test_what_distance_takes_is_asked_for_as_well(self) -> None:
        geo = self.open()
        geo.move(replace(_at([1, 2], [100.0, 200.0]), amounts={"range": np.array([149.0, 300.0])}))
        terms = Terms({"range": np.array([50.0, -np.inf])}, {"range": 1.0})
        hits = geo.nearest(np.zeros(2), np.zeros(2), k=2, terms=terms)
        assert [_answer(hits, q)[0] for q in range(2)] == [[2], [1, 2]]
        geo.close()

    def test_amounts_that_a_move_does_not_name_are_gone_and_those_never_heard_of_are_nobodys(self) -> None:
        geo = self.open()
        geo.move(replace(_at([1, 2], [1.0, 2.0]), amounts={"seats": np.array([4.0, 4.0])}))
        geo.move(_at([1], [1.0]))
        assert geo.nearest(np.zeros(1), np.zeros(1), k=2, terms=Terms({"seats": np.ones(1)})).ids.tolist() == [2]
        assert geo.nearest(np.zeros(1), np.zeros(1), k=2, terms=Terms({"beds": np.zeros(1)})).ids.tolist() == []
        geo.close()

    def test_who_is_barred_from_a_query_answers_the_others(self) -> None:
        geo = self.open()
        geo.move(_at([1, 2, 3], [1.0, 2.0, 3.0]))
        barred = Candidates(np.array([0, 2, 2]), np.array([2, 1]))
        hits = geo.nearest(np.zeros(2), np.zeros(2), k=2, terms=Terms(barred=barred))
        assert [_answer(hits, q)[0] for q in range(2)] == [[3], [1, 2]]
        geo.close()

    def test_an_answer_says_when_each_was_there(self) -> None:
        geo = self.open()
        geo.move(_at([1, 2], [1.0, 2.0], time_s=[5.0, 7.0]))
        assert geo.nearest(np.zeros(1), np.zeros(1), k=2).time_s.tolist() == [5.0, 7.0]
        geo.close()

    def test_terms_that_make_no_sense_are_refused(self) -> None:
        geo = self.open()
        for terms, said in (
            (Terms({"seats": np.array([np.nan])}), "nan"),
            (Terms({"seats": np.zeros(2)}), "rows"),
            (Terms({}, {"seats": 1.0}), "per_m"),
            (Terms({"seats": np.zeros(1)}, {"seats": -1.0}), "per_m"),
            (Terms(barred=Candidates.none(2)), "barred"),
        ):
            with pytest.raises(BadInput, match=said):
                geo.nearest(np.zeros(1), np.zeros(1), k=1, terms=terms)
        with pytest.raises(BadInput, match="seats"):
            geo.move(replace(_at([1], [1.0]), amounts={"seats": np.array([np.nan])}))
        geo.close()

    def test_an_empty_index_or_batch_gives_no_hits(self) -> None:
        geo = self.open()
        assert geo.nearest(np.zeros(2), np.zeros(2), k=3).offsets.tolist() == [0, 0, 0]
        assert geo.move(_at([], [])).tolist() == []
        geo.move(_at([1], [0.0]))
        assert geo.nearest(NOWHERE, NOWHERE, k=3).offsets.tolist() == [0]
        geo.close()

    @pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
    def test_a_place_or_time_that_is_not_finite_is_refused_and_nothing_moves(self, wrong: float) -> None:
        geo = self.open()
        with pytest.raises(BadInput, match="x_m"):
            geo.move(_at([1, 2], [5.0, wrong]))
        with pytest.raises(BadInput, match="time_s"):
            geo.move(_at([1, 2], [5.0, 6.0], time_s=[0.0, wrong]))
        with pytest.raises(BadInput, match="x_m"):
            geo.nearest(np.array([wrong]), np.zeros(1), k=1)
        assert geo.nearest(np.zeros(1), np.zeros(1), k=2).ids.tolist() == []
        geo.close()

    def test_nonsense_is_refused(self) -> None:
        geo = self.open()
        with pytest.raises(BadInput, match="k"):
            geo.nearest(np.zeros(1), np.zeros(1), k=0)
        with pytest.raises(BadInput, match="radius_m"):
            geo.nearest(np.zeros(1), np.zeros(1), k=1, radius_m=-1.0)
        with pytest.raises(BadInput, match="rows"):
            geo.nearest(np.zeros(1), np.zeros(2), k=1)
        with pytest.raises(BadInput, match="rows"):
            geo.move(Positioned(np.array([1]), np.zeros(1), np.zeros(2), np.zeros(1)))
        geo.close()
