"""Creatives drawn, encoded and gated: the Pillow canvas beside the same drawing in skia, in one run."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from rialto.cli.bench import Metric
from rialto.local.canvas import BASELINE, LINE, RasterCanvas
from rialto.local.critic import PixelCritic
from rialto.local.writer import GroundedWriter
from rialto.ports import Box
from rialto.show.check import Case, check, refusals
from rialto.show.compose import compose
from rialto.show.read import product_of, read_brief, read_kit
from rialto.show.records import Creative
from rialto.show.render import render
from rialto.worlds.briefs import make_brand_kit, make_brief
from rialto.worlds.shop import make_shop

WIDE = (1200, 628)
SIZES = (
    (1200, 628),
    (1080, 1080),
    (300, 600),
    (1080, 1350),
    (1080, 1920),
    (728, 90),
    (970, 250),
    (336, 280),
    (300, 250),
    (160, 600),
    (1600, 600),
    (1500, 1500),
)


def photo() -> bytes:
    """A bottle on white, 640 x 800."""
    picture = Image.new("RGB", (640, 800), "#ffffff")
    pen = ImageDraw.Draw(picture)
    pen.rounded_rectangle((210, 180, 430, 760), radius=60, fill="#2456a6")
    pen.rectangle((270, 60, 370, 190), fill="#1b1b1b")
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=92)
    return out.getvalue()


def surface(width: int, height: int) -> dict[str, Any]:
    margin = max(8, round(0.04 * min(width, height)))
    zone = {"x": margin, "y": margin, "width": width - 2 * margin, "height": height - 2 * margin}
    slots = {"headline": 45, "support": 80, "price": 12, "call_to_action": 18}
    return {
        "name": f"{width}x{height}",
        "width": width,
        "height": height,
        "safe_zone": zone,
        "slots": slots,
        "max_bytes": 300_000,
    }


def made(sizes: tuple[tuple[int, int], ...]) -> Any:
    """Brief, kit and product for surfaces of these sizes."""
    shop = make_shop(products=20)
    row = {**shop.products[3], "title": "Tern Water Bottle", "id": "p00003"}
    brief = read_brief({**make_brief(shop, 3), "surfaces": [surface(*s) for s in sizes], "locales": ["en-US"]})
    return brief, read_kit(make_brand_kit(seed=1)), product_of(row, image=photo())


def timed(work: Callable[[], object]) -> float:
    start = perf_counter()
    work()
    return perf_counter() - start


def compared(one: Callable[[], object], other: Callable[[], object], runs: int) -> tuple[list[float], list[float]]:
    """Seconds of each, run alternately."""
    one(), other()
    pairs = [(timed(one), timed(other)) for _ in range(runs)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def spread(values: list[float]) -> float:
    return (max(values) - min(values)) / median(values)


def skia_jpeg(creative: Creative) -> Callable[[], bytes]:
    """The same boxes drawn with skia and encoded by it, fonts and pictures decoded beforehand."""
    import skia

    folder = files("font_manrope") / "files"
    faces = {
        w: skia.Typeface.MakeFromData(skia.Data.MakeWithCopy((folder / n).read_bytes()))
        for w, n in ((400, "Manrope-Regular.ttf"), (700, "Manrope-Bold.ttf"))
    }
    pictures = {b.name: scaled(b) for b in creative.boxes if b.kind == "image"}
    images = {n: skia.Image.fromarray(p, colorType=skia.kRGBA_8888_ColorType) for n, p in pictures.items()}

    def paint(colour: str) -> Any:
        return skia.Paint(AntiAlias=True, Color=0xFF000000 | int(colour[1:], 16))

    def words(canvas: Any, b: Box) -> None:
        font = skia.Font(faces[b.weight], b.size_px)
        for i, line in enumerate(b.lines):
            left = b.x + (b.width - font.measureText(line)) / 2 if b.kind == "button" else b.x
            top = b.y + (b.height - LINE * b.size_px) / 2 if b.kind == "button" else b.y
            canvas.drawString(line, left, top + (i * LINE + BASELINE) * b.size_px, font, paint(b.colour))

    def draw() -> bytes:
        page = skia.Surface(creative.width, creative.height)
        canvas = page.getCanvas()
        for b in creative.boxes:
            rect = skia.Rect.MakeXYWH(b.x, b.y, b.width, b.height)
            if b.kind == "fill":
                canvas.drawRect(rect, paint(b.colour))
            elif b.kind == "image":
                canvas.drawImage(images[b.name], b.x, b.y)
            else:
                if b.kind == "button":
                    canvas.drawRoundRect(rect, b.height / 2, b.height / 2, paint(b.ground))
                words(canvas, b)
        return bytes(page.makeImageSnapshot().encodeToData(skia.kJPEG, 85))

    return draw


def scaled(b: Box) -> np.ndarray:
    with Image.open(io.BytesIO(b.source)) as picture:
        return np.asarray(picture.convert("RGBA").resize((round(b.width), round(b.height)))).copy()


def draw_metrics(creative: Creative, canvas: RasterCanvas, runs: int) -> list[Metric]:
    def ours() -> bytes:
        return canvas.encode(canvas.draw(creative.boxes, width=creative.width, height=creative.height), kind="jpeg")

    try:
        theirs: Callable[[], bytes] | None = skia_jpeg(creative)
    except ImportError:
        theirs = None
    mine, others = compared(ours, theirs or ours, runs)
    value = 1000 * median(mine)
    if theirs is None:
        return [Metric("draw_and_jpeg_1200x628", value, "ms", spread(mine))]
    peer = 1000 * median(others)
    return [
        Metric("draw_and_jpeg_1200x628", value, "ms (ratio: peer's time / ours)", spread(mine), "skia-python", peer, peer / value)
    ]


def run(*, quick: bool = False) -> list[Metric]:
    """Measure drawing and JPEG beside skia, JPEGs a second with every gate, and all sizes from one brief."""
    runs = 5 if quick else 41
    canvas, writer, critic = RasterCanvas(), GroundedWriter(), PixelCritic()
    brief, kit, product = made((WIDE,))
    creatives = compose(brief, kit, product, writer=writer, canvas=canvas, variants=6)
    unit = brief.surfaces[0]

    def measure(text: str, size_px: float, weight: int) -> tuple[float, float]:
        return canvas.measure(text, size_px=size_px, weight=weight)

    def gated() -> None:
        for c in creatives:
            done = render(c, unit, canvas=canvas)
            sizes = {k: len(f) for k, f in done.files.items()}
            bad = refusals(check(Case(c, product, kit, unit, measure, done.picture, critic.judge(done.picture), sizes)))
            if bad:
                raise AssertionError(f"a clean creative was refused: {bad}")

    many, kit2, product2 = made(SIZES[:4] if quick else SIZES)

    def every_size() -> None:
        for c in compose(replace(many, campaign="Every size"), kit2, product2, writer=writer, canvas=canvas, variants=1):
            canvas.encode(canvas.draw(c.boxes, width=c.width, height=c.height), kind="jpeg")

    several = f"{len(many.surfaces)}_sizes_from_one_brief"
    rates, sizes_s = compared(gated, every_size, max(5, runs // 4))
    per_s = [len(creatives) / s for s in rates]
    return [
        *draw_metrics(creatives[0], canvas, runs),
        Metric(
            "jpegs_with_every_gate", median(per_s), "files/s on one core", spread(per_s), "target", 150.0, median(per_s) / 150.0
        ),
        Metric(several, 1000 * median(sizes_s), "ms", spread(sizes_s), "target for 12", 250.0, 0.25 / median(sizes_s)),
    ]
