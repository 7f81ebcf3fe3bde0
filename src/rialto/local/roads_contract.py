"""Contraction: nodes are taken out of a graph from the least important on, shortcuts keeping every shortest way.

Source:
    Geisberger, Sanders, Schultes, Vetter (2012), "Exact routing in large road networks using contraction hierarchies",
    Transportation Science 46(3): priority by edge difference, contracted neighbours' level, lazy updates, bounded witness searches.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

__all__ = ["contract", "simplified"]

_NONE = np.int64(-1)
_FAR = np.int64(1) << 60


def simplified(
    nodes: int, tail: NDArray[np.int64], head: NDArray[np.int64], ms: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The arcs without loops, the quickest of each pair of ends only, by tail then head."""
    order = np.lexsort((ms, head, tail))
    tail, head, ms = tail[order], head[order], ms[order]
    first = np.ones(len(tail), dtype=np.bool_)
    first[1:] = (tail[1:] != tail[:-1]) | (head[1:] != head[:-1])
    kept = first & (tail != head)
    return tail[kept], head[kept], ms[kept]


@nb.njit(cache=True)
def _push(heap_key: Any, heap_node: Any, size: Any, key: Any, node: Any) -> Any:
    """Put (key, node) into the binary heap; answers its new size."""
    at = size
    while at > 0:
        above = (at - 1) >> 1
        if heap_key[above] <= key:
            break
        heap_key[at], heap_node[at] = heap_key[above], heap_node[above]
        at = above
    heap_key[at], heap_node[at] = key, node
    return size + 1


@nb.njit(cache=True)
def _pop(heap_key: Any, heap_node: Any, size: Any) -> Any:
    """Take the least off the heap, whose first entry the caller has read; answers its new size."""
    size -= 1
    key, node = heap_key[size], heap_node[size]
    at = 0
    while True:
        below = 2 * at + 1
        if below >= size:
            break
        if below + 1 < size and heap_key[below + 1] < heap_key[below]:
            below += 1
        if heap_key[below] >= key:
            break
        heap_key[at], heap_node[at] = heap_key[below], heap_node[below]
        at = below
    heap_key[at], heap_node[at] = key, node
    return size


@nb.njit(cache=True)
def _grown(values: Any) -> Any:
    more = np.empty(2 * len(values), dtype=values.dtype)
    more[: len(values)] = values
    return more


@nb.njit(cache=True)
def _witness(
    start: Any, without: Any, bound: Any, most: Any, gone: Any, first_out: Any, arc_head: Any, arc_ms: Any, next_out: Any, dist: Any, stamp:
    Any, round_: Any, heap_key: Any, heap_node: Any,
) -> Any:  # fmt: skip
    """Dijkstra from `start` around `without` among nodes that are left, up to `bound` ms and `most` settled nodes.

    Leaves distances in `dist` where `stamp` is `round_`; they are upper bounds, which is all that a witness needs.
    """
    dist[start], stamp[start] = 0, round_
    size = _push(heap_key, heap_node, 0, 0, start)
    settled = 0
    room = len(heap_key) - 1
    while size > 0 and settled < most:
        key, node = heap_key[0], heap_node[0]
        size = _pop(heap_key, heap_node, size)
        if key > dist[node]:
            continue
        if key > bound:
            break
        settled += 1
        arc = first_out[node]
        while arc >= 0:
            to = arc_head[arc]
            if not gone[to] and to != without:
                far = key + arc_ms[arc]
                if far <= bound and (stamp[to] != round_ or far < dist[to]) and size < room:
                    dist[to], stamp[to] = far, round_
                    size = _push(heap_key, heap_node, size, far, to)
            arc = next_out[arc]


@nb.njit(cache=True)
def _neighbours(node: Any, first: Any, arc_end: Any, arc_ms: Any, following: Any, gone: Any, ends: Any, times: Any) -> Any:
    """Nodes that are left at the other ends of a node's arcs, and the arcs' times; arcs to nodes that are gone are unlinked."""
    count = 0
    arc, before = first[node], _NONE
    while arc >= 0:
        after = following[arc]
        if gone[arc_end[arc]]:
            if before < 0:
                first[node] = after
            else:
                following[before] = after
        else:
            if count < len(ends):
                ends[count], times[count] = arc_end[arc], arc_ms[arc]
            count += 1
            before = arc
        arc = after
    return count


@nb.njit(cache=True)
def _shortcuts(
    start: Any, start_ms: Any, out: Any, out_ms: Any, dist: Any, stamp: Any, round_: Any, arcs: Any, arc_tail: Any, arc_head: Any,
    arc_ms: Any,
) -> Any:  # fmt: skip
    """Write an arc from `start` to each of `out` that no witness reaches as soon; they count only if the node goes now."""
    for j in range(len(out)):
        through = start_ms + out_ms[j]
        if out[j] != start and not (stamp[out[j]] == round_ and dist[out[j]] <= through):
            arc_tail[arcs], arc_head[arcs], arc_ms[arcs] = start, out[j], through
            arcs += 1
    return arcs


@nb.njit(cache=True)
def contract(nodes: Any, tail: Any, head: Any, ms: Any, most: Any) -> Any:
    """Contract all nodes.

    Args:
        nodes: How many.
        tail, head, ms: Arcs from `simplified`.
        most: Nodes that a witness search settles at most; fewer is quicker and leaves more shortcuts, never a wrong way.

    Returns:
        `order` (nodes,): the nodes, least important first; then for forward and backward each `offsets` (nodes + 1,) by place in
        `order`, `ends` (arcs,) as nodes and `times` (arcs,) in ms: the arcs that lead to, or come from, more important nodes.
    """
    room = max(4 * len(tail), 64)
    arc_tail, arc_head, arc_ms = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int64)
    next_out, next_in = np.empty(room, np.int64), np.empty(room, np.int64)
    first_out, first_in = np.full(nodes, _NONE), np.full(nodes, _NONE)
    arcs = len(tail)
    for arc in range(arcs):
        arc_tail[arc], arc_head[arc], arc_ms[arc] = tail[arc], head[arc], ms[arc]
        next_out[arc], first_out[tail[arc]] = first_out[tail[arc]], arc
        next_in[arc], first_in[head[arc]] = first_in[head[arc]], arc
    gone = np.zeros(nodes, np.bool_)
    level = np.zeros(nodes, np.int64)
    dist, stamp, round_ = np.zeros(nodes, np.int64), np.zeros(nodes, np.int64), np.int64(0)
    heap_key, heap_node = np.empty(64 * (most + 64), np.int64), np.empty(64 * (most + 64), np.int64)
    queue_key, queue_node = np.empty(2 * nodes + 2, np.int64), np.empty(2 * nodes + 2, np.int64)
    into, into_ms = np.empty(nodes, np.int64), np.empty(nodes, np.int64)
    out, out_ms = np.empty(nodes, np.int64), np.empty(nodes, np.int64)
    order = np.empty(nodes, np.int64)
    offsets_f, offsets_b = np.zeros(nodes + 1, np.int64), np.zeros(nodes + 1, np.int64)
    ends_f, times_f = np.empty(room, np.int64), np.empty(room, np.int64)
    ends_b, times_b = np.empty(room, np.int64), np.empty(room, np.int64)
    size = 0
    for node in range(nodes):
        size = _push(queue_key, queue_node, size, -_FAR + node, node)  # every node is weighed when it first comes up
    done = 0
    while size > 0:
        node = queue_node[0]
        size = _pop(queue_key, queue_node, size)
        ins = _neighbours(node, first_in, arc_tail, arc_ms, next_in, gone, into, into_ms)
        outs = _neighbours(node, first_out, arc_head, arc_ms, next_out, gone, out, out_ms)
        first_new = arcs
        longest = out_ms[:outs].max() if outs else np.int64(0)
        for i in range(ins):
            round_ += 1
            bound = into_ms[i] + longest
            _witness(
                into[i], node, bound, most, gone, first_out, arc_head, arc_ms, next_out, dist, stamp, round_, heap_key, heap_node
            )  # fmt: skip
            while arcs + outs > len(arc_tail):
                arc_tail, arc_head, arc_ms = _grown(arc_tail), _grown(arc_head), _grown(arc_ms)
                next_out, next_in = _grown(next_out), _grown(next_in)
            arcs = _shortcuts(into[i], into_ms[i], out[:outs], out_ms, dist, stamp, round_, arcs, arc_tail, arc_head, arc_ms)
        weight = (2 * (arcs - first_new) - ins - outs) * 4 + level[node]
        if size > 0 and weight > queue_key[0]:
            arcs = first_new
            size = _push(queue_key, queue_node, size, weight, node)
            continue
        gone[node] = True
        order[done] = node
        ends_f, times_f = _noted(offsets_f[done], out[:outs], out_ms, ends_f, times_f, level, level[node] + 1)
        ends_b, times_b = _noted(offsets_b[done], into[:ins], into_ms, ends_b, times_b, level, level[node] + 1)
        offsets_f[done + 1], offsets_b[done + 1] = offsets_f[done] + outs, offsets_b[done] + ins
        done += 1
        arcs = _link(first_new, arcs, arc_tail, arc_head, arc_ms, first_out, next_out, first_in, next_in)
    up, down = offsets_f[nodes], offsets_b[nodes]
    return order, offsets_f, ends_f[:up], times_f[:up], offsets_b, ends_b[:down], times_b[:down]


@nb.njit(cache=True)
def _noted(first: Any, nodes: Any, ms: Any, ends: Any, times: Any, level: Any, at_least: Any) -> Any:
    """Keep a node's arcs from row `first` on, and raise the level of their ends; answers the columns, grown where they were full."""
    while first + len(nodes) > len(ends):
        ends, times = _grown(ends), _grown(times)
    for i in range(len(nodes)):
        ends[first + i], times[first + i] = nodes[i], ms[i]
        level[nodes[i]] = max(level[nodes[i]], at_least)
    return ends, times


@nb.njit(cache=True)
def _link(
    first_new: Any, arcs: Any, arc_tail: Any, arc_head: Any, arc_ms: Any, first_out: Any, next_out: Any, first_in: Any, next_in: Any,
) -> Any:  # fmt: skip
    """Link the shortcuts `first_new..arcs` into the lists; where a slower arc has the same ends, it takes the shortcut's time."""
    kept = first_new
    for new in range(first_new, arcs):
        a, b, time = arc_tail[new], arc_head[new], arc_ms[new]
        arc = first_out[a]
        while arc >= 0 and arc_head[arc] != b:
            arc = next_out[arc]
        if arc >= 0:
            arc_ms[arc] = min(arc_ms[arc], time)
            continue
        arc_tail[kept], arc_head[kept], arc_ms[kept] = a, b, time
        next_out[kept], first_out[a] = first_out[a], kept
        next_in[kept], first_in[b] = first_in[b], kept
        kept += 1
    return kept
