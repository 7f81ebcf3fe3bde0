"""What runs where a shard is: its dispatch system over its log, leading, or following the log of the one that leads until it is asked to."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from rialto.app.engines import Engines
from rialto.app.renewing import SWEEP_S, Renewing
from rialto.app.terms import Barred
from rialto.app.wired import wired
from rialto.config import Settings
from rialto.errors import BadInput, EngineBusy, EngineError, EngineLost, NothingHere, RialtoError
from rialto.match.offers import Message
from rialto.match.pipeline import Dispatch
from rialto.match.records import Drivers, Orders, Pings, Plane
from rialto.match.shard import Parcel, Presence, Shard
from rialto.ports import EventLog

__all__ = ["TARGET", "ShardWorker", "answered", "reading", "spec_of"]

TARGET = "rialto.app.shard_worker:ShardWorker"
"""Where a host, of whatever kind, finds the worker."""

_ERRORS: Mapping[str, type[RialtoError]] = {
    kind.__name__: kind for kind in (BadInput, EngineBusy, EngineError, EngineLost, NothingHere)
}


def spec_of(settings: Settings, plane: Plane, *, log: str, sync: bool, decisions: str = "") -> str:
    """What a worker is made from: the settings, the map's middle, and its logs, a folder or `kafka://BROKER/TOPIC` each; as JSON.

    Where `decisions` is "", no log of decisions is kept.
    """
    told = {"settings": settings.model_dump(mode="json"), "lat": plane.lat, "lon": plane.lon}
    return json.dumps({**told, "log": log, "sync": sync, "decisions": decisions})


def answered(parcel: Parcel, who: str) -> Parcel:
    """A worker's answer, or what it raised, raised here."""
    if parcel.kind == "failed":
        raise _ERRORS.get(parcel.facts["error"], EngineError)(f"{who}: {parcel.facts['text']}")
    return parcel


class ShardWorker:
    """Answers parcels as bytes. It follows its log until `lead` makes it the one that writes there; `follow` reads what is new.

    What goes wrong is an answer: a worker ends with its process alone.

    Args:
        spec: What `spec_of` made.
    """

    def __init__(self, spec: str) -> None:
        self._acts: dict[str, Callable[[Parcel], Parcel]] = {
            "lead": self._lead,
            "follow": self._follow,
            "rehearse": self._rehearse,
        }
        self._shard: Shard | None = None
        self._broken: RialtoError | None = None
        try:
            self._open(json.loads(spec))
        except RialtoError as e:
            self._broken = e

    def _open(self, told: dict[str, Any]) -> None:
        self._engines, self._plane = Engines(Settings.model_validate(told["settings"])), Plane(told["lat"], told["lon"])
        self._log = _log(told["log"], sync=bool(told["sync"]))
        self._name = blake2b(str(told["log"]).encode(), digest_size=8).hexdigest()
        self._presence = Presence(self._log)
        self._barred = Barred()
        self._decisions = _log(told["decisions"], sync=bool(told["sync"])) if told["decisions"] else None
        self._dispatch = _dispatch(self._engines, self._log, self._plane, self._barred, self._decisions)

    def answer(self, body: bytes) -> bytes:
        """Act on a parcel."""
        try:
            if self._broken is not None:
                raise self._broken
            parcel = Parcel.of_bytes(body)
            return self._acts.get(parcel.kind, self._handle)(parcel).to_bytes()
        except RialtoError as e:
            return Parcel("failed", facts={"error": type(e).__name__, "text": str(e)}).to_bytes()

    def _handle(self, parcel: Parcel) -> Parcel:
        if self._shard is None:
            raise BadInput(f"a shard that only follows was sent {parcel.kind!r}; ask it to lead first.")
        found = self._shard.handle(parcel)
        if parcel.kind == "window" and parcel.at_s - self._renewed_s >= SWEEP_S:
            self._renewed_s = parcel.at_s
            self._renewing.step(parcel.at_s)
        return found

    def _lead(self, parcel: Parcel) -> Parcel:
        """Take the log over: from here on nobody else's entries count."""
        self._dispatch.offers.take_over(str(parcel.facts["owner"]), at_s=parcel.at_s)
        self._renewing, self._renewed_s = Renewing(self._engines, self._dispatch, self._log, name=self._name), -np.inf
        self._shard = Shard(self._dispatch, self._log, presence=self._presence, bar=self._barred.put)
        return Parcel("leads", parcel.at_s, facts={"owned": self._dispatch.offers.owned})

    def _follow(self, parcel: Parcel) -> Parcel:
        entries = self._dispatch.offers.recover()
        self._presence.follow()
        return Parcel("followed", parcel.at_s, facts={"entries": entries})

    def _rehearse(self, parcel: Parcel) -> Parcel:
        """Do a window's work once, on a log that is thrown away: code is loaded before it is needed."""
        with TemporaryDirectory(prefix="rialto-shard-") as folder:
            log = _log(folder, sync=False)
            dispatch = _dispatch(self._engines, log, self._plane, Barred())
            one, lat, lon = np.array([1]), np.array([self._plane.lat]), np.array([self._plane.lon])
            dispatch.enrol(Drivers.of(one))
            dispatch.pings(Pings.of(one, lat=lat, lon=lon, time_s=np.zeros(1)), now_s=0.0)
            dispatch.window(Orders.of(one, lat=lat, lon=lon, placed_s=np.zeros(1)), at_s=0.0)
            dispatch.tell([Message("k", "accepted", 1, 1)], at_s=0.0)
            log.close()
        return Parcel("rehearsed", parcel.at_s)

    def close(self) -> None:
        """Let go of the log and the engines."""
        if self._broken is None:
            if self._shard is not None:
                self._renewing.keep()
            self._log.close()
            if self._decisions is not None:
                self._decisions.close()
            self._engines.close()


def _log(place: str, *, sync: bool) -> Any:
    """A shard's log. On Kafka all its writers bear one name: the broker shuts the one before out when the next begins to write."""
    if place.startswith("kafka://"):
        from rialto.adapters.kafka import KafkaEvents

        url = urlsplit(place)
        topic = url.path.strip("/")
        return KafkaEvents(url.netloc, topic, writer=f"{topic}-writer")
    from rialto.local.events import LocalEvents

    return LocalEvents(Path(place), sync=sync)


def reading(place: str) -> EventLog:
    """A log at such a place, to be read while another may write it."""
    return _log(place, sync=False)


def _dispatch(engines: Engines, log: EventLog, plane: Plane, barred: Barred, decisions: EventLog | None = None) -> Dispatch:
    return wired(engines, engines.geo(), plane, offers=log, decisions=decisions, blocked=barred)
