"""How a dispatch system is put together from engines, whoever opens it: the made-up city, a real fleet, a shard's process."""

from __future__ import annotations

from rialto.app.engines import Engines
from rialto.app.learning import kept_ahead
from rialto.config import Settings
from rialto.match.blocked import Blocked
from rialto.match.eta import corrected
from rialto.match.pipeline import Dispatch, build
from rialto.match.records import Plane
from rialto.match.track import Limits, Track
from rialto.match.travel import Travel
from rialto.ports import EventLog, GeoIndex

__all__ = ["limits_of", "wired"]


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
        track=Track(geo, plane, limits=limits_of(engines.settings)),
        offers=offers,
        decisions=decisions,
        ahead=kept_ahead(engines.blobs(), plane),
        blocked=blocked,
        offset_s=engines.settings.fleet.utc_offset_s if engines.settings.fleet.on else 0.0,
    )


def limits_of(settings: Settings) -> Limits:
    """When a ping of the fleet is believed; a made-up city has the usual limits, whatever the settings say of a fleet."""
    said = settings.fleet
    if not said.on:
        return Limits()
    return Limits(fresh_s=said.fresh_s, ahead_s=said.ahead_s, accuracy_m=said.accuracy_m, speed_mps=said.speed_mps)
