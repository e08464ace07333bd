"""A study: a name, an experiment, and the cells and seeds to run it with."""

import hashlib
import itertools
import json
import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from reprlib import repr as brief
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from gradbook.errors import InputError, unknown
from gradbook.selection import allowed, nothing_left
from gradbook.studies.experiment import Configuration, Experiment, require_name
from gradbook.untrusted import refusal

Plan = Mapping[Configuration, tuple[int, ...]]


@dataclass(frozen=True)
class Run:
    """One training of one cell of an experiment from one seed."""

    experiment: Experiment
    cell: Configuration
    seed: int

    @cached_property
    def key(self) -> str:
        """The run's identity everywhere: SHA-256, in hexadecimal, of experiment, version, cell and seed.

        Every field counts, fields at their defaults too, so that a default that changes later is another run.
        Cells that compare equal have equal keys (an integer given for a real number is one already).
        """
        fields = json.dumps(self.cell.model_dump(mode="json"), allow_nan=False)
        cell = json.loads(fields, parse_float=lambda digits: float(digits) + 0.0)  # -0.0 equals 0.0
        run = [self.experiment.name, self.experiment.version, cell, self.seed]
        text = json.dumps(run, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def field(self, name: str) -> Any:
        """Return the value of one of the cell's fields, or the seed."""
        return self.seed if name == "seed" else getattr(self.cell, name)


def grid(configuration: type[Configuration], **choices: Iterable[Any]) -> tuple[Configuration, ...]:
    """Return every combination of the choices, the last varying fastest; fields not named keep their defaults.

    >>> from gradbook.experiments.lowrank_times import Configuration
    >>> [cell.budget for cell in grid(Configuration, budget=[12_000, 36_000])]
    [12000, 36000]

    Raises:
        InputError: a field that the configuration does not have, or values that are no list or that it refuses.
    """
    for name, values in choices.items():
        if name not in configuration.model_fields:
            raise unknown("field", name, configuration.model_fields)
        if isinstance(values, str) or not isinstance(values, Iterable):
            raise InputError(f"{name} must be a list of values; received {values!r}.")
    combinations = itertools.product(*choices.values())
    try:
        return tuple(configuration(**dict(zip(choices, values, strict=True))) for values in combinations)
    except ValidationError as error:
        raise InputError(refusal(error)) from None


def plan(*parts: tuple[Iterable[Configuration], int | Iterable[int]]) -> Plan:
    """Join cells and the seeds of each; a cell of several parts has the seeds of all of them.

    Args:
        parts: cells, and the seeds to run each of them with; a number n stands for the seeds 0 to n - 1.

    Raises:
        InputError: a part that is no such pair.
    """
    planned: dict[Configuration, tuple[int, ...]] = {}
    for part in parts:
        if not (isinstance(part, tuple) and len(part) == 2 and not isinstance(part[1], Configuration)):
            raise InputError(f"parts of a plan must be pairs of cells and seeds, (grid(…), 4); received {brief(part)}.")
        cells, seeds = part
        wanted = range(seeds) if isinstance(seeds, int) else [operator.index(seed) for seed in seeds]
        for cell in cells:
            planned[cell] = tuple(dict.fromkeys((*planned.get(cell, ()), *wanted)))
    return planned


@dataclass(frozen=True)
class Study:
    """A named list of runs of one experiment.

    A run at any seed of one of its cells belongs to the study's results.

    Attributes:
        name: the word the command line and ``book/results/`` use, of letters, digits, - and _.
        experiment: what is run.
        planned: the seeds of each cell, usually made by `plan`.
        whole: the study that this one is a selection of, if it is.
    """

    name: str
    experiment: Experiment
    planned: Plan = field(repr=False)
    whole: "Study | None" = field(default=None, repr=False)

    def __post_init__(self) -> None:
        require_name(self.name)
        if not isinstance(self.planned, Mapping):
            raise InputError(f"planned must be what plan returns; received {brief(self.planned)}.")

    @cached_property
    def runs(self) -> dict[str, Run]:
        """The runs by their keys: by cell in the study's order, then by seed."""
        runs = (Run(self.experiment, cell, seed) for cell, seeds in self.planned.items() for seed in sorted(seeds))
        return {run.key: run for run in runs}

    def with_seeds(self, seeds: int | Iterable[int]) -> "Study":
        """Return the study with these seeds in every cell, in place of its own; a number n stands for 0 to n - 1."""
        return replace(self, planned=plan((self.planned, seeds)))

    def select(self, **fields: Any) -> "Study":
        """Return the study's runs whose fields, ``seed`` among them, have the given values.

        Args:
            fields: for each field that matters a value, or a list of values, of which one has to hold.

        Raises:
            InputError: no such field, a value that the field cannot have, or no run left.
        """
        wanted = {name: self._read(name, allowed(given)) for name, given in fields.items()}
        chosen: dict[Configuration, tuple[int, ...]] = {}
        for run in self.runs.values():
            if all(run.field(name) in values for name, values in wanted.items()):
                chosen[run.cell] = (*chosen.get(run.cell, ()), run.seed)
        if not chosen:
            raise nothing_left(
                f"study {self.name!r}",
                fields,
                {name: [run.field(name) for run in self.runs.values()] for name in fields},
            )
        return replace(self, planned=chosen, whole=self.whole or self)

    def label(self, run: Run) -> str:
        """Return a run in words: the fields that vary within the whole study, and the seed."""
        return ",".join(f"{name}={run.field(name)}" for name in [*self._varying, "seed"])

    @cached_property
    def _varying(self) -> list[str]:
        cells = (self.whole or self).planned
        fields = self.experiment.configuration.model_fields
        return [name for name in fields if len({getattr(cell, name) for cell in cells}) > 1]

    def _read(self, name: str, values: list[Any]) -> list[Any]:
        """Return values as the field's type has them."""
        known = self.experiment.configuration.model_fields
        if name != "seed" and name not in known:
            raise unknown("field", name, ["seed", *known])
        declared = known.get(name)
        reader = TypeAdapter(int if declared is None else Annotated[declared.annotation, *declared.metadata, declared])
        try:
            return [reader.validate_python(value) for value in values]
        except ValidationError as error:
            raise InputError(f"{name}: {refusal(error)}") from None
