"""What text and vectors share in OpenSearch: an index made or recognised, names, writes in bulk, answers of many searches."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import count
from pathlib import Path
from threading import RLock
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from rialto.adapters.opensearch.wire import Address, Wire, failure
from rialto.errors import BadInput, EngineBusy, EngineLost
from rialto.ports import Hits

__all__ = ["MOST", "Store", "whole"]

MOST = 1_000_000
"""Answers that one search may ask for (`index.max_result_window`)."""

_BULK_BYTES = 4_000_000
_SEARCH_BYTES = 8_000_000
_SEARCHES = 100
_FILTER = "filter_path=took,responses.hits.hits.sort,responses.timed_out,responses.error,responses.status"
_numbers = count()  # of the passing indexes of this process


class Store:
    """One index of OpenSearch, made where it is absent; documents have a number `id`.

    What this object wrote is seen by its next search, which refreshes first; other readers see it within OpenSearch's refresh
    interval of a second.

    Args:
        address: Server and index.
        body: Settings and mappings of a new index; `mappings._meta` must be equal in one that is there.
        passing: The index is emptied now and removed on `close`.

    Raises:
        BadInput: the index was made for something else.
        EngineBusy, EngineLost: as `Wire.call`.
    """

    def __init__(self, address: Address, body: dict[str, Any], *, passing: bool = False) -> None:
        self.wire, self.name, self._passing = Wire(address), address.index, passing
        self.where = f"{address}, index {self.name}"
        self._lock, self._dirty, self._closed = RLock(), False, False
        try:
            if passing:
                self.wire.call("DELETE", f"/{self.name}", writes=True, absent=True)
            self._make(body, address)
        except BaseException:
            self.wire.close()
            raise

    def mapping(self) -> dict[str, Any]:
        """The index's mappings as they are now."""
        found = self.wire.call("GET", f"/{self.name}/_mapping")
        return cast("dict[str, Any]", next(iter(found.values()))["mappings"])

    def extend(self, properties: Mapping[str, Any]) -> None:
        """Add fields to the mappings."""
        self.wire.call("PUT", f"/{self.name}/_mapping", {"properties": properties}, writes=True)

    def write(self, documents: Iterable[tuple[int, str]]) -> None:
        """Write documents, (id, JSON), over those of the same ids, some megabytes a call."""
        self._bulk(line for number, text in documents for line in (f'{{"index":{{"_id":"{number}"}}}}', text))

    def remove(self, ids: Iterable[int]) -> None:
        """Remove documents; unknown ids are no error."""
        self._bulk(f'{{"delete":{{"_id":"{number}"}}}}' for number in ids)

    def search(self, bodies: Sequence[str]) -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Ids and scores that each search's JSON finds, in its order; searches must sort by `_score` and `id`."""
        self._refresh()
        found: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = []
        for part in _parts(bodies):
            lines = [line for body in part for line in ('{"allow_partial_search_results":false}', body)]
            answer = self.wire.call("POST", f"/{self.name}/_msearch?{_FILTER}", lines)
            found += [self._read(one) for one in answer["responses"]]
        return found

    def close(self) -> None:
        """Let go; a passing index goes too. A second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                if self._passing:
                    self.wire.call("DELETE", f"/{self.name}", writes=True, absent=True)
                elif self._dirty:
                    self.wire.call("POST", f"/{self.name}/_refresh", writes=True)
            finally:
                self.wire.close()

    def _make(self, body: dict[str, Any], address: Address) -> None:
        if self.wire.call("GET", f"/{self.name}/_mapping", absent=True) is None:
            shards = {
                "number_of_shards": int(address.number("shards", 1)),
                "number_of_replicas": int(address.number("replicas", 0)),
            }
            settings = {**body["settings"], "index": {**body["settings"]["index"], **shards, "max_result_window": MOST}}
            try:
                self.wire.call("PUT", f"/{self.name}", {**body, "settings": settings}, writes=True)
            except EngineLost as error:
                if "resource_already_exists" not in str(error):  # another process was first
                    raise
        there = self.mapping().get("_meta", {})
        if there != body["mappings"]["_meta"]:
            raise BadInput(f"{self.where} holds {there}; wanted {body['mappings']['_meta']}. Choose another index.")

    def _bulk(self, lines: Iterator[str] | Iterable[str]) -> None:
        held, size = list[str](), 0
        with self._lock:
            for line in lines:
                held.append(line)
                size += len(line)
                if size > _BULK_BYTES and not line.startswith(('{"index"', '{"delete"')):
                    self._send(held)
                    held, size = [], 0
            if held:
                self._send(held)

    def _send(self, lines: list[str]) -> None:
        self._dirty = True
        path = f"/{self.name}/_bulk?filter_path=errors,items.*.status,items.*.error"
        answer = self.wire.call("POST", path, lines, writes=True)
        if answer.get("errors"):
            for item in answer["items"]:
                (done,) = item.values()
                if "error" in done:
                    raise failure(self.where, int(done["status"]), done)

    def _refresh(self) -> None:
        with self._lock:
            if self._dirty:
                self.wire.call("POST", f"/{self.name}/_refresh", writes=True)
                self._dirty = False

    def _read(self, answer: Any) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        if "error" in answer:
            raise failure(self.where, int(answer["status"]), answer)
        if answer.get("timed_out"):
            raise EngineBusy(f"{self.where} did not finish within {self.wire.timeout_s:g} s; try again, or give it more time.")
        pairs = [hit["sort"] for hit in answer.get("hits", {}).get("hits", ())]
        return np.array([p[1] for p in pairs], np.int64), np.array([p[0] for p in pairs], np.float64)


def named(address: Address, kind: str, folder: Path | None) -> tuple[Address, bool]:
    """The address of one index of several under the URL's name, and whether it is a passing one.

    A folder keeps its index's name in a file, so that it may be moved; without a folder the name is this process's own.
    """
    if folder is None:
        stamp = f"{socket.gethostname()}-{os.getpid()}-{next(_numbers)}"
        return _with(address, f"{address.index}-{kind}-{_hash(stamp)}"), True
    file = folder / "opensearch"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{address.index}-{kind}-{_hash(str(folder.resolve()))}", "utf-8")
    return _with(address, file.read_text("utf-8").strip()), False


def hits(found: Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]]) -> Hits:
    """The answers behind one another."""
    offsets = np.cumsum([0, *(len(ids) for ids, _ in found)], dtype=np.int64)
    ids = np.concatenate([np.zeros(0, np.int64), *(ids for ids, _ in found)])
    return Hits(offsets, ids, np.concatenate([np.zeros(0), *(scores for _, scores in found)]))


def whole(ids: NDArray[np.int64], what: str) -> list[int]:
    """`ids` as whole numbers; `BadInput` where they are none."""
    array = np.asarray(ids)
    if array.ndim != 1 or (len(array) and array.dtype.kind not in "iu"):
        raise BadInput(f"ids have shape {array.shape} and type {array.dtype}; wanted whole numbers, shape ({what},).")
    return array.astype(np.int64).tolist()


def bounded(limit: int) -> int:
    """`limit`; `BadInput` where it is below 1 or above what one search may ask for."""
    if not 1 <= limit <= MOST:
        raise BadInput(f"limit is {limit}; wanted 1 to {MOST}.")
    return limit


def _parts(bodies: Sequence[str]) -> Iterator[list[str]]:
    part, size = list[str](), 0
    for body in bodies:
        if part and (len(part) >= _SEARCHES or size + len(body) > _SEARCH_BYTES):
            yield part
            part, size = [], 0
        part.append(body)
        size += len(body)
    if part:
        yield part


def _with(address: Address, index: str) -> Address:
    return Address(address.nodes, index, address.user, address.options)


def _hash(text: str) -> str:
    return blake2b(text.encode(), digest_size=8).hexdigest()
