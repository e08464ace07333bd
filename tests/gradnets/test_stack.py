"""The stack of hidden layers against layers written out one by one."""

import numpy as np
import pytest
import tensorflow as tf

from gradbook.errors import InputError
from gradbook.gradnets.stack import CELLS, dropout, hidden_layers

KEEP = 0.7


def one_by_one(layer, x, weights, biases, bits, gate, keep):
    inputs = []
    for w, b, mask in zip(tf.unstack(weights), tf.unstack(biases), tf.unstack(bits), strict=True):
        inputs.append(x)
        x = dropout(CELLS[layer].function(x, tf.matmul(x, w) + b, gate), mask, keep)
    return x, tf.stack(inputs)


def network(layer, layers=4, batch=6, width=5):
    draw = np.random.default_rng(7)
    outputs = width * CELLS[layer].sums
    x, weights, biases = (
        tf.constant(draw.normal(size=shape), tf.float32)
        for shape in [(batch, width), (layers, width, outputs), (layers, outputs)]
    )
    bits = tf.constant(draw.integers(0, 2**16, (layers, batch, width)).astype(np.uint16))
    return x, weights, biases, bits


def output_and_gradients(function, x, weights, biases, bits, gate):
    with tf.GradientTape() as tape:
        tape.watch([x, weights, biases])
        y, inputs = function(x, weights, biases, bits, gate)
        loss = tf.reduce_sum(tf.sin(y))
    return [y, inputs, *tape.gradient(loss, [x, weights, biases])]


@pytest.mark.parametrize("compiled", [False, True], ids=["plain", "compiled"])
@pytest.mark.parametrize("keep", [KEEP, 1.0])
@pytest.mark.parametrize("layer", CELLS)
def test_outputs_and_gradients_are_those_of_layers_one_by_one(layer, keep, compiled):
    x, weights, biases, bits = network(layer)
    stacked = hidden_layers(layer, keep)

    @tf.function(jit_compile=compiled)
    def ours(gate):
        return output_and_gradients(stacked, x, weights, biases, bits, gate)

    def reference(*arguments):
        return one_by_one(layer, *arguments, keep)

    gate = tf.constant(0.3)
    for got, expected in zip(ours(gate), output_and_gradients(reference, x, weights, biases, bits, gate), strict=True):
        np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-5)


def test_at_gate_zero_the_identity_passes_and_no_weight_has_a_gradient():
    x, weights, biases, bits = network("identity")
    y, _, dx, dweights, dbiases = output_and_gradients(
        hidden_layers("identity"), x, weights, biases, bits, tf.constant(0.0)
    )
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(dx, tf.cos(x))
    assert not np.any(dweights) and not np.any(dbiases)


def test_dropout_keeps_the_fraction_it_is_given_and_the_mean():
    bits = np.arange(2**16, dtype=np.uint16)
    kept = dropout(tf.ones(2**16), bits, 0.95).numpy()
    assert np.count_nonzero(kept) == round(0.95 * 2**16)
    assert kept.mean() == pytest.approx(1, abs=1e-5)


def test_an_unknown_layer_is_refused():
    with pytest.raises(InputError, match="unknown layer 'residul'; did you mean 'residual'"):
        hidden_layers("residul")
