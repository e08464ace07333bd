"""Messages, where a block's vector–Jacobian product is a product with a matrix."""

import numpy as np
import pytest
import tensorflow as tf

from gradbook.synthetic.messages import predictor_loss, propagate


@pytest.mark.parametrize("mixing", [0.0, 0.3, 1.0])
def test_messages_are_the_formula(mixing):
    jacobians = tf.constant(
        np.random.default_rng(0).normal(size=(4, 5, 5))
    )  # that of the last block, the loss, is a row
    predicted = tf.constant(np.random.default_rng(1).normal(size=(3, 5)))
    vjps = [lambda delta, j=j: tf.linalg.matvec(j, delta, transpose_a=True) for j in jacobians[:3]]
    vjps.append(lambda delta: jacobians[3, 0] * tf.cast(delta, tf.float64))
    received, propagated, true = propagate(tf.unstack(predicted), vjps, mixing)
    for k, vjp in enumerate(vjps[1:]):
        above = (received[k + 1], true[k + 1]) if k < 2 else (1.0, 1.0)
        np.testing.assert_allclose(propagated[k], vjp(above[0]))
        np.testing.assert_allclose(true[k], vjp(above[1]))
        np.testing.assert_allclose(received[k], mixing * propagated[k] + (1 - mixing) * predicted[k])


@pytest.mark.parametrize("spoilt", [np.nan, np.inf])
def test_mixing_of_one_leaves_predictions_out_whatever_they_are(spoilt):
    values = tf.constant([1.0, 2.0])
    (received,), *_ = propagate([values * spoilt], [lambda d: d, lambda d: d * values], 1.0)
    np.testing.assert_array_equal(received, values)


def test_an_error_divided_by_a_loss_of_zero_has_no_gradient():
    prediction, target = tf.constant([[1.0, 2.0]]), tf.zeros([1, 2])
    with tf.GradientTape() as tape:
        tape.watch(prediction)
        error = predictor_loss(prediction, target, tf.zeros([]), reduction="sum", divide_by_loss=True)
    assert error == 0 and not np.any(tape.gradient(error, prediction))
