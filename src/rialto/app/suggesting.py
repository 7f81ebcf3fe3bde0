"""How completions are ranked: what a shop's past queries and chosen lines teach, kept among the models behind a gate."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, EngineLost
from rialto.find.catalogue import Catalogue
from rialto.find.suggest import Suggester
from rialto.find.suggest.learn import Pairs, fit, from_events, parted, simulated
from rialto.find.suggest.measure import MEASURES, measured
from rialto.find.suggest.ranking import FEATURES, Choices, Model, Ranking, Typed
from rialto.find.suggest.records import keyed
from rialto.local.linear import Linear
from rialto.ports import ModelCard, Models
from rialto.records import hash64
from rialto.spine.learn import Gate, Report, Verdict
from rialto.spine.log import DecisionLog, Note

__all__ = ["SUGGESTION", "learn_suggestions", "looks_logged", "ranking_name", "ranking_of", "suggestion_note"]

SUGGESTION = "suggestion"
"""Kind of the notes that say which completion was taken."""

_HELD_OUT = 0.3
_MOST = 400  # held-out queries that are typed letter by letter
_PREFIXES = 20_000  # of which choices are kept
_LINES = 8


def ranking_name(ranker: str) -> str:
    """Name among the models of how a shop's completions are ranked, by the name of its ranker."""
    return f"{ranker}.suggest"


def ranking_of(models: Models, ranker: str, held: Ranking | None = None) -> Ranking:
    """How a shop's completions are ranked: as was promoted, else as ships; `held` itself where that is what is live.

    One that is damaged is told in the program's log, and what ships ranks.
    """
    now = held or Ranking()
    try:
        live = models.live(ranking_name(ranker))
        version = live[0] if live else ""
        if version == now.version:
            return now
        return Ranking() if live is None else _of_card(live[1], version)
    except (BadInput, EngineLost) as e:
        logging.getLogger("rialto").warning("completions are ranked as they ship: %s", e)
        return now


def suggestion_note(shop: str, look: Typed, *, time_s: float, name: str = "") -> Note:
    """A look at the completions as the log keeps it.

    Args:
        shop: Name of the shop's ranker.
        look: What was typed, what was offered, and what was taken.
        time_s: When, seconds since 1970.
        name: The event's own name; "" = made from the rest.
    """
    return Note(SUGGESTION, shop, {"prefix": look.prefix, "shown": list(look.shown), "chosen": look.chosen}, time_s, name)


def looks_logged(log: DecisionLog, shop: str) -> Iterator[Typed]:
    """The looks at completions that a log holds of one shop, in order."""
    for note in log.notes(SUGGESTION, shop):
        yield Typed(str(note.body["prefix"]), tuple(map(str, note.body["shown"])), str(note.body["chosen"]))


def learn_suggestions(
    catalogue: Catalogue, queries: Mapping[str, float], looks: Sequence[Typed], models: Models, ranker: str,
    *, seed: int = 0, gate: Gate | None = None,
) -> Report:  # fmt: skip
    """Fit how completions are ranked, and promote it where held-out queries and held-out looks show that it ranks better.

    Past queries are thrown to the past or the future; those of the future are typed letter by letter over completions made of the past.
    Of the looks, the first half tells what is chosen for which prefix, and the second teaches. Compared is the reciprocal place of the
    query, and of the line that was taken, on queries and prefixes that taught nothing.

    Args:
        catalogue: The products.
        queries: Past query -> how often.
        looks: What was typed and taken, in order of time.
        models: Where versions are kept; the live one changes on a pass only.
        ranker: Name of the shop's ranker.
        seed: Of the split and the slips.
        gate: What must be shown; at least 40 held-out queries or looks where None.

    Cost:
        Two suggesters, 150 µs a product each, and some ms a query.
    """
    gate, live = gate or Gate(least=40), models.live(ranking_name(ranker))
    parent = live[0] if live else ""
    if not any(n > 0 for n in queries.values()):
        return Report(Verdict(False, "too little data: no past queries"), "", parent, 0, 0)
    before = ranking_of(models, ranker)
    past, future = parted(queries, seed=seed)
    early, late = looks[: len(looks) // 2], [look for look in looks[len(looks) // 2 :] if look.chosen]
    start = before.scorer if isinstance(before.scorer, Model) else Model.default()
    made = Suggester(catalogue, past, ranking=Ranking(start, Choices.of(early)))
    taught, own = {q: n for q, n in future.items() if not _held_out(q)}, [x for x in late if not _held_out(x.prefix)]
    model = fit(Pairs.joined([simulated(made, taught, seed=seed), from_events(made, own)]), start=start)
    watched, others = {q: n for q, n in future.items() if _held_out(q)}, [x for x in late if _held_out(x.prefix)]
    old, new = (_values(made.ranked_by(r), watched, others, seed) for r in (before, replace(made.ranking, scorer=model)))
    classes = np.array(["typed"] * (len(old) - len(others)) + ["taken"] * len(others))
    verdict = gate.judge(old, new, seed=seed, classes=classes)
    version = _promoted(models, ranker, model, Choices.of(looks), parent) if verdict.passed else ""
    return Report(verdict, version, parent, len(taught) + len(own), len(old))


def _held_out(text: str) -> bool:
    return hash64(keyed(text)) % 1000 < 1000 * _HELD_OUT


def _values(made: Suggester, queries: Mapping[str, float], looks: Sequence[Typed], seed: int) -> NDArray[np.float64]:
    """Mean reciprocal place of each query over its prefixes, then of each line taken, shape (queries + looks,)."""
    typed = dict(sorted(((q, n) for q, n in queries.items() if len(keyed(q)) > 1), key=lambda x: (-x[1], x[0]))[:_MOST])
    of_queries = measured(made, typed, limit=_LINES, seed=seed).values[:, MEASURES.index("mrr")]
    return np.concatenate([of_queries, np.array([_place(made, look) for look in looks], dtype=np.float64)])


def _place(made: Suggester, look: Typed) -> float:
    """1 over the place of the line that was taken; 0 where it is not offered."""
    keys = [keyed(s.text) for s in made.complete(look.prefix, limit=_LINES) if not s.scope]
    return 1.0 / (keys.index(keyed(look.chosen)) + 1) if keyed(look.chosen) in keys else 0.0


def _promoted(models: Models, ranker: str, model: Model, choices: Choices, parent: str) -> str:
    rates = {p: kept for p, own in choices.rates.items() if (kept := {k: round(r, 4) for k, r in own.items() if r > 0.0})}
    most = dict(sorted(rates.items(), key=lambda x: (-max(x[1].values()), x[0]))[:_PREFIXES])
    params = {"weights": model.to_json(), "choices": json.dumps(most)}
    name = ranking_name(ranker)
    version = models.put(ModelCard(name, "linear", FEATURES, parent, "", params), Linear(FEATURES, model.weight).to_bytes())
    models.promote(name, version)
    return version


def _of_card(card: ModelCard, version: str) -> Ranking:
    try:
        return Ranking(Model.of_json(card.params["weights"]), Choices(json.loads(card.params.get("choices", "{}"))), version)
    except (KeyError, ValueError) as e:
        raise EngineLost(f"version {version} of how completions are ranked is damaged ({e!r}); learn it again.") from e
