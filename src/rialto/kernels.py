"""How kernels over tuples of arrays are compiled: cached, without the interpreter lock, and without counting references."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba as nb

__all__ = ["inner", "kernel"]

Work = TypeVar("Work", bound=Callable[..., Any])


def kernel(work: Work) -> Work:
    """Compile a function that makes no arrays of its own.

    Numba counts references to every array of a tuple at every call, with locked instructions that cost more than a small kernel's
    work. A kernel that only reads and writes its caller's arrays needs none (`_nrt=False`); one that makes an array does not compile.
    """
    options: dict[str, Any] = {"cache": True, "nogil": True, "_nrt": False}
    compiled: Any = nb.njit(**options)(work)
    return compiled


def inner(work: Work) -> Work:
    """Compile a function that becomes part of each kernel that calls it, as a tuple of arrays is some fifty numbers to pass."""
    options: dict[str, Any] = {"cache": True, "nogil": True, "_nrt": False, "forceinline": True}
    compiled: Any = nb.njit(**options)(work)
    return compiled
