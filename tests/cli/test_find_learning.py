"""`rialto find learn`: the ranker, completions and the reader of queries learn from a shop's log in one go."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rialto.app.engines import Engines
from rialto.app.shop import open_shop
from rialto.cli.find import app
from rialto.config import load
from rialto.spine.log import DecisionLog, Feedback


def test_what_a_log_teaches_is_told_of_each_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIALTO_HOME", str(tmp_path / "home"))
    things = [("red", "lamp"), ("blue", "lamp"), ("oak", "desk"), ("tall", "chair")]
    (tmp_path / "shop.jsonl").write_text(
        "".join(json.dumps({"id": f"p{n}", "title": " ".join(things[n % 4]) + f" {n}"}) + "\n" for n in range(40))
    )
    catalogue, engines = str(tmp_path / "shop.jsonl"), Engines(load(None))
    shop, log = open_shop(engines, catalogue=catalogue), DecisionLog(engines.events())
    for n in range(6):
        page, outcome = shop.pages.answer("zanzibar lamp", request_id=n + 1, time_s=100.0 + n, undo=("all",))
        log.write([outcome])
        log.write_feedback([Feedback("click", n + 1, page.results[0].product.number, 1.0, 101.0 + n)])
    shop.search.close()
    engines.close()

    made = CliRunner().invoke(app, ["learn", "--catalogue", catalogue, "--json"])
    assert made.exit_code == 0, made.exception
    told = json.loads(made.stdout)
    assert not told["passed"] and "too little" in told["suggestions"]["reason"]
    assert told["reader"] == {"kept": True, "queries": 1, "clicked": told["reader"]["clicked"], "difference": None}
    again = Engines(load(None))
    shop = open_shop(again, catalogue=catalogue)
    reader = shop.search.fittings.reader
    assert reader is not None and "zanzibar" in reader.speller.lexicon.index, "whoever opens the shop next reads with it"
    assert [s.text for s in shop.pages.suggest("zan")][:1] == ["zanzibar lamp"]
    shop.search.close()
    again.close()
