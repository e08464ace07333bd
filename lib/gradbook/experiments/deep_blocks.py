"""Fifty and two hundred layers that start in many ways: is opening a gate slowly still worth it?

The digits, the width, the optimizer and its learning rate's decay are those of the experiment `gradnets`, without
dropout; every way to start gets the same steps and the same learning rates to choose from.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import lazy_loader
import numpy as np
from pydantic import Field

from gradbook import data
from gradbook.errors import InputError
from gradbook.gradnets.blocks.names import BlockName
from gradbook.optimizers import Adagrad, Adam
from gradbook.seeds import generator
from gradbook.studies import experiment
from gradbook.studies.experiment import Experiment, Record
from gradbook.studies.study import Study, grid, plan
from gradbook.training import order, require_finite

if TYPE_CHECKING:
    from gradbook.gradnets.blocks import Block

tf = lazy_loader.load("tensorflow")

Tensor = Any

CHUNK = 1000
"""Images that are tested at once."""


class Configuration(experiment.Configuration):
    """One cell.

    Attributes:
        dataset: of images; a twelfth of the training images, the first 5,000 of MNIST's, is held out.
        block: what a hidden layer computes and how it starts, see `gradbook.gradnets.blocks`.
        depth: layers with weights, the first and the last included; Fixup uses an even number of hidden ones.
        width: units of a hidden layer.
        learning_rate: of the first step.
        penalty: weight of the mean absolute value of the hidden matrices in the loss.
        protocol: the rest of the training. "gradnets" is that experiment's: Adam, a learning rate that falls to 0.8 of
            itself in 1,000 steps, first and last layer from a normal distribution cut off at 0.2. "rezero" is that of
            the ReZero paper's notebook: images in [-1, 1], none held out, Adagrad, a constant learning rate, first
            and last layer as in PyTorch.
        batch_size, epochs: examples a step, passes over the training images.
        log_every: steps between two measurements.
    """

    dataset: str = "mnist"
    block: BlockName = "gradnet"
    depth: int = Field(50, ge=4)
    width: int = Field(50, ge=2)
    learning_rate: float = Field(1e-3, gt=0)
    penalty: float = Field(0, ge=0)
    protocol: Literal["gradnets", "rezero"] = "gradnets"
    batch_size: int = Field(50, ge=1)
    epochs: int = Field(1, ge=1)
    log_every: int = Field(110, ge=1)


class Images(NamedTuple):
    """Images [n, pixels] and labels [n] of the three parts, the number of classes, and "name:sha256"."""

    train: tuple[Tensor, Tensor]
    held_out: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    classes: int
    identity: str


@cache
def images(dataset: str, holds_out: bool = True) -> Images:
    """Load a dataset; of its training images a twelfth is held out, or none."""
    loaded = data.load(dataset).require_images()
    rows, test_rows = (part.reshape(len(part), -1) for part in (loaded.x_train, loaded.x_test))
    cut = len(rows) // 12 * holds_out
    parts = [(rows[part], loaded.y_train[part]) for part in (slice(cut, None), slice(cut))]
    parts.append((test_rows, loaded.y_test))
    train, held_out, test = ((tf.constant(x), tf.constant(y)) for x, y in parts)
    return Images(train, held_out, test, len(loaded.classes), loaded.identity)


def block(cell: Configuration) -> "Block":
    """Return the block of a cell's network."""
    from gradbook.gradnets.blocks import BLOCKS

    return BLOCKS[cell.block](cell.depth - 2)


def initial_weights(cell: Configuration, inputs: int, classes: int, seed: int) -> list[Tensor]:
    """Draw where a seed's weights start: matrix and bias of the first and the last layer, then the blocks' stacks."""
    draw, hidden = generator(seed, "outer"), block(cell).initial(cell.width, generator(seed, "weights"))
    if cell.protocol == "gradnets":
        from gradbook.gradnets.initializers import truncated_normal

        first, last = (truncated_normal(shape, draw) for shape in ((inputs, cell.width), (cell.width, classes)))
        outer = [first, np.zeros(cell.width), last * (cell.block != "fixup"), np.zeros(classes)]
    else:
        edges = inputs**-0.5, cell.width**-0.5
        first = draw.normal(scale=np.sqrt(2 / inputs), size=(inputs, cell.width))
        bias = draw.uniform(-edges[0], edges[0], cell.width)
        outer = [first, bias, *(draw.uniform(-edges[1], edges[1], shape) for shape in ((cell.width, classes), classes))]
    return [tf.constant(array, tf.float32) for array in (*outer, *hidden)]


class Program(NamedTuple):
    """The compiled functions of cells that differ in their learning rate alone, and their optimizer.

    Attributes:
        advance: from weights, state, batches int32 [steps, batch], random numbers [steps, blocks], the first step's
            number, all steps' number and the learning rate to weights, state and the mean loss.
        hits: from weights, images, labels and progress to how many are classified correctly.
        gate: from weights and progress to the mean absolute gate at test time.
    """

    advance: Callable
    hits: Callable
    gate: Callable
    optimizer: Any


def program(cell: Configuration) -> Program:
    """Return a cell's compiled functions."""
    return _program(cell.model_copy(update={"learning_rate": 1.0, "epochs": 1, "log_every": 1}))


@lru_cache(maxsize=4)
def _program(cell: Configuration) -> Program:
    from gradbook.gradnets.blocks import through

    rezero = cell.protocol == "rezero"
    blocks, pictures = block(cell), images(cell.dataset, holds_out=not rezero)
    run = through(blocks)
    optimizer = Adagrad() if rezero else Adam(epsilon=1e-8)

    def logits(weights: list[Tensor], x: Tensor, gates: Tensor) -> Tensor:
        first, bias, last, last_bias, *hidden = weights
        x = 2 * x - 1 if rezero else x
        return run(tf.nn.relu(x @ first + bias), gates, *hidden) @ last + last_bias

    @tf.function(jit_compile=True)
    def advance(weights, state, batches, coins, start, steps, learning_rate):
        total = 0.0
        for step in tf.range(batches.shape[0]):
            now = tf.cast(start + step, tf.float32)
            x, truth = (tf.gather(part, batches[step]) for part in pictures.train)
            with tf.GradientTape() as tape:
                tape.watch(weights)
                scores = logits(weights, x, blocks.gates(now / steps, coins[step]))
                loss = tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(truth, scores))
                whole = loss + cell.penalty * tf.reduce_mean(tf.abs(weights[4]))
            gradients = tape.gradient(whole, weights)
            decayed = learning_rate * (1.0 if rezero else 0.8 ** ((now + 10) / 1000))
            weights, state = optimizer.update(weights, gradients, state, decayed)
            total += loss / cell.batch_size
        return weights, state, total / batches.shape[0]

    @tf.function(jit_compile=True)
    def hits(weights, x, labels, progress):
        chosen = tf.argmax(logits(weights, x, blocks.gates(progress)), 1, labels.dtype)
        return tf.reduce_sum(tf.cast(chosen == labels, tf.float32))

    def gate(weights, progress):
        learnt = weights[6] if cell.block in ("rezero", "skipinit") else blocks.gates(progress)
        return float(tf.reduce_mean(tf.abs(learnt)))

    return Program(advance, hits, gate, optimizer)


def train(cell: Configuration, seeds: Sequence[int]) -> Iterator[Record]:
    """Train one network from each seed.

    Metrics are ``train_loss`` of the last steps, ``held_out_accuracy`` and ``test_accuracy``. Curves are ``iteration``,
    ``train_loss`` of the steps since the measurement before, ``held_out_accuracy``, and ``gate``: the mean absolute α
    of blocks that learn one, of others the mean of what they are given at test time. Without images held out there is
    no such accuracy.

    Raises:
        InputError: the dataset holds no images, or fewer than a batch has.
        RunError: the loss became NaN or infinite.
    """
    pictures, compiled = images(cell.dataset, holds_out=cell.protocol != "rezero"), program(cell)
    examples = len(pictures.train[1])
    if cell.batch_size > examples:
        raise InputError(f"batch_size must be at most {examples}, the training images; received {cell.batch_size}.")
    steps = examples // cell.batch_size * cell.epochs
    for seed in seeds:
        batches = order(examples, (steps, cell.batch_size), generator(seed, "batches"))
        coins = generator(seed, "coins").random((steps, cell.depth - 2), np.float32)
        weights = initial_weights(cell, pictures.train[0].shape[1], pictures.classes, seed)
        state = compiled.optimizer.init(weights)
        curves = defaultdict(list)
        for start in range(0, steps, cell.log_every):
            part = slice(start, min(start + cell.log_every, steps))
            weights, state, loss = compiled.advance(
                weights, state, tf.constant(batches[part]), tf.constant(coins[part]), tf.constant(start),
                tf.constant(float(steps)), tf.constant(cell.learning_rate),
            )  # fmt: skip
            progress = part.stop / steps
            curves["iteration"].append(part.stop)
            curves["train_loss"].append(require_finite(float(loss), "train_loss", f"step {part.stop}"))
            if len(pictures.held_out[1]):
                curves["held_out_accuracy"].append(_accuracy(compiled, weights, pictures.held_out, progress))
            curves["gate"].append(compiled.gate(weights, progress))
        metrics = {name: curves[name][-1] for name in ("train_loss", "held_out_accuracy") if name in curves}
        metrics["test_accuracy"] = _accuracy(compiled, weights, pictures.test, 1.0)
        yield Record(metrics, dict(curves), data=pictures.identity)


def _accuracy(compiled: Program, weights: list[Tensor], part: tuple[Tensor, Tensor], progress: float) -> float:
    x, labels = part
    chunks = [slice(start, start + CHUNK) for start in range(0, len(labels), CHUNK)]
    found = [compiled.hits(weights, x[chunk], labels[chunk], tf.constant(progress)) for chunk in chunks]
    return float(sum(found)) / len(labels)


EXPERIMENT = Experiment("deep_blocks", version=1, configuration=Configuration, train=train, stack=5)
run = EXPERIMENT.run

LEARNING_RATES = [3e-4, 1e-3, 3e-3]
BLOCKS = [name for name in get_args(BlockName) if name != "layernorm"]
DEEPEST = {
    "block": ["gradnet", "rezero", "scaled", "grelu", "fixup", "deepnorm", "tailored"],
    "depth": [200],
    "learning_rate": [3e-4, 1e-3],
    "log_every": [220],
}
PUBLISHED = {
    "dataset": ["cifar10"],
    "depth": [66],
    "width": [256],
    "learning_rate": [0.01],
    "protocol": ["rezero"],
    "batch_size": [100],
    "log_every": [500],
}
"""The ReZero paper's notebook: 64 hidden layers on CIFAR-10, of whose ten epochs the first."""

STUDY = Study(
    "deep_blocks",
    EXPERIMENT,
    plan(
        (grid(Configuration, block=BLOCKS, learning_rate=LEARNING_RATES), 5),
        (grid(Configuration, block=["gradnet"], penalty=[5], learning_rate=LEARNING_RATES), 5),
        (grid(Configuration, block=["rezero"], **PUBLISHED), 5),
        (grid(Configuration, **DEEPEST), 5),
    ),
)
"""Fifty and two hundred layers that start in many ways on MNIST, and one published run on CIFAR-10."""
