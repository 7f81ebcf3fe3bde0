"""A linear softmax classifier over sparse features: its training, and one step of it in plain numpy for comparison."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["train_softmax"]

Floats = NDArray[np.float32]


@njit(cache=True, nogil=True)
def train_softmax(
    feature: NDArray[np.int32], start: NDArray[np.int64], target: NDArray[np.int32], weight: Floats, order: NDArray[np.int64],
    table: Floats, rate: float, ridge: float,
) -> float:  # fmt: skip
    """Maximise the log-likelihood of the targets by AdaGrad, in place.

    Args:
        feature: Features of all examples behind one another; example e owns `start[e]:start[e+1]`. Each counts 1/sqrt(features of e).
        target: Right class of each example, `weight` how much it counts.
        order: Examples in the order of training, each as often as it is to be seen.
        table: Score of each class by feature, shape (features + 1, classes); the last row is the bias.
        rate: Step. `ridge`: shrinks the weights that an example touches.

    Returns:
        Mean loss of the last tenth of `order`, nats.

    Cost:
        O(examples x features of one x classes).

    Source:
        Duchi, Hazan & Singer (2011), "Adaptive subgradient methods", JMLR 12.
    """
    bias, classes = table.shape[0] - 1, table.shape[1]
    seen = np.full(table.shape, 1e-3, dtype=np.float32)
    loss, late = 0.0, 0
    p = np.empty(classes, dtype=np.float32)
    for step in range(len(order)):
        e = order[step]
        first, last = start[e], start[e + 1]
        scale = np.float32(1.0 / np.sqrt(max(last - first, 1)))
        p[:] = table[bias]
        for at in range(first, last):
            p += scale * table[feature[at]]
        p = np.exp(p - p.max())
        p /= p.sum()
        if step >= len(order) * 9 // 10:
            loss -= np.log(max(p[target[e]], 1e-9))
            late += 1
        p[target[e]] -= 1.0
        for at in range(first, last + 1):
            row, size = (bias, np.float32(0.1)) if at == last else (feature[at], scale)
            for c in range(classes):
                g = np.float32(p[c] * size * weight[e] + ridge * table[row, c])
                seen[row, c] += g * g
                table[row, c] -= np.float32(rate) * g / np.sqrt(seen[row, c])
    return loss / max(late, 1)
