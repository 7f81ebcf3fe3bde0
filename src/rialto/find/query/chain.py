"""A linear-chain conditional random field over hashed features: probabilities of labels in a sequence, and its training."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["best_path", "marginals", "train_chain"]

Floats = NDArray[np.float64]


@njit(cache=True, nogil=True)
def _log_sum(x: Floats) -> float:
    top = x.max()
    return top + np.log(np.sum(np.exp(x - top)))


@njit(cache=True, nogil=True)
def marginals(scores: Floats, moves: Floats) -> Floats:
    """P(label of a word | the whole sequence) by forward and backward sums.

    Args:
        scores: Score of each label of each word, shape (words, labels).
        moves: Score of a label behind another, shape (labels + 1, labels); the last row is the start. -1e9 forbids a pair.

    Returns:
        Shape (words, labels); rows sum to 1.

    Cost:
        O(words x labels^2).

    Source:
        Lafferty, McCallum & Pereira (2001), "Conditional random fields", ICML.
    """
    n, k = scores.shape
    ahead, behind = np.empty((n, k)), np.zeros((n, k))
    ahead[0] = scores[0] + moves[k]
    for i in range(1, n):
        for y in range(k):
            ahead[i, y] = scores[i, y] + _log_sum(ahead[i - 1] + moves[:k, y])
    for i in range(n - 2, -1, -1):
        for y in range(k):
            behind[i, y] = _log_sum(behind[i + 1] + scores[i + 1] + moves[y])
    total = _log_sum(ahead[n - 1])
    return np.exp(ahead + behind - total)


@njit(cache=True, nogil=True)
def best_path(scores: Floats, moves: Floats) -> NDArray[np.int64]:
    """The likeliest labels, shape (words,), by Viterbi's algorithm; arguments as `marginals`."""
    n, k = scores.shape
    best, back = np.empty((n, k)), np.zeros((n, k), dtype=np.int64)
    best[0] = scores[0] + moves[k]
    for i in range(1, n):
        for y in range(k):
            options = best[i - 1] + moves[:k, y]
            back[i, y] = np.argmax(options)
            best[i, y] = scores[i, y] + options[back[i, y]]
    path = np.zeros(n, dtype=np.int64)
    path[n - 1] = np.argmax(best[n - 1])
    for i in range(n - 1, 0, -1):
        path[i - 1] = back[i, path[i]]
    return path


@njit(cache=True, nogil=True)
def train_chain(
    features: NDArray[np.int32], word_start: NDArray[np.int64], query_start: NDArray[np.int64], label: NDArray[np.int64], weight: Floats,
    order: NDArray[np.int64], table: NDArray[np.float32], moves: Floats, rate: float, ridge: float,
) -> float:  # fmt: skip
    """Maximise the conditional log-likelihood by AdaGrad, in place.

    Args:
        features: Rows of `table` that are on, all words' behind one another; word w owns `word_start[w]:word_start[w+1]`.
        query_start: Query q owns words `query_start[q]:query_start[q+1]`.
        label: Right label of each word. `weight`: of each query.
        order: Queries in the order of training, each as often as it is to be seen.
        table: Score of each label by feature, shape (features, labels). `moves` as for `marginals`.
        rate: Step. `ridge`: shrinks the weights that an example touches.

    Returns:
        Mean loss of the last tenth of `order`, in nats a query.

    Source:
        Duchi, Hazan & Singer (2011), "Adaptive subgradient methods", JMLR 12.
    """
    k = table.shape[1]
    sum_table, sum_moves = np.full(table.shape, 1e-2, dtype=np.float32), np.full(moves.shape, 1e-2)
    loss, late = 0.0, 0
    for step in range(len(order)):
        q = order[step]
        first, last = query_start[q], query_start[q + 1]
        n = last - first
        if n == 0:
            continue
        scores = np.zeros((n, k))
        for i in range(n):
            for at in range(word_start[first + i], word_start[first + i + 1]):
                scores[i] += table[features[at]]
        p = marginals(scores, moves)
        if step >= len(order) * 9 // 10:
            for i in range(n):
                loss -= np.log(max(p[i, label[first + i]], 1e-12)) / n
            late += 1
        pair = _pair_gradient(scores, moves, p, label[first:last])
        for a in range(k + 1):
            for b in range(k):
                g = pair[a, b] * weight[q]
                if g != 0.0 and moves[a, b] > -1e8:
                    sum_moves[a, b] += g * g
                    moves[a, b] -= rate * g / np.sqrt(sum_moves[a, b])
        for i in range(n):
            p[i, label[first + i]] -= 1.0
            for at in range(word_start[first + i], word_start[first + i + 1]):
                f = features[at]
                for y in range(k):
                    g = p[i, y] * weight[q] + ridge * table[f, y]
                    sum_table[f, y] += g * g
                    table[f, y] -= rate * g / np.sqrt(sum_table[f, y])
    return loss / max(late, 1)


@njit(cache=True, nogil=True)
def _pair_gradient(scores: Floats, moves: Floats, p: Floats, label: NDArray[np.int64]) -> Floats:
    """Expected less right moves, shape (labels + 1, labels)."""
    n, k = scores.shape
    out = np.zeros((k + 1, k))
    out[k] = p[0]
    out[k, label[0]] -= 1.0
    if n == 1:
        return out
    behind = np.zeros((n, k))
    ahead = np.empty((n, k))
    ahead[0] = scores[0] + moves[k]
    for i in range(1, n):
        for y in range(k):
            ahead[i, y] = scores[i, y] + _log_sum(ahead[i - 1] + moves[:k, y])
    for i in range(n - 2, -1, -1):
        for y in range(k):
            behind[i, y] = _log_sum(behind[i + 1] + scores[i + 1] + moves[y])
    total = _log_sum(ahead[n - 1])
    for i in range(1, n):
        for a in range(k):
            for b in range(k):
                out[a, b] += np.exp(ahead[i - 1, a] + moves[a, b] + scores[i, b] + behind[i, b] - total)
        out[label[i - 1], label[i]] -= 1.0
    return out
