"""The update rules, where a block's way back is a matrix."""

import numpy as np
import pytest
import tensorflow as tf

from gradbook.synthetic import messages


@pytest.mark.parametrize("mixing", [0.0, 0.3, 1.0])
def test_messages_are_the_formula(mixing):
    jacobians = tf.constant(
        np.random.default_rng(0).normal(size=(4, 5, 5))
    )  # that of the last block, the loss, is a row
    predicted = tf.constant(np.random.default_rng(1).normal(size=(3, 5)))
    carry = [lambda delta, j=j: tf.linalg.matvec(j, delta, transpose_a=True) for j in jacobians[:3]]
    carry.append(lambda delta: jacobians[3, 0] * tf.cast(delta, tf.float64))
    heard, carried, true = messages(tf.unstack(predicted), carry, mixing)
    for k, back in enumerate(carry[1:]):
        above = (heard[k + 1], true[k + 1]) if k < 2 else (1.0, 1.0)
        np.testing.assert_allclose(carried[k], back(above[0]))
        np.testing.assert_allclose(true[k], back(above[1]))
        np.testing.assert_allclose(heard[k], mixing * carried[k] + (1 - mixing) * predicted[k])
