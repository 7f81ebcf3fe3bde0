"""`rialto find models` and `train-cross`: versions are listed, promoted and rolled back; what is missing is a sentence."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from rialto.cli.find import app
from rialto.errors import BadInput, EngineMissing, NothingHere
from rialto.local.linear import Linear
from rialto.local.models import LocalModels
from rialto.ports import ModelCard


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two versions of the made-up shop's ranker, the second live after the first."""
    monkeypatch.setenv("RIALTO_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    models, made = LocalModels(tmp_path / "models"), list[str]()
    for n in (1.0, 2.0):
        made.append(models.put(ModelCard("find.ranker", "linear", ("a",)), Linear(("a",), np.array([n])).to_bytes()))
        models.promote("find.ranker", made[-1])
    return made


def find(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def live(*words: str) -> list[Any]:
    return [v["version"] for v in json.loads(find("models", *words, "--json").stdout) if v["live"]]


def test_versions_are_listed_rolled_back_and_promoted(versions: list[str]) -> None:
    one, two = versions
    assert live() == [two] and "2 versions of the ranker" in find("models").stdout
    assert live("--back") == [one] and live("--promote", two) == [two]
    assert live("--back") == [one] and live("--back") == []
    assert json.loads(find("models", "--kind", "suggestions", "--json").stdout) == []


def test_what_is_wrong_is_a_sentence(versions: list[str]) -> None:
    assert isinstance(find("models", "--promote", "0" * 32).exception, NothingHere)
    assert isinstance(find("models", "--promote", versions[0], "--back").exception, BadInput)
    assert "ranker, suggestions, cross" in str(find("models", "--kind", "x").exception)


def test_training_without_torch_is_told_at_once(versions: list[str]) -> None:
    if find_spec("torch"):
        pytest.skip("PyTorch is installed here")
    error = find("train-cross", "--judgments", "absent.csv").exception
    assert isinstance(error, EngineMissing) and "rialto[train]" in str(error)
