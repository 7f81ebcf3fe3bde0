"""Catalogues and judgments that Rialto never saw, through the commands: what is told, what is kept, which mapping holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from rialto.app.engines import Engines
from rialto.app.live import LiveShop
from rialto.cli.find import app
from rialto.cli.options import opened
from rialto.config import load
from rialto.errors import BadInput, NothingHere

KINDS = ("oak lamp", "ash table", "pine shelf", "velvet sofa", "steel hook", "linen curtain")
PRODUCTS = "product_id\tproduct_name\tproduct_class\tcategory hierarchy\tproduct_description\tproduct_features\n" + "".join(
    f"{n}\t{KINDS[n % 6]} {n}\tx\tHome / {KINDS[n % 6]}\ta good {KINDS[n % 6]}\tcolor : red|width : {n}\n" for n in range(60)
)
QUERIES = "query_id\tquery\tquery_class\n" + "".join(f"{n}\t{k}\tx\n" for n, k in enumerate(KINDS))
LABELS = "id\tquery_id\tproduct_id\tlabel\n" + "".join(
    f"{60 * q + n}\t{q}\t{n}\t{'Exact' if n % 6 == q else 'Irrelevant'}\n" for q in range(6) for n in range(0, 60, 1 + q % 2)
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RIALTO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RIALTO_ENCODER", "static://")
    monkeypatch.setenv("RIALTO_CROSS", "none://")
    monkeypatch.setenv("COLUMNS", "200")
    for name, body in (("product.csv", PRODUCTS), ("query.csv", QUERIES), ("label.csv", LABELS)):
        (tmp_path / name).write_text(body)
    return tmp_path


def run(*args: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in args], catch_exceptions=False)


def test_a_set_of_three_tables_is_evaluated_without_a_mapping(folder: Path) -> None:
    got = run(
        "evaluate",
        "--catalogue",
        folder / "product.csv",
        "--judgments",
        folder / "label.csv",
        "--folds",
        2,
        "--stages",
        "bm25f",
        "--json",
    )
    assert json.loads(got.stdout)["bm25f"]["mrr"] == 1.0
    assert "query.csv, beside" in got.stderr and "Exact 3, Irrelevant 0" in got.stderr


def test_judgments_of_another_catalogue_say_so_and_end(folder: Path) -> None:
    (folder / "other.csv").write_text("query,product_id,grade\noak lamp,B0X,1\nash table,B0Y,0\n")
    with pytest.raises(BadInput, match=r"none of the 2 judged products"):
        run("evaluate", "--catalogue", folder / "product.csv", "--judgments", folder / "other.csv", "--json")


def test_a_folder_as_judgments_is_told(folder: Path) -> None:
    with pytest.raises(BadInput, match="is a folder"):
        run("evaluate", "--catalogue", folder / "product.csv", "--judgments", folder, "--json")


def test_rejects_are_kept_with_the_index_and_written_when_asked_for_again(folder: Path) -> None:
    file = folder / "c.csv"
    file.write_text("id,title,price\n1,Oak lamp,2\n2,,3\n")
    run("index", file)
    again = run("index", file, "--rejects", folder / "r.jsonl")
    assert "Already indexed" in again.stdout
    assert json.loads((folder / "r.jsonl").read_text())["field"] == "title"


def test_a_mapping_of_the_settings_holds_for_every_command(folder: Path) -> None:
    file, mapping = folder / "c.csv", folder / "m.toml"
    file.write_text("a,b\n1,Oak lamp\n2,Ash table\n")
    mapping.write_text('id = "a"\ntitle = "b"\n')
    (folder / "s.toml").write_text(f'mapping = "{mapping}"\n')
    told: Any = json.loads(run("search", "oak", "--catalogue", file, "--settings", folder / "s.toml", "--json").stdout)
    assert [r["product"]["id"] for r in told["results"]] == ["1"]
    assert "fresh" in run("index", file, "--settings", folder / "s.toml", "--json").stdout
    with opened(None, mapping) as engines:
        live = LiveShop(engines, catalogue=str(file))
        assert live.shop.search.catalogue.ids.tolist() == ["1", "2"]
        live.close()
    assert run("rules", "check", "--catalogue", file, "--mapping", mapping).exit_code == 0


def test_a_mapping_that_is_not_there_is_told(folder: Path) -> None:
    engines = Engines(load().model_copy(update={"mapping": str(folder / "no.toml")}))
    with pytest.raises(NothingHere, match="no mapping file"):
        LiveShop(engines, catalogue=str(folder / "product.csv"))
    engines.close()


def test_a_wrong_file_of_past_queries_does_not_stop_the_shop(folder: Path) -> None:
    (folder / "queries.csv").write_bytes(b"query,kind,frequency\noak lamp,,nan\ncaf\xe9,,many\n")
    told: Any = json.loads(run("search", "oak lamp", "--catalogue", folder / "product.csv", "--json").stdout)
    assert told["total"] == 10
