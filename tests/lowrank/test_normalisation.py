"""The fused kernel normalises as Keras's layer does, in training and after it."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

from gradbook.lowrank.normalisation import BatchNormalization

EPSILON = 1e-5


def pair(**options) -> list[keras.layers.BatchNormalization]:
    """Ours and Keras's, with the same weights."""
    kinds = BatchNormalization, keras.layers.BatchNormalization
    made = [kind(momentum=0.9, epsilon=EPSILON, **options) for kind in kinds]
    for layer in made:
        layer.build((None, 5, None, 5))
        random = np.random.default_rng(0)
        layer.set_weights([random.uniform(0.5, 2, weight.shape) for weight in layer.weights])
    return made


def learn(layer: keras.layers.Layer, images: np.ndarray) -> list[np.ndarray]:
    """Outputs in training, the gradients of a function of them, and all weights afterwards."""
    images = tf.constant(images, layer.compute_dtype)
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = layer(images, training=True)
        loss = tf.reduce_sum(tf.sin(outputs))
    gradients = tape.gradient(loss, [images, *layer.trainable_weights])
    return [np.asarray(one) for one in (outputs, *gradients, *layer.weights)]


def require_equal(images: np.ndarray, **options) -> None:
    """Both layers learn the same from the images."""
    ours, theirs = (learn(layer, images) for layer in pair(**options))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-4 * np.abs(other).max())  # two orders of summation


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(8, 3, 4, 5), (2, 1, 1, 5)])
def test_training_is_that_of_keras(shape, dtype):
    require_equal(1 + 2 * np.random.default_rng(1).standard_normal(shape), dtype=dtype)


RENORM = "renorm" in inspect.signature(keras.layers.BatchNormalization).parameters


def test_a_keras_without_renorm_is_served():
    ours, theirs = pair()
    vars(ours).pop("renorm", None)  # as before Keras 3.14
    images = np.random.default_rng(1).standard_normal((8, 3, 4, 5)).astype(np.float32)
    for training in (True, False):
        np.testing.assert_allclose(ours(images, training=training), theirs(images, training=training), atol=1e-4)


@pytest.mark.parametrize(
    "options", [{"axis": 1}, {"center": False}, {"scale": False}, *([{"renorm": True}] if RENORM else [])]
)
def test_with_other_options_it_is_that_of_keras_too(options):
    require_equal(1 + 2 * np.random.default_rng(1).standard_normal((8, 5, 4, 5)), **options)


def test_what_is_synchronised_between_replicas_is_left_to_keras(monkeypatch):
    monkeypatch.delattr(tf.compat.v1.nn, "fused_batch_norm")
    require_equal(1 + 2 * np.random.default_rng(1).standard_normal((8, 5, 4, 5)), synchronized=True)


@pytest.mark.parametrize("trainable", [True, False])
def test_afterwards_and_frozen_the_averages_normalise(trainable):
    images = np.random.default_rng(1).standard_normal((8, 3, 4, 5)).astype(np.float32)
    ours, theirs = pair()
    ours.trainable = trainable
    gamma, beta, mean, variance = (np.asarray(one) for one in (ours.gamma, ours.beta, *ours.weights[2:]))
    expected = gamma * (images - mean) / np.sqrt(variance + EPSILON) + beta
    for outputs in (ours(images, training=not trainable), theirs(images)):
        np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)


def test_constant_channels_come_out_as_the_shift():
    layer, _ = pair()
    outputs = layer(np.full((4, 2, 2, 5), 3.0, np.float32), training=True)
    np.testing.assert_allclose(outputs, np.broadcast_to(layer.beta, outputs.shape), atol=1e-4)
