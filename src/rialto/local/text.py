"""TextIndex on tantivy: it finds the best thousand over the joined text and filters exactly; BM25F gives the score."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np
import tantivy
from numpy.typing import NDArray

from rialto.errors import BadInput, BadRow, EngineBusy, EngineLost, known
from rialto.local.bm25f import ForwardIndex
from rialto.local.clauses import Filters, any_of
from rialto.local.walk import best, best_first
from rialto.local.words import Analyser
from rialto.ports import Hits, TextField, TextQuery
from rialto.records import Columns

__all__ = ["TantivyText"]

_MOST_WORDS = 256
_ABOUT = "rialto.json"
_WRITER_BYTES = 64_000_000
_Occur = tantivy.Occur


class TantivyText:
    """A text index in this process, in memory or in a folder.

    tantivy sums BM25 field by field with k1 and b fixed, which ranks worse than joining the fields. So it is asked only for the
    best `candidates` documents over the joined text (each field repeated by its weight) with filters and minimum match, which
    are exact; their score is then BM25F over a forward index, with `boost`, `k1` and `b` as the fields say. A query that
    matches no more than `candidates` documents is ranked exactly.

    A query's words are those of `rialto.local.words.Analyser`, each counted once and the first 256 used; there is no query
    syntax. A query without words finds nothing. What was added or removed is durable once a search or `close` came after it.

    Args:
        fields: The text fields, with weight, k1 and b; k1 is averaged over the fields by weight, as BM25F has but one.
        folder: Where the index lives; None keeps it in memory. Opening reads every document back, about 20,000 a second.
        language: Subtag whose word endings are cut (`en`), or "" for none.
        candidates: Documents that BM25F scores for each query.

    Raises:
        BadInput: fields or language are wrong, or the folder holds an index of others.
        EngineBusy: another process has the folder open.
        EngineLost: the folder's files are damaged.

    Source:
        Robertson, Zaragoza (2009), "The probabilistic relevance framework: BM25 and beyond".

    Example:
        >>> from rialto.ports import Clause
        >>> index = TantivyText([TextField("title", boost=2.0), TextField("text")])
        >>> index.add(
        ...     np.array([7, 8]),
        ...     {"title": ["Red shoe", "Lamp"], "text": ["for running", "as red as a shoe"]},
        ...     {"price": np.array([50.0, 20.0])},
        ... )
        >>> hits = index.search([TextQuery("red shoes"), TextQuery("red", (Clause("price", high=30.0),))], limit=10)
        >>> hits.offsets.tolist(), hits.ids.tolist()
        ([0, 2, 3], [7, 8, 8])
    """

    def __init__(
        self, fields: Sequence[TextField], folder: Path | None = None, *, language: str = "en", candidates: int = 1000
    ) -> None:
        if candidates < 1:
            raise BadInput(f"candidates is {candidates}; wanted 1 or more, a thousand by default.")
        self._fields, self._folder, self._candidates = tuple(fields), folder, candidates
        self._forward = ForwardIndex(self._fields)
        self._analyser = Analyser(language)
        least = min(f.boost for f in fields)
        self._repeats = [int(np.clip(round(f.boost / least), 1, 4)) for f in fields]
        self._names = [f.name for f in fields]
        self._filters = Filters()
        self._about = {"version": 1, "fields": self._names, "language": language, "filters": self._filters.kinds}
        self._lock, self._dirty, self._closed = RLock(), False, False
        self._open()

    def add(self, ids: NDArray[np.int64], texts: Mapping[str, Sequence[str]], filters: Columns) -> None:
        """Add or replace documents; of an id that comes twice the last row counts.

        Args:
            ids: Shape (documents,).
            texts: Field -> a text a document; a field that is left out is empty.
            filters: Field -> numbers (documents,), where NaN is "no value", or an object array of str, tuples of str or None.

        Raises:
            BadInput: a column's length, name or kind is wrong; nothing was added.
            BadRow: one document's text or filter value is; nothing was added.

        Cost: about 10,000 documents of sixty words a second.
        """
        numbers = _ids(ids)
        for name in texts:
            if name not in self._names:
                raise BadInput(f"there is no text field {name!r}; known: {known(name, self._names)}.")
        for name, column in {**texts, **filters}.items():
            if len(column) != len(numbers):
                raise BadInput(f"{name!r} has {len(column)} rows; wanted {len(numbers)}, one for each of the ids.")
        rows = sorted({number: row for row, number in enumerate(numbers)}.values())
        values, kinds = self._filters.read(filters, rows)
        terms = [self._terms(name, texts[name], rows) if name in texts else [[]] * len(rows) for name in self._names]
        with self._lock:
            self._writable()
            self._filters.kinds.update(kinds)
            self._write([numbers[row] for row in rows], terms, values)

    def remove(self, ids: NDArray[np.int64]) -> None:
        """Remove documents; unknown ids are no error."""
        with self._lock:
            self._writable()
            self._drop(_ids(ids))

    def search(self, queries: Sequence[TextQuery], *, limit: int) -> Hits:
        """The best `limit` documents for each query, by BM25F and then by id.

        Raises:
            BadInput: `limit` is below 1, a filter's field is unknown or of another kind, or `match_share` is not in 0..1.

        Cost: about half a millisecond a query on 20,000 products; the first search after a change commits it, about 50 ms.
        """
        if limit < 1:
            raise BadInput(f"limit is {limit}; wanted 1 or more.")
        with self._lock:
            self._refresh()
            found = [best_first(*self._find(query, limit), limit) for query in queries]
        if len(found) == 1:
            return Hits(np.array([0, len(found[0][0])]), *found[0])
        offsets = np.cumsum([0, *(len(ids) for ids, _ in found)], dtype=np.int64)
        ids = np.concatenate([np.zeros(0, np.int64), *(ids for ids, _ in found)])
        return Hits(offsets, ids, np.concatenate([np.zeros(0), *(scores for _, scores in found)]))

    def every(self, queries: Sequence[TextQuery], *, limit: int) -> NDArray[np.int64]:
        """The ids that `search` finds for each query, behind one another, in no order: what is counted and not shown.

        Raises:
            BadInput: as `search`.

        Cost: for a hundred thousand documents a fifth of what `search` costs.
        """
        if limit < 1:
            raise BadInput(f"limit is {limit}; wanted 1 or more.")
        with self._lock:
            self._refresh()
            found = [best(*self._find(query, limit), limit) for query in queries]
        return np.concatenate([np.zeros(0, np.int64), *found]) if len(found) != 1 else found[0]

    def holding(self, texts: Sequence[str], ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each of `ids` holds a word of one of `texts`, so that a search for that may find it, shape (documents,).

        Cost: about half a microsecond for each document and text.
        """
        with self._lock:
            self._refresh()
            slots = np.array([self._forward.slot_of.get(number, -1) for number in _ids(ids)], np.int64)
            there, held = np.flatnonzero(slots >= 0), np.zeros(len(slots), np.bool_)
            for text in texts:
                terms = self._asked([term for word in self._analyser.words(text)[:_MOST_WORDS] for term in word])
                held[there] |= self._forward.score(terms, slots[there]) > 0.0
        return held

    def close(self) -> None:
        """Commit, and let the folder go; a second call does nothing."""
        with self._lock:
            if not self._closed:
                self._refresh()
                self._writer.wait_merging_threads()
                self._closed = True

    def __len__(self) -> int:
        return len(self._forward)

    # Opening and writing

    def _open(self) -> None:
        schema = (
            tantivy.SchemaBuilder()
            .add_integer_field("slot", indexed=True, fast=True)  # deleting by an unsigned term deletes nothing
            .add_text_field("words", tokenizer_name="spaces", index_option="freq")
            .add_json_field("filters", fast=True, tokenizer_name="raw", index_option="basic")
            .add_bytes_field("kept", stored=True)
        )
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._compare(self._folder / _ABOUT)
        self._schema = schema.build()
        try:
            self._index = tantivy.Index(self._schema, path=None if self._folder is None else str(self._folder))
            self._index.register_tokenizer("spaces", tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build())
            self._writer = self._index.writer(_WRITER_BYTES, 1)
            self._searcher = self._index.searcher()
            self._read_back()
        except ValueError as error:
            if "lock" in str(error).lower():
                raise EngineBusy(f"{self._folder} is open in another process; close that index, or open another.") from error
            raise EngineLost(f"{self._folder} cannot be read as an index ({error}); remove it and index again.") from error

    def _compare(self, about: Path) -> None:
        """Take the filters' kinds from the folder, or refuse it where it was made for other fields."""
        if not about.exists():
            return
        try:
            there = json.loads(about.read_text("utf-8"))
            same = all(there[name] == self._about[name] for name in ("version", "fields", "language"))
        except (ValueError, KeyError, TypeError) as error:
            raise EngineLost(f"{about} is damaged ({error!r}); remove the folder and index again.") from error
        if not same:
            raise BadInput(f"{about.parent} holds an index of {there}; wanted {self._about}. Choose another folder.")
        self._filters.kinds.update(there["filters"])

    def _read_back(self) -> None:
        count = self._searcher.num_docs
        if not count:
            return
        at = [address for _, address in self._searcher.search(tantivy.Query.all_query(), count, count=False).hits]
        kept = [bytes(self._searcher.doc(address).get_first("kept") or b"").decode().split("\x1f") for address in at]
        same: dict[str, str] = {}  # a word read a thousand times is held once
        terms = [[[same.setdefault(w, w) for w in row[1 + f].split()] for row in kept] for f in range(len(self._fields))]
        slots = [int(slot or 0) for slot in self._searcher.fast_field_values("slot", at)]
        self._forward.add([int(row[0]) for row in kept], terms, slots)

    def _writable(self) -> None:
        if self._closed:
            raise EngineLost("this text index is closed; open it again.")

    def _terms(self, name: str, column: Sequence[str], rows: Iterable[int]) -> list[list[str]]:
        for row in rows:
            if not isinstance(column[row], str):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise BadRow(row + 1, name, column[row], 'text, "" where there is none')
        return [self._analyser.terms(column[row]) for row in rows]

    def _drop(self, ids: Sequence[int]) -> None:
        for slot in self._forward.remove(ids):
            self._dirty = True
            self._writer.delete_documents_by_term("slot", slot)

    def _write(self, ids: list[int], terms: list[list[list[str]]], values: Sequence[Mapping[str, list[str]]]) -> None:
        self._drop(ids)
        slots = self._forward.add(ids, terms)
        for row, (number, slot) in enumerate(zip(ids, slots)):
            texts = [" ".join(column[row]) for column in terms]
            document = tantivy.Document()
            document.add_integer("slot", slot)
            for text, times in zip(texts, self._repeats):
                for _ in range(times):
                    document.add_text("words", text)
            document.add_json("filters", values[row])
            if self._folder is not None:
                document.add_bytes("kept", "\x1f".join([str(number), *texts]).encode())
            self._writer.add_document(document)
        self._dirty = True

    def _refresh(self) -> None:
        """Make what was written durable and visible."""
        self._writable()
        if not self._dirty:
            return
        if self._folder is not None:
            (self._folder / (_ABOUT + ".new")).write_text(json.dumps(self._about), "utf-8")
            (self._folder / (_ABOUT + ".new")).replace(self._folder / _ABOUT)
        try:
            self._writer.commit()
            self._index.reload()
        except (ValueError, OSError) as error:
            self._closed = True
            raise EngineLost(f"the text index could not write its changes ({error}); open it again and repeat them.") from error
        self._searcher = self._index.searcher()
        self._dirty = False

    # Searching

    def _find(self, query: TextQuery, limit: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Ids of the best `limit` documents at least, in no order, and their scores."""
        if not 0.0 <= query.match_share <= 1.0:
            raise BadInput(f"match_share is {query.match_share}; wanted a share in 0..1.")
        filters = [self._filters.query(self._index, clause) for clause in query.filters]
        words = self._analyser.words(query.text)[:_MOST_WORDS]
        vocabulary = self._forward.vocabulary
        there = [found for word in words if (found := [term for term in word if term in vocabulary])]
        need = max(1, int(np.ceil(query.match_share * len(words) - 1e-9)))
        if len(there) < need or not len(self):
            return np.zeros(0, np.int64), np.zeros(0)
        terms = self._asked([term for word in there for term in word])
        found = None if filters or need > 1 else self._forward.matching(terms, limit)
        if found is None:
            slots = self._best(self._boolean(there, need, filters), max(limit, self._candidates), limit)
            found = slots, self._forward.score(terms, slots)
        return self._forward.ids[found[0]], found[1]

    def _asked(self, terms: Iterable[str]) -> NDArray[np.int32]:
        """Numbers of those terms that some document held, each once."""
        vocabulary = self._forward.vocabulary
        return np.array([vocabulary[term] for term in dict.fromkeys(terms) if term in vocabulary], np.int32)

    def _boolean(self, words: list[list[str]], need: int, filters: list[tuple[Any, tantivy.Query]]) -> tantivy.Query:
        term = {t: tantivy.Query.term_query(self._schema, "words", t, "freq") for word in words for t in word}
        each = [term[w[0]] if len(w) == 1 else any_of([term[t] for t in w]) for w in words]
        text = tantivy.Query.boolean_query([(_Occur.Should, q) for q in each], need if need > 1 else None)
        return tantivy.Query.boolean_query([(_Occur.Must, text), *filters]) if filters else text

    def _best(self, query: tantivy.Query, depth: int, limit: int) -> NDArray[np.int64]:
        """Slots of about the best `depth` documents, never one without all that tie with it: the cut must not hang on their order."""
        depth = min(depth, len(self))
        while True:
            hits = self._searcher.search(query, depth + 1, count=False).hits
            tied = hits[depth][0] if len(hits) > depth else -1.0
            kept = [address for score, address in hits if score > tied]
            if len(kept) >= max(limit, depth // 2) or tied < 0:
                return np.array(self._searcher.fast_field_values("slot", kept), np.int64)
            depth *= 4


def _ids(ids: NDArray[np.int64]) -> list[int]:
    array = np.asarray(ids)
    if array.ndim != 1 or (len(array) and array.dtype.kind not in "iu"):
        raise BadInput(f"ids have shape {array.shape} and type {array.dtype}; wanted whole numbers, shape (documents,).")
    return array.astype(np.int64).tolist()
