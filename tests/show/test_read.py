"""Briefs and kits are read whole or refused with every problem; catalogue rows become facts."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rialto.errors import BadInput
from rialto.show.read import brief_schema, kit_schema, luma_row, product_of, read_brief, read_kit


def test_brief_is_read_from_text_or_its_parsed_form(made_up):
    parsed = made_up["brief"]()
    assert read_brief(json.dumps(parsed)) == read_brief(parsed)


def test_a_bad_brief_is_refused_with_every_problem_at_once(made_up):
    bad = made_up["brief"](ends="2026-08-01", locales=[], campaign=" ")
    bad["surfaces"][1]["name"] = "feed"
    bad["surfaces"][2]["safe_zone"]["width"] = 900
    bad["surfaces"][0]["slots"] = {"headline": 0}
    bad["surfaces"][0]["formats"] = ["gif"]
    with pytest.raises(BadInput) as said:
        read_brief(bad)
    text = str(said.value)
    for part in (
        "7 problems",
        "ends:",
        "locales:",
        "campaign:",
        "'feed' is used twice",
        "leaves the surface",
        "slots.headline: 0",
        "'gif'",
    ):
        assert part in text


def test_wrong_types_and_unknown_keys_are_all_named(made_up):
    bad = made_up["brief"](starts="soon", colour="red")
    del bad["goal"]
    with pytest.raises(BadInput) as said:
        read_brief(bad)
    assert all(f"- {field}:" in str(said.value) for field in ("starts", "goal", "colour"))


def test_a_kit_with_a_bad_colour_and_half_a_disclaimer_is_refused(made_up):
    bad = made_up["kit"](disclaimers=[{"label": "Terms", "text": ""}], calls_to_action=[])
    bad["colours"] = {**bad["colours"], "ink": "black"}
    with pytest.raises(BadInput, match=r"(?s)3 problems.*colours\.ink.*calls_to_action.*label alone"):
        read_kit(bad)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x), max_leaves=8
    )
)
def test_whatever_json_comes_it_is_a_brief_or_bad_input(value):
    with pytest.raises(BadInput):
        read_brief(json.dumps(value))


def test_schemas_are_published_and_strict():
    assert brief_schema()["additionalProperties"] is False
    assert kit_schema()["properties"].keys() >= {"name", "colours", "logo", "voice"}


def test_facts_hold_the_price_in_the_locales_format_and_the_bullets(made_up):
    facts = product_of(made_up["row"](price_cents=123450)).facts
    assert facts["price"] == "$1,234.50" and facts["kind"] == "Bottle" and facts["feature_1"] == "Holds 750 ml"
    assert "dishwasher" not in facts


@pytest.mark.parametrize(
    "change",
    [{"price_cents": -1}, {"price_cents": 24.5}, {"price_cents": None}, {"price_cents": True}, {"title": " "}, {"id": 7}],
)
def test_a_product_without_name_or_price_is_refused(made_up, change):
    with pytest.raises(BadInput, match="problem"):
        product_of(made_up["row"](**change))


def test_version_changes_with_the_price_and_the_photo(made_up):
    row = made_up["row"]
    versions = {product_of(row()).version, product_of(row(price_cents=1)).version, product_of(row(), image=b"x").version}
    assert len(versions) == 3 and product_of(row()).version == product_of(row()).version


def test_a_luma_row_gives_material_and_cents():
    raw = {
        "title": "Tee",
        "category": "Men/Tops/Tees",
        "description": "Soft.",
        "attributes": "material=Wool|Lycra&reg;,new=No",
        "price_usd": "29.0",
    }
    facts = product_of(luma_row(raw, 7)).facts
    assert facts["material"] == "Wool and Lycra®" and facts["price"] == "$29.00" and facts["kind"] == "Tee"
