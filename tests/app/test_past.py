"""What was asked before: queries of a file and of the log are joined, and words of one person alone are kept from others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rialto.app.engines import Engines
from rialto.app.past import joined, past_of, queries_beside
from rialto.config import Settings
from rialto.find.behaviour import Behaviour


def behaviour(texts: dict[str, tuple[float, float]]) -> Behaviour:
    """Query -> looks and clicks of product 7; product 8 is looked at half as often."""
    n = len(texts)
    pair = np.zeros((2 * n, 4))
    pair[::2, 0], pair[::2, 1] = [s for s, _ in texts.values()], [c for _, c in texts.values()]
    pair[1::2, 0] = pair[::2, 0] / 2
    return Behaviour(
        until_s=10.0, power=0.5, keys=tuple(" ".join(sorted(t.split())) for t in texts), texts=tuple(texts),
        offsets=np.arange(0, 2 * n + 1, 2), pair_product=np.tile([7, 8], n), pair=pair,
    )  # fmt: skip


def test_the_same_words_are_one_query_written_as_in_the_file() -> None:
    past = joined(
        (("lamp red", "type_colour", 10.0), ("lmap", "typo", 2.0)), behaviour({"red lamp": (5.0, 3.0), "zanzibar": (4.0, 0.0)})
    )
    assert past.queries == (("lamp red", "type_colour", 15.0), ("zanzibar", "logged", 4.0), ("lmap", "typo", 2.0))
    assert past.often == {"lamp red": 15.0, "zanzibar": 4.0}, "what is mistyped is not to be suggested"
    assert past.clicks == {"lamp red": {7: 3.0}}


def test_what_was_asked_once_or_twice_is_not_shown_to_others() -> None:
    assert joined((), behaviour({"my own name": (2.0, 2.0)})).queries == ()


def test_shares_count_together_as_much_as_the_log() -> None:
    past = joined((("a", "", 0.3), ("b", "", 0.1)), behaviour({"c": (8.0, 0.0)}))
    assert past.often == {"c": 8.0, "a": pytest.approx(6.0), "b": pytest.approx(2.0)}


def test_a_shop_without_a_log_has_its_file_and_one_without_either_has_nothing(tmp_path: Path) -> None:
    (tmp_path / "queries.csv").write_text("query,frequency,kind\nlamp,3,type\n ,9,\n")
    engines = Engines(Settings(home=tmp_path / "home"))
    assert past_of(engines, str(tmp_path / "shop.csv"), "find.ranker").queries == (("lamp", "type", 3.0),)
    assert past_of(engines, "s3://bucket/shop.csv", "find.ranker").queries == ()
    assert queries_beside(tmp_path / "absent") == ()
    engines.close()
