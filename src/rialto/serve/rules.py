"""The API of merchandising rules: read, add, change, remove, check, preview on past queries, who changed what, undo."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from rialto.app.systems import Systems
from rialto.errors import BadInput
from rialto.find.rules import Conflict, Impact, Rule, Saved, as_data, rule_of
from rialto.serve.problems import CONFLICT

__all__ = ["router"]

_ADDRESSES = ("audit", "conflicts", "preview", "restore")
Texts = Annotated[list[Annotated[str, Field(max_length=1000)]], Field(max_length=10_000)]
Id = Annotated[str, Path(pattern=r"^[\w.\-]{1,100}$", description="The rule's id.")]


class ScopeIn(BaseModel):
    """Which products: those that hold every part given, and within a part any of its values."""

    model_config = ConfigDict(extra="forbid")
    ids: Texts = Field(default=[], description="The shop's ids; for a pin in the order in which they are to stand.")
    brands: Texts = []
    categories: Texts = Field(default=[], description="Paths, `Shoes/Boots`; they hold what is below them.")
    attributes: dict[str, Texts] = Field(default={}, max_length=100)
    price_low_cents: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    price_high_cents: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    words: str = Field(default="", max_length=1000, description="Words that the title must all hold.")


class WhenIn(BaseModel):
    """For which requests: those that meet every condition given, and of a condition any of its values."""

    model_config = ConfigDict(extra="forbid")
    queries: Texts = Field(default=[], description="The whole query, whatever its case and number.")
    words: Texts = Field(default=[], description="Phrases of which the query holds all words, in any order.")
    tags: Texts = Field(default=[], description="`kind=value`: `brand=Acme`.")
    types: Texts = Field(default=[], description="Product types that were understood, or a category above them.")
    intents: Texts = []
    categories: Texts = Field(default=[], description="Pages without words of these categories or below them.")
    segments: Texts = []


class RuleIn(BaseModel):
    """A merchandising rule."""

    model_config = ConfigDict(extra="forbid")
    id: str = Field(pattern=r"^[\w.\-]{1,100}$")
    owner: str = Field(min_length=1, max_length=1000, description="Who answers for it.")
    action: Literal["pin", "hide", "boost", "bury", "redirect"]
    name: str = Field("", max_length=1000, description="What people call it.")
    products: ScopeIn = Field(default_factory=ScopeIn)
    when: WhenIn = Field(default_factory=WhenIn)
    place: int = Field(0, ge=0, le=1000, description="Of a pin, from 1.")
    factor: float = Field(0.0, ge=0, le=1000, allow_inf_nan=False, description="Of boost and bury, above 1.")
    target: str = Field("", max_length=1000, description="Of a redirect: an address, a path, or `category:PATH`.")
    starts: str = Field("", max_length=40, description="A day or a time, 2026-05-01T08:00:00Z; empty = open.")
    ends: str = Field("", max_length=40)
    enabled: bool = True
    priority: int = Field(0, ge=-1000, le=1000)
    note: str = Field("", max_length=1000)

    def rule(self) -> Rule:
        """As a rule; `BadInput` says what its action cannot use."""
        return rule_of(self.model_dump(exclude_defaults=True))


class Change(BaseModel):
    """Who changes the rules, and from which version on."""

    model_config = ConfigDict(extra="forbid")
    expected: int = Field(ge=0, le=99_999_999, description="Version that the change was made on; another one now answers 409.")
    who: str = Field(min_length=1, max_length=200, description="For the audit.")
    note: str = Field("", max_length=1000, description="Why, for the audit.")


class Adding(Change):
    """Rules to add, or to put in the place of those of the same ids."""

    rules: list[RuleIn] = Field(min_length=1, max_length=1000)
    force: bool = Field(False, description="Save in spite of conflicts; the audit says so.")


class Putting(Change):
    """One rule to put in its place."""

    rule: RuleIn
    force: bool = False


class Restoring(Change):
    """An earlier version whose rules are to hold again."""

    version: int = Field(ge=0, le=99_999_999)


class Trying(BaseModel):
    """Rules that would be added, and ids of rules that would go."""

    model_config = ConfigDict(extra="forbid")
    rules: list[RuleIn] = Field(default=[], max_length=1000)


class Previewing(Trying):
    """A change to try on past queries."""

    without: list[str] = Field(default=[], max_length=1000, description="Ids of rules that would go.")
    top: int = Field(10, ge=1, le=100, description="Results compared.")
    most: int = Field(100, ge=1, le=500, description="Queries answered at most.")


class BookOut(BaseModel):
    """The rules of one version."""

    version: int
    rules: list[RuleIn]


class ConflictOut(BaseModel):
    """One thing that is wrong with the rules."""

    kind: str
    severity: Literal["error", "warning"]
    rules: list[str]
    told: str


class SavedOut(BaseModel):
    """What a change came to."""

    version: int = Field(description="What holds now; give it back with the next change.")
    changes: list[str]
    conflicts: list[ConflictOut] = Field(description="Of all rules, errors first.")


class Moved(BaseModel):
    """A product that would stand elsewhere; 0 = not among the first results."""

    product: str
    before: int
    after: int


class QueryOut(BaseModel):
    """One past query under the rules as they are and as they would be."""

    query: str
    weight: float
    before: list[str]
    after: list[str]
    moves: list[Moved]
    hidden: list[str]
    redirect_before: str
    redirect_after: str
    rules: list[str]
    changed: bool


class ImpactOut(BaseModel):
    """What a change would do to past queries."""

    queries: list[QueryOut] = Field(description="Those that meet a rule, the changed ones first.")
    looked: int
    fired: int
    given: int
    changed_share: float = Field(description="Share of the queries looked at that change, by weight.")
    reordered: float = Field(description="Share of their first places that hold another product.")


class AuditOut(BaseModel):
    """One line of the audit trail."""

    version: int
    parent: int
    who: str
    time_s: float = Field(description="Seconds since 1970, UTC.")
    changes: list[str]
    forced: bool
    note: str


def router(systems: Systems) -> APIRouter:
    """Routes under /api/find/rules."""
    routes = APIRouter(prefix="/api/find/rules", tags=["rules"], responses=CONFLICT)
    _reading(routes, systems)
    _writing(routes, systems)
    return routes


def _reading(routes: APIRouter, systems: Systems) -> None:
    @routes.get("")
    def rules(
        version: Annotated[
            int | None, Query(ge=0, le=99_999_999, description="An earlier one; what holds where not given.")
        ] = None,
    ) -> BookOut:
        """The rules, in the order of their ids."""
        book = systems.desk.rules.book(version)
        return BookOut(version=book.version, rules=[_out(r) for r in book])

    @routes.get("/conflicts")
    def conflicts() -> list[ConflictOut]:
        """What is wrong with the rules that hold, errors first."""
        return _conflicts(systems.desk.rules.conflicts())

    @routes.post("/conflicts")
    def conflicts_with(trying: Trying) -> list[ConflictOut]:
        """What would be wrong with these rules added; nothing is saved."""
        return _conflicts(systems.desk.rules.conflicts([r.rule() for r in trying.rules]))

    @routes.post("/preview")
    def preview(asked: Previewing) -> ImpactOut:
        """What a change would do to the queries that shoppers asked; nothing is saved."""
        made = systems.desk.rules.preview([r.rule() for r in asked.rules], without=asked.without, top=asked.top, most=asked.most)
        return _impact(made)

    @routes.get("/audit")
    def audit() -> list[AuditOut]:
        """Who changed what, when, from which version and why, the oldest first."""
        return [AuditOut.model_validate(asdict(c)) for c in systems.desk.rules.audit()]

    @routes.get("/{rule_id}")
    def rule(rule_id: Id) -> RuleIn:
        """One rule."""
        return _out(systems.desk.rules.rule(rule_id))


def _writing(routes: APIRouter, systems: Systems) -> None:
    @routes.post("")
    def add(adding: Adding) -> SavedOut:
        """Add rules, or replace those of the same ids, as one version; served when this answers.

        409 `stale` where somebody changed the rules meanwhile (`held` is their version), 409 `refused` where a rule brings a
        conflict of severity `error` (`conflicts` lists them) and the change is not forced.
        """
        return _saved(_put(systems, [r.rule() for r in adding.rules], adding, force=adding.force))

    @routes.put("/{rule_id}")
    def put(rule_id: Id, putting: Putting) -> SavedOut:
        """Put one rule in its place; answers as adding does."""
        if putting.rule.id != rule_id:
            raise BadInput(f"the rule's id is {putting.rule.id!r} and its address says {rule_id!r}; wanted the same.")
        return _saved(_put(systems, [putting.rule.rule()], putting, force=putting.force))

    @routes.delete("/{rule_id}")
    def delete(
        rule_id: Id,
        expected: Annotated[int, Query(ge=0, le=99_999_999)],
        who: Annotated[str, Query(min_length=1, max_length=200)],
        note: Annotated[str, Query(max_length=1000)] = "",
    ) -> SavedOut:
        """Remove one rule; restoring the version before brings it back."""
        return _saved(systems.desk.rules.delete(rule_id, expected=expected, who=_sound(who), note=_sound(note)))

    @routes.post("/restore")
    def restore(r: Annotated[Restoring, Body()]) -> SavedOut:
        """Undo: let an earlier version's rules hold again, as a new version."""
        return _saved(systems.desk.rules.restore(r.version, expected=r.expected, who=_sound(r.who), note=_sound(r.note)))


def _put(systems: Systems, rules: list[Rule], change: Change, *, force: bool) -> Saved:
    taken = [r.id for r in rules if r.id in _ADDRESSES]
    if taken:
        raise BadInput(f"a rule is called {taken[0]!r}, which is an address of the desk; call it something else.")
    return systems.desk.rules.put(rules, expected=change.expected, who=_sound(change.who), note=_sound(change.note), force=force)


def _sound(text: str) -> str:
    """Text for the audit, which is kept as UTF-8 for people to read."""
    return "".join(c if c.isprintable() else " " for c in text).strip()


def _out(rule: Rule) -> RuleIn:
    return RuleIn.model_construct(**_full(as_data(rule)))


def _full(data: dict[str, Any]) -> dict[str, Any]:
    parts = {"products": ScopeIn, "when": WhenIn}
    return {**data, **{name: kind.model_construct(**data.get(name, {})) for name, kind in parts.items()}}


def _conflicts(found: tuple[Conflict, ...]) -> list[ConflictOut]:
    return [ConflictOut.model_validate(asdict(c)) for c in found]


def _saved(saved: Saved) -> SavedOut:
    return SavedOut(version=saved.version, changes=list(saved.changes), conflicts=_conflicts(saved.conflicts))


def _impact(made: Impact) -> ImpactOut:
    queries = [
        QueryOut.model_validate(
            asdict(q) | {"moves": [Moved(product=i, before=a, after=b) for i, a, b in q.moves], "changed": q.changed}
        )
        for q in made.queries
    ]
    return ImpactOut.model_validate(asdict(made) | {"queries": queries})
