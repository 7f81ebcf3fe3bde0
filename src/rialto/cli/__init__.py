"""The command line: parses, calls `app`, prints. Modules are loaded by the command that needs them, so that `--help` is quick."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from rialto import __version__
from rialto.errors import EngineError, RialtoError

__all__ = ["app", "main"]

app = typer.Typer(
    name="rialto",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="markdown",
    help="Three kinds of decision for a shop that sells and delivers: **find** products, **match** drivers, **show** creatives.",
)


def _version(value: bool) -> None:
    if value:
        sys.stdout.write(f"rialto {__version__}\n")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Take the options that stand before a command."""


def _register() -> None:
    from rialto.cli import bench, demo, doctor, find, match, show, tries

    app.add_typer(tries.app, name="try")
    app.command()(demo.demo)
    app.command()(demo.serve)
    app.command()(bench.bench)
    app.command()(doctor.doctor)
    app.add_typer(find.app, name="find")
    app.add_typer(match.app, name="match")
    app.add_typer(show.app, name="show")


_register()


def main() -> None:
    """Run a command; what was raised on purpose is a sentence on standard error and exit code 2, or 3 for a failed engine."""
    try:
        app()
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
