"""AreaCircle passes the exam of TravelTimes, its kernel agrees with plain numpy, and it learns what hours and areas are slow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.errors import BadInput, NothingHere
from rialto.local.travel import GreatCircle
from rialto.local.travel_areas import AreaCircle, Areas, open_areas, seconds_plain
from rialto.testing.travel import TravelTimesExam

ORIGIN = np.array([40.70, -74.02])
STEP = np.array([0.02, 0.02])


def areas(origin: tuple[float, float] = (40.70, -74.02)) -> Areas:
    """Three by four cells, each with its factors."""
    factor = np.random.default_rng(4).uniform(1.0, 3.0, (24, 3, 4)).astype(np.float32)
    return Areas(origin, (0.02, 0.02), factor, np.linspace(1.0, 2.0, 24))


def drives(trips: int = 40_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Drives of a town whose east is twice as slow as its west, and slower at eight."""
    chance = np.random.default_rng(seed)
    start = ORIGIN + STEP * chance.uniform(0.0, 3.0, (trips, 2))
    goal = start + chance.normal(scale=0.004, size=(trips, 2))
    at_s = chance.uniform(0.0, 86_400.0 * 7, trips)
    truth = np.where((start + goal)[:, 1] / 2.0 > ORIGIN[1] + 0.03, 2.4, 1.2) * np.where(at_s // 3600 % 24 == 8, 1.5, 1.0)
    took = GreatCircle(speed_mps=8.0, factor=1.0).seconds(start, goal, at_s=at_s) * truth
    return start, goal, took, at_s


class TestAreaCircle(TravelTimesExam):
    def open(self) -> AreaCircle:
        return AreaCircle(areas())


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(*[st.floats(-0.3, 0.3)] * 4, st.floats(-1e9, 4e9)), min_size=1, max_size=20),
    st.sampled_from([(40.70, -74.02), (0.0, 179.97), (-60.0, -179.99)]),
)
def test_the_kernel_agrees_with_the_sphere(rows: list[tuple[float, ...]], origin: tuple[float, float]) -> None:
    travel = AreaCircle(areas(origin), speed_mps=9.0, utc_offset_s=-3600.0)
    table = np.array(rows)
    start, goal = (np.array(origin) + 0.02 + part for part in (table[:, :2], table[:, 2:4]))
    for ends in (start, goal):
        ends[:, 1] = (ends[:, 1] + 180.0) % 360.0 - 180.0
    found, wanted = travel.seconds(start, goal, at_s=table[:, 4]), seconds_plain(travel, start, goal, table[:, 4])
    assert found == pytest.approx(wanted, rel=2e-4, abs=1e-6)


def test_far_drives_and_other_areas_have_the_hours_factor() -> None:
    travel = AreaCircle(areas(), speed_mps=10.0)
    start, goal = np.array([[0.0, 0.0], [10.0, 10.0]]), np.array([[40.0, 100.0], [10.0, 10.1]])
    plain = GreatCircle(speed_mps=10.0, factor=np.linspace(1.0, 2.0, 24)).seconds(start, goal, at_s=np.full(2, 7200.0))
    assert travel.seconds(start, goal, at_s=np.full(2, 7200.0)) == pytest.approx(plain, rel=1e-4)


def test_slow_areas_and_hours_are_learned_from_drives_wild_ones_among_them() -> None:
    start, goal, took, at_s = drives()
    noisy = took * np.random.default_rng(1).lognormal(0.0, 0.3, len(took))
    noisy[:200] *= 100.0
    learned = AreaCircle.learn(start, goal, noisy, at_s, cell_m=500.0)
    by_hour = GreatCircle(speed_mps=8.0).fit(start, goal, noisy, at_s)
    new_start, new_goal, truth, when = drives(seed=9)
    error, coarse = (np.abs(e.seconds(new_start, new_goal, at_s=when) / truth - 1.0).mean() for e in (learned, by_hour))
    assert error < 0.12
    assert coarse > 0.3, "the hour alone cannot know the area"


def test_an_hour_and_area_without_drives_have_what_is_known_of_both() -> None:
    start, goal, took, at_s = drives()
    kept = ~((at_s // 3600 % 24 == 8) & (start[:, 1] > ORIGIN[1] + 0.02))
    learned = AreaCircle.learn(start[kept], goal[kept], took[kept], at_s[kept], cell_m=2000.0)
    there = np.array([[40.73, ORIGIN[1] + 0.055]])
    at_eight, at_noon = (learned.seconds(there, there + 0.004, at_s=np.array([h * 3600.0]))[0] for h in (8.5, 12.5))
    assert 1.15 < at_eight / at_noon < 1.6, "eight was slower in the west"


def test_what_was_learned_is_kept_as_bytes_and_opened_from_a_file(tmp_path: Path) -> None:
    start, goal, took, at_s = drives(2000)
    learned = AreaCircle.learn(start, goal, took, at_s, speed_mps=11.0, utc_offset_s=3600.0)
    (tmp_path / "areas").write_bytes(learned.save())
    again = open_areas(tmp_path / "areas")
    assert again.seconds(start, goal, at_s=at_s).tolist() == learned.seconds(start, goal, at_s=at_s).tolist()
    with pytest.raises(NothingHere, match="not there"):
        open_areas(tmp_path / "none")


def test_bytes_that_are_damaged_are_refused() -> None:
    body = AreaCircle(areas()).save()
    for wrong in (b"", b"PK", body[:100], body[: len(body) // 2], body[:80] + bytes(40) + body[120:]):
        with pytest.raises(BadInput):
            AreaCircle.load(wrong)


def test_factors_and_drives_that_teach_nothing_are_refused() -> None:
    with pytest.raises(BadInput, match="above 0"):
        Areas((0.0, 0.0), (0.1, 0.1), np.zeros((24, 1, 1), dtype=np.float32), np.ones(24))
    with pytest.raises(BadInput, match="24, rows, columns"):
        Areas((0.0, 0.0), (0.1, 0.1), np.ones((23, 1, 1), dtype=np.float32), np.ones(24))
    with pytest.raises(BadInput, match="speed above 0"):
        AreaCircle(areas(), speed_mps=0.0)
    place = np.full((2, 2), 40.0)
    with pytest.raises(BadInput, match="leave their place"):
        AreaCircle.learn(place, place, np.ones(2), np.zeros(2))
    with pytest.raises(BadInput, match="duration above 0"):
        AreaCircle.learn(place, place + 0.01, np.array([1.0, np.nan]), np.zeros(2))
