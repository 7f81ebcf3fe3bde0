"""The cross-encoder put together: which one reads for a catalogue, and how one is trained for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rialto.find.catalogue import Catalogue
from rialto.find.cross import Pace, Read, text_of
from rialto.find.cross_pairs import Lists
from rialto.find.pipeline import Search

if TYPE_CHECKING:
    from rialto.local.cross_model import CrossModel, CrossShelf

__all__ = ["Cross", "cross_of", "open_cross", "opened", "paced", "shelf_of", "train_lists"]

_STATES = 18_000  # most bytes of one product's states: 46 words of 384 bytes, with their scales
_MEASURED, _QUERY = 8, "red shoes for women"  # pairs whose time is taken, and what is asked for
_TOKENS = 50_000  # products whose texts are divided ahead: the trained one keeps no more, and a text costs 0.1 ms


@dataclass(frozen=True, slots=True)
class Cross:
    """A cross-encoder for one catalogue.

    Args:
        read: What `rialto.find.cross.cross_features` asks; so is this itself.
        version: Pinned in every decision.
        ahead: Reads catalogue rows, shape (rows,), before anybody asks.
        room: Products that reading ahead is of use for: more are not kept.
        close: Ends its threads.
    """

    read: Read
    version: str
    ahead: Callable[[NDArray[np.int64]], None]
    room: int
    close: Callable[[], None]

    def __call__(self, query: str, rows: NDArray[np.int64], left_s: Callable[[], float]) -> NDArray[np.float32]:
        """As `read`."""
        return self.read(query, rows, left_s)


def cross_of(search: Search) -> Cross | None:
    """The cross-encoder that a search was fitted with, and reads with since, whatever products came and went; None without one."""
    held = search.fittings.cross_base
    read = search.fittings.cross if held is None else held[0]
    return read if isinstance(read, Cross) else None


def shelf_of(home: Path, shop: str = "") -> CrossShelf:
    """Where the trained cross-encoders of one shop are, by the name of its ranker; "" = those that any shop may take."""
    from rialto.local.cross_model import CrossShelf

    return CrossShelf(home / "cross" / shop)


def open_cross(home: Path, catalogue: Catalogue, *, shop: str = "", layers: int = 6, keep_mb: int = 128) -> Cross:
    """The trained cross-encoder that is live for a shop, or for any, else the sentence encoder's words compared, which nobody trains.

    Args:
        home: The folder of all that local engines keep; graphs go to `minilm`, trained models to `cross`.
        catalogue: The products.
        shop: Name of the shop's ranker: one trained for it goes before one trained for any.
        layers: Layers of the untrained one.
        keep_mb: Memory for the product side of the untrained one.

    Raises:
        EngineMissing: the extra `neural` or the weights are not installed; a search goes without this phase then, and says so.
        EngineLost: a file is damaged.
    """
    from rialto.local.late import LateEncoder

    text = text_of(catalogue)
    model = (shelf_of(home, shop).live() if shop else None) or shelf_of(home).live()
    if model is not None:
        return opened(home, catalogue, model)
    late = LateEncoder(home / "minilm", layers=layers, keep_mb=keep_mb)
    products = late.products(text, len(catalogue))
    return Cross(
        lambda query, rows, left_s: late.score(query, products, rows, left_s=left_s),
        late.version,
        lambda rows: late.ahead(products, rows),
        keep_mb * 1_000_000 // _STATES,
        late.close,
    )


def opened(home: Path, catalogue: Catalogue, model: CrossModel) -> Cross:
    """A trained cross-encoder as it serves: an ONNX graph in int8, written under `home` at its first use; raises as `open_cross`."""
    from rialto.local.cross import CrossEncoder

    joint = CrossEncoder(home / "minilm", model=model)
    products = joint.products(text_of(catalogue), len(catalogue))
    return Cross(
        lambda query, rows, left_s: joint.score(query, products, rows, left_s=left_s),
        joint.version,
        lambda rows: products.ahead(rows.tolist()),
        _TOKENS,
        joint.close,
    )


def paced(cross: Cross, products: int) -> Pace:
    """How long a pair takes on this machine: that of eight products that nobody read before, after one that starts the engine.

    Args:
        cross: Just opened.
        products: How many there are.

    Cost:
        Nine pairs: 10 to 60 ms.
    """
    rows = np.unique(np.linspace(0, max(products - 1, 0), _MEASURED + 1).astype(np.int64))[:products]
    pace = Pace()
    if len(rows) < 2:
        return pace
    cross.read(_QUERY, rows[:1], lambda: float("inf"))
    start = monotonic()
    read = int(np.count_nonzero(~np.isnan(cross.read(_QUERY, rows[1:], lambda: float("inf"))[:, 0])))
    return Pace(max((monotonic() - start) / read, 1e-6)) if read else pace


def train_lists(
    lists: Lists, catalogue: Catalogue, start: CrossModel | None, steps: int, seed: int, tell: Callable[[str], None]
) -> CrossModel:
    """Train on lists, going on from `start`; see `rialto.local.cross_train.train_cross`."""
    from rialto.local.cross_train import Course, train_cross

    text = text_of(catalogue)
    return train_cross(
        lists.queries, lists.offsets, [text(row) for row in lists.rows.tolist()], lists.grades, start=start,
        course=Course(steps=steps, seed=seed), data=lists.fingerprint,
        tell=lambda done, loss: tell(f"training: {done} of {steps} steps, loss {loss:.3f}"),
    )  # fmt: skip
