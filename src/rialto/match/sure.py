"""How sure a time is: the interval that the live correction of drives learned, and from it the chance of being late and by how much."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rialto.match.durations import Band
from rialto.match.eta import Corrected
from rialto.match.travel import Travel
from rialto.spine.pipeline import Outcome

__all__ = ["TOLD", "around", "band_of", "lateness", "told_of"]

Floats = NDArray[np.float64]

TOLD = ("pickup_s", "pickup_low_s", "pickup_high_s", "level", "age_s")
"""What `told_of` tells of each pair."""


def band_of(travel: Travel) -> Band | None:
    """The interval of the live correction of drives; None where none is live: then nobody knows how sure a drive is."""
    return travel.times.duration.band if isinstance(travel.times, Corrected) else None


def around(band: Band | None, seconds: Floats) -> tuple[Floats, Floats]:
    """Low and high ends of durations, shape (rows,) each; NaN without a band, and where a duration is not known."""
    if band is None:
        return np.full(len(seconds), np.nan), np.full(len(seconds), np.nan)
    low_s, high_s = band.around(np.asarray(seconds, dtype=np.float64))
    return low_s, high_s


def told_of(outcome: Outcome, band: Band | None) -> dict[str, Floats]:
    """Of the pairs that a window chose, shape (chosen,) each: `pickup_s`, between what it lies as often as `level`, the position's age."""
    rows, ranked = outcome.decisions.rows, outcome.ranked
    if not len(rows):
        return {name: np.zeros(0) for name in TOLD}
    pickup_s, age_s = (ranked.column(name)[rows].astype(np.float64) for name in ("pickup_s", "age_s"))
    level = np.full(len(rows), np.nan if band is None else band.level)
    return dict(zip(TOLD, (pickup_s, *around(band, pickup_s), level, age_s)))


def lateness(band: Band | None, took_s: Floats, moving_s: Floats, left_s: Floats) -> tuple[Floats, Floats]:
    """Probability of being late, and expected seconds late, shape (rows,) each; without a band, or one of that length, as if `took_s` were sure.

    The time is taken to be normal on either side of `took_s`, as wide as the band says on that side: it lies below the low end, and
    above the high one, in (1 - level) / 2 of cases each.

    Args:
        band: What the drives' interval is.
        took_s: Seconds until the door, shape (rows,).
        moving_s: How many of them are driven, which is what the band is about, shape (rows,).
        left_s: Seconds until the promised moment, shape (rows,); NaN = nothing was promised. NaN comes back where either time is.

    Source:
        John (1982), "The three-parameter two-piece normal family of distributions and its fitting", Communications in Statistics 11(8).

    Example:
        >>> chance, late_s = lateness(Band(0.8, np.zeros(0), np.array([0.5]), np.array([2.0])), *(np.full(2, 600.0),) * 2, np.array([600.0, 1200.0]))
        >>> chance.round(2).tolist(), late_s.round(0).tolist()
        ([0.5, 0.1], [187.0, 22.0])
    """
    spare_s = left_s - took_s
    chance, late_s = np.where(spare_s < 0.0, 1.0, 0.0), np.maximum(-spare_s, 0.0)
    if band is not None:
        from scipy.special import ndtr, ndtri  # a fifth of a second that whoever has learned no interval need not wait

        low_s, high_s = band.around(moving_s)
        z = float(ndtri((1.0 + band.level) / 2.0))
        below, above = (moving_s - low_s) / z, (high_s - moving_s) / z
        known = np.isfinite(below) & np.isfinite(above) & (low_s > 0.0) & (below > 0.0) & (above > 0.0)
        below, above = np.where(known, below, 1.0), np.where(known, above, 1.0)
        early = spare_s >= 0.0
        wide = np.where(early, above, below)
        chance = np.where(known, ndtr(-spare_s / wide), chance)
        rest_s = _beyond(spare_s, wide) + np.where(early, 0.0, (above - below) * _HEIGHT)
        late_s = np.where(known, rest_s, late_s)
    unknown = np.isnan(spare_s)
    return np.where(unknown, np.nan, chance), np.where(unknown, np.nan, late_s)


_HEIGHT = float(1.0 / np.sqrt(2.0 * np.pi))


def _beyond(spare_s: Floats, wide: Floats) -> Floats:
    """Mean of how far a normal error of spread `wide` goes beyond `spare_s`."""
    from scipy.special import ndtr

    z = spare_s / wide
    return wide * _HEIGHT * np.exp(-0.5 * z * z) - spare_s * ndtr(-z)
