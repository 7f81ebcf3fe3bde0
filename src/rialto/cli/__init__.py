"""The command line: parses, calls `app`, prints. Modules are loaded by the command that needs them, so that `--help` is quick."""

from __future__ import annotations

import gc
import os
import sys
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Annotated

import typer

from rialto import __version__
from rialto.errors import EngineError, RialtoError

__all__ = ["app", "main"]

if TYPE_CHECKING:
    app: typer.Typer  # made when it is asked for, see `__getattr__`

_COMMANDS = {
    "try": "tries", "demo": "demo", "serve": "demo", "bench": "bench", "doctor": "doctor", "find": "find", "match": "match",
    "show": "show",
}  # fmt: skip
"""Command, or group of commands -> its module here."""

_LONG_LIVED = 50_000
"""Objects made before the youngest are looked through for cycles: loading libraries makes half a million, all of which stay."""


def _version(value: bool) -> None:
    if value:
        sys.stdout.write(f"rialto {__version__}\n")
        raise typer.Exit


def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Take the options that stand before a command."""


@cache
def _made(only: str = "") -> typer.Typer:
    """The command line: whole, or with one of its commands alone, as the others need not be loaded for it."""
    made = typer.Typer(
        name="rialto",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        rich_markup_mode="markdown",
        help="Three kinds of decision for a shop that sells and delivers: **find** products, **match** drivers, **show** creatives.",
    )
    made.callback()(_options)
    for name in (only,) if only in _COMMANDS else _COMMANDS:
        module = import_module(f"rialto.cli.{_COMMANDS[name]}")
        if hasattr(module, "app"):
            made.add_typer(module.app, name=name)
        else:
            made.command(name)(getattr(module, name))
    return made


def __getattr__(name: str) -> typer.Typer:
    if name == "app":
        return _made()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def main() -> None:
    """Run a command; what was raised on purpose is a sentence on standard error and exit code 2, or 3 for a failed engine."""
    gc.set_threshold(_LONG_LIVED, 10, 10)
    try:
        _made("".join(sys.argv[1:2]))()
    except RialtoError as e:
        sys.stderr.write(f"rialto: {e}\n")
        sys.exit(3 if isinstance(e, EngineError) else 2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as e:
        if os.environ.get("RIALTO_TRACEBACK"):
            raise
        sys.stderr.write(f"rialto: an error that should not happen, {type(e).__name__}: {e}. RIALTO_TRACEBACK=1 shows where.\n")
        sys.exit(70)
    finally:
        gc.freeze()  # the process ends: to look for cycles among all that it loaded would take it half a second more
