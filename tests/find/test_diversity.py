"""The codes that diversity reads are made on first use, whoever comes first; its kernel equals its plain version."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import cast

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rialto.find.catalogue import Catalogue
from rialto.find.diversity import caps, within, within_plain
from rialto.records import Requests


class Slow:
    """A catalogue that is found to be read while its categories are still being coded."""

    def __init__(self) -> None:
        self.began, self.go_on = Event(), Event()

    def text(self, name: str) -> NDArray[np.str_]:
        if name == "category":
            self.began.set()
            self.go_on.wait(2.0)
        return np.array(["a", "b"])


def test_searches_that_come_first_at_the_same_time_all_find_the_codes() -> None:
    slow = Slow()
    order = caps(cast("Catalogue", slow))
    asked, rows, scores = Requests.of({"q": np.array(["x"])}, ids=np.array([1])), np.arange(2), np.array([2.0, 1.0])
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(order, asked, 0, rows, scores)
        assert slow.began.wait(5.0)
        second = pool.submit(order, asked, 0, rows, scores)
        slow.go_on.set()
        assert first.result(5.0).tolist() == second.result(5.0).tolist() == [0, 1]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 2), st.integers(0, 20))
def test_places_within_limits_are_given_as_without_a_kernel(seed: int, limits: int, candidates: int) -> None:
    rng = np.random.default_rng(seed)
    codes, most = rng.integers(-1, 4, (limits, candidates)), rng.integers(0, 4, limits)
    page = int(rng.integers(0, candidates + 1))
    assert within(codes, most, page).tolist() == within_plain(codes, most, page).tolist()
