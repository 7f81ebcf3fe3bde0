"""`rialto find evaluate --query-understanding`: how well queries are understood, each part by its own measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rialto.cli.output import json_out, out, table, tell
from rialto.errors import BadInput, BadRow

if TYPE_CHECKING:
    from rialto.find.catalogue import Catalogue
    from rialto.find.query.measure import Measured
    from rialto.find.query.measure_tags import Truth

__all__ = ["query_understanding", "read_brands", "read_corrections", "read_labelled", "read_lines"]


def query_understanding(
    catalogue: Catalogue, *, corrections: str = "", good: str = "", brands: str = "", labelled: str = "", folds: int = 5,
    parts: int | None = None, seed: int = 0, as_json: bool = False,
) -> Mapping[str, float]:  # fmt: skip
    """Measure, print and return metric -> value, with `_low` and `_high` beside each.

    Args:
        catalogue: Whose words and attributes the reader learns.
        corrections: CSV with columns `query` and `corrected`; "" = no spelling measure.
        good: A good query a line, for harm; "" = none.
        brands: CSV with a column `name`: brand names beside the catalogue's own.
        labelled: CSV with a column `query` and any of `type`, `intent` and `spans` ("0:1:brand 1:2:type"); "" = none.
        folds: Parts that the corrections are split into, by a hash of the corrected text.
        parts: Parts tested; None = all of them.

    Raises:
        BadInput: a file cannot be read; its row is named.
    """
    from rialto.find.query.measure import measure_folds
    from rialto.find.query.measure_tags import measure_synthesised
    from rialto.find.query.reader import Reader
    from rialto.find.query.sources import Sources

    found: dict[str, Measured] = {}
    split = "no corrections were given: spelling is not measured"
    if corrections:
        pairs, queries = read_corrections(Path(corrections)), read_lines(Path(good)) if good else []
        sources = Sources.of(catalogue, texts=read_brands(Path(brands)) if brands else None)

        def train(told: Sequence[tuple[str, str]], right: Sequence[str]) -> Reader:
            tell.print(f"training on {len(told):,} of {len(pairs):,} corrections and {len(right):,} good queries ...")
            return Reader.of_sources(sources, pairs=told, good=right)

        found |= measure_folds(train, pairs, queries, folds=folds, parts=parts, seed=seed)
        split = (
            f"{len(pairs):,} corrections in {folds} parts by a hash of the corrected text, so that no correction is in two; "
            f"{parts or folds} part(s) tested, each by a reader that saw the others only"
        )
    tell.print("making queries up and reading them ...")
    found |= measure_synthesised(catalogue, seed=seed)
    made = "tags, types, intents and negation: queries made up from a fifth of the groups of variants, by parts trained on the others"
    if labelled:
        found |= {f"real_{k}": m for k, m in _of_labelled(catalogue, Path(labelled), seed).items()}
        made += "; real_: the labelled queries, by parts trained on the whole catalogue"
    flat = {name + end: value for name, m in found.items() for end, value in (("", m.value), ("_low", m.low), ("_high", m.high))}
    if as_json:
        json_out({**flat, "split": split, "made": made})
        return flat
    rows = [(name, m.value, f"{m.low:.4f} .. {m.high:.4f}", len(m.each)) for name, m in found.items()]
    out.print(table("Query understanding", ("measure", "value", "95 % interval", "queries"), rows))
    out.print(f"Split: {split}.")
    out.print(f"Made up: {made}.")
    return flat


def _of_labelled(catalogue: Catalogue, file: Path, seed: int) -> Mapping[str, Measured]:
    from rialto.find.query.measure_tags import measure_parts
    from rialto.find.query.training import train_parts

    truth = read_labelled(file)
    return measure_parts(train_parts(catalogue, seed=seed), truth, seed=seed)


def read_labelled(file: Path) -> list[Truth]:
    """Queries with what is true of them; `BadInput` names the row. Types are parted by `|`, spans are `start:stop:kind` in words."""
    from rialto.find.query.measure_tags import Truth
    from rialto.find.query.roles import KINDS

    out: list[Truth] = []
    for at, row in enumerate(_rows(file, ("query",))):
        text = " ".join((row["query"] or "").lower().split())
        try:
            said = [s.split(":") for s in (row.get("spans") or "").split()]
            spans = tuple((int(a), int(b), kind) for a, b, kind in said)
        except ValueError:
            raise BadInput(
                f"{file}, row {at + 2}: spans {row.get('spans')!r}; wanted start:stop:kind, parted by blanks."
            ) from None
        wrong = [s for s in spans if s[2] not in KINDS or not 0 <= s[0] < s[1] <= len(text.split())]
        if not text or wrong:
            raise BadInput(
                f"{file}, row {at + 2}: query {text!r}, spans {wrong}; wanted text, and kinds among {', '.join(KINDS)}."
            )
        types = frozenset(t.strip() for t in (row.get("type") or "").split("|") if t.strip())
        out.append(Truth(text, spans or None, types, (row.get("intent") or "").strip()))
    return out


def read_corrections(file: Path) -> list[tuple[str, str]]:
    """(As typed, as meant) of a CSV with columns `query` and `corrected`; `BadInput` names the row."""
    rows = _rows(file, ("query", "corrected"))
    pairs = [((r["query"] or "").strip(), (r["corrected"] or "").strip()) for r in rows]
    for at, (typed, meant) in enumerate(pairs):
        if not typed or not meant:
            raise BadInput(f"{file}, row {at + 2}: query {typed!r}, corrected {meant!r}; wanted text in both.")
    return pairs


def read_brands(file: Path) -> dict[str, float]:
    """Brand name -> weight of a CSV with a column `name`, and `cnt_attribute` or `count` where it has one."""
    rows = _rows(file, ("name",))
    return {r["name"]: _count(r.get("cnt_attribute") or r.get("count") or "") for r in rows if r["name"]}


def read_lines(file: Path) -> list[str]:
    """The lines of a text file that hold something."""
    try:
        return [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as e:
        raise BadInput(f"{file} cannot be read: {e}; wanted UTF-8 text, a query a line.") from None


def _rows(file: Path, wanted: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a table, whatever divides its cells; `BadInput` names a column that is not there, or a row that does not fit."""
    from rialto.find.files import text_of
    from rialto.find.tables import Remarks, table

    remarks = Remarks()
    rows = [row for _, row in table(iter(text_of(str(file), remarks)), ",", remarks)]
    heads = next((list(r) for r in rows if isinstance(r, dict)), [])
    missing = [w for w in wanted if w not in heads]
    if missing:
        raise BadInput(f"{file} has columns {', '.join(heads) or 'none'}; wanted {', '.join(wanted)}.")
    for row in rows:
        if isinstance(row, BadRow):
            raise BadInput(f"{file}, {row}")
    return rows


def _count(text: str) -> float:
    """A brand's weight: its count, at most 50, so that one brand does not fill the lexicon; 1 where there is no number."""
    try:
        return min(max(float(text), 1.0), 50.0)
    except ValueError:
        return 1.0
