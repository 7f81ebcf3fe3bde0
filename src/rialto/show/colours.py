"""Colours as #rrggbb: contrast by WCAG 2.2, mixing, and the readable choice among a brand's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["contrast", "mixed", "palette", "readable"]

TEXT = 4.5
COMFORT = 5.2
"""Contrast that soft text is given; above the 4.5 that it needs, as a JPEG takes some."""


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21.

    Source:
        WCAG 2.2, "contrast ratio" and "relative luminance".

    Example:
        >>> contrast("#000000", "#ffffff"), round(contrast("#777777", "#ffffff"), 2)
        (21.0, 4.48)
    """
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def mixed(one: str, other: str, share: float) -> str:
    """`one` with `share` (0 to 1) of `other`, mixed channel by channel in sRGB.

    Example:
        >>> mixed("#000000", "#ffffff", 0.5)
        '#808080'
    """
    pairs = zip(_channels(one), _channels(other))
    return "#" + "".join(f"{round(a + (b - a) * share + 1e-9):02x}" for a, b in pairs)


def readable(choices: Sequence[str], ground: str, *, least: float = TEXT) -> str:
    """The first of `choices` with contrast of at least `least` on `ground`; where none has it, the one with the most."""
    for colour in choices:
        if contrast(colour, ground) >= least:
            return colour
    return max(choices, key=lambda c: contrast(c, ground))


def palette(theme: Mapping[str, str | Sequence[str | float]], brand: Mapping[str, str]) -> dict[str, str]:
    """A theme's colours for one brand: its areas as the theme mixes them, and the inks that can be read on them.

    Args:
        theme: `ground`, `panel`, `disc`: a role of the brand, or [role, role, share].
        brand: `ink`, `ground`, `accent`, `muted` as #rrggbb.
    """
    made = {area: _area(recipe, brand) for area, recipe in theme.items()}
    ground, ink, accent = made["ground"], brand["ink"], brand["accent"]
    ink = readable([ink, "#000000", "#ffffff"], ground, least=7.0)
    soft = readable([mixed(ink, ground, s) for s in (0.35, 0.28, 0.2, 0.1, 0.0)], ground, least=COMFORT)
    on_button = readable([brand.get("on_accent", brand["ground"]), "#ffffff", brand["ink"], "#000000"], accent, least=COMFORT)
    price = readable([accent, ink], ground, least=COMFORT)
    return {**made, "ink": ink, "soft": soft, "button": accent, "on_button": on_button, "price": price}


def _area(recipe: str | Sequence[str | float], brand: Mapping[str, str]) -> str:
    if isinstance(recipe, str):
        return brand[recipe]
    one, other, share = recipe
    return mixed(brand[str(one)], brand[str(other)], float(share))


def _luminance(colour: str) -> float:
    linear = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in _channels(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
