"""Messages between blocks: which gradient each block receives, and what each predictor learns.

Blocks are numbered from the input, 0 … K-1; interface k stands between block k and block k + 1. All functions are
plain tensor algebra, so that layers and windows of time follow the same rules.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from gradbook.synthetic.settings import Reduction

VJP = Callable[[tf.Tensor], tf.Tensor]
"""A vector–Jacobian product: takes a gradient at a function's output to the gradient at its input."""


class Messages(NamedTuple):
    """The gradients at the interfaces 0 … K-2, each shaped like the features there.

    Attributes:
        received: δ, what the block below receives.
        propagated: Jᵀδ, what the block above received, taken back through that block; predictors learn it.
        true: the gradient of full backpropagation.
    """

    received: list[tf.Tensor]
    propagated: list[tf.Tensor]
    true: list[tf.Tensor]


def propagate(synthetic: Sequence[tf.Tensor], vjps: Sequence[VJP], mixing: float | tf.Tensor) -> Messages:
    """Send messages from the loss down to the first block.

    With δ the message, ĝ the prediction and Jᵀ the vector–Jacobian product of a block::

        propagated[k] = J[k + 1]ᵀ δ[k + 1]
        δ[k]          = λ propagated[k] + (1 - λ) ĝ[k]
        true[k]       = J[k + 1]ᵀ true[k + 1]

    At λ = 1 predictions are left out, so that not even one that is infinite can spoil backpropagation.

    Source: Jaderberg et al. 2016, section 2 for λ = 0, supplement A (BP(λ)) for the mixture.

    Args:
        synthetic: ĝ at the interfaces 0 … K-2, each shaped like the features there.
        vjps: of the blocks 0 … K-1. The last block ends in the loss, where the gradient is the number 1.
        mixing: λ in [0, 1].
    """
    one = tf.ones([])
    received, propagated, true = [one], [], [one]
    for prediction, vjp in zip(reversed(synthetic), reversed(vjps[1:]), strict=True):
        propagated.append(vjp(received[-1]))
        true.append(vjp(true[-1]))
        mixed = mixing * propagated[-1] + (1 - mixing) * prediction
        received.append(tf.where(mixing < 1, mixed, propagated[-1]))
    return Messages(received[:0:-1], propagated[::-1], true[:0:-1])


def predictor_loss(
    prediction: tf.Tensor, target: tf.Tensor, loss: tf.Tensor, *, reduction: Reduction, divide_by_loss: bool
) -> tf.Tensor:
    """Return the squared error of a prediction: mean over an example's entries, mean or sum over the batch.

    Args:
        prediction, target: [n, …].
        loss: the network's own, a scalar; divides the error where ``divide_by_loss`` is set.
        reduction: over the batch.
        divide_by_loss: whether to divide; a quotient by a loss of 0 counts as 0, so that nothing is learnt from it.

    >>> half, zero = tf.constant([[0.5]]), tf.constant([[0.0]])
    >>> [float(predictor_loss(half, zero, l, reduction="mean", divide_by_loss=True)) for l in (0.5, 0.0)]
    [0.5, 0.0]
    """
    squares = tf.math.squared_difference(prediction, target)
    each = tf.reduce_mean(squares, axis=list(range(1, len(squares.shape))))
    error = tf.reduce_mean(each) if reduction == "mean" else tf.reduce_sum(each)
    return error / tf.where(loss == 0, float("inf"), loss) if divide_by_loss else error
