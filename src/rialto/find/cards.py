"""What a ranker's card says of how it is served: the fields' weights and the fusion before it, and what it counts."""

from __future__ import annotations

from collections.abc import Sequence

from rialto.errors import BadInput
from rialto.find.fusion import Fusion
from rialto.find.weights import DEFAULT, Weights
from rialto.ports import ModelCard

__all__ = ["check_inputs", "share_of_card", "tuning_of"]


def tuning_of(card: ModelCard) -> tuple[Weights, Fusion]:
    """The weights and the fusion that a ranker was trained behind; the defaults where its card says nothing of them."""
    weights, fusion = card.params.get("weights"), card.params.get("fusion")
    return Weights.of_json(weights) if weights else DEFAULT, Fusion.of_json(fusion) if fusion else Fusion.fixed()


def share_of_card(card: ModelCard, name: str) -> float:
    """What the ranker counts next to the order before it; one whose card says nothing of it ranks alone."""
    return float(card.params.get(name, "1"))


def check_inputs(card: ModelCard, known: Sequence[str]) -> None:
    """Raise `BadInput` where a ranker reads columns that the search does not make."""
    absent = [name for name in card.inputs if name not in known]
    if absent:
        raise BadInput(f"the live ranker reads {absent[:10]}, which the features step does not make; train and promote it again.")
