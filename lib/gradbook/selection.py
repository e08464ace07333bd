"""Selections by values of fields or columns: one way for studies, results, claims and views."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from gradbook.errors import InputError, unknown

if TYPE_CHECKING:
    import pandas as pd

Table = TypeVar("Table", bound="pd.DataFrame")


def plain(value: Any) -> Any:
    """Return a value such that equal ones compare equal and can be hashed, however a table holds them.

    >>> plain([1, [2.0, float("nan")]])
    (1, (2.0, None))
    """
    if isinstance(value, tuple | list):
        return tuple(map(plain, value))
    return None if isinstance(value, float) and np.isnan(value) else value


def allowed(given: Any) -> list[Any]:
    """Return the values that a selection allows: those of a list, a range, a set or an array, or the one that is given.

    >>> allowed("relu"), allowed(["relu", "tanh"]), allowed(range(3)), allowed((1, 2)), allowed([[1, 2]])
    (['relu'], ['relu', 'tanh'], [0, 1, 2], [(1, 2)], [(1, 2)])
    """
    several = isinstance(given, Iterable) and not isinstance(given, str | tuple | Mapping)
    return [plain(value) for value in (given if several else [given])]


def select(table: Table, **fields: Any) -> Table:
    """Return the rows whose columns have the given values; a list of values allows each of them.

    Raises:
        InputError: the table has no such column.
    """
    chosen = np.ones(len(table), bool)
    for name, given in fields.items():
        if name not in table:
            raise unknown("column", name, map(str, table))
        values = allowed(given)
        chosen &= np.array([plain(value) in values for value in table[name]], bool)
    return table[chosen]


def nothing_left(place: str, wanted: Mapping[str, Any], present: Mapping[str, Iterable[Any]]) -> InputError:
    """Return the refusal of a selection that leaves no run, with the values that there are.

    >>> nothing_left("study 'walk'", {"steps": 7}, {"steps": [10, 10, 100]})
    InputError("study 'walk' has no run with steps=7; allowed are steps 10, 100.")
    """
    words = ", ".join(f"{name}={value!r}" for name, value in wanted.items()) or "all defaults"
    known = "; ".join(f"{name} {', '.join(dict.fromkeys(map(str, values)))}" for name, values in present.items())
    return InputError(f"{place} has no run with {words}; allowed are {known}.")
