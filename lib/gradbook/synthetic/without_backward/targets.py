"""Target propagation: a learnt inverse says what a layer should have given (Lee et al. 2015)."""

from collections.abc import Callable, Sequence
from typing import Any

from gradbook.errors import InputError

Tensor = Any


def difference_targets(
    hidden: Sequence[Tensor], inverses: Sequence[Callable[[Tensor], Tensor]], message: Tensor, step: float
) -> list[Tensor]:
    """Return the targets t₁ … t_L of difference target propagation, from the last hidden layer down:

        t_L = h_L - η̂ δ_L,   t_{k-1} = h_{k-1} - g_k(h_k) + g_k(t_k).

    The message of layer k is (h_k - t_k)/η̂. As η̂ falls to 0, the Jacobian of the inverse takes the message down, where
    backpropagation has the transposed Jacobian of the layer itself.

    Source: Lee et al. 2015, arXiv 1412.7525.

    Args:
        hidden: h₁ … h_L, [n, units].
        inverses: g₂ … g_L; g_k takes what looks like h_k to what looks like h_{k-1}.
        message: δ_L, the gradient of each example's loss at h_L.
        step: η̂ > 0, how far the last target lies from h_L.

    Raises:
        InputError: a step that is not above 0, or another number of inverses than one fewer than hidden layers.

    >>> import numpy as np
    >>> double = [np.array([[1.0]]), np.array([[2.0]])]
    >>> [t.tolist() for t in difference_targets(double, [lambda h: h / 2], np.array([[4.0]]), 0.5)]
    [[[0.0]], [[0.0]]]
    """
    if not step > 0:
        raise InputError(f"step must be above 0; received {step}.")
    if len(inverses) != len(hidden) - 1:
        raise InputError(
            f"inverses must be one fewer than hidden layers; received {len(inverses)} for {len(hidden)} layers."
        )
    targets = [hidden[-1] - step * message]
    for below, above, inverse in zip(reversed(hidden[:-1]), reversed(hidden[1:]), reversed(inverses), strict=True):
        targets.append(below - inverse(above) + inverse(targets[-1]))
    return targets[::-1]
