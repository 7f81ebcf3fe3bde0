"""Synonyms, compounds, and looser readings."""

import math

import pytest

from rialto.errors import BadInput
from rialto.find.catalogue import Catalogue
from rialto.find.query import Quantity, Tag, Understood, relaxations, understand
from rialto.find.query.background import Background
from rialto.find.query.compounds import compounds
from rialto.find.query.lexicon import Lexicon, Text
from rialto.find.query.reader import Reader
from rialto.find.query.synonyms import Synonyms
from rialto.find.query.training import Trained


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


def test_a_synonym_that_means_another_department_in_this_shop_is_not_searched_for() -> None:
    """Lamps are lamps there, and what is light is light green."""
    seen = {
        "lamp": [("Home/Lamps", 0.99)], "light": [("Clothing/Hats", 0.5), ("Home/Vases", 0.2)], "lantern": [("Home/Lanterns", 0.9)],
        "trainer": [("Shoes", 0.5), ("Sports", 0.4)], "coach": [("Travel", 0.9)], "lightbulb": [("Tools", 0.1)],
    }  # fmt: skip
    seen |= {"cord": [("Cords", 0.9)], "cable": [("Cables", 1.0)]}
    pairs = [
        ("cord", "cable"),
        ("lamp", "light"),
        ("lamp", "lantern"),
        ("lamp", "lightbulb"),
        ("lamp", "torch"),
        ("trainer", "coach"),
        ("torch", "light"),
    ]
    kept = Synonyms.of_pairs([*pairs, ("table lamp", "light")]).in_sense(lambda phrase: seen.get(phrase, []))
    assert kept.of_phrase[("lamp",)] == ("lantern", "lightbulb", "torch")  # of the same department; hardly known; unknown
    assert kept.of_phrase[("cord",)] == ("cable",)  # no departments there
    assert kept.of_phrase[("trainer",)] == ("coach",)  # not surely one thing
    assert kept.of_phrase[("torch",)] == ("light",) and kept.of_phrase[("table", "lamp")] == ("light",)


def test_a_shops_own_synonyms_hold_whatever_its_types_say(catalogue: Catalogue, words: Background, trained: Trained) -> None:
    here, there = "lamp", "backpack"
    assert not Synonyms.of_pairs([(here, there)]).in_sense(trained.types.predict).of_phrase
    reader = Reader.of(catalogue, synonyms=f'one_way = [["{here}", ["{there}"]]]', background=words, parts=trained.parts())
    assert (here, there) in reader.synonyms.others(here)
