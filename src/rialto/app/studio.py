"""`show` put together: the studio over its engines, with a made-up campaign whose visitors click by a truth that the studio has to learn."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.app.engines import Engines
from rialto.errors import BadInput, NothingHere, known
from rialto.ports import Blobs
from rialto.records import Requests, uniforms
from rialto.show.check import refusals
from rialto.show.pipeline import CLICK, VIEW, Studio, build
from rialto.show.read import at_price, luma_row, product_of, read_brief, read_kit
from rialto.show.records import BrandKit, Brief, Creative, Product, Verdict
from rialto.show.retrieve import start_of
from rialto.spine.decide.bandit import probability_best
from rialto.spine.log import DecisionLog, Feedback
from rialto.spine.pipeline import Outcome
from rialto.worlds.briefs import make_brand_kit, make_brief
from rialto.worlds.campaign import Campaign, make_campaign
from rialto.worlds.pictures import draw_product
from rialto.worlds.shop import make_shop

__all__ = ["Gallery", "luma_product", "made_up", "open_gallery", "open_studio"]

SIZES = ("feed_1200x628", "square_1080x1080", "tower_300x600")
"""Surfaces of the gallery: name_WIDTHxHEIGHT."""


def open_studio(engines: Engines) -> Studio:
    """The studio over the settings' engines, empty."""
    return build(
        canvas=engines.canvas(), writer=engines.writer(), critic=engines.critic(), blobs=engines.blobs(), store=engines.features()
    )


def made_up(*, seed: int = 0, product: int | None = None) -> tuple[Brief, BrandKit, Product]:
    """A made-up brief in three sizes, its brand kit, and its product with a drawn picture."""
    shop = make_shop(seed=seed, products=400)
    number = seed % len(shop.products) if product is None else product
    row = shop.products[number]
    raw = make_brief(shop, number, seed=seed) | {"surfaces": [_surface(name) for name in SIZES], "locales": ["en-US"]}
    facts = product_of(row, image=draw_product(row, size=1200))
    return read_brief(raw), read_kit(make_brand_kit(seed=seed)), facts


def luma_product(folder: Path, name: str) -> Product:
    """A product of a `luma` folder (products.csv, images/) by a part of its title.

    Raises:
        NothingHere: no title has `name`; the nearest are named.
    """
    with (folder / "products.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    for number, row in enumerate(rows):
        if name.lower() in row["title"].lower():
            return product_of(luma_row(row, number), image=(folder / row["image"]).read_bytes())
    raise NothingHere(f"no product has {name!r} in its title; known: {known(name, [r['title'] for r in rows])}.")


def _surface(name: str) -> dict[str, Any]:
    width, height = (int(n) for n in name.rsplit("_", 1)[1].split("x"))
    edge = round(min(width, height) * 0.03)
    return {
        "name": name,
        "width": width,
        "height": height,
        "safe_zone": {"x": edge, "y": edge, "width": width - 2 * edge, "height": height - 2 * edge},
        "slots": {"headline": 45, "support": 70, "price": 16, "call_to_action": 24, "disclaimer": 90, "alt_text": 120},
        "max_bytes": 300_000,
        "formats": ["jpeg", "png"] if name.startswith("tower") else ["jpeg"],
    }


@dataclass(frozen=True, slots=True)
class Belief:
    """What the studio believes of one creative on a placement: views, clicks, and the chance that it is shown next."""

    creative: Creative
    mean: float
    sd: float
    views: int
    chance: float


class Gallery:
    """A studio with one campaign's creatives, admitted by the gates, and visitors who click by a known truth.

    Args:
        studio: With its creatives admitted.
        log: Where choices and clicks go.
        blobs: Where the studio keeps its files.
        brief, product: What was asked for.
        truth: Chance of a click by arm, from the made-up campaign.
        first: Id of the first visitor; a log that is kept needs another in every process.
    """

    def __init__(
        self,
        studio: Studio,
        *,
        log: DecisionLog,
        blobs: Blobs,
        brief: Brief,
        product: Product,
        truth: Mapping[int, float],
        first: int = 0,
    ) -> None:
        self.studio, self.log, self.brief, self.product, self._blobs = studio, log, brief, product, blobs
        self.truth = truth
        self._first = self._asked = first

    @property
    def verdicts(self) -> Mapping[int, list[Verdict]]:
        """Creative id -> every gate's verdict."""
        return self.studio.verdicts

    @property
    def creatives(self) -> list[Creative]:
        """Everything that may be shown."""
        return [arm.creative for arm in self.studio.arms]

    def creative(self, number: int) -> Creative:
        """One of them by its id; `NothingHere` where there is none."""
        for c in self.creatives:
            if c.id == number:
                return c
        raise NothingHere(f"no creative has the id {number}; this campaign has {len(self.creatives)}.")

    def picture(self, number: int) -> bytes:
        """The JPEG of one creative."""
        self.creative(number)
        arm = next(a for a in self.studio.arms if a.creative.id == number)
        return self._blobs.get(arm.files["jpeg"])

    def plant_price(self) -> list[Verdict]:
        """What the gates say of a creative whose product has become a tenth dearer since: the refusals."""
        arm = next(a for a in self.studio.arms if "price" in a.creative.copy)
        dearer = at_price(self.product, self.product.price_cents + self.product.price_cents // 10 + 1)
        return refusals(self.studio.check(arm.creative, product=dearer))

    def save(self, folder: Path) -> list[str]:
        """Write every creative's JPEG into `folder` and return the paths."""
        folder.mkdir(parents=True, exist_ok=True)
        paths: list[str] = []
        for n, arm in enumerate(self.studio.arms):
            path = folder / f"{arm.creative.surface}-{n:02d}.jpg"
            path.write_bytes(self._blobs.get(arm.files["jpeg"]))
            paths.append(str(path))
        return paths

    def choose(self, placement: str, count: int = 1, *, seed: int = 0, explain: bool = False) -> Outcome:
        """Choose for `count` visitors of one placement; `NothingHere` names the placements."""
        names = [s.name for s in self.brief.surfaces]
        if placement not in names:
            raise NothingHere(f"there is no placement {placement!r}; known: {known(placement, names)}.")
        ids = np.arange(self._asked, self._asked + count, dtype=np.uint64)
        self._asked += count
        when = start_of(self.brief.starts) + (ids - np.uint64(self._first)).astype(np.float64)
        asked = Requests.of({"placement": np.full(count, placement)}, ids=ids, time_s=when)
        return self.studio.choose(asked, seed=seed, explain=explain)

    def visit(self, placement: str, count: int, *, seed: int = 0) -> float:
        """Let visitors come: choose, log, click by the truth, learn. Returns the share that clicked."""
        outcome = self.choose(placement, count, seed=seed)
        clicked = self._clicks(outcome, seed)
        self.log.write([outcome])
        events: list[Feedback] = []
        for i, arm, when, yes in zip(
            outcome.requests.ids.tolist(), outcome.decisions.ids.tolist(), outcome.requests.time_s, clicked
        ):
            events.append(Feedback(VIEW, i, arm, 1.0, float(when)))
            if yes:
                events.append(Feedback(CLICK, i, arm, 1.0, float(when) + 5.0))
        self.log.write_feedback(events)
        self.studio.learn(events, decided=[outcome.record])
        return float(clicked.mean()) if len(clicked) else 0.0

    def _clicks(self, outcome: Outcome, seed: int) -> NDArray[np.bool_]:
        chance = np.array([self.truth[i] for i in outcome.decisions.ids.tolist()])
        return uniforms(seed, outcome.requests.ids, "gallery.clicks", 1)[:, 0] < chance

    def earns(self, beliefs: Sequence[Belief]) -> float:
        """Expected clicks a view, by the truth, of choosing among these with their chances."""
        return sum(b.chance * self.truth[b.creative.id] for b in beliefs)

    def beliefs(self, placement: str) -> list[Belief]:
        """What is believed of each creative of a placement now, likeliest to be shown first."""
        ranked = self.choose(placement).ranked
        chance = probability_best(
            ranked.offsets, ranked.column("mean").astype(np.float64), ranked.column("sd").astype(np.float64)
        )
        rows = zip(ranked.ids.tolist(), ranked.column("mean"), ranked.column("sd"), ranked.column("shows"), chance)
        found = [Belief(self.creative(i), float(m), float(s), int(n), float(p)) for i, m, s, n, p in rows]
        return sorted(found, key=lambda b: -b.chance)


def open_gallery(
    engines: Engines,
    log: DecisionLog,
    parts: tuple[Brief, BrandKit, Product] | None = None,
    *,
    variants: int = 6,
    seed: int = 0,
    first: int = 0,
) -> Gallery:
    """Compose, check and admit a campaign's creatives; the made-up one where no parts are given.

    Raises:
        BadInput: not one creative passed every gate; the reasons are told.
    """
    brief, kit, product = parts or made_up(seed=seed)
    studio = open_studio(engines)
    creatives = studio.compose(brief, kit, product, variants=variants, seed=seed)
    refused = studio.admit(creatives)
    if not studio.arms:
        reasons = sorted({v.reason for vs in refused.values() for v in vs})
        raise BadInput(f"none of {len(creatives)} creatives passed every gate: {'; '.join(reasons[:5])}")
    truth = _truth([a.creative for a in studio.arms], seed)
    return Gallery(studio, log=log, blobs=engines.blobs(), brief=brief, product=product, truth=truth, first=first)


def _truth(creatives: Sequence[Creative], seed: int) -> dict[int, float]:
    """Each creative's chance of a click: a made-up campaign over what they are made of, interactions included."""
    made_of = [(c.layout, c.theme, c.copy.get("headline", ""), c.copy.get("call_to_action", "")) for c in creatives]
    values = [sorted({m[j] for m in made_of}) for j in range(4)]
    slots = {name: len(v) for name, v in zip(("layout", "colour", "headline", "call_to_action"), values)}
    campaign: Campaign = make_campaign(seed=seed, slots=slots, context_effect=0.0, interactions=3.0, base_rate=0.06)
    arm_of = {tuple(arm): i for i, arm in enumerate(campaign.arms.tolist())}
    rows = [arm_of[tuple(values[j].index(m[j]) for j in range(4))] for m in made_of]
    return {c.id: float(campaign.probability[0, row]) for c, row in zip(creatives, rows)}
