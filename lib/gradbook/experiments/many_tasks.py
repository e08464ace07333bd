"""Two digits laid over each other: does a way to combine two gradients beat a sum of the losses with tuned weights?

Multi-MNIST (Sabour et al. 2017, as laid out by Sener and Koltun 2018): one digit at the upper left, one a fifth of its
side further down and to the right, and the larger grey level where they overlap. One task names the left digit, one the
right; they share two hidden layers.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
from pydantic import AfterValidator, Field

from gradbook.auxiliary.aggregation import AGGREGATORS, aggregate
from gradbook.auxiliary.aggregation.famo import Famo
from gradbook.data import load
from gradbook.errors import InputError, unknown
from gradbook.optimizers import Adam
from gradbook.seeds import generator
from gradbook.studies.experiment import Configuration as Base
from gradbook.studies.experiment import Experiment, Record
from gradbook.studies.study import Study, grid, plan
from gradbook.training import he, order, require_finite

if TYPE_CHECKING:
    import tensorflow as tf

HIDDEN, TRUNK, TASKS = 100, 4, ("left", "right")
VALIDATION = 4_000
PARTS = ("train", "validation", "test")


def _known(method: str) -> str:
    if method not in AGGREGATORS and method != "famo":
        raise unknown("method", method, [*AGGREGATORS, "famo"])
    return method


class Configuration(Base):
    """One way to train a network on both digits.

    Attributes:
        dataset: what `gradbook.data.load` takes.
        pooling: the side of the squares whose mean is one pixel; 1 leaves the images as they are.
        examples: how many pairs to train on, at most.
        method: a name of `gradbook.auxiliary.aggregation.AGGREGATORS`, or "famo".
        c: of CAGrad.
        famo_learning_rate: β of FAMO.
        weight: of the left task's loss, the right one's being 1 - weight. 1 and 0 train one task alone.
        scale: what the right task's loss is multiplied by besides, as if it came in another unit.
        learning_rate: η of Adam, whose ε is 1e-8.
        batch_size: pairs a step; all of them where there are fewer.
        epochs: how long; tested are the weights of the epoch with the least mean validation loss.
    """

    dataset: str = "digits"
    pooling: int = Field(1, ge=1)
    examples: int = Field(10_000, ge=1)
    method: Annotated[str, AfterValidator(_known)] = "sum"
    c: float = Field(0.5, ge=0)
    famo_learning_rate: float = Field(0.025, ge=0)
    weight: float = Field(0.5, ge=0, le=1)
    scale: float = Field(1.0, gt=0)
    learning_rate: float = Field(2e-3, gt=0)
    batch_size: int = Field(100, ge=1)
    epochs: int = Field(15, ge=1)


class Pairs(NamedTuple):
    """Images float32 [n, pixels] and labels int32 [n, 2] of each part, and the data's identity."""

    images: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]
    identity: str

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return 1 + max(labels.max() for labels in self.labels.values())


def overlaid(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Lay images over each other, the right one 6/28 of the side further down and to the right.

    Args:
        left, right: float32 [n, height, width].

    Returns:
        float32 [n, height + 6/28 height, width + 6/28 width], the larger grey level where both are.

    >>> overlaid(np.ones((1, 5, 5)), 2 * np.ones((1, 5, 5)))[0].astype(int).tolist()[0]
    [1, 1, 1, 1, 1, 0]
    """
    _, height, width = left.shape
    down, across = round(6 / 28 * height), round(6 / 28 * width)
    upper = np.pad(left, ((0, 0), (0, down), (0, across)))
    return np.maximum(upper, np.pad(right, ((0, 0), (down, 0), (across, 0))))


@cache
def pairs(dataset: str, pooling: int = 1, examples: int = 10_000) -> Pairs:
    """Return pairs of a dataset's images: each image once at the left, with a partner of its own part drawn at random.

    A fifth of the training images, drawn at random and at most `VALIDATION`, are the validation part.

    Raises:
        InputError: a dataset without images, or images smaller than a square of the pooling.
    """
    data = load(dataset).require_images()
    images = np.concatenate([data.x_train, data.x_test]).mean(-1)
    labels = np.concatenate([data.y_train, data.y_test])
    height, width = (size // pooling for size in images.shape[1:])
    if not height or not width:
        raise InputError(f"pooling must be at most the images' side, {min(images.shape[1:])}; received {pooling}.")
    blocks = images[:, : height * pooling, : width * pooling].reshape(-1, height, pooling, width, pooling)
    images, count = blocks.mean((2, 4)), len(data.y_train)
    shuffled = generator(0, "validation").permutation(count)
    chosen = {
        "train": shuffled[count // 5 :][:examples],
        "validation": shuffled[: count // 5][:VALIDATION],
        "test": np.arange(count, len(labels)),
    }
    partners = {part: generator(0, "partners", part).permutation(one) for part, one in chosen.items()}
    laid = {part: overlaid(images[one], images[partners[part]]) for part, one in chosen.items()}
    return Pairs(
        {part: one.reshape(len(one), -1).astype(np.float32) for part, one in laid.items()},
        {part: np.stack([labels[one], labels[partners[part]]], 1).astype(np.int32) for part, one in chosen.items()},
        data.identity,
    )


def initial(seed: int, inputs: int, classes: int) -> list[np.ndarray]:
    """Return a seed's initial weights: the trunk's, then the heads'."""
    return he([*pairwise([inputs, HIDDEN, HIDDEN]), *[(HIDDEN, classes)] * len(TASKS)], generator(seed, "weights"))


def losses(weights: list, images: "tf.Tensor", labels: "tf.Tensor") -> tuple:
    """Return the mean cross-entropy of each task in nats, [2], and the fraction that each names correctly, [2]."""
    import tensorflow as tf

    hidden = images
    for kernel, bias in zip(weights[:TRUNK:2], weights[1:TRUNK:2], strict=True):
        hidden = tf.nn.relu(hidden @ kernel + bias)
    logits = [hidden @ kernel + bias for kernel, bias in zip(weights[TRUNK::2], weights[TRUNK + 1 :: 2], strict=True)]
    truths = tf.unstack(labels, axis=1)
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits
    found = [tf.reduce_mean(entropy(truth, given)) for truth, given in zip(truths, logits, strict=True)]
    hits = [
        tf.reduce_mean(tf.cast(tf.argmax(given, -1, truth.dtype) == truth, tf.float32))
        for truth, given in zip(truths, logits, strict=True)
    ]
    return tf.stack(found), tf.stack(hits)


@cache
def program(method: str, options: tuple[tuple[str, float], ...], random: np.random.Generator) -> "Any":
    """Return the compiled epoch of a method: what is before and after the host's part of a step is one loop each."""
    import tensorflow as tf

    adam, famo = Adam(epsilon=1e-8), Famo(**dict(options)) if method == "famo" else None

    @tf.function(jit_compile=True, autograph=False)
    def slopes(weights: list, images: tf.Tensor, labels: tf.Tensor, factors: tf.Tensor) -> tuple:
        """Return both losses, each task's gradient of the trunk as one vector, and each head's own gradient."""
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(weights)
            weighted = losses(weights, images, labels)[0] * factors
            left, right = weighted[0], weighted[1]
        trunk = [
            tf.concat([tf.reshape(g, [-1]) for g in tape.gradient(one, weights[:TRUNK])], 0) for one in (left, right)
        ]
        heads = tape.gradient(left, weights[TRUNK : TRUNK + 2]) + tape.gradient(right, weights[TRUNK + 2 :])
        return weighted, trunk, heads

    @tf.function(jit_compile=True, autograph=False)
    def moved(weights: list, memory: tuple, direction: tf.Tensor, heads: list, learning_rate: tf.Tensor) -> tuple:
        parts = tf.split(direction, [int(np.prod(w.shape)) for w in weights[:TRUNK]])
        trunk = [tf.reshape(part, w.shape) for part, w in zip(parts, weights, strict=False)]
        return adam.update(weights, [*trunk, *heads], memory, learning_rate)

    @tf.function(autograph=False)
    def epoch(state: tuple, data: tuple, batches: tf.Tensor, factors: tf.Tensor, learning_rate: tf.Tensor) -> tuple:
        """Return the state after the steps on batches int32 [steps, batch], and the fraction of steps in conflict."""

        def step(i: tf.Tensor, state: tuple, conflicts: tf.Tensor) -> tuple:
            weights, memory, balance = state
            images, labels = (tf.gather(part, batches[i]) for part in data)
            before, trunk, heads = slopes(weights, images, labels, factors)
            if famo:
                direction = tf.tensordot(famo.weights(balance, before), tf.stack(trunk), 1)
            else:
                direction = aggregate(trunk, method, random=random, **dict(options))
            weights, memory = moved(weights, memory, direction, heads, learning_rate)
            if famo:
                balance = famo.update(balance, before, losses(weights, images, labels)[0] * factors)
            conflict = tf.cast(tf.tensordot(*trunk, 1) < 0, tf.float32)
            return i + 1, (weights, memory, balance), conflicts + conflict

        start = (tf.constant(0), state, tf.zeros([]))
        _, state, conflicts = tf.while_loop(lambda i, *_: i < batches.shape[0], step, start, parallel_iterations=1)
        return state, conflicts / batches.shape[0]

    return epoch, lambda weights: (weights, adam.init(weights), famo.init(len(TASKS)) if famo else ())


@cache
def measuring() -> "Any":
    """Return `losses`, compiled."""
    import tensorflow as tf

    return tf.function(losses, jit_compile=True, autograph=False)


RANDOM = np.random.default_rng()
"""Where aggregators draw from; set anew for each run."""

OPTIONS = {"cagrad": {"c": "c"}, "famo": {"learning_rate": "famo_learning_rate"}}
"""The options of a method, and the fields that hold them."""


def train(cell: Configuration, seeds: Sequence[int]) -> Iterator[Record]:
    """Train one network for each seed, and test it at its best validation loss.

    Metrics are ``test_loss``, ``validation_loss`` and ``test_accuracy``, means over both tasks, the same with ``left_``
    and ``right_`` for each of them, ``best_epoch``, and ``conflict_fraction`` over all steps. Losses are the tasks'
    own, without weight and scale. The best epoch is that of the least mean validation loss of the tasks whose weight is
    not 0. Curves are the validation losses and the fraction of conflicts, one number for each epoch.

    Raises:
        InputError: a dataset without images, or images smaller than a square of the pooling.
        RunError: a loss became NaN or infinite.
    """
    import tensorflow as tf

    data = pairs(cell.dataset, cell.pooling, cell.examples)
    parts = {part: (tf.constant(data.images[part]), tf.constant(data.labels[part])) for part in PARTS}
    options = {name: getattr(cell, field) for name, field in OPTIONS.get(cell.method, {}).items()}
    epoch, start = program(cell.method, tuple(options.items()), RANDOM)
    measure = measuring()
    factors = tf.constant([cell.weight, (1 - cell.weight) * cell.scale], tf.float32)
    trained = factors.numpy() > 0
    count, inputs = data.images["train"].shape
    steps = max(count // cell.batch_size, 1)
    for seed in seeds:
        RANDOM.bit_generator.state = generator(seed, "aggregator").bit_generator.state
        state = start([tf.constant(array) for array in initial(seed, inputs, data.classes)])
        batches = order(count, (cell.epochs, steps, min(cell.batch_size, count)), generator(seed, "batches"))
        curves = {name: [] for name in ("left_validation_loss", "right_validation_loss", "conflict_fraction")}
        best, best_loss, kept = 0, np.inf, state[0]
        for number in range(cell.epochs):
            state, conflicts = epoch(
                state,
                parts["train"],
                tf.constant(batches[number]),
                factors,
                tf.constant(cell.learning_rate, tf.float32),
            )
            validation = measure(state[0], *parts["validation"])[0].numpy()
            for name, value in zip(curves, [*validation, conflicts], strict=True):
                curves[name].append(require_finite(float(value), name, f"epoch {number + 1}"))
            if (mean := validation[trained].mean()) < best_loss:
                best, best_loss, kept = number + 1, mean, state[0]
        metrics = {"best_epoch": best, "conflict_fraction": np.mean(curves["conflict_fraction"])}
        for part in ("validation", "test"):
            for name, values in zip(("loss", "accuracy"), measure(kept, *parts[part]), strict=True):
                metrics |= {f"{task}_{part}_{name}": float(value) for task, value in zip(TASKS, values, strict=True)}
                metrics[f"{part}_{name}"] = float(tf.reduce_mean(values))
        yield Record(metrics, curves, data=data.identity)


EXPERIMENT = Experiment("many_tasks", version=1, configuration=Configuration, train=train, stack=5)
run = EXPERIMENT.run

LEARNING_RATES, SCALES = [5e-4, 1e-3, 2e-3, 4e-3], [1, 0.1]
PLAIN = [how for how in AGGREGATORS if how not in ("mean", "upgrad", "cagrad")]
"""Under Adam the mean is the sum, and for two tasks UPGrad is half of PCGrad."""
MNIST = {"dataset": ["mnist"], "pooling": [2]}

STUDY = Study(
    "many_tasks",
    EXPERIMENT,
    plan(
        (grid(Configuration, **MNIST, scale=SCALES, method=PLAIN, learning_rate=LEARNING_RATES), 5),
        (grid(Configuration, **MNIST, scale=SCALES, method=["sum"], weight=[3 / 4, 1 / 2, 1 / 4, 1 / 11]), 5),
        (grid(Configuration, **MNIST, scale=SCALES, method=["cagrad"], c=[0.25, 0.5], learning_rate=[1e-3, 2e-3]), 5),
        (
            grid(
                Configuration,
                **MNIST,
                scale=SCALES,
                method=["famo"],
                famo_learning_rate=[0.0025, 0.025],
                learning_rate=[1e-3, 2e-3],
            ),
            5,
        ),
        (grid(Configuration, **MNIST, weight=[0, 1], learning_rate=LEARNING_RATES), 5),
    ),
)
"""Four trials for every way to combine two tasks: the sum spends them on the learning rate or on its weights."""
