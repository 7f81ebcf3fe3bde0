"""Typed settings: one engine URL a port; unknown keys refused, all problems reported at once.

Settings come from a TOML file (`--settings FILE`, or the variable RIALTO_SETTINGS, or `rialto.toml` in the folder), and above it from
variables: `RIALTO_EVENTS=kafka://localhost:9092/orders` sets `events`, `RIALTO_SERVE__PORT=8080` sets `serve.port`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rialto.errors import BadSettings, known

__all__ = ["SCHEMES", "Fleet", "Serve", "Settings", "Url", "load"]

SCHEMES: Mapping[str, tuple[str, ...]] = {
    "events": ("local", "kafka"),
    "features": ("memory", "local", "redis", "rediss"),
    "profiles": ("local", "memory", "redis", "rediss", "none"),
    "text": ("local", "opensearch", "opensearchs"),
    "vectors": ("local", "flat", "opensearch", "opensearchs"),
    "encoder": ("auto", "static", "minilm"),
    "cross": ("auto", "none"),
    "geo": ("grid",),
    "models": ("local",),
    "travel": ("circle", "areas", "roads", "osrm", "osrms"),
    "jobs": ("process", "pool"),
    "shards": ("none", "process", "ray"),
    "writer": ("grounded",),
    "critic": ("pixels",),
    "canvas": ("pillow",),
    "blobs": ("file", "memory", "s3", "gs"),
}
"""Port -> the URL schemes that an engine answers to."""


class Serve(BaseModel):
    """Where the service listens, and how long it works at one request."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8321, ge=0, le=65535, description="Port; 0 takes a free one.")
    workers: int = Field(
        1,
        ge=1,
        le=64,
        description="Processes that answer searches behind the port; with 1 the service is one process.",
    )
    keep_s: float = Field(
        5.0,
        ge=0,
        le=3600,
        description="Seconds for which the answer to a search is given again while nothing changed; 0 = never.",
    )
    behaviour_s: float = Field(
        300.0,
        ge=0,
        le=86_400,
        description="Seconds after which searches take over what shoppers did meanwhile; 0 = when the service starts, and never after.",
    )
    deadline_ms: int = Field(
        2000,
        ge=1,
        le=60_000,
        description="Milliseconds after which a search goes on without the legs and phases that may be left out.",
    )


class Fleet(BaseModel):
    """The fleet that the service dispatches, where `on`; else it shows a made-up city."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    on: bool = Field(
        False, description="Whether the service takes positions and orders of a fleet, and shows it on the city's page."
    )
    lat: float = Field(0.0, gt=-89, lt=89, description="Latitude of the middle of the fleet's area, degrees.")
    lon: float = Field(0.0, ge=-180, le=180, description="Longitude of it, degrees.")
    radius_m: float = Field(6000.0, gt=0, le=1e6, description="How far the map reaches, metres.")
    reach_m: float = Field(
        0.0,
        ge=0,
        le=1e6,
        description="Farthest place from the middle that an order may have, metres; farther is refused. 0 = 200,000, or as far as the flat"
        " map is true where that is nearer: from 57 degrees of latitude on.",
    )
    window_s: float = Field(2.0, ge=0, le=3600, description="Seconds between windows; 0 = only when one is asked for.")
    at_once: bool = Field(
        False, description="Whether an order that is placed has a window decided at once, besides those every `window_s` seconds."
    )
    utc_offset_s: float = Field(
        0.0, ge=-86_400, le=86_400, description="Local time's lead over UTC, seconds: what hour of the day it is to drivers."
    )
    fresh_s: float = Field(120.0, gt=0, le=86_400, description="Oldest age on arrival of a position that is believed, seconds.")
    ahead_s: float = Field(5.0, ge=0, le=3600, description="How far a phone's clock may run ahead, seconds.")
    accuracy_m: float = Field(200.0, gt=0, le=1e5, description="Widest radius of error of a position that is believed, metres.")
    speed_mps: float = Field(60.0, gt=0, le=1000, description="Fastest that a driver can move, m/s; a faster one jumped.")
    experiment: str = Field(
        "",
        description="File of an experiment's plan (TOML): windows are decided by champion and challenger in turns, block by block of time;"
        " empty = by the champion alone.",
    )


class Settings(BaseModel):
    """Everything that may be set. An engine is a URL; `local://` without a path lives under `home`.

    Example:
        >>> Settings(events="kafka://localhost:9092/orders").url("events").path
        '/orders'
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    home: Path = Field(default_factory=lambda: _home(), description="Folder for all that local engines keep.")
    seed: int = Field(0, description="Seed of every chance.")
    events: str = Field("local://", description="EventLog: `local://[FOLDER]` or `kafka://BROKER/TOPIC`.")
    features: str = Field(
        "memory://", description="FeatureStore: `memory://`, `local://[FOLDER]` `redis://HOST:PORT/DB`, or `rediss://` with TLS."
    )
    profiles: str = Field(
        "local://",
        description="What shoppers like, by pseudonym: `local://[FOLDER]`, `memory://`, `redis://HOST:PORT/DB`, `rediss://`, or `none://`:"
        " nothing is learned of anybody.",
    )
    text: str = Field(
        "local://", description="TextIndex: `local://` (tantivy), `opensearch://HOST:PORT/NAME`, or `opensearchs://` with TLS."
    )
    vectors: str = Field(
        "local://",
        description="VectorIndex: `local://` (usearch), `flat://` (exact), `opensearch://HOST:PORT/NAME`, or `opensearchs://` with TLS.",
    )
    encoder: str = Field(
        "auto://",
        description="Text vectors: `static://` (from the catalogue), `minilm://` (extra `neural`), or `auto://` (the latter where it"
        " is installed and the catalogue has no more than 100,000 products).",
    )
    cross: str = Field(
        "auto://", description="Cross-encoder of the last phase: `auto://` (where the extra `neural` is installed) or `none://`."
    )
    geo: str = Field("grid://", description="GeoIndex: `grid://`.")
    models: str = Field("local://", description="Models: `local://[FOLDER]`.")
    travel: str = Field(
        "circle://",
        description="TravelTimes: `circle://?speed_mps=8&factor=1.3`, `areas://FILE` (factors learned by hour and area), `roads://FOLDER`"
        " (a road graph as tables), `osrm://HOST:PORT/PROFILE`, or `osrms://` with TLS.",
    )
    jobs: str = Field("process://", description="Jobs: `process://` (here) or `pool://?processes=2`.")
    shards: str = Field(
        "none://",
        description="Shards of the fleet's city: `none://` (one process), `process://N` (N processes here) or `ray://N` (actors of a Ray"
        " cluster: `address`, `cpus`, `memory_mb`, `actor_cpus`; extra `ray`). Options of both: `standby=1` (a second worker follows each"
        " shard's log), `halo_m=1500`, `cell_m`, `regions=FILE` (H3 cells and their shards, extra `h3`; else strips).",
    )
    writer: str = Field("grounded://", description="Writer: `grounded://` (grammar over catalogue facts).")
    critic: str = Field("pixels://", description="Critic: `pixels://` (measured on the rendered pixels).")
    canvas: str = Field("pillow://", description="Canvas: `pillow://` (raster).")
    blobs: str = Field(
        "file://", description="Blobs: `file://[FOLDER]`, `memory://`, or an object store `s3://`, `gs://` (extra `objects`)."
    )
    mapping: str = Field(
        "",
        description="Which column of a catalogue is what, a TOML or JSON file; guessed where empty, and never for the made-up shop.",
    )
    params: dict[str, bool | int | float | str] = Field(
        default_factory=dict, description="Tunables by name; `rialto doctor --params` lists them."
    )
    serve: Serve = Field(
        Serve(host="127.0.0.1", port=8321, workers=1, keep_s=5.0, behaviour_s=300.0, deadline_ms=2000),
        description="Where the service listens, and its deadline.",
    )
    fleet: Fleet = Field(
        Fleet(
            on=False,
            lat=0.0,
            lon=0.0,
            radius_m=6000.0,
            reach_m=0.0,
            window_s=2.0,
            at_once=False,
            utc_offset_s=0.0,
            fresh_s=120.0,
            ahead_s=5.0,
            accuracy_m=200.0,
            speed_mps=60.0,
            experiment="",
        ),
        description="The fleet that the service dispatches.",
    )

    def url(self, port: str) -> Url:
        """The URL of `port`, split; `BadSettings` where no engine answers to its scheme."""
        return Url.of(port, getattr(self, port))

    def folder(self, port: str) -> Path:
        """The folder that a local engine of `port` keeps its files in: the URL's path, or one under `home`."""
        path = self.url(port).path
        return Path(path) if path.strip("/") else self.home / port


class Url:
    """An engine's URL, split and checked."""

    __slots__ = ("options", "parts", "port", "text")

    def __init__(self, port: str, text: str, parts: SplitResult) -> None:
        self.port, self.text, self.parts = port, text, parts
        self.options = dict(parse_qsl(parts.query))

    @classmethod
    def of(cls, port: str, text: str) -> Url:
        """Split `text`; `BadSettings` names the schemes that `port` knows."""
        parts = urlsplit(text)
        if parts.scheme not in SCHEMES[port]:
            came = f"{parts.scheme}://" if parts.scheme else "a text without a scheme"
            wanted = ", ".join(f"{s}://" for s in SCHEMES[port])
            raise BadSettings([f"{port} = {text!r}: no engine answers to {came}; known: {wanted}."])
        return cls(port, text, parts)

    @property
    def scheme(self) -> str:
        """`kafka` of `kafka://localhost:9092/orders`."""
        return self.parts.scheme

    @property
    def host(self) -> str:
        """`localhost:9092` of `kafka://localhost:9092/orders`."""
        return self.parts.netloc

    @property
    def path(self) -> str:
        """`/orders` of `kafka://localhost:9092/orders`."""
        return self.parts.path

    def number(self, name: str, default: float) -> float:
        """The option `name` as a number; `BadSettings` where it is none."""
        value = self.options.get(name, "")
        try:
            return float(value) if value else default
        except ValueError:
            raise BadSettings([f"{self.port} = {self.text!r}: {name} is {value!r}; wanted a number."]) from None


def load(file: Path | None = None, *, environment: Mapping[str, str] | None = None) -> Settings:
    """Read settings from a TOML file and the environment.

    Args:
        file: The file; None = RIALTO_SETTINGS, or `rialto.toml` where the current folder has one, or none.
        environment: Variables; None = the process's own.

    Raises:
        BadSettings: with every problem, each naming the key, what came and what was wanted.
    """
    env = dict(os.environ if environment is None else environment)
    named = file or (Path(env["RIALTO_SETTINGS"]) if env.get("RIALTO_SETTINGS") else None)
    path = named or Path("rialto.toml")
    values: dict[str, Any] = {}
    if named is not None or path.is_file():
        values = _read(path)
    _overlay(values, env)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as e:
        raise BadSettings([_problem(error) for error in e.errors()] + _urls(values)) from None
    if problems := _urls(settings.model_dump()):
        raise BadSettings(problems)
    return settings


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as e:
        raise BadSettings([f"settings file {str(path)!r} cannot be read: {e.strerror}."]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise BadSettings([f"settings file {str(path)!r} is not TOML: {e}."]) from None


_OWN = frozenset({"RIALTO_SETTINGS", "RIALTO_DATA", "RIALTO_KAFKA_JARS", "RIALTO_OPENSEARCH_JARS", "RIALTO_TRACEBACK"})


def _overlay(values: dict[str, Any], env: Mapping[str, str]) -> None:
    """Set RIALTO_A__B=x as a.b; the variables in `_OWN` mean something else."""
    for name, value in sorted(env.items()):
        if name.startswith("RIALTO_") and name not in _OWN:
            *parents, leaf = name.removeprefix("RIALTO_").lower().split("__")
            at = values
            for parent in parents:
                at = at.setdefault(parent, {})
            at[leaf] = value


def _problem(error: Any) -> str:
    where = ".".join(str(p) for p in error["loc"])
    if error["type"] == "extra_forbidden":
        parts = {"serve": Serve.model_fields, "fleet": Fleet.model_fields}
        names = parts.get(str(error["loc"][0]), Settings.model_fields)
        return f"unknown setting {where!r}; known: {known(str(error['loc'][-1]), names)}."
    return f"setting {where!r}: got {error['input']!r}; {error['msg'][0].lower()}{error['msg'][1:]}."


def _urls(values: Mapping[str, Any]) -> list[str]:
    problems: list[str] = []
    for port in SCHEMES:
        if isinstance(text := values.get(port), str):
            try:
                Url.of(port, text)
            except BadSettings as e:
                problems.extend(e.problems)
    return problems


def _home() -> Path:
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(data) / "rialto"
