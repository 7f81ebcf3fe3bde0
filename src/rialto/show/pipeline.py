"""The studio: brief -> compose -> render -> check -> admit -> choose -> learn, wired over engines that are passed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.ports import Blobs, Canvas, Critic, FeatureStore, Writer
from rialto.records import Decisions, Requests, hash64
from rialto.show import compose as composing
from rialto.show import render as rendering
from rialto.show.check import Case, check, refusals
from rialto.show.decide import decider, phase
from rialto.show.features import Belief, beliefs, slots_of
from rialto.show.records import BrandKit, Brief, Creative, Product, Surface, Verdict
from rialto.show.retrieve import DAY_S, Arm, Roster, filters, source, start_of
from rialto.spine.explain import Fate, explain
from rialto.spine.log import Feedback
from rialto.spine.pipeline import Outcome, Pipeline, Recorded

__all__ = ["Studio", "build"]

VIEW, CLICK = "impression", "click"
COUNTS = ("show.views", "show.clicks")


@dataclass(frozen=True, slots=True)
class Origin:
    """What a creative was made from."""

    brief: Brief
    kit: BrandKit
    product: Product
    surface: Surface


class Studio:
    """The show system. Make one with `build`.

    `verdicts` holds what every gate said of each creative that came before them.

    A creative is composed, then admitted: rendered, put before every gate, and only where all pass kept as an arm of its placement.
    `choose` decides for a batch of placements, `learn` moves what is believed of the arms.
    """

    def __init__(
        self, *, canvas: Canvas, writer: Writer, critic: Critic, blobs: Blobs, store: FeatureStore, contexts: int
    ) -> None:
        self._canvas, self._writer, self._critic, self._blobs, self._store = canvas, writer, critic, blobs, store
        self._contexts = contexts
        self.verdicts: dict[int, list[Verdict]] = {}
        self._origins: dict[int, Origin] = {}
        self._arms: dict[int, Arm] = {}
        self._safe: dict[str, int] = {}
        self._evergreen: dict[str, int] = {}
        self._learnt: set[int] = set()
        self._roster = Roster.of({}, {})
        self._belief = Belief.none(np.zeros(0, dtype=np.int64), slots_of(()), contexts)
        self.pipeline = Pipeline(
            "show",
            [source(lambda: self._roster)],
            filters(lambda: self._roster),
            [beliefs(lambda: self._belief)],
            [phase()],
            decider(),
            versions={"rules": _rules_version()},
        )

    @property
    def arms(self) -> tuple[Arm, ...]:
        """All arms, by placement and id."""
        return self._roster.arms

    def compose(
        self,
        brief: Brief,
        kit: BrandKit,
        product: Product,
        *,
        variants: int = 6,
        seed: int = 0,
        locales: Sequence[str] | None = None,
    ) -> list[Creative]:
        """Make up to `variants` creatives for each surface and locale of `brief`; they are not yet checked.

        Raises:
            BadInput: the product or a locale is not in the brief, a surface fits no variant, or the writer lacks a language.
        """
        if product.id not in brief.products:
            raise BadInput(
                f"product {product.id!r} is not in brief {brief.campaign!r}, which names {', '.join(brief.products[:10])}."
            )
        strange = sorted(set(locales or ()) - set(brief.locales))
        if strange:
            raise BadInput(f"locale {strange[0]!r} is not in brief {brief.campaign!r}, which names {', '.join(brief.locales)}.")
        made = composing.compose(
            brief, kit, product, writer=self._writer, canvas=self._canvas, variants=variants, seed=seed, locales=locales
        )
        surfaces = {s.name: s for s in brief.surfaces}
        self._origins.update({c.id: Origin(brief, kit, product, surfaces[c.surface]) for c in made})
        return made

    def render(self, creative: Creative) -> rendering.Rendered:
        """Pixels and files of a creative; nothing is kept."""
        return rendering.render(creative, self._origin(creative).surface, canvas=self._canvas)

    def check(
        self, creative: Creative, rendered: rendering.Rendered | None = None, *, product: Product | None = None
    ) -> list[Verdict]:
        """Every gate's verdict on a creative, against `product` as the catalogue has it now (as composed, where it is not given)."""
        o = self._origin(creative)
        done = rendered or self.render(creative)
        opinions = self._critic.judge(done.picture)
        sizes = {kind: len(body) for kind, body in done.files.items()}
        case = Case(creative, product or o.product, o.kit, o.surface, self._measure, done.picture, opinions, sizes)
        return check(case)

    def admit(self, creatives: Sequence[Creative]) -> dict[int, list[Verdict]]:
        """Render and check creatives; those that pass every gate become arms, their files are kept.

        Returns:
            Creative id -> what was refused; an empty list is an arm. The first arm of a placement is what it falls
            back to where retrieval fails.
        """
        refused: dict[int, list[Verdict]] = {}
        for creative in creatives:
            rendered = self.render(creative)
            self.verdicts[creative.id] = self.check(creative, rendered)
            refused[creative.id] = refusals(self.verdicts[creative.id])
            if not refused[creative.id]:
                names = rendering.keep(rendered, self._blobs)
                brief = self._origin(creative).brief
                self._arms[creative.id] = Arm(creative, names, start_of(brief.starts), start_of(brief.ends) + DAY_S)
                self._safe.setdefault(creative.surface, creative.id)
        self._lay_out()
        return refused

    def withhold(self, products: Sequence[str]) -> None:
        """Show no creative of these products until another call leaves them out: out of stock, price in doubt, kill switch."""
        self._roster = replace(self._roster, withheld=frozenset(products))

    def make_evergreen(self, creative: Creative) -> None:
        """Show this arm on its placement whenever no other may be shown, whatever its dates; `BadInput` where it is not admitted."""
        if creative.id not in self._arms:
            raise BadInput(f"creative {creative.id} is not an arm; admit it first, and see that no gate refuses it.")
        self._evergreen[creative.surface] = creative.id

    def choose(self, requests: Requests, *, seed: int = 0, deadline_s: float = float("inf"), explain: bool = False) -> Outcome:
        """Choose an arm for each request.

        Args:
            requests: Columns `placement` (a surface's name), and where wanted `locale` and `context` (0 to contexts - 1).
            seed: Seed of chance; a request's draw depends on it and the request's id alone.
        """
        if "context" in requests.columns:
            where = requests.column("context")
            if len(where) and (where.min() < 0 or where.max() >= self._contexts):
                raise BadInput(
                    f"contexts run from {where.min()} to {where.max()}; this studio was built for {self._contexts}, from 0."
                )
        return self.pipeline.run(requests, seed=seed, deadline_s=deadline_s, explain=explain)

    def shown(self, outcome: Outcome) -> list[Arm | None]:
        """What each request gets: the arm chosen, else the placement's evergreen where its product is not withheld, else nothing."""
        placements = outcome.requests.column("placement")
        return [self._shown(outcome.decisions, b, str(placements[b])) for b in range(len(outcome.requests))]

    def replay(self, record: Recorded) -> Decisions:
        """Decide again from a logged record, bit for bit."""
        return self.pipeline.replay(record)

    def explain(self, outcome: Outcome, request: int = 0) -> list[Fate]:
        """What became of every arm of one request; `choose` it with `explain=True`."""
        return explain(outcome, request)

    def learn(self, feedback: Sequence[Feedback], *, decided: Sequence[Recorded] = ()) -> int:
        """Count views (kind `impression`) and clicks (kind `click`, times their value), each event once.

        Args:
            feedback: What came of the choices; other kinds, unknown arms and repeats are passed over.
            decided: Records that hold the requests' `context`; needed where the studio has more than one.

        Returns:
            How many events were counted.

        Raises:
            BadInput: the context of a request is not known, or a value is not in 0..1; nothing was counted.
        """
        fresh = list({hash64(f.event().id): f for f in feedback if f.kind in (VIEW, CLICK)}.items())
        fresh = [(i, f) for i, f in fresh if i not in self._learnt]
        rows = self._belief.rows_of(np.array([f.candidate for _, f in fresh], dtype=np.int64))
        kept = [(i, f, int(row)) for (i, f), row in zip(fresh, rows) if row >= 0]
        wrong = [f for _, f, _ in kept if not 0.0 <= f.value <= 1.0]
        if wrong:
            raise BadInput(f"feedback {wrong[0].kind!r} of request {wrong[0].request} has value {wrong[0].value}; wanted 0 to 1.")
        contexts = self._contexts_of([f for _, f, _ in kept], decided)
        views = np.array([f.kind == VIEW for _, f, _ in kept], dtype=np.float64)
        clicks = np.array([f.value if f.kind == CLICK else 0.0 for _, f, _ in kept])
        self._belief = self._belief.with_counts(contexts, np.array([r for _, _, r in kept], dtype=np.int64), views, clicks)
        self._learnt.update(i for i, _, _ in kept)
        if kept:
            self._store_counts(max(f.time_s for _, f, _ in kept))
        return len(kept)

    def _origin(self, creative: Creative) -> Origin:
        if creative.id not in self._origins:
            raise BadInput(
                f"creative {creative.id} was not composed by this studio; compose it here, as its gates need brief and facts."
            )
        return self._origins[creative.id]

    def _measure(self, text: str, size_px: float, weight: int) -> tuple[float, float]:
        return self._canvas.measure(text, size_px=size_px, weight=weight)

    def _lay_out(self) -> None:
        """The roster with every arm, and each arm's counts as the store has them."""
        self._roster = Roster.of(self._arms, self._safe, self._roster.withheld)
        creatives = [a.creative for a in self._roster.arms]
        belief = Belief.none(self._roster.ids, slots_of(creatives), self._contexts)
        counts = self._store.read(self._entities(belief.ids), COUNTS, at_s=float("inf"))
        known = np.nan_to_num(counts, nan=0.0).reshape(self._contexts, len(belief.ids), len(COUNTS))
        self._belief = replace(belief, shows=known[..., 0], clicks=known[..., 1])

    def _store_counts(self, at_s: float) -> None:
        b = self._belief
        self._store.write(self._entities(b.ids), {COUNTS[0]: b.shows.ravel(), COUNTS[1]: b.clicks.ravel()}, at_s=at_s)

    def _entities(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """One entity for each context and arm, shape (contexts x arms,)."""
        return np.array([hash64(f"show/{c}/{i}") >> 1 for c in range(self._contexts) for i in ids.tolist()], dtype=np.int64)

    def _contexts_of(self, feedback: Sequence[Feedback], decided: Sequence[Recorded]) -> NDArray[np.int64]:
        if self._contexts == 1:
            return np.zeros(len(feedback), dtype=np.int64)
        known = {
            int(i): int(c)
            for record in decided
            if "context" in record.requests.columns
            for i, c in zip(record.requests.ids, record.requests.column("context"))
        }
        lost = [f.request for f in feedback if f.request not in known]
        if lost:
            raise BadInput(
                f"the context of request {lost[0]} and {len(lost) - 1} more is not known; pass their records as `decided`."
            )
        return np.array([known[f.request] for f in feedback], dtype=np.int64)

    def _shown(self, decisions: Decisions, request: int, placement: str) -> Arm | None:
        chosen = decisions.of(request)
        if len(chosen):
            return self._arms[int(chosen[0])]
        spare = self._arms.get(self._evergreen.get(placement, -1))
        return spare if spare is not None and spare.creative.product_id not in self._roster.withheld else None


def build(*, canvas: Canvas, writer: Writer, critic: Critic, blobs: Blobs, store: FeatureStore, contexts: int = 1) -> Studio:
    """Wire the show system over its engines.

    Args:
        canvas, writer, critic: How creatives are drawn, written and judged.
        blobs: Where files go.
        store: Where what is believed of the arms is kept.
        contexts: How many kinds of visitor a request's `context` tells apart.

    Raises:
        BadInput: `contexts` is below 1.
    """
    if contexts < 1:
        raise BadInput(f"contexts is {contexts}; wanted 1 or more.")
    return Studio(canvas=canvas, writer=writer, critic=critic, blobs=blobs, store=store, contexts=contexts)


def _rules_version() -> str:
    """A hash of the data that gates and layouts are made of."""
    folder = files("rialto.show")
    return blake2b(b"".join((folder / name).read_bytes() for name in ("claims.json", "layouts.json")), digest_size=8).hexdigest()
