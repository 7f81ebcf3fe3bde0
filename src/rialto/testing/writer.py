"""The exam of the Writer port: copy comes from facts alone, within the limits, and what cannot be said is absent."""

from __future__ import annotations

import re
from dataclasses import replace

from rialto.ports import Writer, WriterJob

__all__ = ["WriterExam"]

FACTS = {
    "name": "Chaz Hoodie",
    "brand": "Luma",
    "kind": "Hoodie",
    "price": "$52.00",
    "material": "Wool",
    "feature_1": "Drawstring-adjustable hood",
    "feature_2": "4-way stretch",
    "feature_3": "Ribbed cuffs",
}
SLOTS = {"headline": 45, "support": 80, "price": 12, "call_to_action": 18, "alt_text": 120}
VOICE = {"call_to_action": ("Shop now", "See the range"), "headline": ("Made to move", "Only 9 left")}
JOB = WriterJob(SLOTS, FACTS, voice=VOICE)


def digits(text: str) -> set[str]:
    """Every run of digits in `text`."""
    return set(re.findall(r"\d+", text))


class WriterExam:
    """Subclass it, and say how to `open` your engine."""

    def open(self) -> Writer:
        """A writer."""
        raise NotImplementedError

    def test_is_a_writer(self) -> None:
        assert isinstance(self.open(), Writer)

    def test_fills_the_slots_asked_for_within_their_limits(self) -> None:
        made = self.open().write(JOB, variants=6)
        assert made
        for copy in made:
            assert set(copy) <= set(SLOTS)
            assert all(text.strip() and len(text) <= SLOTS[slot] for slot, text in copy.items())

    def test_says_no_number_that_is_not_a_fact(self) -> None:
        stated = {d for text in FACTS.values() for d in digits(text)}
        for copy in self.open().write(JOB, variants=50):
            assert all(digits(text) <= stated for text in copy.values()), copy

    def test_price_is_the_catalogues(self) -> None:
        assert {copy["price"] for copy in self.open().write(JOB, variants=6)} == {"$52.00"}

    def test_price_is_absent_where_the_catalogue_has_none(self) -> None:
        job = replace(JOB, facts={k: v for k, v in FACTS.items() if k != "price"})
        made = self.open().write(job, variants=6)
        assert made and all("price" not in copy and "$" not in "".join(copy.values()) for copy in made)

    def test_no_facts_and_no_voice_give_no_copy(self) -> None:
        assert not any(self.open().write(WriterJob(SLOTS, {}), variants=3))

    def test_a_slot_too_small_for_any_copy_is_absent(self) -> None:
        made = self.open().write(replace(JOB, slots={"headline": 45, "support": 2}), variants=3)
        assert made and all(set(copy) == {"headline"} for copy in made)

    def test_call_to_action_is_an_approved_one(self) -> None:
        made = self.open().write(JOB, variants=6)
        assert all(copy["call_to_action"] in VOICE["call_to_action"] for copy in made)

    def test_variants_differ(self) -> None:
        made = self.open().write(JOB, variants=12)
        assert len({tuple(sorted(copy.items())) for copy in made}) == len(made) > 3

    def test_avoided_phrases_do_not_appear(self) -> None:
        made = self.open().write(replace(JOB, avoid=("hoodie",)), variants=20)
        assert made and not any("hoodie" in text.lower() for copy in made for text in copy.values())

    def test_same_job_gives_same_copy(self) -> None:
        assert self.open().write(JOB, variants=8) == self.open().write(JOB, variants=8)
