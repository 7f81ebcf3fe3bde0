"""The exam of the Critic port: a clean picture passes, each broken one is reported with a sentence, and nothing is repaired."""

from __future__ import annotations

import numpy as np

from rialto.ports import Box, Critic, Picture

__all__ = ["CriticExam", "letters"]


def letters(ink: str, ground: str, *, height: int = 60, width: int = 240, size_px: int = 32) -> Picture:
    """A made-up headline of eight upright strokes of `ink` on `ground`, as a font of `size_px` would ink them."""
    pixels = np.full((height, width, 3), _rgb(ground), dtype=np.uint8)
    for i in range(8):
        x = 12 + i * 26
        pixels[14:42, x : x + 5] = _rgb(ink)
        pixels[24:29, x : x + 14] = _rgb(ink)
    box = Box("headline", "text", 0, 0, width, height, text="FFFFFFFF", size_px=size_px, colour=ink, weight=700)
    return Picture(pixels, (Box("ground", "fill", 0, 0, width, height, colour=ground), box))


class CriticExam:
    """Subclass it, and say how to `open` your engine."""

    def open(self) -> Critic:
        """A critic."""
        raise NotImplementedError

    def test_is_a_critic(self) -> None:
        assert isinstance(self.open(), Critic)

    def test_a_clean_picture_passes_every_rule(self) -> None:
        opinions = self.open().judge(letters("#102030", "#ffffff"))
        assert opinions and all(o.passed for o in opinions), opinions

    def test_rules_have_different_names_and_the_same_ones_each_time(self) -> None:
        critic = self.open()
        names = [o.rule for o in critic.judge(letters("#102030", "#ffffff"))]
        assert len(set(names)) == len(names) and names == [o.rule for o in critic.judge(letters("#ffffff", "#ffffff"))]

    def test_faint_letters_are_reported_with_a_sentence(self) -> None:
        failed = [o for o in self.open().judge(letters("#c8c8c8", "#ffffff")) if not o.passed]
        assert failed and all("headline" in o.reason and len(o.reason) > 30 for o in failed)

    def test_letters_of_the_grounds_colour_are_reported(self) -> None:
        assert not all(o.passed for o in self.open().judge(letters("#336699", "#336699")))

    def test_a_declared_colour_that_is_not_on_the_pixels_is_reported(self) -> None:
        picture = letters("#102030", "#ffffff")
        blank = np.full_like(picture.pixels, 255)
        assert not all(o.passed for o in self.open().judge(Picture(blank, picture.boxes)))

    def test_the_picture_is_left_as_it_was(self) -> None:
        picture = letters("#c8c8c8", "#ffffff")
        before = picture.pixels.copy()
        self.open().judge(picture)
        assert np.array_equal(picture.pixels, before)

    def test_same_pixels_give_the_same_opinions(self) -> None:
        critic = self.open()
        assert critic.judge(letters("#777777", "#ffffff")) == critic.judge(letters("#777777", "#ffffff"))


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
