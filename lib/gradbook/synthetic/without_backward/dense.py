"""The network that receives the messages: dense layers with one activation, and a linear readout."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from gradbook import ops
from gradbook.errors import unknown

Tensor = Any


class Layer(NamedTuple):
    """A dense layer's weights: kernel [inputs, units] and bias [units]."""

    kernel: Tensor
    bias: Tensor


class Activation(NamedTuple):
    """A function φ, and its derivative φ′(a) written with the value h = φ(a)."""

    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]


ACTIVATIONS = {
    "tanh": Activation(lambda a: ops.tanh(a), lambda h: 1 - h * h),
    "relu": Activation(lambda a: ops.relu(a), lambda h: ops.cast(h > 0, h.dtype)),
}
"""The activations by name."""


def apply(network: Sequence[Layer], x: Tensor, activation: str = "tanh") -> list[Tensor]:
    """Return what every layer gives, h_k = φ(h_{k-1} W_k + b_k) with h₀ = x; the last layer has no activation.

    Args:
        network: hidden layers and a readout.
        x: [n, inputs].
        activation: a key of `ACTIVATIONS`.

    Raises:
        InputError: there is no such activation.

    >>> import numpy as np
    >>> identity = Layer(np.eye(2), np.zeros(2))
    >>> [np.asarray(h).tolist() for h in apply([identity, identity], np.array([[-1.0, 2.0]]), "relu")]
    [[[0.0, 2.0]], [[0.0, 2.0]]]
    """
    if activation not in ACTIVATIONS:
        raise unknown("activation", activation, ACTIVATIONS)
    *hidden, readout = network
    outputs = [x]
    for layer in hidden:
        outputs.append(ACTIVATIONS[activation].value(outputs[-1] @ layer.kernel + layer.bias))
    return [*outputs[1:], outputs[-1] @ readout.kernel + readout.bias]


def gradients(below: Sequence[Tensor], received: Sequence[Tensor]) -> list[Layer]:
    """Return the gradient of each layer's weights, a mean over the batch: hᵀδ/n and Σδ/n.

    A layer needs nothing but its own input and its own message.

    Args:
        below: what enters each layer, [n, inputs].
        received: the message at each layer's output before the activation, δ ⊙ φ′(a), [n, units]; at the readout the
            error.

    >>> import numpy as np
    >>> np.asarray(gradients([np.array([[1.0], [3.0]])], [np.array([[1.0], [1.0]])])[0].kernel).tolist()
    [[2.0]]
    """
    return [
        Layer(ops.transpose(h) @ delta / ops.cast(ops.shape(h)[0], h.dtype), ops.mean(delta, axis=0))
        for h, delta in zip(below, received, strict=True)
    ]


def alignment(message: Tensor, gradient: Tensor) -> Tensor:
    """Return the cosine of a message and the gradient of backpropagation, read as vectors; 0 where one of them is 0.

    The alignment angle is its arc cosine: 0° for the same direction, 90° for nothing in common.

    >>> import numpy as np
    >>> float(alignment(np.array([[1.0, 1.0]]), np.array([[2.0, 0.0]]))).__round__(4)
    0.7071
    """
    squares = ops.sum(message * message), ops.sum(gradient * gradient)
    safe = [ops.logical_and(square > 1e-24, square < 1e37) for square in squares]  # what single precision holds

    def scaled() -> Tensor:
        u, v = (ops.divide_no_nan(x, ops.max(ops.abs(x))) for x in (message, gradient))
        return ops.divide_no_nan(ops.sum(u * v), ops.sqrt(ops.sum(u * u)) * ops.sqrt(ops.sum(v * v)))

    plain = ops.divide_no_nan(ops.sum(message * gradient), ops.sqrt(squares[0]) * ops.sqrt(squares[1]))
    return ops.cond(ops.logical_and(*safe), lambda: plain, scaled)
