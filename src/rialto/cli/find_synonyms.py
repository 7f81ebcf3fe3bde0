"""`rialto find synonyms`: a shop's own synonyms printed, checked, set from a file, told who changed them, undone."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING, Annotated

import typer

from rialto.cli.find_rules import Note, Who, print_history
from rialto.cli.find_shop import CatalogueFile, shop_of
from rialto.cli.options import AsJson, SettingsFile, opened
from rialto.cli.output import json_out, out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rialto.app.engines import Engines
    from rialto.find.synonyms import Finding, SynonymDesk

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="The shop's own synonyms: tv, television both ways, xmas => christmas one way.")

File = Annotated[str, typer.Argument(help="Synonyms, a line each: `tv, television`, `xmas => christmas`.", metavar="FILE")]


def _desk(engines: Engines, catalogue: str) -> SynonymDesk:
    from rialto.app.desk import synonyms_folder
    from rialto.find.synonyms import SynonymDesk, SynonymStore

    search = shop_of(engines, catalogue, None, quiet=True).search
    store = SynonymStore(synonyms_folder(engines, catalogue))
    return SynonymDesk(store, lambda: (search.fittings.reader, search.catalogue), clock=time)


@app.command()
def show(
    catalogue: CatalogueFile = "",
    version: Annotated[int, typer.Option(help="An earlier version; the one that holds where not given.", min=-1)] = -1,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Print the synonyms, as `set` reads them."""
    from rialto.app.desk import synonyms_folder
    from rialto.find.synonyms import SynonymStore

    with opened(settings) as engines:
        book = SynonymStore(synonyms_folder(engines, catalogue)).book(None if version < 0 else version)
    if as_json:
        json_out({"version": book.version, "synonyms": [e.line for e in book.entries]})
        return
    out.print(book.text, markup=False, end="")


@app.command()
def check(file: File, catalogue: CatalogueFile = "", as_json: AsJson = False, settings: SettingsFile = None) -> None:
    """Say what is wrong with a file's synonyms, without saving any; exit code 1 where there is an error."""
    from rialto.find.synonyms import read_synonyms

    book = read_synonyms(file)
    with opened(settings) as engines:
        found = _desk(engines, catalogue).check(book.text)
    if as_json:
        json_out(found)
    else:
        _print(found)
        out.print("" if found else "Nothing is wrong.")
    if any(f.severity == "error" for f in found):
        raise typer.Exit(1)


@app.command(name="set")
def put(
    file: File,
    who: Who,
    catalogue: CatalogueFile = "",
    note: Note = "",
    force: Annotated[bool, typer.Option("--force", help="Save in spite of errors.")] = False,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Let a file's synonyms hold, in the place of those before; a service that runs takes them over within a second."""
    from rialto.find.synonyms import read_synonyms

    book = read_synonyms(file)
    with opened(settings) as engines:
        desk = _desk(engines, catalogue)
        saved = desk.save(book.text, expected=desk.book().version, who=who, note=note, force=force)
    if as_json:
        json_out(saved)
        return
    _print(saved.findings)
    out.print(f"version {saved.version}: " + (", ".join(saved.changes) or "nothing changed"), markup=False)


@app.command()
def history(catalogue: CatalogueFile = "", as_json: AsJson = False, settings: SettingsFile = None) -> None:
    """Print the audit trail: who changed what, when, from which version, and why."""
    from rialto.app.desk import synonyms_folder
    from rialto.find.synonyms import SynonymStore

    with opened(settings) as engines:
        lines = SynonymStore(synonyms_folder(engines, catalogue)).history()
    print_history(lines, as_json=as_json)


@app.command()
def restore(
    version: Annotated[int, typer.Argument(help="Version whose synonyms are to hold again.", min=0)],
    who: Who,
    catalogue: CatalogueFile = "",
    note: Note = "",
    settings: SettingsFile = None,
) -> None:
    """Undo: save an earlier version's synonyms as a new version."""
    with opened(settings) as engines:
        desk = _desk(engines, catalogue)
        saved = desk.restore(version, expected=desk.book().version, who=who, note=note)
    out.print(f"version {saved.version}: the synonyms of version {version}", markup=False)


def _print(found: Sequence[Finding]) -> None:
    for f in found:
        out.print(f"{f.severity}: {f.told}", markup=False)
