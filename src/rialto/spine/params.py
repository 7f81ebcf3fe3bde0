"""Every tunable declared once, on one line, by the step that owns it; read through the request, so that an experiment is an override of a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rialto.errors import BadInput, BadSettings, known
from rialto.records import Requests

__all__ = ["Param", "Value", "overrides_of", "params", "settle", "with_settled"]

Value = bool | int | float | str

_declared: dict[str, Param] = {}
_settled: dict[str, Value] = {}


@dataclass(frozen=True, slots=True)
class Param:
    """One tunable: its dotted name, default, range, unit and meaning. Its type is its default's.

    Args:
        name: Dotted name, unique: `find.retrieve.k`.
        default: Value where nothing overrides it.
        low, high: Range, both ends in; for numbers.
        unit: What one is: `candidates`, `s`, `m`, `cents`, `share`.
        doc: One sentence.

    Raises:
        BadSettings: the default is out of range, or another tunable has this name.

    Example:
        >>> size = Param("doctest.size", 10, low=1, high=100, unit="results", doc="Results on a page.")
        >>> r = Requests.of({"text": np.array(["a", "b"])}, overrides={"doctest.size": np.array([3, 5])})
        >>> size.of(r).tolist(), size.of(Requests.of({"text": np.array(["a"])})).tolist()
        ([3, 5], [10])
    """

    name: str
    default: Value
    low: float = -np.inf
    high: float = np.inf
    unit: str = ""
    doc: str = ""

    def __post_init__(self) -> None:
        self.check(self.default)
        other = _declared.get(self.name)
        if other is not None and other != self:
            raise BadSettings([f"param {self.name!r} is declared twice; give one of the two another name."])
        _declared[self.name] = self

    def check(self, value: Any) -> Value:
        """`value` as this param's type; `BadSettings` where it is of another type or out of range."""
        kind = type(self.default)
        fits = isinstance(value, (int, float, np.number)) and not isinstance(value, bool) if kind in (int, float) else True
        if not fits or (kind in (bool, str) and not isinstance(value, (kind, np.bool_ if kind is bool else np.str_))):
            raise BadSettings([f"param {self.name!r}: got {value!r}; wanted {kind.__name__} {self.unit}."])
        typed = kind(value)
        if not isinstance(typed, str) and not (self.low <= typed <= self.high and typed == value):
            raise BadSettings(
                [f"param {self.name!r}: got {value!r}; wanted {kind.__name__} {self.unit} in {self.low:g}..{self.high:g}."]
            )
        return typed

    @property
    def _own(self) -> Value:
        return _settled.get(self.name, self.default)

    def of(self, requests: Requests) -> NDArray[Any]:
        """Each request's value, shape (requests,): its override, else what the settings say, else the default."""
        column = requests.overrides.get(self.name)
        return np.full(len(requests), self._own) if column is None else column

    def one(self, requests: Requests) -> Any:
        """The one value of the whole batch; `BadInput` where an experiment made it differ between requests."""
        column = requests.overrides.get(self.name)
        if column is None or len(column) == 0:
            return self._own
        if np.any(column != column[0]):
            raise BadInput(f"param {self.name!r} differs within the batch; wanted one value: split the batch by it.")
        return type(self.default)(column[0])


def params() -> dict[str, Param]:
    """All tunables declared by the modules imported so far, by name."""
    return dict(sorted(_declared.items()))


def settle(values: Mapping[str, Value]) -> None:
    """Set what the settings say of tunables, for the whole process; `BadSettings` lists every problem, and nothing is set."""
    overrides_of(values, 0)
    _settled.clear()
    _settled.update({name: _declared[name].check(value) for name, value in values.items()})


def with_settled(requests: Requests) -> Requests:
    """The requests with the settings' values as overrides, where they have none of their own: so the log holds what was used."""
    if not _settled:
        return requests
    columns = {n: np.broadcast_to(np.asarray(v), (len(requests),)) for n, v in _settled.items()}
    return replace(requests, overrides=columns | dict(requests.overrides))


def overrides_of(values: Mapping[str, Value], requests: int) -> dict[str, NDArray[Any]]:
    """Override columns, (requests,) each, that set `values` for a whole batch; `BadSettings` lists every problem at once."""
    problems: list[str] = []
    columns: dict[str, NDArray[Any]] = {}
    for name, value in values.items():
        if name not in _declared:
            problems.append(f"there is no param {name!r}; known: {known(name, _declared)}.")
            continue
        try:
            columns[name] = np.broadcast_to(np.asarray(_declared[name].check(value)), (requests,))
        except BadSettings as e:
            problems.extend(e.problems)
    if problems:
        raise BadSettings(problems)
    return columns
