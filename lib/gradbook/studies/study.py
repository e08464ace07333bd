"""A study: a name, an experiment, and the configurations to run it with."""

import hashlib
import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from gradbook.errors import InputError, unknown
from gradbook.studies.experiment import Configuration, Experiment


def key(experiment: Experiment, configuration: Configuration) -> str:
    """What identifies a run everywhere: SHA-256, in hexadecimal, of experiment, version and configuration.

    Every field counts, the seed and fields at their defaults too, so that a default that changes later is another run.
    Configurations that compare equal have equal keys (an integer given for a real number is one already).
    """
    run = [experiment.name, experiment.version, configuration.model_dump(mode="json")]
    text = json.dumps(run, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def grid(configuration: type[Configuration], **choices: Iterable[Any]) -> tuple[Configuration, ...]:
    """Every combination of the choices, the last varying fastest; fields not named keep their defaults.

    >>> [one.seed for one in grid(Configuration, seed=range(3))]
    [0, 1, 2]
    """
    combinations = itertools.product(*choices.values())
    return tuple(configuration(**dict(zip(choices, values, strict=True))) for values in combinations)


@dataclass(frozen=True)
class Study:
    """A named list of runs of one experiment.

    Its *cells* are its configurations regardless of seed: a run at any seed of a cell belongs to the study's results.

    Attributes:
        name: the word the command line and ``book/results/`` use.
        experiment: what is run.
        configurations: one a run, seed included; usually sums of ``grid(…, seed=range(10))``.
        whole: the study that this one is a selection of, if it is.
    """

    name: str
    experiment: Experiment
    configurations: tuple[Configuration, ...] = field(repr=False)
    whole: "Study | None" = field(default=None, repr=False)

    @cached_property
    def runs(self) -> dict[str, Configuration]:
        """Key → configuration, in the study's order."""
        return {key(self.experiment, configuration): configuration for configuration in self.configurations}

    def members(self, seeds: Iterable[int]) -> dict[str, Configuration]:
        """Key → configuration of every cell at each of the seeds: by cell in the study's order, then by seed."""
        first = {key(self.experiment, cell): cell for cell in map(seedless, self.configurations)}
        runs = [cell.model_copy(update={"seed": int(seed)}) for cell in first.values() for seed in sorted(seeds)]
        return {key(self.experiment, run): run for run in runs}

    def with_seeds(self, count: int) -> "Study":
        """The study with the seeds below ``count`` in every cell, in place of its own."""
        return replace(self, configurations=tuple(self.members(range(count)).values()))

    def where(self, *conditions: str) -> "Study":
        """The runs that meet conditions of the form ``field=value``.

        Values are read as the field's type, ``null`` where it may be none. Of several conditions on one field, one
        has to hold; of those on different fields, all.

        Raises:
            InputError: no such field, a value the field cannot have, or nothing left.
        """
        allowed: dict[str, list[Any]] = {}
        for condition in conditions:
            name, value = _condition(self.experiment.configuration, condition)
            allowed.setdefault(name, []).append(value)
        chosen = tuple(
            configuration
            for configuration in self.configurations
            if all(getattr(configuration, name) in values for name, values in allowed.items())
        )
        if not chosen:
            present = {name: list(dict.fromkeys(getattr(c, name) for c in self.configurations)) for name in allowed}
            raise InputError(f"no run of study {self.name!r} has {', '.join(map(repr, conditions))}; it has {present}.")
        return replace(self, configurations=chosen, whole=self.whole or self)

    def label(self, configuration: Configuration) -> str:
        """A configuration in words: the fields that vary within the whole study, and the seed.

        >>> numbers = Study("numbers", Experiment("count", 1, Configuration, run=print), grid(Configuration))
        >>> numbers.label(Configuration(seed=7))
        'seed=7'
        """
        return ",".join(f"{name}={getattr(configuration, name)}" for name in [*self._varying, "seed"])

    @cached_property
    def _varying(self) -> list[str]:
        first, *others = (self.whole or self).configurations
        fields = (name for name in self.experiment.configuration.model_fields if name != "seed")
        return [name for name in fields if any(getattr(one, name) != getattr(first, name) for one in others)]


def seedless(configuration: Configuration) -> Configuration:
    """The cell that a configuration belongs to: itself at seed 0."""
    return configuration.model_copy(update={"seed": 0})


def _condition(configuration: type[Configuration], condition: str) -> tuple[str, Any]:
    name, equals, text = condition.partition("=")
    if not equals:
        raise InputError(f"condition {condition!r} is not of the form field=value.")
    if name not in configuration.model_fields:
        raise unknown("field", name, configuration.model_fields)
    declared = configuration.model_fields[name]
    reader = TypeAdapter(Annotated[declared.annotation, *declared.metadata, declared])
    for value in (literal(text), text):
        try:
            return name, reader.validate_python(value)
        except ValidationError as error:
            reason = error.errors()[0]["msg"].lower()
    raise InputError(f"condition {condition!r}: {reason}.")


def literal(text: str) -> Any:
    """The value that JSON text stands for; text that is not JSON stands for itself.

    >>> literal("0.01"), literal("true"), literal("projection")
    (0.01, True, 'projection')
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
