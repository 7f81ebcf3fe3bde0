"""What columns are called: names folded to one writing, and the names that are known for each field."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

__all__ = ["by_folded", "folded", "known_names", "scales"]


def folded(name: str) -> str:
    """A column's name as `data/columns.toml` writes them: lower case, words divided by "_"; `g:` of a merchant feed left out.

    Example:
        >>> [folded(n) for n in ("Product Name", "category hierarchy", "productID", "g:image_link", "Price (USD)", "SKU", "item.id")]
        ['product_name', 'category_hierarchy', 'product_id', 'image_link', 'price_usd', 'sku', 'item_id']
    """
    text = re.sub(r"^\s*g:", "", name)
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", text)
    text = re.sub(r"[\W_]+", "_", text.lower())
    return text.strip("_") if not text.startswith("_id") else text.rstrip("_")


def by_folded(columns: Iterable[str]) -> dict[str, str]:
    """Folded name -> column; of two that fold alike the first."""
    out: dict[str, str] = {}
    for c in columns:
        out.setdefault(folded(c), c)
    return out


@lru_cache(maxsize=1)
def _data() -> Mapping[str, Any]:
    return tomllib.loads(files("rialto.find").joinpath("data/columns.toml").read_text(encoding="utf-8"))


def known_names(kind: str) -> Mapping[str, tuple[str, ...]]:
    """Field -> folded names, the likeliest first, of a `catalogue`, of `judgments` or of `queries`."""
    return {field: tuple(names) for field, names in _data()[kind].items()}


def scales() -> tuple[tuple[frozenset[str], ...], ...]:
    """The scales of graders' words: for each grade from 0 the words that mean it."""
    return tuple(tuple(frozenset(words) for words in scale["words"]) for scale in _data()["scale"])
