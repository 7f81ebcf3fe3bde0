"""TextIndex on OpenSearch: the server analyses, scores (BM25 over the fields as one) and filters; ties go by id."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from threading import RLock
from typing import Any
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from rialto.adapters.opensearch.analysis import LANGUAGES, analysis
from rialto.adapters.opensearch.clauses import KINDS, field_key, field_name, kinds_of, query, values_of
from rialto.adapters.opensearch.store import Store, bounded, hits, named, whole
from rialto.adapters.opensearch.wire import Address
from rialto.errors import BadInput, BadRow, known
from rialto.ports import Hits, TextField, TextQuery
from rialto.records import Columns

__all__ = ["OpenSearchText"]

_LONGEST_QUERY = 100_000
_RANGES: Mapping[str, tuple[float, float]] = {"boost": (1e-6, 1e6), "k1": (0.0, 1e3), "b": (0.0, 1.0)}
_MOST_REPEATS = 32


class OpenSearchText:
    """A `TextIndex` in one index of OpenSearch.

    BM25 over the fields' joined text, each field repeated by its weight, is BM25F with one k1 and one b (the fields' means by
    weight). It agrees with the port's law as well as `combined_fields`, which servers before 3.2 lack, and better than any
    `multi_match`; one field is also faster than several. Weights are taken in steps, at most 32 to 1.

    Case, accents and endings are folded by the server; `dv7-1211ea` is found whole and by its parts; `15.6` is one word. A query
    has no syntax, and its first 256 terms count. Removed documents
    still count in the statistics until the server merges them away.

    Args:
        address: Server and index; option `language` cuts word endings (`en`; "" for none).
        fields: The text fields, with weight, k1 and b.
        passing: The index is emptied now and removed on `close`.

    Raises:
        EngineMissing: urllib3 is not installed.
        BadInput: fields or language are wrong, or the index holds something else.
        EngineBusy: no node answers.
        EngineLost: the server refuses.

    Source:
        Robertson, Zaragoza (2009), "The probabilistic relevance framework: BM25 and beyond".

    Example:
        >>> OpenSearchText.open("opensearch://localhost:9200", [TextField("title")])
        Traceback (most recent call last):
        rialto.errors.BadInput: the index's URL is 'opensearch://localhost:9200'; wanted ...
    """

    def __init__(self, address: Address, fields: Sequence[TextField], *, passing: bool = False) -> None:
        _check(fields)
        self._fields, self._kinds, self._lock = tuple(fields), dict[str, str](), RLock()
        self._keys = {f.name: field_key(f.name) for f in fields}
        body = _index(fields, address.options.get("language", "en"))
        self._store = Store(address, body, passing=passing)
        try:
            self._learn()
        except BaseException:
            self._store.close()
            raise

    @classmethod
    def open(cls, url: str, fields: Sequence[TextField]) -> OpenSearchText:
        """Open `opensearch://[user:password@]host:port/index?timeout_s=5`, or `opensearchs://` with TLS; the index is made if absent.

        Further options: `write_timeout_s`, `shards` (1), `replicas` (0), `language` (en), `verify=no`, `ca=FILE`.
        """
        return cls(Address.of(url), fields)

    @classmethod
    def beside(cls, url: str, fields: Sequence[TextField], folder: Path | None) -> OpenSearchText:
        """One of several indexes under the URL's name: the one that `folder` keeps the name of, or a passing one of this process."""
        address, passing = named(Address.of(url), "text", folder)
        return cls(address, fields, passing=passing)

    def add(self, ids: NDArray[np.int64], texts: Mapping[str, Sequence[str]], filters: Columns) -> None:
        """Add or replace documents; of an id that comes twice the last row counts.

        Args:
            ids: Shape (documents,).
            texts: Field -> a text a document; a field that is left out is empty.
            filters: Field -> numbers (documents,), where NaN is "no value", or an object array of str, tuples of str or None.

        Raises:
            BadInput: a column's length, name or kind is wrong; nothing was added.
            BadRow: one document's text or filter value is; nothing was added.
            EngineBusy: the server did not answer in time; some may be there: add them again.

        Cost: a call for every four megabytes.
        """
        numbers = whole(ids, "documents")
        for name in texts:
            if name not in self._keys:
                raise BadInput(f"there is no text field {name!r}; known: {known(name, self._keys)}.")
        for name, column in {**texts, **filters}.items():
            if len(column) != len(numbers):
                raise BadInput(f"{name!r} has {len(column)} rows; wanted {len(numbers)}, one for each of the ids.")
        rows = sorted({number: row for row, number in enumerate(numbers)}.values())
        if not rows:
            return
        with self._lock:
            kinds = kinds_of(filters, self._kinds)
            values = values_of(filters, kinds, rows)
            spoken = {self._keys[name]: _texts(name, column, rows) for name, column in texts.items()}
            self._declare(kinds)
            self._store.write(
                (numbers[row], _json({"id": numbers[row], "text": {k: t[at] for k, t in spoken.items()}, "filters": values[at]}))
                for at, row in enumerate(rows)
            )

    def remove(self, ids: NDArray[np.int64]) -> None:
        """Remove documents; unknown ids are no error."""
        self._store.remove(whole(ids, "documents"))

    def search(self, queries: Sequence[TextQuery], *, limit: int) -> Hits:
        """The best `limit` documents for each query, by score and then by id; one call for a hundred queries.

        Raises:
            BadInput: `limit` is not 1 to a million, a filter's field is unknown or of another kind, or `match_share` is not in 0..1.
            EngineBusy: the server did not answer in time.
            EngineLost: the index is gone, or the server refuses.
        """
        bounded(limit)
        if any(clause.field not in self._kinds for asked in queries for clause in asked.filters):
            self._learn()
        return hits(self._store.search([_json(self._body(asked, limit)) for asked in queries]))

    def close(self) -> None:
        """Make what was written visible, and let go; a second call does nothing."""
        self._store.close()

    def _learn(self) -> None:
        """Take the filter fields from the index: another process may have added some."""
        fields: Mapping[str, Any] = self._store.mapping()["properties"]["filters"].get("properties", {})
        kinds = {kept: kind for kind, kept in KINDS.items()}
        self._kinds = {field_name(key): kinds[field["type"]] for key, field in fields.items()}

    def _declare(self, kinds: Mapping[str, str]) -> None:
        fresh = {name: kind for name, kind in kinds.items() if name not in self._kinds}
        if fresh:
            self._store.extend({"filters": {"properties": {field_key(n): {"type": KINDS[k]} for n, k in fresh.items()}}})
            self._kinds |= fresh

    def _body(self, asked: TextQuery, limit: int) -> dict[str, Any]:
        if not 0.0 <= asked.match_share <= 1.0:
            raise BadInput(f"match_share is {asked.match_share}; wanted a share in 0..1.")
        text: dict[str, Any] = {"query": _clean(asked.text[:_LONGEST_QUERY])}
        if asked.match_share > 0:
            # "-25%" of n words is n less floor(n / 4), which is what the law asks of a share of 75 %: ceil(n x share).
            missing = ceil((1.0 - asked.match_share) * 100 - 1e-6)
            text["minimum_should_match"] = f"-{missing}%" if missing else "100%"
        made = {"match": {"words": text}}
        filters = [query(clause, self._kinds) for clause in asked.filters]
        return {
            "query": {"bool": {"must": [made], "filter": filters}} if filters else made,
            "size": limit,
            "sort": ["_score", {"id": "asc"}],
            "stored_fields": "_none_",  # reading a thousand ids costs more than finding them; the sort holds them
            "track_total_hits": False,
            "timeout": f"{int(self._store.wire.timeout_s * 1000)}ms",
        }


def _index(fields: Sequence[TextField], language: str) -> dict[str, Any]:
    if language and language not in LANGUAGES:
        raise BadInput(f"language is {language!r}; wanted one of {known(language, LANGUAGES, 20)}, or '' for no stemming.")
    weight, repeats, scale = [f.boost for f in fields], *_repeats(fields)
    # Repeated more often than its weight says, a word saturates sooner: k1 grows with it.
    k1, b = (float(np.average([getattr(f, n) for f in fields], weights=weight)) for n in ("k1", "b"))
    texts = {
        field_key(f.name): {"type": "text", "index": False, "norms": False, "copy_to": ["words"] * n}
        for f, n in zip(fields, repeats)
    }
    words = {
        "type": "text",
        "index_options": "freqs",
        "similarity": "joined",
        "analyzer": "rialto",
        "search_analyzer": "rialto_query",
    }
    about = {"version": 1, "fields": [f.name for f in fields], "language": language}
    properties = {
        "id": {"type": "long"},
        "text": {"dynamic": False, "properties": texts},
        "words": words,
        "filters": {"dynamic": False, "properties": {}},
    }
    similarity = {"joined": {"type": "BM25", "k1": k1 * scale, "b": b}}
    settings = {"index": {"similarity": similarity}, "analysis": analysis(language)}
    return {"settings": settings, "mappings": {"dynamic": False, "_meta": about, "properties": properties}}


def _repeats(fields: Sequence[TextField]) -> tuple[list[int], float]:
    """How often each field's text is repeated, and how much more that is than its weight: the least with an error below a tenth.

    Example:
        >>> _repeats([TextField("a", boost=3.0), TextField("b", boost=2.0), TextField("c", boost=0.5)])
        ([6, 4, 1], 2.0)
    """
    share = np.array([f.boost for f in fields]) / min(f.boost for f in fields)
    made = [(np.clip(np.round(times * share), 1, _MOST_REPEATS), times) for times in (1, 2, 3, 4)]
    error = [float(np.max(np.abs(counts - times * share) / (times * share))) for counts, times in made]
    counts, times = made[next((at for at, e in enumerate(error) if e < 0.1), int(np.argmin(error)))]
    return [int(n) for n in counts], times / min(f.boost for f in fields)


def _check(fields: Sequence[TextField]) -> None:
    names = [f.name for f in fields]
    if not names or len(set(names)) < len(names) or "" in names:
        raise BadInput(f"fields are named {names}; wanted at least one, each with its own name that is not empty.")
    for f in fields:
        for what, (low, high) in _RANGES.items():
            if not low <= getattr(f, what) <= high:
                raise BadInput(f"field {f.name!r} has {what}={getattr(f, what)}; wanted a number in {low:g}..{high:g}.")


def _texts(name: str, column: Sequence[str], rows: Sequence[int]) -> list[str]:
    for row in rows:
        if not isinstance(column[row], str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise BadRow(row + 1, name, column[row], 'text, "" where there is none')
    return [_clean(column[row]) for row in rows]


def _clean(text: str) -> str:
    """Text that can be sent: composed, and no lone surrogates."""
    return text if text.isascii() else normalize("NFC", text.encode("utf-8", "replace").decode())


def _json(body: dict[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))
