"""`rialto find mix` and `rialto find prefer`: two configurations share pages, and clicks say whose results are wanted."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from rialto.cli.find import app


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("interleave")
    lines = [
        {"id": f"p{n}", "title": f"{['red', 'blue', 'oak'][n % 3]} lamp {'lamp ' * (n % 4)}{n}", "rating": 4, "rating_count": n}
        for n in range(40)
    ]
    (made / "shop.jsonl").write_text("".join(json.dumps(r) + "\n" for r in lines))
    (made / "queries.txt").write_text("red lamp\nlamp\noak lamp\nblue\n")
    return made


@pytest.fixture(autouse=True)
def _home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIALTO_HOME", str(folder / "home"))
    monkeypatch.setenv("RIALTO_ENCODER", "static://")
    monkeypatch.setenv("RIALTO_CROSS", "none://")


def find(*words: object) -> Result:
    return CliRunner().invoke(app, [str(w) for w in words])


def test_pages_are_shared_and_clicks_on_the_new_ones_results_prefer_it(folder: Path) -> None:
    out = folder / "pages.csv"
    told = find("mix", folder / "queries.txt", "--out", out, "--catalogue", folder / "shop.jsonl", "--new",
                "find.decide.collapse=false", "--size", 6)  # fmt: skip
    assert told.exit_code == 0 and "4 pages, 4 of both" in told.stdout, told.exception
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert {r["page"] for r in rows} == {"1", "2", "3", "4"} and {r["team"] for r in rows} == {"0", "1"}
    with (folder / "clicks.csv").open("w") as sink:
        sink.write("page,product,shopper\n")
        sink.writelines(f"{r['page']},{r['product']},s{r['page']}\n" for r in rows if r["team"] == "1")
    found = json.loads(find("prefer", out, folder / "clicks.csv", "--json").stdout)
    assert found["preference"] == 1.0 and found["shoppers"] == found["pages"] == 4


def test_what_is_wrong_is_a_sentence(folder: Path, tmp_path: Path) -> None:
    mix = ("mix", folder / "queries.txt", "--out", tmp_path / "x.csv", "--catalogue", folder / "shop.jsonl")
    for more, said in (
        ((), "wanted a query a line, and --new"), (("--new", "find.no.such=1"), "NAME=VALUE"),
        (("--new", "find.cross.depth=deep"), "value like 32"),
    ):  # fmt: skip
        assert said in str(find(*mix, *more).exception)
    (tmp_path / "pages.csv").write_text("page,query,place,product,team\n1,lamp,1,p1,0\n")
    (tmp_path / "clicks.csv").write_text("page,product\n1,p2\n")
    assert "did not show" in str(find("prefer", tmp_path / "pages.csv", tmp_path / "clicks.csv").exception)
    assert "has columns" in str(find("prefer", tmp_path / "clicks.csv", tmp_path / "clicks.csv").exception)
    assert not (tmp_path / "x.csv").exists()
