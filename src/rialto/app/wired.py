"""How a dispatch system is put together from engines, whoever opens it: the made-up city, a real fleet, a shard's process."""

from __future__ import annotations

from rialto.app.engines import Engines
from rialto.app.learning import kept_ahead
from rialto.match.blocked import Blocked
from rialto.match.eta import corrected
from rialto.match.pipeline import Dispatch, build
from rialto.match.records import Plane
from rialto.match.track import Track
from rialto.match.travel import Travel
from rialto.ports import EventLog, GeoIndex

__all__ = ["wired"]


def wired(
    engines: Engines,
    geo: GeoIndex,
    plane: Plane,
    *,
    offers: EventLog,
    decisions: EventLog | None = None,
    blocked: Blocked | None = None,
) -> Dispatch:
    """The dispatch system over `engines`: travel times with their live correction, and what drivers are worth later, as it was kept.

    Args:
        engines: Where travel times, models and blobs come from.
        geo: Where its drivers will be, empty; the caller closes it.
        plane: Map that degrees are laid on.
        offers: Log of orders and offers, which is recovered from at once.
        decisions: Log of decisions, or None to keep none.
        blocked: Pairs (customer, driver) that must not meet.
    """
    models = engines.models()
    return build(
        geo=geo,
        travel=Travel(corrected(engines.travel(), models)),
        models=models,
        track=Track(geo, plane),
        offers=offers,
        decisions=decisions,
        ahead=kept_ahead(engines.blobs(), plane),
        blocked=blocked,
    )
