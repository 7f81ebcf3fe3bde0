"""The made-up day of meals: equal seeds give equal days, and it has what days have."""

from __future__ import annotations

import numpy as np
import pytest

from rialto.errors import BadInput
from rialto.worlds.courier_day import make_courier_day


def test_equal_arguments_make_equal_days_and_other_seeds_others() -> None:
    (one, crew), (two, same), (other, _) = (make_courier_day(seed=s, orders=80) for s in (1, 1, 2))
    assert all(np.array_equal(one[k], two[k]) for k in one) and all(np.array_equal(crew[k], same[k]) for k in crew)
    assert not np.array_equal(one["placed_s"], other["placed_s"])


def test_day_has_peaks_kitchens_that_take_time_and_about_the_couriers_asked_for() -> None:
    orders, couriers = make_courier_day(seed=3, orders=1000, orders_a_courier_hour=2.5)
    hour = orders["placed_s"] // 3600.0
    assert np.sum(hour == 19) > 3 * np.sum(hour == 15)
    assert 600.0 < np.median(orders["ready_s"] - orders["placed_s"]) < 1500.0
    hours = float(np.sum(couriers["off_s"] - couriers["on_s"])) / 3600.0
    assert 400.0 <= hours <= 407.0 and np.all(np.diff(couriers["on_s"]) >= 0.0)


def test_busy_restaurants_have_many_orders() -> None:
    orders, _ = make_courier_day(seed=3, orders=1000, restaurants=50)
    _, counts = np.unique(orders["pickup_x_m"], return_counts=True)
    assert len(counts) <= 50 and np.sort(counts)[-10:].sum() > 400


@pytest.mark.parametrize("wrong", [{"orders": 0}, {"restaurants": 0}, {"radius_m": 0.0}, {"prep_s": float("nan")}])
def test_sizes_that_make_no_day_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadInput, match="above 0"):
        make_courier_day(seed=1, **wrong)  # type: ignore[arg-type]
