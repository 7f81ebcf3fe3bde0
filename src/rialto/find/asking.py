"""What was typed to a batch of requests: each query read, and what was understood of it as columns that the steps share."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.query import Reader, Understood, understand
from rialto.find.records import Selections
from rialto.records import Requests
from rialto.spine.params import Value, overrides_of

__all__ = ["batch", "lines_of", "otherwise", "read"]


def read(reader: Reader | None, text: str, *, undo: Collection[str] = (), price_bounds: bool = True) -> Understood:
    """One query as it is searched for; without a reader its writing and price bounds alone are understood."""
    if reader is None:
        return understand(text, price_bounds=price_bounds and "all" not in undo)
    return reader.read(text, undo=undo, price_bounds=price_bounds)


def batch(
    understood: Sequence[Understood],
    *,
    selections: Sequence[Selections] | None = None,
    sort: str = "relevance",
    shopper: str = "",
    segments: Collection[str] = (),
    ids: NDArray[np.uint64] | None = None,
    time_s: float = 0.0,
    params: Mapping[str, Value] | None = None,
) -> Requests:
    """Queries as a batch; every list of texts is one text with a line each, so that the log holds it as it is.

    Columns: `text`, `asked`, `alternatives`, `without`, `tags` (kind=value), `types` (JSON), `intent`, `price_low` and
    `price_high` in cents, `selections`, `sort`, `shopper`, `segment` (the audiences that the shopper belongs to).

    Raises:
        BadInput: there are not as many selections as queries, or a tunable is unknown.
    """
    size = len(understood)
    if selections is not None and len(selections) != size:
        raise BadInput(f"there are {len(selections)} selections for {size} queries; wanted one each.")
    columns = {
        "text": _texts([u.text for u in understood]),
        "asked": _texts([u.asked.encode("utf-8", "replace").decode() for u in understood]),
        "alternatives": _texts(["\n".join(u.alternatives) for u in understood]),
        "without": _texts(["\n".join(u.without) for u in understood]),
        "tags": _texts(["\n".join(f"{t.kind}={t.value}" for t in u.tags) for u in understood]),
        "types": _texts([json.dumps(u.types) if u.types else "" for u in understood]),
        "intent": _texts([u.intent for u in understood]),
        "price_low": np.array([u.low_cents for u in understood], dtype=np.float64),
        "price_high": np.array([u.high_cents for u in understood], dtype=np.float64),
        "selections": _texts([s.to_json() for s in selections] if selections else [""] * size),
        "sort": _texts([sort] * size),
        "shopper": _texts([shopper] * size),
        "segment": _texts(["\n".join(segments)] * size),
    }
    return Requests.of(columns, ids=ids, time_s=time_s, overrides=overrides_of(dict(params or {}), size))


def lines_of(requests: Requests, name: str) -> list[list[str]]:
    """The lines of a column that `batch` joined, a list a request; no lines where the column is not there.

    Example:
        >>> lines_of(Requests.of({"without": np.array(["magnet\\nglue", ""], dtype=object)}), "without")
        [['magnet', 'glue'], []]
    """
    column = requests.columns.get(name)
    return [[]] * len(requests) if column is None else [str(v).split("\n") if v else [] for v in column.tolist()]


def otherwise(requests: Requests) -> Iterator[Requests]:
    """The batch with each request's first other writing as its text, then the second, ...; "" where it has none so far down.

    Example:
        >>> asked = Requests.of({"text": np.array(["sofa", "lamp"]), "alternatives": np.array(["couch\\nsettee", ""], dtype=object)})
        >>> [r.column("text").tolist() for r in otherwise(asked)]
        [['couch', ''], ['settee', '']]
    """
    lists = lines_of(requests, "alternatives")
    for n in range(max(map(len, lists), default=0)):
        yield requests.with_columns(text=_texts([texts[n] if n < len(texts) else "" for texts in lists]))


def _texts(values: Sequence[str]) -> NDArray[np.object_]:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out
