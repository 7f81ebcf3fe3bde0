"""`rialto find quality` and `rialto find update`: findings and changes, as sentences and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from rialto.cli.find import app
from rialto.errors import BadInput

ROWS = [
    {"id": str(n), "title": f"{colour} lamp number {n}", "price": 20.5 + n} for n, colour in enumerate(("Red", "Blue", "Green"))
]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RIALTO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RIALTO_ENCODER", "static://")
    monkeypatch.setenv("RIALTO_CROSS", "none://")
    monkeypatch.setenv("COLUMNS", "200")
    file = tmp_path / "catalogue.jsonl"
    file.write_text("".join(json.dumps(r) + "\n" for r in ROWS))
    return file


def run(*args: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in args], catch_exceptions=False)


def told(*args: object) -> Any:
    return json.loads(run(*args, "--json").stdout)


def test_quality_prints_findings_and_gives_them_as_json(file: Path) -> None:
    file.write_text(file.read_text() + '{"id": "9", "title": "<b>x</b>", "price": 0}\n{"id": "", "title": "y"}\n')
    printed = run("quality", file).stdout
    assert "4 products, 1 rows rejected" in printed and "cost nothing" in printed and "have markup" in printed
    found = told("quality", file)
    assert (found["products"], len(found["rejected"]), found["findings"][0]["products"]) == (4, 1, ["9"])


def test_update_changes_the_kept_index_that_search_opens(file: Path, tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text("id,title,price\n7,Velvet sofa,99.00\n1,Blue chair,12.00\n8,,1.00\n")
    found = told("update", "--catalogue", file, "--upsert", tmp_path / "more.csv", "--remove", "0,55")
    assert (found["added"], found["replaced"], found["removed"], found["unknown"], found["products"]) == (1, 1, 1, ["55"], 3)
    assert found["rejected"] == ["row 3, field 'title': got ''; wanted text that is not empty."]
    results = told("search", "velvet sofa", "--catalogue", file)["results"]
    assert results[0]["product"]["id"] == "7" and results[0]["product"]["price_cents"] == 9900
    assert "0" not in [r["product"]["id"] for r in told("search", "lamp", "--catalogue", file)["results"]]


def test_ids_to_remove_may_stand_in_a_file(file: Path, tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("0\n2\n\n")
    assert "2 removed; 1 products now" in run("update", "--catalogue", file, "--remove", tmp_path / "ids.txt").stdout


def test_update_without_anything_to_do_says_so(file: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--upsert FILE, --remove IDS"):
        run("update", "--catalogue", file)
    (tmp_path / "none.jsonl").write_text("")
    with pytest.raises(BadInput, match="has no rows"):
        run("update", "--catalogue", file, "--upsert", tmp_path / "none.jsonl")


def test_a_shown_mapping_may_be_edited_and_given_back(file: Path, tmp_path: Path) -> None:
    shown = json.loads(run("index", file, "--show-mapping").stdout)
    assert (shown["title"], shown["price"], shown["price_unit"]) == ("title", "price", "units")
    (tmp_path / "map.json").write_text(json.dumps({**shown, "price_unit": "cents"}))
    page = told("search", "red lamp", "--catalogue", file, "--mapping", tmp_path / "map.json")
    assert page["results"][0]["product"]["price_cents"] in (20, 21)
