"""Measures of query understanding."""

import pytest

from rialto.errors import BadInput
from rialto.find.query.measure import fold_of, harm, measure_folds, measure_spelling
from rialto.find.query.reader import Reader


def test_exact_corrections_and_harm_are_shares_with_intervals(reader: Reader) -> None:
    exact = measure_spelling(reader, [("wireles mouse", "wireless mouse"), ("wireless mouse", "wireless house")])
    assert exact.value == 0.5 and exact.low <= 0.5 <= exact.high
    assert harm(reader, ["wireless mouse", "gardenhose"]).value == 0.5


def test_another_writing_of_a_unit_is_no_mistake_and_no_harm(reader: Reader) -> None:
    assert measure_spelling(reader, [("15.6inch laptop", '15.6" laptop')]).value == 1.0
    assert harm(reader, ["15.6inch laptop"]).value == 0.0


def test_no_correction_is_trained_on_and_tested(reader: Reader) -> None:
    pairs = [(f"wireles mouse{'s' * n}", f"wireless mouse{n}") for n in range(12)]
    seen: list[set[str]] = []
    asked = [f"laptop {n}" for n in range(9)]

    def train(told: list[tuple[str, str]], good: list[str]) -> Reader:
        assert not set(good) & {q for q in asked if fold_of(q, 2) == len(seen)}
        seen.append({meant for _, meant in told})
        return reader

    measure_folds(train, pairs, asked, folds=2)  # type: ignore[arg-type]
    for part, told in enumerate(seen):
        assert told == {m for _, m in pairs if fold_of(m, 2) != part}


def test_nothing_to_measure_on_is_said(reader: Reader) -> None:
    with pytest.raises(BadInput, match="no pairs"):
        measure_spelling(reader, [])
    with pytest.raises(BadInput, match="folds is 1"):
        measure_folds(lambda told, good: reader, [("a", "b")], [], folds=1)
