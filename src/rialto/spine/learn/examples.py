"""Training examples: outcomes joined to logged decisions, each outcome accounted for, none dropped in silence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.records import Candidates
from rialto.spine.features import matrix
from rialto.spine.log import Feedback
from rialto.spine.pipeline import Recorded

__all__ = ["Examples", "JoinReport", "join"]


@dataclass(frozen=True, slots=True)
class Examples:
    """Served candidates with what came of them; rows of a group (a request) stand together, in the order served.

    Args:
        features: Shape (rows, names), float32; NaN = missing.
        names: Feature names, in column order.
        label: What came of each row, shape (rows,); 0 = nothing.
        group: The request, shape (rows,), int64 (the bits of its uint64 id).
        candidate: Candidate id, shape (rows,), int64; breaks ties.
        position: Place that it was served at, from 0, shape (rows,).
        rank: Place that the ranker gave it, before any exchange made to learn position bias, shape (rows,).
        propensity: Logged probability of what was served, shape (rows,).
        weights: Weight in training, shape (rows,), 1 until `weigh` sets them.

    Raises:
        BadInput: a column of another length, or a group whose rows do not stand together.
    """

    features: NDArray[np.float32]
    names: tuple[str, ...]
    label: NDArray[np.float64]
    group: NDArray[np.int64]
    candidate: NDArray[np.int64]
    position: NDArray[np.int64]
    rank: NDArray[np.int64]
    propensity: NDArray[np.float64]
    weights: NDArray[np.float64]

    def __post_init__(self) -> None:
        columns = (self.label, self.group, self.candidate, self.position, self.rank, self.propensity, self.weights)
        lengths = {len(c) for c in columns}
        if self.features.shape != (len(self.label), len(self.names)) or len(lengths) != 1:
            raise BadInput(
                f"features have shape {self.features.shape}, columns {sorted(lengths)} rows; "
                f"wanted ({len(self.label)}, {len(self.names)}) and equal lengths."
            )
        if len(self.offsets) - 1 != len(np.unique(self.group)):
            raise BadInput("the rows of some group do not stand together; wanted them so. Take the rows in order of `group`.")

    def __len__(self) -> int:
        return len(self.label)

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Rows of each group: group g owns `offsets[g]:offsets[g+1]`, shape (groups + 1,)."""
        if len(self.group) == 0:
            return np.zeros(1, dtype=np.int64)
        starts = np.flatnonzero(np.diff(self.group)) + 1
        return np.concatenate([[0], starts, [len(self.group)]]).astype(np.int64)

    def take(self, rows: NDArray[Any]) -> Examples:
        """The rows at `rows` (mask or indices that keep groups together)."""
        return Examples(
            self.features[rows], self.names, self.label[rows], self.group[rows], self.candidate[rows],
            self.position[rows], self.rank[rows], self.propensity[rows], self.weights[rows],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class JoinReport:
    """Where everything went. `joined` and the six reasons after it sum to `outcomes`; `rows` + `again` + `young` to what was served.

    Args:
        decisions: Requests in the log.
        rows: Examples made.
        again: Served rows left out because the same candidate was served for the same request later.
        young: Served rows left out because their outcomes may still come.
        outcomes: Outcomes read.
        joined: Of these, those that found the row they answer (it may be a young one, which is left out).
        repeated: Same outcome twice.
        other_kind: `label_of` knows no label for it.
        unknown_request: No decision of this request in the log.
        unknown_candidate: The request was decided, but this candidate was not served.
        early: Older than the decision that it answers.
        late: Longer after the decision than `within_s`.
    """

    decisions: int
    rows: int
    again: int
    young: int
    outcomes: int
    joined: int
    repeated: int
    other_kind: int
    unknown_request: int
    unknown_candidate: int
    early: int
    late: int


@dataclass(frozen=True, slots=True)
class _Served:
    features: NDArray[np.float32]
    request: NDArray[np.uint64]
    candidate: NDArray[np.int64]
    position: NDArray[np.int64]
    rank: NDArray[np.int64]
    propensity: NDArray[np.float64]
    time_s: NDArray[np.float64]

    def take(self, rows: NDArray[Any]) -> _Served:
        return _Served(*(c[rows] for c in _columns(self)))


def join(
    logged: Iterable[Recorded],
    outcomes: Iterable[Feedback],
    *,
    names: Sequence[str],
    label_of: Callable[[str, float], float | None],
    within_s: float = np.inf,
    until_s: float = np.inf,
) -> tuple[Examples, JoinReport]:
    """Join outcomes to the decisions that they answer, by request and candidate.

    Args:
        logged: Decisions, oldest first, from `DecisionLog.read`.
        outcomes: From `DecisionLog.feedback`, in any order.
        names: Feature columns of the logged candidates, as the model reads them.
        label_of: Label of an outcome by its kind and value, None where the kind is no label. The greatest label of a row counts.
        within_s: Longest time from decision to outcome.
        until_s: Time up to which outcomes were read; decisions younger than `until_s - within_s` are left out, for what is still
            to come would look like nothing.

    Returns:
        Examples of all served candidates, and a report in which every outcome and every served row is counted once.

    Raises:
        BadInput: a logged batch lacks one of `names`, or a label is not finite.

    Cost:
        O((rows + outcomes) log rows) time, memory for all served rows.

    Example:
        >>> from rialto.records import Requests
        >>> asked = Requests.of({}, ids=np.array([5]), time_s=100.0)
        >>> seen = Candidates(np.array([0, 3]), np.array([7, 8, 9]), {"bm25": np.array([1.0, 3.0, 2.0])})
        >>> from rialto.records import Decisions
        >>> served = Decisions(asked.ids, np.array([0, 2]), np.array([8, 9]), np.array([0, 1]), np.array([3.0, 2.0]), np.ones(2))
        >>> log = [Recorded("find", asked, seen, served, 0, {}, ())]
        >>> e, report = join(log, [Feedback("click", 5, 9, 1.0, 130.0)], names=["bm25"], label_of=lambda kind, value: value)
        >>> e.features.ravel().tolist(), e.label.tolist(), report.joined
        ([3.0, 2.0], [0.0, 1.0], 1)
    """
    parts = [_served(record, names) for record in logged]
    everything = _united(parts, len(names))
    young = everything.time_s + within_s > until_s
    last = _last_of_each(everything)
    kept = everything.take(np.flatnonzero(last & ~young))
    known = everything.take(np.flatnonzero(last))
    label, counts = _labels(known, outcomes, label_of, within_s)
    report = JoinReport(
        decisions=len(np.unique(everything.request)),
        rows=len(kept.request),
        again=int((~last).sum()),
        young=int((last & young).sum()),
        **counts,
    )
    return _examples(kept, names, label[~young[last]]), report


def _served(record: Recorded, names: Sequence[str]) -> _Served:
    d, seen = record.decisions, record.known()
    owner = np.repeat(np.arange(len(d)), d.counts)
    order = np.lexsort((d.ids, -d.scores, owner))
    rank = np.empty(len(owner), dtype=np.int64)
    start = d.offsets[owner]
    rank[order] = np.arange(len(owner)) - start
    return _Served(
        matrix(seen, names)[seen.rows_of(Candidates(d.offsets, d.ids))],
        d.request_ids[owner],
        d.ids,
        np.arange(len(owner)) - start,
        rank,
        d.propensity,
        record.requests.time_s[owner],
    )


def _columns(served: _Served) -> tuple[NDArray[Any], ...]:
    return (
        served.features, served.request, served.candidate, served.position, served.rank, served.propensity, served.time_s
    )  # fmt: skip


def _united(parts: Sequence[_Served], width: int) -> _Served:
    """All parts behind one another, the rows of a request together, requests in order of their first decision."""
    if not parts:
        i, f = np.zeros(0, dtype=np.int64), np.zeros(0)
        return _Served(np.zeros((0, width), dtype=np.float32), i.astype(np.uint64), i, i, i, f, f)
    whole = _Served(*(np.concatenate(c) for c in zip(*(_columns(p) for p in parts))))
    _, first, code = np.unique(whole.request, return_index=True, return_inverse=True)
    return whole.take(np.argsort(first[code], kind="stable"))


def _last_of_each(served: _Served) -> NDArray[np.bool_]:
    """True on the last row of each (request, candidate), shape (rows,)."""
    order = np.lexsort((np.arange(len(served.request)), served.candidate, served.request))
    r, c = served.request[order], served.candidate[order]
    last = np.ones(len(order), dtype=np.bool_)
    last[order[:-1]] = (r[1:] != r[:-1]) | (c[1:] != c[:-1])
    return last


def _labels(
    served: _Served, outcomes: Iterable[Feedback], label_of: Callable[[str, float], float | None], within_s: float
) -> tuple[NDArray[np.float64], dict[str, int]]:
    """Label of each row, and where each outcome went."""
    row_of = dict(zip(zip(served.request.tolist(), served.candidate.tolist()), range(len(served.request))))
    requests, times = set(served.request.tolist()), served.time_s.tolist()
    label = np.full(len(times), -np.inf)
    ends = ("outcomes", "joined", "repeated", "other_kind", "unknown_request", "unknown_candidate", "early", "late")
    counts: dict[str, int] = {end: 0 for end in ends}  # noqa: C420 - fromkeys would type the keys as these words alone
    seen: set[object] = set()
    for o in outcomes:
        name = o.id or (o.kind, o.request, o.candidate, o.value, o.time_s)
        value = label_of(o.kind, o.value)
        row = row_of.get((o.request, o.candidate), -1)
        where = "repeated" if name in seen else _where(o, value, row, requests, times, within_s)
        if where == "joined" and value is not None:
            if not np.isfinite(value):
                raise BadInput(f"label_of gave {value} for {o.kind!r} of value {o.value}; wanted a finite number or None.")
            label[row] = max(label[row], value)
        seen.add(name)
        counts["outcomes"] += 1
        counts[where] += 1
    return np.where(np.isneginf(label), 0.0, label), counts


def _where(o: Feedback, value: float | None, row: int, requests: set[int], times: list[float], within_s: float) -> str:
    if value is None:
        return "other_kind"
    if row < 0:
        return "unknown_candidate" if o.request in requests else "unknown_request"
    age = o.time_s - times[row]
    return "early" if age < 0 else "late" if age > within_s else "joined"


def _examples(served: _Served, names: Sequence[str], label: NDArray[np.float64]) -> Examples:
    return Examples(
        served.features, tuple(names), label, served.request.view(np.int64), served.candidate,
        served.position, served.rank, served.propensity, np.ones(len(label)),
    )  # fmt: skip
