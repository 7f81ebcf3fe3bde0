"""What is said about orders, and what is answered: one row, or columns of many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, BadRow, known
from rialto.match.ledger import KINDS, REASONS, Answer

__all__ = ["Answered", "Answers", "Message", "Messages", "Offered", "keys_of"]

_NUMBER = {kind: i for i, kind in enumerate(KINDS)}


@dataclass(frozen=True, slots=True)
class Message:
    """Something a driver, a customer or the clock says about an order.

    Args:
        key: Idempotency key, chosen by the sender: it acts once, and a repeat is answered the same. The same key with anything else
            is refused.
        kind: One of `accepted`, `declined`, `expired`, `released`, `picked_up`, `delivered`, `cancelled`; or, about a driver alone,
            `left` (what he did not pick up waits for others, and he is offered nothing) and `came` (he is back).
        order: The order; of no meaning where the message is about a driver alone.
        driver: Who says so; -1 where it is no driver (a customer cancels).
        offer: Number of the offer that is answered, as `Offers.offer` gave it; -1 = the one that stands.
    """

    key: str
    kind: str
    order: int
    driver: int = -1
    offer: int = -1


@dataclass(frozen=True, slots=True)
class Messages:
    """Messages in columns, a row each; fields mean what they mean in `Message`.

    Args:
        keys: Shape (messages, 2), uint64: 128 bits of key, a UUID's or those of `keys_of`; (0, 0) is no key.
        kind: Shape (messages,), uint8, places in `rialto.match.ledger.KINDS`; another number is answered, not raised.
        order, driver, offer: Shape (messages,), int64; -1 for no driver, or whichever offer stands.

    Raises:
        BadInput: A column has another shape, or is not made of whole numbers.

    Example:
        >>> Messages.of([Message("k", "accepted", 7, 3)]).kind.tolist()
        [0]
    """

    keys: NDArray[np.uint64]
    kind: NDArray[np.uint8]
    order: NDArray[np.int64]
    driver: NDArray[np.int64]
    offer: NDArray[np.int64]

    def __post_init__(self) -> None:
        size = len(self.kind)
        for name, dtype in (
            ("keys", np.uint64),
            ("kind", np.uint8),
            ("order", np.int64),
            ("driver", np.int64),
            ("offer", np.int64),
        ):
            shape = (size, 2) if name == "keys" else (size,)
            object.__setattr__(self, name, whole(getattr(self, name), name, shape, dtype))

    def __len__(self) -> int:
        return len(self.kind)

    @classmethod
    def of(cls, messages: Sequence[Message]) -> Messages:
        """The columns of messages.

        Raises:
            BadRow: A message is of a kind that does not exist, has no key, or a number that does not fit in 64 bits.
        """
        for row, m in enumerate(messages, 1):
            if m.kind not in _NUMBER:
                raise BadRow(row, "kind", m.kind, f"one of these: {known(m.kind, KINDS)}")
        about = _numbers([(m.order, m.driver, m.offer) for m in messages])
        kind = np.array([_NUMBER[m.kind] for m in messages], dtype=np.uint8)
        return cls(keys_of([m.key for m in messages]), kind, *about.reshape(-1, 3).T)

    def take(self, rows: NDArray[Any]) -> Messages:
        """The messages at `rows`."""
        return Messages(self.keys[rows], self.kind[rows], self.order[rows], self.driver[rows], self.offer[rows])

    def about(self) -> NDArray[np.int64]:
        """Order, driver and offer, shape (messages, 3)."""
        return np.stack([self.order, self.driver, self.offer], axis=1)


def _numbers(rows: list[tuple[int, int, int]]) -> NDArray[np.int64]:
    try:
        return np.array(rows, dtype=np.int64)
    except (OverflowError, TypeError, ValueError):
        for i, row in enumerate(rows, 1):
            for name, value in zip(("order", "driver", "offer"), row):
                if not isinstance(value, (int, np.integer)) or not -(2**63) <= value < 2**63:  # pyright: ignore[reportUnnecessaryIsInstance]
                    raise BadRow(i, name, value, "a whole number of 64 bits") from None
        raise


def whole(values: Any, name: str, shape: tuple[int, ...], dtype: type) -> NDArray[Any]:
    """`values` as a contiguous column of `dtype`, or `BadInput` where they are no whole numbers of that shape."""
    found = np.asarray(values)
    if found.shape != shape or (found.size and found.dtype.kind not in "iu"):
        raise BadInput(f"column {name!r} has shape {found.shape} and type {found.dtype}; wanted whole numbers, shape {shape}.")
    if dtype is np.int64 and found.dtype == np.uint64 and found.size and found.max() >= 2**63:
        raise BadInput(f"column {name!r} holds {found.max()}; wanted numbers below 2**63.")
    if dtype is np.uint8:  # of a number that is too wide its low bits would be another
        found = np.where((found >= 0) & (found < 255), found, 255)
    return np.ascontiguousarray(found, dtype=dtype)


def per_pair(values: Any, name: str, size: int, dtype: type) -> NDArray[Any]:
    """One number, or one a pair, as a contiguous column of `dtype`; `BadInput` where it is neither."""
    found = np.asarray(values)
    if found.shape not in ((), (size,)) or found.dtype.kind not in ("iu" if dtype is np.int32 else "iuf"):
        raise BadInput(
            f"{name} has shape {found.shape} and type {found.dtype}; wanted one number, or one for each of {size} pairs."
        )
    if dtype is np.int32:
        found = np.clip(found, 0, 2**31 - 1)
    # a copy always: a kernel is compiled once more for a column that may only be read
    return np.array(np.broadcast_to(found, (size,)), dtype=dtype)


def keys_of(keys: Sequence[str]) -> NDArray[np.uint64]:
    """128 bits of each key, shape (keys, 2).

    Raises:
        BadRow: A key is empty, not a str, or not Unicode.

    Example:
        >>> keys_of(["a", "b", "a"]).shape, bool((keys_of(["a"]) == keys_of(["a"])).all())
        ((3, 2), True)
    """
    sums = bytearray()
    for row, key in enumerate(keys, 1):
        sums += blake2b(key_bytes(key, row), digest_size=16).digest()
    return np.frombuffer(sums, dtype="<u8").reshape(-1, 2).astype(np.uint64)


def key_bytes(key: str, row: int = 1) -> bytes:
    """A key in UTF-8; `BadRow` where it is none."""
    if not isinstance(key, str) or not key:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise BadRow(row, "key", key, "a text of one character or more")
    try:
        return key.encode()
    except UnicodeEncodeError:
        raise BadRow(row, "key", key, "text without lone surrogates") from None


@dataclass(frozen=True, slots=True)
class Answers:
    """What came of messages, a row each.

    Args:
        reasons: Shape (messages,), uint8: places in `rialto.match.ledger.REASONS`; 0 = done.
        row, order, driver, offer: Offers that ended because of somebody else, shape (ended,) each: the row of the message that ended
            them (another driver accepted, the order was cancelled, its driver left), and what they were. Tell these drivers. A repeat
            of a message does not list them again.
    """

    reasons: NDArray[np.uint8]
    row: NDArray[np.int64]
    order: NDArray[np.int64]
    driver: NDArray[np.int64]
    offer: NDArray[np.int64]

    @property
    def done(self) -> NDArray[np.bool_]:
        """True where the message was acted on, now or when its key first came; shape (messages,)."""
        return self.reasons == 0

    def each(self) -> list[Answer]:
        """An `Answer` for each message."""
        return [Answer(r == 0, REASONS[r]) for r in self.reasons.tolist()]


@dataclass(frozen=True, slots=True)
class Offered:
    """What came of a batch of offers: `numbers`, shape (pairs,), -1 where none was made; `reasons`, places in `REASONS`, uint8."""

    numbers: NDArray[np.int64]
    reasons: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Answered:
    """How an offer ended, for learning: `kind` is `accepted`, `declined` or `expired`; `request` is its decision's request id."""

    kind: str
    request: int
    order: int
    driver: int
    time_s: float
