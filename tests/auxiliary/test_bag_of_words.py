"""Gathered rows of a kernel sum to the product with the multi-hot rows."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.sparse import csr_matrix

from gradbook.auxiliary.bag_of_words import bag, product


@pytest.mark.parametrize("count", [1, 255, 256, 257])
def test_any_number_of_words_will_do(count):
    dense = np.zeros((4, count), np.float32)
    dense[0, 0] = dense[0, -1] = dense[1, count // 2] = dense[2, -1] = dense[2, :count:100] = 1  # the last is empty
    rows = csr_matrix(dense)
    kernel = [tf.random.stateless_normal((n, 3), [0, 1]) for n in (min(count, 256), max(count - 256, 0))]
    with tf.GradientTape() as tape:
        tape.watch(kernel)
        found = product(bag(rows), *kernel)
    np.testing.assert_allclose(found, rows @ np.concatenate(kernel), rtol=1e-6, atol=1e-6)
    upstream = np.arange(12, dtype=np.float32).reshape(4, 3)
    slopes = tape.gradient(found, kernel, output_gradients=tf.constant(upstream))
    np.testing.assert_allclose(np.concatenate(slopes), dense.T @ upstream, rtol=1e-6)
