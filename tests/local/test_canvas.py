"""The raster canvas, by the port's exam and its own edges."""

import io

import numpy as np
import pytest
from PIL import Image

from rialto.errors import BadInput
from rialto.local.canvas import RasterCanvas
from rialto.ports import Box
from rialto.testing.canvas import CanvasExam

CANVAS = RasterCanvas()


class TestRasterCanvas(CanvasExam):
    def open(self):
        return RasterCanvas()


def encoded(picture):
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def test_a_picture_keeps_its_ratio_and_stands_in_the_middle():
    box = Box("product", "image", 0, 0, 100, 60, source=encoded(Image.new("RGB", (50, 60), "#ff0000")))
    red = (CANVAS.draw([box], width=100, height=60).pixels == (255, 0, 0)).all(axis=2)
    assert red.sum() == 50 * 60 and red[:, 25:75].all()


def test_transparent_parts_let_the_ground_through():
    picture = Image.new("RGBA", (40, 40), (255, 0, 0, 0))
    boxes = [Box("ground", "fill", 0, 0, 40, 40, colour="#00ff00"), Box("cut", "image", 0, 0, 40, 40, source=encoded(picture))]
    assert (CANVAS.draw(boxes, width=40, height=40).pixels == (0, 255, 0)).all()


def test_a_letter_that_the_font_lacks_is_named():
    with pytest.raises(BadInput, match=r"U\+4E2D"):
        CANVAS.measure("中", size_px=20, weight=400)


def test_a_font_that_is_none_is_refused():
    with pytest.raises(BadInput, match="character map"):
        RasterCanvas(fonts={400: b"not a font"})


def test_small_letters_are_spaced_as_large_ones_are():
    small, large = (CANVAS.measure("While stocks last", size_px=s, weight=400)[0] for s in (10, 100))
    assert abs(large / small - 10) < 0.1


def test_what_is_remembered_changes_no_pixel():
    boxes = [Box("headline", "text", 4, 4, 200, 40, text="Made to move", size_px=24)]
    forgetful = RasterCanvas(remember=1)
    pictures = [c.draw(boxes, width=220, height=50).pixels for c in (CANVAS, CANVAS, forgetful, forgetful)]
    assert all(np.array_equal(pictures[0], p) for p in pictures)


def test_a_png_of_low_quality_has_few_colours_and_a_high_one_loses_nothing():
    ramp = np.arange(256 * 256 * 3, dtype=np.uint32).astype(np.uint8).reshape(256, 256, 3)
    picture = CANVAS.draw([Box("noise", "image", 0, 0, 256, 256, source=encoded(Image.fromarray(ramp)))], width=256, height=256)
    whole = np.asarray(Image.open(io.BytesIO(CANVAS.encode(picture, kind="png", quality=90))).convert("RGB"))
    few = Image.open(io.BytesIO(CANVAS.encode(picture, kind="png", quality=70)))
    assert np.array_equal(whole, ramp) and few.mode == "P"


def test_webp_is_known_too():
    picture = CANVAS.draw([], width=20, height=20)
    assert CANVAS.encode(picture, kind="webp")[8:12] == b"WEBP"
