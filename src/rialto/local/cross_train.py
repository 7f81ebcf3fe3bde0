"""Training of the cross-encoder with PyTorch (extra `train`): the upper layers, which read query and product together, and the head."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, EngineMissing
from rialto.local import minilm
from rialto.local.bert import HEADS, WIDTH
from rialto.local.cross_graph import CrossShape, Head
from rialto.local.cross_model import CrossModel
from rialto.local.tokens import QUERY_TOKENS, clean

__all__ = ["Course", "train_cross"]

Told = Callable[[int, float], None]
"""Told the steps done and the mean loss since it was last told."""


@dataclass(frozen=True, slots=True)
class Course:
    """How training goes.

    Args:
        steps: Changes of the weights.
        queries, products: Lists in a step, and products of each, 2 or more.
        rate: Highest step size of the layers; the head's is 20 times as large. It rises over a tenth of the steps, then falls to 0.
        tokens: Most tokens of a product's text.
        seed: Which lists and products come when.

    Raises:
        BadInput: a number is out of range.
    """

    steps: int = 300
    queries: int = 4
    products: int = 12
    rate: float = 5e-5
    tokens: int = 48
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.queries < 1 or self.products < 2 or not self.rate > 0 or not 3 <= self.tokens <= 256:
            raise BadInput(f"{self}; wanted steps and queries of 1 or more, 2 products or more, a rate above 0, 3 to 256 tokens.")


def train_cross(
    queries: Sequence[str],
    offsets: NDArray[np.int64],
    texts: Sequence[str],
    grades: NDArray[np.float64],
    *,
    start: CrossModel | None = None,
    course: Course | None = None,
    data: str = "",
    tell: Told = lambda steps, loss: None,
) -> CrossModel:
    """Train on lists of graded products, so that a list's good products get most of a softmax over its scores (ListNet).

    The lower layers are as they came and see query and product apart, so their states are computed once for each text.

    Args:
        queries: Texts, shape (lists,).
        offsets: Products of each list, shape (lists + 1,).
        texts: Products' texts, shape (entries,); the same text may stand in many lists.
        grades: Shape (entries,), 0 = not wanted; gains are 2^grade - 1.
        start: Where to go on from; None = the sentence encoder, six layers with the upper three together.
        course: How; None = its defaults.
        data: Fingerprint of the lists, for the card.
        tell: Told every 50 steps.

    Raises:
        BadInput: lengths do not fit, or no list has both wanted and unwanted products.
        EngineMissing: PyTorch is not installed.

    Cost:
        15 to 45 ms a pair were seen on two cores, and three times that on busy ones; 30 kB of memory for each different text.

    Source:
        Cao, Qin, Liu, Tsai, Li (2007), "Learning to rank: from pairwise approach to listwise approach".
    """
    sizes = np.diff(offsets)
    if len(queries) != len(sizes) or len(texts) != len(grades) or (len(sizes) and int(offsets[-1]) != len(texts)):
        raise BadInput(f"{len(queries)} queries, {len(sizes)} lists, {len(texts)} texts and {len(grades)} grades do not fit.")
    parts = [np.arange(a, b) for a, b in zip(offsets[:-1].tolist(), offsets[1:].tolist())]
    usable = [at for at, part in enumerate(parts) if len(part) and grades[part].max() > max(0.0, grades[part].min())]
    if not usable:
        raise BadInput(f"none of the {len(queries)} lists has both wanted and unwanted products; there is nothing to learn.")
    how, model = course or Course(), start or CrossModel.untrained(CrossShape(minilm.LAYERS, minilm.LAYERS // 2))
    net = _Net(model, how.tokens)
    rng = np.random.default_rng(how.seed)
    sums, order, held = 0.0, list[int](), dict[str, Any]()
    for step in range(how.steps):
        chosen = list[NDArray[np.int64]]()
        while len(chosen) < how.queries:
            order = order or rng.permutation(usable).tolist()
            chosen.append(_drawn(parts[order.pop()], grades, how.products, rng))
        owner = np.searchsorted(offsets, np.array([part[0] for part in chosen]), side="right") - 1
        asked: list[int] = np.repeat(owner, how.products).tolist()
        told: list[int] = np.concatenate(chosen).tolist()
        pairs = [(queries[at], texts[entry]) for at, entry in zip(asked, told)]
        sums += net.step(pairs, np.exp2(grades[np.stack(chosen)]) - 1.0, _pace(step, how), held)
        if step % 50 == 49:
            tell(step + 1, sums / 50)
            sums = 0.0
    return net.model(data, {**{k: str(v) for k, v in asdict(how).items()}, "lists": str(len(usable)), "start": model.version})


def _drawn(part: NDArray[np.int64], grades: NDArray[np.float64], size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Entries of one list: up to half of them wanted, the rest not; some twice where there are too few."""
    wanted, others = rng.permutation(part[grades[part] > 0]), rng.permutation(part[grades[part] <= 0])
    wanted = wanted[: max(size // 2, size - len(others))]
    chosen = np.concatenate([wanted, others[: size - len(wanted)]])
    return np.concatenate([chosen, rng.choice(chosen, size - len(chosen))]) if len(chosen) < size else chosen[:size]


def _pace(step: int, how: Course) -> float:
    return how.rate * min(1.0, (step + 1) / max(how.steps / 10, 1.0)) * (1.0 - step / how.steps)


class _Net:
    """The model in PyTorch, as `cross_graph` has it."""

    def __init__(self, model: CrossModel, tokens: int) -> None:
        try:
            self._torch: Any = import_module("torch")
        except ImportError as missing:
            raise EngineMissing("torch, which trains the cross-encoder,", "pip install 'rialto[train]'") from missing
        t, self._shape = self._torch, model.shape
        self._names = [n for at in range(model.shape.apart, model.shape.layers) for n in _layer_names(at)]
        values: Mapping[str, NDArray[Any]] = {**minilm.weights(), **model.weights}
        self._w: dict[str, Any] = {n: t.tensor(np.array(v, dtype=np.float32)) for n, v in values.items() if v.dtype.kind == "f"}
        for name in self._names:
            self._w[name].requires_grad_()
        head = [model.head.states, np.float32(model.head.cos), np.float32(model.head.sim)]
        self._head = [t.tensor(np.array(part, dtype=np.float32), requires_grad=True) for part in head]
        groups = [{"params": [self._w[n] for n in self._names]}, {"params": self._head}]
        self._optimiser = t.optim.AdamW([g for g in groups if g["params"]], lr=1e-9, weight_decay=0.01)
        self._asked, self._told = minilm.tokenizer(QUERY_TOKENS), minilm.tokenizer(tokens)

    def step(self, pairs: Sequence[tuple[str, str]], gains: NDArray[np.float64], rate: float, held: dict[str, Any]) -> float:
        """One change of the weights from pairs, list after list, with `gains` (lists, products); returns the loss."""
        t = self._torch
        scores = self.score(pairs, held).view(*gains.shape)
        goal = t.tensor((gains / gains.sum(axis=1, keepdims=True)).astype(np.float32))
        loss = -(goal * t.log_softmax(scores, 1)).sum(1).mean()
        self._optimiser.zero_grad()
        loss.backward()
        for group in self._optimiser.param_groups:
            group["lr"] = rate * (20.0 if group["params"][0] is self._head[0] else 1.0)
        self._optimiser.step()
        return float(loss.item())

    def score(self, pairs: Sequence[tuple[str, str]], held: dict[str, Any]) -> Any:
        """Scores (pairs,), with gradients; `held` keeps the lower layers' states from call to call."""
        t = self._torch
        asked = self._states([q for q, _ in pairs], self._asked, "q", held)
        told = self._states([p for _, p in pairs], self._told, "p", held)
        (q, q_mask), (p, p_mask) = self._padded(asked), self._padded(told)
        x, mask = t.cat([q, p], 1), t.cat([q_mask, p_mask], 1)
        for at in range(self._shape.apart, self._shape.layers):
            x = self._layer(x, mask, at)
        q, p = x[:, : q.shape[1]], x[:, q.shape[1] :]
        cos = t.cosine_similarity(_mean(q, q_mask), _mean(p, p_mask))
        near = t.nn.functional.normalize(q, dim=-1) @ t.nn.functional.normalize(p, dim=-1).transpose(1, 2)
        best = near.masked_fill(~self._words(p_mask)[:, None, :], -1.0).max(2).values
        words = self._words(q_mask)
        sim = (best * words).sum(1) / words.sum(1).clamp(min=1)
        return _mean(x, mask) @ self._head[0] + self._head[1] * cos + self._head[2] * sim

    def model(self, data: str, params: Mapping[str, str]) -> CrossModel:
        """What was learned."""
        states, cos, sim = (part.detach().numpy().copy() for part in self._head)
        weights = {n: self._w[n].detach().numpy().astype(np.float16).astype(np.float32) for n in self._names}
        return CrossModel(self._shape, Head(states, float(cos), float(sim)), weights, data, params)

    def _states(self, texts: Sequence[str], tokenizer: Any, side: str, held: dict[str, Any]) -> list[Any]:
        """The lower layers' states of each text, (tokens, 384), computed once."""
        t, missing = self._torch, sorted({text for text in texts if side + text not in held})
        with t.no_grad():
            for text in missing:
                ids = t.tensor([tokenizer.encode(clean(text)).ids])
                x = self._embedded(ids)
                for at in range(self._shape.apart):
                    x = self._layer(x, t.ones(ids.shape, dtype=t.bool), at)
                held[side + text] = x[0].half()
        return [held[side + text] for text in texts]

    def _embedded(self, ids: Any) -> Any:
        w, prefix = self._w, "embeddings."
        places = w[prefix + "position_embeddings.weight"][: ids.shape[1]] + w[prefix + "token_type_embeddings.weight"][0]
        return self._normal(w[prefix + "word_embeddings.weight"][ids] + places, prefix + "LayerNorm.")

    def _layer(self, x: Any, mask: Any, at: int) -> Any:
        f, (rows, tokens, _), prefix = self._torch.nn.functional, x.shape, f"encoder.layer.{at}."
        q, k, v = (
            self._dense(x, f"{prefix}attention.self.{n}.").view(rows, tokens, HEADS, WIDTH // HEADS).transpose(1, 2)
            for n in ("query", "key", "value")
        )
        mixed = f.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :]).transpose(1, 2)
        attended = self._dense(mixed.reshape(rows, tokens, WIDTH), prefix + "attention.output.dense.")
        x = self._normal(x + attended, prefix + "attention.output.LayerNorm.")
        wide = f.gelu(self._dense(x, prefix + "intermediate.dense."))
        return self._normal(x + self._dense(wide, prefix + "output.dense."), prefix + "output.LayerNorm.")

    def _dense(self, x: Any, prefix: str) -> Any:
        return self._torch.nn.functional.linear(x, self._w[prefix + "weight"], self._w[prefix + "bias"])

    def _normal(self, x: Any, prefix: str) -> Any:
        return self._torch.nn.functional.layer_norm(x, (WIDTH,), self._w[prefix + "weight"], self._w[prefix + "bias"], 1e-12)

    def _padded(self, states: Sequence[Any]) -> tuple[Any, Any]:
        t, width = self._torch, max(len(s) for s in states)
        out, mask = t.zeros(len(states), width, WIDTH), t.zeros(len(states), width, dtype=t.bool)
        for row, s in enumerate(states):
            out[row, : len(s)], mask[row, : len(s)] = s, True
        return out, mask

    def _words(self, mask: Any) -> Any:
        """The mask without each text's two end marks."""
        words, last = mask.clone(), mask.sum(1) - 1
        words[:, 0] = False
        words[self._torch.arange(len(mask)), last] = False
        return words


def _mean(x: Any, mask: Any) -> Any:
    return (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


def _layer_names(at: int) -> list[str]:
    prefix = f"encoder.layer.{at}."
    dense = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense", "intermediate.dense")
    parts = (*dense, "output.dense", "attention.output.LayerNorm", "output.LayerNorm")
    return [f"{prefix}{part}.{kind}" for part in parts for kind in ("weight", "bias")]
