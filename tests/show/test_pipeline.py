"""The studio: only checked creatives are arms; choices are conserved, independent, replayed; learning moves beliefs."""

from dataclasses import replace

import numpy as np
import pytest

from rialto.errors import BadInput
from rialto.local.events import LocalEvents
from rialto.records import Requests
from rialto.show.features import Belief, posterior
from rialto.show.pipeline import build
from rialto.spine.log import DecisionLog, Feedback
from rialto.testing.chain import ChainExam

IN_TIME = 1_790_000_000.0  # 2026-09-21
PLACES = ("feed", "square", "half page")


def asks(count, *, placements=PLACES, **columns):
    places = np.array([placements[i % len(placements)] for i in range(count)])
    return Requests.of({"placement": places, **columns}, ids=np.arange(count) + 7, time_s=IN_TIME)


def answers(outcome, clicked):
    """A view of each choice, and a click where its arm is `clicked`."""
    for request, arm in zip(outcome.requests.ids, outcome.decisions.ids):
        yield Feedback("impression", int(request), int(arm), 1.0, IN_TIME)
        if int(arm) == clicked:
            yield Feedback("click", int(request), int(arm), 1.0, IN_TIME + 60)


@pytest.fixture
def learner(new_studio, brief, kit, product):
    studio = new_studio()
    studio.admit(studio.compose(replace(brief, surfaces=brief.surfaces[:1]), kit, product, variants=4))
    return studio


class TestShowChain(ChainExam):
    @pytest.fixture(autouse=True)
    def _wired(self, admitted):
        type(self).studio = admitted

    def pipeline(self):
        return self.studio.pipeline

    def requests(self):
        return asks(18, locale=np.array(["en-US", "en-US", "de-DE"] * 6))


def test_every_request_gets_an_arm_of_its_placement_with_its_probability(admitted):
    outcome = admitted.choose(asks(60), seed=4)
    shown = admitted.shown(outcome)
    assert [a.creative.surface for a in shown] == [PLACES[i % 3] for i in range(60)]
    assert ((outcome.decisions.propensity > 0) & (outcome.decisions.propensity < 1)).all()


def test_a_refused_creative_is_no_arm_and_its_files_are_not_kept(new_studio, brief, kit, product):
    studio = new_studio()
    good, bad = studio.compose(replace(brief, surfaces=brief.surfaces[:1]), kit, product, variants=2)
    wrong = replace(
        bad,
        copy={**bad.copy, "price": "$1.00"},
        boxes=tuple(replace(b, text="$1.00", lines=("$1.00",)) if b.name == "price" else b for b in bad.boxes),
    )
    studio._origins[wrong.id] = studio._origins[bad.id]
    refused = studio.admit([good, wrong])
    assert refused[good.id] == [] and "price" in [v.rule for v in refused[wrong.id]]
    assert [a.creative.id for a in studio.arms] == [good.id]


def test_a_creative_from_elsewhere_is_refused(new_studio, admitted):
    with pytest.raises(BadInput, match="not composed by this studio"):
        new_studio().check(admitted.arms[0].creative)


def test_arms_out_of_their_dates_other_locales_and_withheld_products_are_removed_with_reasons(learner):
    early = replace(asks(1, placements=("feed",)), time_s=np.array([0.0]))
    assert learner.choose(early).trace.removed["not_in_its_dates"].tolist() == [4]
    assert learner.choose(asks(1, placements=("feed",), locale=np.array(["fr-FR"]))).trace.removed["other_locale"].tolist() == [4]
    learner.withhold(["p1"])
    outcome = learner.choose(asks(2, placements=("feed",)))
    assert outcome.trace.removed["withheld"].tolist() == [4, 4] and learner.shown(outcome) == [None, None]
    learner.withhold([])
    assert learner.choose(asks(1, placements=("feed",))).decisions.counts.tolist() == [1]


def test_the_evergreen_is_shown_where_nothing_else_may_be(learner):
    arm = learner.arms[2].creative
    learner.make_evergreen(arm)
    late = replace(asks(1, placements=("feed",)), time_s=np.array([2e9]))
    assert [a.creative.id for a in learner.shown(learner.choose(late))] == [arm.id]


def test_an_unknown_placement_falls_back_to_nothing_and_says_why(admitted):
    outcome = admitted.choose(asks(1, placements=("billboard",)))
    assert outcome.decisions.counts.tolist() == [0] and admitted.shown(outcome) == [None]
    assert "known placements: feed" in next(s.error for s in outcome.trace.steps if s.name == "roster")


def test_clicks_move_the_choice_to_the_arm_that_earns_them(learner):
    best = learner.arms[1].creative.id
    for day in range(12):
        batch = replace(asks(200, placements=("feed",)), ids=np.arange(200, dtype=np.uint64) + 1000 * day)
        outcome = learner.choose(batch, seed=day)
        learner.learn(list(answers(outcome, best)))
    final = learner.choose(replace(asks(200, placements=("feed",)), ids=np.arange(200, dtype=np.uint64) + 90_000))
    assert (final.decisions.ids == best).mean() > 0.9


def test_an_event_counts_once_and_strange_ones_do_not(learner):
    view = Feedback("impression", 7, learner.arms[0].creative.id, 1.0, IN_TIME)
    strange = [Feedback("impression", 7, 12345, 1.0, IN_TIME), Feedback("purchase", 7, view.candidate, 1.0, IN_TIME)]
    assert learner.learn([view, view, *strange]) == 1
    assert learner.learn([view]) == 0


def test_a_value_out_of_range_is_refused_and_nothing_counted(learner):
    arm = learner.arms[0].creative.id
    good, bad = Feedback("click", 1, arm, 1.0, 0.0), Feedback("click", 2, arm, 3.0, 0.0)
    with pytest.raises(BadInput, match=r"value 3\.0"):
        learner.learn([good, bad])
    assert learner.learn([good]) == 1


def test_what_was_learnt_is_there_for_the_next_studio_on_the_same_store(new_studio, brief, kit, product, made_up):
    store = made_up["store"]()
    means = []
    for _ in range(2):
        studio = new_studio(store=store)
        studio.admit(studio.compose(replace(brief, surfaces=brief.surfaces[:1]), kit, product, variants=4))
        arm = studio.arms[0].creative.id
        outcome = studio.choose(asks(1, placements=("feed",)))
        means.append(outcome.record.seen.column("shows").tolist())
        studio.learn([Feedback("impression", i, arm, 1.0, IN_TIME) for i in range(30)])
    assert means[0] == [0.0] * 4 and sorted(means[1]) == [0.0, 0.0, 0.0, 30.0]


def test_a_logged_choice_is_replayed_bit_for_bit_after_more_was_learnt(learner, tmp_path):
    log = DecisionLog(LocalEvents(tmp_path))
    outcome = learner.choose(asks(30, placements=("feed",)), seed=9)
    log.write([outcome])
    learner.learn(list(answers(outcome, learner.arms[0].creative.id)))
    (record,) = list(log.read())
    assert learner.replay(record).same(outcome.decisions)
    assert not learner.choose(asks(30, placements=("feed",)), seed=9).decisions.same(outcome.decisions)


def test_each_context_learns_for_itself(new_studio, brief, kit, product):
    studio = new_studio(contexts=2)
    studio.admit(studio.compose(replace(brief, surfaces=brief.surfaces[:1]), kit, product, variants=4))
    for day in range(15):
        batch = replace(
            asks(200, placements=("feed",), context=np.arange(200) % 2), ids=np.arange(200, dtype=np.uint64) + 1000 * day
        )
        outcome = studio.choose(batch, seed=day)
        liked = [studio.arms[0].creative.id, studio.arms[3].creative.id]
        feedback = [f for f in answers(outcome, liked[0]) if f.kind == "impression"]
        feedback += [
            Feedback("click", int(r), int(a), 1.0, IN_TIME)
            for r, a, c in zip(batch.ids, outcome.decisions.ids, np.arange(200) % 2)
            if a == liked[c]
        ]
        studio.learn(feedback, decided=[outcome.record])
    final = studio.choose(asks(200, placements=("feed",), context=np.arange(200) % 2))
    for c in (0, 1):
        assert (final.decisions.ids[c::2] == liked[c]).mean() > 0.8


def test_contexts_are_needed_and_checked(new_studio, brief, kit, product):
    studio = new_studio(contexts=2)
    studio.admit(studio.compose(replace(brief, surfaces=brief.surfaces[:1]), kit, product, variants=2))
    with pytest.raises(BadInput, match="built for 2"):
        studio.choose(asks(1, placements=("feed",), context=np.array([2])))
    with pytest.raises(BadInput, match="context of request 7"):
        studio.learn([Feedback("click", 7, studio.arms[0].creative.id, 1.0, 0.0)])
    with pytest.raises(BadInput, match="contexts is 0"):
        new_studio(contexts=0)


def test_explain_tells_of_every_arm(admitted):
    outcome = admitted.choose(asks(3), explain=True)
    fates = admitted.explain(outcome, 1)
    assert [f.end for f in fates] == ["chosen"] + ["unchosen"] * 5 and {"mean", "sd", "shows"} <= set(fates[0].columns)


def test_a_product_outside_the_brief_and_a_strange_locale_are_refused(new_studio, brief, kit, product):
    with pytest.raises(BadInput, match="not in brief"):
        new_studio().compose(brief, kit, replace(product, id="p9"))
    with pytest.raises(BadInput, match="xx-XX"):
        new_studio().compose(brief, kit, product, locales=["xx-XX"])


def test_a_new_arm_inherits_from_the_arms_that_share_its_parts():
    slots = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    belief = Belief.none(np.arange(4), slots, 1)
    seen = belief.with_counts(np.zeros(2, dtype=np.int64), np.array([0, 3]), np.array([5000.0, 5000.0]), np.array([400.0, 50.0]))
    scales = (0.03, 0.5, 0.15, 0.1, 0.15, 0.05)
    mean, sd = posterior(seen, scales)
    assert mean[0, 0] > mean[0, 1] > mean[0, 3] and sd[0, 1] > 2 * sd[0, 0]
    fresh, _ = posterior(belief, scales)
    assert np.allclose(fresh, 0.03)


def test_many_views_outweigh_what_was_expected():
    belief = Belief.none(np.arange(2), np.array([[0], [1]]), 1)
    zeros = np.zeros(2, dtype=np.int64)
    mean, sd = posterior(
        belief.with_counts(zeros, np.arange(2), np.full(2, 1e6), np.array([8e4, 5e4])), (0.03, 0.5, 0.15, 0.1, 0.15, 0.05)
    )
    assert np.allclose(mean, [[0.08, 0.05]], atol=1e-3) and np.allclose(sd, np.sqrt(0.065 * 0.935 / 1e6), rtol=0.05)


def test_build_names_what_is_missing(canvas):
    with pytest.raises(TypeError):
        build(canvas=canvas)
