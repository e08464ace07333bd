"""Handwritten digits in a network of fifty layers: the experiment of the published notebook, and its controls."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal

import numpy as np
import tensorflow as tf
from pydantic import Field
from scipy import stats

from gradbook import data
from gradbook.gradnets import Layer
from gradbook.gradnets.gates import Constant, Linear, Schedule
from gradbook.gradnets.stack import dropout, hidden_layers
from gradbook.seeds import generator
from gradbook.studies import experiment
from gradbook.studies.experiment import Experiment, Record
from gradbook.timing import Stopwatch
from gradbook.training import cores, require_finite

CALL = 50
"""At most so many iterations in one call of the compiled loop, so that their masks fit into a cache."""

Parameters = list[tf.Tensor]
Slots = tuple[Parameters, Parameters]


class Configuration(experiment.Configuration):
    """One run; the defaults are the published notebook's.

    Attributes:
        dataset: "mnist" with 55,000 training images, the first 5,000 held out, or "digits".
        layer: what a hidden layer computes, see `gradbook.gradnets.stack`.
        depth: layers with weights, the first and the last included.
        width: units of a hidden layer.
        tau: τ, epochs in which the gate goes from 0 to 1.
        gate: the gate's value throughout, in place of its rise.
        initialiser: of the hidden matrices: normal of standard deviation 0.1 cut at twice that; normal of variance
            2/width (He et al. 2015); or orthogonal. The first and the last layer always have the first.
        bias: where biases of units start; those of a highway's gates start at -2.
        optimizer, learning_rate: Adam (ε = 1e-8) or gradient descent.
        decay: factor on the learning rate in 1,000 iterations, applied continuously, from a count of 10 on.
        keep: probability that dropout keeps a unit, after every layer but the last.
        penalty: weight of the mean size of a hidden weight in the loss.
        log_every: iterations between two measurements.
    """

    dataset: Literal["mnist", "digits"] = "mnist"
    layer: Layer = "identity"
    depth: int = Field(50, ge=3)
    width: int = Field(50, ge=1)
    tau: float = Field(10, gt=0)
    gate: float | None = Field(None, ge=0, le=1)
    initialiser: Literal["truncated_normal", "he", "orthogonal"] = "truncated_normal"
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
    def schedule(self) -> Schedule:
        """The gate as a function of progress."""
        return Linear(0, self.tau / self.epochs) if self.gate is None else Constant(self.gate)

    def rate(self, iteration: float | tf.Tensor) -> float | tf.Tensor:
        """The learning rate when so many iterations are done.

        >>> round(Configuration().rate(0), 9)
        0.000997771
        """
        return self.learning_rate * self.decay ** ((iteration + 10) / 1000)


@dataclass(frozen=True)
class Moment:
    """A run between two iterations.

    Attributes:
        iteration: how many were done.
        gate: g there.
        batch_accuracy, test_accuracy: in [0, 1], without dropout; the first on the batch that comes next.
        weight: mean |W| over the hidden matrices.
        gradients: [depth - 2], the mean |gradient| of the batch's summed cross-entropy over each hidden matrix.
        parameters: first weights and biases, hidden ones, last ones.
    """

    iteration: int
    gate: float
    batch_accuracy: float
    test_accuracy: float
    weight: float
    gradients: np.ndarray
    parameters: Parameters


def run(configuration: Configuration, seeds: Sequence[int]) -> list[Record]:
    """Train once a seed, on as many threads as there are cores; a seed's numbers do not depend on the others.

    Raises:
        RunError: weights became NaN or infinite.
    """
    with Stopwatch() as watch, ThreadPoolExecutor(cores()) as pool:
        histories = list(pool.map(lambda seed: [*map(_numbers, train(configuration, seed))], seeds))
    identity = data.load(configuration.dataset).identity
    return [_record(history, watch.seconds / len(seeds), watch.peak_memory, identity) for history in histories]


def _numbers(moment: Moment) -> dict[str, float]:
    return {
        "iteration": moment.iteration,
        "gate": moment.gate,
        "batch_accuracy": moment.batch_accuracy,
        "test_accuracy": moment.test_accuracy,
        "mean_weight": require_finite(moment.weight, "mean_weight", f"iteration {moment.iteration}"),
        "mean_gradient": moment.gradients.mean(),
        "first_gradient": moment.gradients[0],
        "last_gradient": moment.gradients[-1],
    }


def _record(history: list[dict[str, float]], seconds: float, memory: int, identity: str) -> Record:
    curves = {name: [float(numbers[name]) for numbers in history] for name in history[0]}
    accuracy = curves["test_accuracy"]
    metrics = {"final_accuracy": accuracy[-1], "best_accuracy": max(accuracy)}
    return Record(metrics, curves, seconds, memory, identity)


def train(configuration: Configuration, seed: int) -> Iterator[Moment]:
    """Train one network and yield a moment before every ``log_every``-th iteration, the first included.

    What is random depends on the seed alone; weights, batches and dropout have a generator each.
    """
    images, labels, test_images, test_labels = tensors(configuration.dataset)
    order = batches(configuration, len(labels), generator(seed, "batches"))
    steps = max(n for n in range(1, CALL + 1) if configuration.log_every % n == 0)
    loop = program(configuration.model_copy(update={"seed": 0}), len(order), images.shape[1])
    noise = generator(seed, "dropout").bit_generator
    parameters = initial(configuration, images.shape[1], generator(seed, "weights"))
    slots = ([tf.zeros_like(p) for p in parameters],) * 2
    for start in range(0, len(order), steps):
        now = tf.constant(start)
        if start % configuration.log_every == 0:
            batch = tf.gather(images, order[start]), tf.gather(labels, order[start])
            gate, accuracy, weight, gradients = (value.numpy() for value in loop.measure(parameters, *batch, now))
            test_accuracy = loop.accuracy(parameters, test_images, test_labels, now).numpy()
            yield Moment(start, gate, accuracy, test_accuracy, weight, gradients, parameters)
        chosen = order[start : start + steps]
        bits = random_bits(configuration, len(chosen), noise)
        parameters, slots = loop.advance(parameters, slots, images, labels, chosen, bits, now)


@cache
def tensors(dataset: str) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Images [n, pixels] and labels to train on, then those to test on; of MNIST's first, 5,000 are held out."""
    loaded = data.load(dataset)
    held_out = 5000 if dataset == "mnist" else 0
    images = (loaded.x_train[held_out:], loaded.x_test)
    train_images, test_images = (tf.constant(part.reshape(len(part), -1)) for part in images)
    return train_images, tf.constant(loaded.y_train[held_out:]), test_images, tf.constant(loaded.y_test)


def batches(configuration: Configuration, examples: int, shuffles: np.random.Generator) -> np.ndarray:
    """int32 [iterations, batch]: each epoch in an order of its own, without the examples that fill no batch."""
    size = configuration.batch_size
    orders = [shuffles.permutation(examples)[: examples // size * size] for _ in range(configuration.epochs)]
    return np.reshape(orders, (-1, size)).astype(np.int32)


def random_bits(configuration: Configuration, steps: int, noise: np.random.BitGenerator) -> np.ndarray:
    """uint16 [steps, depth - 1, batch, width], the masks of some iterations in one draw; empty without dropout."""
    shape = (steps, configuration.depth - 1, configuration.batch_size, configuration.width)
    if configuration.keep == 1:
        return np.zeros((*shape[:2], 0), np.uint16)
    count = int(np.prod(shape))
    return noise.random_raw(-(-count // 4)).view(np.uint16)[:count].reshape(shape)


def initial(configuration: Configuration, inputs: int, draw: np.random.Generator) -> Parameters:
    """Weights and biases of the first layer, the hidden ones as a stack, and the last.

    A network of depth 50 and width 50 on 784 inputs has 784·50 + 50 + 48·(50·50 + 50) + 50·10 + 10 = 162,160 of them.
    """
    width, layers = configuration.width, configuration.depth - 2
    outputs = 2 * width if configuration.layer == "highway" else width

    def truncated_normal(*shape: int) -> np.ndarray:
        return stats.truncnorm.rvs(-2, 2, scale=0.1, size=shape, random_state=draw)

    def orthogonal(*shape: int) -> np.ndarray:
        q, r = np.linalg.qr(draw.normal(size=(layers, outputs, width)))
        return np.swapaxes(q * np.sign(np.einsum("lii->li", r))[:, None, :], 1, 2)

    hidden = {
        "truncated_normal": truncated_normal,
        "he": lambda *shape: draw.normal(scale=np.sqrt(2 / width), size=shape),
        "orthogonal": orthogonal,
    }[configuration.initialiser]
    biases = np.full((layers, outputs), configuration.bias)
    biases[:, width:] = -2
    parameters = [
        truncated_normal(inputs, width),
        np.full(width, configuration.bias),
        hidden(layers, width, outputs),
        biases,
        truncated_normal(width, 10),
        np.full(10, configuration.bias),
    ]
    return [tf.constant(values, tf.float32) for values in parameters]


@dataclass(frozen=True)
class Program:
    """The compiled functions of one configuration, shared by its seeds.

    Attributes:
        advance: some iterations at once; from and to parameters and the optimiser's slots.
        measure: gate, accuracy, mean |W| and mean |gradients| on one batch.
        accuracy: on many images, at the gate of an iteration.
    """

    advance: Callable
    measure: Callable
    accuracy: Callable


@lru_cache(maxsize=8)
def program(configuration: Configuration, iterations: int, inputs: int) -> Program:
    """The functions that train and measure, each compiled when it is first called.

    Args:
        configuration: its seed plays no part.
        iterations: of the whole run.
        inputs: pixels of an image.
    """
    hidden, still = hidden_layers(configuration.layer, configuration.keep), hidden_layers(configuration.layer)
    update = {"adam": adam, "gradient_descent": gradient_descent}[configuration.optimizer]

    def gate(now: tf.Tensor) -> tf.Tensor:
        return configuration.schedule(tf.cast(now, tf.float32) / iterations)

    def logits(parameters: Parameters, images: tf.Tensor, now: tf.Tensor, bits: tf.Tensor | None = None) -> tf.Tensor:
        first, first_bias, weights, biases, last, last_bias = parameters
        x = tf.nn.relu(images @ first + first_bias)
        if bits is None:
            x, _ = still(x, weights, biases, weights, gate(now))
        else:
            x, _ = hidden(dropout(x, bits[0], configuration.keep), weights, biases, bits[1:], gate(now))
        return x @ last + last_bias

    def cross_entropy(scores: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        likelihoods = tf.gather(tf.nn.softmax(scores), labels, batch_dims=1)
        return -tf.reduce_sum(tf.math.log(likelihoods + 1e-9))

    def hits(scores: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.cast(tf.argmax(scores, 1, labels.dtype) == labels, tf.float32))

    @tf.function(jit_compile=True)
    def advance(parameters, slots, images, labels, order, bits, start):
        for step in tf.range(order.shape[0]):
            batch, truth = tf.gather(images, order[step]), tf.gather(labels, order[step])
            with tf.GradientTape() as tape:
                tape.watch(parameters)
                scores = logits(parameters, batch, start + step, bits[step])
                loss = cross_entropy(scores, truth) + configuration.penalty * tf.reduce_mean(tf.abs(parameters[2]))
            gradients = tape.gradient(loss, parameters)
            rate = configuration.rate(tf.cast(start + step, tf.float32))
            parameters, slots = update(parameters, gradients, slots, rate, start + step + 1)
        return parameters, slots

    @tf.function(jit_compile=True)
    def measure(parameters, images, labels, now):
        weights = parameters[2]
        with tf.GradientTape() as tape:
            tape.watch(weights)
            scores = logits(parameters, images, now)
            loss = cross_entropy(scores, labels)
        gradients = tf.reduce_mean(tf.abs(tape.gradient(loss, weights)), axis=(1, 2))
        return gate(now), hits(scores, labels), tf.reduce_mean(tf.abs(weights)), gradients

    @tf.function(jit_compile=True)
    def accuracy(parameters, images, labels, now):
        return hits(logits(parameters, images, now), labels)

    return Program(advance, measure, accuracy)


def adam(
    parameters: Parameters, gradients: Parameters, slots: Slots, rate: tf.Tensor, time: tf.Tensor
) -> tuple[Parameters, Slots]:
    """One step of Adam (Kingma and Ba 2015; β₁ = 0.9, β₂ = 0.999, ε = 1e-8) at time ≥ 1; slots hold both moments."""
    t = tf.cast(time, tf.float32)
    means = [0.9 * m + 0.1 * g for m, g in zip(slots[0], gradients, strict=True)]
    squares = [0.999 * v + 0.001 * g * g for v, g in zip(slots[1], gradients, strict=True)]
    rate *= tf.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    moved = [p - rate * m / (tf.sqrt(v) + 1e-8) for p, m, v in zip(parameters, means, squares, strict=True)]
    return moved, (means, squares)


def gradient_descent(
    parameters: Parameters, gradients: Parameters, slots: Slots, rate: tf.Tensor, time: tf.Tensor
) -> tuple[Parameters, Slots]:
    """One step downhill; the slots stay as they are."""
    return [p - rate * g for p, g in zip(parameters, gradients, strict=True)], slots


EXPERIMENT = Experiment("gradnets", version=1, configuration=Configuration, run=run)
