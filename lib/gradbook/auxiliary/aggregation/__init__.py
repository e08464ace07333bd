"""Aggregation: one direction from the gradients of m tasks, none of which is the main one.

An aggregator is a function from the Gramian, float64 [m, m], to the weights of the gradients; `graddrop` alone looks at
their entries. Adding one is a module and a line in the table.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from inspect import signature
from typing import Any

import numpy as np

from gradbook.auxiliary.aggregation.aligned import aligned_mtl
from gradbook.auxiliary.aggregation.cagrad import cagrad, require_c
from gradbook.auxiliary.aggregation.dual_cone import dualproj, upgrad
from gradbook.auxiliary.aggregation.graddrop import graddrop
from gradbook.auxiliary.aggregation.gramian import Gradient, combine, gramian, on_host, weigh
from gradbook.auxiliary.aggregation.imtl import imtl_g
from gradbook.auxiliary.aggregation.min_norm import mgda
from gradbook.auxiliary.aggregation.nash import nash_mtl
from gradbook.auxiliary.aggregation.pcgrad import pcgrad
from gradbook.auxiliary.aggregation.sums import mean, random_weighting, total
from gradbook.auxiliary.rules import dense, of_one_shape, require_floating
from gradbook.errors import InputError, unknown

AGGREGATORS: dict[str, Callable[..., Any]] = {
    "sum": total,
    "mean": mean,
    "random_weighting": random_weighting,
    "mgda": mgda,
    "pcgrad": pcgrad,
    "graddrop": graddrop,
    "cagrad": cagrad,
    "imtl_g": imtl_g,
    "nash_mtl": nash_mtl,
    "aligned_mtl": aligned_mtl,
    "upgrad": upgrad,
    "dualproj": dualproj,
}
"""The aggregators by name; one's own may be added."""


def aggregate(
    gradients: Sequence[Gradient], how: str = "upgrad", *, random: np.random.Generator | None = None, **options: float
) -> Gradient:
    """Combine the gradients of m tasks into one direction.

    Args:
        gradients: one for each task: tensors of one shape, as in a matrix [m, n], or lists with one tensor for each
            variable, None where a task does not use it. Sparse gradients, as embeddings have them, are made dense.
        how: a name of `AGGREGATORS`.
        random: where the draws of ``pcgrad``, ``graddrop`` and ``random_weighting`` come from; by default a fresh one.
        options: of the aggregator, such as ``c`` of ``cagrad``.

    Returns:
        The direction to descend, in the structure of one task's gradient; NaN where a gradient is not finite.

    Raises:
        InputError: an unknown name, option or structure, an option out of its range, no task, or gradients that are not
            of a floating type or, of one variable, not of one shape.

    >>> [round(float(x), 4) for x in aggregate([np.array([-4.0, 1, 1]), np.array([6.0, 1, 1])], "upgrad")]
    [0.2924, 1.9006, 1.9006]
    """
    require(how, options)
    if not len(gradients):
        raise InputError("gradients must be those of one task or more; received none.")
    if not isinstance(gradients[0], list | tuple):
        return aggregate([[gradient] for gradient in gradients], how, random=random, **options)[0]
    if len({len(one) for one in gradients}) > 1:
        raise InputError(
            f"gradients must have one entry for each variable; received {[len(one) for one in gradients]}."
        )
    gradients = [[None if part is None else dense(part) for part in one] for one in gradients]
    for number, parts in enumerate(zip(*gradients, strict=True)):
        _require_alike(number, [part for part in parts if part is not None])
    function, random = AGGREGATORS[how], random or np.random.default_rng()
    own = options | ({"random": random} if "random" in signature(function).parameters else {})
    if how == "graddrop":
        used = [[part for part in parts if part is not None] for parts in zip(*gradients, strict=True)]
        return [function(parts, **own) if parts else None for parts in used]
    weights = on_host(partial(weigh, partial(function, **own)), gramian(gradients), [len(gradients)])
    return combine(gradients, weights)


def _require_alike(number: int, parts: Sequence[Any]) -> None:
    for part in parts:
        require_floating(f"gradients of variable {number}", part)
        if not of_one_shape(part.shape, parts[0].shape):
            shapes = f"{tuple(parts[0].shape)} and {tuple(part.shape)}"
            raise InputError(f"gradients of variable {number} must be of one shape; received {shapes}.")


def require(how: str, options: Mapping[str, Any]) -> None:
    """Require a name of `AGGREGATORS`, and options that this aggregator has, in their ranges.

    Raises:
        InputError: an unknown name or option, with the nearest, or an option out of its range.
    """
    if how not in AGGREGATORS:
        raise unknown("aggregator", how, AGGREGATORS)
    takes = [one for one in signature(AGGREGATORS[how]).parameters if one not in ("gramian", "parts", "random")]
    for name in options:
        if name not in takes:
            raise unknown(f"option of {how}", name, takes)
    if how == "cagrad":
        require_c(options.get("c", 0))
