"""The cross-encoder put together: which one reads for a catalogue, and how one is trained for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.find.catalogue import Catalogue
from rialto.find.cross import Read, text_of
from rialto.find.cross_pairs import Lists, judged_lists, made_up_lists
from rialto.find.judgments import Judged
from rialto.find.pipeline import Search

if TYPE_CHECKING:
    from rialto.local.cross_model import CrossModel

__all__ = ["Cross", "cross_of", "open_cross", "train_lists", "trained"]

_STATES = 18_000  # most bytes of one product's states: 46 words of 384 bytes, with their scales
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


def open_cross(home: Path, catalogue: Catalogue, *, layers: int = 6, keep_mb: int = 128) -> Cross:
    """The trained cross-encoder that is live under `home`, else the sentence encoder's words compared, which nobody trains.

    Args:
        home: The folder of all that local engines keep; graphs go to `minilm`, trained models to `cross`.
        catalogue: The products.
        layers: Layers of the untrained one.
        keep_mb: Memory for the product side of the untrained one.

    Raises:
        EngineMissing: the extra `neural` or the weights are not installed; a search goes without this phase then, and says so.
        EngineLost: a file is damaged.
    """
    from rialto.local.cross import CrossEncoder
    from rialto.local.cross_model import CrossShelf
    from rialto.local.late import LateEncoder

    model, text = CrossShelf(home / "cross").live(), text_of(catalogue)
    if model is not None:
        joint = CrossEncoder(home / "minilm", model=model)
        read_products = joint.products(text, len(catalogue))
        return Cross(
            lambda query, rows, left_s: joint.score(query, read_products, rows, left_s=left_s),
            joint.version,
            lambda rows: read_products.ahead(rows.tolist()),
            _TOKENS,
            joint.close,
        )
    late = LateEncoder(home / "minilm", layers=layers, keep_mb=keep_mb)
    products = late.products(text, len(catalogue))
    return Cross(
        lambda query, rows, left_s: late.score(query, products, rows, left_s=left_s),
        late.version,
        lambda rows: late.ahead(products, rows),
        keep_mb * 1_000_000 // _STATES,
        late.close,
    )


def trained(
    home: Path,
    search: Search,
    judged: Judged | None = None,
    *,
    made_up: int = 1500,
    steps: tuple[int, int] = (400, 120),
    seed: int = 0,
    tell: Callable[[str], None] = lambda _: None,
) -> str:
    """Train a cross-encoder on queries made from the catalogue, then on judgments, and keep it under `home`; returns its version.

    It serves once `CrossShelf(home / "cross").promote(version)` says so.

    Args:
        home: As in `open_cross`.
        search: An indexed search, which finds the hard examples.
        judged: Judged queries; None = made-up queries alone.
        made_up: How many queries are made up; 0 = judgments alone.
        steps: Training steps on either.
        seed: Of the made-up queries and the training.
        tell: Told what is being done.

    Raises:
        BadInput: there is nothing to learn from.
        EngineMissing: the extra `train` or the weights are not installed.

    Cost: 48 pairs a step; with these steps more than a quarter of an hour on two busy cores.
    """
    from rialto.local.cross_model import CrossShelf

    model: CrossModel | None = None
    if made_up:
        tell("making queries from the catalogue")
        model = train_lists(made_up_lists(search, lists=made_up, seed=seed), search.catalogue, None, steps[0], seed, tell)
    if judged is not None:
        model = train_lists(judged_lists(search, judged), search.catalogue, model, steps[1], seed, tell)
    if model is None:
        raise BadInput("there are neither made-up queries nor judgments; ask for made_up above 0 or give judgments.")
    return CrossShelf(home / "cross").put(model)


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
