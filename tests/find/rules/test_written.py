"""Rules in files: what is written is read back the same, and what is wrong is named by rule, field and value."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rialto.errors import BadInput, NothingHere
from rialto.find.rules import Rule, Scope, When, as_data, parse, read_rules, rule_of, to_json, to_toml

text = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), min_size=1, max_size=20).filter(str.strip)
texts = st.lists(text, max_size=3).map(tuple)
names = st.from_regex(r"[\w.\-]{1,20}", fullmatch=True).filter(lambda t: "\n" not in t)
whens = st.builds(When, queries=texts, words=texts, types=texts, categories=texts, segments=texts,
                  intents=st.lists(st.sampled_from(("type", "exact")), unique=True).map(tuple))  # fmt: skip
pairs = st.dictionaries(text, texts.filter(bool), max_size=2).map(lambda d: tuple(sorted(d.items())))
scopes = st.builds(Scope, ids=texts, brands=texts, categories=texts, attributes=pairs, words=st.just("") | text,
                   price_low_cents=st.none() | st.integers(0, 10**6).map(float)).filter(lambda s: not s.empty)  # fmt: skip
seconds = st.integers(-(10**9), 10**10).map(float)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    action = draw(st.sampled_from(("pin", "hide", "boost", "bury", "redirect")))
    starts = draw(st.none() | seconds)
    more: dict[str, Any] = {
        "name": draw(st.just("") | text), "note": draw(st.just("") | text), "enabled": draw(st.booleans()), "when": draw(whens),
        "priority": draw(st.integers(-1000, 1000)), "starts_s": starts, "ends_s": None if starts is None else starts + draw(st.integers(1, 10**8)),
    }  # fmt: skip
    if action == "pin":
        more |= {
            "place": draw(st.integers(1, 1000)),
            "products": Scope(ids=draw(st.lists(text, min_size=1, max_size=3, unique=True).map(tuple))),
        }
    elif action == "redirect":
        more |= {"target": "/" + "a" * draw(st.integers(0, 5)), "when": draw(whens.filter(lambda w: not w.empty))}
    else:
        more |= {"products": draw(scopes)}
        more |= {} if action == "hide" else {"factor": draw(st.floats(1.0, 1000.0, exclude_min=True))}
    return Rule(draw(names), draw(text), action, **more)


@given(st.lists(rules(), max_size=4, unique_by=lambda r: r.id))
def test_what_is_written_is_read_back_the_same(given_rules: list[Rule]) -> None:
    assert parse(to_json(given_rules)) == tuple(given_rules)
    assert parse(to_toml(given_rules), toml=True) == tuple(given_rules)
    assert all(rule_of(json.loads(json.dumps(as_data(r)))) == r for r in given_rules)


KEYS = ("id", "owner", "action", "products", "when", "ids", "place", "factor", "starts", "queries", "rules", "x")
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=5)
plain = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
)


@given(plain | st.text(max_size=30), st.booleans())
def test_any_other_text_is_bad_input_or_rules(data: object, toml: bool) -> None:
    body = data if isinstance(data, str) else json.dumps(data)
    try:
        found = parse(body, toml=toml)
    except BadInput:
        return
    assert all(isinstance(r, Rule) for r in found)


GOOD: dict[str, Any] = {"id": "a", "owner": "ann", "action": "boost", "factor": 2, "products": {"brands": ["B"]}}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"factor": 0.5}, "rule 'a', field 'factor': got 0.5; wanted a number above 1"),
        ({"factor": float("nan")}, "field 'factor': got nan"),
        ({"factor": True}, "field 'factor': got True"),
        ({"action": "promote"}, "field 'action': got 'promote'; wanted one of pin, hide"),
        ({"owner": " "}, "field 'owner': got ' '"),
        ({"id": "../a"}, "field 'id': got '../a'"),
        ({"products": {"brand": ["B"]}}, "no field 'products.brand'; known: brands"),
        ({"products": {"brands": "B"}}, "field 'products.brands': got 'B'; wanted a list of texts"),
        ({"products": {}}, "field 'products'"),
        ({"products": {"price_low_cents": -1}}, "wanted cents, 0 or more"),
        ({"products": {"price_low_cents": 9, "price_high_cents": 3}}, "the low end first"),
        ({"products": {"ids": ["x" * 2000]}}, "wanted 1000 characters or fewer"),
        ({"when": {"intents": ["buy"]}}, "field 'when.intents': got ['buy']"),
        ({"when": {"tags": ["red"]}}, "wanted kind=value"),
        ({"when": {"queries": [""]}}, "wanted no empty text"),
        ({"starts": "soon"}, "field 'starts': got 'soon'; wanted a day or a time"),
        ({"starts": "2026-05-02", "ends": "2026-05-01"}, "a time after the start"),
        ({"place": 3}, "only a pin has a place"),
        ({"target": "/x"}, "only a redirect has a target"),
        ({"priority": 1.5}, "field 'priority': got 1.5; wanted a whole number"),
        ({"enabled": "yes"}, "field 'enabled': got 'yes'"),
        ({"action": "redirect", "factor": 0, "products": {}, "target": "javascript:alert(1)", "when": {"words": ["x"]}}, "field 'target'"),
        ({"action": "redirect", "factor": 0, "products": {}, "target": "//evil.example", "when": {"words": ["x"]}}, "field 'target'"),
        ({"action": "redirect", "factor": 0, "products": {}, "target": "/x"}, "a redirect of every query"),
        ({"action": "pin", "factor": 0, "place": 1}, "ids and nothing else"),
        ({"action": "pin", "factor": 0, "place": 0, "products": {"ids": ["1"]}}, "field 'place'"),
        ({"action": "pin", "factor": 0, "place": 1, "products": {"ids": ["1", "1"]}}, "each id once"),
        ({"note": "\ud800"}, "UTF-8"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(change: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput) as caught:
        rule_of({**GOOD, **change})
    assert (told in str(caught.value) and "'a'" in str(caught.value)) or "../a" in str(caught.value)


def test_a_file_names_every_problem_and_doubles(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(to_toml([rule_of(GOOD)]) + "\n" + to_toml([rule_of(GOOD)]))
    with pytest.raises(BadInput, match="rule id 'a' comes 2 times"):
        read_rules(str(file))
    file.write_text('[[rules]]\nid="a"\n[[rules]]\nid="b"\nowner="x"\naction="hide"\nproducts=3\n')
    with pytest.raises(BadInput, match=r"rule 1 has no 'owner'.*rule 'b', field 'products': got 3"):
        read_rules(str(file))
    file.write_text("[[")
    with pytest.raises(BadInput, match="are no TOML"):
        read_rules(str(file))
    with pytest.raises(NothingHere):
        read_rules(str(tmp_path / "none.json"))


def test_times_are_utc_in_whatever_form_they_come() -> None:
    want = datetime(2026, 5, 1, 8, tzinfo=UTC).timestamp()
    for written in ("2026-05-01T08:00:00Z", "2026-05-01T10:00:00+02:00", "2026-05-01T08:00:00"):
        assert rule_of({**GOOD, "starts": written}).starts_s == want
    (one,) = parse('[[rules]]\nid="a"\nowner="x"\naction="hide"\nproducts={ids=["1"]}\nstarts=2026-05-01', toml=True)
    assert one.starts_s == want - 8 * 3600
