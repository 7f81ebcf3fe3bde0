"""Counts, sums, ratios, last and decaying values by entity: one declaration for live, replay and training."""

from rialto.spine.counters.declare import NOBODY, Counter, Occurred, occurred
from rialto.spine.counters.live import Counters, Taken, replay, replay_plain

__all__ = ["NOBODY", "Counter", "Counters", "Occurred", "Taken", "occurred", "replay", "replay_plain"]
