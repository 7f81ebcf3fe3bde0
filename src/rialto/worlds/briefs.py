"""Made-up briefs and brand kits, as a marketing team would hand them in: JSON objects."""

from __future__ import annotations

import base64
import io
from datetime import date, timedelta
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from rialto.errors import BadInput
from rialto.worlds.chance import Chance
from rialto.worlds.shop import Shop
from rialto.worlds.shop_data import read, words

__all__ = ["make_brand_kit", "make_brief"]


def make_brief(shop: Shop, product: int, *, seed: int = 0) -> dict[str, Any]:
    """Make a brief for one product of a shop.

    Args:
        shop: The shop.
        product: Row number of the product.
        seed: Non-negative; chooses everything else.

    Returns:
        `campaign`, `products` [ids], `audience`, `goal`, `locales` (the first is the main one), `starts`, `ends` (ISO dates), and
        `surfaces`: `name`, `width`, `height` (pixels), `safe_zone` {x, y, width, height}, `slots` {slot: most characters}, `max_bytes`,
        `formats`.

    Raises:
        BadInput: no such product.

    Example:
        >>> from rialto.worlds.shop import make_shop
        >>> brief = make_brief(make_shop(products=50), 3)
        >>> brief["products"], brief["surfaces"][0]["slots"]["headline"] > 20
        (['p00003'], True)
    """
    if not 0 <= product < len(shop.products):
        raise BadInput(f"product is {product}; wanted a row number from 0 to {len(shop.products) - 1}.")
    raw, chance = read("campaign.toml"), Chance(seed, 30, product)
    told = raw["brief"]
    starts = date.fromisoformat(words().today) + timedelta(days=7 + chance.below(60))
    surfaces = chance.some(raw["surface"], 3 + chance.below(len(raw["surface"]) - 2))
    return {
        "campaign": f"{chance.pick(told['names'])} {starts.year}",
        "products": [shop.products[product]["id"]],
        "audience": chance.pick(told["audiences"]),
        "goal": chance.pick(told["goals"]),
        "locales": ["en-US", *(locale for locale in chance.some(told["locales"], chance.below(3)) if locale != "en-US")],
        "starts": starts.isoformat(),
        "ends": (starts + timedelta(days=14 + chance.below(28))).isoformat(),
        "surfaces": [_surface(surface) for surface in surfaces],
    }


def _surface(raw: dict[str, Any]) -> dict[str, Any]:
    across, down = raw["margin"]
    zone = {"x": across, "y": down, "width": raw["width"] - 2 * across, "height": raw["height"] - 2 * down}
    plain = {name: raw[name] for name in ("name", "width", "height", "max_bytes")}
    return {**plain, "slots": dict(raw["slots"]), "safe_zone": zone, "formats": ["jpeg", "png"]}


def make_brand_kit(*, seed: int = 0) -> dict[str, Any]:
    """Make a brand kit.

    Args:
        seed: Non-negative.

    Returns:
        `name`, `colours` {ink, ground, accent, on_accent, muted} as #rrggbb, `fonts` {heading, body}, `logo` {png_base64, width, height,
        clear_space} (pixels; transparent ground), `voice` {tone, approved, banned}, `calls_to_action`, `disclaimers` [{label, text}].

    Example:
        >>> kit = make_brand_kit(seed=2)
        >>> kit["logo"]["width"], kit["colours"]["ink"][0]
        (480, '#')
    """
    told, chance = read("campaign.toml")["kit"], Chance(seed, 31)
    name, colours = chance.pick(told["names"]), chance.pick(told["colours"])
    heading, body = chance.pick(told["fonts"])
    logo = _logo(name, colours["accent"], colours["ink"], Chance(seed, 32))
    return {
        "name": name,
        "colours": dict(colours),
        "fonts": {"heading": heading, "body": body},
        "logo": {"png_base64": base64.b64encode(logo).decode(), "width": 480, "height": 160, "clear_space": 40},
        "voice": {"tone": chance.some(told["tones"], 2), "approved": list(told["approved"]), "banned": list(told["banned"])},
        "calls_to_action": chance.some(told["calls_to_action"], 3),
        "disclaimers": [dict(d) for d in told["disclaimers"]],
    }


def _logo(name: str, accent: str, ink: str, chance: Chance) -> bytes:
    """A mark of round and square pieces and the name, (160, 480) pixels, on a transparent ground."""
    big = Image.new("RGBA", (1440, 480), (0, 0, 0, 0))
    pen = ImageDraw.Draw(big)
    for x, y in ((30, 30), (240, 30), (30, 240), (240, 240)):
        shape = chance.below(3)
        if shape == 0:
            pen.pieslice((x - 200, y - 200, x + 200, y + 200), 0, 90, fill=accent)
        elif shape == 1:
            pen.rounded_rectangle((x, y, x + 200, y + 200), radius=44, fill=accent)
        else:
            pen.ellipse((x + 10, y + 10, x + 190, y + 190), outline=ink, width=48)
    # Pillow's own font, so that the logo is the same on every machine; two lines where the name has two words.
    lines = name.split(" ", 1)
    longest = max(ImageFont.load_default(size=100).getlength(line) for line in lines)
    font = ImageFont.load_default(size=min(190.0, 100.0 * 900.0 / longest))
    pen.multiline_text((500, 240), "\n".join(lines), font=font, fill=ink, anchor="lm", spacing=10)
    out = io.BytesIO()
    big.resize((480, 160), Image.Resampling.BOX).save(out, "PNG", optimize=False)
    return out.getvalue()
