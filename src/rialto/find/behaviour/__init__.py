"""What shoppers did, as columns: a leg of retrieval, features of the trees and implicit judgments, all from the decision log."""

from rialto.find.behaviour.features import BEHAVIOUR, behaviour_features
from rialto.find.behaviour.implicit import implicit, judgment_rows
from rialto.find.behaviour.leg import CLICKS, behaviour_leg, clicks_bonus
from rialto.find.behaviour.store import Behaviour, key_of

__all__ = [
    "BEHAVIOUR",
    "CLICKS",
    "Behaviour",
    "behaviour_features",
    "behaviour_leg",
    "clicks_bonus",
    "implicit",
    "judgment_rows",
    "key_of",
]
