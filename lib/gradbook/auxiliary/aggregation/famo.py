"""FAMO: weights that follow how fast each loss falls, from the losses alone and with one backward pass."""

from dataclasses import dataclass
from typing import Any

from gradbook import ops
from gradbook.optimizers import Adam, AdamState

Tensor = Any
State = tuple[Tensor, AdamState]


@dataclass(frozen=True)
class Famo:
    """Fast adaptive multitask optimisation: all losses are to fall at the same relative rate.

    With logits ξ and z = softmax(ξ), a step follows Σ wᵢ gᵢ, whose weights are zᵢ/(lᵢ - bᵢ) divided by their sum. After
    it the losses l' of the same batch tell which fell the least, and the logits follow Adam on
    (diag z - zzᵀ)(log(l - b) - log(l' - b)) + γ ξ.

    It is no aggregator: it looks at losses, those after the step too, and remembers. It runs inside compiled functions.

    Attributes:
        learning_rate: β ≥ 0, of the logits.
        decay: γ ≥ 0, which pulls the logits back to equal weights.
        lowest: b below all losses, a number or one for each task.

    Source: Liu et al. 2023, arXiv 2306.03792, with the defaults of its code.

    >>> famo = Famo()
    >>> famo.weights(famo.init(2), ops.convert_to_tensor([1.0, 3.0])).numpy().tolist()
    [0.75, 0.25]
    """

    learning_rate: float = 0.025
    decay: float = 0.01
    lowest: float | tuple[float, ...] = 0.0

    def init(self, tasks: int, dtype: str = "float32") -> State:
        """Return the state before the first step: equal logits."""
        logits = ops.zeros(tasks, dtype)
        return logits, Adam(epsilon=1e-8).init([logits])

    def weights(self, state: State, losses: Tensor) -> Tensor:
        """Return the weights of the gradients for losses [m]: not negative, with sum 1."""
        parts = ops.softmax(state[0]) / self._above(losses)
        return parts / ops.sum(parts)

    def update(self, state: State, before: Tensor, after: Tensor) -> State:
        """Return the state after a step that changed the losses [m] of a batch."""
        logits, memory = state
        z, fall = ops.softmax(logits), ops.log(self._above(before)) - ops.log(self._above(after))
        slope = z * (fall - ops.sum(z * fall)) + self.decay * logits
        (logits,), memory = Adam(epsilon=1e-8).update([logits], [slope], memory, self.learning_rate)
        return logits, memory

    def _above(self, losses: Tensor) -> Tensor:
        return losses - ops.convert_to_tensor(self.lowest, losses.dtype) + 1e-8
