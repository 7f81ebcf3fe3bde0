"""The gates: every planted defect is refused by its own rule with a reason, and clean creatives raise no alarm."""

import base64
from dataclasses import replace

import numpy as np
import pytest

from rialto.local.critic import PixelCritic
from rialto.local.writer import GroundedWriter
from rialto.show.check import GATES, Case, check, refusals
from rialto.show.compose import compose
from rialto.show.read import product_of

RULES = {g.__name__ for g in GATES} | {"contrast", "ink", "picture"}


@pytest.fixture(scope="module")
def clean(brief, kit, product, canvas):
    return compose(brief, kit, product, writer=GroundedWriter(), canvas=canvas, variants=6)


@pytest.fixture(scope="module")
def judged(brief, kit, product, canvas):
    """Verdicts on a creative that may be broken; what cannot even be drawn is drawn without its words, for the gates on geometry."""

    def judge(creative, *, size=None, now=product, surface=None, files=None):
        unit = surface or next(s for s in brief.surfaces if s.name == creative.surface)
        drawable = [b for b in creative.boxes if b.kind != "text" or fits(b)]
        picture = replace(canvas.draw(drawable, width=creative.width, height=creative.height), boxes=creative.boxes)
        sizes = dict.fromkeys(unit.formats, size or 1000) if files is None else files
        case = Case(
            creative,
            now,
            kit,
            unit,
            lambda t, z, w: canvas.measure(t, size_px=z, weight=w),
            picture,
            PixelCritic().judge(picture),
            sizes,
        )
        return check(case)

    def fits(box):
        lines = box.lines or (box.text,)
        sizes = [canvas.measure(line, size_px=box.size_px, weight=box.weight) for line in lines]
        return max(w for w, _ in sizes) <= box.width + 0.7 and sum(h for _, h in sizes) <= box.height + 0.7

    return judge


def says(creative, slot, text):
    """The creative with another text in one slot, drawn in the same place at a size at which it fits."""
    boxes = tuple(
        replace(b, text=text, lines=(text,), size_px=max(10.0, b.size_px * min(1.0, len(b.lines[0]) / max(len(text), 1)) * 0.7))
        if b.name == slot
        else b
        for b in creative.boxes
    )
    return replace(creative, copy={**creative.copy, slot: text}, boxes=boxes)


def moved(creative, name, **changes):
    return replace(creative, boxes=tuple(replace(b, **changes) if b.name == name else b for b in creative.boxes))


def box(creative, name):
    return next(b for b in creative.boxes if b.name == name)


def without(creative, name):
    return replace(creative, boxes=tuple(b for b in creative.boxes if b.name != name))


def on_top(creative, added):
    return replace(creative, boxes=(*creative.boxes, added))


SPOKEN = [
    ("price", "price", "$19.50"),
    ("price", "headline", "Now $24.05 for you"),
    ("price", "support", "Yours for 20 dollars."),
    ("price", "support", "Only €24.50 today"),
    ("price", "alt_text", "Tern Water Bottle, $24.50, was $49.00"),
    ("number", "support", "Holds 900 ml."),
    ("number", "headline", "Cold for 24 hours"),
    ("number", "support", "Save 30% on bottles."),
    ("number", "support", "Holds 750 litres."),
    ("material", "headline", "A leather bottle"),
    ("material", "support", "Made of titanium."),
    ("material", "support", "Waterproof body."),
    ("superlative", "headline", "The best bottle"),
    ("superlative", "support", "Award-winning design."),
    ("superlative", "headline", "The perfect bottle"),
    ("comparison", "support", "Better than ordinary bottles."),
    ("comparison", "support", "Lasts twice as long."),
    ("offer", "headline", "Free bottle inside"),
    ("offer", "support", "Last chance to get it."),
    ("offer", "headline", "Half price bottle"),
    ("banned", "headline", "A cheap bottle"),
    ("banned", "support", "Satisfaction guaranteed."),
    ("banned", "support", "Click here to see it."),
    ("characters", "headline", "A water bottle for every long day that you walk"),
    ("clean_text", "headline", "{name} for you"),
    ("clean_text", "support", "Steel  body"),
    ("clean_text", "headline", "WATER BOTTLES"),
    ("clean_text", "headline", "Look here!!"),
    ("clean_text", "support", "Steel &amp; cork"),
    ("call_to_action", "call_to_action", "Buy it"),
    ("call_to_action", "call_to_action", "Shop Now"),
    ("call_to_action", "call_to_action", "SHOP NOW"),
    ("disclaimer", "disclaimer", "Ask in store."),
    ("alt_text", "alt_text", "Tern"),
    ("alt_text", "alt_text", "A bottle, $24.50"),
    ("alt_text", "alt_text", "Tern Water Bottle"),
    ("alt_text", "alt_text", "Tern Water Bottle, $24.50, " + "very " * 20 + "long"),
]


@pytest.mark.parametrize(("rule", "slot", "text"), SPOKEN)
def test_planted_words_are_refused_by_their_rule(clean, judged, rule, slot, text):
    refused = {v.rule: v.reason for v in refusals(judged(says(clean[0], slot, text)))}
    assert rule in refused and len(refused[rule]) > 20


def drawn_defects(c):
    head, product, logo = box(c, "headline"), box(c, "product"), box(c, "logo")
    button, panel = box(c, "call_to_action"), box(c, "panel")
    yield "disclaimer", replace(c, copy={k: v for k, v in c.copy.items() if k != "disclaimer_label"})
    yield "drawn_as_written", replace(c, copy={**c.copy, "headline": "Another headline"})
    yield "drawn_as_written", without(c, "price")
    yield "drawn_as_written", on_top(c, replace(box(c, "support"), name="extra"))
    yield "required", replace(c, copy={**c.copy, "headline": ""})
    yield "call_to_action", without(c, "call_to_action")
    yield "call_to_action", on_top(c, replace(button, y=button.y + 60))
    yield "fresh", replace(c, fact_version="0" * 16)
    yield "lines", moved(c, "headline", lines=tuple("abcd"))
    yield "widow", moved(c, "headline", lines=("Tern water bottle for", "a"))
    yield "text_size", moved(c, "disclaimer", size_px=6.0)
    yield "safe_zone", moved(c, "headline", x=4)
    yield "safe_zone", moved(c, "logo", y=2)
    yield "overlap", moved(c, "support", y=head.y + 10)
    yield "overlap", moved(c, "logo", x=product.x, y=product.y + 40)
    yield "overflow", moved(c, "headline", width=80)
    yield "overflow", moved(c, "disclaimer", y=c.height - 5)
    yield "overflow", moved(c, "product", x=c.width - 60)
    yield "size", replace(c, width=c.width - 100)
    yield "logo", without(c, "logo")
    yield "logo", moved(c, "logo", width=logo.width * 1.6)
    yield "logo", moved(c, "logo", source=product.source)
    yield "logo", moved(c, "headline", y=logo.y + logo.height + 2)
    yield "product", without(c, "product")
    yield "product", moved(c, "product", width=product.width * 3, height=product.height * 3)
    yield "product", on_top(c, replace(panel, name="badge", x=product.x, y=product.y, width=80, height=80))
    yield "contrast", moved(c, "headline", colour=box(c, "ground").colour)
    yield "contrast", moved(c, "support", colour="#b8b8b8")
    yield "contrast", moved(c, "call_to_action", ground="#7da58c")
    yield "contrast", moved(c, "price", colour="#9fd0ae")
    yield "ink", on_top(c, replace(panel, name="patch", x=head.x, y=head.y, width=head.width, height=head.height))
    yield "picture", on_top(c, replace(panel, name="patch", x=product.x, y=product.y, width=product.width, height=product.height))


@pytest.mark.parametrize("size", ["feed", "square", "half page"])
def test_planted_defects_of_layout_and_pixels_are_refused_by_their_rule(clean, judged, size):
    missed = [
        rule
        for rule, broken in drawn_defects(next(c for c in clean if c.surface == size))
        if rule not in {v.rule for v in refusals(judged(broken))}
    ]
    assert missed == []


def test_a_heavy_or_a_missing_file_is_refused(clean, judged):
    for files in ({"jpeg": 250_001, "png": 9}, {"jpeg": 9}, {}):
        assert [v.rule for v in refusals(judged(clean[0], files=files))] == ["weight"]


def test_a_price_that_changed_in_the_catalogue_makes_the_creative_stale(clean, judged, made_up):
    now = product_of(made_up["row"](price_cents=2650), image=made_up["photo"]())
    refused = {v.rule: v.reason for v in refusals(judged(clean[0], now=now))}
    assert {"price", "fresh", "alt_text"} <= set(refused)
    assert "says '$24.50'" in refused["price"] and "$26.50" in refused["price"]


def test_clean_creatives_raise_no_alarm(clean, judged):
    alarms = [(c.surface, c.layout, v) for c in clean for v in refusals(judged(c))]
    assert alarms == [] and len(clean) == 18


def test_every_rule_gives_a_verdict_and_has_a_planted_defect(clean, judged):
    planted = {rule for rule, *_ in SPOKEN} | {rule for rule, _ in drawn_defects(clean[0])} | {"weight"}
    assert {v.rule for v in judged(clean[0])} == RULES == planted
    assert len(GATES) >= 12


def test_a_fact_may_be_said_with_its_number_and_an_approved_line_with_its_word(clean, judged, made_up, kit):
    for text in ("Holds 750 ml.", "Steel body with screw top.", "Keeps cold for 12 hours."):
        assert not refusals(judged(says(clean[0], "support", text))), text


def test_contrast_is_measured_on_pixels_not_on_what_is_declared(clean, judged):
    c = clean[0]
    head = box(c, "headline")
    ground = replace(
        box(c, "panel"), name="shade", x=head.x, y=head.y, width=head.width / 2, height=head.height, colour="#33405a"
    )
    at = [b.name for b in c.boxes].index("headline")
    shaded = replace(c, boxes=(*c.boxes[:at], ground, *c.boxes[at:]))
    assert "contrast" in {v.rule for v in refusals(judged(shaded))}


def test_the_logo_is_compared_with_the_kits_own(clean, kit):
    assert base64.b64encode(box(clean[0], "logo").source).decode() == kit.logo.png_base64
    assert np.isfinite(clean[0].id) and 0 <= clean[0].id < 2**63
