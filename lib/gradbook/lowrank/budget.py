"""Setting a budget: the hyperparameter that brings a whole network to a number of parameters."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras

from gradbook.errors import InputError
from gradbook.lowrank.arguments import ChannelsError, positive_integer
from gradbook.lowrank.convs.base import Convolution
from gradbook.lowrank.convs.table import Family, lookup, substitute
from gradbook.lowrank.count import parameters, weightless
from gradbook.lowrank.networks import Make


@dataclass(frozen=True)
class Fit:
    """A family's hyperparameter, and what it makes of the network.

    Attributes:
        family: its name in the substitution table.
        value: of the hyperparameter.
        parameters: of the whole network, exactly.
        convolution: to build the network with.
    """

    family: str
    value: float
    parameters: int
    convolution: Callable[..., Convolution]


class Sizes:
    """How many parameters a network has, for every convolution, from building it once with plain ones and no weights.

    Args:
        build: makes the network from a ``convolution``, given by that name; its form may not depend on which.

    >>> from gradbook.lowrank.networks import wide_resnet
    >>> sizes = Sizes(partial(wide_resnet, 28, 10))
    >>> sizes(substitute("plain")), sizes(substitute("shuffle", 4))
    (36479194, 823674)
    """

    def __init__(self, build: Callable[..., keras.Model]):
        model = weightless(partial(build, convolution=substitute("plain")))
        places = [layer for layer in model.layers if isinstance(layer, Convolution)]
        self.fixed = parameters(model) - sum(map(parameters, places))
        self.places = Counter((one.channels, one.filters, one.kernel_size, one.use_bias) for one in places)

    def __call__(self, make: Make) -> int:
        """Return the parameters of the whole network with such convolutions."""
        return self.fixed + sum(number * _size(make, *place) for place, number in self.places.items())


def _size(make: Make, channels: int, filters: int, kernel_size: int, use_bias: bool) -> int:
    bias = {"use_bias": True} if use_bias else {}
    return make(filters, kernel_size, **bias).n_parameters(channels)


def fit(build: Callable[..., keras.Model] | Sizes, parameters: int, *, family: str | Family, **options: Any) -> Fit:
    """Find the hyperparameter of a family that brings a network nearest to a budget.

    Fractions are found with ``scipy.optimize.brentq`` on the count, which never falls as they grow; the log minimised
    the distance instead, which is flat between steps and stops there. Whole hyperparameters are all tried.

    Args:
        build: makes the network from a ``convolution``, given by that name; or its sizes, which need it no more.
        parameters: the budget, for the whole network.
        family: a name of the substitution table, or a row of one's own.
        options: arguments that the family's layers take besides.

    Raises:
        InputError: an unknown family, one without a hyperparameter, an argument out of its range, or a budget it cannot
            meet; names what it can.

    >>> from gradbook.lowrank.networks import wide_resnet
    >>> found = fit(partial(wide_resnet, 28, 10), 1_000_000, family="tucker")
    >>> found.value, found.parameters
    (0.508, 1001487)
    """
    row = lookup(family)
    positive_integer("parameters", parameters)
    sizes = build if isinstance(build, Sizes) else Sizes(build)
    if row.hyperparameter is None:
        raise InputError(f"convolution {row.name!r} has nothing to set; the network has {sizes(row()):,} parameters.")
    row(row.low, **options)  # refuses arguments of other families, which below would look like values out of reach
    reach = {value: size for value in _candidates(row) if (size := _attempt(sizes, row, value, options)) is not None}
    if not reach:
        raise InputError(f"no {row.hyperparameter} of {row.name!r} with {options} divides this network's channels.")
    low, high = min(reach.values()), max(reach.values())
    if not low <= parameters <= high:
        raise InputError(
            f"parameters must be between {low:,} and {high:,}, which {row.hyperparameter} of {row.name!r} reaches in "
            f"this network; received {parameters:,}."
        )
    if not row.is_whole:
        reach = _near(lambda value: sizes(row(value, **options)), parameters, row)
    value = min(reach, key=lambda value: abs(reach[value] - parameters))
    return Fit(row.name, value, reach[value], row(value, **options))


def _candidates(row: Family) -> list[float]:
    return list(range(int(row.low), int(row.high) + 1)) if row.is_whole else [row.low, row.high]


def _attempt(sizes: Sizes, row: Family, value: float, options: dict[str, Any]) -> int | None:
    try:
        return sizes(row(value, **options))
    except ChannelsError:
        return None


def _near(size: Callable[[float], int], target: int, row: Family) -> dict[float, int]:
    """Return values on both sides of where the count crosses the target, in as few decimals as give the same count."""
    from scipy.optimize import brentq

    at_the_end = size(row.high) <= target
    edge = row.high if at_the_end else brentq(lambda value: size(value) - target - 0.5, row.low, row.high, xtol=1e-13)
    sides = [max(edge - 1e-11, row.low), min(edge + 1e-11, row.high)]
    found = {}
    for side in sides:
        value = next((short for digits in range(2, 12) if _same(size, short := round(side, digits), side, row)), side)
        found[value] = size(value)
    return found


def _same(size: Callable[[float], int], short: float, value: float, row: Family) -> bool:
    return row.low <= short <= row.high and size(short) == size(value)
