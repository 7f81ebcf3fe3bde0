"""The reader of queries: everything that understanding needs, trained from one catalogue, and the order in which it is done."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from rialto.errors import BadInput
from rialto.find.catalogue import Catalogue
from rialto.find.query.accept import Acceptor
from rialto.find.query.background import Background
from rialto.find.query.bounds import price_bounds as take_bounds
from rialto.find.query.channel import SpellingModel
from rialto.find.query.compounds import compounds
from rialto.find.query.first import one_writing, understand
from rialto.find.query.lexicon import Lexicon, words_of
from rialto.find.query.parts import Parts
from rialto.find.query.plain import Writings
from rialto.find.query.practice import train_speller
from rialto.find.query.relax import relaxations
from rialto.find.query.sources import Sources
from rialto.find.query.speller import Speller
from rialto.find.query.synonyms import Synonyms
from rialto.find.query.types import Types
from rialto.find.query.understood import Understood
from rialto.find.records import Rewrite
from rialto.find.terms import fold

__all__ = ["Reader"]

_FORMAT, _KEPT, _SHORT = 2, 10_000, 200
_ROUNDS = 4  # times that the text is read anew until nothing changes
_ALTERNATIVES = 4
_UNDO_ALL = "all"
_GUESSED = -1.0  # least log-odds of being right for a mending to be searched beside the text


@dataclass(frozen=True)
class Reader:
    """Reads queries; made by `of`, kept by `save`. `own` names the shop's synonyms that it was given beside its own."""

    speller: Speller
    writings: Writings
    synonyms: Synonyms
    parts: Parts = field(default_factory=Parts)
    own: str = ""
    _read: dict[tuple[str, frozenset[str], bool], Understood] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(
        cls, catalogue: Catalogue, *, queries: Mapping[str, float] | None = None, clicks: Mapping[str, Mapping[int, float]] | None = None,
        pairs: Iterable[tuple[str, str]] = (), texts: Mapping[str, float] | None = None, synonyms: str = "",
        background: Background | None = None, parts: Parts | None = None, seed: int = 0,
    ) -> Reader:  # fmt: skip
        """Train from a catalogue, and from what shoppers asked where that is known.

        Args:
            queries: Past query -> how often it was asked.
            clicks: Past query -> product number -> weight.
            pairs: (As typed, as meant), where the shop knows some.
            texts: Other texts that the shop's words stand in, a list of brands, with weights.
            synonyms: The shop's own synonyms, TOML; they go before the general ones.
            background: Words of the language; None = English, where symspellpy is installed.
            parts: Negation, quantities, tags, types and intent, trained by the caller; None = those fields stay empty.
            seed: Of what is trained with chance.

        Raises:
            BadInput: `synonyms` cannot be read; the entry is named.

        Cost:
            About 10 s for 20,000 products of 150 words; linear in the catalogue's text.
        """
        asked = {q: float(sum(w.values())) for q, w in (clicks or {}).items()}
        for q, w in (queries or {}).items():
            asked[q] = max(asked.get(q, 0.0), w)
        sources = Sources.of(catalogue, queries=asked, texts=texts, synonyms=synonyms, background=background, seed=seed)
        return cls.of_sources(sources, pairs=pairs, parts=parts)

    @classmethod
    def of_sources(
        cls, sources: Sources, *, pairs: Iterable[tuple[str, str]] = (), good: Iterable[str] = (), parts: Parts | None = None
    ) -> Reader:
        """Train from counts made before; `pairs` as for `of`, `good`: queries that are right, from which caution is learned."""
        w = sources.writings
        seen = [(w.write(one_writing(a))[0], w.write(one_writing(b))[0]) for a, b in pairs]
        right = [w.write(one_writing(q))[0] for q in good]
        speller = train_speller(sources.queries, sources.catalogue, sources.background, seen, good=right, never=sources.never)
        general, typing = Synonyms.general(), parts.typing if parts else None
        if isinstance(typing, Types) and typing.classes.source == "category":  # nouns guessed from titles have no departments
            general = general.in_sense(typing.predict)
        return cls(speller, w, general.with_first(sources.synonyms), parts or Parts())

    def read(self, asked: str, *, undo: Collection[str] = (), price_bounds: bool = True) -> Understood:
        """Read a query.

        Args:
            asked: Any text; of a longer one, 500 characters are read.
            undo: Ids of rewrites that are not to be made; "all" makes none.
            price_bounds: False searches for "under $50" as words.

        Returns:
            What is searched for; reading its text again changes nothing.

        Raises:
            BadInput: `asked` is no text.

        Cost:
            About a millisecond for a usual query; the last ten thousand are remembered.
        """
        if not isinstance(asked, str) or len(asked) > _SHORT:  # pyright: ignore[reportUnnecessaryIsInstance] -- a page's value
            return self._understood(asked, undo, price_bounds=price_bounds)
        key = asked, frozenset(undo), price_bounds
        held = self._read.get(key)
        if held is None:
            held = self._understood(asked, undo, price_bounds=price_bounds)
            if len(self._read) >= _KEPT:
                self._read.clear()
            self._read[key] = held
        return held

    def _understood(self, asked: str, undo: Collection[str], *, price_bounds: bool) -> Understood:
        first = understand(asked, price_bounds=False)
        if _UNDO_ALL in undo or not first.text:
            return first
        now = self.parts.cut(self._settled(first, undo, price_bounds=price_bounds), frozenset(undo))
        alternatives, exchanged = self._alternatives(now.text, undo)
        return self.parts.fill(replace(now, alternatives=alternatives, synonyms=exchanged))

    def mend(self, asked: str, *, undo: Collection[str] = ()) -> Understood:
        """Only the words put right: units, model numbers, spelling and blanks; no bounds, tags or types."""
        return self._settled(understand(asked, price_bounds=False), undo, price_bounds=False)

    def relaxations(self, understood: Understood) -> tuple[Understood, ...]:
        """Looser readings for when little is found, see `relax.relaxations`; rarer words tell more."""
        lexicon = self.speller.lexicon
        return relaxations(
            understood, telling=lambda w: -float(lexicon.log_p[i]) if (i := lexicon.index.get(w, -1)) >= 0 else 30.0
        )

    def _settled(self, first: Understood, undo: Collection[str], *, price_bounds: bool) -> Understood:
        """Rewritten until nothing changes: what was mended may be a unit, "10 ich", or a price bound, "udner $50"."""
        now = first
        for _ in range(_ROUNDS):
            text, rewrites = self.writings.write(now.text, undo=undo)
            text, mended = self.speller.mend(text, undo=undo)
            low, high, bounds = now.low_cents, now.high_cents, tuple[Rewrite, ...]()
            if price_bounds:
                text, least, most, bounds = take_bounds(text, undo=undo)
                low, high = float(np.fmax(low, least)), float(np.fmin(high, most))
            if text == now.text:
                return now
            now = replace(now, text=text, low_cents=low, high_cents=high, rewrites=(*now.rewrites, *rewrites, *mended, *bounds))
        return first  # it would change for ever: better as it was typed

    def holds(self, phrase: str) -> bool:
        """Whether the shop's texts hold all words of a phrase, so that it is worth searching for."""
        lexicon = self.speller.lexicon
        numbers = [lexicon.index.get(w, -1) for w in words_of(phrase)]
        return bool(numbers) and all(n >= 0 and lexicon.shop[n] for n in numbers)

    def with_synonyms(self, own: Synonyms, *, asked: Iterable[str], name: str) -> Reader:
        """The same reader with synonyms of the shop's own before the others, from here on; what they are for is not respelt.

        Args:
            own: The synonyms.
            asked: The phrases that they are for, as they are written.
            name: What to call them in the versions that a decision pins.

        Cost:
            A few milliseconds.
        """
        words = {w for phrase in asked for w in fold(phrase).split()}
        return replace(self, speller=self.speller.leaving(words), synonyms=self.synonyms.with_first(own), own=name, _read={})

    def _alternatives(self, text: str, undo: Collection[str]) -> tuple[tuple[str, ...], tuple[Rewrite, ...]]:
        """Whole texts with one thing exchanged: a spelling not sure enough to be made, a compound, a synonym that the shop knows.

        Returns:
            The texts, and the synonyms among what was exchanged.
        """
        pairs = [(a, b) for a, b in self.synonyms.others(text, self.holds) if f"synonym:{a}={b}" not in undo]
        rewrites = {_exchanged(text, a, b): Rewrite("synonym", a, b, f"synonym:{a}={b}") for a, b in reversed(pairs)}
        bolder = self.speller.mend(text, undo=undo, believed=_GUESSED)[0]
        others = [_exchanged(text, a, b) for a, b in (*compounds(text, self.speller.lexicon), *pairs)]
        made = tuple(t for t in dict.fromkeys([bolder, *others]) if t != text)[:_ALTERNATIVES]
        return made, tuple(rewrites[t] for t in made if t in rewrites)

    def save(self) -> bytes:
        """Everything as one npz file without pickle."""
        x = self.speller.lexicon
        head = {
            "format": _FORMAT, "model": self.speller.model.to_json(),
            "acceptor": self.speller.acceptor.to_json(), "never": sorted(self.speller.never), "words": x.words,
            "unit": dict(self.writings.unit), "times": self.writings.times, "models": dict(self.writings.model),
            "tokens": sorted(self.writings.tokens), "synonyms": [[list(k), list(v)] for k, v in self.synonyms.of_phrase.items()],
        }  # fmt: skip
        body = np.frombuffer(json.dumps(head, ensure_ascii=False).encode(), dtype=np.uint8)
        out = io.BytesIO()
        np.savez_compressed(
            out, head=body, log_p=x.log_p, shop=x.shop, back=x.back, pair=x.pair, pair_log_p=x.pair_log_p, checked=x.checked,
            allow_pickle=False,
        )  # fmt: skip
        return out.getvalue()

    @classmethod
    def load(cls, body: bytes) -> Reader:
        """What `save` wrote; `BadInput` where it is something else."""
        try:
            with np.load(io.BytesIO(body), allow_pickle=False) as z:
                head = json.loads(z["head"].tobytes())
                if head["format"] != _FORMAT:
                    raise BadInput(f"the reader is of format {head['format']!r}; wanted {_FORMAT}. Train it again.")
                lexicon = Lexicon(
                    tuple(head["words"]), z["log_p"], z["shop"], z["back"], z["pair"], z["pair_log_p"], z["checked"]
                )
        except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as e:
            raise BadInput(f"this is no reader of queries: {e}; wanted what Reader.save wrote.") from None
        writings = Writings(head["unit"], head["times"], head["models"], frozenset(head["tokens"]))
        synonyms = Synonyms({tuple(k): tuple(v) for k, v in head["synonyms"]})
        model, acceptor = SpellingModel.of_json(head["model"]), Acceptor.of_json(head["acceptor"])
        return cls(Speller(lexicon, model, never=head["never"], acceptor=acceptor), writings, synonyms)


def _exchanged(text: str, before: str, after: str) -> str:
    return f" {text} ".replace(f" {before} ", f" {after} ", 1).strip()
