"""The grounded writer, by the port's exam and its own edges."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rialto.errors import BadInput
from rialto.local.writer import GroundedWriter, numbers
from rialto.ports import WriterJob
from rialto.testing.writer import WriterExam

WRITER = GroundedWriter()


class TestGroundedWriter(WriterExam):
    def open(self):
        return GroundedWriter()


@given(
    st.dictionaries(
        st.sampled_from(["name", "brand", "kind", "material", "price", "feature_1", "feature_2"]), st.text(max_size=60)
    ),
    st.dictionaries(st.sampled_from(["headline", "support", "price", "alt_text"]), st.integers(1, 130)),
    st.lists(st.text(max_size=40), max_size=4),
)
def test_whatever_the_facts_hold_the_copy_keeps_its_law(facts, slots, lines):
    stated = {n for text in facts.values() for n in numbers(" ".join(text.split()))}
    for copy in WRITER.write(WriterJob(slots, facts, voice={"headline": tuple(lines)}), variants=9):
        for slot, text in copy.items():
            assert len(text) <= slots[slot] and set(numbers(text)) <= stated


def test_a_template_with_its_own_number_is_refused():
    with pytest.raises(BadInput, match="holds a number"):
        GroundedWriter({"en": {"headline": ["Save 20 on {name}"]}})


def test_unknown_language_is_refused_with_the_known_ones():
    with pytest.raises(BadInput, match="known languages: "):
        WRITER.write(WriterJob({"headline": 20}, {"name": "Bag"}, locale="xx-XX"), variants=1)


@pytest.mark.parametrize(("slots", "variants"), [({"headline": 0}, 1), ({"headline": 9}, 0), ({"headline": 9}, 1001)])
def test_limits_out_of_range_are_refused(slots, variants):
    with pytest.raises(BadInput):
        WRITER.write(WriterJob(slots, {"name": "Bag"}), variants=variants)


def test_words_are_lowered_inside_a_sentence_but_marks_are_not():
    facts = {"kind": "Tee", "material": "Organic Cotton, CoolTech™ and TENCEL"}
    made = WRITER.write(WriterJob({"headline": 60}, facts), variants=3)
    assert made[0]["headline"] == "Tee in organic cotton, CoolTech™ and TENCEL"


def test_the_seed_turns_the_order_of_the_brands_lines():
    voice = {"headline": tuple(f"Line {c}" for c in "abcdefgh")}
    first = {WRITER.write(WriterJob({"headline": 30}, {}, voice=voice, seed=s), variants=1)[0]["headline"] for s in range(20)}
    assert len(first) > 3


def test_neighbouring_variants_differ_in_their_headline():
    facts = {"name": "Chaz Hoodie", "kind": "Hoodie", "material": "Wool", "feature_1": "Soft hood", "feature_2": "Ribbed cuffs"}
    made = WRITER.write(WriterJob({"headline": 45, "support": 80}, facts), variants=8)
    assert len(made) == 8 and all(a["headline"] != b["headline"] for a, b in pairwise(made))
    assert not any(re.search(r"\d", text) for copy in made for text in copy.values())
