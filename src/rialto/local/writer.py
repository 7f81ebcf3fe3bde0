"""The grounded writer: a small grammar over catalogue facts and the brand's own lines; it has no numbers of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files

from rialto.errors import BadInput, known
from rialto.ports import WriterJob
from rialto.records import hash64

__all__ = ["GroundedWriter", "numbers"]

PLACE = re.compile(r"\{([a-z0-9_]+)(\|lower)?\}")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
VOICE = "voice"
MOST_VARIANTS = 1000

Grammar = Mapping[str, Mapping[str, Sequence[str]]]


class GroundedWriter:
    """Writer engine in this process: fills templates with facts, so each claim in the copy is a fact or an approved line.

    Args:
        grammar: Language -> slot -> templates, the liked first. `{fact}` stands for a fact, `{fact|lower}` for it in lower case
            inside a sentence, `{voice}` for an approved line of that slot. The one beside this file where none is given.

    Raises:
        BadInput: a template says a number itself, or holds a brace that is no placeholder.

    Example:
        >>> job = WriterJob({"headline": 30, "price": 10}, {"name": "Chaz Hoodie", "price": "$52.00"})
        >>> GroundedWriter().write(job, variants=1)
        [{'headline': 'Chaz Hoodie', 'price': '$52.00'}]
    """

    def __init__(self, grammar: Grammar | None = None) -> None:
        self._grammar: Grammar = grammar or json.loads((files("rialto.local") / "writer.json").read_text("utf-8"))
        for language, slots in self._grammar.items():
            for slot, templates in slots.items():
                for template in templates:
                    _refuse_own_claims(template, f"{language}.{slot}")

    def write(self, job: WriterJob, *, variants: int) -> list[dict[str, str]]:
        """Up to `variants` different sets of slot -> copy, the liked first.

        A slot that no template can fill within its limit is absent. The same job gives the same copy.

        Raises:
            BadInput: the locale's language has no grammar, a limit is below 1, or `variants` is not in 1..1000.

        Cost:
            O(slots x templates x lines of voice + variants).
        """
        if not 1 <= variants <= MOST_VARIANTS:
            raise BadInput(f"{variants} variants were asked for; wanted 1 to {MOST_VARIANTS}.")
        language = job.locale.split("-")[0].lower()
        if language not in self._grammar:
            raise BadInput(f"there is no grammar for locale {job.locale!r}; known languages: {known(language, self._grammar)}.")
        choices = {slot: self._choices(job, slot, most, self._grammar[language]) for slot, most in job.slots.items()}
        return _combine({slot: texts for slot, texts in choices.items() if texts}, variants)

    def _choices(self, job: WriterJob, slot: str, most: int, grammar: Mapping[str, Sequence[str]]) -> list[str]:
        """All copy for one slot within `most` characters, the liked first; voice lines in an order that the seed chooses."""
        if most < 1:
            raise BadInput(f"slot {slot!r} may hold {most} characters; wanted at least 1.")
        facts = {name: " ".join(text.split()) for name, text in job.facts.items() if text.strip()}
        lines = sorted(job.voice.get(slot, ()), key=lambda line: hash64(f"{job.seed}/{line}"))
        texts: list[str] = []
        for template in grammar.get(slot, ()):
            if f"{{{VOICE}}}" in template:
                texts.extend(
                    filled for line in lines if (filled := _fill(template, {**facts, VOICE: line[:1].upper() + line[1:]}))
                )
            elif filled := _fill(template, facts):
                texts.append(filled)
        stated = {n for text in facts.values() for n in numbers(text)}
        avoid = [re.compile(rf"(?<!\w){re.escape(phrase)}(?!\w)", re.IGNORECASE) for phrase in job.avoid if phrase.strip()]
        return [
            text
            for text in dict.fromkeys(texts)
            if len(text) <= most and stated.issuperset(numbers(text)) and not any(a.search(text) for a in avoid)
        ]


def numbers(text: str) -> list[str]:
    """The numbers that `text` says in digits, without separators of thousands.

    Example:
        >>> numbers("4-way stretch, $1,052.00")
        ['4', '1052.00']
    """
    return [re.sub(r"[.,](?=\d{3}(?:\D|$))", "", n) for n in NUMBER.findall(text)]


def _fill(template: str, facts: Mapping[str, str]) -> str | None:
    """The template with its facts, or None where one is not known."""
    places = PLACE.findall(template)
    if any(name not in facts for name, _ in places):
        return None
    return PLACE.sub(lambda m: _lower(facts[m[1]]) if m[2] else facts[m[1]].removesuffix("."), template)


def _lower(text: str) -> str:
    """In lower case, but for words that are written otherwise on purpose: LumaTech, TENCEL, names with a mark."""
    return " ".join(w.lower() if w.istitle() and not set(w) & {"™", "®"} else w for w in text.removesuffix(".").split(" "))


def _combine(choices: Mapping[str, list[str]], variants: int) -> list[dict[str, str]]:
    """Sets that differ: each walks on in every slot at that slot's own pace, so that neighbours share little."""
    if not choices:
        return []
    made: dict[tuple[str, ...], dict[str, str]] = {}
    pace = dict.fromkeys(choices, 1)
    total = 1
    for slot, texts in choices.items():
        pace[slot], total = total, total * len(texts)
    for i in range(min(total, 50 * variants)):
        copy = {
            slot: texts[(i + i // pace[slot]) % len(texts)] if pace[slot] > 1 else texts[i % len(texts)]
            for slot, texts in choices.items()
        }
        made.setdefault(tuple(copy.values()), copy)
        if len(made) == variants:
            break
    return list(made.values())


def _refuse_own_claims(template: str, where: str) -> None:
    literal = PLACE.sub("", template)
    if NUMBER.search(literal) or "{" in literal or "}" in literal:
        raise BadInput(f"template {where}: {template!r} holds a number or a stray brace; wanted words and {{fact}} places only.")
