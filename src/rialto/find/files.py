"""A file of rows, one after the other: JSON lines or lists, tables as text, Parquet, packed or not; a line that is no row comes as a `BadRow`."""

from __future__ import annotations

import json
import lzma
import re
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from gzip import BadGzipFile
from itertools import chain
from typing import Any, cast

import fsspec
import pyarrow as pa

from rialto.errors import BadInput, BadRow, EngineError, NothingHere
from rialto.find.tables import Remarks, table, text_lines

__all__ = ["file_rows", "kind_of", "opened", "text_of"]

_TABLES = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".psv": "|", ".txt": "\t"}
_LINES = (".jsonl", ".ndjson", ".json")
_PARQUET = (".parquet", ".pq")
_HOLDER = re.compile(r'\s*\{\s*"(products|items|data|results|docs|documents|hits|rows|catalog|catalogue|response)"\s*:\s*[\[{]')


def kind_of(path: str) -> str:
    """A file's ending without its packing's, lower case; "" where it has none.

    Example:
        >>> kind_of("https://x/shop.CSV.gz"), kind_of("qrels")
        ('.csv', '')
    """
    plain = path.lower()
    for packing in (".gz", ".bz2", ".xz", ".zst"):
        plain = plain.removesuffix(packing)
    name = plain.rsplit("/", 1)[-1]
    return name[name.rfind(".") :] if "." in name else ""


@contextmanager
def opened(path: str) -> Generator[Any, None, None]:
    """A file's bytes as a stream, unpacked; every failure is told as `NothingHere`, `BadInput` or `EngineError`."""
    try:
        with fsspec.open(path, "rb", compression="infer") as stream:
            yield stream
    except FileNotFoundError:
        raise NothingHere(f"there is no file {path}.") from None
    except IsADirectoryError:
        raise BadInput(f"{path} is a folder; wanted a file.") from None
    except (BadGzipFile, EOFError, zlib.error, lzma.LZMAError, pa.ArrowException) as e:
        raise BadInput(f"{path} is damaged, or not what its name says ({type(e).__name__}: {e}); write it again.") from None
    except OSError as e:
        raise EngineError(f"{path} cannot be read: {e.strerror or e}.") from e


def text_of(path: str, remarks: Remarks) -> list[str]:
    """All lines of a text file that hold something, with their ends."""
    with opened(path) as stream:
        return [line for line in text_lines(stream, remarks) if line.strip()]


def file_rows(path: str, remarks: Remarks | None = None) -> Iterator[tuple[int, Any]]:
    """Rows of a file with their numbers from 1 (a heading is none).

    Args:
        path: Any fsspec path that ends in `.jsonl`, `.ndjson`, `.json`, `.csv`, `.tsv`, `.txt` or `.parquet`, packed or not (`.gz`).
        remarks: Told what was let pass.
    """
    ending, told = kind_of(path), remarks or Remarks()
    reader: Callable[[Any], Iterator[tuple[int, Any]]]
    if ending in _PARQUET:
        reader = _parquet
    elif ending in _LINES:
        reader = lambda s: _json(text_lines(s, told))  # noqa: E731
    elif ending in _TABLES:
        reader = lambda s: _text(text_lines(s, told), _TABLES[ending], told)  # noqa: E731
    else:
        raise BadInput(f"{path} has an unknown ending; wanted .jsonl, .json, .csv, .tsv, .txt or .parquet, and .gz where packed.")
    with opened(path) as stream:
        yield from reader(stream)


def _text(lines: Iterator[str], usual: str, remarks: Remarks) -> Iterator[tuple[int, Any]]:
    first = next((line for line in lines if line.strip()), "")
    every = chain([first], lines) if first else iter(())
    return _json(every) if first.lstrip()[:1] == "{" and usual == "\t" else table(every, usual, remarks)


def _json(lines: Iterator[str]) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(lines, start=1):
        if number == 1 and (line.lstrip().startswith("[") or line.strip() == "{" or _HOLDER.match(line)):
            yield from _json_whole("".join(chain([line], lines)))
            return
        if line.strip():
            yield number, _json_row(number, line.strip())


def _json_row(number: int, line: str) -> Any:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as e:
        return BadRow(number, "(line)", line, f"a JSON object ({e})")
    return _object(number, "(line)", row)


def _object(number: int, field: str, row: Any) -> Any:
    if not isinstance(row, dict):
        return BadRow(number, field, row, "a JSON object")
    made = cast("dict[str, Any]", row)
    inner = made.get("_source")  # as search engines write their documents
    return {"_id": made.get("_id"), **cast("dict[str, Any]", inner)} if isinstance(inner, dict) else made


def _json_whole(body: str) -> Iterator[tuple[int, Any]]:
    """Rows of one JSON value: a list of objects, or an object that holds one, or objects by their ids."""
    try:
        rows = json.loads(body)
    except (ValueError, RecursionError) as e:
        raise BadInput(f"the JSON list cannot be read: {e}; wanted a list of objects, or an object a line.") from None
    for number, row in enumerate(_held(rows), start=1):
        yield number, _object(number, "(row)", row)


def _held(value: Any, depth: int = 0) -> list[Any]:
    """The list of rows in a JSON value."""
    if isinstance(value, list):
        return cast("list[Any]", value)
    held = cast("dict[str, Any]", value)
    inner = next((v for k, v in held.items() if _HOLDER.match(f'{{"{k}": [') and isinstance(v, (list, dict))), None)
    if inner is not None and depth < 4:
        return _held(inner, depth + 1)
    if held and all(isinstance(v, dict) for v in held.values()):
        return [{"id": k, **v} for k, v in held.items()]
    return [held]


def _parquet(stream: Any) -> Iterator[tuple[int, Any]]:
    import pyarrow.parquet as pq  # here, as it brings arrow's clients of object stores along: 4 MB for a format that few catalogues have

    number = 0
    for batch in pq.ParquetFile(stream).iter_batches(4096):
        for row in batch.to_pylist():
            number += 1
            yield number, row
