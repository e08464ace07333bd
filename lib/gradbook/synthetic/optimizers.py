"""Optimisers as pure functions of tensors, each with a clock of its own.

``drawn``, 1 or 0, says whether there is an update at all. It enters as a factor, so that slots can be overwritten in
place; choosing between old and new tensors afterwards would copy both and cost half as much again.
"""

from collections.abc import Sequence
from typing import Protocol

import tensorflow as tf

Tensors = list[tf.Tensor]


class Optimizer(Protocol):
    """What a block and a predictor are updated with."""

    def slots(self, weights: Sequence[tf.Tensor]) -> Tensors:
        """What is remembered between updates, before the first."""

    def update(
        self, weights: Tensors, gradients: Tensors, slots: Tensors, rate: tf.Tensor, drawn: tf.Tensor
    ) -> tuple[Tensors, Tensors]:
        """Weights and slots after a step of length ``rate``, or as they were."""


class GradientDescent:
    """θ ← θ - η g."""

    def slots(self, weights: Sequence[tf.Tensor]) -> Tensors:
        """Nothing."""
        return []

    def update(
        self, weights: Tensors, gradients: Tensors, slots: Tensors, rate: tf.Tensor, drawn: tf.Tensor
    ) -> tuple[Tensors, Tensors]:
        """One step."""
        return [w - drawn * rate * g for w, g in zip(weights, gradients, strict=True)], slots


class Adam:
    """Adam (Kingma and Ba 2015, arXiv 1412.6980) in the form of its section 2, with ε outside the bias correction.

    Args:
        epsilon: ε; 1e-7 is Keras' choice, 1e-8 TensorFlow 1's.
    """

    def __init__(self, epsilon: float = 1e-7) -> None:
        self.epsilon = epsilon

    def slots(self, weights: Sequence[tf.Tensor]) -> Tensors:
        """A count of updates, then means, then mean squares."""
        return [tf.zeros([]), *(tf.zeros_like(w) for w in weights), *(tf.zeros_like(w) for w in weights)]

    def update(
        self, weights: Tensors, gradients: Tensors, slots: Tensors, rate: tf.Tensor, drawn: tf.Tensor
    ) -> tuple[Tensors, Tensors]:
        """One step."""
        count, means, squares = slots[0] + drawn, slots[1 : len(weights) + 1], slots[len(weights) + 1 :]
        means = [m + drawn * 0.1 * (g - m) for m, g in zip(means, gradients, strict=True)]
        squares = [s + drawn * 0.001 * (g * g - s) for s, g in zip(squares, gradients, strict=True)]
        clock = tf.maximum(count, 1.0)
        rate = drawn * rate * tf.sqrt(1 - 0.999**clock) / (1 - 0.9**clock)
        moved = [w - rate * m / (tf.sqrt(s) + self.epsilon) for w, m, s in zip(weights, means, squares, strict=True)]
        return moved, [count, *means, *squares]
