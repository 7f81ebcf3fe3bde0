"""Where the logs of a fleet are, in one process or over shards, and how they are opened to be read while the fleet writes them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rialto.app.engines import Engines
from rialto.app.shard_worker import reading
from rialto.app.sharding import sharding
from rialto.app.shards import shard_log
from rialto.app.terms import log_beside
from rialto.config import Settings
from rialto.errors import BadSettings, NothingHere
from rialto.ports import EventLog

__all__ = ["FleetLogs", "OpenedLogs", "shards_logs"]

Open = Callable[[], EventLog]

SHARDS = "shards"
"""Folder of the shards' offers, beside the fleet's other logs."""


@dataclass(frozen=True, slots=True)
class OpenedLogs:
    """Logs, open to be read.

    Args:
        offers, decisions: One, or one a shard.
        terms, drivers: What was said of the fleet, and who was enrolled; None where such a log is not known.
    """

    offers: Sequence[EventLog]
    decisions: Sequence[EventLog]
    terms: EventLog | None = None
    drivers: EventLog | None = None


@dataclass(frozen=True, slots=True)
class FleetLogs:
    """Where a fleet's logs are: each opens one.

    Args:
        offers, decisions: One, or one a shard.
        terms, drivers: As in `OpenedLogs`.
    """

    offers: Sequence[Open]
    decisions: Sequence[Open]
    terms: Open | None = None
    drivers: Open | None = None

    @classmethod
    def of_fleet(cls, engines: Engines) -> FleetLogs:
        """Those of the fleet that the settings name.

        Raises:
            BadSettings: The settings name no fleet.
        """
        settings = engines.settings
        if not settings.fleet.on:
            raise BadSettings(["fleet.on = false: there is no fleet whose logs could be read. Say --fleet LAT,LON, or set it."])
        shared = sharding(settings)
        beside = {name: lambda n=name: log_beside(engines, n) for name in ("offers", "decisions", "terms", "drivers")}
        if shared is None:
            return cls([beside["offers"]], [beside["decisions"]], beside["terms"], beside["drivers"])
        offers, decisions = (
            [lambda b=base, n=n: reading(shard_log(b, n)) for n in range(shared.count)] for base in shards_logs(settings)
        )
        return cls(offers, decisions, beside["terms"], beside["drivers"])

    @classmethod
    def of_folders(cls, offers: Sequence[Path], decisions: Sequence[Path] = ()) -> FleetLogs:
        """Those in folders, of one fleet; what was said and who was enrolled is read from `terms` and `drivers` beside the offers.

        Raises:
            NothingHere: There is no such folder.
        """
        for folder in (*offers, *decisions):
            if not folder.is_dir():
                raise NothingHere(f"there is no folder {str(folder)!r}; wanted that of a log.")
        logs = [[lambda f=folder: reading(str(f)) for folder in folders] for folders in (offers, decisions)]
        return cls(logs[0], logs[1], _beside(offers, "terms"), _beside(offers, "drivers"))

    @contextmanager
    def opened(self) -> Generator[OpenedLogs, None, None]:
        """All of them, open until the end."""
        with ExitStack() as held:

            def log(opens: Open) -> EventLog:
                found = opens()
                held.callback(found.close)
                return found

            offers, decisions = ([log(opens) for opens in logs] for logs in (self.offers, self.decisions))
            yield OpenedLogs(offers, decisions, *(None if opens is None else log(opens) for opens in (self.terms, self.drivers)))


def _beside(offers: Sequence[Path], name: str) -> Open | None:
    """A log beside the offers, or beside the folder of the shards' offers."""
    around = [folder.resolve().parent for folder in offers[:1]]
    near = [(up.parent if up.name == SHARDS else up) / name for up in around]
    return next((lambda f=folder: reading(str(f)) for folder in near if folder.is_dir()), None)


def shards_logs(settings: Settings) -> tuple[str, str]:
    """What the places of a fleet's shards' logs begin with, of offers and of decisions; see `shard_log`."""
    events = settings.url("events")
    if events.scheme == "kafka":
        return f"{events.text}-fleet-offers", f"{events.text}-fleet-decisions"
    home = settings.home / "fleet"
    return str(home / SHARDS), str(home / f"{SHARDS}-decisions")
