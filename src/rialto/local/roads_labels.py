"""Hub labels: for each node the few important nodes that its shortest ways pass, so that a distance is a look at two short lists.

Source:
    Abraham, Delling, Goldberg, Werneck (2012), "Hierarchical hub labelings for shortest paths", ESA: labels from a contraction
    hierarchy, from the most important node down, pruned by the distances that the labels made before give.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.local.roads_contract import contract, simplified

__all__ = ["FAR_MS", "Labels", "label", "labels_of", "nearest_ms", "table_plain"]

FAR_MS = 1 << 30
"""No way, ms; the sum of two still fits 32 bits."""

_SETTLED = 120


@dataclass(frozen=True, slots=True)
class Labels:
    """Forward labels (ways from a node) and backward ones (ways to it): node v owns rows `start[v]:start[v+1]`.

    Args:
        forward, backward: `start` (nodes + 1,) int64, `hub` (rows,) uint32, `ms` (rows,) int32 each. A hub is a node's rank, the
            most important is 0, and hubs of a node rise.
    """

    forward: tuple[NDArray[np.int64], NDArray[np.uint32], NDArray[np.int32]]
    backward: tuple[NDArray[np.int64], NDArray[np.uint32], NDArray[np.int32]]

    @property
    def nodes(self) -> int:
        """How many nodes there are."""
        return len(self.forward[0]) - 1

    @property
    def mean(self) -> float:
        """Rows of a label, the mean of both directions."""
        return (len(self.forward[1]) + len(self.backward[1])) / (2.0 * max(self.nodes, 1))


def labels_of(nodes: int, tail: NDArray[np.int64], head: NDArray[np.int64], ms: NDArray[np.int64]) -> Labels:
    """Contract a graph, and label its nodes.

    Args:
        nodes: How many.
        tail, head: Ends of each arc, shape (arcs,), int64.
        ms: What it takes, shape (arcs,), int64, at least 0.

    Raises:
        BadInput: an arc takes less than nothing, or a shortest way from or to a hub six days (half of `FAR_MS`) or more.

    Cost:
        Some 0.05 ms a node of a town of 5,000, 0.4 ms of a plain grid of 60,000, the worst there is; 8 bytes x 2 x `mean` a node.

    Example:
        >>> made = labels_of(3, np.array([0, 1]), np.array([1, 2]), np.array([500, 700]))
        >>> table_plain(made, np.array([0, 2]), np.array([1])).tolist() == [[500], [FAR_MS]]
        True
    """
    if len(ms) and ms.min() < 0:
        raise BadInput(f"an arc takes {int(ms.min())} ms; wanted 0 or more.")
    order, *arcs = contract(nodes, *simplified(nodes, tail, head, ms), _SETTLED)
    forward, backward = label(order, *arcs)
    for _, _, time in (forward, backward):
        if len(time) and int(time.max()) >= FAR_MS // 2:
            raise BadInput(f"a way takes {int(time.max())} ms; wanted less than {FAR_MS // 2}, six days.")
    return Labels(*((start, hub.astype(np.uint32), time.astype(np.int32)) for start, hub, time in (forward, backward)))


@nb.njit(cache=True)
def label(order: Any, offsets_f: Any, ends_f: Any, times_f: Any, offsets_b: Any, ends_b: Any, times_b: Any) -> Any:
    """Labels of all nodes from what `contract` answers: for each direction start (nodes + 1,), hub (rows,), ms (rows,) int64."""
    nodes = len(order)
    rank = np.empty(nodes, np.int64)
    for place in range(nodes):
        rank[order[place]] = nodes - 1 - place
    starts = np.zeros((2, nodes), np.int64)
    sizes = np.zeros((2, nodes), np.int64)
    room = 8 * nodes + 64
    hub_f, ms_f, used_f = np.empty(room, np.int64), np.empty(room, np.int64), 0
    hub_b, ms_b, used_b = np.empty(room, np.int64), np.empty(room, np.int64), 0
    best = np.full(nodes, np.int64(-1))
    touched = np.empty(nodes, np.int64)
    for place in range(nodes - 1, -1, -1):
        node = order[place]
        hub_f, ms_f, used = _labelled(
            node, place, rank, offsets_f, ends_f, times_f, starts[0], sizes[0], hub_f, ms_f, used_f,
            starts[1], sizes[1], hub_b, ms_b, order, best, touched,
        )  # fmt: skip
        starts[0, node], sizes[0, node] = used_f, used - used_f
        used_f = used
        hub_b, ms_b, used = _labelled(
            node, place, rank, offsets_b, ends_b, times_b, starts[1], sizes[1], hub_b, ms_b, used_b,
            starts[0], sizes[0], hub_f, ms_f, order, best, touched,
        )  # fmt: skip
        starts[1, node], sizes[1, node] = used_b, used - used_b
        used_b = used
    return _arranged(starts[0], sizes[0], hub_f, ms_f), _arranged(starts[1], sizes[1], hub_b, ms_b)


@nb.njit(cache=True)
def _longer(values: Any) -> Any:
    more = np.empty(2 * len(values), dtype=values.dtype)
    more[: len(values)] = values
    return more


@nb.njit(cache=True)
def _labelled(
    node: Any, place: Any, rank: Any, offsets: Any, ends: Any, times: Any, start: Any, size: Any, hub: Any, ms: Any, used: Any, other_start:
    Any, other_size: Any, other_hub: Any, other_ms: Any, order: Any, best: Any, touched: Any,
) -> Any:  # fmt: skip
    """Append one node's label in one direction; `other_*` are the labels against it, already made for all more important nodes."""
    count = 0
    best[rank[node]], touched[0], count = 0, rank[node], 1
    for arc in range(offsets[place], offsets[place + 1]):
        to = ends[arc]
        for row in range(start[to], start[to] + size[to]):
            h, far = hub[row], times[arc] + ms[row]
            if best[h] < 0:
                touched[count], best[h] = h, far
                count += 1
            elif far < best[h]:
                best[h] = far
    found = np.sort(touched[:count])
    while used + count > len(hub):
        hub, ms = _longer(hub), _longer(ms)
    nodes = len(order)
    for h in found:
        keep = True
        if h != rank[node]:
            to = order[nodes - 1 - h]
            for row in range(other_start[to], other_start[to] + other_size[to]):
                middle = best[other_hub[row]]
                if middle >= 0 and other_hub[row] != h and middle + other_ms[row] <= best[h]:
                    keep = False  # another hub gives a way as short, so this one is never needed
                    break
        if keep:
            hub[used], ms[used] = h, best[h]
            used += 1
    for h in found:
        best[h] = -1
    return hub, ms, used


@nb.njit(cache=True)
def _arranged(start: Any, size: Any, hub: Any, ms: Any) -> Any:
    """The labels in order of node."""
    offsets = np.zeros(len(start) + 1, np.int64)
    for node in range(len(start)):
        offsets[node + 1] = offsets[node] + size[node]
    hubs, times = np.empty(offsets[-1], np.int64), np.empty(offsets[-1], np.int64)
    for node in range(len(start)):
        for i in range(size[node]):
            hubs[offsets[node] + i], times[offsets[node] + i] = hub[start[node] + i], ms[start[node] + i]
    return offsets, hubs, times


def table_plain(labels: Labels, starts: NDArray[np.int64], goals: NDArray[np.int64]) -> NDArray[np.int64]:
    """Milliseconds between all of `starts` and all of `goals`, shape (starts, goals), `FAR_MS` where there is no way; plain numpy."""
    out = np.full((len(starts), len(goals)), FAR_MS, dtype=np.int64)
    (sf, hf, mf), (sb, hb, mb) = labels.forward, labels.backward
    for j, goal in enumerate(goals.tolist()):
        dense = np.full(labels.nodes, FAR_MS, dtype=np.int64)
        dense[hb[sb[goal] : sb[goal + 1]]] = mb[sb[goal] : sb[goal + 1]]
        for i, start in enumerate(starts.tolist()):
            rows = slice(sf[start], sf[start + 1])
            out[i, j] = min(int((mf[rows] + dense[hf[rows]]).min()), FAR_MS)
    return out


@nb.njit(cache=True, nogil=True)
def nearest_ms(first: Any, last: Any, hub: Any, ms: Any, dense: Any) -> Any:
    """Least ms over the rows `first..last` of the labels plus `dense` at their hubs.

    Rows and hubs are unsigned, so that no sign is looked at, and no slice is made, which threads would count references to in turns.
    """
    best = np.int32(FAR_MS)
    for row in range(np.uint64(first), np.uint64(last)):
        far = np.int32(ms[row] + dense[hub[row]])
        best = far if far < best else best
    return best
