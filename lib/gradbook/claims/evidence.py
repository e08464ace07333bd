"""What claims are judged by: tables of runs, tables of published numbers, and numbers that need no run."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

import numpy as np
import pandas as pd

from gradbook.errors import InputError, unknown
from gradbook.selection import allowed, plain, select


@dataclass(frozen=True)
class Runs:
    """The runs of one study.

    Attributes:
        table: one row per run.
        fields: the columns that describe a run's configuration; the seed is not one of them.
        curve: returns a curve by its name as a table [runs, steps], its rows those of ``table``.
        seed: the column that pairs runs of different configurations.
    """

    table: pd.DataFrame
    fields: Collection[str]
    curve: Callable[[str], pd.DataFrame] | None = None
    seed: str = "seed"

    def where(self, **fields: Any) -> pd.DataFrame:
        """Return the rows whose columns have the given values; a list of values allows each of them.

        Numbers may be text, as YAML reads ``1e-3``.

        Raises:
            InputError: no such column, or a value that no run has.
        """
        fields = {name: _read(allowed(given), self.table.get(name)) for name, given in fields.items()}
        for name, given in fields.items():
            present = [plain(value) for value in self.table.get(name, ())]
            if missing := [value for value in given if name in self.table and value not in present]:
                raise unknown(f"value of {name}", missing[0], map(str, dict.fromkeys(present)))
        return select(self.table, **fields)

    def values(self, metric: str, at: int | None = None) -> pd.Series:
        """Return a metric, or the entry ``at`` of a curve, of every run that has it.

        Raises:
            InputError: no such metric or curve, one that is not of finite numbers, or no run's curve is that long.
        """
        if at is None:
            if metric not in self.table:
                raise unknown("metric", metric, map(str, self.table.columns.difference([self.seed, *self.fields])))
            found = self.table[metric]
        elif self.curve is None:
            raise InputError(f"at must be left out where there are no curves; received {at} for {metric!r}.")
        elif at >= (curve := self.curve(metric)).shape[1]:
            raise InputError(f"at must be below {curve.shape[1]}, the length of {metric!r}; received {at}.")
        else:
            found = curve.iloc[:, at]
        numbers = pd.to_numeric(found.dropna(), errors="coerce").astype(float)
        if len(wrong := found[numbers.index[~np.isfinite(numbers)]]):
            raise InputError(
                f"metric {metric!r} must be a finite number in every run, or missing where it was not measured; "
                f"received {wrong.iloc[0]!r}."
            )
        return numbers

    def labels(self, rows: pd.DataFrame, columns: Collection[str]) -> list[tuple]:
        """Return for each row its values of the columns, such that equal ones compare equal."""
        if missing := [name for name in columns if name not in rows]:
            raise unknown("column", missing[0], map(str, rows))
        return [plain(row) for row in zip(*(rows[name] for name in columns), strict=True)]


def _read(values: list[Any], column: pd.Series | None) -> list[Any]:
    numeric = column is not None and pd.api.types.is_numeric_dtype(column)
    return [_number(value) if numeric and isinstance(value, str) else value for value in values]


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


@dataclass(frozen=True)
class Evidence:
    """Where the numbers come from.

    Attributes:
        runs: returns the runs of a study by its name; may raise InputError.
        published: returns a chapter's table of published numbers, with the columns source, quantity, setting, value
            and unit; may raise InputError.
        exact: functions that give a number without any run, by name.
    """

    runs: Callable[[str], Runs]
    published: Callable[[str], pd.DataFrame]
    exact: Mapping[str, Callable[..., float]] = field(default_factory=dict)

    def number(self, function: str, **arguments: Any) -> float:
        """Return what one of the functions gives.

        Raises:
            InputError: there is no such function, or it does not take these arguments.
        """
        if function not in self.exact:
            raise unknown("exact number", function, self.exact)
        try:
            signature(self.exact[function]).bind(**arguments)
        except TypeError as error:
            raise InputError(f"arguments of {function}: {error}.") from None
        return float(self.exact[function](**arguments))
