"""Versions of a shop's models: listed, promoted by hand, and rolled back to what was live before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rialto.app.cross import shelf_of
from rialto.app.engines import Engines
from rialto.app.shelf import shelves
from rialto.config import Settings
from rialto.errors import BadInput, NothingHere
from rialto.local.cross_graph import CrossShape, Head
from rialto.local.cross_model import CrossModel
from rialto.local.linear import Linear
from rialto.local.models import LocalModels
from rialto.ports import ModelCard


def put(models: LocalModels, name: str, weight: float, parent: str = "") -> str:
    return models.put(ModelCard(name, "linear", ("a",), parent), Linear(("a",), np.array([weight])).to_bytes())


@pytest.mark.parametrize("folder", [True, False])
def test_going_back_is_to_what_was_live_whatever_it_was_trained_from(tmp_path: Path, folder: bool) -> None:
    models = LocalModels(tmp_path if folder else None)
    one, two, three = (put(models, "m", float(n)) for n in range(3))
    with pytest.raises(NothingHere, match="no version of 'm' is live"):
        models.back("m")
    for version in (one, three, two, two):
        models.promote("m", version)
    assert [models.back("m") for _ in range(3)] == [three, one, ""]
    assert models.live("m") is None
    assert {v for v, _, _ in models.kept("m")} == {one, two, three} and models.kept("other") == ()


def test_a_version_that_was_promoted_before_lists_were_kept_goes_back_to_its_parent(tmp_path: Path) -> None:
    models = LocalModels(tmp_path)
    one = put(models, "m", 1.0)
    two = put(models, "m", 2.0, one)
    (tmp_path / "live" / "m").write_text(two)
    assert models.back("m") == one and (models.live("m") or ("",))[0] == one


def test_a_shops_shelves_hold_its_own_versions_alone(tmp_path: Path) -> None:
    engines = Engines(Settings(home=tmp_path))
    models = engines.models()
    assert isinstance(models, LocalModels)
    own = put(models, "find.ranker", 1.0)
    models.promote("find.ranker", put(models, "find.ranker", 2.0, own))
    put(models, "find.ranker-other", 3.0)
    ranker = shelves(engines, "find.ranker")["ranker"]
    assert [v.live for v in ranker.versions()].count(True) == 1 and len(ranker.versions()) == 2
    ranker.promote(own)
    assert [v.version for v in ranker.versions() if v.live] == [own]
    with pytest.raises(BadInput, match="is of model"):
        ranker.promote(put(models, "find.ranker-other", 4.0))
    engines.close()


def test_cross_encoders_go_back_too(tmp_path: Path) -> None:
    engines, shelf = Engines(Settings(home=tmp_path)), shelf_of(tmp_path, "find.ranker")
    one, two = (shelf.put(CrossModel(CrossShape(1, 1), Head(cos=c), params={"steps": "9"})) for c in (1.0, 2.0))
    cross = shelves(engines, "find.ranker")["cross"]
    with pytest.raises(NothingHere, match="none to go back from"):
        cross.back()
    for version in (one, two):
        cross.promote(version)
    assert cross.back() == one and [v.version for v in cross.versions() if v.live] == [one]
    assert cross.back() == "" and not any(v.live for v in cross.versions())
    assert "trained 9 steps" in cross.versions()[0].about
    engines.close()
