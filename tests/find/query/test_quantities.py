"""Numbers with units: found, bound to attributes, and compared with products."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rialto.errors import BadInput
from rialto.find.catalogue import Catalogue
from rialto.find.query.quantities import Quantities, find_quantities
from rialto.find.query.training import Trained


@pytest.mark.parametrize(("text", "low", "high", "unit"), [
    ("15.6 inch laptop", 15.6, 15.6, "in"), ('tv 55"', 55.0, 55.0, "in"), ("2tb drive", 2.0, 2.0, "tb"), ("100 watt bulb", 100.0, 100.0, "w"),
    ("shoes size 10", 10.0, 10.0, "size"), ("2 pack", 2.0, 2.0, "pack"), ("pack of 6", 6.0, 6.0, "pack"), ("10-12 inch pan", 10.0, 12.0, "in"),
])  # fmt: skip
def test_a_number_with_a_unit_is_found(text: str, low: float, high: float, unit: str) -> None:
    (found,) = find_quantities(text)
    assert (found.low, found.high, found.unit) == (low, high, unit)


@pytest.mark.parametrize("text", ["iphone 11", "dv7-1211ea", "win10", "1080p tv", "", "inch", "3 in1x"])
def test_a_bare_number_is_none(text: str) -> None:
    assert find_quantities(text) == []


@given(st.text(alphabet=st.sampled_from('0123456789.,- "xincmbgkwsizepacof'), max_size=40))
def test_quantities_stay_within_the_words(text: str) -> None:
    words = " ".join(text.split())
    for f in find_quantities(words):
        assert 0 <= f.start < f.stop <= len(words.split())
        assert f.low <= f.high


def test_units_bind_to_the_attribute_that_holds_such_numbers(trained: Trained) -> None:
    bound = {q.unit: q.name for t in ("1.5 l", "256 gb", "15.6 inch", "3000 watt", "310 g") for q in trained.quantities(t)}
    assert bound == {"l": "capacity_l", "gb": "storage_gb", "in": "screen_in", "w": "power_w", "g": "weight_g"}


def test_agreement_converts_units_and_knows_what_it_does_not_know(trained: Trained, catalogue: Catalogue) -> None:
    held = [catalogue.attributes(r).get("capacity_l") for r in range(len(catalogue))]
    rows = np.arange(len(catalogue))
    agreed = trained.quantities.agreement(catalogue, rows, trained.quantities("1500 ml"))
    plain = [not any(n in t for n in ("1.5", "1500", "1,5")) for t in catalogue.text("title")]
    assert all(agreed[r] == 1.0 for r, litres in enumerate(held) if litres == 1.5)
    assert all(agreed[r] == 0.0 for r, litres in enumerate(held) if litres is not None and litres != 1.5 and plain[r])
    assert np.isnan(agreed).any()
    assert np.isnan(trained.quantities.agreement(catalogue, rows, ())).all()
    some = rows[[7, 3, 3]]
    again = trained.quantities.agreement(catalogue, some, trained.quantities("1500 ml"))
    assert np.array_equal(again, agreed[some], equal_nan=True)


def test_bindings_come_back_from_their_bytes(trained: Trained) -> None:
    assert Quantities.load(trained.quantities.save()) == trained.quantities
    with pytest.raises(BadInput, match="units"):
        Quantities.load(b"[]")
