"""The exam of Models: versions named by content, one live at a time, a batch equal to its rows, what is wrong refused by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rialto.errors import BadInput, NothingHere
from rialto.ports import ModelCard, Models

__all__ = ["ModelsExam"]


class ModelsExam:
    """Tests that every Models passes; a subclass gives `open(folder)`, `card` and two `bodies()` of that card which score otherwise."""

    card: ModelCard
    """A card with at least two inputs."""

    tolerance: float = 0.0
    """Largest relative difference between a row scored alone and in a batch; 0 = the same bits."""

    def open(self, folder: Path) -> Models:
        """An engine that keeps its versions under `folder`, with what was kept there before."""
        raise NotImplementedError("an exam of Models needs open(folder), which returns the engine")

    def bodies(self) -> tuple[bytes, bytes]:
        """Two models of `card` that do not score alike."""
        raise NotImplementedError("an exam of Models needs bodies(), two models of `card`")

    def _rows(self, rows: int = 300) -> NDArray[np.float32]:
        return np.random.default_rng(0).normal(size=(rows, len(self.card.inputs))).astype(np.float32)

    def test_the_same_content_has_the_same_name_and_other_content_another(self, tmp_path: Path) -> None:
        models, (one, two) = self.open(tmp_path), self.bodies()
        version = models.put(self.card, one)
        assert models.put(self.card, one) == version
        assert models.put(self.card, two) != version
        assert models.put(replace(self.card, data="other"), one) != version

    def test_nothing_is_live_before_promotion_and_then_the_last_promoted_is(self, tmp_path: Path) -> None:
        models = self.open(tmp_path)
        first, second = (models.put(self.card, body) for body in self.bodies())
        assert models.live(self.card.name) is None
        for version in (first, second, first):
            models.promote(self.card.name, version)
            assert models.live(self.card.name) == (version, self.card)

    def test_a_version_scores_the_same_after_another_was_promoted(self, tmp_path: Path) -> None:
        models, rows = self.open(tmp_path), self._rows()
        first, second = (models.put(self.card, body) for body in self.bodies())
        before = models.score(first, rows)
        models.promote(self.card.name, second)
        assert np.array_equal(models.score(first, rows), before)
        assert not np.array_equal(models.score(second, rows), before)

    def test_a_batch_equals_its_rows_one_by_one(self, tmp_path: Path) -> None:
        models, rows = self.open(tmp_path), self._rows()
        version = models.put(self.card, self.bodies()[0])
        whole = models.score(version, rows)
        assert whole.shape == (300,)
        assert whole.dtype == np.float64
        for i in range(0, 300, 7):
            alone = float(models.score(version, rows[i : i + 1])[0])
            assert abs(alone - whole[i]) <= self.tolerance * abs(whole[i])
        assert models.score(version, rows[:0]).shape == (0,)

    def test_another_number_of_inputs_is_refused_and_the_inputs_are_named(self, tmp_path: Path) -> None:
        models = self.open(tmp_path)
        version = models.put(self.card, self.bodies()[0])
        for wrong in (self._rows()[:, :-1], self._rows()[0]):
            with pytest.raises(BadInput, match=self.card.inputs[-1]):
                models.score(version, wrong)

    def test_an_unknown_version_is_nothing_here_and_the_known_are_named(self, tmp_path: Path) -> None:
        models = self.open(tmp_path)
        version = models.put(self.card, self.bodies()[0])
        for unknown in ("0" * len(version), "", "../" + version):
            with pytest.raises(NothingHere, match=version):
                models.score(unknown, self._rows())
            with pytest.raises(NothingHere):
                models.promote(self.card.name, unknown)

    def test_a_body_that_is_no_model_is_refused(self, tmp_path: Path) -> None:
        models, (body, _) = self.open(tmp_path), self.bodies()
        for wrong in (b"", b"not a model", body[: len(body) // 2]):
            with pytest.raises(BadInput):
                models.put(self.card, wrong)
        with pytest.raises(BadInput, match="kind"):
            models.put(replace(self.card, kind="no such kind"), body)
