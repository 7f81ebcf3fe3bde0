"""The exam of the Jobs port: the same result for any number of partitions, in order, and a failure by its number."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rialto.errors import BadInput, EngineError
from rialto.ports import Jobs

__all__ = ["JobsExam"]


def squares(part: NDArray[np.int64]) -> int:
    """The sum of squares of a part: work that any process can import."""
    return int((part**2).sum())


def seven_fails(part: int) -> int:
    """Work that fails for 7."""
    if part == 7:
        raise ZeroDivisionError("seven is not to be had")
    return part


def untouched(part: list[int]) -> list[int]:
    """Work that changes its part, which only a copy survives in another process."""
    return [*part, 1]


class JobsExam:
    """Subclass it, and say how to `open` your engine."""

    def open(self) -> Jobs:
        """An engine that is ready."""
        raise NotImplementedError

    def test_is_a_jobs_engine(self) -> None:
        assert isinstance(self.open(), Jobs)

    def test_same_result_for_any_number_of_partitions(self) -> None:
        values, jobs = np.arange(1000), self.open()
        totals = {sum(jobs.map(squares, np.array_split(values, parts))) for parts in (1, 3, 8)}
        assert totals == {int((values**2).sum())}

    def test_results_stand_in_the_order_of_the_parts(self) -> None:
        assert self.open().map(seven_fails, [3, 1, 2, 1]) == [3, 1, 2, 1]

    def test_no_parts_give_no_results(self) -> None:
        assert self.open().map(squares, []) == []

    def test_part_is_not_changed(self) -> None:
        part = [5]
        assert self.open().map(untouched, [part, part]) == [[5, 1], [5, 1]] and part == [5]

    def test_failed_part_fails_the_job_with_its_number_and_cause(self) -> None:
        with pytest.raises(EngineError, match=r"part 2 .*ZeroDivisionError.*not to be had"):
            self.open().map(seven_fails, [1, 2, 7, 7])

    def test_engine_works_again_after_a_failure(self) -> None:
        jobs = self.open()
        with pytest.raises(EngineError):
            jobs.map(seven_fails, [7])
        assert jobs.map(seven_fails, [1]) == [1]

    def test_work_that_cannot_travel_is_refused(self) -> None:
        with pytest.raises(BadInput, match="top of a module"):
            self.open().map(lambda part: part, [1])
