"""Pickup seconds are the engine's, corrected by hour."""

from __future__ import annotations

import socket
from collections.abc import Callable

import numpy as np
import pytest

from rialto.adapters.osrm import OsrmTimes
from rialto.errors import BadInput
from rialto.local.travel import GreatCircle
from rialto.match.pipeline import Dispatch
from rialto.match.records import Orders
from rialto.match.travel import HourFactors, Travel, hour_of


def test_hours_with_many_trips_get_their_own_factor_and_empty_ones_the_days() -> None:
    at_s = np.repeat([8.5 * 3600.0, 12.5 * 3600.0], 5000)
    predicted = np.full(10_000, 100.0)
    learned = HourFactors.learn(predicted, np.repeat([200.0, 100.0], 5000), at_s)
    assert learned.factor[8] == pytest.approx(2.0, abs=0.01)
    assert learned.factor[12] == pytest.approx(1.0, abs=0.01)
    assert learned.factor[3] == pytest.approx(1.5)


def test_local_time_leads_the_clock() -> None:
    assert hour_of(np.array([0.0, 82_800.0]), offset_s=7200.0).tolist() == [2.0, 1.0]


def test_travel_multiplies_by_the_factor_of_the_hour() -> None:
    factor = np.ones(24)
    factor[1] = 3.0
    travel = Travel(GreatCircle(speed_mps=10.0, factor=1.0), HourFactors(factor))
    start, goal = np.array([[52.0, 13.0]] * 2), np.array([[52.01, 13.0]] * 2)
    seconds = travel.seconds(start, goal, at_s=np.array([0.0, 3600.0]))
    assert seconds[1] == pytest.approx(3.0 * seconds[0])


def test_nothing_learned_from_nothing_or_from_standing_still() -> None:
    nothing = np.zeros(0)
    assert HourFactors.learn(nothing, nothing, nothing).factor.tolist() == [1.0] * 24
    assert HourFactors.learn(np.zeros(3), np.ones(3), np.zeros(3)).factor.tolist() == [1.0] * 24


def test_factor_that_is_not_above_zero_is_refused() -> None:
    with pytest.raises(BadInput, match="24 finite numbers above 0"):
        HourFactors(np.zeros(24))


@pytest.mark.parametrize("silent", [True, False])
def test_a_window_goes_by_the_great_circle_where_the_engine_is_slow_or_away_and_says_so(
    system: Callable[..., Dispatch], place: Callable[..., Orders], silent: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if not silent:
            server.close()
        travel = OsrmTimes.open(f"osrm://127.0.0.1:{port}/driving?timeout_s=0.2")
        outcome = system({1: 500.0, 2: 90.0}, times=travel).window(place([7], [0.0]), at_s=0.0)
        travel.close()
    assert outcome.decisions.ids.tolist() == [2], "the nearer driver"
    assert outcome.trace.fallbacks == ("travel",)
    (step,) = (s for s in outcome.trace.steps if s.name == "travel")
    assert f"OSRM at http://127.0.0.1:{port}" in step.error
