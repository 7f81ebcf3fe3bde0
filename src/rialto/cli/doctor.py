"""`rialto doctor`: is everything there that the settings name, and what can be set."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer

import rialto
from rialto.cli.options import SettingsFile
from rialto.cli.output import json_out, out, plain, table
from rialto.config import SCHEMES, Fleet, Serve, Settings, load
from rialto.errors import EngineError, RialtoError
from rialto.spine.params import params

__all__ = ["Finding", "doctor", "reference"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was looked at, whether it is well, and what was seen or what to do."""

    what: str
    well: bool
    seen: str


OPTIONAL = {
    "catboost": "trees", "onnxruntime": "neural", "tokenizers": "neural", "confluent-kafka": "kafka", "redis": "redis",
    "urllib3": "opensearch", "ray": "ray", "h3": "h3",
}  # fmt: skip


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print findings as JSON and nothing else.")] = False,
    params_only: Annotated[bool, typer.Option("--params", help="List every tunable instead.")] = False,
    reference_only: Annotated[
        bool, typer.Option("--reference", help="Print the reference of settings, tunables and commands.")
    ] = False,
    settings: SettingsFile = None,
) -> None:
    """Check the settings, open every engine that they name, and say what is missing and how to install it."""
    from rialto.app.engines import declare

    declare()
    if reference_only:
        sys.stdout.write(reference())
        return
    if params_only:
        rows = [(p.name, p.default, _range(p.low, p.high), p.unit, p.doc) for p in params().values()]
        if as_json:
            json_out([{"name": n, "default": d, "unit": u, "doc": t} for n, d, _, u, t in rows])
        else:
            out.print(table("Tunables", ("name", "default", "range", "unit", "what it is"), rows))
        return
    findings = [*_engines(load(settings)), *_packages()]
    if as_json:
        json_out([plain(f) for f in findings])
    else:
        out.print(table("Health", ("what", "well", "seen"), [(f.what, f.well, f.seen) for f in findings]))
    if not all(f.well for f in findings):
        raise typer.Exit(1)


def _engines(chosen: Settings) -> Iterator[Finding]:
    from rialto.app.engines import Engines
    from rialto.app.sharding import sharding
    from rialto.ports import TextField

    yield Finding("home", well=True, seen=str(chosen.home))
    engines = Engines(chosen)
    opened: dict[str, Any] = {
        "events": lambda: engines.events().end(),
        "features": engines.features,
        "models": engines.models,
        "blobs": lambda: next(iter(engines.blobs().names()), None),
        "geo": engines.geo,
        "travel": engines.travel,
        "jobs": engines.jobs,
        "shards": lambda: sharding(chosen),
        "writer": engines.writer,
        "critic": engines.critic,
        "canvas": lambda: engines.canvas().measure("x", size_px=16, weight=400),
        "text": lambda: engines.text([TextField("title")], None).close(),
        "vectors": lambda: engines.vectors(8, None).close(),
    }
    for port, look in opened.items():
        url = getattr(chosen, port)
        try:
            look()
            yield Finding(port, well=True, seen=url)
        except (EngineError, RialtoError, OSError) as e:
            yield Finding(port, well=False, seen=f"{url}: {e}")
    engines.close()


def _packages() -> Iterator[Finding]:
    for package, extra in OPTIONAL.items():
        try:
            yield Finding(package, well=True, seen=version(package))
        except PackageNotFoundError:
            yield Finding(package, well=True, seen=f"absent (optional): pip install 'rialto[{extra}]'")


def _range(low: float, high: float) -> str:
    return "" if (low, high) == (float("-inf"), float("inf")) else f"{low:g} to {high:g}"


def reference() -> str:
    """The reference in Markdown: every setting, tunable and command, found by introspection.

    Example:
        >>> "| `events` |" in reference()
        True
    """
    from rialto.app.engines import declare

    declare()
    lines = ["# Reference", "", f"Made by `rialto doctor --reference` from version {rialto.__version__}.", "", "## Settings", ""]
    lines += ["A TOML file or variables (`RIALTO_EVENTS=...`, `RIALTO_SERVE__PORT=...`).", ""]
    lines += ["| setting | default | schemes | what it is |", "|---|---|---|---|"]
    for prefix, model in (("", Settings), ("serve.", Serve), ("fleet.", Fleet)):
        for name, field in model.model_fields.items():
            if name not in ("serve", "fleet", "home", "params"):
                schemes = ", ".join(f"`{s}://`" for s in SCHEMES.get(name, ()))
                lines.append(f"| `{prefix}{name}` | `{field.default}` | {schemes} | {field.description} |")
            elif name not in ("serve", "fleet"):
                lines.append(f"| `{name}` | | | {field.description} |")
    lines += ["", "## Tunables", "", "Set under `[params]`, or by an experiment for some requests.", ""]
    lines += ["| tunable | default | range | unit | what it is |", "|---|---|---|---|---|"]
    lines += [
        f"| `{p.name}` | {p.default} | {_range(p.low, p.high)} | {p.unit} | {p.doc} |"
        for p in params().values()
        if p.name.startswith(("find.", "match.", "show."))
    ]
    lines += ["", "## Commands", "", "| command | what it does |", "|---|---|", *_commands()]
    return "\n".join(lines) + "\n"


def _commands() -> Iterator[str]:
    from typer.main import get_command

    from rialto.cli import app

    def walk(command: Any, path: str) -> Iterator[str]:
        for name, sub in sorted(getattr(command, "commands", {}).items()):
            yield from walk(sub, f"{path} {name}")
        if not getattr(command, "commands", {}):
            yield f"| `{path}` | {(command.help or '').strip().splitlines()[0]} |"

    yield from walk(get_command(app), "rialto")
