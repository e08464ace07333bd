"""IMDB, projection with a moving average: a step of the library beside loops that censor each variable in Python.

The first loop is written as research code often is: a Keras model called eagerly, each variable censored in Python,
norms fetched to decide, and the decay subtracted in NumPy from all weights, which go back into the model every step;
the second is PyTorch at its best, where the first layer sums the embeddings of a review's words and Adam is one fused
call. All start from the same weights and see the same batches, prepared beforehand.
"""

from functools import cache
from typing import TYPE_CHECKING

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from benchmarks._sides import Side, adam_step, agree, compare
from gradbook.experiments.imdb import Classifier, Configuration, Examples, Training, examples

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

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


def sparse() -> "list[tuple[csr_matrix, np.ndarray]]":
    """Return the batches, multi-hot rows and labels."""
    parts = np.split(np.arange(BATCHES * CONFIGURATION.batch_size), BATCHES)
    return [(reviews().rows[part], reviews().labels[part]) for part in parts]


class EagerLoop:
    """Step by step in Python."""

    def __init__(self) -> None:
        hidden = [keras.layers.Dense(CONFIGURATION.hidden_units, "relu") for _ in range(2)]
        self.model = keras.Sequential([keras.Input(reviews().rows.shape[1:]), *hidden, keras.layers.Dense(1)])
        self.model.set_weights(initial())
        self.optimizer = keras.optimizers.Adam(CONFIGURATION.learning_rate)
        self.averages = [tf.zeros_like(variable) for variable in self.model.trainable_variables]
        self.batches = [(tf.constant(rows.toarray()), tf.constant(labels)) for rows, labels in sparse()]

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
    """Step by step in PyTorch: a bag of embeddings instead of a product with zeros, and nothing fetched to decide."""

    def __init__(self) -> None:
        import torch
        from torch import nn

        first, first_bias, *others = initial()
        words, units = first.shape
        self.embedding = nn.EmbeddingBag(words, units, mode="sum")
        self.bias = nn.Parameter(torch.from_numpy(first_bias))
        self.model = nn.Sequential(nn.ReLU(), nn.Linear(units, units), nn.ReLU(), nn.Linear(units, 1))
        self.parameters = [self.embedding.weight, self.bias, *self.model.parameters()]
        with torch.no_grad():
            self.embedding.weight.copy_(torch.from_numpy(first))
            for parameter, values in zip(self.model.parameters(), others, strict=True):
                parameter.copy_(torch.from_numpy(values.T))
        self.optimizer = torch.optim.Adam(self.parameters, CONFIGURATION.learning_rate, fused=True)
        self.loss, self.no_grad = nn.BCEWithLogitsLoss(), torch.no_grad
        self.averages = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.batches = [(*self.bag(rows), torch.from_numpy(labels)) for rows, labels in sparse()]

    @staticmethod
    def bag(rows: "csr_matrix") -> tuple:
        """Return the words of all reviews, and where each review begins."""
        import torch

        return tuple(torch.from_numpy(part.astype(np.int64)) for part in (rows.indices, rows.indptr[:-1]))

    def __call__(self, number: int) -> None:
        """One step."""
        words, offsets, labels = self.batches[number % BATCHES]
        self.optimizer.zero_grad()
        logits = self.model(self.embedding(words, offsets) + self.bias)
        self.loss(logits[:, 0], labels).backward()
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
        embedding, bias, *others = (parameter.detach().numpy() for parameter in self.parameters)
        return [embedding, bias, *(array.T for array in others)]


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
    "PyTorch, EmbeddingBag": Side(TorchLoop, needs="torch"),
    "gradbook": Side(Library),
}


def measure() -> pd.DataFrame:
    """Time the sides, one row each, after all have moved the same weights alike."""
    agree(SIDES, CHECKED, 1e-3)
    return compare(__name__, ROUNDS)
