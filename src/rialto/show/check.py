"""The gates: nothing reaches a shopper that has not passed every one; each refusal has a reason that a person can act on."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import combinations

from PIL import Image, UnidentifiedImageError

from rialto.ports import Box
from rialto.show.claims import CLAIMS, Case, Rule, verdict
from rialto.show.records import Verdict

__all__ = ["GATES", "Case", "check", "refusals"]

SLACK_PX = 1.0
"""Rounding of a solved layout."""
WIDOW = 0.2
"""A last line shorter than this share of the longest is a widow."""
DISTORTION = 0.03
OUTSIDE = ("ground", "panel", "disc", "product")
"""Boxes that may reach past the safe zone."""


def check(case: Case) -> list[Verdict]:
    """Put a case before every gate.

    Returns:
        One verdict a gate, in the order of `GATES`, then one for each opinion of the critic.

    Cost:
        About 1 ms; no pixel is read here, as that is the critic's work.
    """
    seen = [Verdict(o.rule, o.passed, f"{o.measured:.2f}", "" if o.passed else o.reason) for o in case.opinions]
    return [gate(case) for gate in GATES] + seen


def refusals(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Those that did not pass."""
    return [v for v in verdicts if not v.passed]


def lines(case: Case) -> Verdict:
    """No slot is broken into more lines than the surface allows."""
    problems = [
        f"{b.name} has {len(b.lines)} lines; {case.surface.name} allows {case.surface.max_lines.get(b.name, 3)}. Shorten it."
        for b in _texts(case)
        if len(b.lines) > case.surface.max_lines.get(b.name, 3)
    ]
    return verdict("lines", problems, f"{max((len(b.lines) for b in _texts(case)), default=0)} at most")


def widow(case: Case) -> Verdict:
    """No last line that is a scrap of the others."""
    problems = [
        f"{b.name} ends with {b.lines[-1]!r} alone on a line. Reword it, or break it earlier."
        for b in _texts(case)
        if len(b.lines) > 1 and len(b.lines[-1]) < WIDOW * max(map(len, b.lines))
    ]
    return verdict("widow", problems, f"{len(problems)} widows")


def text_size(case: Case) -> Verdict:
    """No text smaller than the surface's least size."""
    least = case.surface.min_text_px
    problems = [
        f"{b.name} is {b.size_px:.1f} px; {case.surface.name} needs {least:g} or more." for b in _texts(case) if b.size_px < least
    ]
    return verdict("text_size", problems, f"{min((b.size_px for b in _texts(case)), default=0.0):.1f} px least")


def safe_zone(case: Case) -> Verdict:
    """Words, logo and button stay in the safe zone."""
    z = case.surface.safe_zone
    out = [
        f"{b.name} stands at {_where(b)}; the safe zone is {z.x},{z.y} to {z.x + z.width},{z.y + z.height}. Move it in."
        for b in case.creative.boxes
        if b.name not in OUTSIDE
        and (
            b.x < z.x - SLACK_PX
            or b.y < z.y - SLACK_PX
            or _right(b) > z.x + z.width + SLACK_PX
            or _bottom(b) > z.y + z.height + SLACK_PX
        )
    ]
    return verdict("safe_zone", out, f"{len(out)} outside")


def overlap(case: Case) -> Verdict:
    """Words, logo, button and product do not cover one another."""
    pairs = [(a, b) for a, b in combinations(_content(case), 2) if _gap(a, b) < -SLACK_PX]
    problems = [f"{a.name} ({_where(a)}) and {b.name} ({_where(b)}) overlap. Move them apart." for a, b in pairs]
    return verdict("overlap", problems, f"{len(pairs)} pairs")


def overflow(case: Case) -> Verdict:
    """Text fits its box as it will be drawn, and every box has a place on the surface."""
    problems: list[str] = []
    for b in _texts(case):
        sizes = [case.measure(line, b.size_px, b.weight) for line in b.lines or (b.text,)]
        wide, high = max(w for w, _ in sizes), sum(h for _, h in sizes)
        if wide > b.width + SLACK_PX or high > b.height + SLACK_PX:
            problems.append(
                f"{b.name} needs {wide:.0f} x {high:.0f} px and has {b.width:.0f} x {b.height:.0f}. Shorten it, or make it smaller."
            )
    for b in case.creative.boxes:
        if b.x < 0 or b.y < 0 or _right(b) > case.creative.width or _bottom(b) > case.creative.height:
            problems.append(
                f"{b.name} at {_where(b)} leaves the {case.creative.width} x {case.creative.height} px surface. Move it in."
            )
    return verdict("overflow", problems, f"{len(problems)} boxes")


def size(case: Case) -> Verdict:
    """The creative and its pixels have the surface's size."""
    wanted = (case.surface.width, case.surface.height)
    height, width = case.picture.pixels.shape[:2]
    wrong = {(case.creative.width, case.creative.height), (width, height)} - {wanted}
    return verdict(
        "size",
        [f"drawn at {w} x {h} px; {case.surface.name} is {wanted[0]} x {wanted[1]}. Compose it again." for w, h in wrong],
        f"{width} x {height}",
    )


def logo(case: Case) -> Verdict:
    """The brand's own mark is there once, undistorted, with its clear space."""
    marks = [b for b in case.creative.boxes if b.name == "logo"]
    if len(marks) != 1:
        return verdict("logo", [f"there are {len(marks)} logos; wanted exactly one."], f"{len(marks)} logos")
    mark, kit = marks[0], case.kit.logo
    clear = kit.clear_space * mark.height / kit.height
    problems: list[str] = []
    if base64.b64encode(mark.source).decode() != kit.png_base64:
        problems.append("the logo is not the brand kit's picture. Use that one.")
    if abs(mark.width / mark.height / (kit.width / kit.height) - 1) > max(DISTORTION, 1.5 / mark.height):
        problems.append(
            f"the logo is {mark.width:.0f} x {mark.height:.0f} px; the kit's is {kit.width} x {kit.height}. Keep its ratio."
        )
    for b in _content(case):
        if b is not mark and _gap(mark, b) < clear - SLACK_PX:
            problems.append(
                f"{b.name} is {max(_gap(mark, b), 0):.0f} px from the logo; its clear space is {clear:.0f}. Move it away."
            )
    return verdict("logo", problems, f"{min((_gap(mark, b) for b in _content(case) if b is not mark), default=0):.0f} px clear")


def product(case: Case) -> Verdict:
    """The product is shown, whole, not covered and not larger than its photo."""
    shown = [b for b in case.creative.boxes if b.name == "product"]
    if not shown:
        problems = ["the product is not shown, though the catalogue has its photo. Place it."] if case.product.image else []
        return verdict("product", problems, "none")
    problems = [f"there are {len(shown)} products; wanted one."] if len(shown) > 1 else []
    b = shown[0]
    wide, high = pixels_of(b.source)
    if wide == 0:
        problems.append("the product's picture cannot be read. Cut it out again.")
    elif min(b.width / wide, b.height / high) > 1 + 1.5 / min(wide, high):
        problems.append(
            f"the product is drawn at {b.width:.0f} x {b.height:.0f} px from {wide} x {high}. Draw it smaller, or find a larger photo."
        )
    later = case.creative.boxes[case.creative.boxes.index(b) + 1 :]
    problems += [
        f"{o.name} covers the product. Move it, or draw it before."
        for o in later
        if o.name != "product" and _gap(b, o) < -SLACK_PX
    ]
    return verdict("product", problems, f"{b.width:.0f} x {b.height:.0f} of {wide} x {high} px")


def weight(case: Case) -> Verdict:
    """Every format that the surface asks for was encoded, and none is heavier than it allows."""
    sizes = case.file_bytes or {}
    most = case.surface.max_bytes
    problems = [
        f"there is no {kind} file; {case.surface.name} asks for one. Render it."
        for kind in case.surface.formats
        if kind not in sizes
    ]
    problems += [
        f"the {k} has {n:,} bytes; {case.surface.name} allows {most:,}. Lower its quality." for k, n in sizes.items() if n > most
    ]
    return verdict("weight", problems, f"{max(sizes.values(), default=0):,} bytes")


GATES: tuple[Rule, ...] = (*CLAIMS, lines, widow, text_size, safe_zone, overlap, overflow, size, logo, product, weight)
"""Every gate, in the order in which their verdicts come; the critic's opinions follow."""


@lru_cache(maxsize=256)
def pixels_of(source: bytes) -> tuple[int, int]:
    """Width and height of an encoded picture, read from its head; 0, 0 where it cannot be read."""
    try:
        with Image.open(io.BytesIO(source)) as picture:
            return picture.size
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        return 0, 0


def _texts(case: Case) -> Iterator[Box]:
    return (b for b in case.creative.boxes if b.kind in ("text", "button"))


def _content(case: Case) -> list[Box]:
    return [b for b in case.creative.boxes if b.kind in ("text", "button") or b.name in ("logo", "product")]


def _gap(a: Box, b: Box) -> float:
    """Pixels between two boxes; negative where they overlap."""
    return max(a.x - _right(b), b.x - _right(a), a.y - _bottom(b), b.y - _bottom(a))


def _right(b: Box) -> float:
    return b.x + b.width


def _bottom(b: Box) -> float:
    return b.y + b.height


def _where(b: Box) -> str:
    return f"{b.x:.0f},{b.y:.0f} to {_right(b):.0f},{_bottom(b):.0f}"
