"""IMDB, projection with a moving average: a step of the library beside loops that censor each variable in Python.

The first loop is written as research code often is: a Keras model called eagerly, each variable censored in Python,
norms fetched to decide, and the decay subtracted in NumPy from all weights, which go back into the model every step;
the second is idiomatic PyTorch. All start from the same weights and see the same batches, prepared beforehand.
"""

from functools import cache

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from benchmarks._sides import Side, adam_step, agree, compare
from gradbook.experiments.imdb import Classifier, Configuration, Examples, Training, examples

CONFIGURATION = Configuration(dataset="imdb", rule="projection", weight=100, alpha=0.01)
DECAY = CONFIGURATION.learning_rate * CONFIGURATION.weight
BATCHES, CHECKED, ROUNDS = 6, 4, 60


@cache
def reviews() -> Examples:
    """Return the reviews to train on."""
    return examples(CONFIGURATION.dataset, CONFIGURATION.words)[0]


def initial() -> list[np.ndarray]:
    """Return the first weights of all loops: kernel and bias, layer by layer."""
    classifier = Classifier(reviews().rows.shape[1], CONFIGURATION.hidden_units)
    return [np.concatenate(parts) for parts in classifier.initial(0)]


def dense() -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the batches with a number for every word, most of them 0."""
    parts = np.split(np.arange(BATCHES * CONFIGURATION.batch_size), BATCHES)
    return [(reviews().rows[part].toarray(), reviews().labels[part]) for part in parts]


class EagerLoop:
    """Step by step in Python."""

    def __init__(self) -> None:
        hidden = [keras.layers.Dense(CONFIGURATION.hidden_units, "relu") for _ in range(2)]
        self.model = keras.Sequential([keras.Input(reviews().rows.shape[1:]), *hidden, keras.layers.Dense(1)])
        self.model.set_weights(initial())
        self.optimizer = keras.optimizers.Adam(CONFIGURATION.learning_rate)
        self.averages = [tf.zeros_like(variable) for variable in self.model.trainable_variables]
        self.batches = [tuple(map(tf.constant, batch)) for batch in dense()]

    def __call__(self, number: int) -> None:
        """One step."""
        rows, labels = self.batches[number % BATCHES]
        variables, alpha = self.model.trainable_variables, CONFIGURATION.alpha
        with tf.GradientTape() as tape:
            losses = tf.nn.sigmoid_cross_entropy_with_logits(labels[:, None], self.model(rows))
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, variables)
        self.averages = [alpha * g + (1 - alpha) * a for g, a in zip(gradients, self.averages, strict=True)]
        changes = [DECAY * self.project(u.value, v) for u, v in zip(variables, self.averages, strict=True)]
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        self.model.set_weights([w - c.numpy() for w, c in zip(self.model.get_weights(), changes, strict=True)])

    @staticmethod
    def project(u: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
        """Return what projection keeps of one variable, decided in Python."""
        product, norm_u, norm_v = tf.reduce_sum(u * v), tf.norm(u), tf.norm(v)
        if norm_u.numpy() == 0 or norm_v.numpy() == 0:
            return u
        return u - tf.minimum(product, 0) * v / norm_v / norm_v

    def weights(self) -> list[np.ndarray]:
        """Kernel and bias, layer by layer."""
        return self.model.get_weights()


class TorchLoop:
    """Step by step in PyTorch, where nothing is fetched to decide."""

    def __init__(self) -> None:
        import torch
        from torch import nn

        first, *_ = start = initial()
        words, units = first.shape
        self.model = nn.Sequential(
            nn.Linear(words, units), nn.ReLU(), nn.Linear(units, units), nn.ReLU(), nn.Linear(units, 1)
        )
        self.parameters = list(self.model.parameters())
        with torch.no_grad():
            for parameter, values in zip(self.parameters, start, strict=True):
                parameter.copy_(torch.from_numpy(values.T))
        self.optimizer = torch.optim.Adam(self.parameters, CONFIGURATION.learning_rate)
        self.loss, self.no_grad = nn.BCEWithLogitsLoss(), torch.no_grad
        self.averages = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.batches = [tuple(map(torch.from_numpy, batch)) for batch in dense()]

    def __call__(self, number: int) -> None:
        """One step."""
        rows, labels = self.batches[number % BATCHES]
        self.optimizer.zero_grad()
        self.loss(self.model(rows)[:, 0], labels).backward()
        with self.no_grad():
            for average, parameter in zip(self.averages, self.parameters, strict=True):
                average.lerp_(parameter.grad, CONFIGURATION.alpha)
            changes = [self.project(u, v) for u, v in zip(self.parameters, self.averages, strict=True)]
            adam_step(self.optimizer, number, 1e-7)
            for parameter, change in zip(self.parameters, changes, strict=True):
                parameter.sub_(change, alpha=DECAY)

    @staticmethod
    def project(u, v):
        """Return what projection keeps of one variable."""
        product, square = (u * v).sum().clamp(max=0), v.square().sum()
        return u - product / square.clamp(min=1e-38) * v

    def weights(self) -> list[np.ndarray]:
        """Kernel and bias, layer by layer."""
        return [parameter.detach().numpy().T for parameter in self.parameters]


class Library:
    """Ours."""

    def __init__(self) -> None:
        self.training = Training(CONFIGURATION, reviews().rows.shape[1])
        self.training.start(0)
        order = np.arange(BATCHES * CONFIGURATION.batch_size)
        self.batches = list(reviews().batches(order, CONFIGURATION.batch_size))

    def __call__(self, number: int) -> None:
        """One step."""
        loss, _ = self.training.step(*self.batches[number % BATCHES])
        loss.numpy()

    def weights(self) -> list[np.ndarray]:
        """Kernel and bias, layer by layer."""
        return [np.concatenate(parts) for parts in self.training.classifier.variables]


SIDES = {
    "eager, through NumPy": Side(EagerLoop),
    "PyTorch": Side(TorchLoop, needs="torch"),
    "gradbook": Side(Library),
}


def measure() -> pd.DataFrame:
    """Time the sides, one row each, after all have moved the same weights alike."""
    agree(SIDES, CHECKED, 1e-3)
    return compare(__name__, ROUNDS)
