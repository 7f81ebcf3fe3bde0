"""What commands print: tables and sentences for people, or one JSON value and nothing else on standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

__all__ = ["Advance", "json_out", "out", "plain", "progress", "table", "tell"]

Advance = Callable[[int, int], None]
"""Told how much of how much is done."""

out = Console(highlight=False)
tell = Console(stderr=True, highlight=False)
"""Progress and remarks go to standard error, so that standard output holds the answer alone."""


def json_out(value: Any) -> None:
    """Print `value` as JSON, alone, on standard output; NaN and infinities become null."""
    sys.stdout.write(json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def plain(value: Any) -> Any:
    """`value` as JSON's own types.

    Example:
        >>> plain({"a": np.float32(0.5), "b": (1, float("nan"))})
        {'a': 0.5, 'b': [1, None]}
    """
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, (str, int, bool)) or value is None:
        return value
    if isinstance(value, Sequence | set | frozenset):
        return [plain(v) for v in value]
    return str(value)


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """A table; numbers stand right and are rounded to four significant figures."""
    made = Table(title=title, title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False)
    for j, head in enumerate(heads):
        numeric = any(isinstance(r[j], (int, float, np.number)) for r in rows)
        made.add_column(head, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        made.add_row(*(_shown(v) for v in row))
    return made


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (float, np.floating)):
        if not np.isfinite(value):
            return "–"
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:,.4g}"
    return f"{value:,}" if isinstance(value, (int, np.integer)) else str(value)


@contextmanager
def progress(what: str, *, quiet: bool = False) -> Generator[Advance, None, None]:
    """A progress bar on standard error for whatever takes over a second; it vanishes when the work is done."""
    if quiet or not tell.is_terminal:
        yield lambda done, total: None
        return
    # here, as nobody waits for what draws a bar where none is drawn
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    bar = Progress(
        SpinnerColumn(), TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=tell, transient=True
    )
    with bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
