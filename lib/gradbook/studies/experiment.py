"""What every experiment is: a frozen configuration, a function that trains, and a record of numbers for each seed."""

import math
import operator
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel, ConfigDict

from gradbook.errors import InputError, RunError
from gradbook.timing import peak_memory

COST = ("seconds", "peak_memory", "origin", "key")
"""The columns of a table of results that say what a run cost and where it comes from."""


def require_name(name: str) -> None:
    """Require a name that files and commands can have.

    Raises:
        InputError: it holds something else than letters, digits, - and _.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise InputError(f"name must be of letters, digits, - and _; received {name!r}.")


class Configuration(BaseModel):
    """The choices that make a cell of a study; the seed is not one of them.

    Subclasses add fields with defaults, so that an empty configuration is the chapter's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class Record:
    """What one run measured. A metric means the same in every experiment:

    ================================== ===========================================================================
    ``PART_loss``                      mean loss on a part of the data, in nats
    ``PART_squared_error``             mean squared error on a part of the data, over examples and outputs
    ``PART_accuracy``                  fraction of a part's examples that are classified correctly, in [0, 1]
    ``cosine``, ``cosine_K``           cosine of the two gradients that are compared, in [-1, 1]; in layer K
    ``agreement``                      fraction of steps at which their scalar product is positive
    ``conflict_fraction``              fraction of steps at which it is negative
    ``conflict_fraction_K``            fraction of steps at which it is negative, in layer K
    ``clipped_product``                their scalar product, limited to [-1, 1]
    ``auxiliary_norm``, ``main_norm``  Euclidean norms of the two gradients
    ``norm_ratio_K``                   norm of the synthetic over that of the true gradient, at interface K
    ``norm``, ``norm_K``               Euclidean norm of all weights; of those of layer K
    ``mean_weight``                    mean absolute hidden weight
    ``NAME_gradient``                  mean absolute gradient of a hidden layer: ``first``, ``last`` or ``mean``
    ``gate``                           value of the gate, in [0, 1]
    ``step``, ``iteration``            updates so far
    ``epochs_trained``, ``best_epoch`` epochs until training stopped; the one whose weights are tested, from 1
    ``parameters``, ``mult_adds``      trainable parameters; multiplications for one example
    ``hyperparameter``                 value of the one that sets the number of parameters; 0 where there is none
    ``NAME_milliseconds``              time of one batch
    ================================== ===========================================================================

    A part is ``train``, ``validation``, ``held_out``, ``test``, or ``batch`` for the batch that comes next;
    ``best_`` before a name means the best value of a curve, ``teacher_`` that it is the teacher's, ``left_`` and
    ``right_`` that it is one task's where both count; without, it is then the mean over tasks.

    Attributes:
        metrics: final numbers by name.
        curves: series by name, one number for each logged step or epoch.
        seconds: wall-clock time, shared equally among the seeds that were trained together.
        peak_memory: highest resident memory of the process so far, in bytes.
        data: name of the dataset and its checksum, as "name:sha256".
    """

    metrics: dict[str, float]
    curves: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0
    peak_memory: int = 0
    data: str = ""


@dataclass(frozen=True)
class Experiment:
    """An experiment that studies can sweep.

    Attributes:
        name: the word that stores and results use, of letters, digits, - and _.
        version: raised by hand whenever training would give other numbers for the same configuration.
        configuration: the class of its configurations; each field has a default, and none the name of another column.
        train: yields for each of the seeds, in their order, a record of what was measured; `run` adds what it cost.
        stack: how many seeds at most to train together.

    Raises:
        InputError: another name, or a field that cannot be.
    """

    name: str
    version: int
    configuration: type[Configuration]
    train: Callable[[Any, Sequence[int]], Iterable[Record]]
    stack: int = 1

    def __post_init__(self) -> None:
        require_name(self.name)
        fields = self.configuration.model_fields
        if clash := fields.keys() & {"seed", *COST}:
            raise InputError(f"fields must not be named as other columns; received {', '.join(sorted(clash))}.")
        if without := [name for name, field in fields.items() if field.is_required()]:
            raise InputError(f"fields must have a default; received none for {', '.join(without)}.")
        try:
            hash(self.configuration())
        except TypeError as error:
            raise InputError(f"fields must be of fixed values, such as tuples in place of lists; {error}.") from None

    def run(self, cell: Configuration, seeds: Iterable[int]) -> list[Record]:
        """Train one cell from each seed; what is random in a run depends on its seed alone.

        Args:
            cell: an instance of `configuration`.
            seeds: at least one, 0 ≤ seed < 2³², each once.

        Returns:
            One record for each seed, in the seeds' order, its numbers as Python's own.

        Raises:
            InputError: the cell is of another class, a seed is out of range, or a metric has the name of a column.
            RunError: a metric is not finite, what is yielded is no record, or there is not one for each seed.
        """
        if not isinstance(cell, self.configuration):
            wanted = f"{self.configuration.__module__}.{self.configuration.__qualname__}"
            raise InputError(f"cell must be a {wanted}; received {cell!r}.")
        seeds = list(map(operator.index, seeds))
        if not seeds or len(set(seeds)) < len(seeds) or not 0 <= min(seeds) <= max(seeds) < 2**32:
            raise InputError(f"seeds must be from 0 to {2**32 - 1}, at least one, each once; received {seeds}.")
        start = time.perf_counter()
        records = list(self.train(cell, seeds) or ())
        seconds, memory = (time.perf_counter() - start) / len(seeds), peak_memory()
        if other := [type(record).__name__ for record in records if not isinstance(record, Record)]:
            raise RunError(f"experiment {self.name!r} must yield a Record for each seed; received {other[0]}.")
        if len(records) != len(seeds):
            raise RunError(f"experiment {self.name!r} yielded {len(records)} records for {len(seeds)} seeds.")
        return [
            replace(self._plain(record, seed), seconds=seconds, peak_memory=memory)
            for record, seed in zip(records, seeds, strict=True)
        ]

    def _plain(self, record: Record, seed: int) -> Record:
        if clash := record.metrics.keys() & {"seed", *self.configuration.model_fields, *COST}:
            raise InputError(f"metrics must not be named as other columns; received {', '.join(sorted(clash))}.")
        metrics = {name: float(value) for name, value in record.metrics.items()}
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise RunError(f"{name} became {value} from seed {seed}; a smaller learning_rate may keep it finite.")
        curves = {name: [float(value) for value in values] for name, values in record.curves.items()}
        return replace(record, metrics=metrics, curves=curves)
