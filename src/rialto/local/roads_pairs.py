"""Drive times of many pairs over hub labels: each distinct place is put on the road once, each goal's label is spread out once.

A goal's backward label is written into one array over the nodes, small enough for the cache; every start of that goal then adds its own
forward label to what stands there. So a pair costs a pass over one label of some forty rows, without a branch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from rialto.local.roads_labels import FAR_MS, Labels, nearest_ms
from rialto.local.roads_snap import Segments, Snapped
from rialto.threads import spread

__all__ = ["distinct", "pairs_ms", "pairs_plain"]

_GOALS = 32
"""Fewest goals a thread takes at once; the budget is looked at between."""


@nb.njit(cache=True, nogil=True)
def _distinct(lat: Any, lon: Any, slots: Any, of: Any, first: Any) -> int:
    """Number the distinct (lat, lon) in order of appearance, by open addressing; `slots` is -1 throughout, a power of two long."""
    mask = len(slots) - 1
    count = 0
    for row in range(len(lat)):
        if row > 0 and lat[row] == lat[row - 1] and lon[row] == lon[row - 1]:
            of[row] = of[row - 1]
            continue
        mixed = (lat[row] * np.uint64(0x9E3779B97F4A7C15)) ^ (lon[row] * np.uint64(0xC2B2AE3D27D4EB4F))
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        at = np.int64((mixed >> np.uint64(20)) & np.uint64(mask))
        while slots[at] >= 0 and (lat[first[slots[at]]] != lat[row] or lon[first[slots[at]]] != lon[row]):
            at = (at + 1) & mask
        if slots[at] < 0:
            slots[at], first[count] = count, row
            count += 1
        of[row] = slots[at]
    return count


def distinct(places: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows at which each distinct place first comes, shape (distinct,), and the number of each row's place, shape (rows,)."""
    size = len(places)
    bits = np.ascontiguousarray(places.T).view(np.uint64)
    slots = np.full(1 << max(int(2 * size - 1).bit_length(), 3), -1, dtype=np.int32)
    of, first = np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64)
    count = int(_distinct(bits[0], bits[1], slots, of, first))
    return first[:count], of


def pairs_ms(
    labels: Labels,
    segments: Segments,
    starts: Snapped,
    goals: Snapped,
    pairs: tuple[NDArray[np.int64], NDArray[np.int64]],
    left_s: Callable[[], float],
) -> NDArray[np.int32]:
    """Milliseconds on the road of each pair, shape (pairs,); `FAR_MS` where there is no way.

    Args:
        labels: Of the graph.
        segments: Its stretches.
        starts, goals: Distinct places on the road; all of them are on one.
        pairs: Number of each pair's start and goal, shape (pairs,) each.
        left_s: Seconds left to work, asked every few goals; raises where none are left.
    """
    start_of, goal_of = pairs
    count = len(goals.segment)
    order = np.empty(len(goal_of), dtype=np.int64)
    offsets = np.zeros(count + 1, dtype=np.int64)
    _by_goal(goal_of, offsets, order)
    out = np.empty(len(goal_of), dtype=np.int32)
    leave, reach = _ends_of(segments, starts, leaving=1), _ends_of(segments, goals, leaving=0)
    turn = np.argsort(goals.segment, kind="stable")  # neighbours behind one another, whose starts' labels are then near at hand

    def part(first: int, last: int) -> None:
        left_s()
        dense = np.full(labels.nodes, FAR_MS, dtype=np.int32)
        _pairs(
            first, last, turn, offsets, order, start_of, labels.forward, labels.backward, segments, starts, goals, leave, reach, dense, out
        )  # fmt: skip

    spread(part, count, grain=_GOALS)
    return out


@nb.njit(cache=True, nogil=True)
def _by_goal(goal_of: Any, offsets: Any, order: Any) -> None:
    """Rows in order of goal, by counting."""
    for row in range(len(goal_of)):
        offsets[goal_of[row] + 1] += 1
    for goal in range(len(offsets) - 1):
        offsets[goal + 1] += offsets[goal]
    for row in range(len(goal_of)):
        order[offsets[goal_of[row]]] = row
        offsets[goal_of[row]] += 1
    for goal in range(len(offsets) - 1, 0, -1):
        offsets[goal] = offsets[goal - 1]
    offsets[0] = 0


def _ends_of(segments: Segments, places: Snapped, *, leaving: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    shape = len(places.segment), 2
    found = np.empty(shape, dtype=np.int32), np.zeros(shape, dtype=np.int32)
    _ends(segments, places.segment, places.part, leaving, *found)
    return found


@nb.njit(cache=True, nogil=True)
def _ends(s: Any, segment: Any, part: Any, leaving: int, node: Any, extra: Any) -> None:
    """The ends by which each place leaves its stretch (or reaches it, `leaving` = 0), and the ms to them; -1 = not by that end."""
    for p in range(len(segment)):
        i, at = segment[p], part[p]
        if i < 0:
            node[p, 0] = node[p, 1] = -1
            continue
        there = 1.0 - at if leaving else at
        back = at if leaving else 1.0 - at
        two = s.back_ms[i] >= 0
        ahead, behind = (s.b[i], s.a[i]) if leaving else (s.a[i], s.b[i])
        node[p, 0], extra[p, 0] = ahead, np.int32(np.rint(there * s.there_ms[i]))
        if two:
            node[p, 1], extra[p, 1] = behind, np.int32(np.rint(back * s.back_ms[i]))
        else:  # against the traffic, only where the place is at that very corner
            node[p, 1] = behind if np.rint(back * s.there_ms[i]) == 0.0 else -1


@nb.njit(cache=True, nogil=True)
def _lay(first: Any, last: Any, hub: Any, ms: Any, extra: Any, dense: Any) -> None:
    """Write a label, `extra` ms farther, over what stands in `dense`, where it is nearer."""
    for row in range(np.uint64(first), np.uint64(last)):
        far = np.int32(ms[row] + extra)
        if far < dense[hub[row]]:
            dense[hub[row]] = far


@nb.njit(cache=True, nogil=True)
def _along(s: Any, i: int, frm: float, to: float) -> Any:
    """Ms along one and the same stretch, `FAR_MS` where its direction forbids it."""
    if to >= frm:
        return np.int32(np.rint((to - frm) * s.there_ms[i]))
    return np.int32(np.rint((frm - to) * s.back_ms[i])) if s.back_ms[i] >= 0 else np.int32(FAR_MS)


@nb.njit(cache=True, nogil=True)
def _pairs(
    first: int, last: int, turn: Any, offsets: Any, order: Any, start_of: Any, forward: Any, backward: Any, s: Any, starts: Any, goals: Any,
    leave: Any, reach: Any, dense: Any, out: Any,
) -> None:  # fmt: skip
    """Pairs of the goals `turn[first:last]`; see `pairs_plain`."""
    f_start, f_hub, f_ms = forward
    b_start, b_hub, b_ms = backward
    leave_node, leave_ms = leave
    reach_node, reach_ms = reach
    for place in range(first, last):
        goal = turn[place]
        for end in range(2):
            node = reach_node[goal, end]
            if node >= 0:
                _lay(b_start[node], b_start[node + 1], b_hub, b_ms, reach_ms[goal, end], dense)
        for at in range(offsets[goal], offsets[goal + 1]):
            row = order[at]
            start = start_of[row]
            best = np.int32(FAR_MS)
            for end in range(2):
                node = leave_node[start, end]
                if node >= 0:
                    far = np.int32(nearest_ms(f_start[node], f_start[node + 1], f_hub, f_ms, dense) + leave_ms[start, end])
                    best = far if far < best else best
            if starts.segment[start] == goals.segment[goal]:
                best = min(best, _along(s, goals.segment[goal], starts.part[start], goals.part[goal]))
            out[row] = best
        for end in range(2):
            node = reach_node[goal, end]
            if node >= 0:
                for at in range(b_start[node], b_start[node + 1]):
                    dense[b_hub[at]] = FAR_MS


def pairs_plain(
    nodes_ms: NDArray[np.float64],
    segments: Segments,
    starts: Snapped,
    goals: Snapped,
    pairs: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> NDArray[np.float64]:
    """`pairs_ms` from a full table of the nodes' times (nodes, nodes), inf = no way: the version that the kernel is compared with.

    A place on a stretch leaves it at an end, as far as its directions allow, and reaches one from an end; one that is at a corner
    leaves and reaches that whatever the direction. On one and the same stretch the way may lead along it.
    """
    (i, part), (g, at) = ((p.segment[of], p.part[of]) for p, of in zip((starts, goals), pairs))
    s = segments
    back_i, back_g = (np.where(s.back_ms[x] >= 0, s.back_ms[x], np.inf) for x in (i, g))
    one, other = (
        np.where(back < np.inf, np.rint(far * s.back_ms[x]), np.where(np.rint(far * s.there_ms[x]) == 0.0, 0.0, np.inf))
        for x, back, far in ((i, back_i, part), (g, back_g, 1.0 - at))
    )
    leave = ((s.b[i], np.rint((1.0 - part) * s.there_ms[i])), (s.a[i], one))
    reach = ((s.a[g], np.rint(at * s.there_ms[g])), (s.b[g], other))
    best = np.min([nodes_ms[n, m] + out + into for n, out in leave for m, into in reach], axis=0)
    along = np.where((i == g) & (at >= part), np.rint((at - part) * s.there_ms[i]), np.inf)
    against = np.where((i == g) & (at <= part) & (back_i < np.inf), np.rint((part - at) * s.back_ms[i]), np.inf)
    return np.minimum(best, np.minimum(along, against))
