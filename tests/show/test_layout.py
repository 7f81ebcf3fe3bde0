"""Constraints are read, solved in whole pixels, and refused where they contradict."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rialto.errors import BadInput
from rialto.show.colours import contrast, mixed, palette, readable
from rialto.show.layout import Unsolvable, solve, wrap

SIZE = {"W": 200.0, "H": 100.0, "u": 2.0}


def test_a_wish_gives_way_to_what_is_required():
    places = solve(["a.left == 0", "a.width == 10", "a.height == 10", "a.top >= 40", "weak: a.top == 5"], SIZE, {})
    assert places["a"].top == 40


def test_contradiction_is_unsolvable():
    with pytest.raises(Unsolvable):
        solve(["a.left == 10", "a.right == 5"], SIZE, {})


@pytest.mark.parametrize("line", ["a.left = 3", "a.left == b.", "a.left == 2 2", "a.left == b.up", "a.left == $", ""])
def test_a_constraint_that_cannot_be_read_is_refused(line):
    with pytest.raises(BadInput, match="constraint"):
        solve([line], SIZE, {})


def words():
    return st.lists(st.text("abcdefgh", min_size=1, max_size=9), min_size=1, max_size=12).map(" ".join)


@given(words(), st.integers(1, 40))
def test_wrapping_loses_no_word_and_keeps_the_width(text, width):
    lines = wrap(text, width, lambda t: float(len(t)))
    if lines is None:
        assert max(map(len, text.split())) > width
    else:
        assert " ".join(lines) == text and max(map(len, lines)) <= width


def test_lines_are_filled_evenly():
    assert wrap("aaaa bbbb cccc dd", 14, lambda t: float(len(t))) == ("aaaa bbbb", "cccc dd")


COLOURS = st.integers(0, 0xFFFFFF).map(lambda n: f"#{n:06x}")


@given(COLOURS, COLOURS)
def test_contrast_is_symmetric_and_from_1_to_21(one, other):
    assert 1.0 <= contrast(one, other) == contrast(other, one) <= 21.0


@given(COLOURS, COLOURS, COLOURS)
def test_every_palette_has_inks_that_can_be_read(ink, ground, accent):
    theme = {"ground": "ground", "panel": ["ground", "accent", 0.1], "disc": ["ground", "accent", 0.3]}
    made = palette(theme, {"ink": ink, "ground": ground, "accent": accent, "muted": ground})
    for name in ("ink", "soft", "price"):
        assert contrast(made[name], made["ground"]) >= 4.4, name
    assert contrast(made["on_button"], made["button"]) >= 4.5


def test_readable_takes_the_first_that_can_be_read_else_the_best():
    assert readable(["#777777", "#000000"], "#ffffff") == "#000000"
    assert readable(["#eeeeee", "#cccccc"], "#ffffff") == "#cccccc"
    assert mixed("#102030", "#102030", 0.7) == "#102030"
