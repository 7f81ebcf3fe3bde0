"""The error tree: code decides by type, people read the text.

    RialtoError
    ├── BadInput          a caller's value is wrong; nothing was written
    │   └── BadRow        one row of a file or a batch, with its number, field and value
    ├── BadSettings       the configuration is wrong; every problem is listed at once
    ├── EngineError       something outside this code failed
    │   ├── EngineMissing its client library or server is not installed; the text holds the install command
    │   ├── EngineBusy    try again later
    │   └── EngineLost    do not try again: the data or the connection is gone
    ├── Overrun           a step had no time left
    └── NothingHere       what was asked for by name does not exist

Every text says what is wrong, what came, what was wanted and what to do.
"""

from collections.abc import Iterable
from difflib import SequenceMatcher

__all__ = [
    "BadInput",
    "BadRow",
    "BadSettings",
    "EngineBusy",
    "EngineError",
    "EngineLost",
    "EngineMissing",
    "NothingHere",
    "Overrun",
    "RialtoError",
    "known",
]


class RialtoError(Exception):
    """Whatever Rialto raises on purpose."""


class BadInput(RialtoError, ValueError):
    """A value from outside is wrong; nothing was written."""


class BadRow(BadInput):
    """One row is wrong: `row` counts from 1, `field` names the column, `value` is what came."""

    def __init__(self, row: int, field: str, value: object, wanted: str) -> None:
        self.row, self.field, self.value, self.wanted = row, field, value, wanted
        super().__init__(f"row {row}, field {field!r}: got {_short(value)}; wanted {wanted}.")

    def to_json(self) -> dict[str, object]:
        """As JSON has it; of the value the first 200 characters."""
        return {"row": self.row, "field": self.field, "value": repr(self.value)[:200], "wanted": self.wanted}


class BadSettings(RialtoError, ValueError):
    """The configuration is wrong; `problems` lists all that was found."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class EngineError(RialtoError):
    """An engine failed."""


class EngineMissing(EngineError, ImportError):
    """A client library or a server is not installed; `install` is the command that mends it."""

    def __init__(self, what: str, install: str) -> None:
        self.what, self.install = what, install
        super().__init__(f"{what} is not installed. To install it: {install}")


class EngineBusy(EngineError):
    """The engine could not answer now; the same call may be tried again."""


class EngineLost(EngineError):
    """The engine is gone or its data is damaged; trying again does not help."""


class Overrun(RialtoError, TimeoutError):
    """A step had no time left."""


class NothingHere(RialtoError, LookupError):
    """What was asked for by name does not exist."""


def known(name: str, names: Iterable[str], limit: int = 10) -> str:
    """List up to `limit` known names, the nearest to `name` first, for the end of an error text.

    Example:
        >>> known("color", ["size", "colour", "brand"])
        'colour, brand, size'
        >>> known("x", [])
        '(none)'
    """
    ranked = sorted(names, key=lambda n: -SequenceMatcher(None, name.lower(), n.lower()).ratio())
    more = f" and {len(ranked) - limit} more" if len(ranked) > limit else ""
    return (", ".join(ranked[:limit]) + more) or "(none)"


def _short(value: object, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
