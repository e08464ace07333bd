"""The update rules: which gradient each block listens to, and what each predictor learns.

Blocks are numbered from the input, 0 … K-1; interface k stands between block k and block k + 1. All functions are
plain tensor algebra, so that a Keras network and a compiled stack of runs follow the same rules.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

from gradbook.synthetic import Reduction

Carry = Callable[[tf.Tensor], tf.Tensor]


def messages(
    synthetic: Sequence[tf.Tensor], carry: Sequence[Carry], mixing: float | tf.Tensor
) -> tuple[list[tf.Tensor], list[tf.Tensor], list[tf.Tensor]]:
    """What each interface says to the block below it, and what was there to be said.

    From the loss downwards, with δ the message, ĝ the prediction and Jᵀ the way back through a block::

        carried[k] = J[k + 1]ᵀ δ[k + 1]
        δ[k]       = λ carried[k] + (1 - λ) ĝ[k]
        true[k]    = J[k + 1]ᵀ true[k + 1]

    Source: Jaderberg et al. 2016, section 2 for λ = 0, supplement A (BP(λ)) for the mixture.

    Args:
        synthetic: ĝ at the interfaces 0 … K-2, each shaped like the features there.
        carry: of the blocks 0 … K-1, the function that takes a gradient at its output back to its input. The last
            block ends in the loss, where the gradient is the number 1.
        mixing: λ in [0, 1].

    Returns:
        δ, carried and true, each a list over the interfaces.
    """
    one = tf.ones([])
    heard, carried, true = [one], [], [one]
    for prediction, back in zip(reversed(synthetic), reversed(carry[1:]), strict=True):
        carried.append(back(heard[-1]))
        true.append(back(true[-1]))
        heard.append(mixing * carried[-1] + (1 - mixing) * prediction)
    return heard[:0:-1], carried[::-1], true[:0:-1]


def predictor_loss(
    prediction: tf.Tensor, target: tf.Tensor, loss: tf.Tensor, *, reduction: Reduction, divide_by_loss: bool
) -> tf.Tensor:
    """The squared error of a prediction: mean over a sample's entries, mean or sum over the batch.

    Args:
        prediction, target: [n, …].
        loss: the network's own, a scalar; divides the error where ``divide_by_loss`` is set.
    """
    squares = tf.math.squared_difference(prediction, target)
    each = tf.reduce_mean(squares, axis=list(range(1, len(squares.shape))))
    error = tf.reduce_mean(each) if reduction == "mean" else tf.reduce_sum(each)
    return error / loss if divide_by_loss else error
