"""Ray's workers: what is absent or wrong is told before a cluster is begun. That a killed actor costs no order is tested in `app`."""

from __future__ import annotations

import sys

import pytest

from rialto.adapters.ray import RayHosts
from rialto.errors import BadInput, EngineMissing


def test_without_ray_the_answer_is_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EngineMissing, match=r"rialto\[ray\]"):
        RayHosts()


@pytest.mark.parametrize("wrong", [{"cpus": -1}, {"memory_mb": -5}, {"actor_cpus": -0.5}])
def test_numbers_below_zero_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(BadInput, match="0 or more"):
        RayHosts(**wrong)
