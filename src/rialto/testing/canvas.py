"""The exam of the Canvas port: equal input gives equal bytes, and what does not fit is an error, never clipped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rialto.errors import BadInput
from rialto.ports import Box, Canvas

__all__ = ["CanvasExam"]

GROUND = Box("ground", "fill", 0, 0, 200, 100, colour="#ffffff")
WORDS = Box("headline", "text", 10, 10, 180, 40, text="Made to move", size_px=20, colour="#102030")
BUTTON = Box("call_to_action", "button", 20, 60, 120, 32, text="Shop now", size_px=14, colour="#ffffff", ground="#14532d")
JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"


class CanvasExam:
    """Subclass it, and say how to `open` your engine."""

    def open(self) -> Canvas:
        """A canvas with the weights 400 and 700."""
        raise NotImplementedError

    def test_is_a_canvas(self) -> None:
        assert isinstance(self.open(), Canvas)

    def test_a_fill_colours_exactly_its_pixels(self) -> None:
        pixels = (
            self.open().draw([replace(GROUND, x=10, y=20, width=30, height=40, colour="#ff0000")], width=100, height=80).pixels
        )
        assert pixels.shape == (80, 100, 3) and pixels.dtype == np.uint8
        assert (pixels == (255, 0, 0)).all(axis=2).sum() == 30 * 40 and (pixels[20:60, 10:40] == (255, 0, 0)).all()

    def test_what_is_drawn_later_lies_on_top(self) -> None:
        boxes = [GROUND, replace(GROUND, colour="#0000ff")]
        assert (self.open().draw(boxes, width=200, height=100).pixels[50, 50] == (0, 0, 255)).all()

    def test_letters_are_inked_within_their_box(self) -> None:
        dark = self.open().draw([GROUND, WORDS], width=200, height=100).pixels.min(axis=2) < 128
        assert dark[10:50, 10:190].sum() > 100 and dark.sum() == dark[10:50, 8:192].sum()

    def test_a_button_has_letters_in_the_middle_of_its_ground(self) -> None:
        pixels = self.open().draw([GROUND, BUTTON], width=200, height=100).pixels.astype(int)
        ground = (np.abs(pixels - (20, 83, 45)).max(axis=2) < 40).sum()
        columns = np.flatnonzero((pixels[64:88, 30:130].min(axis=2) > 200).any(axis=0))
        assert ground > 1500 and abs(columns.mean() + 30 - 80) < 4

    def test_a_longer_text_is_wider_and_a_larger_one_higher(self) -> None:
        canvas = self.open()
        short, long = (canvas.measure(t, size_px=20, weight=400) for t in ("Move", "Move more"))
        large = canvas.measure("Move", size_px=40, weight=400)
        assert long[0] > short[0] > 0 and large[1] > short[1] and abs(large[0] / short[0] - 2) < 0.1

    def test_text_of_exactly_the_measured_width_fits(self) -> None:
        canvas = self.open()
        width, height = canvas.measure(WORDS.text, size_px=WORDS.size_px, weight=700)
        canvas.draw([replace(WORDS, weight=700, width=width, height=height)], width=200, height=100)

    @pytest.mark.parametrize(
        "change", [{"width": 30.0}, {"height": 8.0}, {"lines": ("Made", "to", "move")}, {"kind": "button", "width": 60.0}]
    )
    def test_text_that_does_not_fit_is_refused(self, change: dict[str, object]) -> None:
        with pytest.raises(BadInput, match="headline"):
            self.open().draw([GROUND, replace(WORDS, **change)], width=200, height=100)  # pyright: ignore[reportArgumentType]

    @pytest.mark.parametrize(
        "change",
        [
            {"kind": "video"}, {"colour": "red"}, {"colour": "#12345"}, {"size_px": 0.0}, {"size_px": float("nan")}, {"weight": 450},
            {"text": "\ue123"}, {"x": float("nan")}, {"x": float("inf")}, {"kind": "image", "source": b"not a picture"},
            {"kind": "fill", "width": 0.0},
        ],
    )  # fmt: skip
    def test_a_box_that_cannot_be_drawn_is_refused(self, change: dict[str, object]) -> None:
        with pytest.raises(BadInput):
            self.open().draw([GROUND, replace(WORDS, **change)], width=200, height=100)  # pyright: ignore[reportArgumentType]

    @pytest.mark.parametrize(("width", "height"), [(0, 10), (10, -1), (10**6, 10)])
    def test_a_size_out_of_range_is_refused(self, width: int, height: int) -> None:
        with pytest.raises(BadInput, match="px"):
            self.open().draw([], width=width, height=height)

    @pytest.mark.parametrize(("kind", "head"), [("jpeg", JPEG), ("png", PNG)])
    def test_equal_input_gives_equal_bytes(self, kind: str, head: bytes) -> None:
        files: list[bytes] = []
        for canvas in (self.open(), self.open()):
            canvas.draw([GROUND, replace(WORDS, text="Warm up", lines=())], width=200, height=100)
            files.append(canvas.encode(canvas.draw([GROUND, WORDS, BUTTON], width=200, height=100), kind=kind))
        assert files[0] == files[1] and files[0].startswith(head)

    def test_an_unknown_format_or_quality_is_refused(self) -> None:
        canvas = self.open()
        picture = canvas.draw([GROUND], width=200, height=100)
        with pytest.raises(BadInput):
            canvas.encode(picture, kind="gif89")
        with pytest.raises(BadInput):
            canvas.encode(picture, kind="jpeg", quality=0)

    def test_a_lower_quality_is_a_smaller_file(self) -> None:
        canvas = self.open()
        picture = canvas.draw([GROUND, WORDS, BUTTON], width=200, height=100)
        assert len(canvas.encode(picture, kind="jpeg", quality=40)) < len(canvas.encode(picture, kind="jpeg", quality=95))
