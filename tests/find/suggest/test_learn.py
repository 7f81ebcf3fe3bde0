"""Learned ranking."""

import numpy as np
import pytest

from rialto.errors import BadInput
from rialto.find.catalogue import Catalogue
from rialto.find.suggest import FEATURES, Model, Ranking, Suggester, Typed
from rialto.find.suggest.learn import Pairs, fit, from_events, parted, simulated
from rialto.find.suggest.measure import measured
from rialto.worlds.shop import Shop


@pytest.fixture(scope="module")
def split(world: Shop) -> tuple[dict[str, float], dict[str, float]]:
    return parted(dict(zip(world.queries.text.tolist(), world.queries.frequency.tolist())), seed=1, visits=3000)


def test_the_log_is_parted_without_loss_and_the_same_each_time(world: Shop) -> None:
    log = {"a": 2.0, "b": 1.0, "c": 0.0}
    past, future = parted(log, seed=3, visits=900)
    assert sum(past.values()) + sum(future.values()) == 900 and "c" not in past | future
    assert parted(log, seed=3, visits=900) == (past, future)
    with pytest.raises(BadInput, match="empty"):
        parted({}, seed=0)


def test_the_learned_ranking_is_above_popularity_on_held_out_queries(
    catalogue: Catalogue, split: tuple[dict[str, float], dict[str, float]]
) -> None:
    past, future = split
    s = Suggester(catalogue, past)
    held, taught = dict(list(future.items())[::2]), dict(list(future.items())[1::2])
    popular = measured(s.ranked_by(Ranking(Model.popularity())), held)
    own = measured(s.ranked_by(Ranking(fit(simulated(s, taught, seed=2)))), held)
    assert own.gain(popular, "mrr").value > 0 and own.mean("mrr").value > 0.5
    assert 0 <= own.mean("saved").low <= own.mean("saved").value <= 1


def test_choices_of_shoppers_teach(catalogue: Catalogue, split: tuple[dict[str, float], dict[str, float]]) -> None:
    s = Suggester(catalogue, split[0])
    events = list[Typed]()
    for prefix in "abcdefghilmnoprstw":
        shown = tuple(x.text for x in s.complete(prefix) if not x.scope)
        products = [x.text for x in s.complete(prefix) if x.kind == "product"]
        events += [Typed(prefix, shown, products[-1])] * 20 if products else []
    before, after = Model.default(), fit(from_events(s, events))
    assert after.weight[FEATURES.index("product")] > before.weight[FEATURES.index("product")]


def test_without_choices_the_model_stays() -> None:
    assert np.array_equal(fit(Pairs.joined([])).weight, Model.default().weight)


def test_choices_that_no_list_showed_teach_nothing(catalogue: Catalogue) -> None:
    assert (
        len(
            from_events(
                Suggester(catalogue), [Typed("la", ("lamp",), "other"), Typed("la", ("lamp",)), Typed("", ("lamp",), "lamp")]
            )
        )
        == 0
    )


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"popular": "x"}', '{"popluar": 1}'])
def test_a_model_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="suggestions"):
        Model.of_json(text)


def test_a_model_comes_back_from_its_text() -> None:
    m = Model(np.linspace(-1, 1, len(FEATURES)).round(5))
    assert np.array_equal(Model.of_json(m.to_json()).weight, m.weight)
