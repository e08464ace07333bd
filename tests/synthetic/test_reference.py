"""Part II once more in NumPy, as the published notebooks train: each block and each predictor by an Adam of its own."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from synthetic_helpers import CLASSES, steps

from gradbook.synthetic.networks import classifier
from gradbook.synthetic.settings import modes
from gradbook.synthetic.training import update_masks

RATE, EPSILON, SCALE = 1e-3, 1e-8, np.sqrt(1 + 1e-3)  # SCALE: by normalisation, whose variance stays 1


class Trained:
    """Arrays, and the Adam of TensorFlow 1 that moves them."""

    def __init__(self, arrays):
        self.arrays = [np.array(one, np.float64) for one in arrays]
        self.means, self.squares, self.time = *([0.0] * len(self.arrays) for _ in range(2)), 0

    def move(self, gradients):
        self.time += 1
        rate = RATE * np.sqrt(1 - 0.999**self.time) / (1 - 0.9**self.time)
        for i, gradient in enumerate(gradients):
            self.means[i] = 0.9 * self.means[i] + 0.1 * gradient
            self.squares[i] = 0.999 * self.squares[i] + 0.001 * gradient**2
            self.arrays[i] -= rate * self.means[i] / (np.sqrt(self.squares[i]) + EPSILON)


def backward(block, inputs, received):
    """The gradients of a hidden block's arrays, and that at its inputs."""
    kernel, bias, scale, shift = block.arrays
    normal = (inputs @ kernel + bias) / SCALE
    received = received * (scale * normal + shift > 0)
    inner = received * scale / SCALE
    return [inputs.T @ inner, inner.sum(0), (received * normal).sum(0), received.sum(0)], inner @ kernel.T


def reference_updates(blocks, predictors, x, y):
    """What each block moves by, and what the predictor below it does, from one forward pass."""
    features = [x]
    for kernel, bias, scale, shift in (block.arrays for block in blocks[:-1]):
        features.append(np.maximum(scale * (features[-1] @ kernel + bias) / SCALE + shift, 0))
    seen = [np.concatenate([h, y], 1) for h in features[1:]]
    predicted = [one @ p.arrays[0] + p.arrays[1] for one, p in zip(seen, predictors, strict=True)]
    kernel, bias = blocks[-1].arrays
    powers = np.exp(features[-1] @ kernel + bias)
    likely = powers / powers.sum(1, keepdims=True)
    loss, error = -np.log((likely * y).sum(1)).mean(), (likely - y) / len(x)
    found = [backward(block, h, g) for block, h, g in zip(blocks[:-1], features, predicted, strict=False)]
    found.append(([features[-1].T @ error, error.sum(0)], error @ kernel.T))
    misses = [2 * (g - at) / at.size / loss for g, (_, at) in zip(predicted, found[1:], strict=True)]
    taught = [[inputs.T @ miss, miss.sum(0)] for inputs, miss in zip(seen, misses, strict=True)]
    return list(zip([gradients for gradients, _ in found], [None, *taught], strict=True))


def reference_step(blocks, predictors, x, y, mask, in_turn):
    updates = reference_updates(blocks, predictors, x, y)
    for k in np.flatnonzero(mask):
        gradients, taught = reference_updates(blocks, predictors, x, y)[k] if in_turn else updates[k]
        blocks[k].move(gradients)
        if k > 0:
            predictors[k - 1].move(taught)


@pytest.mark.parametrize("in_turn", [False, True])
def test_blocks_and_predictors_train_as_in_the_published_notebooks(in_turn):
    keras.utils.set_random_seed(0)
    chain = classifier([5], CLASSES, depth=3, width=7, batch_norm="inference", epsilon=EPSILON)
    blocks, predictors = ([Trained(layer.trainable_variables) for layer in layers] for layers in chain.parts[:2])
    random, masks = np.random.default_rng(0), update_masks(0, 0.5, (60, 4))
    x = random.random([60, 15, 5], np.float32)
    y = np.eye(CLASSES, dtype=np.float32)[(4 * x[..., 0]).astype(int) % CLASSES]

    for batch in zip(x, y, masks, strict=True):
        reference_step(blocks, predictors, *batch, in_turn)
    settings = modes(learning_rate=RATE, in_turn=in_turn)["cDNI"]
    state = steps(chain, list(zip(tf.constant(x), tf.constant(y), strict=True)), settings, masks)

    for ours, theirs in ((state.blocks, blocks), (state.gradient_predictors, predictors)):
        for learner, trained in zip(ours, theirs, strict=True):
            for one, other in zip(learner.weights, trained.arrays, strict=True):
                np.testing.assert_allclose(one, other, atol=1e-5)  # in single precision, of a way of up to 0.03
