"""How long a drive takes: any TravelTimes engine, corrected by what drives really took, with an interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, BadRow
from rialto.match.durations import Duration, Learned, Material, Spans, learn, live, parts
from rialto.match.plane import east_north_m
from rialto.match.travel import hour_of
from rialto.ports import Models, TravelTimes
from rialto.spine.learn import Fit, Gate, Score

__all__ = ["MODEL", "NAMES", "Corrected", "Trips", "corrected", "inputs_of", "train"]

MODEL = "match.travel"

Floats = NDArray[np.float64]

NAMES = (
    "engine_s",  # what the engine says
    "distance_m",  # straight line
    "hour",  # of the local day, 0 to 24
    "weekday",  # 0 = Monday
    "start_lat", "start_lon", "goal_lat", "goal_lon", "middle_lat", "middle_lon",  # trees cut these into areas where it matters
    "north", "east",  # of the way, -1 to 1
)  # fmt: skip
"""Inputs of the correction, in order."""


@dataclass(frozen=True, slots=True)
class Trips:
    """Drives that were made, a row each.

    Args:
        start, goal: Latitude and longitude, shape (trips, 2), degrees.
        at_s: When each began, shape (trips,), seconds UTC.
        seconds: How long it took, shape (trips,), above 0.

    Raises:
        BadInput: other shapes.
        BadRow: a value that is no place, no time, or no duration above 0; nothing is left out in silence.
    """

    start: Floats
    goal: Floats
    at_s: Floats
    seconds: Floats

    def __post_init__(self) -> None:
        rows = len(self.seconds)
        shapes = self.start.shape, self.goal.shape, self.at_s.shape, self.seconds.shape
        if shapes != ((rows, 2), (rows, 2), (rows,), (rows,)):
            raise BadInput(f"start, goal, at_s and seconds have shapes {shapes}; wanted (trips, 2) twice and (trips,) twice.")
        limits = np.array([90.0, 180.0])
        for name, good, wanted in (
            ("start", (np.abs(self.start) <= limits).all(axis=1), "latitude within 90, longitude within 180 degrees"),
            ("goal", (np.abs(self.goal) <= limits).all(axis=1), "latitude within 90, longitude within 180 degrees"),
            ("at_s", np.isfinite(self.at_s), "finite seconds UTC"),
            ("seconds", np.isfinite(self.seconds) & (self.seconds > 0.0), "seconds above 0"),
        ):
            if not good.all():
                row = int(np.flatnonzero(~good)[0])
                raise BadRow(row + 1, name, getattr(self, name)[row].tolist(), wanted)


def inputs_of(start: Floats, goal: Floats, at_s: Floats, engine_s: Floats, *, offset_s: float = 0.0) -> NDArray[np.float32]:
    """The columns of `NAMES`, shape (trips, inputs); `offset_s` is the local time's lead over UTC.

    Example:
        >>> place = np.array([[0.0, 0.0]])
        >>> inputs_of(place, place + [0.01, 0.0], np.array([3600.0 * 9.5]), np.array([140.0])).round(2)[0, :4].tolist()
        [140.0, 1111.949951171875, 9.5, 3.0]
    """
    east = (goal[:, 1] - start[:, 1] + 180.0) % 360.0 - 180.0
    middle_lat = (start[:, 0] + goal[:, 0]) / 2.0
    east_m, north_m = east_north_m((start[:, 0], start[:, 1]), (goal[:, 0], goal[:, 1]))
    far_m = np.hypot(north_m, east_m)
    way = np.maximum(far_m, 1e-9)
    weekday = (np.floor((at_s + offset_s) / 86_400.0) + 3.0) % 7.0  # 1970 began on a Thursday
    columns = (
        np.where(np.isfinite(engine_s), engine_s, np.nan), far_m, hour_of(at_s, offset_s=offset_s), weekday,
        start[:, 0], start[:, 1], goal[:, 0], goal[:, 1], middle_lat, start[:, 1] + east / 2.0, north_m / way, east_m / way,
    )  # fmt: skip
    return np.stack(columns, axis=1).astype(np.float32)


class Corrected:
    """TravelTimes: an engine's seconds, corrected; what the engine cannot tell (inf, NaN) stays so, and 0 stays 0.

    Args:
        times: The engine that the correction was learned on top of.
        duration: The correction.
        offset_s: Local time's lead over UTC, as in training.
    """

    def __init__(self, times: TravelTimes, duration: Duration, *, offset_s: float = 0.0) -> None:
        if duration.card.inputs != NAMES:
            raise BadInput(
                f"the model takes {list(duration.card.inputs)}; a correction of drives takes {list(NAMES)}. Train it again."
            )
        self.times, self.duration, self.offset_s = times, duration, float(offset_s)

    def seconds(self, start: Floats, goal: Floats, *, at_s: Floats) -> Floats:
        """Expected seconds of each trip, shape (trips,); see `TravelTimes.seconds`, and the engine's errors."""
        return self.spans(start, goal, at_s=at_s).seconds

    def spans(self, start: Floats, goal: Floats, *, at_s: Floats) -> Spans:
        """As `seconds`, with the interval around it."""
        engine_s = self.times.seconds(start, goal, at_s=at_s)
        a, b, when = (np.asarray(x, dtype=np.float64) for x in (start, goal, at_s))
        return self.duration.spans(inputs_of(a, b, when, engine_s, offset_s=self.offset_s), engine_s)


def corrected(times: TravelTimes, models: Models) -> TravelTimes:
    """The engine with the live correction on top, or the engine alone where none was promoted."""
    duration = live(models, MODEL)
    if duration is None:
        return times
    return Corrected(times, duration, offset_s=float(duration.card.params.get("offset_s", "0")))


def train(
    trips: Trips, times: TravelTimes, models: Models, *, fit: Fit, score: Score, seed: int = 0, gate: Gate | None = None,
    offset_s: float = 0.0, level: float = 0.9,
) -> Learned:  # fmt: skip
    """Learn the correction of `times` from trips, judge it on trips held out, and promote it where the gate lets it pass.

    It is compared with the correction that is live, or with the engine alone. Trips that the engine cannot tell, or takes for none,
    teach nothing.

    Args:
        trips: Drives that were made.
        times: The engine, without a correction.
        models: Where versions are kept.
        fit: Trains trees on examples (squared error), with a seed; returns the model's body.
        score: Scores by body or by version.
        seed: Of split, training and the gate's interval.
        gate: What must be shown; None = less `deviance`, surely, on at least 200 trips.
        offset_s: Local time's lead over UTC.
        level: How often the interval is to hold.

    Raises:
        EngineBusy, EngineLost: as the engine.
    """
    engine_s = times.seconds(trips.start, trips.goal, at_s=trips.at_s)
    used = np.isfinite(engine_s) & (engine_s > 0.0)
    engine_s, took_s = engine_s[used], trips.seconds[used]
    start, goal, at_s = trips.start[used], trips.goal[used], trips.at_s[used]
    before = live(models, MODEL)
    before_s = engine_s
    if before is not None:
        old = inputs_of(start, goal, at_s, engine_s, offset_s=float(before.card.params.get("offset_s", "0")))
        before_s = before.spans(old, engine_s).seconds
    inputs = inputs_of(start, goal, at_s, engine_s, offset_s=offset_s)
    material = Material(NAMES, inputs, engine_s, took_s, parts(len(took_s), seed=seed), before_s)
    kept = {"offset_s": repr(float(offset_s))}
    return learn(MODEL, material, models, fit=fit, score=score, seed=seed, gate=gate, level=level, params=kept)
