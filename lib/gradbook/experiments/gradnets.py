"""Handwritten digits in a network of fifty layers: the experiment of the published notebook, and its controls."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Literal

import lazy_loader
import numpy as np
from pydantic import Field

from gradbook import data, gradnets
from gradbook.errors import InputError
from gradbook.gradnets import LayerName
from gradbook.optimizers import Adam, GradientDescent
from gradbook.seeds import generator
from gradbook.studies import experiment
from gradbook.studies.experiment import Experiment, Record
from gradbook.studies.study import Study, grid, plan
from gradbook.training import cores, require_finite

if TYPE_CHECKING:
    from gradbook.gradnets import DeepNetwork, Schedule

tf = lazy_loader.load("tensorflow")

Tensor = Any

CALL = 50
"""At most so many iterations in one call of the compiled loop, so that their masks fit into a cache."""

OPTIMIZERS = {"adam": Adam(epsilon=1e-8), "gradient_descent": GradientDescent()}


class Configuration(experiment.Configuration):
    """One cell; the defaults are the published notebook's.

    Attributes:
        dataset: of images; of MNIST's training images the first 5,000 are held out, as published.
        layer: what a hidden layer computes, see `gradbook.gradnets.stack`.
        depth: layers with weights, the first and the last included.
        width: units of a hidden layer.
        tau: τ, epochs in which the gate goes from 0 to 1.
        gate: the gate's value throughout, in place of an annealing schedule.
        initializer, bias: where weights start, see `gradbook.gradnets.DeepNetwork.initial_weights`.
        optimizer, learning_rate: Adam (ε = 1e-8) or gradient descent.
        decay: factor on the learning rate in 1,000 iterations, applied continuously, from a count of 10 on.
        keep: probability that dropout keeps a unit, after every layer but the last.
        penalty: weight of the mean absolute value of the hidden matrices in the loss.
        log_every: iterations between two measurements.
    """

    dataset: str = "mnist"
    layer: LayerName = "identity"
    depth: int = Field(50, ge=3)
    width: int = Field(50, ge=1)
    tau: float = Field(10, gt=0)
    gate: float | None = Field(None, ge=0, le=1)
    initializer: Literal["truncated_normal", "he", "orthogonal"] = "truncated_normal"
    bias: float = 0.0
    optimizer: Literal["adam", "gradient_descent"] = "adam"
    learning_rate: float = Field(1e-3, gt=0)
    decay: float = Field(0.8, gt=0, le=1)
    keep: float = Field(0.95, gt=0, le=1)
    penalty: float = Field(50, ge=0)
    batch_size: int = Field(50, ge=1)
    epochs: int = Field(20, ge=1)
    log_every: int = Field(100, ge=1)

    @property
    def schedule(self) -> "Schedule":
        """The gate as a function of progress."""
        return gradnets.Linear(0, self.tau / self.epochs) if self.gate is None else gradnets.Constant(self.gate)

    def learning_rate_after(self, iterations: float | Tensor) -> float | Tensor:
        """Return the learning rate when so many iterations are done.

        >>> round(Configuration().learning_rate_after(0), 9)
        0.000997771
        """
        return self.learning_rate * self.decay ** ((iterations + 10) / 1000)


def train(cell: Configuration, seeds: Sequence[int]) -> Iterator[Record]:
    """Train once from each seed, on as many threads as there are cores; a seed's numbers do not depend on the others.

    Raises:
        InputError: the dataset holds no images, or fewer than a batch has.
        RunError: weights became NaN or infinite.
    """
    identity = images(cell.dataset).identity
    with ThreadPoolExecutor(cores()) as pool:
        yield from pool.map(lambda seed: _record(moments(cell, seed), identity), seeds)


def _record(moments: "Iterable[Moment]", identity: str) -> Record:
    history = [_numbers(moment) for moment in moments]
    curves = {name: [numbers[name] for numbers in history] for name in history[0]}
    accuracy = curves["test_accuracy"]
    return Record({"test_accuracy": accuracy[-1], "best_test_accuracy": max(accuracy)}, curves, data=identity)


def _numbers(moment: "Moment") -> dict[str, float]:
    return {
        "iteration": moment.iteration,
        "gate": moment.gate,
        "batch_accuracy": moment.batch_accuracy,
        "test_accuracy": moment.test_accuracy,
        "mean_weight": require_finite(moment.mean_weight, "mean_weight", f"iteration {moment.iteration}"),
        "mean_gradient": moment.gradients.mean(),
        "first_gradient": moment.gradients[0],
        "last_gradient": moment.gradients[-1],
    }


@dataclass(frozen=True)
class Moment:
    """A run between two iterations.

    Attributes:
        iteration: how many were done.
        gate: g there.
        batch_accuracy, test_accuracy: in [0, 1], without dropout; the first on the batch that comes next.
        mean_weight: mean absolute value over the hidden matrices.
        gradients: [depth - 2], the mean absolute gradient of the batch's summed cross-entropy over each hidden matrix.
        weights: as in `gradbook.gradnets.DeepNetwork`.
    """

    iteration: int
    gate: float
    batch_accuracy: float
    test_accuracy: float
    mean_weight: float
    gradients: np.ndarray
    weights: list[Tensor]


def moments(cell: Configuration, seed: int) -> Iterator[Moment]:
    """Train one network and yield a moment before every ``log_every``-th iteration, the first included.

    What is random depends on the seed alone; weights, batches and dropout have a generator each.
    """
    loaded = images(cell.dataset)
    network, order = loaded.network(cell), batches(cell, len(loaded.labels), generator(seed, "batches"))
    program = compiled(cell, network, len(order))
    noise = generator(seed, "dropout").bit_generator
    weights = network.initial_weights(cell.initializer, cell.bias, generator(seed, "weights"))
    state = OPTIMIZERS[cell.optimizer].init(weights)
    steps = max(n for n in range(1, CALL + 1) if cell.log_every % n == 0)
    for start in range(0, len(order), steps):
        now = tf.constant(start)
        if start % cell.log_every == 0:
            batch = tf.gather(loaded.images, order[start]), tf.gather(loaded.labels, order[start])
            gate, accuracy, weight, gradients = (value.numpy() for value in program.measure(weights, *batch, now))
            test_accuracy = program.accuracy(weights, loaded.test_images, loaded.test_labels, now).numpy()
            yield Moment(start, gate, accuracy, test_accuracy, weight, gradients, weights)
        chosen = order[start : start + steps]
        bits = network.random_bits(len(chosen), cell.batch_size, noise)
        weights, state = program.advance(weights, state, loaded.images, loaded.labels, chosen, bits, now)


@dataclass(frozen=True, eq=False)
class Images:
    """A dataset as tensors.

    Attributes:
        images, labels: to train on, float32 [n, pixels] and int32 [n].
        test_images, test_labels: to test on.
        classes: how many there are.
        identity: "name:sha256".
    """

    images: Tensor
    labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: int
    identity: str

    def network(self, cell: Configuration) -> "DeepNetwork":
        """Return the network of a cell for these images."""
        pixels = self.images.shape[1]
        return gradnets.DeepNetwork(pixels, self.classes, cell.depth, cell.width, cell.layer, cell.keep)


@cache
def images(dataset: str) -> Images:
    """Load a dataset; of MNIST's training images the first 5,000 are held out."""
    loaded = data.load(dataset).require_images()
    held_out = 5000 if dataset == "mnist" else 0
    parts = (loaded.x_train[held_out:], loaded.x_test)
    rows, test_rows = (tf.constant(part.reshape(len(part), -1)) for part in parts)
    labels, test_labels = tf.constant(loaded.y_train[held_out:]), tf.constant(loaded.y_test)
    return Images(rows, labels, test_rows, test_labels, len(loaded.classes), loaded.identity)


def batches(cell: Configuration, examples: int, shuffles: np.random.Generator) -> np.ndarray:
    """Draw int32 [iterations, batch]: each epoch in an order of its own, without the examples that fill no batch.

    Raises:
        InputError: there are fewer examples than a batch has.
    """
    size = cell.batch_size
    if size > examples:
        raise InputError(f"batch_size must be at most {examples}, the number of training images; received {size}.")
    orders = [shuffles.permutation(examples)[: examples // size * size] for _ in range(cell.epochs)]
    return np.reshape(orders, (-1, size)).astype(np.int32)


@dataclass(frozen=True)
class Program:
    """The compiled functions of one cell, shared by its seeds.

    Attributes:
        advance: some iterations at once; from and to weights and the optimizer's state.
        measure: gate, accuracy, mean absolute value and mean absolute gradients on one batch.
        accuracy: on many images, at the gate of an iteration.
    """

    advance: Callable
    measure: Callable
    accuracy: Callable


@lru_cache(maxsize=8)
def compiled(cell: Configuration, network: "DeepNetwork", iterations: int) -> Program:
    """Return the functions that train and measure, each compiled when it is first called.

    Args:
        cell: how to train.
        network: what to train.
        iterations: of the whole run.
    """
    optimizer = OPTIMIZERS[cell.optimizer]

    def gate(now: Tensor) -> Tensor:
        return cell.schedule(tf.cast(now, tf.float32) / iterations)

    def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
        likelihoods = tf.gather(tf.nn.softmax(logits), labels, batch_dims=1)
        return -tf.reduce_sum(tf.math.log(likelihoods + 1e-9))

    def hits(logits: Tensor, labels: Tensor) -> Tensor:
        return tf.reduce_mean(tf.cast(tf.argmax(logits, 1, labels.dtype) == labels, tf.float32))

    @tf.function(jit_compile=True)
    def advance(weights, state, images, labels, order, bits, start):
        for step in tf.range(order.shape[0]):
            batch, truth = tf.gather(images, order[step]), tf.gather(labels, order[step])
            with tf.GradientTape() as tape:
                tape.watch(weights)
                logits = network.logits(weights, batch, gate(start + step), bits[step])
                loss = cross_entropy(logits, truth) + cell.penalty * tf.reduce_mean(tf.abs(weights[2]))
            gradients = tape.gradient(loss, weights)
            learning_rate = cell.learning_rate_after(tf.cast(start + step, tf.float32))
            weights, state = optimizer.update(weights, gradients, state, learning_rate)
        return weights, state

    @tf.function(jit_compile=True)
    def measure(weights, images, labels, now):
        hidden = weights[2]
        with tf.GradientTape() as tape:
            tape.watch(hidden)
            logits = network.logits(weights, images, gate(now))
            loss = cross_entropy(logits, labels)
        gradients = tf.reduce_mean(tf.abs(tape.gradient(loss, hidden)), axis=(1, 2))
        return gate(now), hits(logits, labels), tf.reduce_mean(tf.abs(hidden)), gradients

    @tf.function(jit_compile=True)
    def accuracy(weights, images, labels, now):
        return hits(network.logits(weights, images, gate(now)), labels)

    return Program(advance, measure, accuracy)


EXPERIMENT = Experiment("gradnets", version=1, configuration=Configuration, train=train)
run = EXPERIMENT.run

HIGHWAY = {
    "layer": ["highway"],
    "bias": [0.1],
    "optimizer": ["gradient_descent"],
    "learning_rate": [0.01],
    "decay": [1],
    "keep": [1],
    "penalty": [0],
}
"""The published highway network, which learns its gates."""

INITIALIZERS = ["truncated_normal", "he", "orthogonal"]

STUDY = Study(
    "gradnets",
    EXPERIMENT,
    plan(
        (grid(Configuration), 10),
        (grid(Configuration, gate=[1, 0], log_every=[550]), 5),
        (grid(Configuration, **HIGHWAY), 5),
        (grid(Configuration, layer=["grelu"], initializer=INITIALIZERS, log_every=[550]), 5),
        (grid(Configuration, layer=["leaky", "residual"], log_every=[550]), 5),
        (grid(Configuration, tau=[1, 2, 5, 20], log_every=[550]), 5),
        (grid(Configuration, depth=[10, 25, 100, 200], log_every=[550]), 5),
        (grid(Configuration, depth=[100, 200], keep=[1], penalty=[0, 5], log_every=[550]), 5),
    ),
)
"""Fifty layers on MNIST: the published run, its controls, then other schedules, initializers and depths."""
