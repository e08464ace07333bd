"""The networks with two heads that the chapters train, for images [height, width, channels]."""

from collections.abc import Callable, Sequence

import keras
from keras import layers

from gradbook.auxiliary.resnet import resnet_18
from gradbook.auxiliary.two_headed import TwoHeaded


def small(image_shape: Sequence[int]) -> TwoHeaded:
    """Make the network of the concept: two convolutions in the trunk, a hidden layer in each head.

    The convolutions have 32 and 64 filters 3×3 and are pooled by 2; a head has a hidden layer of 128 and two logits.
    """
    trunk = keras.Sequential([keras.Input(tuple(image_shape))])
    for filters in (32, 64):
        trunk.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
        trunk.add(layers.MaxPooling2D(2, padding="same"))
    trunk.add(layers.Flatten())
    return _two_headed(trunk, lambda: [layers.Dense(128, activation="relu"), layers.Dense(2)])


def residual(image_shape: Sequence[int]) -> TwoHeaded:
    """Make ResNet-v2-18 (see `gradbook.auxiliary.resnet.resnet_18`) with two logits on top for each task."""
    return _two_headed(resnet_18(image_shape), lambda: [layers.Dense(2, kernel_initializer="he_normal")])


def _two_headed(trunk: keras.Model, head: Callable[[], list[keras.Layer]]) -> TwoHeaded:
    main, auxiliary = (keras.Sequential([keras.Input(trunk.output_shape[1:]), *head()]) for _ in range(2))
    return TwoHeaded(trunk, main, auxiliary)


NETWORKS: dict[str, Callable[[Sequence[int]], TwoHeaded]] = {"small": small, "resnet_18": residual}
"""By name, what makes them for an image's shape."""
