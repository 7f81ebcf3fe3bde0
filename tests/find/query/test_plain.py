"""Units and model numbers in one writing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rialto.find.query.plain import Writings, units


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("15.6in laptop", "15.6 in laptop"), ('15.6" laptop', "15.6 in laptop"), ("15.6 inches", "15.6 in"), ("1tb ssd", "1 tb ssd"),
        ("8gb ram", "8 gb ram"),
        ("2 metre cable", "2 m cable"), ("1 1/2in. x 1ft. pipe", "1 1/2 in x 1 ft pipe"), ("3 in 1 tool", "3 in 1 tool"), ("4 x 4 post", "4x4 post"),
        ("core i7", "core i7"), ("ps5", "ps5"), ("6' ladder", "6 ft ladder"),
    ],
)  # fmt: skip
def test_every_writing_of_a_unit_becomes_one(asked: str, text: str) -> None:
    assert Writings().write(asked)[0] == text


def test_the_catalogues_own_writing_wins() -> None:
    writings = Writings.of(['HP 15.6" notebook 8GB', 'Dell 14" 16GB', 'Acer 13.3" 8GB'])
    assert writings.write("laptop 17 inch 8 gb")[0] == 'laptop 17" 8gb'


def test_a_model_number_is_written_as_the_catalogue_writes_it() -> None:
    writings = Writings.of([], ["Sony WH-1000XM4 headphones", "HP dv7-1211ea", "Apple iPhone 11 case"])
    for asked in ("wh1000xm4", "wh-1000 xm4", "wh 1000xm4", "wh-1000xm4"):
        assert writings.write(asked)[0] == "wh-1000xm4"
    assert writings.write("iphone11")[0] == "iphone 11" and writings.write("dv7 1211ea")[0] == "dv7-1211ea"


def test_a_unit_can_be_undone() -> None:
    text, made = Writings().write("tv 55inch")
    assert text == "tv 55 in" and Writings().write("tv 55inch", undo=[made[0].id]) == ("tv 55inch", ())


@given(st.text(max_size=60))
def test_writing_twice_is_writing_once(text: str) -> None:
    once = Writings().write(" ".join(text.lower().split()))[0]
    assert Writings().write(once)[0] == once


def test_each_writing_names_one_unit() -> None:
    ways = [w for u in units() for w in (*u.writings, *u.joined)]
    assert len(ways) == len(set(ways)) and all(u.factor > 0 for u in units())
