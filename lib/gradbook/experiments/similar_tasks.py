"""Regressions that share a network: does an auxiliary task help the more, the more it resembles the main one?

The second experiment of the repository auxiliary-learning2 (vivien000 2019): 250 inputs, targets tanh(xB) with a fixed
random matrix B, and an auxiliary task whose matrix is the same, a noisy copy, or another one.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from pydantic import Field

from gradbook.auxiliary import RuleName, Scope
from gradbook.optimizers import Adam
from gradbook.seeds import generator
from gradbook.studies.experiment import Configuration as Base
from gradbook.studies.experiment import Experiment, Record
from gradbook.studies.study import Study, grid, plan
from gradbook.training import glorot, require_finite

if TYPE_CHECKING:
    import tensorflow as tf

INPUTS, OUTPUTS, HIDDEN, SHARED_LAYERS = 250, 100, 100, 4
EXAMPLES = {"train": 1_000, "auxiliary": 1_000, "validation": 1_000, "test": 10_000}


class Configuration(Base):
    """One way to train the network on the two regressions.

    Attributes:
        auxiliary_task: "same" has the main task's matrix B, "similar" B plus noise of standard deviation 3.5 to B's 10,
            "unrelated" another matrix.
        rule, scope: as in `gradbook.auxiliary.censor`.
        weight: λ, the auxiliary task's weight in the shared layers.
        alpha: α, how fast the average of the main gradient that the rule compares with follows it; 1 is the gradient.
        learning_rate: η of Adam, whose ε is 1e-8 as in TensorFlow 1.
        batch_size: examples a step, of either task.
        reshuffle: whether each epoch has an order of its own. The published code has one for all epochs: in TensorFlow
            1.14 every pass over a shuffled dataset starts the same order anew.
        patience: training ends after so many epochs without a better validation loss.
    """

    auxiliary_task: Literal["same", "similar", "unrelated"] = "similar"
    rule: RuleName = "projection"
    scope: Scope = "global"
    weight: float = Field(1.0, ge=0)
    alpha: float = Field(0.01, gt=0, le=1)
    learning_rate: float = Field(1e-3, gt=0)
    batch_size: int = Field(100, ge=1, le=EXAMPLES["train"])
    reshuffle: bool = True
    patience: int = Field(10, ge=1)


class Tasks(NamedTuple):
    """Inputs float32 [n, 250] by part, the matrices float32 [250, 100] by task, and what identifies both."""

    inputs: dict[str, np.ndarray]
    matrices: dict[str, np.ndarray]
    identity: str

    def targets(self, part: str, task: str = "same") -> np.ndarray:
        """Return tanh(xB) for a part's inputs and a task's matrix, float32 [n, 100]."""
        return np.tanh(self.inputs[part] @ self.matrices[task])


@cache
def tasks() -> Tasks:
    """Return the data, drawn as the published code draws them: NumPy's old generator, seed 0, in its order."""
    random = np.random.RandomState(0)
    inputs = {part: random.rand(count, INPUTS).astype(np.float32) for part, count in EXAMPLES.items()}
    main, other, noise = (random.randn(INPUTS, OUTPUTS) for _ in range(3))
    matrices = {"same": 10 * main, "similar": 10 * main + 3.5 * noise, "unrelated": 10 * other}
    matrices = {task: matrix.astype(np.float32) for task, matrix in matrices.items()}
    digest = hashlib.sha256(b"".join(array.tobytes() for array in (*inputs.values(), *matrices.values())))
    return Tasks(inputs, matrices, f"similar-tasks:{digest.hexdigest()}")


def initial(seed: int) -> list[np.ndarray]:
    """Return a seed's initial weights as `glorot` draws them: of the shared layers, the main and the auxiliary head."""
    shared = pairwise([INPUTS, *[HIDDEN] * SHARED_LAYERS])
    return glorot([*shared, *[(HIDDEN, OUTPUTS)] * 2], generator(seed, "weights"))


@cache
def program(cell: Configuration) -> "tuple[tf.types.experimental.PolymorphicFunction, ...]":
    """Return the compiled epoch and the compiled main loss of a cell."""
    import tensorflow as tf

    from gradbook.auxiliary import censor

    shared = 2 * SHARED_LAYERS
    heads = {"main": slice(shared, shared + 2), "auxiliary": slice(shared + 2, shared + 4)}
    adam = Adam(epsilon=1e-8)

    def error(weights: list, head: str, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        for kernel, bias in zip(weights[:shared:2], weights[1:shared:2], strict=True):
            x = tf.nn.relu(x @ kernel + bias)
        kernel, bias = weights[heads[head]]
        return tf.reduce_mean(tf.math.squared_difference(x @ kernel + bias, y))

    def gradients(weights: list, head: str, x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, list]:
        with tf.GradientTape() as tape:
            tape.watch(weights)
            loss = error(weights, head, x, y)
        return loss, tape.gradient(loss, [*weights[:shared], *weights[heads[head]]])

    @tf.function(jit_compile=True, autograph=False)
    def epoch(state: tuple, main: tuple, auxiliary: tuple, batches: tf.Tensor) -> tuple:
        """Return the state after the steps on batches int32 [steps, 2, batch], and the mean main loss before each."""

        def step(i: tf.Tensor, state: tuple, total: tf.Tensor) -> tuple:
            weights, average, optimizer_state = state
            x, y, x_auxiliary, y_auxiliary = (
                tf.gather(part, batches[i, task]) for task, parts in enumerate((main, auxiliary)) for part in parts
            )
            loss, (*v, v_kernel, v_bias) = gradients(weights, "main", x, y)
            _, (*u, u_kernel, u_bias) = gradients(weights, "auxiliary", x_auxiliary, y_auxiliary)
            first = optimizer_state.step == 0
            average = [tf.where(first, g, a + cell.alpha * (g - a)) for a, g in zip(average, v, strict=True)]
            kept = censor(u, average, cell.rule, scope=cell.scope)
            total_gradient = [
                *(a + cell.weight * b for a, b in zip(v, kept, strict=True)),
                v_kernel,
                v_bias,
                cell.weight * u_kernel,
                cell.weight * u_bias,
            ]
            weights, optimizer_state = adam.update(weights, total_gradient, optimizer_state, cell.learning_rate)
            return i + 1, (weights, average, optimizer_state), total + loss

        start = (tf.constant(0), state, tf.zeros([]))
        _, state, total = tf.while_loop(lambda i, *_: i < batches.shape[0], step, start)
        return state, total / batches.shape[0]

    @tf.function(jit_compile=True, autograph=False)
    def main_error(weights: list, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return error(weights, "main", x, y)

    return epoch, main_error, adam


def train(cell: Configuration, seeds: Sequence[int]) -> Iterator[Record]:
    """Train one network for each seed until early stopping, and test it at its best validation error.

    Metrics are ``test_squared_error``, ``validation_squared_error`` and ``train_squared_error`` of the main task at the
    best epoch, the last as measured while the epoch went on, ``best_epoch`` and ``epochs_trained``. The curve is the
    validation error, one number for each epoch.

    Raises:
        RunError: an error became NaN or infinite.
    """
    import tensorflow as tf

    data = tasks()
    main = data.inputs["train"], data.targets("train")
    auxiliary = data.inputs["auxiliary"], data.targets("auxiliary", cell.auxiliary_task)
    parts = {part: (data.inputs[part], data.targets(part)) for part in ("validation", "test")}
    main, auxiliary, *held_out = ([tf.constant(array) for array in one] for one in (main, auxiliary, *parts.values()))
    validation, test = held_out
    epoch, main_error, adam = program(cell)
    for seed in seeds:
        weights = [tf.constant(array) for array in initial(seed)]
        state = (weights, [tf.zeros_like(w) for w in weights[: 2 * SHARED_LAYERS]], adam.init(weights))
        shuffles = {task: generator(seed, task) for task in ("main", "auxiliary")}
        curves = {"train_squared_error": [], "validation_squared_error": []}
        best, kept = 0, weights
        while (epochs := len(curves["validation_squared_error"])) - best < cell.patience:
            if cell.reshuffle or not epochs:
                orders = [shuffle.permutation(EXAMPLES["train"]) for shuffle in shuffles.values()]
            steps = EXAMPLES["train"] // cell.batch_size
            batches = np.stack([order[: steps * cell.batch_size].reshape(steps, -1) for order in orders], axis=1)
            state, error = epoch(state, main, auxiliary, tf.constant(batches, tf.int32))
            measured = require_finite(
                float(main_error(state[0], *validation)), "validation_squared_error", f"epoch {epochs + 1}"
            )
            if measured < min(curves["validation_squared_error"], default=np.inf):
                best, kept = epochs + 1, state[0]
            curves["train_squared_error"].append(float(error))
            curves["validation_squared_error"].append(measured)
        metrics = {name: curve[best - 1] for name, curve in curves.items()}
        metrics |= {"test_squared_error": float(main_error(kept, *test)), "best_epoch": best, "epochs_trained": epochs}
        curve = {"validation_squared_error": curves["validation_squared_error"]}
        yield Record(metrics, curve, data=data.identity)


EXPERIMENT = Experiment("similar_tasks", version=1, configuration=Configuration, train=train, stack=5)
run = EXPERIMENT.run

TASKS, WEIGHTS = ["same", "similar", "unrelated"], [0.1, 0.3, 1, 3, 10]
SINGLE = Configuration(auxiliary_task="same", rule="single_task", weight=0, alpha=1)
GRID = [
    *grid(Configuration, auxiliary_task=TASKS, rule=["multitask"], weight=WEIGHTS, alpha=[1]),
    *grid(
        Configuration,
        auxiliary_task=TASKS,
        rule=["unweighted_cosine", "weighted_cosine", "projection", "orthogonal"],
        scope=["global", "variable"],
        weight=WEIGHTS,
        alpha=[0.01, 0.1, 1],
    ),
]
"""The published cells but single task."""

COMPARED = [
    *grid(Configuration, auxiliary_task=["same"], rule=["multitask"], weight=[1, 3], alpha=[1]),
    *grid(Configuration, auxiliary_task=["same"], weight=[3], alpha=[0.01, 1]),
    *grid(Configuration, auxiliary_task=["same"], scope=["variable"], weight=[3]),
    *grid(Configuration, auxiliary_task=["same", "similar"], rule=["orthogonal"], weight=[0.3], alpha=[0.1]),
    *grid(Configuration, auxiliary_task=["similar"], rule=["multitask"], weight=[0.3], alpha=[1]),
    *grid(Configuration, auxiliary_task=["similar"], weight=[1]),
    *grid(Configuration, auxiliary_task=["unrelated"], rule=["multitask"], weight=[0.1, 10], alpha=[1]),
    *grid(Configuration, auxiliary_task=["unrelated"], weight=[10]),
    *grid(Configuration, auxiliary_task=["unrelated"], scope=["variable"], weight=[0.1]),
]
"""The cells that the ledger's claims name."""


def as_published(cells: Iterable[Configuration]) -> list[Configuration]:
    """Return the cells with one order of the examples for all epochs."""
    return [cell.model_copy(update={"reshuffle": False}) for cell in cells]


CLAIMED = [SINGLE, *COMPARED]
BEST_ALPHA = {"multitask": 1, "projection": 0.01, "orthogonal": 0.1, "unweighted_cosine": 0.1, "weighted_cosine": 1}
SHOWN = [cell for cell in GRID if cell.scope == "global" and cell.alpha == BEST_ALPHA[cell.rule]]

STUDY = Study(
    "similar_tasks",
    EXPERIMENT,
    plan(
        (as_published(CLAIMED), 20),
        (as_published(SHOWN), 5),
        (as_published(GRID), 3),
        (CLAIMED, 20),
    ),
)
"""All published cells as they were published, and those of the claims with a new order in each epoch."""
