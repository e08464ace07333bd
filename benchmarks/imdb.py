"""IMDB, projection with a moving average: a step of the library beside an eager loop that carries weights to NumPy.

The other loop is written as research code often is: a Keras model called eagerly, each variable censored in Python,
norms fetched to decide, and the decay subtracted in NumPy from all weights, which go back into the model every step.
Both start from the same weights and see the same batches, prepared beforehand; before anything is timed, their losses
and weights are compared.
"""

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from benchmarks._turns import in_turns
from gradbook.auxiliary.imdb import Configuration, Training, examples
from gradbook.seeds import set_seed

CONFIGURATION = Configuration(dataset="imdb", rule="projection", weight=100, alpha=0.01)
BATCHES, CHECKED, ROUNDS = 6, 4, 10


class EagerLoop:
    """The same training, step by step in Python."""

    def __init__(self, words: int, weights: list[np.ndarray]) -> None:
        layers = [
            keras.layers.Dense(units, activation) for units, activation in ((512, "relu"), (512, "relu"), (1, None))
        ]
        self.model = keras.Sequential([keras.Input((words,)), *layers])
        self.model.set_weights(weights)
        self.optimizer = keras.optimizers.Adam(CONFIGURATION.learning_rate)
        self.averages = None

    def step(self, rows: tf.Tensor, labels: tf.Tensor) -> float:
        """One step; returns the mean loss before it."""
        alpha = CONFIGURATION.alpha
        with tf.GradientTape() as tape:
            logits = self.model(rows)
            loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels[:, None], logits))
        gradients = tape.gradient(loss, self.model.trainable_variables)
        if self.averages is None:
            self.averages = [alpha * gradient for gradient in gradients]
        else:
            self.averages = [alpha * g + (1 - alpha) * a for g, a in zip(gradients, self.averages, strict=True)]
        decay = CONFIGURATION.learning_rate * CONFIGURATION.weight
        variables = self.model.trainable_variables
        changes = [decay * self.project(u.value, v) for u, v in zip(variables, self.averages, strict=True)]
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        self.model.set_weights([w - c.numpy() for w, c in zip(self.model.get_weights(), changes, strict=True)])
        return float(loss)

    @staticmethod
    def project(u: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
        """What projection keeps of one variable, decided in Python."""
        product, length_u, length_v = tf.reduce_sum(u * v), tf.norm(u), tf.norm(v)
        if length_u.numpy() == 0 or length_v.numpy() == 0:
            return u
        return u - tf.minimum(product, 0) * v / length_v / length_v


def measure() -> pd.DataFrame:
    """Median and range of the milliseconds a step of either loop, measured in turns, and their ratio."""
    set_seed(0)
    fit, *_ = examples(CONFIGURATION.dataset, CONFIGURATION.words)
    order = np.arange(BATCHES * CONFIGURATION.batch_size)
    training = Training(CONFIGURATION, fit.rows.shape[1])
    training.start(0)
    eager = EagerLoop(fit.rows.shape[1], [np.concatenate(parts) for parts in training.classifier.variables])
    ours = list(fit.batches(order, CONFIGURATION.batch_size))
    theirs = [
        (tf.constant(fit.rows[part].toarray()), tf.constant(fit.labels[part])) for part in np.split(order, BATCHES)
    ]
    check(training, eager, ours, theirs)

    loops = {
        "eager, through NumPy": lambda number: eager.step(*theirs[number % BATCHES]),
        "gradbook": lambda number: float(training.step(*ours[number % BATCHES])[0]),
    }
    return in_turns(loops, ROUNDS * BATCHES)


def check(training: Training, eager: EagerLoop, ours: list, theirs: list) -> None:
    """Losses and weights agree to what single precision allows, where Adam turns rounding near zero into full steps."""
    size = CONFIGURATION.batch_size
    for mine, other in zip(ours[:CHECKED], theirs[:CHECKED], strict=True):
        np.testing.assert_allclose(training.step(*mine)[0] / size, eager.step(*other), rtol=1e-4)
    flat = np.concatenate([np.ravel(part) for parts in training.classifier.variables for part in parts])
    other = np.concatenate([np.ravel(weights) for weights in eager.model.get_weights()])
    difference = np.linalg.norm(flat - other) / np.linalg.norm(other)
    assert difference < 1e-4, f"weights differ by {difference:.1e} of their norm"
