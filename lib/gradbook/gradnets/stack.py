"""The hidden layers of a deep network as one stack: one variable of weights, one draw of masks, one loop.

Layers of one shape differ in their weights alone, so a network of fifty is a loop over the leading axis of
``weights`` [layers, width, outputs]. A compiler then sees one layer rather than fifty, the optimiser updates two
variables rather than ninety-six, and the weights' gradients are one batched product after the backward loop.
"""

from collections.abc import Callable

import tensorflow as tf

from gradbook.gradnets import Layer

Cell = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]


def identity(x: tf.Tensor, u: tf.Tensor, g: tf.Tensor) -> tf.Tensor:
    """g relu(u) + (1-g) x: early the input itself, late a plain layer. A plain layer is the case g = 1."""
    return g * tf.nn.relu(u) + (1 - g) * x


def preactivation(x: tf.Tensor, u: tf.Tensor, g: tf.Tensor) -> tf.Tensor:
    """g relu(u) + (1-g) u, the gReLU (Almeida and Sauder 2015): a leaky ReLU whose slope 1 - g falls to 0."""
    return g * tf.nn.relu(u) + (1 - g) * u


def residual(x: tf.Tensor, u: tf.Tensor, g: tf.Tensor) -> tf.Tensor:
    """x + relu(u); no gate."""
    return x + tf.nn.relu(u)


def leaky(x: tf.Tensor, u: tf.Tensor, g: tf.Tensor) -> tf.Tensor:
    """max(u, u/100); no gate."""
    return tf.nn.leaky_relu(u, 0.01)


def highway(x: tf.Tensor, u: tf.Tensor, g: tf.Tensor) -> tf.Tensor:
    """T relu(h) + (1-T) x with T = sigmoid(t) and u = (h, t) (Srivastava et al. 2015): each unit learns its gate."""
    h, t = tf.split(u, 2, axis=-1)
    transform = tf.sigmoid(t)
    return transform * tf.nn.relu(h) + (1 - transform) * x


CELLS: dict[Layer, Cell] = {
    "identity": identity,
    "preactivation": preactivation,
    "residual": residual,
    "leaky": leaky,
    "highway": highway,
}


def dropout(x: tf.Tensor, bits: tf.Tensor, keep: float) -> tf.Tensor:
    """x/keep where 16 random bits, read as a whole number, are below 2¹⁶ keep; 0 elsewhere."""
    return x if keep == 1 else tf.where(bits < round(keep * 2**16), x / keep, 0.0)


def hidden_layers(layer: Layer, keep: float = 1.0) -> Callable:
    """A function for a stack of layers x ← dropout(cell(x, u, g)), u = x W + b.

    The function takes x [batch, width], weights [layers, width, outputs], biases [layers, outputs], random bits uint16
    [layers, batch, width] (any tensor where ``keep`` is 1) and the gate g; it returns the last x and the inputs of all
    layers [layers, batch, width]. It can be differentiated with respect to x, weights and biases through the last x.

    Args:
        layer: which cell; "highway" has outputs = 2 width, all others outputs = width.
        keep: in (0, 1], the probability that a unit is kept.
    """
    cell = CELLS[layer]

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
