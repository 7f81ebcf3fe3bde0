"""Terms of a fleet: each is kept once, and a large batch is taken at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rialto.app.terms import Terms
from rialto.local.events import LocalEvents
from rialto.match.records import Plane


def test_of_a_large_batch_of_pay_each_key_counts_once(tmp_path: Path) -> None:
    log, size = LocalEvents(tmp_path, sync=False), 100_000
    terms = Terms(log, Plane(52.5, 13.4))
    keys = [f"trip {i % (size // 2)}" for i in range(size)]
    ones = np.ones(size, dtype=np.int64)
    new = terms.earn(keys, ones, ones, at_s=1.0)
    assert new[: size // 2].all() and not new[size // 2 :].any()
    assert not Terms(log, Plane(52.5, 13.4)).earn(keys[:10], ones[:10], ones[:10], at_s=2.0).any()
    log.close()
