"""The substitution table: every family under its name, with the hyperparameter that sets its weights."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from gradbook.errors import InputError, unknown
from gradbook.lowrank.convs.acdc import ACDC
from gradbook.lowrank.convs.base import Convolution, Plain
from gradbook.lowrank.convs.factorised import CanonicalPolyadic, LowRank, TensorTrain, Tucker
from gradbook.lowrank.convs.groups import Bottleneck, Grouped, Shuffle
from gradbook.lowrank.convs.hashing import Hashed, SeparableHashed
from gradbook.lowrank.convs.separable import Separable


@dataclass(frozen=True)
class Family:
    """A row of the substitution table.

    Attributes:
        name: the word users choose it by.
        layer: the class.
        hyperparameter: the one that sets the number of weights; None where there is none to set.
        kind: int or float.
        low: the smallest value that budgets try.
        high: the largest.
        options: arguments that the family always has.
    """

    name: str
    layer: type[Convolution]
    hyperparameter: str | None = None
    kind: type = float
    low: float = 1e-4
    high: float = 1.0
    options: dict[str, Any] = field(default_factory=dict)

    def __call__(self, value: float | None = None, **options: Any) -> Callable[..., Convolution]:
        """What a network builds its convolutions with: the layer with everything set but ``Conv2D``'s own arguments.

        Raises:
            InputError: a value where none belongs, or none where one does; another family's argument.
        """
        if (value is None) != (self.hyperparameter is None):
            wants = f"takes {self.hyperparameter}, {self.kind.__name__}" if self.hyperparameter else "takes no value"
            raise InputError(f"convolution {self.name!r} {wants}; received {value!r}.")
        others = {name for family in FAMILIES.values() for name in family.layer.hyperparameters}
        for name in others.difference(self.layer.hyperparameters).intersection(options):
            raise InputError(f"convolution {self.name!r} has no {name}; received {options[name]!r}.")
        whole_float = self.kind is int and isinstance(value, float) and value.is_integer()
        chosen = {} if value is None else {self.hyperparameter: int(value) if whole_float else value}
        return partial(self.layer, **({"use_bias": False} | self.options | chosen | options))


# A bias that the log's networks have nowhere else: its hashed layers ignored being told to go without.
BIASED = {"use_bias": True}

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family("plain", Plain),
        Family("separable", Separable),
        Family("grouped", Grouped, "group_size", int, 1, 64),
        Family("bottleneck", Bottleneck, "reduction", int, 1, 64),
        Family("shuffle", Shuffle, "groups", int, 1, 64),
        Family("hashed", Hashed, "ratio", options=BIASED),
        Family("separable_hashed", SeparableHashed, "ratio", options=BIASED),
        Family("low_rank", LowRank, "rank"),
        Family("tied_low_rank", LowRank, "rank", options={"tied": True}),
        Family("tucker", Tucker, "rank"),
        Family("tensor_train", TensorTrain, "rank"),
        Family("cp", CanonicalPolyadic, "rank", high=CanonicalPolyadic.most),
        Family("acdc", ACDC, "layers", int, 1, 128),
    )
}
"""The substitution table, by name; a family of one's own may be added."""


def substitute(family: str, value: float | None = None, **options: Any) -> Callable[..., Convolution]:
    """A convolution to build a network with, by its family's name and hyperparameter.

    >>> substitute("shuffle", 4)(64, 3).n_parameters(64)
    656

    Raises:
        InputError: a family that the table does not have, with the nearest; a value that it does not take.
    """
    if family not in FAMILIES:
        raise unknown("convolution", family, FAMILIES)
    return FAMILIES[family](value, **options)
