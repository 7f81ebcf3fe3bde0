"""A made-up shop with known truth: products as a catalogue would list them, queries, and how relevant each product is to each query."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.worlds.shop_products import Product, ProductTruth, make_products
from rialto.worlds.shop_queries import Queries, make_queries

__all__ = ["Judgments", "Product", "ProductTruth", "Queries", "Shop", "make_shop"]

_HARD_ZEROS = 30  # irrelevant products judged per query


@dataclass(frozen=True, slots=True)
class Judgments:
    """Judged pairs as columns, shape (rows,): `query` and `product` are row numbers (int64), `grade` is 0..3 (int8)."""

    query: NDArray[np.int64]
    product: NDArray[np.int64]
    grade: NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Shop:
    """A shop: its catalogue, its queries and the truth.

    Args:
        seed: What it was made from.
        products: The catalogue's lines; product r has the id f"p{r:05d}".
        queries: What shoppers ask, and how often.
        grades: How relevant each product is to each query, shape (queries, products), int8 in 0..3.
        truth: What is true of each product.
    """

    seed: int
    products: tuple[Product, ...]
    queries: Queries
    grades: NDArray[np.int8]
    truth: ProductTruth

    def judgments(self) -> Judgments:
        """All pairs of grade 1 and more, and for each query some irrelevant ones drawn among the popular.

        Cost:
            O(queries x products).
        """
        rng = np.random.default_rng((self.seed, 4))
        zeros = rng.choice(len(self.products), size=(len(self.queries), _HARD_ZEROS), p=self.truth.popularity)
        wanted = self.grades > 0
        np.put_along_axis(wanted, zeros, True, axis=1)
        query, product = np.nonzero(wanted)
        return Judgments(query, product, self.grades[query, product])

    def write(self, folder: Path | str, *, pictures: bool = False) -> None:
        """Write catalogue.jsonl, queries.csv, judgments.csv, qrels.txt and, where asked, a picture of every product.

        `judgments.csv` names the query by its text (`query,product_id,grade`), `qrels.txt` by its id (TREC's four columns).

        Args:
            folder: Made where absent; files of these names are replaced.
            pictures: True draws `images/*.png` too, about 10 ms each.
        """
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        with (target / "catalogue.jsonl").open("w", encoding="utf-8") as out:
            out.writelines(json.dumps(product, ensure_ascii=False) + "\n" for product in self.products)
        self._write_queries(target)
        self._write_judgments(target)
        if pictures:
            for name, body in self.pictures():
                (target / name).parent.mkdir(exist_ok=True)
                (target / name).write_bytes(body)

    def pictures(self, *, size: int = 400) -> Iterator[tuple[str, bytes]]:
        """Each product's `image` name and its PNG, drawn as it is asked for."""
        from rialto.worlds.pictures import draw_product

        return ((str(product["image"]), draw_product(product, size=size)) for product in self.products)

    def _write_queries(self, target: Path) -> None:
        with (target / "queries.csv").open("w", encoding="utf-8", newline="") as out:
            table = csv.writer(out, lineterminator="\n")
            table.writerow(("query_id", "query", "kind", "frequency"))
            q = self.queries
            table.writerows((i, t, k, f"{f:.8f}") for i, t, k, f in zip(q.id, q.text, q.kind, q.frequency, strict=True))

    def _write_judgments(self, target: Path) -> None:
        judged = self.judgments()
        rows = list(zip(judged.query.tolist(), judged.product.tolist(), judged.grade.tolist(), strict=True))
        ids = [product["id"] for product in self.products]
        with (target / "judgments.csv").open("w", encoding="utf-8", newline="") as out:
            table = csv.writer(out, lineterminator="\n")
            table.writerow(("query", "product_id", "grade"))
            table.writerows((self.queries.text[q], ids[p], g) for q, p, g in rows)
        with (target / "qrels.txt").open("w", encoding="utf-8") as out:
            out.writelines(f"{self.queries.id[q]} 0 {ids[p]} {g}\n" for q, p, g in rows)


def make_shop(*, seed: int = 0, products: int = 4000) -> Shop:
    """Make a shop from a seed.

    Args:
        seed: Non-negative; the same seed and number give the same shop, byte for byte.
        products: How many; from 4000 on the queries are about 650, for fewer there are fewer.

    Returns:
        The shop, with at least one product of grade 3 for every query.

    Raises:
        BadInput: `products` is below 1 or `seed` below 0.

    Cost:
        About 1 s for 4000 products; grades take queries x products bytes.

    Example:
        >>> shop = make_shop(seed=1, products=200)
        >>> len(shop.products), shop.products[7]["id"], shop.grades.shape == (len(shop.queries), 200)
        (200, 'p00007', True)
    """
    if products < 1:
        raise BadInput(f"products is {products}; wanted 1 or more.")
    if seed < 0:
        raise BadInput(f"seed is {seed}; wanted 0 or more.")
    rows, truth = make_products(seed, products)
    codes = [str(row["attributes"]["model"]) for row in rows]
    queries, relevance = make_queries(seed, truth, codes, scale=min(1.0, products / 1500))
    return Shop(seed, rows, queries, relevance, truth)
