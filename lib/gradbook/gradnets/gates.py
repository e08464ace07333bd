"""Annealing schedules of the gate: how far a network has turned from its early form, g = 0, to its late one, g = 1."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any, Self

import keras
import numpy as np

from gradbook.errors import InputError

VERSION = 1
"""Of what schedules write into saved models; raised by hand whenever an old file would be read wrongly."""


@dataclass(frozen=True)
class Schedule(ABC):
    """A gate g(p) in [0, 1] as a function of progress p, the part of training that is done.

    Calling a schedule with a number gives a number; with an array or a tensor of floating-point numbers, another of its
    dtype, so that a compiled loop and a Keras layer can compute the gate where it is used. Schedules are saved with the
    models whose layers hold them.
    """

    @abstractmethod
    def __call__(self, progress: Any) -> Any:
        """Return g at a progress p ≥ 0 of any shape; what follows p = 1 is past the end of training."""

    def get_config(self) -> dict[str, Any]:
        """Return the fields, and the version of this format."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Return the schedule that `get_config` describes.

        Raises:
            InputError: another version of the book wrote it.
        """
        fields = dict(config)
        version = fields.pop("version", None)
        if version != VERSION:
            raise InputError(f"schedule {cls.__name__} was saved in format {version!r}; this version reads {VERSION}.")
        return cls(**fields)


@keras.saving.register_keras_serializable("gradbook")
@dataclass(frozen=True)
class Constant(Schedule):
    """A gate that keeps its value, g(p) = value, as controls need it.

    Args:
        value: in [0, 1].

    Raises:
        InputError: another value, or no number.

    >>> float(Constant(0.25)(0.9))
    0.25
    """

    value: float

    def __post_init__(self) -> None:
        if not isinstance(self.value, Real):
            raise InputError(f"gate must be a Schedule or a number in [0, 1]; received {self.value!r}.")
        if not 0 <= self.value <= 1:
            raise InputError(f"value of a constant gate must be in [0, 1]; received {self.value}.")

    def __call__(self, progress: Any) -> Any:
        """Return the value, whatever the progress."""
        return progress * 0.0 + self.value


@dataclass(frozen=True)
class Window(Schedule):
    """A schedule that is 0 before ``start`` and 1 after ``end``, both in units of progress.

    Args:
        start: ≥ 0.
        end: > start; beyond 1, training ends before the gate is open.

    Raises:
        InputError: a window that starts before 0, or does not end after its start.
    """

    start: float = 0.0
    end: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise InputError(f"a gate must open over 0 ≤ start < end; received start {self.start} and end {self.end}.")

    def fraction(self, progress: Any) -> Any:
        """Return the part of the window that is behind, in [0, 1]."""
        return _numpy_or_keras(progress).clip((progress - self.start) / (self.end - self.start), 0, 1)


@keras.saving.register_keras_serializable("gradbook")
class Linear(Window):
    """A gate that opens evenly, g(p) = (p - start)/(end - start), clipped to [0, 1].

    Source: Almeida and Sauder 2015, section 2, where g = min(t/τ, 1).

    The first author's own library opens from 0 to 0.2.

    >>> Linear(0.0, 0.2)(np.array([0.0, 0.05, 0.1, 0.5])).tolist()
    [0.0, 0.25, 0.5, 1.0]
    """

    def __call__(self, progress: Any) -> Any:
        """Return g, which rises evenly."""
        return self.fraction(progress)


@keras.saving.register_keras_serializable("gradbook")
class Cosine(Window):
    """A gate that opens slowly at both ends, g(p) = (1 - cos πf)/2 with f the part of the window that is behind.

    >>> Cosine()(np.array([0.0, 0.25, 0.5, 1.0])).round(4).tolist()
    [0.0, 0.1464, 0.5, 1.0]
    """

    def __call__(self, progress: Any) -> Any:
        """Return g, which rises fastest in the middle."""
        return (1 - _numpy_or_keras(progress).cos(np.pi * self.fraction(progress))) / 2


@keras.saving.register_keras_serializable("gradbook")
@dataclass(frozen=True)
class Step(Schedule):
    """A switch without interpolation, g(p) = 1 from progress ``at`` on and 0 before.

    Args:
        at: ≥ 0.

    Raises:
        InputError: a negative one.

    >>> Step(0.5)(np.array([0.0, 0.49, 0.5])).tolist()
    [0.0, 0.0, 1.0]
    """

    at: float

    def __post_init__(self) -> None:
        if not self.at >= 0:
            raise InputError(f"at, the progress at which a gate opens, must be ≥ 0; received {self.at}.")

    def __call__(self, progress: Any) -> Any:
        """Return 0 or 1."""
        return _numpy_or_keras(progress).where(progress >= self.at, progress * 0.0 + 1.0, progress * 0.0)


def _numpy_or_keras(value: Any) -> Any:
    return keras.ops if keras.ops.is_tensor(value) else np
