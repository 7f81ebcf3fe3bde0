"""`rialto find rules`: merchandising rules listed, added from a file, checked, previewed on past queries, told who changed them, undone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from time import time
from typing import TYPE_CHECKING, Annotated

import typer

from rialto.cli.find_shop import CatalogueFile, MappingFile, shop_of
from rialto.cli.options import AsJson, SettingsFile, opened
from rialto.cli.output import json_out, out, table, tell
from rialto.errors import BadInput

if TYPE_CHECKING:
    from rialto.app.engines import Engines
    from rialto.app.shop import Shop
    from rialto.find.rules import Conflict, Impact, RuleBook, RuleStore
    from rialto.find.versions import Change
    from rialto.records import Requests

__all__ = ["Note", "Who", "app", "day", "print_history"]

app = typer.Typer(no_args_is_help=True, help="Merchandising rules: pin, hide, boost, bury, redirect.")

Folder = Annotated[
    str, typer.Option("--rules", help="Where rules are kept; below the home folder where not given.", metavar="FOLDER")
]
RuleFile = Annotated[str, typer.Argument(help="Rules, TOML or JSON.", metavar="FILE")]
MaybeFile = Annotated[
    str, typer.Argument(help="Rules to be added, TOML or JSON; the kept ones alone where not given.", metavar="FILE")
]
Who = Annotated[str, typer.Option(help="Who changes the rules, for the audit.")]
Note = Annotated[str, typer.Option(help="Why, for the audit.")]


def _store(engines: Engines, folder: str, catalogue: str) -> RuleStore:
    from rialto.app.desk import rules_folder
    from rialto.find.rules import RuleStore

    return RuleStore(folder or rules_folder(engines, catalogue))


def _with(book: RuleBook, file: str) -> RuleBook:
    """The book with a file's rules added or put in the place of those of their ids."""
    from rialto.find.rules import read_rules

    for rule in read_rules(file) if file else ():
        book = book.with_rule(rule)
    return book


def _conflicts(shop: Shop, book: RuleBook) -> tuple[Conflict, ...]:
    from rialto.find.rules import Compiled, conflicts

    past = list(shop.past)[:2000]
    asked = shop.search.requests([q for q, _, _ in past])[0] if past else None
    return conflicts(Compiled(book, shop.search.catalogue), at_s=time(), asked=asked, weights=[w for _, _, w in past])


@app.command(name="list")
def list_rules(
    catalogue: CatalogueFile = "",
    folder: Folder = "",
    version: Annotated[int, typer.Option(help="An earlier version; the one that holds where not given.", min=-1)] = -1,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Print the rules, as a table or as the JSON that `add` reads."""
    from rialto.find.rules import as_data

    with opened(settings) as engines:
        book = _store(engines, folder, catalogue).book(None if version < 0 else version)
    if as_json:
        json_out({"rules": [as_data(r) for r in book]})
        return
    now = time()
    rows = [(r.id, r.title, r.action, r.owner, r.priority, day(r.starts_s), day(r.ends_s), r.acts(now)) for r in book]
    out.print(
        table(
            f"version {book.version}: {len(book)} rules", ("id", "name", "action", "owner", "priority", "from", "to", "on"), rows
        )
    )


@app.command()
def add(
    file: RuleFile,
    who: Who,
    catalogue: CatalogueFile = "",
    mapping: MappingFile = None,
    folder: Folder = "",
    note: Note = "",
    force: Annotated[bool, typer.Option("--force", help="Save in spite of conflicts.")] = False,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Add a file's rules, or replace those of the same ids; refused where they bring an error, unless forced."""
    with opened(settings, mapping) as engines:
        store = _store(engines, folder, catalogue)
        before = store.book()
        book = _with(before, file)
        found = _conflicts(shop_of(engines, catalogue, None, quiet=True), book)
        saved = store.save(book, who=who, at_s=time(), note=note, conflicts=found, force=force)
    if as_json:
        json_out({"version": saved.version, "changes": book.changes_from(before), "conflicts": found})
        return
    _print_conflicts(found)
    out.print(f"version {saved.version}: " + (", ".join(book.changes_from(before)) or "nothing changed"), markup=False)


@app.command()
def remove(
    rule: Annotated[str, typer.Argument(help="Id of the rule.")],
    who: Who,
    catalogue: CatalogueFile = "",
    folder: Folder = "",
    note: Note = "",
    settings: SettingsFile = None,
) -> None:
    """Remove one rule; `restore` brings it back."""
    with opened(settings) as engines:
        store = _store(engines, folder, catalogue)
        saved = store.save(store.book().without(rule), who=who, at_s=time(), note=note)
    out.print(f"version {saved.version}: removed {rule}", markup=False)


@app.command()
def check(
    file: MaybeFile = "",
    catalogue: CatalogueFile = "",
    mapping: MappingFile = None,
    folder: Folder = "",
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Say what is wrong with the rules, without saving any; exit code 1 where there is an error."""
    with opened(settings, mapping) as engines:
        found = _conflicts(shop_of(engines, catalogue, None, quiet=True), _with(_store(engines, folder, catalogue).book(), file))
    if as_json:
        json_out(found)
    else:
        _print_conflicts(found)
        out.print("" if found else "No conflicts.")
    if any(c.severity == "error" for c in found):
        raise typer.Exit(1)


@app.command()
def preview(
    file: RuleFile,
    catalogue: CatalogueFile = "",
    mapping: MappingFile = None,
    folder: Folder = "",
    queries: Annotated[
        str, typer.Option(help="CSV with query and frequency; queries.csv beside the catalogue where not given.", metavar="FILE")
    ] = "",
    top: Annotated[int, typer.Option(help="Results compared.", min=1, max=100)] = 10,
    most: Annotated[int, typer.Option(help="Queries answered at most.", min=1)] = 200,
    as_json: AsJson = False,
    settings: SettingsFile = None,
) -> None:
    """Say what a file's rules would change on past queries, without saving them."""
    from rialto.find.cross import UNREAD
    from rialto.find.rules import Compiled
    from rialto.find.rules import preview as impact

    with opened(settings, mapping) as engines:
        shop = shop_of(engines, catalogue, None, quiet=True)
        past = _read_queries(queries) if queries else {q: w for q, _, w in shop.past}
        if not past:
            raise BadInput("there are no past queries to preview on; name a CSV of query,frequency with --queries.")
        book, search = _store(engines, folder, catalogue).book(), shop.search
        now, new = (Compiled(b, search.catalogue) for b in (book, _with(book, file)))

        def requests(texts: Sequence[str]) -> Requests:
            return search.requests(list(texts), params=UNREAD)[0]

        found = impact(search.bare, requests, now, new, past, top=top, most=most, at_s=time())
    if as_json:
        json_out(found)
        return
    _print_impact(found)


@app.command()
def history(catalogue: CatalogueFile = "", folder: Folder = "", as_json: AsJson = False, settings: SettingsFile = None) -> None:
    """Print the audit trail: who changed what, when, from which version, and why."""
    with opened(settings) as engines:
        lines = _store(engines, folder, catalogue).history()
    print_history(lines, as_json=as_json)


@app.command()
def restore(
    version: Annotated[int, typer.Argument(help="Version whose rules are to hold again.", min=0)],
    who: Who,
    catalogue: CatalogueFile = "",
    folder: Folder = "",
    note: Note = "",
    settings: SettingsFile = None,
) -> None:
    """Undo: save an earlier version's rules as a new version."""
    with opened(settings) as engines:
        store = _store(engines, folder, catalogue)
        saved = store.restore(version, expected=store.version(), who=who, at_s=time(), note=note)
    out.print(f"version {saved.version}: {len(saved)} rules as of version {version}", markup=False)


def _read_queries(path: str) -> dict[str, float]:
    """Query -> weight from a CSV with the headings `query` and, where it has one, `frequency`."""
    from rialto.find.query_log import read_query_log
    from rialto.find.tables import Remarks

    remarks = Remarks()
    rows = read_query_log(path, remarks, absent=1.0)
    for line in remarks.lines:
        tell.print(f"queries: {line}", markup=False)
    return {query: often for query, _, often in rows}


def _print_conflicts(found: Sequence[Conflict]) -> None:
    for c in found:
        out.print(f"{c.severity}: {c.told}", markup=False)


def _print_impact(found: Impact) -> None:
    rows = [
        (
            q.query,
            q.weight,
            " ".join(f"{i}:{a or '–'}→{b or '–'}" for i, a, b in q.moves[:6]),
            " ".join(q.hidden),
            q.redirect_after,
        )
        for q in found.queries
        if q.changed
    ]
    head = f"{found.changed_share:.1%} of {found.looked} queries change (by weight); {found.fired} meet a rule"
    out.print(table(head, ("query", "weight", "moves", "hidden", "sent to"), rows))


def print_history(lines: Sequence[Change], *, as_json: bool) -> None:
    """An audit trail as a table, or as JSON."""
    if as_json:
        json_out(lines)
        return
    rows = [(c.version, c.parent, c.who, day(c.time_s), ", ".join(c.changes), c.forced, c.note) for c in lines]
    out.print(table("", ("version", "from", "who", "when", "what", "forced", "why"), rows))


def day(time_s: float | None) -> str:
    """A moment as people read it, UTC; "" for none."""
    return "" if time_s is None else datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M")
