"""A catalogue is looked at once, whoever asks at once, and again when it is another."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rialto.app.inspected import Inspected
from rialto.find.ingest import read_catalogue
from rialto.worlds.shop import make_shop


def test_a_report_is_made_once_for_each_version(tmp_path: Path) -> None:
    one, other = (make_shop(seed=seed, products=20) for seed in (1, 2))
    one.write(tmp_path / "one")
    other.write(tmp_path / "other")
    first, second = (read_catalogue(str(tmp_path / name / "catalogue.jsonl")).catalogue for name in ("one", "other"))
    inspected = Inspected()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(inspected.of, [first] * 8))
    assert all(f is found[0] for f in found) and found[0].products == len(first)
    assert inspected.of(second) is not found[0]
