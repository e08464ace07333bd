"""A block, and a stack of equal blocks as one loop. TensorFlow.

The loop keeps the inputs of the blocks and computes each block again on the way back, so that a compiler sees one block
rather than two hundred, and a block is written as its formula alone.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import lazy_loader
import numpy as np

from gradbook import ops
from gradbook.gradnets.initializers import Shape

tf = lazy_loader.load("tensorflow")

Tensor = Any


class Block(NamedTuple):
    """What all blocks of a network compute, and where they start.

    Attributes:
        function: from x [batch, width], the block's gate [] and its weights to [batch, width].
        initial: from the width and a generator to the weights of all blocks, stacked: float64 [blocks, …] each, the
            matrices [blocks, width, width] first.
        gates: from the progress of training and one uniform random number for each block, [blocks], to the gates
            [blocks]; without random numbers to those that serve at test time.
    """

    function: Callable[..., Tensor]
    initial: Callable[[int, np.random.Generator], list[np.ndarray]]
    gates: Callable[..., Tensor]


def always(value: float, blocks: int) -> Callable[..., Tensor]:
    """Return gates that keep one value."""
    return lambda progress, coins=None: ops.full([blocks], value, dtype="float32")


def start(
    matrices: Callable[[Shape, np.random.Generator], np.ndarray], blocks: int, *learnt: np.ndarray
) -> Callable[[int, np.random.Generator], list[np.ndarray]]:
    """Return where blocks x W + b start: matrices drawn so, biases of 0, and what else they learn."""
    return lambda width, draw: [matrices((blocks, width, width), draw), np.zeros((blocks, width)), *learnt]


def through(block: Block) -> Callable:
    """Return a function that computes a stack of blocks, ``x ← function(x, gᵢ, *weightsᵢ)`` for i = 0, 1, ….

    The function takes x [batch, width], gates [blocks] and the stacked weights [blocks, …], and returns the last x. It
    can be differentiated with respect to x and the weights.
    """

    def forward(x, gates, weights):
        blocks = weights[0].shape[0]

        def step(i, x, inputs):
            return i + 1, block.function(x, gates[i], *[stack[i] for stack in weights]), inputs.write(i, x)

        inputs = tf.TensorArray(tf.float32, blocks, element_shape=x.shape)
        _, y, inputs = tf.while_loop(lambda i, *_: i < blocks, step, (tf.constant(0), x, inputs))
        return y, inputs.stack()

    def backward(dx, gates, weights, inputs):
        blocks = weights[0].shape[0]

        def step(i, dx, *kept):
            x, own = inputs[i], [stack[i] for stack in weights]
            with tf.GradientTape() as tape:
                tape.watch([x, *own])
                y = block.function(x, gates[i], *own)
            dx, *gradients = tape.gradient(y, [x, *own], dx, unconnected_gradients="zero")
            return i - 1, dx, *(array.write(i, gradient) for array, gradient in zip(kept, gradients, strict=True))

        kept = [tf.TensorArray(tf.float32, blocks, element_shape=stack.shape[1:]) for stack in weights]
        _, dx, *kept = tf.while_loop(lambda i, *_: i >= 0, step, (tf.constant(blocks - 1), dx, *kept))
        return dx, [array.stack() for array in kept]

    @tf.custom_gradient
    def run(x, gates, *weights):
        y, inputs = forward(x, gates, list(weights))

        def gradient(dy):
            dx, gradients = backward(dy, gates, list(weights), inputs)
            return dx, None, *gradients

        return y, gradient

    return run
