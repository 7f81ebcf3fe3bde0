"""The API of the catalogue as it changes: products put in and taken out, full indexes beside the one that serves, and data quality."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from rialto.app.live import Job
from rialto.app.systems import Systems
from rialto.app.updates import Updated

__all__ = ["router"]

Name = Annotated[str, Field(min_length=1, max_length=500)]


class Rejected(BaseModel):
    """A row that did not go in."""

    row: int = Field(description="From 1.")
    field: str
    value: str
    wanted: str


class UpdatedOut(BaseModel):
    """What came of a change; it is durable, and every search that begins from here on sees it."""

    added: int
    replaced: int
    removed: int
    unknown: list[str] = Field(description="Ids to take out that were not there.")
    rejects: list[Rejected]
    products: int = Field(description="Of the shop now.")
    version: str = Field(description="Names the catalogue as it is now; decisions hold it.")
    pending: int = Field(description="Changes since the last full index.")


class Indexing(BaseModel):
    """What a full index is made of."""

    model_config = ConfigDict(extra="forbid")
    source: Literal["file", "products"] = Field(
        "file", description="`file`: the shop's own file, read again; `products`: the products as they are, changes included."
    )


class JobOut(BaseModel):
    """A full index in the making; the one before serves until it is done, and on where it fails."""

    id: str
    source: Literal["file", "products"]
    state: Literal["running", "done", "failed"]
    step: str
    started_s: float = Field(description="Seconds since 1970, UTC.")
    ended_s: float | None
    products: int = Field(description="Of the file; 0 until it is read. Likewise rows and rejected.")
    rows: int
    rejected: int
    rejects: list[Rejected] = Field(description="The first hundred rejected rows; all are kept with the index.")
    error: str


class FindingOut(BaseModel):
    """One thing that is wrong with some products."""

    kind: str
    about: str = Field(description="Field, attribute or category; empty = the product as a whole.")
    severity: Literal["high", "medium", "low"]
    count: int
    share: float
    says: str
    products: list[str] = Field(description="The first hundred.")
    hints: list[str]


class QualityOut(BaseModel):
    """What is wrong with the catalogue, the gravest first."""

    version: str = Field(description="Names the catalogue that was looked at.")
    products: int
    sound: int = Field(description="Products without a finding of severity high or medium.")
    share_sound: float
    findings: list[FindingOut]


def router(systems: Systems) -> APIRouter:
    """Routes under /api/find/products, /api/find/index and /api/find/quality."""
    routes = APIRouter(prefix="/api/find", tags=["catalogue"])
    _products(routes, systems)
    _index(routes, systems)
    _quality(routes, systems)
    return routes


def _products(routes: APIRouter, systems: Systems) -> None:
    @routes.post("/products")
    def upsert(rows: Annotated[list[dict[str, Any]], Body(min_length=1, max_length=50_000)]) -> UpdatedOut:
        """Put products in, or replace those of the same ids; rows have the columns of the catalogue's file.

        What a row leaves out is not known. Rows that are wrong are told and do not go in; the others do.
        """
        return _updated(systems.desk.live.upsert(rows))

    @routes.delete("/products")
    def remove(
        id: Annotated[list[Name], Query(min_length=1, max_length=1000, description="Ids of products; repeat it for several.")],
    ) -> UpdatedOut:
        """Take products out; ids that are not there are told and no error."""
        return _updated(systems.desk.live.remove(id))


def _index(routes: APIRouter, systems: Systems) -> None:
    @routes.post("/index", status_code=202)
    def begin(indexing: Annotated[Indexing, Body()], response: Response) -> JobOut:
        """Begin a full index beside the one that serves; 503 while another one is being made."""
        live = systems.desk.live
        job = live.reindex("" if indexing.source == "products" else None)
        response.headers["Location"] = f"/api/find/index/{job.id}"
        return _job(job)

    @routes.get("/index")
    def jobs() -> list[JobOut]:
        """All full indexes since the service began, the first first."""
        return [_job(j) for j in systems.desk.live.jobs()]

    @routes.get("/index/{job}")
    def job(job: Annotated[str, Path(max_length=100)]) -> JobOut:
        """How far one is."""
        return _job(systems.desk.live.job(job))


def _quality(routes: APIRouter, systems: Systems) -> None:
    @routes.get("/quality")
    def quality() -> QualityOut:
        """What is wrong with the catalogue as it is now; looked at once for each version of it, which takes a second and more."""
        catalogue = systems.shop.search.catalogue
        return QualityOut.model_validate({**systems.inspected.of(catalogue).to_json(), "version": catalogue.version})


def _updated(made: Updated) -> UpdatedOut:
    return UpdatedOut.model_validate(made.to_json())


def _job(job: Job) -> JobOut:
    told = {k: v for k, v in asdict(job).items() if k != "path"}
    return JobOut.model_validate({**told, "source": "file" if job.path else "products"})
