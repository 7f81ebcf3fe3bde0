"""What shoppers of a shop did, as it is kept among the blobs and brought up to date from the decision log."""

from __future__ import annotations

import logging

import numpy as np

from rialto.errors import BadInput, NothingHere
from rialto.find.behaviour import Behaviour
from rialto.ports import Blobs
from rialto.spine.log import DecisionLog

__all__ = ["behaviour_of", "kept_behaviour"]


def kept_behaviour(blobs: Blobs, ranker: str) -> Behaviour:
    """What was kept for the shop with this ranker; nothing known where there is none, or where it is damaged (the log has it all)."""
    try:
        return Behaviour.load(blobs.get(_name(ranker)))
    except NothingHere:
        return Behaviour.none()
    except BadInput as e:
        logging.getLogger("rialto").warning("%s It is read from the log again.", e)
        return Behaviour.none()


def behaviour_of(blobs: Blobs, log: DecisionLog, ranker: str, *, until_s: float = np.inf, start: int = 0) -> Behaviour:
    """What shoppers of one shop did up to a moment: what was kept, with what the log tells of the time since; and keep it.

    Args:
        blobs: Where it is kept.
        log: Decisions and feedback of all shops.
        ranker: Name of the shop's ranker, which its decisions pin.
        until_s: The moment; where what was kept is later, that stays.
        start: Offset from which the log is read: what lies below it is all older than what was kept.

    Cost:
        One pass over the log from there.
    """
    before = kept_behaviour(blobs, ranker)
    if until_s <= before.until_s:
        return before
    now = before.with_more(log, until_s=until_s, start=start, having=ranker)
    if now is not before:
        blobs.put(_name(ranker), now.save())
    return now


def _name(ranker: str) -> str:
    return f"behaviour/{ranker}.npz"
