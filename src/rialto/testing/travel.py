"""The exam of TravelTimes: seconds, never negative, zero from a place to itself; what is no place is refused."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.ports import TravelTimes

__all__ = ["TravelTimesExam"]


def _times(trips: int) -> NDArray[np.float64]:
    """A start every hour and a half, shape (trips,)."""
    return np.array([5400.0 * trip for trip in range(trips)])


class TravelTimesExam:
    """Tests that every TravelTimes passes; a subclass gives `open()`, and `places` where the engine knows one area only."""

    places: NDArray[np.float64] = np.array([[40.70, -74.01], [40.75, -73.98], [40.80, -73.95], [40.72, -74.00]])
    """Latitude and longitude of places that the engine can drive between, shape (places, 2), no two alike."""

    def open(self) -> TravelTimes:
        """The engine."""
        raise NotImplementedError("an exam of TravelTimes needs open(), which returns the engine")

    def _pairs(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        a, b = np.divmod(np.arange(len(self.places) ** 2), len(self.places))
        return self.places[a], self.places[b]

    def test_times_are_finite_seconds_and_never_negative(self) -> None:
        start, goal = self._pairs()
        took = self.open().seconds(start, goal, at_s=_times(len(start)))
        assert took.shape == (len(start),)
        assert took.dtype == np.float64
        assert np.isfinite(took).all()
        assert (took >= 0.0).all()

    def test_a_place_is_zero_seconds_from_itself(self) -> None:
        assert self.open().seconds(self.places, self.places, at_s=np.zeros(len(self.places))).tolist() == [0.0] * len(self.places)

    def test_another_place_takes_time_at_no_more_than_a_hundred_metres_a_second(self) -> None:
        start, goal = self._pairs()
        flat = np.radians(goal - start) * np.stack((np.ones(len(start)), np.cos(np.radians(start[:, 0]))), axis=1)
        far = 6_371_000.0 * np.hypot(flat[:, 0], flat[:, 1])
        assert (self.open().seconds(start, goal, at_s=np.zeros(len(start))) >= far / 100.0).all()

    def test_a_batch_equals_its_trips_one_by_one(self) -> None:
        start, goal = self._pairs()
        at_s = _times(len(start))
        travel = self.open()
        whole = travel.seconds(start, goal, at_s=at_s)
        for i in range(len(start)):
            alone = travel.seconds(start[i : i + 1], goal[i : i + 1], at_s=at_s[i : i + 1])
            assert alone.tolist() == whole[i : i + 1].tolist()

    def test_no_trips_take_no_time(self) -> None:
        assert self.open().seconds(np.zeros((0, 2)), np.zeros((0, 2)), at_s=np.zeros(0)).shape == (0,)

    @pytest.mark.parametrize("wrong", [np.nan, np.inf, 500.0])
    def test_what_is_no_place_is_refused(self, wrong: float) -> None:
        with pytest.raises(BadInput):
            self.open().seconds(self.places[:1], np.array([[wrong, 0.0]]), at_s=np.zeros(1))
        with pytest.raises(BadInput):
            self.open().seconds(np.array([[0.0, wrong]]), self.places[:1], at_s=np.zeros(1))

    def test_other_shapes_and_times_are_refused(self) -> None:
        travel = self.open()
        with pytest.raises(BadInput):
            travel.seconds(self.places[:2], self.places[:1], at_s=np.zeros(2))
        with pytest.raises(BadInput):
            travel.seconds(self.places[:, 0], self.places[:, 0], at_s=np.zeros(len(self.places)))
        with pytest.raises(BadInput):
            travel.seconds(self.places[:1], self.places[:1], at_s=np.zeros(2))
        with pytest.raises(BadInput):
            travel.seconds(self.places[:1], self.places[:1], at_s=np.array([np.nan]))
