"""Kernels of the law: orders placed, offers made and messages acted on, a batch at a time; `ledger.PlainLedger` says the same plainly."""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from rialto.kernels import kernel
from rialto.match import ledger as law
from rialto.match.offers.find import content_of, driver_row, key_place, key_put, order_place, pair_kind, pair_put, warm, warm_keys
from rialto.match.offers.tables import FREE_OFFER, LIVE, N_ENDED, N_OFFERS, N_ORDERS, NEXT

__all__ = ["UNSEEN", "due", "offered", "placed", "seen", "told"]

UNSEEN = 255
"""Instead of a reason's number: the key was never used."""

_BLOCK = 64
"""Rows whose places in memory are asked for at once before they are acted on: they wait for it together, not one after another."""

_KINDS = len(law.KINDS)


@kernel
def placed(t: Any, ids: NDArray[np.int64], at_s: float, new: NDArray[np.bool_]) -> None:
    """Take orders in; `new` becomes True where the order was not known. Rows follow the last one, in the batch's order."""
    for i in range(ids.size):
        row, place = order_place(t, ids[i])
        new[i] = row < 0
        if row < 0:
            row = t.counts[N_ORDERS]
            t.counts[N_ORDERS] = row + 1
            o = t.orders[row]
            o.id, o.since_s, o.until_s, o.request, o.driver, o.number = ids[i], at_s, np.inf, -1, -1, -1
            o.head, o.tail, o.state, o.shared, o.ended = -1, -1, law.WAITING, 0, 0
            t.order_at[place] = row + 1


@kernel
def offered(
    t: Any,
    orders: NDArray[np.int64],
    drivers: NDArray[np.int64],
    requests: NDArray[np.int64],
    until_s: NDArray[np.float64],
    capacity: NDArray[np.int32],
    shared: bool,
    at_s: float,
    numbers: NDArray[np.int64],
    reasons: NDArray[np.uint8],
) -> None:
    """Make offers row by row; `numbers` become the offers' (-1 = none made), `reasons` why not."""
    for i in range(orders.size):
        if i % _BLOCK == 0:
            numbers[i] = warm(t, orders[i : i + _BLOCK], drivers[i : i + _BLOCK])
        row, _ = order_place(t, orders[i])
        numbers[i] = -1
        if row < 0:
            reasons[i] = law.NO_ORDER
            continue
        reasons[i] = _hinders(t, row, drivers[i], capacity[i], shared)
        if reasons[i] == law.DONE:
            o = t.orders[row]
            if o.state == law.WAITING:
                o.state, o.since_s, o.shared = law.OFFERED, at_s, shared
            numbers[i] = _make(t, row, driver_row(t, drivers[i], True), requests[i], until_s[i])


@kernel
def _hinders(t: Any, row: int, driver: int, capacity: int, shared: bool) -> int:
    o = t.orders[row]
    if driver < 0:
        return law.NO_DRIVER
    if o.state != law.WAITING and not (o.state == law.OFFERED and shared and o.shared != 0):
        return law.IN_STATE + o.state
    if o.ended != 0:
        kind = pair_kind(t, o.id, driver)
        if kind in (law.DECLINE, law.RELEASE):
            return law.REFUSED
    d = driver_row(t, driver, False)
    if d < 0:
        return law.DONE if capacity > 0 else law.FULL
    if _his(t, row, d) >= 0:
        return law.STANDS
    if t.drivers[d].gone != 0:
        return law.GONE
    return law.FULL if t.drivers[d].load >= capacity else law.DONE


@kernel
def _make(t: Any, row: int, d: int, request: int, until_s: float) -> int:
    """A new standing offer at the end of its order's list and the front of its driver's; its number."""
    at = t.counts[FREE_OFFER]
    if at >= 0:
        t.counts[FREE_OFFER] = t.offers[at].after
    else:
        at = t.counts[N_OFFERS]
        t.counts[N_OFFERS] = at + 1
    number = t.counts[NEXT]
    t.counts[NEXT] = number + 1
    t.counts[LIVE] += 1
    o, f, h = t.orders[row], t.offers[at], t.drivers[d]
    f.number, f.request, f.until_s, f.order, f.driver = number, request, until_s, row, d
    f.before, f.after, f.prev, f.next = o.tail, -1, -1, h.head
    if o.tail >= 0:
        t.offers[o.tail].after = at
    else:
        o.head = at
        _lead(t, row)
    o.tail = at
    if h.head >= 0:
        t.offers[h.head].prev = at
    h.head, h.load = at, h.load + 1
    return number


@kernel
def _lead(t: Any, row: int) -> None:
    """Show an order with the first of its standing offers, or with none."""
    o = t.orders[row]
    if o.head < 0:
        o.driver, o.number, o.request, o.until_s = -1, -1, -1, np.inf
        return
    f = t.offers[o.head]
    o.driver, o.number, o.request, o.until_s = t.drivers[f.driver].id, f.number, f.request, f.until_s


@kernel
def _unlink(t: Any, at: int, kind: int) -> None:
    """End a standing offer; `kind` is remembered of the pair, -1 = nothing is."""
    f = t.offers[at]
    row, o, h = f.order, t.orders[f.order], t.drivers[f.driver]
    if kind >= 0:
        o.ended = 1
        pair_put(t, o.id, h.id, kind)
    if f.before >= 0:
        t.offers[f.before].after = f.after
    else:
        o.head = f.after
    if f.after >= 0:
        t.offers[f.after].before = f.before
    else:
        o.tail = f.before
    if f.prev >= 0:
        t.offers[f.prev].next = f.next
    else:
        h.head = f.next
    if f.next >= 0:
        t.offers[f.next].prev = f.prev
    h.load, h.freed = h.load - 1, 1
    f.number, f.after = -1, t.counts[FREE_OFFER]
    t.counts[FREE_OFFER] = at
    t.counts[LIVE] -= 1
    if f.before < 0:
        _lead(t, row)


@kernel
def _his(t: Any, row: int, d: int) -> int:
    """The standing offer of an order to the driver in row `d`; -1 = none."""
    at = t.orders[row].head
    while at >= 0 and t.offers[at].driver != d:
        at = t.offers[at].after
    return at


@kernel
def seen(t: Any, keys: NDArray[np.uint64], kind: NDArray[np.uint8], about: NDArray[np.int64], answers: NDArray[np.uint8]) -> int:
    """What was answered to each key before, `UNSEEN` where it is new; returns how many are new."""
    new = 0
    for i in range(kind.size):
        row, _ = key_place(t, keys[i, 0], keys[i, 1])
        answers[i] = UNSEEN
        if row < 0:
            new += 1
        else:
            same = t.keys[row].content == content_of(kind[i], about[i, 0], about[i, 1], about[i, 2])
            answers[i] = t.keys[row].answer if same else law.KEY_USED
    return new


@kernel
def told(
    t: Any,
    keys: NDArray[np.uint64],
    kind: NDArray[np.uint8],
    about: NDArray[np.int64],
    keyed: bool,
    at_s: float,
    answers: NDArray[np.uint8],
    ended: NDArray[np.int64],
) -> int:
    """Act on messages in their order.

    Args:
        t: The tables, with room for as many keys, drivers and answers as there are rows, and for pairs of every standing offer too.
        keys: Shape (rows, 2); not read where not `keyed`.
        kind, about: Kinds, shape (rows,), and what they are about: order, driver, offer, shape (rows, 3).
        keyed: Whether the rows have keys; what the clock says needs none, as it names the offer.
        at_s: When.
        answers: Becomes the reasons' numbers, shape (rows,).
        ended: Becomes the offers that ended because of somebody else: row, order, driver, offer; shape (standing offers, 4).

    Returns:
        How many rows of `ended` were filled.
    """
    count, place, content = 0, 0, np.uint32(0)
    for i in range(kind.size):
        if i % _BLOCK == 0:
            near = warm(t, about[i : i + _BLOCK, 0], about[i : i + _BLOCK, 1])
            if keyed:
                near ^= warm_keys(t, keys[i : i + _BLOCK])
            answers[i] = near & 1
        a, b = keys[i, 0] if keyed else np.uint64(0), keys[i, 1] if keyed else np.uint64(0)
        if keyed:
            if a == 0 and b == 0:
                answers[i] = law.NO_KEY
                continue
            content = content_of(kind[i], about[i, 0], about[i, 1], about[i, 2])
            row, place = key_place(t, a, b)
            if row >= 0:
                answers[i] = t.keys[row].answer if t.keys[row].content == content else law.KEY_USED
                continue
        answers[i], count = _act(t, int(kind[i]), about[i], at_s, i, ended, count)
        if keyed:
            key_put(t, place, a, b, content, answers[i], at_s)
    return count


@kernel
def _act(
    t: Any, kind: int, about: NDArray[np.int64], at_s: float, i: int, ended: NDArray[np.int64], count: int
) -> tuple[int, int]:
    order, driver, offer = about[0], about[1], about[2]
    if kind >= _KINDS:
        return law.NO_KIND, count
    if kind in (law.LEAVE, law.COME):
        return (law.NO_DRIVER, count) if driver < 0 else (law.DONE, _presence(t, kind, driver, at_s, i, ended, count))
    row, _ = order_place(t, order)
    if row < 0:
        return law.NO_ORDER, count
    d = driver_row(t, driver, False) if driver >= 0 else -1
    at = _his(t, row, d) if d >= 0 else -1
    if kind == law.CANCEL:
        if t.orders[row].state > law.ASSIGNED:
            return law.IN_STATE + t.orders[row].state, count
        if driver >= 0 and at < 0:
            return law.NOT_HIS, count
        return law.DONE, _all_but(t, row, -1, -1, law.CANCELLED, at_s, i, ended, count)
    reason = _refusal(t, row, at, kind, driver, offer, at_s)
    if reason != law.DONE:
        return reason, count
    if kind <= law.EXPIRE:
        _answered(t, kind, at, at_s)
    if kind == law.ACCEPT:
        return law.DONE, _all_but(t, row, at, law.ACCEPT, law.ASSIGNED, at_s, i, ended, count)
    _progress(t, row, at, kind, at_s)
    return law.DONE, count


@kernel
def _refusal(t: Any, row: int, at: int, kind: int, driver: int, offer: int, at_s: float) -> int:
    """Why a message of a kind below CANCEL may not act; `at` is the standing offer of its driver."""
    o = t.orders[row]
    if kind == law.ACCEPT and at < 0 and o.ended != 0 and o.state < law.DELIVERED:
        cause = pair_kind(t, o.id, driver)
        if cause in (law.EXPIRE, law.ACCEPT):
            return law.EXPIRED if cause == law.EXPIRE else law.TAKEN
    if o.state != law.NEEDED[kind]:
        return law.IN_STATE + o.state
    if at < 0:
        return law.NOT_HIS
    if offer != -1 and offer != t.offers[at].number:
        return law.OVER
    return law.EXPIRED if kind == law.ACCEPT and at_s > t.offers[at].until_s else law.DONE


@kernel
def _answered(t: Any, kind: int, at: int, at_s: float) -> None:
    n = t.counts[N_ENDED]
    t.counts[N_ENDED] = n + 1
    e, f = t.ended[n], t.offers[at]
    e.kind, e.request, e.order, e.driver, e.time_s = kind, f.request, t.orders[f.order].id, t.drivers[f.driver].id, at_s


@kernel
def _progress(t: Any, row: int, at: int, kind: int, at_s: float) -> None:
    o = t.orders[row]
    if kind == law.PICK_UP:
        o.state, o.since_s = law.PICKED_UP, at_s
    elif kind == law.DELIVER:
        driver, number, request, until_s = o.driver, o.number, o.request, o.until_s
        _unlink(t, at, -1)
        o.driver, o.number, o.request, o.until_s = driver, number, request, until_s
        o.state, o.since_s = law.DELIVERED, at_s
    else:
        _unlink(t, at, kind)
        if o.head < 0:
            o.state, o.since_s = law.WAITING, at_s


@kernel
def _all_but(
    t: Any, row: int, kept: int, kind: int, state: int, at_s: float, i: int, ended: NDArray[np.int64], count: int
) -> int:
    """End the standing offers of an order but `kept`, tell of them, and bring the order into `state`."""
    o = t.orders[row]
    at = o.head
    while at >= 0:
        following = t.offers[at].after
        if at != kept:
            count = _tell(t, at, i, ended, count)
            _unlink(t, at, kind)
        at = following
    o.state, o.since_s = state, at_s
    return count


@kernel
def _tell(t: Any, at: int, i: int, ended: NDArray[np.int64], count: int) -> int:
    f = t.offers[at]
    ended[count, 0], ended[count, 1] = i, t.orders[f.order].id
    ended[count, 2], ended[count, 3] = t.drivers[f.driver].id, f.number
    return count + 1


@kernel
def _presence(t: Any, kind: int, driver: int, at_s: float, i: int, ended: NDArray[np.int64], count: int) -> int:
    """A driver leaves, and what he did not pick up waits for others; or he comes back."""
    d = driver_row(t, driver, True)
    t.drivers[d].gone = kind == law.LEAVE
    at = t.drivers[d].head if kind == law.LEAVE else -1
    while at >= 0:
        f = t.offers[at]
        following, o = f.next, t.orders[f.order]
        if o.state != law.PICKED_UP:
            count = _tell(t, at, i, ended, count)
            _unlink(t, at, law.LEAVE)
            if o.head < 0:
                o.state, o.since_s = law.WAITING, at_s
        at = following
    return count


@nb.njit(cache=True, nogil=True)
def due(t: Any, at_s: float) -> NDArray[np.int64]:
    """Rows of the standing offers that nobody accepted in time, by their numbers."""
    rows = np.empty(t.counts[N_OFFERS], dtype=np.int64)
    count = 0
    for at in range(t.counts[N_OFFERS]):
        f = t.offers[at]
        if f.number >= 0 and f.until_s < at_s and t.orders[f.order].state == law.OFFERED:
            rows[count] = at
            count += 1
    return rows[:count]
