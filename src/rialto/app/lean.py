"""What a process that serves leaves out of its memory: a library that arrow loads for nobody, and what building the parts left behind."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from types import ModuleType

import pyarrow as pa

__all__ = ["begin_lean", "give_back"]


def begin_lean() -> None:
    """Let arrow take memory from the allocator that all else uses, and not load pandas; once, before arrow reads or makes a column.

    Arrow's own pool keeps what it was given, some 20 MB after a catalogue is read. And arrow loads pandas, where that is installed, at
    the first column that it makes, to know a pandas column when it sees one: 40 MB and half a second, and there are none here. It
    looks for pandas once and remembers; whoever else imports pandas gets it.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    if "pandas" in sys.modules:
        return
    sys.meta_path.insert(0, _WithoutPandas)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(_WithoutPandas)


class _WithoutPandas:
    """A finder of modules that finds no pandas."""

    @staticmethod
    def find_spec(fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError("pandas is not looked for now", name=fullname)


def give_back() -> None:
    """Return free memory to the system, where the C library can: what builds a part, or reads the log, makes far more than it keeps.

    Cost: some ten milliseconds, in which other threads may wait for memory.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
