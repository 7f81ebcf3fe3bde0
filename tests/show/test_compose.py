"""Composing: every surface is filled, text fits, a bad picture or an impossible surface is refused with its name."""

import csv
import io
import os
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from rialto.errors import BadInput
from rialto.local.writer import GroundedWriter
from rialto.show.compose import compose
from rialto.show.photo import cut_out, disc
from rialto.show.read import luma_row, product_of, read_brief, read_kit


def make(brief, kit, product, canvas, **more):
    return compose(brief, kit, product, writer=GroundedWriter(), canvas=canvas, **more)


def test_three_sizes_come_from_one_brief(brief, kit, product, canvas):
    made = make(brief, kit, product, canvas, variants=4)
    assert {(c.surface, c.width, c.height) for c in made} == {
        ("feed", 1200, 628),
        ("square", 1080, 1080),
        ("half page", 300, 600),
    }
    assert len(made) == 12 == len({c.id for c in made})


def test_variants_differ_in_layout_theme_and_copy(brief, kit, product, canvas):
    feed = [c for c in make(brief, kit, product, canvas, variants=6) if c.surface == "feed"]
    assert len({c.layout for c in feed}) > 1 and len({c.theme for c in feed}) > 1 and len({c.copy["headline"] for c in feed}) > 1


def test_equal_input_gives_equal_creatives(brief, kit, product, canvas):
    assert make(brief, kit, product, canvas) == make(brief, kit, product, canvas)


def test_a_long_name_is_set_smaller_rather_than_cut(brief, kit, canvas, made_up):
    long = product_of(made_up["row"](title="Tern Thermoregulationsflasche"), image=made_up["photo"]())
    short = product_of(made_up["row"](title="Tern"), image=made_up["photo"]())

    def size_px(product):
        tower = next(c for c in make(brief, kit, product, canvas, variants=1) if c.surface == "half page")
        return next(b.size_px for b in tower.boxes if b.name == "headline")

    assert size_px(long) < size_px(short)


def test_a_surface_too_small_for_anything_is_refused_by_name(brief, kit, product, canvas):
    zone = replace(brief.surfaces[0].safe_zone, x=2, y=2, width=36, height=36)
    tiny = replace(brief, surfaces=(replace(brief.surfaces[0], name="dot", width=40, height=40, safe_zone=zone),))
    with pytest.raises(BadInput, match=r"surface 'dot'.*no variant fits"):
        make(tiny, kit, product, canvas)


def test_a_ratio_that_no_layout_serves_is_refused(brief, kit, product, canvas):
    zone = replace(brief.surfaces[0].safe_zone, x=2, y=2, width=1900, height=16)
    odd = replace(brief, surfaces=(replace(brief.surfaces[0], width=2000, height=20, safe_zone=zone),))
    with pytest.raises(BadInput, match="layouts serve"):
        make(odd, kit, product, canvas)


def test_a_language_that_the_writer_lacks_is_refused_and_may_be_left_out(kit, product, canvas, made_up):
    brief = read_brief(made_up["brief"](locales=["en-US", "ja-JP"]))
    with pytest.raises(BadInput, match="ja-JP"):
        make(brief, kit, product, canvas)
    assert make(brief, kit, product, canvas, locales=["en-US"], variants=1)


@pytest.mark.parametrize("image", [b"not a picture", b"\x89PNG\r\n\x1a\n broken"])
def test_a_photo_that_cannot_be_read_is_refused(brief, kit, product, canvas, image):
    with pytest.raises(BadInput, match="not a readable picture"):
        make(brief, kit, replace(product, image=image), canvas)


def test_a_logo_that_is_not_base64_is_refused(brief, product, canvas, made_up):
    raw = made_up["kit"]()
    kit = read_kit({**raw, "logo": {**raw["logo"], "png_base64": "***"}})
    with pytest.raises(BadInput, match="not base64"):
        make(brief, kit, product, canvas)


def test_a_product_without_a_photo_is_composed_without_one(brief, kit, product, canvas):
    made = make(brief, kit, replace(product, image=b""), canvas, variants=1)
    assert made and not any(b.name == "product" for c in made for b in c.boxes)


def test_the_white_ground_is_cut_away_and_the_cut_side_known(made_up):
    cut = cut_out(made_up["photo"]())
    assert cut.edges == {"bottom"} and abs(cut.width - 181) <= 3 and abs(cut.height - 540) <= 3


def test_a_blank_photo_is_refused():
    out = io.BytesIO()
    Image.new("RGB", (50, 50), "#ffffff").save(out, "PNG")
    with pytest.raises(BadInput, match="nothing but its ground"):
        cut_out(out.getvalue())


def test_a_photo_without_white_ground_stays_whole():
    cut = cut_out(disc(60, "#336699"))
    assert (cut.width, cut.height) == (60, 60)


DATA = Path(os.environ.get("RIALTO_DATA", "../shared/data")) / "luma"


@pytest.mark.skipif(not DATA.exists(), reason="the luma catalogue is not here")
def test_real_products_become_creatives_that_pass_every_gate(brief, kit, new_studio):
    with (DATA / "products.csv").open(encoding="utf-8", newline="") as file:
        rows = [(n, r) for n, r in enumerate(csv.DictReader(file)) if n % 40 == 0]
    studio = new_studio()
    for n, raw in rows:
        product = product_of(luma_row(raw, n), image=(DATA / raw["image"]).read_bytes())
        creatives = studio.compose(replace(brief, products=(product.id,)), kit, product, variants=2)
        assert not any(studio.admit(creatives).values()), product.facts["name"]
    assert len(studio.arms) == 2 * 3 * len(rows) == 30


def test_a_light_product_on_white_keeps_its_body_and_a_lit_ground_goes():
    for ground, body in (((255, 255, 255), (228, 228, 226)), ((240, 240, 238), (70, 80, 160))):
        picture = Image.new("RGB", (200, 200), ground)
        ImageDraw.Draw(picture).rectangle((50, 40, 149, 159), fill=body)
        out = io.BytesIO()
        picture.save(out, "PNG")
        cut = cut_out(out.getvalue())
        assert abs(cut.width - 100) <= 4 and abs(cut.height - 120) <= 4
        assert Image.open(io.BytesIO(cut.png)).getpixel((cut.width // 2, cut.height // 2)) == (*body, 255)
