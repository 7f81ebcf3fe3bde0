"""Pictures of products: the same bytes for the same product, in its colour, for every type."""

import io

import numpy as np
import pytest
from PIL import Image

from rialto.errors import BadInput
from rialto.worlds.pictures import draw_product
from rialto.worlds.shop_data import inks, product_types
from rialto.worlds.silhouettes import fixed_inks, silhouettes


def pixels(body: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(body)).convert("RGB")).astype(np.int64)


def mug(**attributes: str) -> dict[str, object]:
    return {"id": "p00001", "category": "Kitchen/Drinkware/Mugs", "attributes": attributes}


def test_equal_products_give_equal_bytes_and_another_colour_other_ones() -> None:
    assert draw_product(mug(colour="red")) == draw_product(mug(colour="red")) != draw_product(mug(colour="blue"))


@pytest.mark.parametrize("colour", ["red", "green", "blue", "yellow"])
def test_the_product_has_its_colour_on_a_light_ground(colour: str) -> None:
    drawn = pixels(draw_product(mug(colour=colour), size=200))
    wanted = np.array([int(inks()[colour][i : i + 2], 16) for i in (1, 3, 5)])
    assert np.abs(drawn[120, 90] - wanted).max() < 30
    assert min(drawn[y, x].min() for y, x in ((2, 2), (2, 197), (197, 2), (197, 197))) > 225


def test_shade_goes_before_colour() -> None:
    assert draw_product(mug(colour="blue", shade="sky")) != draw_product(mug(colour="blue", shade="navy"))


def test_every_type_has_its_drawing_and_every_drawing_its_inks() -> None:
    drawings = silhouettes()
    assert {kind.silhouette for kind in product_types()} <= set(drawings)
    tones = {"main", "light", "lighter", "dark", "darker"}
    assert {part.ink for parts in drawings.values() for part in parts} <= tones | set(fixed_inks())


@pytest.mark.parametrize("name", sorted(silhouettes()))
def test_drawings_stay_inside_their_square_and_fill_it(name: str) -> None:
    points = np.concatenate([part.points for part in silhouettes()[name]])
    assert points.min() >= 0.0 and points.max() <= 100.0
    assert np.ptp(points, axis=0).max() > 55.0


@pytest.mark.parametrize("product", [{}, {"category": "No/Such/Shelf"}, {"category": "x", "attributes": {"colour": "octarine"}}])
def test_an_unknown_product_is_drawn_as_a_box(product: dict[str, object]) -> None:
    drawn = pixels(draw_product(product, size=64))
    assert drawn.shape == (64, 64, 3) and drawn.std() > 10


@pytest.mark.parametrize("pattern", ["striped", "checked", "dotted"])
def test_a_pattern_is_seen(pattern: str) -> None:
    shirt = {"id": "p1", "category": "Clothing/Tops/Shirts", "attributes": {"colour": "blue", "pattern": pattern}}
    plain = {**shirt, "attributes": {"colour": "blue", "pattern": "plain"}}
    assert np.abs(pixels(draw_product(shirt)) - pixels(draw_product(plain))).mean() > 1.0


@pytest.mark.parametrize("size", [16, 33, 400])
def test_pictures_come_in_the_size_asked_for(size: int) -> None:
    assert pixels(draw_product(mug(colour="teal"), size=size)).shape == (size, size, 3)


@pytest.mark.parametrize("size", [0, 15, 5000])
def test_impossible_sizes_are_refused(size: int) -> None:
    with pytest.raises(BadInput, match="16 to 1200"):
        draw_product({}, size=size)
