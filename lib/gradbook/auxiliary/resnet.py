"""ResNet-v2-18 as keras-contrib builds it, the trunk of the published experiment on pairs of classes."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from gradbook.errors import InputError


def resnet_18(image_shape: Sequence[int]) -> keras.Model:
    """Turn images float32 [batch, height, width, channels] to 512 features each.

    Pre-activation blocks (He et al. 2016, arXiv 1603.05027) of two convolutions 3×3, two blocks each with 64, 128, 256
    and 512 filters. As in keras-contrib every group halves the image, the first one too, and shortcuts that change
    the shape are normalised; with 64×64×3 images and two logits on top the network has 11,196,354 parameters.

    Raises:
        InputError: images that are not square.
    """
    if image_shape[0] != image_shape[1]:
        raise InputError(f"images must be square; received {image_shape[0]}×{image_shape[1]} pixels.")
    images = keras.Input(tuple(image_shape))
    x = _activate(_convolve(images, 64, 7, strides=2))
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    for group, filters in enumerate((64, 128, 256, 512)):
        halved = _convolve(x if group == 0 else _activate(x), filters, 3, strides=2)
        shortcut = layers.BatchNormalization()(_convolve(x, filters, 1, strides=2))
        x = layers.Add()([_convolve(_activate(halved), filters, 3), shortcut])
        residual = _convolve(_activate(x), filters, 3)
        x = layers.Add()([_convolve(_activate(residual), filters, 3), x])
    return keras.Model(images, layers.GlobalAveragePooling2D()(_activate(x)))


@keras.saving.register_keras_serializable("gradbook")
class ToOnePixel(layers.Layer):
    """A convolution with zero padding onto a single pixel, its kernel in two parts.

    The taps that reach the image are a matrix; the others meet nothing but padding. They are kept because they are
    parameters of the network as published, and apart because nothing depends on them: their gradient is None, and no
    pass over the weights has to touch them. Of ResNet-v2-18 on 64×64 pixels they are 6,946,816.

    Args:
        filters: channels of the output.
        taps: side of the square kernel; images must be smaller, and not larger than the stride would be.
        options: of every Keras layer, such as its name.
    """

    def __init__(self, filters: int, taps: int, **options: Any) -> None:
        super().__init__(**options)
        self.filters, self.taps = filters, taps

    def build(self, input_shape: Sequence[int]) -> None:
        """He's normal initialisation (2015) of the whole kernel, which is then divided."""
        _, size, _, channels = input_shape
        kernel = np.array(keras.initializers.HeNormal()((self.taps, self.taps, channels, self.filters)))
        first = (self.taps - size) // 2
        self.reaches = np.zeros((self.taps, self.taps), bool)
        self.reaches[first : first + size, first : first + size] = True
        reached, unreached = kernel[self.reaches].reshape(-1, self.filters), kernel[~self.reaches]
        self.reached = self.add_weight(reached.shape, keras.initializers.Constant(reached), name="reached")
        self.unreached = self.add_weight(unreached.shape, keras.initializers.Constant(unreached), name="unreached")
        self.bias = self.add_weight((self.filters,), "zeros", name="bias")

    @property
    def kernel(self) -> np.ndarray:
        """The kernel in one piece, [taps, taps, channels, filters]."""
        channels = self.unreached.shape[1]
        whole = np.empty((self.taps, self.taps, channels, self.filters), np.float32)
        whole[self.reaches] = np.reshape(self.reached, (-1, channels, self.filters))
        whole[~self.reaches] = self.unreached
        return whole

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """[batch, size, size, channels] to [batch, 1, 1, filters]."""
        window = tf.reshape(images, [-1, self.reached.shape[0]])
        return (window @ self.reached + self.bias)[:, None, None]


def _activate(x: keras.KerasTensor) -> keras.KerasTensor:
    return layers.ReLU()(layers.BatchNormalization()(x))


def _convolve(x: keras.KerasTensor, filters: int, taps: int, strides: int = 1) -> keras.KerasTensor:
    if x.shape[1] < taps and x.shape[1] <= strides:
        return ToOnePixel(filters, taps)(x)
    return layers.Conv2D(filters, taps, strides, padding="same", kernel_initializer="he_normal")(x)
