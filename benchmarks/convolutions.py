"""Convolutions: each family beside a dense one of equal shape, 3×3 and 128 channels, on 32 images of 16×16 pixels."""

from collections.abc import Callable
from functools import partial

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from benchmarks._sides import Side, memory, quartiles
from gradbook.lowrank.convs import FAMILIES, substitute
from gradbook.seeds import generator, set_seed
from gradbook.timing import in_turns

IMAGES, SIZE, CHANNELS, TAPS, ROUNDS = 32, 16, 128, 3, 30
HYPERPARAMETERS = {
    "grouped": 16,
    "bottleneck": 4,
    "shuffle": 4,
    "hashed": 0.1,
    "separable_hashed": 0.2,
    "low_rank": 0.1,
    "tied_low_rank": 0.1,
    "tucker": 0.3,
    "tensor_train": 0.3,
    "cp": 0.1,
    "acdc": 12,
}


def layer_and_images(family: str) -> tuple[keras.Layer, tf.Tensor]:
    """Return a layer of the family, built, and images for it."""
    set_seed(0)
    layer = substitute(family, HYPERPARAMETERS.get(family, FAMILIES[family].example))(CHANNELS, TAPS, padding="same")
    images = generator(0, "images").normal(size=(IMAGES, SIZE, SIZE, CHANNELS)).astype(np.float32)
    layer.build(images.shape)
    return layer, tf.constant(images)


def forward(family: str) -> Callable[[int], np.ndarray]:
    """Return a compiled forward pass."""
    layer, images = layer_and_images(family)
    compiled = tf.function(lambda: tf.reduce_sum(layer(images)))
    return lambda number: compiled().numpy()


def training(family: str) -> Callable[[int], np.ndarray]:
    """Return a compiled forward pass with the gradients of images and weights."""
    layer, images = layer_and_images(family)

    @tf.function
    def compiled() -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = tf.nn.l2_loss(layer(images))
        found = tape.gradient(loss, [images, *layer.trainable_variables])
        return tf.add_n([tf.reduce_sum(gradient) for gradient in found])

    return lambda number: compiled().numpy()


SIDES = {family: Side(partial(training, family)) for family in FAMILIES}


def measure() -> pd.DataFrame:
    """Return one row per family, dense first."""
    alone = in_turns({family: forward(family) for family in SIDES}, ROUNDS)
    both = in_turns({family: side.build() for family, side in SIDES.items()}, ROUNDS)
    return pd.DataFrame(
        {
            "family": family + (f" {HYPERPARAMETERS[family]}" if family in HYPERPARAMETERS else ""),
            "weights": f"{layer_and_images(family)[0].count_params():,}",
            **columns("forward", alone, family),
            **columns("and backward", both, family),
            "peak memory": memory(__name__, family),
        }
        for family in SIDES
    )


def columns(what: str, timed: dict[str, list[float]], family: str) -> dict[str, str]:
    """Return the milliseconds of a family, and how many times as fast as the dense one it is."""
    median, dense = np.median(timed[family]), np.median(timed["plain"])
    return {
        f"{what}, ms": f"{median:.2f}",
        f"{what}, quartiles": quartiles(timed[family]),
        f"{what}, times as fast": f"{dense / median:.2f}",
    }
