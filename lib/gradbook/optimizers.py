"""Optimizers as pure functions: from weights, gradients and a state to new weights and a new state.

They work on tensors of any backend of Keras, inside compiled functions too, and on stacks: weights [n, …] of n networks
take a step, a learning rate and an update mask of shape [n] each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from gradbook import ops

Tensor = Any
Tensors = list[Tensor]


class Optimizer(Protocol):
    """What updates weights."""

    def init(self, weights: Sequence[Tensor], stack: tuple[int, ...] = ()) -> Any:
        """Return the state before the first update."""

    def update(
        self,
        weights: Sequence[Tensor],
        gradients: Sequence[Tensor],
        state: Any,
        learning_rate: Tensor,
        mask: Tensor = 1.0,
    ) -> tuple[Tensors, Any]:
        """Return weights and state after one update, or as they were where the mask is 0."""


@dataclass(frozen=True)
class GradientDescent:
    """Step against the gradient, θ ← θ - η g."""

    def init(self, weights: Sequence[Tensor], stack: tuple[int, ...] = ()) -> tuple[()]:
        """Return the empty state: nothing is remembered."""
        return ()

    def update(
        self, weights: Sequence[Tensor], gradients: Sequence[Tensor], state: tuple[()], learning_rate: Tensor,
        mask: Tensor = 1.0,
    ) -> tuple[Tensors, tuple[()]]:  # fmt: skip
        """Return the weights after one step; arguments as in `Adam.update`.

        >>> GradientDescent().update([1.0], [0.5], (), learning_rate=0.2)
        ([0.9], ())
        """
        rate = mask * learning_rate
        return [w - _along(rate, w) * g for w, g in zip(weights, gradients, strict=True)], state


@dataclass(frozen=True)
class Adagrad:
    """Adagrad: s ← s + g², θ ← θ - η g/(√s + ε), with a state that starts at 0.

    Source: Duchi, Hazan and Singer 2011, JMLR 12.

    Attributes:
        epsilon: ε > 0; 1e-10 is PyTorch's choice.
    """

    epsilon: float = 1e-10

    def init(self, weights: Sequence[Tensor], stack: tuple[int, ...] = ()) -> Tensors:
        """Return the sums of squares before the first update, 0."""
        return [ops.zeros_like(w) for w in weights]

    def update(
        self, weights: Sequence[Tensor], gradients: Sequence[Tensor], state: Tensors, learning_rate: Tensor,
        mask: Tensor = 1.0,
    ) -> tuple[Tensors, Tensors]:  # fmt: skip
        """Return weights and state after one update; arguments as in `Adam.update`."""
        sums = [s + _along(mask, s) * g * g for s, g in zip(state, gradients, strict=True)]
        rate = mask * learning_rate
        moved = [
            w - _along(rate, w) * g / (ops.sqrt(s) + self.epsilon)
            for w, g, s in zip(weights, gradients, sums, strict=True)
        ]
        return moved, sums


class AdamState(NamedTuple):
    """What Adam remembers.

    Attributes:
        step: how many updates there were, a number of the weights' type, or one for each network of a stack.
        means, squares: moving averages of the gradients and of their squares, like the weights.
    """

    step: Tensor
    means: Tensors
    squares: Tensors


@dataclass(frozen=True)
class Adam:
    """Adam in the form of its section 2, with ε outside the bias correction:

        m ← m + (1 - β₁)(g - m),   s ← s + (1 - β₂)(g² - s),
        θ ← θ - η √(1 - β₂ᵗ)/(1 - β₁ᵗ) m/(√s + ε).

    Source: Kingma and Ba 2015, arXiv 1412.6980.

    Attributes:
        beta_1, beta_2: β₁ and β₂ in [0, 1).
        epsilon: ε > 0; 1e-7 is Keras' choice, 1e-8 that of TensorFlow 1.
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    def init(self, weights: Sequence[Tensor], stack: tuple[int, ...] = ()) -> AdamState:
        """Return the state before the first update.

        Args:
            weights: floating tensors of one type; none at all is allowed.
            stack: (n,) where the weights are those of n networks, each with a step and a mask of its own.
        """
        zeros = [ops.zeros_like(w) for w in weights]
        return AdamState(ops.zeros(stack, weights[0].dtype if weights else None), zeros, list(zeros))

    def update(
        self, weights: Sequence[Tensor], gradients: Sequence[Tensor], state: AdamState, learning_rate: Tensor,
        mask: Tensor = 1.0,
    ) -> tuple[Tensors, AdamState]:  # fmt: skip
        """Return weights and state after one update.

        The mask enters as a factor, so that a compiler can overwrite the state in place; choosing between old and new
        tensors afterwards would copy both and cost half as much again.

        Args:
            weights: what is updated.
            gradients: like the weights.
            state: of the update before, or `init`.
            learning_rate: η ≥ 0, a number or one for each network of a stack.
            mask: 1 for an update, 0 for none; a number or one for each network of a stack.
        """
        step = state.step + mask
        keep_1, keep_2 = mask * (1 - self.beta_1), mask * (1 - self.beta_2)
        means = [m + _along(keep_1, m) * (g - m) for m, g in zip(state.means, gradients, strict=True)]
        squares = [s + _along(keep_2, s) * (g * g - s) for s, g in zip(state.squares, gradients, strict=True)]
        clock = ops.maximum(step, 1.0)
        rate = mask * learning_rate * ops.sqrt(1 - self.beta_2**clock) / (1 - self.beta_1**clock)
        moved = [
            w - _along(rate, w) * m / (ops.sqrt(s) + self.epsilon)
            for w, m, s in zip(weights, means, squares, strict=True)
        ]
        return moved, AdamState(step, means, squares)


def _along(value: Tensor, weights: Tensor) -> Tensor:
    """Return a number as it is; one number for each network of a stack, shaped to multiply the stack's weights."""
    if not getattr(value, "shape", ()):
        return value
    return ops.reshape(value, (*value.shape, *[1] * (len(weights.shape) - len(value.shape))))
