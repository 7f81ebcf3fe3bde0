"""Reads the drawings of `data/silhouettes.toml` into outlines: polygons and strokes in a square of 100 by 100."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.worlds.shop_data import read

__all__ = ["Part", "fixed_inks", "silhouettes"]

_STEPS = 14  # straight pieces of a curve
_TOKEN = re.compile(r"[MLCQZ]|-?[\d.]+")
_POINTS = {"M": 1, "L": 1, "Q": 2, "C": 3, "Z": 0}

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Part:
    """One area or stroke of a drawing.

    Args:
        ink: Its ink's name.
        points: Corners, shape (points, 2).
        width: Of the stroke; 0 = the polygon is filled.
        closed: Whether a stroke returns to where it began.
    """

    ink: str
    points: Points
    width: float = 0.0
    closed: bool = False


@cache
def silhouettes() -> Mapping[str, tuple[Part, ...]]:
    """Name -> parts, from the back to the front; read once."""
    return {name: tuple(_parts(name, text)) for name, text in read("silhouettes.toml")["draw"].items()}


@cache
def fixed_inks() -> Mapping[str, str]:
    """Ink name -> #rrggbb, for inks that do not follow the product's colour; read once."""
    return dict(read("silhouettes.toml")["inks"])


def _parts(name: str, text: str) -> list[Part]:
    parts: list[Part] = []
    for line in text.strip().splitlines():
        ink, shape, *rest = line.split()
        if shape not in _SHAPES:
            raise BadInput(f"drawing {name!r} has the shape {shape!r}; wanted one of {', '.join(sorted(_SHAPES))}.")
        parts.append(_SHAPES[shape](ink, " ".join(rest)))
    return parts


def _numbers(text: str) -> list[float]:
    return [float(word) for word in text.split()]


def _rect(ink: str, text: str) -> Part:
    x, y, width, height, *rest = _numbers(text)
    r = min(rest[0] if rest else 0.0, width / 2, height / 2)
    if r == 0.0:
        return Part(ink, np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)]))
    corners = ((x + width - r, y + r, -90), (x + width - r, y + height - r, 0), (x + r, y + height - r, 90), (x + r, y + r, 180))
    return Part(ink, np.concatenate([_round(cx, cy, r, r, start, start + 90, 9) for cx, cy, start in corners]))


def _round(cx: float, cy: float, rx: float, ry: float, start: float, end: float, count: int) -> Points:
    angle = np.radians(np.linspace(start, end, count))
    return np.stack((cx + rx * np.cos(angle), cy + ry * np.sin(angle)), axis=1)


def _oval(ink: str, text: str) -> Part:
    cx, cy, rx, ry = _numbers(text)
    return Part(ink, _round(cx, cy, rx, ry, 0, 360, 49)[:-1])


def _ring(ink: str, text: str) -> Part:
    cx, cy, rx, ry, width = _numbers(text)
    return Part(ink, _round(cx, cy, rx, ry, 0, 360, 65)[:-1], width, closed=True)


def _arc(ink: str, text: str) -> Part:
    cx, cy, rx, ry, width, start, end = _numbers(text)
    return Part(ink, _round(cx, cy, rx, ry, start, end, 40), width)


def _poly(ink: str, text: str) -> Part:
    return Part(ink, np.array(_numbers(text)).reshape(-1, 2))


def _line(ink: str, text: str) -> Part:
    width, *rest = _numbers(text)
    return Part(ink, np.array(rest).reshape(-1, 2), width)


def _path(ink: str, text: str) -> Part:
    return Part(ink, _flat(text)[0])


def _curve(ink: str, text: str) -> Part:
    width, rest = text.split(maxsplit=1)
    points, closed = _flat(rest)
    return Part(ink, points, float(width), closed)


def _sym(ink: str, text: str) -> Part:
    half = _flat(text)[0]
    other = half[::-1] * np.array([-1.0, 1.0]) + np.array([100.0, 0.0])
    return Part(ink, np.concatenate((half, other)))


_SHAPES = {
    "rect": _rect, "oval": _oval, "ring": _ring, "arc": _arc, "poly": _poly, "line": _line, "path": _path, "curve": _curve, "sym": _sym,
}  # fmt: skip


def _flat(text: str) -> tuple[Points, bool]:
    """The corners of an SVG path of M, L, Q, C and Z (absolute), and whether it is closed. SVG 2, section 9.3."""
    tokens = _TOKEN.findall(text)
    points: list[tuple[float, float]] = []
    place, command = 0, "M"
    while place < len(tokens):
        if tokens[place] in _POINTS:
            command = tokens[place]
            place += 1
            if command == "Z":
                continue
        size = 2 * _POINTS[command]
        values = [float(token) for token in tokens[place : place + size]]
        place += size
        pairs = list(zip(values[::2], values[1::2], strict=True))
        points.extend(pairs if len(pairs) == 1 else _bezier(points[-1], pairs))
    return np.array(points), "Z" in tokens


def _bezier(start: tuple[float, float], pairs: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Corners of a Bezier curve from `start` by its control points, by de Casteljau's rule; `start` itself is left out."""
    at = np.linspace(0.0, 1.0, _STEPS + 1)[1:, np.newaxis]
    places = np.repeat(np.array([start, *pairs])[:, np.newaxis, :], _STEPS, axis=1)  # (control points, steps, 2)
    while len(places) > 1:
        places = places[:-1] + (places[1:] - places[:-1]) * at
    return [(float(x), float(y)) for x, y in places[0]]
