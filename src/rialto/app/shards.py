"""Shards as processes of this machine: one a region, each over its own log; one that dies is taken over from its log and asked again."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from rialto.app.engines import Engines
from rialto.app.learning import kept_ahead
from rialto.config import load
from rialto.errors import BadInput, EngineError, EngineLost, RialtoError
from rialto.match.eta import corrected
from rialto.match.pipeline import Dispatch, build
from rialto.match.records import Plane
from rialto.match.regions import Regions
from rialto.match.shards import Front, Parcel, Shard
from rialto.match.track import Track
from rialto.match.travel import Travel

__all__ = ["ShardProcess", "opened_shards", "serve_shard"]

_ERRORS: dict[str, type[RialtoError]] = {"BadInput": BadInput, "EngineLost": EngineLost}


def serve_shard(link: Connection, spec: str) -> None:
    """The body of a shard's process: answers parcels until the other end is closed.

    Args:
        link: Where parcels come from and answers go.
        spec: JSON of `folder`, `lat`, `lon`, `settings` (a path or ""), `owner` and `at_s`.
    """
    from rialto.local.events import LocalEvents

    told = json.loads(spec)
    engines = Engines(load(Path(told["settings"]) if told["settings"] else None))
    log = LocalEvents(Path(told["folder"]), sync=bool(told["sync"]))
    try:
        dispatch = _dispatch(engines, log, Plane(told["lat"], told["lon"]))
        dispatch.offers.take_over(told["owner"], at_s=float(told["at_s"]))
        shard = Shard(dispatch, log)
        while True:
            link.send_bytes(_answered(shard, link.recv_bytes()))
    except (EOFError, BrokenPipeError):
        return  # the front is gone: what was acknowledged is in the log
    finally:
        log.close()
        engines.close()


def _answered(shard: Shard, body: bytes) -> bytes:
    try:
        return shard.handle(Parcel.of_bytes(body)).to_bytes()
    except RialtoError as e:
        return Parcel("failed", facts={"error": type(e).__name__, "text": str(e)}).to_bytes()


def _dispatch(engines: Engines, log: Any, plane: Plane) -> Dispatch:
    geo, models = engines.geo(), engines.models()
    return build(
        geo=geo, travel=Travel(corrected(engines.travel(), models)), models=models, track=Track(geo, plane), offers=log,
        ahead=kept_ahead(engines.blobs(), plane),
    )  # fmt: skip


class ShardProcess:
    """A `Link` to a shard in a process of its own. Where the process dies, another takes its log over and is asked what was not answered.

    Nothing acknowledged is lost, since it is in the log; nothing is done twice, since every write bears a key and is known by it. Orders
    wait a window or two, until drivers have been seen again.

    Args:
        number: The shard's.
        folder: Of its log of offers.
        plane: Map that degrees are laid on.
        settings: File of settings, for engines; None = the defaults.
        sync: Whether an append waits for the disk; without it, what was acknowledged survives kill -9 and not a loss of power.
        restarts: How often in a row a process may die before it answers anything.
    """

    def __init__(
        self, number: int, folder: Path, plane: Plane, *, settings: Path | None = None, sync: bool = True, restarts: int = 3
    ) -> None:
        self._number, self._restarts = number, restarts
        self._spec = {"folder": str(folder), "lat": plane.lat, "lon": plane.lon, "settings": str(settings or ""), "sync": sync}
        self._asked: deque[Parcel] = deque()
        self._fleet: list[Parcel] = []
        self._pings: Parcel | None = None
        self._at_s, self.generation, self._died = 0.0, 0, 0
        self._open()

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid or -1

    def _open(self) -> None:
        spawn = get_context("spawn")
        self._link, theirs = spawn.Pipe()
        self.generation += 1
        spec = {**self._spec, "owner": f"shard {self._number}, process {self.generation}", "at_s": self._at_s}
        self._process = spawn.Process(target=serve_shard, args=(theirs, json.dumps(spec)), daemon=True)
        self._process.start()
        theirs.close()

    def send(self, parcel: Parcel) -> None:
        """Send, and remember it until it is answered."""
        self._at_s = max(self._at_s, parcel.at_s)
        self._asked.append(parcel)
        try:
            self._link.send_bytes(parcel.to_bytes())
        except OSError:
            self._renew()

    def answer(self) -> Parcel:
        """The answer to the oldest parcel that has none yet.

        Raises:
            EngineLost: one process after the other died before it answered.
            BadInput, EngineError: what the shard raised.
        """
        while True:
            try:
                answer = Parcel.of_bytes(self._link.recv_bytes())
                break
            except (EOFError, OSError):
                self._renew()
        self._died = 0
        parcel = self._asked.popleft()
        if answer.kind == "failed":
            raise _ERRORS.get(answer.facts["error"], EngineError)(f"shard {self._number}: {answer.facts['text']}")
        self._remember(parcel)
        return answer

    def _remember(self, parcel: Parcel) -> None:
        """What a new process needs and no log holds: the fleet, and where it was seen last."""
        if parcel.kind == "enrol":
            ids = parcel.columns["ids"]
            self._fleet = [p for p in self._fleet if not np.isin(p.columns["ids"], ids).all()] + [parcel]
        elif parcel.kind == "pings":
            self._pings = parcel

    def _renew(self) -> None:
        """Another process over the same log, told of the fleet and asked again what was not answered."""
        self._died += 1
        if self._died > self._restarts:
            raise EngineLost(
                f"shard {self._number} died {self._died} times in a row; its log is whole: {self._spec['folder']}. See why."
            )
        self._stop()
        self._open()
        try:
            for parcel in [*self._fleet, *([] if self._pings is None else [self._pings])]:
                self._link.send_bytes(parcel.to_bytes())
                if (told := Parcel.of_bytes(self._link.recv_bytes())).kind == "failed":
                    raise EngineLost(f"shard {self._number} took its log over and not its fleet: {told.facts['text']}")
            for parcel in self._asked:
                self._link.send_bytes(parcel.to_bytes())
        except (EOFError, OSError):
            self._renew()

    def _stop(self) -> None:
        self._link.close()
        self._process.kill()  # one that hangs would go on holding the log
        self._process.join()

    def close(self) -> None:
        """End the process: between two parcels, so that nothing is cut short."""
        self._link.close()
        self._process.join(timeout=5.0)
        self._process.kill()
        self._process.join()


@contextmanager
def opened_shards(
    folder: Path, regions: Regions, plane: Plane, *, settings: Path | None = None, halo_m: float = 1500.0, sync: bool = True
) -> Generator[tuple[Front, list[ShardProcess]], None, None]:
    """A city's shards as processes, their logs under `folder`; what the logs hold goes on where it was."""
    links: list[ShardProcess] = []
    try:
        for n in range(regions.shards):
            links.append(ShardProcess(n, folder / f"shard-{n}", plane, settings=settings, sync=sync))
        yield Front(links, regions, plane, halo_m=halo_m), links
    finally:
        for link in links:
            link.close()
