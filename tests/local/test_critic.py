"""The pixel critic, by the port's exam and against contrast that is known."""

from dataclasses import replace

import numpy as np
import pytest

from rialto.errors import BadInput
from rialto.local.canvas import RasterCanvas
from rialto.local.critic import PixelCritic, read_text
from rialto.ports import Box, Picture
from rialto.show.colours import contrast
from rialto.testing.critic import CriticExam, letters

CANVAS = RasterCanvas()


class TestPixelCritic(CriticExam):
    def open(self):
        return PixelCritic()


def words(size_px, ink, ground, weight=400):
    box = Box("support", "text", 4, 4, 420, 3 * size_px, text="Walk on, warmly", size_px=size_px, colour=ink, weight=weight)
    return CANVAS.draw([Box("ground", "fill", 0, 0, 440, 120, colour=ground), box], width=440, height=120), box


@pytest.mark.parametrize("size_px", [10, 13, 18, 26, 36])
@pytest.mark.parametrize("weight", [400, 700])
@pytest.mark.parametrize(
    ("ink", "ground"),
    [("#000000", "#ffffff"), ("#ffffff", "#14532d"), ("#767676", "#ffffff"), ("#949494", "#ffffff"), ("#c8c8c8", "#ffffff")],
)
def test_measured_contrast_of_real_letters_is_the_colours_own(size_px, weight, ink, ground):
    picture, box = words(size_px, ink, ground, weight)
    reading = read_text(picture.pixels, box)
    assert reading.contrast == pytest.approx(contrast(ink, ground), rel=0.12) and reading.ink > 1.2


def test_large_text_needs_less_contrast():
    for size_px, passes in ((14, False), (26, True)):
        picture, _ = words(size_px, "#909090", "#ffffff")
        opinion = next(o for o in PixelCritic().judge(picture) if o.rule == "contrast")
        assert opinion.passed is passes


def test_a_shadow_behind_a_part_of_the_letters_is_seen():
    picture = letters("#102030", "#ffffff")
    pixels = picture.pixels.copy()
    part = pixels[:, :80]
    part[(part == 255).all(axis=2)] = (60, 70, 80)
    assert not next(o for o in PixelCritic().judge(Picture(pixels, picture.boxes)) if o.rule == "contrast").passed


def test_covered_letters_are_seen():
    picture, box = words(26, "#000000", "#ffffff")
    pixels = picture.pixels.copy()
    pixels[:, :190] = 255
    assert (
        next(o for o in PixelCritic().judge(Picture(pixels, picture.boxes)) if o.rule == "ink").measured
        < read_text(picture.pixels, box).ink
    )


def test_a_box_outside_the_pixels_has_no_ink():
    picture = letters("#102030", "#ffffff")
    away = tuple(replace(b, x=b.x + 1000) for b in picture.boxes)
    assert not next(o for o in PixelCritic().judge(Picture(picture.pixels, away)) if o.rule == "ink").passed


def test_an_empty_picture_box_is_reported():
    box = Box("product", "image", 0, 0, 20, 20)
    flat = Picture(np.full((20, 20, 3), 200, dtype=np.uint8), (box,))
    assert [o.rule for o in PixelCritic().judge(flat) if not o.passed] == ["picture"]


@pytest.mark.parametrize("pixels", [np.zeros((4, 4), dtype=np.uint8), np.zeros((4, 4, 3)), np.zeros((4, 4, 4), dtype=np.uint8)])
def test_pixels_of_another_shape_are_refused(pixels):
    with pytest.raises(BadInput, match="wanted uint8"):
        PixelCritic().judge(Picture(pixels, ()))
