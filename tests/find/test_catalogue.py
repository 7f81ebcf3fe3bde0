"""The catalogue in columns: look-ups, numbers, and the same again from its files."""

import json
from pathlib import Path

import numpy as np
import pytest

from rialto.errors import BadInput, NothingHere
from rialto.find.catalogue import Catalogue


def test_a_saved_catalogue_comes_back_the_same(catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.save(str(tmp_path / "c"))
    back = Catalogue.load(str(tmp_path / "c"))
    assert back.version == catalogue.version
    assert [back.product(int(n)) for n in back.numbers[:50]] == [catalogue.product(int(n)) for n in catalogue.numbers[:50]]


def test_a_changed_file_is_noticed_on_loading(catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.save(str(tmp_path / "c"))
    head = json.loads((tmp_path / "c" / "catalogue.json").read_text())
    (tmp_path / "c" / "catalogue.json").write_text(json.dumps({**head, "version": "0" * 16}))
    with pytest.raises(BadInput, match="index it again"):
        Catalogue.load(str(tmp_path / "c"))
    with pytest.raises(NothingHere, match="rialto find index"):
        Catalogue.load(str(tmp_path / "nowhere"))


def test_rows_of_numbers_are_found_and_unknown_ones_are_minus_one(catalogue: Catalogue) -> None:
    asked = np.array([int(catalogue.numbers[5]), 10**12, -3, int(catalogue.numbers[0])])
    assert catalogue.rows(asked).tolist() == [5, -1, -1, 0]


def test_the_row_says_what_the_world_wrote(catalogue: Catalogue, world_folder: Path) -> None:
    for line in (world_folder / "catalogue.jsonl").read_text().splitlines()[:100]:
        row = json.loads(line)
        got = catalogue.product(catalogue.number_of(row["id"]))
        assert (got.title, got.price_cents, got.stock, got.rating, got.group) == (
            row["title"], row["price_cents"], row["stock"], row["rating"], row["group"],
        )  # fmt: skip
        assert got.attributes == row["attributes"]


def test_variants_share_a_group_and_others_do_not(catalogue: Catalogue) -> None:
    groups = catalogue.text("group").tolist()
    same = {
        (groups[a] == groups[b], bool(catalogue.group_code[a] == catalogue.group_code[b])) for a in range(60) for b in range(60)
    }
    assert same == {(True, True), (False, False)}


def test_an_unknown_column_names_those_that_there_are(catalogue: Catalogue) -> None:
    with pytest.raises(BadInput, match="known: price_cents"):
        catalogue.value("price")
