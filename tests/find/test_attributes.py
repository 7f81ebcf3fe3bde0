# ruff: noqa: PT017
"""Attributes as catalogues write them in one column."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.find.attributes import literal, pairs, prose


@pytest.mark.parametrize(
    ("cell", "wanted"),
    [
        ("size=10,eco=Yes,fit=Slim|Long", [("size", "10"), ("eco", "Yes"), ("fit", "Slim|Long")]),
        ("overallwidth:64.7|style : modern|care : wipe clean, dry", [("overallwidth", "64.7"), ("style", "modern"), ("care", "wipe clean, dry")]),
        ("Colour: Red; Size: 4:3; Care: a, b", [("Colour", "Red"), ("Size", "4:3"), ("Care", "a, b")]),
        ("style : modern|style : rustic|legs:4", [("style", "modern|rustic"), ("legs", "4")]),
        ("colour:red|blue|legs:4", [("colour", "red|blue"), ("legs", "4")]),
        ('{"colour": "red", "watts": 40}', [("colour", "red"), ("watts", 40)]),
        ("{'colour': 'red', 'dim': True, 'kind': None}", [("colour", "red"), ("dim", True)]),
        ('{"specification"=>[{"key"=>"Colour", "value"=>"red"}]}', [("Colour", "red")]),
        ('[{"name": "Colour", "value": "red"}, {"name": "Watts", "value": 40}]', [("Colour", "red"), ("Watts", 40)]),
        ([{"key": "Colour", "values": ["red", "blue"]}, {"key": "", "values": []}], [("Colour", ["red", "blue"])]),
        ([("colour", "red")], [("colour", "red")]),
        (["Colour: red", "Watts: 40"], [("Colour", "red"), ("Watts", "40")]),
        ({"weight": {"value": 2, "unit": "kg"}, "box": {"w": 4}}, [("weight", "2 kg"), ("box w", 4)]),
        ("Colour: red\nWatts: 40", [("Colour", "red"), ("Watts", "40")]),
    ],
)  # fmt: skip
def test_a_writing_of_attributes_is_read(cell: Any, wanted: list[tuple[str, Any]]) -> None:
    assert pairs(cell) == wanted


@pytest.mark.parametrize(
    "cell",
    [
        "A lamp of oak.",
        "Note: keep it dry. It shines.",
        ["Soft and warm", "Easy to clean"],
        7,
        "see https://x.test/a",
        "{broken",
        "[1, 2]",
        "",
    ],
)
def test_what_is_no_writing_of_attributes_is_none(cell: Any) -> None:
    assert pairs(cell) is None


json_like = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)), max_leaves=8,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=60), json_like, st.text(alphabet="ab:=|;,{}[]'\" \n", max_size=40)))
def test_any_cell_is_pairs_with_names_or_none(cell: Any) -> None:
    found = pairs(cell)
    assert found is None or all(name == name.strip() and name for name, _ in found)
    if isinstance(cell, str):
        literal(cell)
    try:
        assert isinstance(prose(cell), str)
    except ValueError as e:
        assert str(e) == "text"
