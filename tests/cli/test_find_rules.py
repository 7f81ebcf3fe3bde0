"""`rialto find rules`: a rule is added, checked, previewed, told of and undone; errors are sentences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from rialto.cli.find_rules import app
from rialto.errors import BadInput
from rialto.find.rules import Refused

CATALOGUE = '{"id": "1", "title": "Red lamp", "price": 20}\n{"id": "2", "title": "Blue lamp", "price": 50}\n'
HIDE = '[[rules]]\nid = "away"\nowner = "ann"\naction = "hide"\nproducts = {ids = ["1"]}\nwhen = {words = ["lamp"]}\n'
PIN = '{"rules": [{"id": "top", "owner": "bo", "action": "pin", "place": 1, "products": {"ids": ["1"]}}]}'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RIALTO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "catalogue.jsonl").write_text(CATALOGUE)
    (tmp_path / "queries.csv").write_text("query,kind,frequency\nlamp,type,3\nchair,type,1\n")
    (tmp_path / "hide.toml").write_text(HIDE)
    (tmp_path / "pin.json").write_text(PIN)
    return tmp_path


def rules(*words: object) -> Result:
    return CliRunner().invoke(app, [str(w) for w in words])


def told(*words: object) -> Any:
    return json.loads(rules(*words, "--json").stdout)


def test_a_rule_is_added_previewed_and_undone(folder: Path) -> None:
    shop = ("--catalogue", folder / "catalogue.jsonl")
    impact = told("preview", folder / "hide.toml", *shop)
    assert impact["changed_share"] == 0.75 and impact["queries"][0]["hidden"] == ["1"]
    made = told("add", folder / "hide.toml", *shop, "--who", "ann")
    assert (made["version"], made["changes"]) == (1, ["added away"])
    checked = rules("check", folder / "pin.json", *shop)
    assert checked.exit_code == 1 and "error: rule top pins 1, which rule away hides" in checked.stdout
    refused = rules("add", folder / "pin.json", *shop, "--who", "bo")
    assert isinstance(refused.exception, Refused) and "force the change" in str(refused.exception)
    assert "version 2: 0 rules as of version 0" in rules("restore", *shop, 0, "--who", "bo").stdout
    assert [c["who"] for c in told("history", *shop)] == ["ann", "bo"]
    assert told("list", *shop, "--version", 1)["rules"][0]["id"] == "away"
    assert "added away" in rules("history", *shop).stdout and "0 rules" in rules("list").stdout
    assert "change (by weight)" in rules("preview", folder / "hide.toml", *shop).stdout


def test_a_wrong_file_is_a_sentence(folder: Path) -> None:
    (folder / "pin.json").write_text(PIN.replace('"place": 1', '"place": 0'))
    wrong = rules("add", folder / "pin.json", "--who", "ann").exception
    assert isinstance(wrong, BadInput) and "rule 'top', field 'place': got 0; wanted 1 to 1000 for a pin" in str(wrong)
    (folder / "damaged.csv").write_bytes(b"colour,size\nred,4\n")
    wrong = rules("preview", folder / "hide.toml", "--queries", folder / "damaged.csv", "--catalogue", folder / "catalogue.jsonl")
    assert isinstance(wrong.exception, BadInput) and "wanted query and frequency" in str(wrong.exception)
