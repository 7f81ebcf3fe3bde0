"""Each port's engine, opened by its URL when first asked for and kept; nothing is imported that the settings do not name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from rialto.config import Settings, Url
from rialto.errors import BadSettings, known
from rialto.ports import (
    Blobs,
    Canvas,
    Critic,
    EventLog,
    FeatureStore,
    GeoIndex,
    Jobs,
    Models,
    TextField,
    TextIndex,
    TravelTimes,
    VectorIndex,
    Writer,
)
from rialto.spine.params import settle

__all__ = ["Encode", "Engines", "declare"]

T = TypeVar("T")

Encode = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to unit vectors, shape (texts, dimensions)."""


_ROADS = {"factor": 1.0, "reach_m": 1000.0, "off_road_mps": 5.0, "budget_s": 2.0}  # options of a road graph

_NEURAL = 100_000  # products up to which `auto` makes sentence vectors: a quarter of an hour on two cores


class Engines:
    """The engines that `settings` name.

    Args:
        settings: Checked settings; every URL's scheme is known.

    Raises:
        BadSettings: `params` holds an unknown name or a value out of range.
        EngineMissing: on opening an engine whose client library is absent, with the install command.

    Example:
        >>> Engines(Settings(features="memory://")).features() is not None
        True
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._open: dict[str, Any] = {}
        if settings.params:
            declare()
            settle(settings.params)

    def events(self) -> EventLog:
        """The event log."""
        return self._kept("events", {
            "local": lambda u: _local("events", "LocalEvents")(self._folder("events")),
            "kafka": lambda u: _adapter("kafka", "KafkaEvents").open(u.text),
        })  # fmt: skip

    def features(self) -> FeatureStore:
        """The feature store."""
        return self._kept("features", {
            "memory": lambda u: _local("store", "MemoryStore")(),
            "local": lambda u: _local("store", "LocalStore")(self._folder("features")),
            "redis": lambda u: _adapter("redis", "RedisStore").open(u.text),
            "rediss": lambda u: _adapter("redis", "RedisStore").open(u.text),
        })  # fmt: skip

    def profiles(self) -> FeatureStore | None:
        """Where shoppers' profiles are kept, without older versions, so that what is forgotten is gone; None where none are wanted."""
        return self._kept("profiles", {
            "none": lambda u: None,
            "memory": lambda u: _local("store", "MemoryStore")(depth=0),
            "local": lambda u: _local("store", "LocalStore")(self._folder("profiles"), depth=0, snapshot_bytes=4 << 20),
            "redis": lambda u: _adapter("redis", "RedisStore").open(u.text, depth=0),
            "rediss": lambda u: _adapter("redis", "RedisStore").open(u.text, depth=0),
        })  # fmt: skip

    def models(self) -> Models:
        """Model versions."""
        return self._kept("models", {"local": lambda u: _local("models", "LocalModels")(self._folder("models"))})

    def blobs(self) -> Blobs:
        """Files by name."""

        def stored(url: Url) -> Blobs:
            return _local("files", "FileBlobs")(url.text if url.path.strip("/") or url.host else self._folder("blobs").as_uri())

        return self._kept("blobs", {"file": stored, "memory": stored, "s3": stored, "gs": stored})

    def geo(self) -> GeoIndex:
        """A new index of moving points: every city has its own."""
        return _local("geo", "GridGeo")()

    def travel(self) -> TravelTimes:
        """Travel times."""
        return self._kept("travel", {
            "circle": lambda u: _local("travel", "GreatCircle")(
                speed_mps=u.number("speed_mps", 8.0), factor=u.number("factor", 1.3)
            ),
            "areas": lambda u: _local("travel_areas", "open_areas")(_file(u)),
            "roads": self._roads,
            "osrm": lambda u: _adapter("osrm", "OsrmTimes").open(u.text),
            "osrms": lambda u: _adapter("osrm", "OsrmTimes").open(u.text),
        })  # fmt: skip

    def _roads(self, url: Url) -> TravelTimes:
        for name in sorted(set(url.options) - set(_ROADS)):
            raise BadSettings([f"{url.port} = {url.text!r} has the option {name!r}; known: {known(name, _ROADS)}."])
        options = {name: url.number(name, default) for name, default in _ROADS.items()}
        return _local("roads_times", "open_roads")(_file(url), keep_in=self.settings.home / "roads", **options)

    def jobs(self) -> Jobs:
        """Work in partitions."""
        return self._kept("jobs", {
            "process": lambda u: _local("jobs", "InProcessJobs")(),
            "pool": lambda u: _local("jobs", "PoolJobs")(int(u.number("processes", 2))),
        })  # fmt: skip

    def writer(self) -> Writer:
        """Copy from facts."""
        return self._kept("writer", {"grounded": lambda u: _local("writer", "GroundedWriter")()})

    def critic(self) -> Critic:
        """An opinion on pixels."""
        return self._kept("critic", {"pixels": lambda u: _local("critic", "PixelCritic")()})

    def canvas(self) -> Canvas:
        """Boxes to pixels."""
        return self._kept("canvas", {"pillow": lambda u: _local("canvas", "RasterCanvas")()})

    def text(self, fields: Sequence[TextField], folder: Path | None) -> TextIndex:
        """A new text index; for this process alone, and in memory where it is local, where `folder` is None."""
        url = self.settings.url("text")
        if url.scheme != "local":
            return _adapter("opensearch", "OpenSearchText").beside(url.text, fields, folder)
        return _local("text", "TantivyText")(fields, folder)

    def vectors(self, dimensions: int, folder: Path | None) -> VectorIndex:
        """A new vector index; for this process alone, and in memory where it is local, where `folder` is None."""
        url = self.settings.url("vectors")
        if url.scheme.startswith("opensearch"):
            return _adapter("opensearch", "OpenSearchVectors").beside(url.text, dimensions, folder)
        if url.scheme == "flat":
            return _local("vectors", "FlatVectors")(dimensions)
        return _local("vectors", "UsearchVectors")(dimensions, folder)

    def encoder(self, texts: Sequence[str], *, saved: Path | None = None) -> Encode:
        """Text vectors: trained from `texts` and kept in `saved`, or a sentence encoder (extra `neural`)."""
        if self.encoder_name(len(texts)) == "minilm" and not (saved is not None and saved.is_file()):
            return _local("encoder", "MiniLMEncoder")(self.settings.home / "minilm").encode
        static = _local("encoder", "StaticEncoder")
        if saved is not None and saved.is_file():
            return static.load(saved.read_bytes()).encode
        made = static.fit(texts, seed=self.settings.seed)
        if saved is not None:
            saved.write_bytes(made.save())
        return made.encode

    def encoder_name(self, products: int = 0) -> str:
        """Which encoder serves a catalogue of so many products: `static` or `minilm`."""
        scheme = self.settings.url("encoder").scheme
        if scheme != "auto":
            return scheme
        return "minilm" if products <= _NEURAL and _local("minilm", "installed")() else "static"

    def reads_pairs(self) -> bool:
        """True where the settings want the cross-encoder of the last phase and what it needs is installed."""
        return self.settings.url("cross").scheme == "auto" and _local("minilm", "installed")()

    def close(self) -> None:
        """Let go of all that was opened."""
        while self._open:
            engine = self._open.popitem()[1]
            if hasattr(engine, "close"):
                engine.close()

    def _folder(self, port: str) -> Path:
        folder = self.settings.folder(port)
        folder.parent.mkdir(parents=True, exist_ok=True)
        return folder

    def _kept(self, port: str, makers: dict[str, Callable[[Url], T]]) -> T:
        if port not in self._open:
            url = self.settings.url(port)
            self._open[port] = makers[url.scheme](url)
        return cast("T", self._open[port])


def declare() -> None:
    """Import every module of the three systems, so that each has declared its tunables."""
    for name in ("find", "match", "show"):
        package = import_module(f"rialto.{name}")
        for module in walk_packages(package.__path__, f"rialto.{name}."):
            import_module(module.name)


def _file(url: Url) -> Path:
    """The path of `scheme:///absolute` or `scheme://relative`; `BadSettings` where there is none."""
    path = url.host + url.path
    if not path.strip("/"):
        raise BadSettings([f"{url.port} = {url.text!r} names no path; wanted {url.scheme}://PATH."])
    return Path(path)


def _local(module: str, name: str) -> Any:
    return getattr(import_module(f"rialto.local.{module}"), name)


def _adapter(module: str, name: str) -> Any:
    return getattr(import_module(f"rialto.adapters.{module}"), name)
