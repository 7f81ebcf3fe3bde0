"""Made-up briefs and brand kits: plain JSON, consistent in themselves."""

import base64
import io
import json

import pytest
from PIL import Image, ImageColor

from rialto.errors import BadInput
from rialto.worlds.briefs import make_brand_kit, make_brief
from rialto.worlds.shop import Shop, make_shop


@pytest.fixture(scope="module")
def shop() -> Shop:
    return make_shop(seed=1, products=60)


def luminance(ink: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [v / 255.0 for v in ImageColor.getrgb(ink)[:3]]
    r, g, b = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a: str, b: str) -> float:
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_briefs_are_json_and_repeat(shop: Shop) -> None:
    briefs = [make_brief(shop, 5, seed=s) for s in (1, 1, 2)]
    assert json.loads(json.dumps(briefs[0])) == briefs[0] == briefs[1] != briefs[2]


@pytest.mark.parametrize("seed", range(8))
def test_a_safe_zone_lies_inside_its_surface_and_dates_run_forward(shop: Shop, seed: int) -> None:
    brief = make_brief(shop, seed, seed=seed)
    assert brief["starts"] < brief["ends"] and brief["locales"][0] == "en-US" and brief["products"] == [f"p{seed:05d}"]
    assert len(brief["surfaces"]) >= 3
    for surface in brief["surfaces"]:
        zone = surface["safe_zone"]
        assert zone["x"] >= 0 and zone["y"] >= 0 and zone["width"] > 0 and zone["height"] > 0
        assert zone["x"] + zone["width"] <= surface["width"] and zone["y"] + zone["height"] <= surface["height"]
        assert surface["slots"]["headline"] >= 30 and surface["max_bytes"] >= 200_000


def test_changing_a_brief_does_not_change_the_next(shop: Shop) -> None:
    first = make_brief(shop, 1)
    first["surfaces"][0]["slots"]["headline"] = 1
    assert make_brief(shop, 1)["surfaces"][0]["slots"]["headline"] > 1


@pytest.mark.parametrize("product", [-1, 60])
def test_a_brief_for_no_product_is_refused(shop: Shop, product: int) -> None:
    with pytest.raises(BadInput, match="from 0 to 59"):
        make_brief(shop, product)


def test_a_negative_seed_is_refused(shop: Shop) -> None:
    with pytest.raises(BadInput, match="wanted 0 or more"):
        make_brand_kit(seed=-1)
    with pytest.raises(BadInput, match="wanted 0 or more"):
        make_brief(shop, 1, seed=-1)


@pytest.mark.parametrize("seed", range(12))
def test_brand_colours_can_be_read_and_the_logo_is_a_picture(seed: int) -> None:
    kit = make_brand_kit(seed=seed)
    colours = kit["colours"]
    assert contrast(colours["ink"], colours["ground"]) >= 7.0 and contrast(colours["on_accent"], colours["accent"]) >= 4.5
    logo = Image.open(io.BytesIO(base64.b64decode(kit["logo"]["png_base64"])))
    assert logo.size == (kit["logo"]["width"], kit["logo"]["height"]) and logo.mode == "RGBA"
    alpha = logo.getchannel("A").getextrema()
    assert alpha == (0, 255)
    assert not set(kit["voice"]["approved"]) & set(kit["voice"]["banned"]) and len(kit["calls_to_action"]) == 3
    assert kit == make_brand_kit(seed=seed)
