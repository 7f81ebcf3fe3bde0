# ruff: noqa: E501
"""Markup out of descriptions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rialto.find.markup import plain


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Oak lamp", "Oak lamp"), ("<p>Oak</p><p>ash</p>", "Oak ash"), ("w<b>oo</b>d", "wood"), ("a<br/>b", "a b"), ("4 < 5 & 6 > 2", "4 < 5 & 6 > 2"),
        ("A &lt;b&gt;red&lt;/b&gt; one", "A red one"), ("Tom &amp; Jerry&#39;s &nbsp; x", "Tom & Jerry's x"), ("AT&T; R&D", "AT&T; R&D"),
        ("<style>p {a: b}</style>Lamp<!-- no -->", "Lamp"), ('<img src="x.png" alt="y">Lamp', "Lamp"), ("uses <Lamp> type", "uses <Lamp> type"),
    ],
)  # fmt: skip
def test_tags_go_and_words_stay(text: str, wanted: str) -> None:
    assert plain(text) == wanted


@given(st.text(alphabet="<>&;/abpli# \n!-", max_size=60))
def test_any_text_stays_a_text_that_is_no_longer(text: str) -> None:
    assert len(plain(text)) <= len(text)
