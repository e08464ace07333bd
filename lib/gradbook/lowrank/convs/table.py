"""The substitution table: every family under its name, with the hyperparameter that sets its weights.

Names and ranges are known without Keras; the families' layers are imported when the first convolution is made. A family
of one's own is a class, anywhere, and one line here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator

from gradbook.errors import InputError, unknown

if TYPE_CHECKING:
    from gradbook.lowrank.convs.base import Convolution


@dataclass(frozen=True)
class Family:
    """A row of the substitution table.

    Attributes:
        name: the word users choose it by.
        source: the layer's class, or where it is in this package, as "module:Class".
        hyperparameter: the one that sets the number of weights; None where there is none to set.
        example: a value of it that suits layers of some 64 channels; an int where values are whole, else a float.
        low: the smallest value that budgets try.
        high: the largest.
        options: arguments that the family always has.
    """

    name: str
    source: "str | type[Convolution]"
    hyperparameter: str | None = None
    example: float | None = None
    low: float = 1e-4
    high: float = 1.0
    options: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def layer(self) -> "type[Convolution]":
        """The class."""
        return resolve_name(f"{__package__}.{self.source}") if isinstance(self.source, str) else self.source

    @property
    def is_whole(self) -> bool:
        """Whether the hyperparameter is a whole number."""
        return isinstance(self.example, int)

    def __call__(self, value: float | None = None, **options: Any) -> "Callable[..., Convolution]":
        """Return what a network builds its convolutions with: the layer with all set but ``Conv2D``'s own arguments.

        Raises:
            InputError: a value where none belongs, or none where one does; another family's argument.
        """
        if (value is None) != (self.hyperparameter is None):
            kind = "a whole number" if self.is_whole else "a number"
            wants = f"takes {self.hyperparameter}, {kind}" if self.hyperparameter else "takes no value"
            raise InputError(f"convolution {self.name!r} {wants}; received {value!r}.")
        others = {name for family in FAMILIES.values() for name in family.layer.hyperparameters}
        for name in others.difference(self.layer.hyperparameters).intersection(options):
            raise InputError(f"convolution {self.name!r} has no {name}; received {options[name]!r}.")
        if self.is_whole and isinstance(value, float) and value.is_integer():
            value = int(value)
        chosen = {} if value is None else {self.hyperparameter: value}
        return partial(self.layer, **({"use_bias": False} | self.options | chosen | options))


# A bias that the log's networks have nowhere else: its hashed layers ignored being told to go without.
BIASED = {"use_bias": True}

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family("plain", "base:Plain"),
        Family("separable", "separable:Separable"),
        Family("grouped", "groups:Grouped", "group_size", 8, 1, 64),
        Family("bottleneck", "groups:Bottleneck", "reduction", 4, 1, 64),
        Family("shuffle", "groups:Shuffle", "groups", 4, 1, 64),
        Family("hashed", "hashing:Hashed", "ratio", 0.1, options=BIASED),
        Family("separable_hashed", "hashing:SeparableHashed", "ratio", 0.2, options=BIASED),
        Family("low_rank", "factorised:LowRank", "rank", 0.25),
        Family("tied_low_rank", "factorised:LowRank", "rank", 0.25, options={"tied": True}),
        Family("tucker", "factorised:Tucker", "rank", 0.25),
        Family("tensor_train", "factorised:TensorTrain", "rank", 0.25),
        Family("tucker2", "tucker2:Tucker2", "rank", 0.25),
        Family("cp", "factorised:CanonicalPolyadic", "rank", 2.0, high=64.0),
        Family("acdc", "acdc:ACDC", "layers", 12, 1, 128),
        Family("butterfly", "butterfly:Butterfly", "blocks", 1, 1, 64),
        Family("monarch", "blockwise:Monarch", "blocks", 4, 2, 64),
        Family("block_tensor_train", "blockwise:BlockTensorTrain", "rank", 2, 1, 64),
        Family("lora", "adapters:LoRA", "rank", 4, 1, 256),
        Family("dora", "adapters:DoRA", "rank", 4, 1, 256),
    )
}
"""The substitution table, by name; a family of one's own may be added."""


def lookup(family: str | Family) -> Family:
    """Return a row of the table by its name; a row is returned as it is.

    Raises:
        InputError: the table has no such name; the nearest is named.
    """
    if isinstance(family, Family):
        return family
    if family not in FAMILIES:
        raise unknown("convolution", family, FAMILIES)
    return FAMILIES[family]


FamilyName = Annotated[str, AfterValidator(lambda family: lookup(family).name)]
"""A name of the table, in the configurations of experiments."""


def substitute(family: str | Family, value: float | None = None, **options: Any) -> "Callable[..., Convolution]":
    """Return a convolution to build a network with, by its family's name and hyperparameter.

    >>> substitute("shuffle", 4)(64, 3).n_parameters(64)
    656

    Raises:
        InputError: a family that the table does not have, with the nearest; a value that it does not take.
    """
    return lookup(family)(value, **options)
