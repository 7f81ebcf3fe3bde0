"""Gates on what a creative says: each number, price, material, superlative and offer is resolved to a catalogue fact, or refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from rialto.ports import Opinion, Picture
from rialto.show.records import BrandKit, Creative, Product, Surface, Verdict

__all__ = ["CLAIMS", "Case", "Rule", "verdict"]

MONEY = re.compile(
    r"(?:(?P<sign>[$€£])\s*(?P<a>\d[\d.,]*))|(?:(?P<b>\d[\d.,]*)\s*(?P<word>[$€£]|usd|eur|gbp|dollars?|euros?|pounds?|cents?)(?!\w))",
    re.IGNORECASE,
)
COUNT = re.compile(r"(?P<number>\d+(?:[.,]\d+)*)\s*[-‑–]?\s*(?P<unit>%|\"|''|°|[^\W\d_]+)?")
SENTENCE = re.compile(r"[.!?;•]+(?:\s|$)")
ALT_SHORTEST, ALT_LONGEST = 5, 120


@dataclass(frozen=True, slots=True)
class Case:
    """All that the gates look at: a creative, what it must agree with, its pixels, a critic's opinions, and its files' sizes.

    Args:
        file_bytes: Format -> bytes of the encoded file; empty where nothing was rendered, which the gate on weight refuses.
        measure: Width and height of a line of text, as the canvas will draw it.
    """

    creative: Creative
    product: Product
    kit: BrandKit
    surface: Surface
    measure: Callable[[str, float, int], tuple[float, float]]
    picture: Picture
    opinions: Sequence[Opinion] = ()
    file_bytes: Mapping[str, int] | None = None

    def said(self) -> Iterator[tuple[str, str]]:
        """Slot and text of all that is said, whether drawn or told to a screen reader."""
        yield from self.creative.copy.items()
        copied = set(self.creative.copy.values())
        for box in self.creative.boxes:
            if box.text and box.text not in copied:
                yield f"box {box.name}", box.text
            if box.lines and " ".join(box.lines) not in (box.text, *copied):
                yield f"box {box.name}", " ".join(box.lines)


Rule = Callable[[Case], Verdict]


def verdict(rule: str, problems: Sequence[str], measured: str) -> Verdict:
    """A refusal with every problem as its reason, or a pass where there are none."""
    return Verdict(rule, not problems, measured, " ".join(dict.fromkeys(problems)))


def price(case: Case) -> Verdict:
    """Every amount of money is the catalogue's price."""
    amounts = [(slot, m[0], _cents(m), _currency(m)) for slot, text in case.said() for m in MONEY.finditer(text)]
    wanted = case.product.facts.get("price", "")
    known = {_currency(m) for m in MONEY.finditer(wanted)} | {"c"}
    problems = [
        f"{slot} says {said!r}; the catalogue (version {case.product.version}) says {wanted}. Use that price, or leave it out."
        for slot, said, cents, currency in amounts
        if cents != case.product.price_cents or currency not in known
    ]
    return verdict("price", problems, f"{len(amounts)} amounts")


def number(case: Case) -> Verdict:
    """Every other number stands in a fact, with the same unit or noun behind it."""
    known = {(_plain(m["number"]), _noun(m["unit"])) for text in _evidence(case) for m in COUNT.finditer(text)}
    bare = {n for n, _ in known}
    problems: list[str] = []
    found = 0
    for slot, text in case.said():
        for m in COUNT.finditer(MONEY.sub(" ", text)):
            found += 1
            n, noun = _plain(m["number"]), _noun(m["unit"])
            if (n, noun) not in known if noun else n not in bare:
                problems.append(f"{slot} says {m[0].strip()!r}, which no catalogue fact says. Take it out, or add the fact.")
    return verdict("number", problems, f"{found} numbers")


def material(case: Case) -> Verdict:
    """A material that is named is one that the catalogue gives."""
    text = " ".join(_evidence(case)).lower()
    named = [(slot, w) for slot, said in _claims(case) for w in _found(said, "materials")]
    problems = [
        f"{slot} says {w!r}; the catalogue gives {case.product.facts.get('material') or 'no material'}. Name that one, or none."
        for slot, w in named
        if not _holds(text, w)
    ]
    return verdict("material", problems, f"{len(named)} materials")


def superlative(case: Case) -> Verdict:
    """A superlative stands only in a sentence that the catalogue or the brand's approved lines hold as it is."""
    return _sourced(case, "superlative", "superlatives")


def comparison(case: Case) -> Verdict:
    """A comparison with others stands only in such a sentence."""
    return _sourced(case, "comparison", "comparisons")


def offer(case: Case) -> Verdict:
    """A reduction, gift or deadline stands only in such a sentence."""
    return _sourced(case, "offer", "offers")


def banned(case: Case) -> Verdict:
    """No phrase that the brand or the general list bans."""
    phrases = {p.lower(): "the brand kit" for p in case.kit.voice.banned} | dict.fromkeys(
        _lexicon()["banned"], "the general list"
    )
    hits = [(slot, p, who) for slot, text in case.said() for p, who in phrases.items() if _holds(text.lower(), p)]
    return verdict("banned", [f"{s} says {p!r}, which {who} bans. Reword it." for s, p, who in hits], f"{len(hits)} phrases")


def characters(case: Case) -> Verdict:
    """Every slot keeps the surface's limit, and no slot is drawn that the surface does not have."""
    over = [
        f"{slot} has {len(text)} characters; {case.surface.name} allows {case.surface.slots[slot]}. Shorten it."
        for slot, text in case.creative.copy.items()
        if slot in case.surface.slots and len(text) > case.surface.slots[slot]
    ]
    return verdict("characters", over, f"{max((len(t) for t in case.creative.copy.values()), default=0)} at most")


def clean_text(case: Case) -> Verdict:
    """No empty slot, unfilled place, control character, doubled space, mark-up or shouting."""
    problems = [f"{slot} {fault}: {text!r}. Mend the text." for slot, text in case.said() if (fault := _fault(text))]
    return verdict("clean_text", problems, f"{len(list(case.said()))} texts")


def drawn_as_written(case: Case) -> Verdict:
    """What is drawn is what the copy says, slot by slot."""
    boxes = {b.name: b for b in case.creative.boxes if b.kind in ("text", "button")}
    copy = case.creative.copy
    problems: list[str] = []
    for slot, text in copy.items():
        wanted = f"{copy.get('disclaimer_label', '')}: {text}" if slot == "disclaimer" else text
        shown = " ".join(boxes[slot].lines or (boxes[slot].text,)) if slot in boxes else None
        if slot not in ("alt_text", "disclaimer_label") and shown != " ".join(wanted.split()):
            problems.append(f"{slot} is {text!r} in the copy, but {shown!r} is drawn. Compose it again.")
    problems += [
        f"box {name} draws {b.text!r}, which is in no slot. Take it out." for name, b in boxes.items() if name not in copy
    ]
    return verdict("drawn_as_written", problems, f"{len(boxes)} boxes")


def required(case: Case) -> Verdict:
    """A headline and a call to action are there where the surface has a place for them."""
    absent = [s for s in ("headline", "call_to_action") if s in case.surface.slots and not case.creative.copy.get(s, "").strip()]
    return verdict(
        "required", [f"{s} is absent; {case.surface.name} needs it. Write one." for s in absent], f"{len(absent)} absent"
    )


def call_to_action(case: Case) -> Verdict:
    """Exactly one button, its text one that the brand approved, in sentence case."""
    buttons = [b for b in case.creative.boxes if b.kind == "button"]
    problems = [] if len(buttons) == 1 else [f"there are {len(buttons)} buttons; wanted exactly one."]
    approved = ", ".join(case.kit.calls_to_action)
    for b in buttons:
        if b.text not in case.kit.calls_to_action:
            problems.append(f"button says {b.text!r}; the brand kit approves: {approved}. Use one of them.")
        if not _sentence_case(b.text, {*case.product.facts.get("name", "").split(), *case.kit.name.split()}):
            problems.append(f"button says {b.text!r}, which is not sentence case. Write it like 'Shop now'.")
    return verdict("call_to_action", problems, f"{len(buttons)} buttons")


def disclaimer(case: Case) -> Verdict:
    """Label and text of the small print stand both or neither, as the brand kit has them."""
    label, text = case.creative.copy.get("disclaimer_label", ""), case.creative.copy.get("disclaimer", "")
    problems: list[str] = []
    if bool(label.strip()) != bool(text.strip()):
        problems.append(f"disclaimer has a {'label' if label.strip() else 'text'} alone; wanted both, or neither.")
    elif text and (label, text) not in {(d.label, d.text) for d in case.kit.disclaimers}:
        problems.append(f"disclaimer {label}: {text!r} is not in the brand kit. Use one of its {len(case.kit.disclaimers)}.")
    return verdict("disclaimer", problems, f"{len(text)} characters")


def alt_text(case: Case) -> Verdict:
    """The text for screen readers has 5 to 120 characters and names the product and its price."""
    text = case.creative.copy.get("alt_text", "")
    facts = case.product.facts
    problems: list[str] = []
    if not ALT_SHORTEST <= len(text) <= ALT_LONGEST:
        problems.append(f"alt text has {len(text)} characters; wanted {ALT_SHORTEST} to {ALT_LONGEST}.")
    for what in ("name", "price"):
        if facts.get(what, "").lower() not in text.lower():
            problems.append(f"alt text {text!r} does not hold the product's {what} ({facts[what]}). Add it.")
    return verdict("alt_text", problems, f"{len(text)} characters")


def fresh(case: Case) -> Verdict:
    """The facts are still the ones that the creative was made from."""
    made, now = case.creative.fact_version, case.product.version
    same = made == now and case.creative.product_id == case.product.id
    problems = (
        []
        if same
        else [
            f"made from {case.creative.product_id} version {made}; the catalogue has {case.product.id} version {now}. Compose it again."
        ]
    )
    return verdict("fresh", problems, made)


CLAIMS: tuple[Rule, ...] = (
    price, number, material, superlative, comparison, offer, banned, characters, clean_text, drawn_as_written, required,
    call_to_action, disclaimer, alt_text, fresh,
)  # fmt: skip


@cache
def _lexicon() -> Mapping[str, Sequence[str]]:
    return json.loads((files("rialto.show") / "claims.json").read_text("utf-8"))


@cache
def _pattern(phrase: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(phrase)}(?!\w)", re.IGNORECASE)


@cache
def _any_of(lexicon: str) -> re.Pattern[str]:
    phrases = sorted(_lexicon()[lexicon], key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, phrases))})(?!\w)", re.IGNORECASE)


def _found(text: str, lexicon: str) -> list[str]:
    return [m.lower() for m in _any_of(lexicon).findall(text)]


def _holds(text: str, phrase: str) -> bool:
    return bool(_pattern(phrase).search(text))


def _evidence(case: Case) -> list[str]:
    """What the catalogue says, and the brand's small print: a year or a share in it is the brand's own, checked as a whole."""
    small = [f"{d.label} {d.text}" for d in case.kit.disclaimers]
    return [*case.product.facts.values(), case.product.description, *small]


def _claims(case: Case) -> Iterator[tuple[str, str]]:
    """All that is said, without the button and the small print, which are checked as wholes."""
    for slot, text in case.said():
        if slot not in ("call_to_action", "disclaimer", "disclaimer_label", "box disclaimer", "box call_to_action"):
            yield slot, text


def _sourced(case: Case, rule: str, lexicon: str) -> Verdict:
    sources = {_normal(s) for text in case.product.facts.values() for s in (text, *SENTENCE.split(text))}
    sources |= {_normal(line) for line in case.kit.voice.approved}
    named = [(slot, part, w) for slot, text in _claims(case) for part in SENTENCE.split(text) for w in _found(part, lexicon)]
    name = _normal(case.product.facts.get("name", ""))
    problems = [
        f"{slot} says {w!r} in {part.strip()!r}, which neither the catalogue nor the brand's approved lines say. Take it out."
        for slot, part, w in named
        if _normal(part) not in sources and not _holds(name, w)
    ]
    return verdict(rule, problems, f"{len(named)} found")


def _normal(text: str) -> str:
    return " ".join(text.lower().strip(" .!?").split())


def _cents(m: re.Match[str]) -> int:
    text = (m["a"] or m["b"]).rstrip(".,")
    amount = float(re.sub(r",(?=\d{3}(?:\D|$))", "", text).replace(",", "."))
    return round(amount if (m["word"] or "").lower().startswith("cent") else amount * 100)


def _currency(m: re.Match[str]) -> str:
    """The currency of an amount: its sign, or `c` for cents, which may be anybody's."""
    said = (m["sign"] or m["word"]).lower()
    return {"usd": "$", "dol": "$", "eur": "€", "gbp": "£", "pou": "£", "cen": "c"}.get(said[:3], said)


def _plain(number: str) -> str:
    return re.sub(r"[.,](?=\d{3}(?:\D|$))", "", number).replace(",", ".")


def _noun(unit: str | None) -> str:
    return (unit or "").lower()


def _fault(text: str) -> str:
    if not text.strip():
        return "is empty"
    if any(ord(c) < 32 or ord(c) == 127 for c in text):
        return "holds a control character"
    if re.search(r"[{}<>]|&\w+;", text):
        return "holds an unfilled place or mark-up"
    if "  " in text or text != text.strip():
        return "holds a doubled or stray space"
    if re.search(r"[!?]{2,}", text):
        return "shouts with marks"
    letters = [c for c in text if c.isalpha()]
    return "shouts in capitals" if len(letters) > 8 and all(c.isupper() for c in letters) else ""


def _sentence_case(text: str, names: set[str]) -> bool:
    words = text.split()
    rest = [w for w in words[1:] if w not in names]
    return bool(words) and text[0].isupper() and not words[0].isupper() and not any(w[0].isupper() for w in rest)
