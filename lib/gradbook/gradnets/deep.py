"""A deep network of equal hidden layers as pure functions of its weights. TensorFlow.

`gradbook.gradnets.gradual_mlp` is the same network, with identity layers, as a Keras model.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import tensorflow as tf

from gradbook.errors import InputError, unknown
from gradbook.gradnets.initializers import Shape, he, orthogonal, truncated_normal
from gradbook.gradnets.stack import LayerName, cell_of, dropout, hidden_layers, require_keep

Initializer = Literal["truncated_normal", "he", "orthogonal"]


@dataclass(frozen=True)
class DeepNetwork:
    """A dense ReLU layer, depth - 2 hidden layers of one kind, and a dense layer of logits.

    Its weights are six float32 tensors: matrix and bias of the first layer, matrices and biases of the hidden ones as
    stacks, matrix and bias of the last.

    Attributes:
        inputs, classes: length of the input and of the output.
        depth: layers with weights, ≥ 3.
        width: units of every layer but the last.
        layer: what a hidden layer computes, a key of `gradbook.gradnets.stack.CELLS`.
        keep: in (0, 1], the probability that dropout keeps a unit, after every layer but the last.

    Raises:
        InputError: a depth or a ``keep`` out of its range.
    """

    inputs: int
    classes: int = 10
    depth: int = 50
    width: int = 50
    layer: LayerName = "identity"
    keep: float = 1.0

    def __post_init__(self) -> None:
        if self.depth < 3:
            raise InputError(f"depth must be at least 3; received {self.depth}.")
        require_keep(self.keep)

    def initial_weights(self, initializer: Initializer, bias: float, draw: np.random.Generator) -> list[tf.Tensor]:
        """Draw weights to start from.

        At depth 50 and width 50 on 784 inputs they are 784·50 + 50 + 48·(50·50 + 50) + 50·10 + 10 = 162,160 numbers.

        Args:
            initializer: of the hidden matrices: normal of standard deviation 0.1 cut at twice that; normal of variance
                2/width (He et al. 2015); or orthogonal. The first and the last layer always have the first.
            bias: where biases of units start; those of a highway's gates start at -2.
            draw: where the numbers come from.

        Raises:
            InputError: an unknown initializer or layer.
        """
        layers, outputs = self.depth - 2, self.width * cell_of(self.layer).sums

        def orthonormal_rows(shape: Shape, draw: np.random.Generator) -> np.ndarray:
            count, inputs, units = shape
            return np.swapaxes(orthogonal((count, units, inputs), draw), 1, 2)

        known = {"truncated_normal": truncated_normal, "he": he, "orthogonal": orthonormal_rows}
        if initializer not in known:
            raise unknown("initializer", initializer, known)
        biases = np.full((layers, outputs), bias)
        biases[:, self.width :] = -2
        weights = [
            truncated_normal((self.inputs, self.width), draw),
            np.full(self.width, bias),
            known[initializer]((layers, self.width, outputs), draw),
            biases,
            truncated_normal((self.width, self.classes), draw),
            np.full(self.classes, bias),
        ]
        return [tf.constant(values, tf.float32) for values in weights]

    def random_bits(self, steps: int, batch: int, noise: np.random.BitGenerator) -> np.ndarray:
        """Draw the masks of some iterations at once.

        Returns:
            uint16 [steps, depth - 1, batch, width]; empty, and nothing drawn, where ``keep`` is 1.
        """
        shape = (steps, self.depth - 1, batch, self.width)
        if self.keep == 1:
            return np.zeros((*shape[:2], 0), np.uint16)
        count = int(np.prod(shape))
        return noise.random_raw(-(-count // 4)).view(np.uint16)[:count].reshape(shape)

    def logits(
        self, weights: list[tf.Tensor], inputs: tf.Tensor, gate: tf.Tensor, bits: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Return the logits [n, classes].

        Args:
            weights: see the class.
            inputs: float32 [n, inputs].
            gate: g.
            bits: of one iteration, [depth - 1, n, width] of `random_bits`; None for no dropout.
        """
        first, first_bias, matrices, biases, last, last_bias = weights
        x = tf.nn.relu(inputs @ first + first_bias)
        if bits is None:
            x, _ = hidden_layers(self.layer)(x, matrices, biases, matrices, gate)
        else:
            hidden = hidden_layers(self.layer, self.keep)
            x, _ = hidden(dropout(x, bits[0], self.keep), matrices, biases, bits[1:], gate)
        return x @ last + last_bias
