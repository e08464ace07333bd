"""The network of the experiment, with identity layers, as a Keras model."""

import keras
from keras.initializers import TruncatedNormal
from keras.layers import Dense, Dropout

from gradbook.errors import InputError
from gradbook.gradnets.gates import Linear, Schedule
from gradbook.gradnets.layers import Gate, GradualIdentity

PUBLISHED = Linear(0, 0.5)
"""The gate of the published run: open after 10 of 20 epochs."""


def gradual_mlp(
    depth: int = 50,
    width: int = 50,
    *,
    inputs: int = 784,
    classes: int = 10,
    gate: Gate | Schedule | float = PUBLISHED,
    dropout: float = 0.05,
    penalty: float = 50.0,
) -> keras.Sequential:
    """Return a deep network of equal layers that fade in: dense, then depth - 2 times `GradualIdentity`, then softmax.

    Weights start as a normal of standard deviation 0.1 cut at 0.2, biases at 0. At the defaults there are
    784·50 + 50 + 48·(50·50 + 50) + 50·10 + 10 = 162,160 of them to train.

    Args:
        depth: layers with weights, ≥ 3.
        width: units of a hidden layer.
        inputs, classes: length of the input and of the output.
        gate: of all layers together, see `gradbook.gradnets.layers.Gated`.
        dropout: rate after every layer but the last.
        penalty: the loss is raised by penalty times the mean absolute value of the hidden matrices.

    Raises:
        InputError: a depth below 3.
    """
    if depth < 3:
        raise InputError(f"depth must be at least 3, an input, a hidden and an output layer; received {depth}.")
    gate = gate if isinstance(gate, Gate) else Gate(gate)
    layers = [Dense(width, "relu", kernel_initializer=TruncatedNormal(stddev=0.1)), Dropout(dropout)]
    for _ in range(depth - 2):
        small = keras.regularizers.L1(penalty / ((depth - 2) * width**2))
        layers += [GradualIdentity(gate, TruncatedNormal(stddev=0.1), small), Dropout(dropout)]
    last = Dense(classes, "softmax", kernel_initializer=TruncatedNormal(stddev=0.1))
    return keras.Sequential([keras.Input((inputs,)), *layers, last])
