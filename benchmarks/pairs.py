"""Pairs of classes: a step of the library beside two eager models that are kept alike by hand, at one image a step.

The other loop is written as research code often is: main and helper task each have a whole ResNet, called eagerly; the
dot product of their gradients is fetched to decide, and both trunks are given the same updates, variable by variable.
Both start from the same weights and see the same images; before anything is timed, their trunks are compared.
"""

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from benchmarks._turns import in_turns
from gradbook.auxiliary import two_headed
from gradbook.auxiliary.pairs import network
from gradbook.auxiliary.resnet import ToOnePixel
from gradbook.auxiliary.two_headed import TwoHeaded
from gradbook.seeds import set_seed

SHAPE, LEARNING_RATE, CHECKED, ROUNDS = (64, 64, 3), 1e-6, 3, 40


class EagerLoop:
    """The same training, step by step in Python, with the gate open where the product is not negative."""

    def __init__(self, start: TwoHeaded) -> None:
        self.trunks = plain(start.trunk), plain(start.trunk)
        heads = [keras.models.clone_model(head) for head in (start.main, start.helper)]
        for copy, head in zip(heads, (start.main, start.helper), strict=True):
            copy.set_weights(head.get_weights())
        self.models = [keras.Sequential(parts) for parts in zip(self.trunks, heads, strict=True)]

    def step(self, main: tuple, helper: tuple) -> None:
        """One step on a batch of either task."""
        gradients = []
        for model, (images, labels) in zip(self.models, (main, helper), strict=True):
            with tf.GradientTape() as tape:
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, model(images))
                loss = tf.reduce_mean(losses)
            gradients.append(tape.gradient(loss, model.trainable_variables))
        shared = len(self.trunks[0].trainable_variables)
        v, u = (own[:shared] for own in gradients)
        flat_v, flat_u = (tf.concat([tf.reshape(g, [-1]) for g in trunk], 0) for trunk in (v, u))
        agree = float(tf.reduce_sum(flat_v * flat_u)) >= 0
        both = [a + b for a, b in zip(v, u, strict=True)] if agree else v
        for model, own in zip(self.models, gradients, strict=True):
            self.apply(both + own[shared:], model.trainable_variables)

    @staticmethod
    def apply(gradients: list, variables: list) -> None:
        """Plain gradient descent, variable by variable."""
        for gradient, variable in zip(gradients, variables, strict=True):
            variable.assign_sub(LEARNING_RATE * gradient)


def plain(trunk: keras.Model) -> keras.Model:
    """A copy of a trunk that has Keras' own convolutions throughout."""

    def clone(layer: keras.Layer) -> keras.Layer:
        if not isinstance(layer, ToOnePixel):
            return layer.__class__.from_config(layer.get_config())
        size = int(layer.reaches.sum() ** 0.5)
        return keras.layers.Conv2D(layer.filters, layer.taps, strides=size, padding="same")

    copy = keras.models.clone_model(trunk, clone_function=clone)
    for mine, its in zip(copy.layers, trunk.layers, strict=True):
        mine.set_weights([its.kernel, its.bias] if isinstance(its, ToOnePixel) else its.get_weights())
    return copy


def measure() -> pd.DataFrame:
    """Median and range of the milliseconds a step of either loop, measured in turns, and their ratio."""
    set_seed(0)
    model = network("resnet_18", SHAPE)
    eager = EagerLoop(model)
    random = np.random.default_rng(0)
    examples = [(tf.constant(random.random((1, *SHAPE)), tf.float32), tf.constant([number % 2])) for number in range(5)]

    @tf.function
    def step(main: tuple, helper: tuple) -> tf.Tensor:
        return two_headed.descend(
            model, main, helper, "unweighted_cosine", scope="global", weight=1.0, learning_rate=LEARNING_RATE
        )

    batches = [(examples[number % 5], examples[(number + 1) % 5]) for number in range(ROUNDS)]
    for batch in batches[:CHECKED]:
        step(*batch)
        eager.step(*batch)
    for mine, other in zip(plain(model.trunk).get_weights(), eager.trunks[0].get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-5)

    loops = {
        "eager, two models": lambda number: eager.step(*batches[number]),
        "gradbook": lambda number: step(*batches[number]).numpy(),
    }
    return in_turns(loops, ROUNDS)
