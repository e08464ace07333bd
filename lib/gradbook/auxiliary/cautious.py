"""Cautious weight decay: weights decay only where the optimizer's own step makes them smaller, too."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gradbook import ops
from gradbook.auxiliary.rules import require_weight
from gradbook.optimizers import Adam, Optimizer, Tensor, Tensors


@dataclass(frozen=True)
class Decayed:
    """An optimizer and a weight decay decoupled from it.

    With u what the optimizer subtracts at a learning rate of 1, entry by entry,

        θ ← θ - η (u + λ m θ),   m = 1 where u θ ≥ 0 and else 0 if cautious, or m = 1.

    The mask looks at the update, not at the gradient. Under a cautious decay descent ends at a minimum of the loss
    itself, since beyond it the decay stops; under a plain one it ends where u = -λ θ.

    Attributes:
        weight: λ ≥ 0.
        cautious: whether m is a mask.
        optimizer: one of `gradbook.optimizers`.

    Raises:
        InputError: a negative weight.

    Source: Chen et al. 2025, arXiv 2510.12402, algorithm 1; plain decay: Loshchilov and Hutter 2019, arXiv 1711.05101.

    >>> from gradbook.optimizers import GradientDescent
    >>> (weights, *_), _ = Decayed(0.5, optimizer=GradientDescent()).update(
    ...     [ops.convert_to_tensor([1.0, 1.0])], [ops.convert_to_tensor([1.0, -1.0])], (), 0.5
    ... )
    >>> weights.numpy().tolist()
    [0.25, 1.5]
    """

    weight: float
    cautious: bool = True
    optimizer: Optimizer = field(default_factory=Adam)

    def __post_init__(self) -> None:
        require_weight(self.weight)

    def init(self, weights: Sequence[Tensor]) -> Any:
        """Return the optimizer's state before the first update."""
        return self.optimizer.init(weights)

    def update(
        self, weights: Sequence[Tensor], gradients: Sequence[Tensor], state: Any, learning_rate: Tensor,
        mask: Tensor = 1.0,
    ) -> tuple[Tensors, Any]:  # fmt: skip
        """Return weights and state after one update; arguments as in `gradbook.optimizers.Adam.update`."""
        zeros = [ops.zeros_like(w) for w in weights]
        moves, state = self.optimizer.update(zeros, gradients, state, learning_rate, mask)
        decayed = [
            ops.where(w * move <= 0, w, ops.zeros_like(w)) if self.cautious else w
            for w, move in zip(weights, moves, strict=True)
        ]
        rate = mask * learning_rate * self.weight
        return [w + move - rate * d for w, move, d in zip(weights, moves, decayed, strict=True)], state
