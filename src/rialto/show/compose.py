"""From a brief to creatives: copy by the Writer, a layout template solved for the surface, the product cut out and placed."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from itertools import islice
from math import ceil, sqrt
from typing import Any

from rialto.errors import BadInput
from rialto.ports import Box, Canvas, Writer, WriterJob
from rialto.records import hash64
from rialto.show.colours import palette
from rialto.show.layout import Rect, Unsolvable, solve, wrap
from rialto.show.photo import Cutout, cut_out, disc
from rialto.show.records import BrandKit, Brief, Creative, Product, Surface

__all__ = ["compose"]

SCALES = (1.0, 0.93, 0.86, 0.8, 0.74, 0.68, 0.62)
"""Type sizes that are tried, the largest first."""
BUTTON = (2.3, 2.2)
"""A button's height, and what it is wider than its text, in font sizes."""
DISC_SHARE = 0.86
ALT_TEXT = ("alt_text", 120)
COPY_SLOTS = ("headline", "support", "price", "call_to_action", "alt_text")
DRAWN = ("headline", "support", "price", "call_to_action", "disclaimer")


@dataclass(frozen=True, slots=True)
class Type:
    """How a layout sets one slot: size in units, weight, colour role; `hug` = as wide as its text; `button` = on a ground."""

    size: float
    weight: int
    colour: str
    hug: bool = False
    button: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """A template: the ratios of width to height that it serves, its type, its constraints."""

    name: str
    ratio: tuple[float, float]
    text: Mapping[str, Type]
    constraints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Set:
    """One slot as it will be drawn: font size, lines, and the size of its box where that is fixed."""

    slot: str
    size_px: float
    lines: tuple[str, ...]
    width: float | None
    height: float


def compose(
    brief: Brief,
    kit: BrandKit,
    product: Product,
    *,
    writer: Writer,
    canvas: Canvas,
    variants: int = 6,
    seed: int = 0,
    locales: Sequence[str] | None = None,
) -> list[Creative]:
    """Make up to `variants` creatives for each surface and locale of the brief.

    Variants walk over layouts, themes and copy together, so that a few of them differ in all three. Text is set at the largest
    size at which the whole layout fits; a variant that fits at none is left out.

    Args:
        locales: Those of the brief's locales to make now; all where none are given.

    Raises:
        BadInput: the writer has no words for a locale, the photo or the logo cannot be read, no layout serves a surface's ratio, or
            a surface fits no variant at all; the text names the surface and the reason.

    Cost:
        About 5 ms a creative, and 60 ms once a product for its photo.
    """
    picture = _cut(product.image) if product.image else None
    made: list[Creative] = []
    for surface in brief.surfaces:
        for locale in brief.locales if locales is None else locales:
            job = _job(surface, kit, product, locale, seed)
            copies = [_with_disclaimer(c, surface, kit) for c in writer.write(job, variants=variants)]
            made += _for_surface(_Work(brief, kit, product, surface, locale, picture, canvas), copies, variants)
    return made


@dataclass(frozen=True, slots=True)
class _Work:
    brief: Brief
    kit: BrandKit
    product: Product
    surface: Surface
    locale: str
    picture: Cutout | None
    canvas: Canvas


def _for_surface(work: _Work, copies: Sequence[Mapping[str, str]], variants: int) -> list[Creative]:
    problems: list[str] = []

    def fitting() -> Iterator[Creative]:
        for layout, theme, copy in _combinations(work.surface, copies):
            try:
                yield _creative(work, layout, theme, copy)
            except Unsolvable as e:
                problems.append(f"{layout.name}: {e}")

    made = list(islice(fitting(), variants))
    if not made:
        why = "; ".join(dict.fromkeys(problems)) or "the writer had no copy: the product's facts or the slots are empty"
        raise BadInput(f"surface {work.surface.name!r}, product {work.product.id!r}: no variant fits ({why[:400]}).")
    return made


def _combinations(surface: Surface, copies: Sequence[Mapping[str, str]]) -> Iterator[tuple[Layout, str, Mapping[str, str]]]:
    """Every layout with every theme and copy, once; neighbours differ in all three where there are enough of each."""
    ratio = surface.width / surface.height
    layouts = [x for x in _layouts() if x.ratio[0] <= ratio < x.ratio[1]]
    if not layouts:
        served = ", ".join(f"{x.name} {x.ratio[0]:g}..{x.ratio[1]:g}" for x in _layouts())
        raise BadInput(f"surface {surface.name!r} is {ratio:.2f} times as wide as high; layouts serve {served}.")
    themes = list(_themes())
    seen: set[tuple[int, int, int]] = set()
    for turn in range(len(copies) * len(themes) * len(layouts)):
        for i in range(len(copies)):
            pick = ((i + turn) % len(layouts), (i + turn // len(layouts)) % len(themes), i)
            if pick not in seen:
                seen.add(pick)
                yield layouts[pick[0]], themes[pick[1]], copies[i]


def _creative(work: _Work, layout: Layout, theme: str, copy: Mapping[str, str]) -> Creative:
    surface = work.surface
    sets, places = _largest(work, layout, copy)
    colours = palette(_themes()[theme], work.kit.colours)
    boxes = (*_areas(surface, places, colours, work.picture), *_logo(places, work.kit), *_texts(layout, sets, places, colours))
    where = (work.brief.campaign, surface.name, work.product.id, work.locale, surface.width, surface.height)
    return Creative(*where, copy, boxes, layout.name, theme, work.product.version)


def _largest(work: _Work, layout: Layout, copy: Mapping[str, str]) -> tuple[list[Set], dict[str, Rect]]:
    """The layout at the largest scale at which all copy fits."""
    reason = Unsolvable("no scale fits")
    for scale in SCALES:
        try:
            return _at_scale(work, layout, copy, scale)
        except Unsolvable as e:
            reason = e
    raise reason


def _at_scale(work: _Work, layout: Layout, copy: Mapping[str, str], scale: float) -> tuple[list[Set], dict[str, Rect]]:
    surface, unit = work.surface, _unit(work.surface)
    constants = _constants(surface, unit)
    ratio = work.kit.logo.width / work.kit.logo.height
    lines = (*_holding(layout.constraints, copy), f"logo.width == {ratio:.6f} logo.height")
    sizes = {
        slot: max(t.size * unit * (scale if not t.button else max(scale, 0.9)), surface.min_text_px)
        for slot, t in layout.text.items()
    }
    widths = {s: _hugged(work, layout.text[s], sizes[s], _shown(copy, s)) for s in layout.text}
    columns = solve(lines, constants, {s: (w, None) for s, w in widths.items()})  # how wide; heights are not known yet
    sets = [_set(work, layout.text[s], s, sizes[s], _shown(copy, s), widths[s], columns[s].width) for s in layout.text]
    places = solve(lines, constants, {x.slot: (x.width, x.height) for x in sets})
    return [x for x in sets if x.lines], places


def _holding(constraints: Sequence[str], copy: Mapping[str, str]) -> list[str]:
    """The constraints whose condition holds: `with price: ...` and `without price: ...` ask whether the copy has that slot."""
    held: list[str] = []
    for line in constraints:
        word, _, rest = line.partition(" ")
        if word not in ("with", "without"):
            held.append(line)
            continue
        slot, _, constraint = rest.partition(": ")
        if bool(copy.get(slot)) == (word == "with"):
            held.append(constraint)
    return held


def _set(work: _Work, style: Type, slot: str, size_px: float, text: str, width: float | None, column: float) -> Set:
    if not text:
        return Set(slot, size_px, (), 0.0 if style.hug else None, 0.0)

    def measure(line: str) -> float:
        return work.canvas.measure(line, size_px=size_px, weight=style.weight)[0]

    room = column - (BUTTON[1] * size_px if style.button else 0.0)
    lines = (text,) if style.hug else wrap(text, room, measure)
    most = 1 if style.button else work.surface.max_lines.get(slot, 3)
    if lines is None or len(lines) > most:
        raise Unsolvable(f"{slot} {text!r} does not fit {most} lines of {room:.0f} px at {size_px:.0f} px")
    pitch = work.canvas.measure(text, size_px=size_px, weight=style.weight)[1]
    return Set(slot, size_px, lines, width, ceil(BUTTON[0] * size_px if style.button else pitch * len(lines)))


def _hugged(work: _Work, style: Type, size_px: float, text: str) -> float | None:
    if not style.hug:
        return None
    if not text:
        return 0.0
    wide = work.canvas.measure(text, size_px=size_px, weight=style.weight)[0]
    return ceil(
        wide + (BUTTON[1] * size_px if style.button else 0.0)
    )  # whole pixels, so that rounding a place takes nothing away


def _areas(surface: Surface, places: Mapping[str, Rect], colours: Mapping[str, str], picture: Cutout | None) -> list[Box]:
    panel, stage = places["panel"], places["stage"]
    boxes = [Box("ground", "fill", 0, 0, surface.width, surface.height, colour=colours["ground"])]
    boxes.append(_box("panel", "fill", panel, colour=colours["panel"]))
    wide = round(DISC_SHARE * min(stage.width, stage.height))
    if wide < 8:
        raise Unsolvable(f"the picture's place is {stage.width} x {stage.height} px")
    middle = Rect(stage.left + (stage.width - wide) // 2, stage.top + (stage.height - wide) // 2, wide, wide)
    boxes.append(_box("disc", "image", middle, source=_disc(wide, colours["disc"])))
    if picture is not None:
        boxes.append(_box("product", "image", _stood(picture, stage, panel), source=picture.png))
    return boxes


def _stood(picture: Cutout, stage: Rect, panel: Rect) -> Rect:
    """The product in its place: never larger than its pixels; a side that the photo cut stands on the panel's edge."""
    top = panel.top if "top" in picture.edges else stage.top
    bottom = panel.bottom if "bottom" in picture.edges else stage.bottom
    scale = min(stage.width / picture.width, (bottom - top) / picture.height, 1.0)
    width, height = int(picture.width * scale), int(picture.height * scale)
    y = bottom - height if "bottom" in picture.edges else top if "top" in picture.edges else top + (bottom - top - height) // 2
    return Rect(stage.left + (stage.width - width) // 2, y, width, height)


def _logo(places: Mapping[str, Rect], kit: BrandKit) -> list[Box]:
    try:
        source = base64.b64decode(kit.logo.png_base64, validate=True)
    except binascii.Error as e:
        raise BadInput(f"brand kit {kit.name!r}: logo.png_base64 is not base64: {e}.") from e
    return [_box("logo", "image", places["logo"], source=source)]


def _texts(layout: Layout, sets: Sequence[Set], places: Mapping[str, Rect], colours: Mapping[str, str]) -> list[Box]:
    boxes: list[Box] = []
    for s in sets:
        style = layout.text[s.slot]
        kind, ground = ("button", colours["button"]) if style.button else ("text", "")
        ink = colours[style.colour]
        text = " ".join(s.lines)
        boxes.append(
            _box(
                s.slot,
                kind,
                places[s.slot],
                text=text,
                size_px=s.size_px,
                colour=ink,
                ground=ground,
                weight=style.weight,
                lines=s.lines,
            )
        )
    return boxes


def _box(name: str, kind: str, at: Rect, **more: Any) -> Box:
    return Box(name, kind, at.left, at.top, at.width, at.height, **more)


def _shown(copy: Mapping[str, str], slot: str) -> str:
    if slot == "disclaimer" and copy.get("disclaimer"):
        return f"{copy['disclaimer_label']}: {copy['disclaimer']}"
    return copy.get(slot, "")


def _with_disclaimer(copy: Mapping[str, str], surface: Surface, kit: BrandKit) -> dict[str, str]:
    for small in kit.disclaimers:
        if small.text and len(small.text) <= surface.slots.get("disclaimer", 0):
            return {**copy, "disclaimer_label": small.label, "disclaimer": small.text}
    return dict(copy)


def _job(surface: Surface, kit: BrandKit, product: Product, locale: str, seed: int) -> WriterJob:
    slots = {slot: most for slot, most in surface.slots.items() if slot in COPY_SLOTS}
    slots.setdefault(*ALT_TEXT)
    lines = dict.fromkeys(("headline", "support"), kit.voice.approved)
    stream = hash64(f"{seed}/{surface.name}/{product.id}/{locale}") >> 1
    return WriterJob(slots, product.facts, locale, {**lines, "call_to_action": kit.calls_to_action}, stream, kit.voice.banned)


def _constants(surface: Surface, unit: float) -> dict[str, float]:
    z = surface.safe_zone
    edges = {"left": z.x, "top": z.y, "right": z.x + z.width, "bottom": z.y + z.height}
    inset = round(2.0 * unit)  # a margin of our own where the unit's safe zone reaches its edge
    far = {"left": 0, "top": 0, "right": surface.width, "bottom": surface.height}
    safe = {e: max(v, inset) if e in ("left", "top") else min(v, far[e] - inset) for e, v in edges.items()}
    return {"W": surface.width, "H": surface.height, "u": unit, **{f"safe.{e}": float(v) for e, v in safe.items()}}


def _unit(surface: Surface) -> float:
    return sqrt(surface.width * surface.height) / 100.0


@cache
def _data() -> dict[str, Any]:
    return json.loads((files("rialto.show") / "layouts.json").read_text("utf-8"))


@cache
def _layouts() -> tuple[Layout, ...]:
    return tuple(
        Layout(x["name"], (x["ratio"][0], x["ratio"][1]), {s: Type(**t) for s, t in x["text"].items()}, tuple(x["constraints"]))
        for x in _data()["layouts"]
    )


def _themes() -> Mapping[str, Mapping[str, str | Sequence[str | float]]]:
    return _data()["themes"]


@lru_cache(maxsize=64)
def _cut(photo: bytes) -> Cutout:
    return cut_out(photo)


@lru_cache(maxsize=64)
def _disc(size: int, colour: str) -> bytes:
    return disc(size, colour)
