"""Fifty layers on MNIST: iterations of the library beside a graph session that is fed batch by batch from Python.

The session builds one graph of fifty layers with a variable for every matrix, and is given each batch, the gate and the
keep probability as Python values, as code was written in 2015. Both start from the same weights and see the same
batches; before anything is timed, their weights after a few iterations without dropout are compared.
"""

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count

import numpy as np
import pandas as pd
import tensorflow as tf

from gradbook.gradnets.mnist import Configuration, batches, initial, program, random_bits, tensors
from gradbook.seeds import generator

CONFIGURATION = Configuration(dataset="mnist")
ITERATIONS, STEPS, CHECKED, ROUNDS, SEEDS = 22_000, 50, 3, 7, 10


class Session:
    """The other loop."""

    def __init__(self, start: list[tf.Tensor], configuration: Configuration) -> None:
        self.configuration, v1 = configuration, tf.compat.v1
        first, first_bias, hidden, hidden_biases, last, last_bias = (p.numpy() for p in start)
        graph = tf.Graph()
        with graph.as_default():
            self.x, self.truth = v1.placeholder(tf.float32, [None, 784]), v1.placeholder(tf.float32, [None, 10])
            self.gate, self.keep = v1.placeholder(tf.float32), v1.placeholder(tf.float32)
            count = tf.Variable(10.0, trainable=False)
            self.matrices = [tf.Variable(w) for w in (first, *hidden, last)]
            biases = [tf.Variable(b) for b in (first_bias, *hidden_biases, last_bias)]
            y = v1.nn.dropout(tf.nn.relu(self.x @ self.matrices[0] + biases[0]), rate=1 - self.keep)
            for w, b in zip(self.matrices[1:-1], biases[1:-1], strict=True):
                y = self.gate * tf.nn.relu(y @ w + b) + (1 - self.gate) * y
                y = v1.nn.dropout(y, rate=1 - self.keep)
            likelihoods = tf.nn.softmax(y @ self.matrices[-1] + biases[-1])
            loss = -tf.reduce_sum(self.truth * tf.math.log(likelihoods + 1e-9))
            loss += 50 * tf.reduce_mean(tf.abs(tf.concat(self.matrices[1:-1], 0)))
            rate = v1.train.exponential_decay(1e-3, count, 1000, 0.8)
            self.train = v1.train.AdamOptimizer(rate).minimize(loss, global_step=count)
            self.session = v1.Session()
            self.session.run(v1.global_variables_initializer())

    def advance(self, images: np.ndarray, labels: np.ndarray, order: np.ndarray) -> None:
        """Some iterations."""
        for step, batch in enumerate(order):
            feed = {self.x: images[batch], self.truth: labels[batch], self.keep: self.configuration.keep}
            self.session.run(self.train, {**feed, self.gate: self.configuration.schedule(step / ITERATIONS)})


class Library:
    """Ours: the state of one seed, advanced by the compiled loop."""

    def __init__(self, start: list[tf.Tensor], configuration: Configuration) -> None:
        self.configuration, self.parameters = configuration, start
        self.slots = ([tf.zeros_like(p) for p in start],) * 2
        self.loop, self.noise = program(configuration, ITERATIONS, 784), generator(0, "dropout").bit_generator

    def advance(self, images: tf.Tensor, labels: tf.Tensor, order: np.ndarray) -> None:
        """Some iterations, masks included."""
        bits = random_bits(self.configuration, len(order), self.noise)
        data = images, labels, order, bits, tf.constant(0)
        self.parameters, self.slots = self.loop.advance(self.parameters, self.slots, *data)
        self.parameters[2].numpy()


def measure() -> pd.DataFrame:
    """Median and range of milliseconds an iteration and seed, alternating, and how many times faster ours is."""
    images, labels, *_ = tensors("mnist")
    arrays = images.numpy(), np.eye(10, dtype=np.float32)[labels.numpy()]
    order = batches(CONFIGURATION, len(labels), generator(0, "batches"))[:STEPS]
    start = initial(CONFIGURATION, 784, generator(0, "weights"))
    _compare(start, images, labels, arrays, order[:CHECKED])

    session, seeds = Session(start, CONFIGURATION), [Library(start, CONFIGURATION) for _ in range(SEEDS)]

    def many() -> None:
        with ThreadPoolExecutor(cpu_count()) as pool:
            list(pool.map(lambda one: one.advance(images, labels, order), seeds))

    loops: dict[str, tuple[Callable[[], None], int]] = {
        "session": (lambda: session.advance(*arrays, order), 1),
        "library, 1 seed": (lambda: seeds[0].advance(images, labels, order), 1),
        f"library, {SEEDS} seeds": (many, SEEDS),
    }
    times = {name: [] for name in loops}
    for round_ in range(ROUNDS + 1):  # the first compiles
        for name, (loop, count) in loops.items():
            begun = time.perf_counter()
            loop()
            if round_:
                times[name].append((time.perf_counter() - begun) / STEPS / count * 1e3)
    median = {name: statistics.median(values) for name, values in times.items()}
    return pd.DataFrame(
        {
            "what": name,
            "ms an iteration and seed": f"{median[name]:.2f}",
            "range": f"{min(values):.2f}–{max(values):.2f}",
            "times faster": f"{median['session'] / median[name]:.1f}",
        }
        for name, values in times.items()
    )


def _compare(start: list[tf.Tensor], images: tf.Tensor, labels: tf.Tensor, arrays: tuple, order: np.ndarray) -> None:
    """Raise unless both loops move the hidden matrices alike, half open and without dropout."""
    configuration = CONFIGURATION.model_copy(update={"gate": 0.5, "keep": 1.0})
    session, library = Session(start, configuration), Library(start, configuration)
    session.advance(*arrays, order)
    library.advance(images, labels, order)
    theirs = np.array(session.session.run(session.matrices[1:-1]))
    np.testing.assert_allclose(library.parameters[2], theirs, atol=1e-4)
