"""The words of all lines as a trie in arrays, and the words near one that was typed with a slip."""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

__all__ = ["Trie", "near_plain"]

Codes = NDArray[np.uint16]
Ints = NDArray[np.int32]
Floats = NDArray[np.float32]

_STEPS = 20_000  # looks of one search, about half a millisecond at worst
_MOST = 8  # words near a typed one
_SWAP, _TWICE, _LEFT_OUT, _ADDED, _FIRST = 0.6, 0.5, 0.8, 0.8, 0.4  # cost of slips; the last is added at the first letter


@dataclass(frozen=True)
class Trie:
    """Nodes in preorder: the first child of a node with children is the next one.

    Args:
        code: Letter that leads to the node, shape (nodes,), uint16.
        depth: Letters on the way, shape (nodes,), int32; 0 for the root, node 0.
        sibling: Next child of the same parent, shape (nodes,), int32; -1 = none.
        parent: Shape (nodes,), int32.
        ends: How much the word that ends here is used, shape (nodes,), float32; 0 = none ends here.
        best: Greatest `ends` at or below, shape (nodes,), float32.
    """

    code: Codes
    depth: Ints
    sibling: Ints
    parent: Ints
    ends: Floats
    best: Floats

    @classmethod
    def of(cls, letters: Codes, offsets: NDArray[np.int64], weight: Floats) -> Trie:
        """Build from words sorted by their codes, none twice: word w has `letters[offsets[w]:offsets[w+1]]` and `weight[w]` above 0."""
        return cls(*_grown(letters, offsets, weight))

    def spelt(self, node: int) -> Codes:
        """The letters that lead to a node."""
        out: list[int] = []
        while node > 0:
            out.append(int(self.code[node]))
            node = int(self.parent[node])
        return np.array(out[::-1], dtype=np.uint16)

    def near(self, word: Codes, edits: int, beside: Floats, *, whole: bool) -> list[tuple[Codes, float, float]]:
        """Words (`whole`) or beginnings of words near a typed one: letters, cost of the slips, use; the best first, at most 8.

        Args:
            word: As typed.
            edits: Most slips.
            beside: Cost of hitting one letter for another, shape (codes, codes) for the codes of letters, 1 for all beyond it.
        """
        nodes, cost = _near(word, edits, whole, beside, self.code, self.sibling, self.parent, self.ends, self.best, _MOST)
        used = self.ends if whole else self.best
        rows = [(self.spelt(int(n)), float(c), float(used[n])) for n, c in zip(nodes, cost)]
        return sorted(rows, key=lambda r: (r[1] - 0.15 * np.log1p(r[2]), r[0].tolist()))

    def parted(self, word: Codes, *, whole: bool) -> list[int]:
        """Where a blank may be missing: places that leave a word before and a word (`whole`) or the beginning of one behind."""
        return _parted(word, whole, self.code, self.sibling, self.parent, self.ends).tolist()

    def holds(self, word: Codes) -> bool:
        """Whether this is a word."""
        node = _walk(word, self.code, self.sibling, self.parent)
        return node > 0 and float(self.ends[node]) > 0


@nb.njit(cache=True, nogil=True)
def _grown(letters: Codes, offsets: NDArray[np.int64], weight: Floats) -> tuple[Codes, Ints, Ints, Ints, Floats, Floats]:
    size = len(letters) + 1
    code, depth = np.zeros(size, dtype=np.uint16), np.zeros(size, dtype=np.int32)
    sibling, parent = np.full(size, -1, dtype=np.int32), np.zeros(size, dtype=np.int32)
    ends, best = np.zeros(size, dtype=np.float32), np.zeros(size, dtype=np.float32)
    longest = 0
    for w in range(len(weight)):
        longest = max(longest, offsets[w + 1] - offsets[w])
    path = np.zeros(longest + 2, dtype=np.int32)
    high, nodes = 0, 1
    for w in range(len(weight)):
        word = letters[offsets[w] : offsets[w + 1]]
        same = 0
        while same < min(high, len(word)) and code[path[same + 1]] == word[same]:
            same += 1
        for d in range(same, len(word)):
            if d == same and high > same:
                sibling[path[d + 1]] = nodes
            code[nodes], depth[nodes], parent[nodes] = word[d], d + 1, path[d]
            path[d + 1] = nodes
            nodes += 1
        high = len(word)
        ends[path[high]] = weight[w]
    for n in range(nodes - 1, 0, -1):
        best[n] = max(best[n], ends[n])
        best[parent[n]] = max(best[parent[n]], best[n])
    return code[:nodes], depth[:nodes], sibling[:nodes], parent[:nodes], ends[:nodes], best[:nodes]


@nb.njit(cache=True, nogil=True)
def _child(node: int, letter: int, code: Codes, sibling: Ints, parent: Ints) -> int:
    """The child by a letter, -1 where there is none."""
    at = node + 1
    if at >= len(code) or parent[at] != node:
        return -1
    while at >= 0:
        if code[at] == letter:
            return at
        at = sibling[at]
    return -1


@nb.njit(cache=True, nogil=True)
def _walk(word: Codes, code: Codes, sibling: Ints, parent: Ints) -> int:
    node = 0
    for c in word:
        node = _child(node, c, code, sibling, parent)
        if node < 0:
            return -1
    return node


@nb.njit(cache=True, nogil=True)
def _parted(word: Codes, whole: bool, code: Codes, sibling: Ints, parent: Ints, ends: Floats) -> NDArray[np.int64]:
    out = np.empty(len(word), dtype=np.int64)
    n, node = 0, 0
    for at in range(len(word) - 1):
        node = _child(node, word[at], code, sibling, parent)
        if node < 0:
            break
        if ends[node] > 0 and at >= 1:
            rest = _walk(word[at + 1 :], code, sibling, parent)
            if rest > 0 and (ends[rest] > 0 or not whole):
                out[n] = at + 1
                n += 1
    return out[:n].copy()


@nb.njit(cache=True, nogil=True)
def _near(
    word: Codes, edits: int, whole: bool, beside: Floats, code: Codes, sibling: Ints, parent: Ints, ends: Floats, best: Floats, most: int
) -> tuple[Ints, Floats]:  # fmt: skip
    """Nodes within `edits` slips: a search in depth over (node, letters read, slips left, cost); a slip at the first letter takes all."""
    size = len(word)
    found, price, count = np.empty(most, dtype=np.int32), np.empty(most, dtype=np.float32), 0
    stack, costs = np.empty((4096, 3), dtype=np.int64), np.empty(4096, dtype=np.float32)
    stack[0, 0], stack[0, 1], stack[0, 2], costs[0] = 0, 0, edits, 0.0
    top, steps = 1, 0
    while top and steps < _STEPS:
        top -= 1
        steps += 1
        node, at, left, cost = stack[top, 0], stack[top, 1], stack[top, 2], costs[top]
        if at == size and node > 0 and (not whole or ends[node] > 0):
            count = _kept(found, price, count, node, cost, ends if whole else best)
        if at == size and not (whole and left):
            continue
        if top > 3900:
            continue
        fewer = left - 1 if at else 0
        extra = np.float32(0.0 if at else _FIRST)
        if left and at < size:  # a letter too many
            twice = at > 0 and word[at] == word[at - 1]
            stack[top, 0], stack[top, 1], stack[top, 2] = node, at + 1, fewer
            costs[top] = cost + extra + np.float32(_TWICE if twice else _ADDED)
            top += 1
        child = node + 1
        if child >= len(code) or parent[child] != node:
            continue
        while child >= 0:
            steps += 1
            c = code[child]
            if at < size and c == word[at]:
                stack[top, 0], stack[top, 1], stack[top, 2], costs[top] = child, at + 1, left, cost
                top += 1
            elif left:
                if at < size:  # another letter
                    stack[top, 0], stack[top, 1], stack[top, 2] = child, at + 1, fewer
                    known = c < beside.shape[0] and word[at] < beside.shape[0]
                    costs[top] = cost + extra + (beside[word[at], c] if known else np.float32(1.0))
                    top += 1
                if at + 1 < size and c == word[at + 1]:  # two letters exchanged
                    other = _child(int(child), int(word[at]), code, sibling, parent)
                    if other >= 0:
                        stack[top, 0], stack[top, 1], stack[top, 2] = other, at + 2, fewer
                        costs[top] = cost + extra + np.float32(_SWAP)
                        top += 1
            if left:  # a letter left out
                twice = node > 0 and c == code[node]
                stack[top, 0], stack[top, 1], stack[top, 2] = child, at, fewer
                costs[top] = cost + extra + np.float32(_TWICE if twice else _LEFT_OUT)
                top += 1
            child = sibling[child]
            if top > 4090:
                break
    return found[:count].copy(), price[:count].copy()


@nb.njit(cache=True, nogil=True)
def _kept(found: Ints, price: Floats, count: int, node: int, cost: float, used: Floats) -> int:
    """Keep a node among the best few by cost and use, once, at its least cost; how many there are then."""
    worst, worst_rank = 0, -np.inf
    for i in range(count):
        if found[i] == node:
            price[i] = min(price[i], cost)
            return count
        rank = price[i] - 0.15 * np.log1p(used[found[i]])
        if rank > worst_rank:
            worst, worst_rank = i, rank
    if count < len(found):
        found[count], price[count] = node, cost
        return count + 1
    if cost - 0.15 * np.log1p(used[node]) < worst_rank:
        found[worst], price[worst] = node, cost
    return count


def near_plain(word: str, words: list[str], edits: int, *, whole: bool) -> set[str]:
    """Words that `Trie.near` may find at most: within so many slips (restricted Damerau-Levenshtein) of a word, or of its beginning."""
    return {w for w in words if min(_slips(word, w[:n]) for n in ([len(w)] if whole else range(1, len(w) + 1))) <= edits}


def _slips(a: str, b: str) -> int:
    rows = [list(range(len(b) + 1))]
    for i in range(1, len(a) + 1):
        row = [i]
        for j in range(1, len(b) + 1):
            least = min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]))
            swapped = i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]
            row.append(min(least, rows[i - 2][j - 2] + 1) if swapped else least)
        rows.append(row)
    return rows[-1][-1]
