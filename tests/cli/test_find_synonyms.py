"""`rialto find synonyms`: set from a file, checked, told of and undone; and `find search --segment`; errors are sentences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from rialto.cli.find_synonyms import app
from rialto.errors import BadInput
from rialto.find.versions import Refused

CATALOGUE = '{"id": "1", "title": "Red lamp", "price": 20}\n{"id": "2", "title": "Blue lamp", "price": 50}\n'


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    monkeypatch.setenv("RIALTO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "catalogue.jsonl").write_text(CATALOGUE)
    return "--catalogue", str(tmp_path / "catalogue.jsonl")


def synonyms(*words: object) -> Result:
    return CliRunner().invoke(app, [str(w) for w in words])


def told(*words: object) -> Any:
    return json.loads(synonyms(*words, "--json").stdout)


def test_synonyms_are_set_told_of_and_undone(shop: tuple[str, str], tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("# ours\nlantern => lamp\n")
    assert synonyms("check", file, *shop).stdout.strip() == "Nothing is wrong."
    made = told("set", file, *shop, "--who", "ann")
    assert (made["version"], made["changes"]) == (1, ["added lantern => lamp"])
    assert synonyms("show", *shop).stdout == "lantern => lamp\n"
    file.write_text("lamp, lamps\nglim => sofa\n")
    checked = synonyms("check", file, *shop)
    assert checked.exit_code == 1 and "no product holds “sofa”" in checked.stdout
    assert isinstance(synonyms("set", file, *shop, "--who", "bo").exception, Refused)
    assert told("set", file, *shop, "--who", "bo", "--force")["version"] == 2
    assert "version 3" in synonyms("restore", 1, *shop, "--who", "cy").stdout
    assert [c["forced"] for c in told("history", *shop)] == [False, True, False]
    assert told("show", *shop)["synonyms"] == ["lantern => lamp"] and "cy" in synonyms("history", *shop).stdout


def test_a_wrong_file_is_a_sentence(shop: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("alone\n")
    error = synonyms("set", tmp_path / "words.txt", *shop, "--who", "ann").exception
    assert isinstance(error, BadInput) and "line 1" in str(error)
