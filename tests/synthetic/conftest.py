"""Data that the tests of Part II share."""

import numpy as np
import pytest
import tensorflow as tf
from synthetic_helpers import CLASSES

from gradbook.synthetic.training import Data


@pytest.fixture(scope="session")
def data() -> Data:
    """Three noisy classes in five dimensions, 60 samples to train on and 30 to test on."""
    random = np.random.default_rng(0)
    labels = np.arange(90) % CLASSES
    x = (random.standard_normal([CLASSES, 5])[labels] + 0.5 * random.standard_normal([90, 5])).astype("float32")
    y = np.eye(CLASSES, dtype="float32")[labels]
    return Data(x[:60], y[:60], x[60:], y[60:])


@pytest.fixture
def batches(data) -> list[tuple[tf.Tensor, tf.Tensor]]:
    """Four batches of fifteen."""
    return [(tf.constant(data.x_train[i : i + 15]), tf.constant(data.y_train[i : i + 15])) for i in range(0, 60, 15)]
