"""The nouns of show: brief, brand kit, product and creative; plain frozen records, read from JSON by `rialto.show.read`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from hashlib import blake2b
from typing import ClassVar

from rialto.ports import Box
from rialto.records import hash64

__all__ = ["BrandKit", "Brief", "Creative", "Disclaimer", "Logo", "Product", "SafeZone", "Surface", "Verdict", "Voice"]

STRICT: dict[str, object] = {"extra": "forbid"}  # pydantic reads it at the edge: an unknown key is a mistake, not a wish


@dataclass(frozen=True, slots=True)
class SafeZone:
    """The part of a surface that no frame, badge or rounded corner covers; pixels from the top left."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Surface:
    """A named ad unit.

    Args:
        name: Unique in the brief, `feed_1200x628`; the placement that a request asks for.
        width, height: Size in pixels.
        safe_zone: Where words, the logo and the button must stay.
        slots: Slot -> most characters.
        max_bytes: Largest file.
        formats: Files to make: `jpeg`, `png`.
        max_lines: Slot -> most lines; three where a slot is not named.
        min_text_px: Smallest font size that can be read at the size the unit is shown.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT
    name: str
    width: int
    height: int
    safe_zone: SafeZone
    slots: Mapping[str, int]
    max_bytes: int
    formats: tuple[str, ...] = ("jpeg",)
    max_lines: Mapping[str, int] = field(default_factory=dict)
    min_text_px: float = 10.0


@dataclass(frozen=True, slots=True)
class Brief:
    """What a campaign wants: which products, for whom, where, in which languages, when and why.

    Args:
        campaign: Its name.
        products: Catalogue ids.
        audience: Who should see it, in words.
        surfaces: The units to fill.
        locales: BCP 47 tags.
        starts, ends: First and last day, UTC.
        goal: `clicks`, `sales`, `awareness`, in words.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT
    campaign: str
    products: tuple[str, ...]
    audience: str
    surfaces: tuple[Surface, ...]
    locales: tuple[str, ...]
    starts: date
    ends: date
    goal: str


@dataclass(frozen=True, slots=True)
class Logo:
    """The brand's mark: a PNG (base64) of `width` x `height` pixels, and the clear space around it in the same pixels."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT
    png_base64: str = field(repr=False)
    width: int
    height: int
    clear_space: float = 0.0


@dataclass(frozen=True, slots=True)
class Voice:
    """How the brand speaks: its `tone` in words, `approved` lines that copy may use as they are, and `banned` phrases."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT
    tone: tuple[str, ...] = ()
    approved: tuple[str, ...] = ()
    banned: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Disclaimer:
    """Small print: a `label` ("Terms") and its `text`; both stand in a creative, or neither."""

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class BrandKit:
    """What a brand looks and sounds like.

    Args:
        name: The brand.
        colours: `ink`, `ground`, `accent`, `muted` as #rrggbb, and `on_accent` for letters on the accent where there is one.
        logo: Its mark.
        calls_to_action: The only buttons it allows, in sentence case.
        voice: How it speaks.
        fonts: `heading` and `body`, for people; the canvas decides what it has.
        disclaimers: Small print; the first is used.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = STRICT
    name: str
    colours: Mapping[str, str]
    logo: Logo
    calls_to_action: tuple[str, ...]
    voice: Voice = field(default_factory=Voice)
    fonts: Mapping[str, str] = field(default_factory=dict)
    disclaimers: tuple[Disclaimer, ...] = ()


@dataclass(frozen=True, slots=True)
class Product:
    """What the catalogue says of a product, as the claims of a creative are checked against.

    Args:
        id: Catalogue id.
        facts: Fact -> text in the locale's format: `name`, `brand`, `kind`, `price`, `material`, `feature_1`, ...
        price_cents: Price, whole cents.
        version: Content hash of the facts; a creative made from another version is stale.
        image: Bytes of its photo.
        description: Everything the catalogue says in words.
    """

    id: str
    facts: Mapping[str, str]
    price_cents: int
    version: str
    image: bytes = field(default=b"", repr=False)
    description: str = ""


@dataclass(frozen=True, slots=True)
class Creative:
    """One composed ad: its copy, its boxes, and what it was made from.

    Args:
        campaign, surface, product_id, locale: Where it belongs.
        width, height: Size in pixels.
        copy: Slot -> text.
        boxes: What the canvas draws, in order.
        layout, theme: The template and the colours; with the copy they are what the bandit learns from.
        fact_version: `Product.version` that it was made from.
        id: A stable number of all that, 0 <= id < 2**63: the arm that a placement chooses.
    """

    campaign: str
    surface: str
    product_id: str
    locale: str
    width: int
    height: int
    copy: Mapping[str, str]
    boxes: tuple[Box, ...] = field(repr=False)
    layout: str
    theme: str
    fact_version: str

    id: int = field(init=False, default=0, compare=False)

    def __post_init__(self) -> None:
        where = [self.campaign, self.surface, self.product_id, self.locale, self.layout, self.theme, self.fact_version]
        parts = [
            *where,
            f"{self.width}x{self.height}",
            *(f"{k}={v}" for k, v in sorted(self.copy.items())),
            *map(_content, self.boxes),
        ]
        object.__setattr__(self, "id", hash64("\x1f".join(parts)) >> 1)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one gate says: `passed`, what it `measured`, and for a refusal a `reason` that a person can act on."""

    rule: str
    passed: bool
    measured: str
    reason: str = ""


def _content(b: Box) -> str:
    drawn = (b.name, b.kind, b.x, b.y, b.width, b.height, b.text, b.size_px, b.colour, b.ground, b.weight, b.lines)
    return f"{drawn!r}{_digest(b.source)}"


@lru_cache(maxsize=256)
def _digest(source: bytes) -> str:
    return blake2b(source, digest_size=16).hexdigest()
