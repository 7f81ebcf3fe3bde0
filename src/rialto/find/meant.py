"""What the query means held against the product: its predicted type, the numbers asked for, and the phrases that no result may hold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rialto.find.asking import lines_of
from rialto.find.catalogue import Catalogue
from rialto.find.query import Reader
from rialto.find.query.negation import holds
from rialto.find.query.quantities import Quantities
from rialto.find.query.types import Types
from rialto.records import Candidates, Columns, Context, Requests
from rialto.spine.features import Features, unknown
from rialto.spine.retrieve import Filter

__all__ = ["MEANT", "meant", "without"]

MEANT = ("type_probability", "type_best", "quantity_share")
"""P(the candidate's type | the query), the same over the likeliest type's, and the share of the asked numbers that it holds."""

_UNSEEN = -2


def meant(reader: Reader | None, catalogue: Catalogue) -> Features:
    """The columns `MEANT`; NaN for what the reader was not trained for, and for a product or query that tells nothing of it."""
    if reader is None:
        return unknown("meant", MEANT)
    typing, measures = reader.parts.typing, reader.parts.measures
    code = np.full(len(catalogue) if isinstance(typing, Types) else 0, _UNSEEN, dtype=np.int32)  # found out when first asked for

    def codes(typing: Types, rows: NDArray[np.int64]) -> NDArray[np.int32]:
        fresh = np.unique(rows[code[rows] == _UNSEEN])
        if len(fresh):
            code[fresh] = typing.codes(catalogue, fresh)
        return code[rows]

    def compute(requests: Requests, candidates: Candidates, context: Context) -> Columns:
        out = np.full((len(MEANT), len(candidates)), np.nan, dtype=np.float32)
        rows = np.maximum(catalogue.rows(candidates.ids), 0)
        for at, text in enumerate(requests.column("text").tolist()):
            own = slice(int(candidates.offsets[at]), int(candidates.offsets[at + 1]))
            if own.start == own.stop or not text:
                continue
            if isinstance(typing, Types) and (told := typing.told(text)) is not None:
                out[0, own], out[1, own] = _likely(told, codes(typing, rows[own]))
            if isinstance(measures, Quantities) and (asked := measures(text)):
                out[2, own] = measures.agreement(catalogue, rows[own], asked)
        return dict(zip(MEANT, out))

    return Features("meant", MEANT, compute, otherwise=float("nan"))


def _likely(probabilities: NDArray[np.float32], codes: NDArray[np.int32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    own = np.where(codes >= 0, probabilities[np.maximum(codes, 0)], np.nan).astype(np.float32)
    return own, own / max(float(probabilities.max()), 1e-9)


def without(catalogue: Catalogue) -> Filter:
    """The filter of "without X": what holds a phrase that the query excludes is removed, for the reason `excluded`."""

    def keep(requests: Requests, candidates: Candidates, context: Context) -> NDArray[np.bool_]:
        out = np.ones(len(candidates), dtype=np.bool_)
        for at, phrases in enumerate(lines_of(requests, "without")):
            own = slice(int(candidates.offsets[at]), int(candidates.offsets[at + 1]))
            if phrases and own.start < own.stop:
                out[own] = ~holds(catalogue, phrases, np.maximum(catalogue.rows(candidates.ids[own]), 0))
        return out

    return Filter("excluded", keep, idle=lambda requests: not any(lines_of(requests, "without")))
