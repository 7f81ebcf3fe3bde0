"""What judged queries teach is served as it was measured: the ranker's share, and the last ranker's, go with its card."""

import numpy as np

from rialto.app.training import teach
from rialto.find.fittings import Fittings
from rialto.find.fusion import Fusion
from rialto.find.judgments import judged
from rialto.find.pipeline import Search
from rialto.find.shrink import LAST_SHARE, SHARE, shrunk
from rialto.local.models import LocalModels
from rialto.local.trees import fit as grow
from rialto.spine.features import matrix
from rialto.spine.learn import Examples, Gate
from rialto.worlds.shop import Shop


def _fit(examples: Examples, seed: int) -> bytes:
    return grow(
        examples.features, examples.label, examples.group, trees=20, depth=3, learning_rate=0.2, seed=seed, names=examples.names
    ).to_bytes()


def test_a_taught_ranker_is_served_with_the_share_that_its_card_holds(search: Search, world: Shop) -> None:
    rows = range(0, len(world.queries), 9)
    graded = [
        (str(world.queries.text[q]), f"p{p:05d}", float(world.grades[q, p])) for q in rows for p in range(len(world.products))
    ]
    models = LocalModels()
    plain = search.fitted(**{n: getattr(Fittings(), n) for n in ("reader", "cross")})
    plain = plain.tuned(plain.weights, Fusion.fixed(4.0))  # so bad a blend that there is something to gain
    report = teach(plain, judged(plain.catalogue, graded), models, gate=Gate(alpha=0.3, harm=0.05, least=10), fit=_fit)
    assert report.version, report.verdict.reason
    version, card = models.live(search.ranker) or ("", None)
    assert card is not None and 0.0 <= float(card.params[SHARE]) <= 1.0 and LAST_SHARE not in card.params
    ranked = plain.with_ranker(models, version, card).search(["red lamp"]).ranked
    near = ranked.keep(~np.isnan(ranked.column("title_length")))
    alone = models.score(version, matrix(near, card.inputs))
    wanted = shrunk(near, near.column("score:fusion").astype(np.float64), alone, float(card.params[SHARE]))
    np.testing.assert_allclose(near.column("score:trees"), wanted)
