"""Made-up problems in the format of Li and Lim, each with a plan that serves all."""

from __future__ import annotations

import numpy as np

from rialto.match.routes.li_lim import Instance, parse_instance

__all__ = ["made_up", "made_up_text"]


def made_up_text(seed: int, *, orders: int = 8, capacity: int = 20) -> str:
    """The text of an instance: places in a square of 100, windows that a vehicle of its own can keep.

    Example:
        >>> made_up_text(1, orders=2).splitlines()[0]
        '2 20 1'
    """
    rng = np.random.default_rng(seed)
    end, serve = 600, 10
    rows = [f"0 50 50 0 0 {end} 0 0 0"]
    for o in range(orders):
        (ax, ay), (bx, by) = rng.integers(0, 101, (2, 2)).tolist()
        out, way, back = np.hypot(ax - 50, ay - 50), np.hypot(ax - bx, ay - by), np.hypot(bx - 50, by - 50)
        first = int(np.ceil(out)) + int(rng.integers(0, 300))
        then = first + serve + int(np.ceil(way))
        last = int(end - serve - np.ceil(back))
        wide = rng.integers(20, 120, 2).tolist()
        load = int(rng.integers(1, capacity // 2))
        p, d = 2 * o + 1, 2 * o + 2
        rows.append(f"{p} {ax} {ay} {load} {first} {first + wide[0]} {serve} 0 {d}")
        rows.append(f"{d} {bx} {by} {-load} {min(then, last)} {min(then + wide[1], last)} {serve} {p} 0")
    return "\n".join([f"{orders} {capacity} 1", *rows]) + "\n"


def made_up(seed: int, *, orders: int = 8, capacity: int = 20) -> Instance:
    """The same, read."""
    return parse_instance(made_up_text(seed, orders=orders, capacity=capacity), f"made_up_{seed}")
