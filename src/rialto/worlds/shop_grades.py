"""How relevant a product of the made-up shop is to what a shopper meant: grades 0 to 3 from the truth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput
from rialto.worlds.shop_data import AttributeValue, product_types, words
from rialto.worlds.shop_products import ProductTruth

__all__ = ["Constraint", "Intent", "grades"]

_NEAR_PRICE = 1.15  # a bound is nearly met up to 15 % above it
_NEAR_NUMBER = 0.25  # a number is nearly met within a quarter of it
_SAME_NUMBER = 0.01


@dataclass(frozen=True, slots=True)
class Constraint:
    """One thing a shopper insists on.

    Args:
        name: `colour`, `brand`, `price_cents` or an attribute.
        relation: `is`, `is not`, `about` (a number) or `at most`.
        value: What it is compared with.
    """

    name: str
    relation: str
    value: AttributeValue


@dataclass(frozen=True, slots=True)
class Intent:
    """What a query means.

    Args:
        types: Type numbers that it may mean; empty = any.
        constraints: What must hold besides.
        group: The one model that is meant; -1 = none.
    """

    types: tuple[int, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    group: int = -1


def grades(intent: Intent, truth: ProductTruth) -> NDArray[np.int8]:
    """Grade every product for one intent.

    The right type with all constraints met is 3; with one missed by little, or one of several missed, 2; otherwise 1. A type of the same
    aisle is 1 where all constraints are met. Where one model is meant, only its variants are 3, and what else meets the constraints is 1.

    Args:
        intent: What was meant.
        truth: The products.

    Returns:
        Shape (products,), int8 in 0..3.

    Raises:
        BadInput: a constraint's relation is unknown.

    Cost:
        O(products x constraints).
    """
    right, related = _shelf(intent.types, truth)
    missed = np.zeros(len(truth.type), dtype=np.int64)
    barely = np.zeros(len(truth.type), dtype=bool)
    for constraint in intent.constraints:
        meets, near = _holds(constraint, truth)
        missed += ~meets
        barely |= near & ~meets
    all_met = missed == 0
    if intent.group >= 0:
        return np.where(truth.group == intent.group, 3, np.where(right & all_met, 1, 0)).astype(np.int8)
    if not intent.types:
        return np.where(all_met, 3, 0).astype(np.int8)
    close = (missed == 1) & (barely | (len(intent.constraints) > 1))
    inside = np.where(all_met, 3, np.where(close, 2, 1))
    return np.where(right, inside, np.where(related & all_met, 1, 0)).astype(np.int8)


def _shelf(types: tuple[int, ...], truth: ProductTruth) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    aisles = _aisles()
    right = np.isin(truth.type, np.array(types, dtype=np.int64))
    near = [number for number, aisle in enumerate(aisles) if aisle in {aisles[t] for t in types}]
    return right, np.isin(truth.type, np.array(near, dtype=np.int64))


@cache
def _aisles() -> tuple[str, ...]:
    return tuple(t.aisle for t in product_types())


def _holds(constraint: Constraint, truth: ProductTruth) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where it is met, and where it is met or nearly so."""
    if constraint.name == "colour":
        return _colours(str(constraint.value), truth)
    if constraint.name == "brand":
        meets = truth.brand == truth.brand_names.index(str(constraint.value))
        return meets, meets
    if constraint.relation == "at most":
        bound = float(constraint.value)
        return truth.price_cents <= bound, truth.price_cents <= bound * _NEAR_PRICE
    column = truth.attributes[constraint.name]
    if constraint.relation == "about":
        wanted = float(constraint.value)
        gap = np.abs(np.array([np.inf if v is None else float(v) - wanted for v in column]))
        return gap <= _SAME_NUMBER * abs(wanted), gap <= _NEAR_NUMBER * abs(wanted)
    if constraint.relation not in ("is", "is not"):
        raise BadInput(f"relation {constraint.relation!r} is unknown; wanted is, is not, about or at most.")
    exact = np.asarray(column == constraint.value, dtype=bool)
    # "organic cotton" is nearly "cotton", and is not without cotton.
    kind = exact | np.array([isinstance(v, str) and v.endswith(f" {constraint.value}") for v in column], dtype=bool)
    return (exact, kind) if constraint.relation == "is" else (~kind, ~kind)


def _colours(wanted: str, truth: ProductTruth) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    like = [n for n, name in enumerate(truth.colour_names) if (wanted, name) in words().near]
    meets = truth.colour == truth.colour_names.index(wanted)
    return meets, meets | np.isin(truth.colour, np.array(like, dtype=np.int64))
