"""What every experiment of the book is: a frozen configuration, one function, and a record of plain data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Configuration(BaseModel):
    """The choices of one run, validated when they are made; fields are the paper's symbols, spelled out.

    Subclasses add fields with defaults, so that an empty configuration is the chapter's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    seed: int = Field(0, ge=0, lt=2**32)


@dataclass(frozen=True)
class Record:
    """What one run measured.

    Attributes:
        metrics: final numbers by name, in the units their names say (``test_loss`` in nats, ``accuracy`` in [0, 1]).
        curves: series by name, one number a logged step or epoch.
        seconds: wall-clock time, shared equally among seeds that were trained as one stack.
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
        name: the word that stores and results use.
        version: raised by hand whenever ``run`` would give other numbers for the same configuration.
        configuration: the class of its configurations.
        run: trains the seeds of one configuration, as one stack where that is faster, and returns a record a seed;
            the configuration's own ``seed`` is ignored in favour of the list.
        stack: how many seeds at most to hand to ``run`` at once.
    """

    name: str
    version: int
    configuration: type[Configuration]
    run: Callable[[Any, Sequence[int]], list[Record]]
    stack: int = 1
