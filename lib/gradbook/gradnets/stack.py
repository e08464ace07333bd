"""The hidden layers of a deep network as one stack: one variable of weights, one draw of masks, one loop. TensorFlow.

Layers of one shape differ in their weights alone, so a network of fifty is a loop over the leading axis of
``weights`` [layers, width, outputs]. A compiler then sees one layer rather than fifty, the optimizer updates two
variables rather than ninety-six, and the weights' gradients are one batched product after the backward loop.

A hidden layer is given by its cell, a function of its input x, of u = x W + b and of the gate g.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import lazy_loader

from gradbook.errors import InputError, unknown

tf = lazy_loader.load("tensorflow")

Tensor = Any


def identity(x: Tensor, u: Tensor, g: Tensor) -> Tensor:
    """Return g relu(u) + (1-g) x: early the input itself, late a plain layer. A plain layer is the case g = 1."""
    return g * tf.nn.relu(u) + (1 - g) * x


def grelu(x: Tensor, u: Tensor, g: Tensor) -> Tensor:
    """Return g relu(u) + (1-g) u, the gReLU (Almeida and Sauder 2015): a leaky ReLU whose slope 1 - g falls to 0."""
    return g * tf.nn.relu(u) + (1 - g) * u


def residual(x: Tensor, u: Tensor, g: Tensor) -> Tensor:
    """Return x + relu(u); no gate."""
    return x + tf.nn.relu(u)


def leaky(x: Tensor, u: Tensor, g: Tensor) -> Tensor:
    """Return max(u, u/100); no gate."""
    return tf.nn.leaky_relu(u, 0.01)


def highway(x: Tensor, u: Tensor, g: Tensor) -> Tensor:
    """Return T relu(h) + (1-T) x, T = sigmoid(t), u = (h, t): each unit learns its gate (Srivastava et al. 2015)."""
    h, t = tf.split(u, 2, axis=-1)
    transform = tf.sigmoid(t)
    return transform * tf.nn.relu(h) + (1 - transform) * x


class Cell(NamedTuple):
    """What a hidden layer computes.

    Attributes:
        function: from x [batch, width], u [batch, outputs] and g to [batch, width].
        sums: outputs/width, how many entries of u a unit has.
    """

    function: Callable[[Tensor, Tensor, Tensor], Tensor]
    sums: int = 1


CELLS = {
    "identity": Cell(identity),
    "grelu": Cell(grelu),
    "residual": Cell(residual),
    "leaky": Cell(leaky),
    "highway": Cell(highway, sums=2),
}
"""The cells by name. A cell of one's own is a function and a line here."""

if TYPE_CHECKING:
    LayerName = str
else:
    LayerName = Literal[tuple(CELLS)]


def cell_of(layer: str) -> Cell:
    """Return the cell of that name.

    Raises:
        InputError: an unknown name, with the nearest.
    """
    if layer not in CELLS:
        raise unknown("layer", layer, CELLS)
    return CELLS[layer]


def dropout(x: Tensor, bits: Tensor, keep: float) -> Tensor:
    """Return x/keep where 16 random bits, read as a whole number, are below 2¹⁶ keep, and 0 elsewhere."""
    return x if keep == 1 else tf.where(bits < min(round(keep * 2**16), 2**16 - 1), x / keep, 0.0)


def require_keep(keep: float) -> None:
    """Require a probability above 0, by which kept units are divided.

    Raises:
        InputError: it is none.
    """
    if not 0 < keep <= 1:
        raise InputError(f"keep must be in (0, 1]; received {keep}.")


def hidden_layers(layer: LayerName, keep: float = 1.0) -> Callable:
    """Return a function that computes a stack of layers x ← dropout(cell(x, u, g)), u = x W + b.

    The function takes x [batch, width], weights [layers, width, outputs], biases [layers, outputs], random bits uint16
    [layers, batch, width] (any tensor where ``keep`` is 1) and the gate g; it returns the last x and the inputs of all
    layers [layers, batch, width]. It can be differentiated with respect to x, weights and biases through the last x.

    Args:
        layer: a key of `CELLS`.
        keep: in (0, 1], the probability that a unit is kept.

    Raises:
        InputError: an unknown layer, or a ``keep`` out of its range.
    """
    require_keep(keep)
    cell = cell_of(layer).function

    @tf.function
    def forward(x, weights, biases, bits, gate):
        layers, outputs = weights.shape[0], weights.shape[-1]
        inputs = tf.TensorArray(tf.float32, layers, element_shape=x.shape)
        sums = tf.TensorArray(tf.float32, layers, element_shape=[x.shape[0], outputs])
        for i in tf.range(layers):
            u = x @ weights[i] + biases[i]
            inputs, sums = inputs.write(i, x), sums.write(i, u)
            x = dropout(cell(x, u, gate), bits[i], keep)
        return x, inputs.stack(), sums.stack()

    @tf.function
    def backward(dx, weights, bits, gate, inputs, sums):
        layers = weights.shape[0]
        slopes = tf.TensorArray(tf.float32, layers, element_shape=sums.shape[1:])
        for i in tf.range(layers - 1, -1, -1):
            x, u = inputs[i], sums[i]
            with tf.GradientTape() as tape:
                tape.watch([x, u])
                y = dropout(cell(x, u, gate), bits[i], keep)
            through, du = tape.gradient(y, [x, u], dx, unconnected_gradients="zero")
            slopes = slopes.write(i, du)
            dx = through + tf.matmul(du, weights[i], transpose_b=True)
        return dx, slopes.stack()

    @tf.custom_gradient
    def hidden(x, weights, biases, bits, gate):
        y, inputs, sums = forward(x, weights, biases, bits, gate)

        def gradient(dy, _):
            dx, du = backward(dy, weights, bits, gate, inputs, sums)
            return dx, tf.matmul(inputs, du, transpose_a=True), tf.reduce_sum(du, axis=1), None, None

        return (y, inputs), gradient

    return hidden
