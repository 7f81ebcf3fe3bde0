"""Tables as text: bytes to lines, the delimiter guessed from the heading, and rows, with what an unclosed quote swallowed given back."""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from rialto.errors import BadRow

__all__ = ["Remarks", "records", "sniffed", "table", "text_lines"]

_CELL = 16_000_000  # characters of one cell that are read; `values.as_text` says how many may go in
_LINES, _TEXT = 5_000, 4_000_000  # lines and characters of one row, from which on a quote counts as unclosed
_LOOKED = 20  # first rows that the delimiter is guessed from
_BYTE = re.compile("[\udc80-\udcff]")
_DELIMITERS = (",", "\t", ";", "|")


class Remarks:
    """What a reader let pass, each sort with how often and its first case; for people.

    Example:
        >>> r = Remarks()
        >>> r.note("short rows", "row 3"), r.note("short rows", "row 9"), r.lines
        (None, None, ('short rows (2; the first: row 3)',))
    """

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, str]] = {}

    def note(self, what: str, example: str = "") -> None:
        """Count one case of `what`."""
        count, first = self._seen.get(what, (0, example))
        self._seen[what] = (count + 1, first)

    @property
    def lines(self) -> tuple[str, ...]:
        """A sentence for each sort, in the order they came."""
        return tuple(f"{what} ({n:,}; the first: {first})" if first else what for what, (n, first) in self._seen.items())


def text_lines(stream: Any, remarks: Remarks) -> Iterator[str]:
    """The lines of a binary stream with their ends: UTF-8, UTF-16 with its mark; a byte that is neither is read as Windows-1252."""
    with io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
        for number, line in enumerate(lines, start=1):
            if number == 1 and line[:2] in ("\udcff\udcfe", "\udcfe\udcff"):
                stream.seek(0)
                with io.TextIOWrapper(stream, encoding="utf-16", errors="replace", newline="") as wide:
                    yield from wide
                return
            if not line.isascii() and _BYTE.search(line):
                remarks.note("lines with bytes that are not UTF-8 were read as Windows-1252", f"line {number}")
                line = _BYTE.sub(_windows, line)
            yield line


def _windows(found: re.Match[str]) -> str:
    byte = bytes([ord(found[0]) - 0xDC00])
    try:
        return byte.decode("cp1252")
    except UnicodeDecodeError:  # five bytes that it leaves open
        return byte.decode("latin-1")


def sniffed(head: Sequence[str], usual: str = ",") -> str:
    """The delimiter of a table from its first lines: the one that makes most of the heading, and as much of the rows; else `usual`.

    Example:
        >>> sniffed(["id;title;price", "1;Lamp, red;2,50"]), sniffed(["id|title", "1|a"]), sniffed(["title", "Lamp; red"])
        (';', '|', ',')
    """
    best, most = usual, (1, 0, 0)
    for delimiter in sorted(_DELIMITERS, key=lambda d: d != usual):
        widths = [len(cells) for cells in _parsed(head[:_LOOKED], delimiter) if cells]
        if widths and (widths[0], sum(w == widths[0] for w in widths), 0) > most:
            best, most = delimiter, (widths[0], sum(w == widths[0] for w in widths), 0)
    return best


def _parsed(lines: Iterable[str], delimiter: str) -> list[list[str]]:
    _widen()
    try:
        return list(csv.reader(lines, delimiter=delimiter))
    except csv.Error:
        return []


def _widen() -> None:
    if csv.field_size_limit() < _CELL:  # a setting of the whole process, so it is only ever raised
        csv.field_size_limit(_CELL)


class _Feed:
    """Lines for the csv module that remembers those of the row being read, and can take some back."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines, self._again, self.taken, self._size = iter(lines), deque[str](), list[str](), 0

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        if len(self.taken) >= _LINES or (self.taken and self._size > _TEXT):
            raise csv.Error("a quote is not closed")
        line = self._again.popleft() if self._again else next(self._lines)
        self.taken.append(line)
        self._size += len(line)
        return line

    def begin(self) -> None:
        self.taken, self._size = [], 0

    def back(self, lines: Sequence[str]) -> None:
        self._again.extendleft(reversed(lines))


def records(lines: Iterable[str], delimiter: str, width: int = 0) -> Iterator[tuple[list[str], int]]:
    """Rows of cells, each with how many lines an unclosed quote in it would have swallowed; those lines are read as rows of their own.

    Args:
        lines: With their ends.
        delimiter: One character.
        width: Cells of a row; 0 = as many as the first has.

    Example:
        >>> list(records(["a,b\\n", '1,"Lamp\\n', "2,Desk\\n"], ","))
        [(['a', 'b'], 0), (['1', 'Lamp'], 1), (['2', 'Desk'], 0)]
    """
    _widen()
    feed = _Feed(lines)
    reader = csv.reader(feed, delimiter=delimiter)
    while True:
        feed.begin()
        try:
            cells = next(reader, None)
        except csv.Error:
            cells = [""]
            torn = True
        else:
            if cells is None:
                return
            torn = len(feed.taken) > 1 and _torn(feed.taken, cells, width or len(cells), delimiter)
        if torn:
            first, rest = feed.taken[0], feed.taken[1:]
            feed.back(rest)
            reader = csv.reader(feed, delimiter=delimiter)
            yield [c.rstrip("\r\n") for c in _alone(first, delimiter)], len(rest)
            continue
        width = width or len(cells)
        yield cells, 0


def _alone(line: str, delimiter: str) -> list[str]:
    return (_parsed([line], delimiter) or [[line]])[0]


def _torn(taken: Sequence[str], cells: Sequence[str], width: int, delimiter: str) -> bool:
    """True where a row of several lines is one with a quote that nobody closed, and others behind it."""
    try:
        list(csv.reader(taken, delimiter=delimiter, strict=True))
    except csv.Error:
        return len(cells) != width or len(_alone(taken[1], delimiter)) == width
    return False


def table(lines: Iterator[str], usual: str, remarks: Remarks) -> Generator[tuple[int, Any], None, None]:
    """Rows as dictionaries with their numbers from 1 (the heading is none); a row that does not fit comes as a `BadRow`.

    Args:
        lines: The first that is not blank is the heading.
        usual: The delimiter where the heading does not tell; `sep=;` before it does.
        remarks: Told of short rows, unclosed quotes and another delimiter.
    """
    head = list(islice((line for line in lines if line.strip()), _LOOKED))
    if head and re.fullmatch(r"sep=.\s*", head[0]):
        usual, head = head[0][4], head[1:]
        delimiter = usual
    else:
        delimiter = sniffed(head, usual)
    if delimiter != usual:
        remarks.note(f"cells are divided by {delimiter!r}, as the heading shows")
    rows = records(chain(head, lines), delimiter)
    names = _names(next(rows, ([], 0))[0])
    number = 0
    for cells, swallowed in rows:
        if cells:
            number += 1
            yield number, _row(number, cells, names, swallowed, remarks)


def _names(heading: Sequence[str]) -> list[str]:
    """The columns' names, each once; one without a name is called by its place."""
    out: dict[str, None] = {}
    for at, cell in enumerate(heading, start=1):
        name = base = cell.strip() or f"column_{at}"
        while name in out:
            name = f"{base}_{at}" if name == base else f"{name}_"
        out[name] = None
    return list(out)


def _row(number: int, cells: list[str], names: list[str], swallowed: int, remarks: Remarks) -> Any:
    if swallowed:
        remarks.note("rows have a quote that is not closed; the lines behind it were read as rows", f"row {number}")
    extra = [c for c in cells[len(names) :] if c.strip()]
    if extra or 2 * len(cells) <= len(names):
        wanted = f"{len(names)} cells, as many as the heading has" + (
            f"; a quote is not closed, and {swallowed:,} lines stand behind it" if swallowed else ""
        )
        return BadRow(number, "(row)" if extra else names[len(cells)], extra or cells, wanted)
    if len(cells) < len(names):
        remarks.note("rows have fewer cells than the heading; those that lack are blank", f"row {number}")
    return dict(zip(names, [*cells, *[""] * (len(names) - len(cells))]))
