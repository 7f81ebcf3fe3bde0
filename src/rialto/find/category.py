"""A category's page without a query: its products, the way down to it, and what lies below, with counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Unpack

from rialto.errors import NothingHere, known
from rialto.find.page import Asked, answer
from rialto.find.pipeline import Search
from rialto.find.records import BROWSE, FacetValue, SearchPage, Selections, join_path, split_path
from rialto.spine.pipeline import Outcome

__all__ = ["CategoryPage", "category"]


@dataclass(frozen=True, slots=True)
class CategoryPage:
    """A category as people walk through it.

    Args:
        path: Its levels, widest first; () = the whole shop.
        trail: The categories from the widest down to this one, this one last, with their counts.
        children: The categories right below it that hold something, the fullest first.
        page: Its products with facets, like any search.
    """

    path: tuple[str, ...]
    trail: tuple[FacetValue, ...]
    children: tuple[FacetValue, ...]
    page: SearchPage


def category(search: Search, path: str, **asked: Unpack[Asked]) -> tuple[CategoryPage, Outcome]:
    """The page of one category, and the outcome behind it for the decision log; the most popular first unless a sort is asked for.

    Args:
        path: Levels divided by "/" or ">"; "" = the whole shop.
        asked: As for `rialto.find.page.answer`; a category among the selections gives way to `path`.

    Raises:
        NothingHere: there is no such category; the text names those like it.
        BadInput: as `answer`.

    Cost:
        That of the products in the category, and of the page's depth.
    """
    levels = split_path(path)
    here, table = join_path(levels), search.facet_table
    if levels and (1, here) not in table.code_of:
        names = table.value[int(table.start[1]) : int(table.start[2])]
        raise NothingHere(f"there is no category {path[:200]!r}; known: {known(here[:200], names)}.")
    chosen = asked.get("selections") or Selections()
    rest = {f: v for f, v in chosen.values.items() if f != "category"}
    asked["selections"] = replace(chosen, values=rest | ({"category": (here,)} if levels else {}))
    page, outcome = answer(search, BROWSE, **asked)
    lines = {v.value: v for f in page.facets if f.name == "category" for v in f.values}
    way = [join_path(levels[: n + 1]) for n in range(len(levels))]
    trail = tuple(lines.get(w, FacetValue(w, split_path(w)[-1], 0)) for w in way)
    children = tuple(v for v in lines.values() if split_path(v.value)[:-1] == levels)
    return CategoryPage(levels, trail, children, page), outcome
