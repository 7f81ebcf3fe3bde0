"""Shards of a city in workers: one a region, each over its own log; one that dies is taken over from its log and asked again."""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from time import monotonic, sleep

import numpy as np

from rialto.app.hosts import Host, Hosts, ProcessHosts
from rialto.app.shard_worker import TARGET, answered, spec_of
from rialto.config import Settings, load
from rialto.errors import EngineBusy, EngineLost, RialtoError
from rialto.match.records import Plane
from rialto.match.shard import Parcel
from rialto.match.shards import Cut, Front

__all__ = ["ShardLink", "opened_shards", "shard_log"]

_PATIENCE_S = 10.0
"""How long a log that somebody dead still holds is waited for."""


_STATE = ("pings", "block", "carry", "away", "resume")
"""Kinds of parcels of which the last says all."""


class ShardLink:
    """A `Link` to a shard in a worker. Where the worker dies, another takes its log over and is asked what was not answered.

    Nothing acknowledged is lost, since it is in the log; nothing is done twice, since every write bears a key and is known by it. Orders
    wait a window or two, until drivers have been seen again.

    Args:
        number: The shard's.
        hosts: Where workers are started.
        spec: What a worker is made from.
        standby: Whether a second worker follows the log, so that taking over takes a fraction of a second, and not the time to start a
            process and to read the log.
        restarts: How often in a row a worker may die before it answers anything.

    Raises:
        EngineBusy: On the first question: somebody else leads this shard.
    """

    def __init__(self, number: int, hosts: Hosts, spec: str, *, standby: bool = False, restarts: int = 3) -> None:
        self._number, self._hosts, self._spec, self._restarts = number, hosts, spec, restarts
        self._asked: deque[Parcel] = deque()
        self._fleet: list[Parcel] = []
        self._last: dict[str, Parcel] = {}
        self._at_s, self.generation, self._died = 0.0, 0, 0
        self._standby: _Standby | None = None
        self._spared = standby
        self._host = hosts.start(TARGET, spec)
        self._leads = False
        self._spare()

    @property
    def pid(self) -> int:
        """The number of the process that leads."""
        return self._host.pid

    @property
    def standby_pid(self) -> int:
        """The number of the process that follows; -1 where none does."""
        return -1 if self._standby is None else self._standby.host.pid

    def _spare(self) -> None:
        if self._spared and self._standby is None:
            self._standby = _Standby(self._hosts.start(TARGET, self._spec))

    def _settle(self) -> None:
        """Make the worker lead, unless it does. One that was killed may hold its log for a moment more."""
        if self._leads:
            return
        self.generation += 1
        owner = f"shard {self._number}, worker {self.generation} of {socket.gethostname()}:{os.getpid()}"
        until = monotonic() + (_PATIENCE_S if self.generation > 1 else 0.0)
        while not self._leads:
            self._host.send(Parcel("lead", self._at_s, facts={"owner": owner}).to_bytes())
            try:
                answered(Parcel.of_bytes(self._host.recv()), f"shard {self._number}")
                self._leads = True
            except EngineBusy:
                if monotonic() >= until:
                    raise
                sleep(0.05)

    def send(self, parcel: Parcel) -> None:
        """Send, and remember it until it is answered."""
        self._at_s = max(self._at_s, parcel.at_s)
        self._asked.append(parcel)
        try:
            self._settle()
            self._host.send(parcel.to_bytes())
        except ConnectionError:
            self._renew()
        except RialtoError:
            self._asked.pop()  # it was not sent, so no answer will come
            raise

    def answer(self) -> Parcel:
        """The answer to the oldest parcel that has none yet.

        Raises:
            EngineLost: one worker after the other died before it answered.
            BadInput, EngineError, NothingHere: what the shard raised.
        """
        while True:
            try:
                found = Parcel.of_bytes(self._host.recv())
                break
            except ConnectionError:
                self._renew()
        self._died = 0
        parcel = self._asked.popleft()
        answered(found, f"shard {self._number}")
        self._remember(parcel)
        if parcel.kind == "window" and self._standby is not None and not self._standby.follow(parcel.at_s):
            self._standby = None
            self._spare()
        return found

    def _remember(self, parcel: Parcel) -> None:
        """What a new worker needs and its log does not hold: the fleet, where it was seen last, and the terms."""
        if parcel.kind == "enrol":
            ids = parcel.columns["ids"]
            self._fleet = [p for p in self._fleet if not np.isin(p.columns["ids"], ids).all()] + [parcel]
        elif parcel.kind in _STATE:
            self._last[parcel.kind] = parcel
        elif parcel.kind == "earn":  # adds to what was told, so a new worker is told the sums
            before = self._last.get("earn", Parcel("earn", 0.0, {n: c[:0] for n, c in parcel.columns.items()})).columns
            who, cents = (np.concatenate([before[name], parcel.columns[name]]) for name in ("driver", "cents"))
            drivers, at = np.unique(who, return_inverse=True)
            sums = np.bincount(at, cents, len(drivers)).astype(np.int64)
            self._last["earn"] = Parcel("earn", parcel.at_s, {"driver": drivers, "cents": sums})

    def _renew(self) -> None:
        """Another worker over the same log, told of the fleet and asked again what was not answered."""
        while True:
            self._died += 1
            if self._died > self._restarts:
                raise EngineLost(
                    f"shard {self._number} died {self._died} times in a row; its log is whole: {self._spec}. See why."
                )
            self._host.end(at_once=True)
            self._host, self._leads = self._next(), False
            try:
                self._settle()
                self._brief()
                break
            except ConnectionError:
                continue
        self._spare()

    def _next(self) -> Host:
        standby, self._standby = self._standby, None
        return standby.host if standby is not None and standby.drained() else self._hosts.start(TARGET, self._spec)

    def _brief(self) -> None:
        for parcel in [*self._fleet, *self._last.values()]:
            self._host.send(parcel.to_bytes())
            answered(Parcel.of_bytes(self._host.recv()), f"shard {self._number} took its log over and not its fleet")
        for parcel in self._asked:
            self._host.send(parcel.to_bytes())

    def close(self) -> None:
        """End the workers: between two parcels, so that nothing is cut short."""
        if self._standby is not None:
            self._standby.host.end(at_once=True)
        self._host.end(at_once=False)


class _Standby:
    """A worker that follows the log, asked to from time to time; an answer is waited for only when it must lead."""

    def __init__(self, host: Host) -> None:
        self.host, self._owed = host, 1
        host.send(Parcel("rehearse").to_bytes())

    def follow(self, at_s: float) -> bool:
        """Let it read on, if it has read what it was asked to; False where it is gone."""
        try:
            while self._owed and self.host.ready():
                self._taken()
            if not self._owed:
                self.host.send(Parcel("follow", at_s).to_bytes())
                self._owed = 1
        except (ConnectionError, EngineLost):
            self.host.end(at_once=True)
            return False
        return True

    def drained(self) -> bool:
        """True once it answered all that it was asked; False where it is gone."""
        try:
            while self._owed:
                self._taken()
        except (ConnectionError, EngineLost):
            self.host.end(at_once=True)
            return False
        return True

    def _taken(self) -> None:
        found = Parcel.of_bytes(self.host.recv())
        self._owed -= 1
        try:
            answered(found, "a standby")
        except EngineBusy:
            return  # its log did not answer just now: it reads on next time


def shard_log(logs: Path | str, number: int) -> str:
    """Where a shard's log is: a folder under `logs`, or a topic whose name begins with it."""
    return f"{logs}-{number}" if str(logs).startswith("kafka://") else str(Path(logs) / f"shard-{number}")


@contextmanager
def opened_shards(
    logs: Path | str,
    regions: Cut,
    plane: Plane,
    *,
    settings: Settings | None = None,
    hosts: Hosts | None = None,
    halo_m: float = 1500.0,
    decisions: Path | str = "",
    sync: bool = True,
    standby: bool = False,
) -> Generator[tuple[Front, list[ShardLink]], None, None]:
    """A city's shards in workers; what their logs hold goes on where it was.

    Args:
        logs: Folder of the shards' logs, or `kafka://BROKER/TOPIC`, whose name theirs begin with.
        regions: Whose a place is.
        plane: Map that degrees are laid on.
        settings: For the workers' engines; None = those of this folder and environment.
        hosts: Where workers are started; None = processes of this machine.
        halo_m: How far beyond its border a shard sees drivers.
        decisions: As `logs`, of the shards' decisions; "" = none are kept.
        sync: Whether an append waits for the disk; without it, what was acknowledged survives kill -9 and not a loss of power.
        standby: Whether each shard has a second worker that follows its log.
    """
    chosen, where = settings or load(), hosts or ProcessHosts()
    links: list[ShardLink] = []
    try:
        for n in range(regions.shards):
            kept = shard_log(decisions, n) if decisions else ""
            spec = spec_of(chosen, plane, log=shard_log(logs, n), sync=sync, decisions=kept)
            links.append(ShardLink(n, where, spec, standby=standby))
        yield Front(links, regions, plane, halo_m=halo_m, name=token_hex(8)), links
    finally:
        for link in links:
            link.close()
