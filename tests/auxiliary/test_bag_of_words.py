"""Gathered rows of a kernel sum to the product with the multi-hot rows."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.sparse import csr_matrix

from gradbook.auxiliary.bag_of_words import bag, product


@pytest.mark.parametrize("count", [1, 255, 256, 257])
def test_any_number_of_words_will_do(count):
    rows = csr_matrix(np.eye(4, count, dtype=np.float32))
    kernel = [tf.random.stateless_normal((n, 3), [0, 1]) for n in (min(count, 256), max(count - 256, 0))]
    np.testing.assert_allclose(product(bag(rows), *kernel), rows @ np.concatenate(kernel), rtol=1e-6, atol=1e-7)
