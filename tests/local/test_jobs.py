"""InProcessJobs and PoolJobs against the exam, and what happens when a process dies."""

from __future__ import annotations

import os
import sys

import pytest

from rialto.errors import BadInput, EngineError
from rialto.local.jobs import InProcessJobs, PoolJobs
from rialto.testing.jobs import JobsExam


class TestInProcess(JobsExam):
    def open(self):
        return InProcessJobs()


class TestPool(JobsExam):
    def open(self):
        return PoolJobs(2)


def test_process_that_dies_fails_the_job():
    with pytest.raises(EngineError, match="part 0"):
        PoolJobs(1).map(os._exit, [3])


def test_result_that_cannot_travel_fails_the_job():
    with pytest.raises(EngineError, match="part 0"):
        PoolJobs(1).map(sys._getframe, [0])


def test_pool_without_processes_is_refused():
    with pytest.raises(BadInput, match="processes"):
        PoolJobs(0)
