"""Spelling: the error model, its kernels, candidates, and what is never touched."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rialto.errors import BadInput
from rialto.find.query.accept import FEATURES, Acceptor
from rialto.find.query.background import Background
from rialto.find.query.channel import SpellingModel
from rialto.find.query.edits import align, cost, edits, points
from rialto.find.query.lexicon import Lexicon, Text, follow_row, follow_rows, shape
from rialto.find.query.nearby import Nearby
from rialto.find.query.practice import train_speller
from rialto.find.query.speller import Speller
from rialto.find.query.typos import make_typos

_LETTERS = st.text(alphabet="abcdeé1 ", min_size=1, max_size=9)


@pytest.fixture(scope="module")
def speller(words: Background) -> Speller:
    texts = [
        ("stainless steel sink", 20.0),
        ("garden hose", 20.0),
        ("makita drill battery", 9.0),
        ("rebar", 4.0),
        ("paint brush", 9.0),
    ]
    return train_speller(Text.of([]), Text.of(texts), words, [], never=["makita"])


def _plain_cost(meant: str, typed: str, m: SpellingModel) -> float:
    """The same by recursion, for models without rules."""
    from functools import cache

    c = [ord(x) - 97 if "a" <= x <= "z" else 26 if x.isdigit() and x.isascii() else 27 if x == " " else 28 for x in meant]
    t = [ord(x) - 97 if "a" <= x <= "z" else 26 if x.isdigit() and x.isascii() else 27 if x == " " else 28 for x in typed]

    @cache
    def least(i: int, j: int) -> float:
        if i == j == 0:
            return 0.0
        ways = [np.inf]
        if i:
            ways.append(least(i - 1, j) + m.leave[c[i - 1], c[i - 2] if i > 1 else 29])
        if j:
            ways.append(least(i, j - 1) + m.put[t[j - 1], c[i - 1] if i else 29])
        if i and j:
            same = meant[i - 1] == typed[j - 1]
            ways.append(least(i - 1, j - 1) + (0.0 if same else m.change[c[i - 1], t[j - 1]]))
            if i > 1 and j > 1 and not same and meant[i - 1] == typed[j - 2] and meant[i - 2] == typed[j - 1]:
                ways.append(least(i - 2, j - 2) + m.swap[c[i - 2], c[i - 1]])
        return min(ways)

    return float(least(len(meant), len(typed)))


@given(meant=_LETTERS, typed=_LETTERS)
@settings(max_examples=60, deadline=None)
def test_the_kernel_costs_what_the_plain_recursion_costs(meant: str, typed: str) -> None:
    m = SpellingModel.untrained()
    assert cost(points(meant), points(typed), *m.tables, np.inf) == pytest.approx(_plain_cost(meant, typed, m))


@given(meant=_LETTERS, typed=_LETTERS)
@settings(max_examples=60, deadline=None)
def test_an_alignment_covers_both_texts(meant: str, typed: str) -> None:
    way = align(points(meant), points(typed), *SpellingModel.default().tables)
    assert way[-1, 1] == way[-1, 2] == 0 and len(way) <= len(meant) + len(typed)


def test_training_makes_what_is_seen_cheaper() -> None:
    before = SpellingModel.default()
    after = before.train([("fone", "phone"), ("fhone kase", "phone case"), ("fonograf", "phonograph")] * 5)

    def paid(m: SpellingModel) -> float:
        return float(cost(points("photo"), points("foto"), *m.tables, np.inf))

    assert paid(after) < paid(before)
    assert after.known["fone"]["phone"] > 0.9 and before.known == {}


def test_a_model_survives_its_json_and_other_text_is_refused() -> None:
    model = SpellingModel.default().train([("recieve", "receive")] * 4)
    again = SpellingModel.of_json(model.to_json())
    assert again.to_json() == model.to_json()
    for text in ("{}", "[]", '{"change": [[1]]}', "no"):
        with pytest.raises(BadInput, match="no spelling model"):
            SpellingModel.of_json(text)
    with pytest.raises(BadInput, match="no acceptor"):
        Acceptor.of_json('{"features": ["gain"], "weights": [1], "precision": [[1]]}')


def test_training_without_pairs_or_with_equal_ones_is_harmless() -> None:
    model = SpellingModel.default()
    assert np.isfinite(model.train([]).change).all() and np.isfinite(model.train([("a", "a"), ("", "b")]).put).all()
    with pytest.raises(BadInput, match="rounds is 0"):
        model.train([], rounds=0)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("stainles steel", "stainless steel"), ("gardenhose", "garden hose"), ("garden h ose", "garden hose"),
        ("steel snik", "steel sink"),
    ],
)  # fmt: skip
def test_words_and_blanks_are_mended_together(speller: Speller, typed: str, meant: str) -> None:
    assert speller.mend(typed)[0] == meant


@pytest.mark.parametrize("text", ["makita", "ab12-stel", "15.6 x4", "stainless steel sink", "c:\\steal", "zzyzx qwrtp"])
def test_brands_models_numbers_and_known_words_are_never_respelt(speller: Speller, text: str) -> None:
    assert speller.mend(text) == (text, ())


def test_candidates_hold_every_word_one_edit_away() -> None:
    words = ["hydraulic", "battery", "coupling", "microwave"]
    near, model, flat = Nearby.of(words, np.arange(4, dtype=np.int32)), SpellingModel.untrained(), np.zeros(4)
    for number, word in enumerate(words):
        for at in range(len(word)):
            typed = word[:at] + word[at + 1 :]
            assert number in near.near(typed, model.tables, flat)[0].tolist()
    assert len(Nearby.of([], np.zeros(0, dtype=np.int32)).near("abc", model.tables, flat)[0]) == 0


def test_made_up_mistypings_are_drawn_by_seed() -> None:
    words, weights = ["battery", "notebook", "charger"], np.ones(3)
    assert make_typos(words, weights, count=20, seed=1) == make_typos(words, weights, count=20, seed=1)
    assert make_typos(["a"], np.ones(1), count=5, seed=1) == []


def test_a_word_behind_one_that_it_follows_is_likelier() -> None:
    lexicon = Lexicon.of(
        queries=Text.of([("garden hose", 5.0), ("garden hose", 5.0), ("hose clamp", 1.0)]),
        catalogue=Text.of([]),
        background=Background(),
    )
    assert lexicon.follows("garden", "hose") and not lexicon.follows("hose", "garden")
    assert not lexicon.follows("garden", "unheard")


def test_rows_of_words_are_as_likely_together_as_one_by_one(speller: Speller) -> None:
    x = speller.lexicon
    rows = [[0, 1, 2], [5], [-1, 3, 4, 0], [7, -1]]
    rest = x.log_p, x.back, x.pair, x.pair_log_p, len(x.words)
    flat, ends = np.array([w for r in rows for w in r]), np.cumsum([0, *map(len, rows)])
    assert follow_rows(flat, ends, *rest).tolist() == [follow_row(np.array(r), *rest) for r in rows]


def _plain_edits(a: str, b: str) -> int:
    from functools import cache

    @cache
    def least(i: int, j: int) -> int:
        if not (i and j):
            return i + j
        ways = [least(i - 1, j) + 1, least(i, j - 1) + 1, least(i - 1, j - 1) + (a[i - 1] != b[j - 1])]
        if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
            ways.append(least(i - 2, j - 2) + 1)
        return min(ways)

    return least(len(a), len(b))


@given(a=_LETTERS, b=_LETTERS)
@settings(max_examples=60, deadline=None)
def test_the_kernel_counts_the_edits_that_the_plain_recursion_counts(a: str, b: str) -> None:
    assert edits(points(a), points(b)) == _plain_edits(a, b)


def test_an_acceptor_believes_what_was_right_and_no_more_than_good_queries_bear() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(600, len(FEATURES)))
    acceptor = Acceptor.fitted(x, x[:, 0] < 0, believed=1.0)
    sure = acceptor.log_odds(x)
    assert sure[x[:, 0] < -0.2].min() > sure[x[:, 0] > 0.2].max()
    again = Acceptor.of_json(acceptor.to_json())
    assert np.allclose(again.log_odds(x), sure, atol=0.05) and again.believed == 1.0
    careful = acceptor.careful(sure)
    assert (sure > careful.believed).mean() <= 0.02
    assert acceptor.careful(sure[:10]) is acceptor  # too few to tell
    with pytest.raises(BadInput, match="rows of"):
        Acceptor.fitted(x[:, :3], x[:, 0] < 0, believed=1.0)


def test_a_word_only_heard_is_known_but_seldom_meant() -> None:
    """A wide list holds mistypings beside names: what is typed may be one of its words, what is meant only a common one."""
    heard = {"makita": 5e6, "stell": 3.0, "faucet": 9e5}
    lexicon = Lexicon.of(
        queries=Text.of([]), catalogue=Text.of([]), background=Background({"steel": 9e6, "stall": 9e5}, {}, heard)
    )
    speller = Speller(lexicon, SpellingModel.untrained())
    assert speller.knows("stell") and "stell" in lexicon.index
    meant = {after for typed in ("stelll", "makitta") for _, after in speller.ways(typed)[0]}
    assert "makita" in meant and "steel" in meant and "stell" not in meant


def test_a_list_of_words_heard_takes_its_share_from_the_language_alone() -> None:
    asked = Text.of([("garden hose", 5.0)])
    plain = Lexicon.of(queries=asked, catalogue=Text.of([]), background=Background({"steel": 10.0}))
    wide = Lexicon.of(
        queries=asked, catalogue=Text.of([]), background=Background({"steel": 10.0}, {}, {"steel": 1.0, "stele": 1.0})
    )
    assert wide.log_p[wide.index["hose"]] == pytest.approx(plain.log_p[plain.index["hose"]])
    assert wide.log_p[wide.index["steel"]] < plain.log_p[plain.index["steel"]]
    assert wide.checked[wide.index["steel"]] and not wide.checked[wide.index["stele"]]


def test_what_is_spelt_like_a_word_looks_like_one() -> None:
    lexicon = Lexicon.of(
        queries=Text.of([]), catalogue=Text.of([]), background=Background({"hardware": 5.0, "software": 5.0, "warehouse": 5.0})
    )
    right, wrong = shape("hardware", lexicon.letters), shape("hrdawrae", lexicon.letters)
    assert right[0] > wrong[0] and right[1] > wrong[1]
    assert np.isfinite([*shape("é", lexicon.letters), *shape("", lexicon.letters)]).all()


def test_mistyped_queries_said_to_be_good_teach_nothing(words: Background) -> None:
    """Good queries hold a few mistypings; a speller told of enough pairs mends them though they were said to be right."""
    held = sorted(w for w in words.words if len(w) > 4)
    pairs = make_typos(held, np.ones(len(held)), count=400, seed=5)
    typos = [typed for typed, _ in make_typos(held, np.ones(len(held)), count=12, seed=6)]
    good = [f"{a} {b}" for a in held for b in held[::7]][:600]
    speller = train_speller(Text.of([]), Text.of([(" ".join(held), 1.0)]), words, pairs, good=[*good, *typos])
    mended = [speller.mend(t, believed=0.0)[0] != t for t in typos]
    assert np.mean(mended) > 0.8
    assert np.mean([speller.mend(q)[0] != q for q in good]) <= 0.02


def test_every_way_to_change_a_text_has_finite_features(speller: Speller) -> None:
    ways, x = speller.ways("stainles steel snik gardenhose")
    assert ("stainles", "stainless") in ways and ("gardenhose", "garden hose") in ways
    assert x.shape == (len(ways), len(FEATURES)) and np.isfinite(x).all()
    assert speller.ways("")[0] == speller.ways("12 34x5")[0] == []
