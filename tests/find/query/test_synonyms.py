"""Synonyms, compounds, and looser readings."""

import math

import pytest

from rialto.errors import BadInput
from rialto.find.query import Quantity, Tag, Understood, relaxations, understand
from rialto.find.query.background import Background
from rialto.find.query.compounds import compounds
from rialto.find.query.lexicon import Lexicon, Text
from rialto.find.query.synonyms import Synonyms


def test_two_way_synonyms_work_both_ways_and_one_way_ones_one() -> None:
    s = Synonyms.of_toml('both = [["tv", "television"]]\none_way = [["xmas lights", ["christmas lights"]]]')
    assert s.others("old television") == [("television", "tv")] and s.others("red televisions") == [("televisions", "tv")]
    assert s.others("xmas light chain") == [("xmas light", "christmas lights")] and s.others("christmas lights") == []


@pytest.mark.parametrize(
    "text", ["both = 3", "both = [[1, 2]]", 'both = [["a"]]', 'one_way = [["a", "b"]]', "both = [", 'one_way = [["a", [""]]]']
)
def test_a_synonyms_file_that_is_wrong_says_where(text: str) -> None:
    with pytest.raises(BadInput, match="synonyms"):
        Synonyms.of_toml(text)


def test_the_general_synonyms_are_some_hundreds() -> None:
    assert len(Synonyms.general().of_phrase) > 500


def test_compounds_are_split_and_joined_where_the_shop_knows_the_parts() -> None:
    texts = [("laptop", 3.0), ("tool box", 3.0), ("toolbox", 1.0), ("damen schuhe", 2.0), ("arbeit schuhe", 2.0)]
    lexicon = Lexicon.of(queries=Text.of([]), catalogue=Text.of(texts), background=Background())
    assert list(compounds("lap top", lexicon)) == [("lap top", "laptop")]
    assert ("toolbox", "tool box") in list(compounds("toolbox", lexicon))
    assert list(compounds("damenschuhe", lexicon)) == [("damenschuhe", "damen schuhe")]
    assert ("arbeitsschuhe", "arbeit schuhe") in list(compounds("arbeitsschuhe", lexicon))


def test_the_least_telling_conditions_go_first_and_one_word_stays() -> None:
    u = Understood("", "red wool scarf", high_cents=5000.0, without=("fringe",), quantities=(Quantity("", 2.0, 2.0, "m"),),
                   tags=(Tag(0, 1, "colour", "red", 0.9), Tag(1, 2, "material", "wool", 0.9), Tag(2, 3, "type", "scarf", 0.9)))  # fmt: skip
    steps = relaxations(u)
    assert [r.rewrites[-1].before for r in steps] == ["2..2 m", "price", "without fringe", "red", "wool"]
    assert steps[-1].text == "scarf" and math.isnan(steps[-1].high_cents) and steps[-1].without == ()


def test_nothing_is_left_to_relax_in_one_word() -> None:
    assert relaxations(understand("scarf")) == () == relaxations(understand(""))
