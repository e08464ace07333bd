"""Few digits and many weights: does it help a decay to look before it shrinks a weight?

A network with two hidden layers of 100 learns 200 digits by heart. Against that it has a weight decay: decoupled,
cautious, or censored by a rule of `gradbook.auxiliary`.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field

from gradbook.auxiliary import RULES
from gradbook.data import load
from gradbook.errors import unknown
from gradbook.optimizers import Adam
from gradbook.seeds import generator
from gradbook.studies.experiment import Configuration as Base
from gradbook.studies.experiment import Experiment, Record
from gradbook.studies.study import Study, grid, plan
from gradbook.training import he, order, require_finite

HIDDEN = (100, 100)
DECAYS = ("decoupled", "cautious")


def _known(decay: str) -> str:
    if decay not in DECAYS and decay not in RULES:
        raise unknown("decay", decay, [*DECAYS, *RULES])
    return decay


class Configuration(Base):
    """One way to train the network.

    Attributes:
        dataset: what `gradbook.data.load` takes.
        examples: how many training examples each seed draws, at most.
        decay: "decoupled", "cautious", or a name of `gradbook.auxiliary.RULES` that compares the weights of each
            variable with the moving average of its gradient.
        weight: λ.
        alpha: α, how fast that average follows the gradient.
        learning_rate: η of Adam.
        batch_size: examples a step; all of them where there are fewer.
        epochs: how long; the losses are measured after each.
    """

    dataset: str = "digits"
    examples: int = Field(200, ge=1)
    decay: Annotated[str, AfterValidator(_known)] = "decoupled"
    weight: float = Field(0.0, ge=0)
    alpha: float = Field(0.01, gt=0, le=1)
    learning_rate: float = Field(1e-3, gt=0)
    batch_size: int = Field(20, ge=1)
    epochs: int = Field(100, ge=1)


@cache
def program(decay: str, weight: float, alpha: float) -> tuple[Any, Any, Any]:
    """Return the compiled epoch and measurement, and a function from weights to a state before the first step."""
    import tensorflow as tf

    from gradbook.auxiliary import censor
    from gradbook.auxiliary.cautious import Decayed

    optimizer = Decayed(weight if decay in DECAYS else 0.0, decay == "cautious", Adam())

    def measured(weights: list, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the mean cross-entropy in nats, and the fraction that is classified correctly."""
        for kernel, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
            images = tf.nn.relu(images @ kernel + bias)
        logits = images @ weights[-2] + weights[-1]
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        return loss, tf.reduce_mean(tf.cast(tf.argmax(logits, -1, labels.dtype) == labels, tf.float32))

    @tf.function(jit_compile=True, autograph=False)
    def epoch(state: tuple, images: tf.Tensor, labels: tf.Tensor, batches: tf.Tensor, rate: tf.Tensor) -> tuple:
        """Return the state after the steps on batches int32 [steps, batch]."""

        def step(i: tf.Tensor, state: tuple) -> tuple:
            weights, memory, average = state
            with tf.GradientTape() as tape:
                tape.watch(weights)
                loss, _ = measured(weights, tf.gather(images, batches[i]), tf.gather(labels, batches[i]))
            gradients = tape.gradient(loss, weights)
            moved, memory = optimizer.update(weights, gradients, memory, rate)
            if decay not in DECAYS:
                average = [a + alpha * (g - a) for a, g in zip(average, gradients, strict=True)]
                kept = censor(weights, average, decay, scope="variable")
                moved = [m - rate * weight * k for m, k in zip(moved, kept, strict=True)]
            return i + 1, (moved, memory, average)

        return tf.while_loop(lambda i, _: i < batches.shape[0], step, (tf.constant(0), state))[1]

    def start(weights: list) -> tuple:
        return weights, optimizer.init(weights), [tf.zeros_like(w) for w in weights]

    return epoch, tf.function(measured, jit_compile=True, autograph=False), start


def initial(seed: int, inputs: int, classes: int) -> list[np.ndarray]:
    """Return a seed's initial weights."""
    return he(pairwise([inputs, *HIDDEN, classes]), generator(seed, "weights"))


def train(cell: Configuration, seeds: Sequence[int]) -> Iterator[Record]:
    """Train one network for each seed, which decides the examples, the initial weights and the batches.

    Metrics are ``train_loss``, ``test_loss``, ``train_accuracy``, ``test_accuracy`` and ``norm``, the Euclidean norm of
    all weights, after the last epoch. Curves are the two losses, one number for each epoch.

    Raises:
        InputError: a dataset without images.
        RunError: a loss became NaN or infinite.
    """
    import tensorflow as tf

    data = load(cell.dataset).require_images()
    test = tf.constant(data.x_test.reshape(len(data.x_test), -1)), tf.constant(data.y_test)
    epoch, measured, start = program(cell.decay, cell.weight, cell.alpha)
    rate = tf.constant(cell.learning_rate, tf.float32)
    for seed in seeds:
        chosen = generator(seed, "examples").permutation(len(data.y_train))[: cell.examples]
        train = tf.constant(data.x_train[chosen].reshape(len(chosen), -1)), tf.constant(data.y_train[chosen])
        size = min(cell.batch_size, len(chosen))
        batches = order(len(chosen), (cell.epochs, len(chosen) // size, size), generator(seed, "batches"))
        state = start([tf.constant(array) for array in initial(seed, train[0].shape[1], len(data.classes))])
        curves, metrics = {"train_loss": [], "test_loss": []}, {}
        for number in range(cell.epochs):
            state = epoch(state, *train, tf.constant(batches[number]), rate)
            for part, examples in (("train", train), ("test", test)):
                loss, accuracy = (float(value) for value in measured(state[0], *examples))
                curves[f"{part}_loss"].append(require_finite(loss, f"{part}_loss", f"epoch {number + 1}"))
                metrics |= {f"{part}_loss": loss, f"{part}_accuracy": accuracy}
        metrics["norm"] = float(tf.linalg.global_norm(state[0]))
        yield Record(metrics, curves, data=data.identity)


EXPERIMENT = Experiment("cautious_decay", version=1, configuration=Configuration, train=train, stack=10)
run = EXPERIMENT.run

STUDY = Study(
    "cautious_decay",
    EXPERIMENT,
    plan(
        (grid(Configuration, weight=[0]), 10),
        (grid(Configuration, decay=["decoupled", "cautious", "projection"], weight=[0.1, 0.2, 0.5, 1, 2, 5, 10]), 10),
    ),
)
