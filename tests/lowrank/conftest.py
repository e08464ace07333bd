"""A network small enough to train in a test, with a tap, a dropped path and a shared weight."""

import keras
import numpy as np
import pytest
from keras import layers

from gradbook.lowrank.convs import substitute
from gradbook.lowrank.networks import DropPath


@pytest.fixture
def tiny():
    """Make one, from a seed: 6×6 images of one channel, three classes."""

    def make(seed: int = 0, filters: int = 8) -> keras.Model:
        keras.utils.set_random_seed(seed)
        images = keras.Input((6, 6, 1))
        x = layers.Conv2D(8, 3, padding="same")(images)
        x = layers.Identity(name="tap_1")(layers.ReLU()(x))
        x = layers.Add()([x, DropPath()(substitute("low_rank", 0.25)(8, 3, padding="same")(x))])
        x = layers.BatchNormalization()(layers.Conv2D(filters, 3)(x))
        return keras.Model(images, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)), name="tiny")

    return make


@pytest.fixture(scope="session")
def examples() -> tuple[np.ndarray, np.ndarray]:
    """40 images and their labels."""
    random = np.random.default_rng(0)
    return random.standard_normal((40, 6, 6, 1), np.float32), random.integers(0, 3, 40).astype(np.int32)
