"""Texts of products as tokens of a transformer, each divided when it is first asked for and then kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["QUERY_TOKENS", "Products", "clean"]

QUERY_TOKENS = 24
"""Tokens of a query that count, its two end marks included."""


class Products:
    """Products' texts as tokens, each divided when it is first asked for and then kept; an encoder's `products` makes one.

    So an updated catalogue is ready at once, and one of half a million products keeps what its shoppers look for.
    """

    def __init__(self, tokenizer: Any, text_of: Callable[[int], str], size: int) -> None:
        self._tokenizer, self._text_of, self._size = tokenizer, text_of, size
        self._kept: dict[int, NDArray[np.uint16]] = {}

    def __len__(self) -> int:
        return self._size

    def of(self, row: int) -> NDArray[np.int64]:
        """Tokens of one text with its two end marks, shape (tokens,); about 0.1 ms at first."""
        if row not in self._kept:
            self._kept[row] = np.array(self._tokenizer.encode(clean(self._text_of(row))).ids, dtype=np.uint16)
        return self._kept[row].astype(np.int64)

    def ahead(self, rows: Sequence[int]) -> None:
        """Divide the texts of `rows` now; some thousands a second."""
        missing = [row for row in rows if row not in self._kept]
        found = self._tokenizer.encode_batch([clean(self._text_of(row)) for row in missing])
        self._kept.update({row: np.array(text.ids, dtype=np.uint16) for row, text in zip(missing, found)})


def clean(text: str) -> str:
    """The text without what no tokenizer takes (lone surrogates), and not longer than any reads."""
    return text[:4000].encode("utf-8", "replace").decode()
