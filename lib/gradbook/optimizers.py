"""Optimizers as pure functions: from weights, gradients and a state to new weights and a new state.

They work on tensors of any backend of Keras, inside compiled functions too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from gradbook import ops
from gradbook.errors import InputError

Tensor = Any
Tensors = list[Tensor]


class Optimizer(Protocol):
    """What updates weights."""

    def init(self, weights: Sequence[Tensor]) -> Any:
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

    def init(self, weights: Sequence[Tensor]) -> tuple[()]:
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
        return [w - rate * g for w, g in zip(weights, gradients, strict=True)], state


@dataclass(frozen=True)
class Adagrad:
    """Adagrad: s ← s + g², θ ← θ - η g/(√s + ε), with a state that starts at 0.

    Source: Duchi, Hazan and Singer 2011, JMLR 12.

    Attributes:
        epsilon: ε > 0; 1e-10 is PyTorch's choice.

    Raises:
        InputError: an ε that is not above 0.
    """

    epsilon: float = 1e-10

    def __post_init__(self) -> None:
        _require_epsilon(self.epsilon)

    def init(self, weights: Sequence[Tensor]) -> Tensors:
        """Return the sums of squares before the first update, 0; weights and errors as in `Adam.init`."""
        _require_precision(weights)
        return [ops.zeros_like(w) for w in weights]

    def update(
        self, weights: Sequence[Tensor], gradients: Sequence[Tensor], state: Tensors, learning_rate: Tensor,
        mask: Tensor = 1.0,
    ) -> tuple[Tensors, Tensors]:  # fmt: skip
        """Return weights and state after one update; arguments as in `Adam.update`."""
        sums = [s + mask * g * g for s, g in zip(state, gradients, strict=True)]
        rate = mask * learning_rate
        moved = [w - rate * g / (ops.sqrt(s) + self.epsilon) for w, g, s in zip(weights, gradients, sums, strict=True)]
        return moved, sums


class AdamState(NamedTuple):
    """What Adam remembers.

    Attributes:
        step: how many updates there were, a number of the weights' type.
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

    Raises:
        InputError: a number out of its range.
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    def __post_init__(self) -> None:
        for name, value in (("beta_1", self.beta_1), ("beta_2", self.beta_2)):
            if not 0 <= value < 1:
                raise InputError(f"{name} must be in [0, 1); received {value}.")
        _require_epsilon(self.epsilon)

    def init(self, weights: Sequence[Tensor]) -> AdamState:
        """Return the state before the first update.

        Args:
            weights: float32 or float64 tensors of one type; none at all is allowed.

        Raises:
            InputError: weights of another type. In 16 bits small squares vanish, and sums of many steps stop growing.
        """
        _require_precision(weights)
        zeros = [ops.zeros_like(w) for w in weights]
        return AdamState(ops.zeros((), weights[0].dtype if weights else None), zeros, list(zeros))

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
            learning_rate: η ≥ 0.
            mask: 1 for an update, 0 for none; gradients must be finite all the same.
        """
        step = state.step + mask
        keep_1, keep_2 = mask * (1 - self.beta_1), mask * (1 - self.beta_2)
        means = [m + keep_1 * (g - m) for m, g in zip(state.means, gradients, strict=True)]
        squares = [s + keep_2 * (g * g - s) for s, g in zip(state.squares, gradients, strict=True)]
        clock = ops.maximum(step, 1.0)
        rate = mask * learning_rate * ops.sqrt(1 - self.beta_2**clock) / (1 - self.beta_1**clock)
        moved = [w - rate * m / (ops.sqrt(s) + self.epsilon) for w, m, s in zip(weights, means, squares, strict=True)]
        return moved, AdamState(step, means, squares)


def _require_epsilon(epsilon: float) -> None:
    if not epsilon > 0:
        raise InputError(f"epsilon must be above 0; received {epsilon}.")


def _require_precision(weights: Sequence[Tensor]) -> None:
    from keras.backend import standardize_dtype

    kinds = {standardize_dtype(w.dtype) for w in weights}
    if len(kinds) > 1 or not kinds <= {"float32", "float64"}:
        raise InputError(f"weights must all be float32 or all float64; received {', '.join(sorted(kinds))}.")
