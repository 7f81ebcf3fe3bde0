"""The API of a shop's own synonyms: read, check, save, who changed what, undo."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, ConfigDict, Field

from rialto.app.systems import Systems
from rialto.find.synonyms import Finding, Saved
from rialto.serve.problems import CONFLICT
from rialto.serve.rules import AuditOut, Change, Restoring

__all__ = ["router"]

Text = Annotated[
    str,
    Field(
        max_length=2_000_000,
        description="A line each: `tv, television` both ways, `xmas => christmas` one way; lines that begin with # say nothing.",
    ),
]


class BookOut(BaseModel):
    """The synonyms of one version."""

    version: int
    text: str = Field(description="A line each, as `PUT` takes them.")
    count: int


class FindingOut(BaseModel):
    """One thing that is wrong."""

    kind: str
    severity: str = Field(description="`error` refuses a save that is not forced; `warning` does not.")
    lines: list[str]
    told: str


class TextIn(BaseModel):
    """Synonyms to check."""

    model_config = ConfigDict(extra="forbid")
    text: Text


class Putting(Change):
    """All synonyms, in the place of those that hold."""

    text: Text
    force: bool = Field(False, description="Save in spite of errors; the audit says so.")


class SavedSynonyms(BaseModel):
    """What a change came to."""

    version: int = Field(description="What holds now; give it back with the next change.")
    changes: list[str]
    findings: list[FindingOut] = Field(description="What is wrong with all synonyms, errors first.")


def router(systems: Systems) -> APIRouter:
    """Routes under /api/find/synonyms."""
    routes = APIRouter(prefix="/api/find/synonyms", tags=["synonyms"], responses=CONFLICT)

    @routes.get("")
    def synonyms(
        version: Annotated[
            int | None, Query(ge=0, le=99_999_999, description="An earlier one; what holds where not given.")
        ] = None,
    ) -> BookOut:
        """The shop's own synonyms; the general ones that ship are not among them."""
        book = systems.desk.synonyms.book(version)
        return BookOut(version=book.version, text=book.text, count=len(book))

    @routes.post("/check")
    def check(asked: Annotated[TextIn, Body()]) -> list[FindingOut]:
        """What would be wrong with these synonyms; nothing is saved."""
        return _findings(systems.desk.synonyms.check(asked.text))

    @routes.put("")
    def put(p: Annotated[Putting, Body()]) -> SavedSynonyms:
        """Let these synonyms hold; searches that begin after the answer read with them, without a full index."""
        made = systems.desk.synonyms.save(p.text, expected=p.expected, who=_sound(p.who), note=_sound(p.note), force=p.force)
        return _saved(made)

    @routes.post("/restore")
    def restore(r: Annotated[Restoring, Body()]) -> SavedSynonyms:
        """Undo: let an earlier version's synonyms hold again, as a new version."""
        return _saved(systems.desk.synonyms.restore(r.version, expected=r.expected, who=_sound(r.who), note=_sound(r.note)))

    @routes.get("/audit")
    def audit() -> list[AuditOut]:
        """Who changed what, when, from which version and why, the oldest first."""
        return [AuditOut.model_validate(asdict(c)) for c in systems.desk.synonyms.audit()]

    return routes


def _sound(text: str) -> str:
    """Text for the audit, which is kept as UTF-8 for people to read."""
    return "".join(c if c.isprintable() else " " for c in text).strip()


def _findings(found: tuple[Finding, ...]) -> list[FindingOut]:
    return [FindingOut.model_validate(asdict(f)) for f in found]


def _saved(made: Saved) -> SavedSynonyms:
    return SavedSynonyms(version=made.version, changes=list(made.changes), findings=_findings(made.findings))
