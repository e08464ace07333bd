"""Training: many steps a call with the data on the device, and many runs at once."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from gradbook.errors import InputError
from gradbook.seeds import generator
from gradbook.synthetic.chain import Chain, Parts, State
from gradbook.synthetic.messages import Messages
from gradbook.synthetic.settings import Settings, TensorSettings
from gradbook.synthetic.step import Pass, Step
from gradbook.training import cores, order


class Data(NamedTuple):
    """What a network learns and is tested on; targets are the predictors' context too, so labels come one-hot.

    Attributes:
        x_train, x_test: inputs, float32 [n, …].
        y_train, y_test: targets, float32 [n, width].
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


class Schedule(NamedTuple):
    """What is drawn for the steps of a run, or for some of them.

    Attributes:
        batches: rows of the training data, int32 [steps, batch_size].
        masks: 1 for each block that updates, 0 for the others, float32 [steps, K].
        start: number of the first step, int32.
    """

    batches: tf.Tensor
    masks: tf.Tensor
    start: tf.Tensor


@dataclass(frozen=True)
class Run:
    """One run with one choice of settings from one seed.

    Attributes:
        name: of the settings.
        seed: of the initial weights, of the batches, and of the update masks.
        curves: series by name, a number each time something was logged: ``step``; ``train_loss``, the mean since the
            last time; ``test_loss``; ``test_accuracy`` where targets are one-hot; and for the interfaces k = 1 … K-1,
            numbered by the block below, ``cosine_k`` and ``norm_ratio_k``: the synthetic gradient's cosine with the
            true one, and its norm over that of the true one, means over the steps since the last time.
        chain: the network, its weights as the run left them.
    """

    name: str
    seed: int
    curves: dict[str, list[float]]
    chain: Chain


def train(
    build: Callable[[], Chain],
    data: Data,
    settings: Mapping[str, Settings],
    *,
    seeds: Sequence[int],
    steps: int,
    batch_size: int = 16,
    every: int = 500,
) -> list[Run]:
    """Train a network with each choice of settings from each seed.

    Runs whose settings differ in numbers only share one compiled call of ``every`` steps, in which weights and data
    stay on the device. Each core works on one run at a time, whose weights and optimizer state then stay in its
    cache: beside one stack of all weights with a leading axis this takes two thirds of the time. Dense networks are
    compiled by XLA, convolutional ones are not.

    Args:
        build: makes the network, cut, with weights drawn from Keras' global generator; every time of the same form.
        data: see `Data`.
        settings: by name, for example `modes()`.
        seeds: of each choice of settings.
        steps: to train for, at least 1. Batches come from one shuffled pass over the data after another; learning
            rates drop at the first log after their fraction of the steps.
        batch_size: examples in a step, at most as many as there are.
        every: steps between two logs, at least 1; the last log is at the end.

    Returns:
        One run for each choice of settings and each seed, in that order.

    Raises:
        InputError: no settings or no seeds, a number out of its range, targets that are no vectors or not as many as
            the inputs, a context whose width is not that of the targets, or one network from all calls of ``build``.

    >>> from gradbook.synthetic import modes
    >>> from gradbook.synthetic.chain import cross_entropy, cut
    >>> def build():
    ...     layers = [keras.layers.Dense(8, activation="relu", name="hidden"), keras.layers.Dense(3)]
    ...     return cut(keras.Sequential([keras.Input([5]), *layers]), ["hidden"], loss=cross_entropy, context=3)
    >>> x, y = np.ones([20, 5], "float32"), np.eye(3, dtype="float32")[np.arange(20) % 3]
    >>> runs = train(build, Data(x, y, x, y), modes(), seeds=[0, 1], steps=6, batch_size=10, every=3)
    >>> len(runs), runs[0].name, runs[0].curves["step"]
    (10, 'backpropagation', [3.0, 6.0])
    """
    _check_sizes(data, settings, seeds, steps, batch_size, every)
    runs = _untrained(build, settings, seeds)
    chain = runs[0].chain
    _check_context(chain, data.y_train.shape[1])
    dense = all(len(block.output.shape) == 2 for block in chain.blocks)
    compiled = tf.function(partial(advance, chain), jit_compile=dense, autograph=False)
    test = tf.function(partial(_test, chain), jit_compile=dense, autograph=False)
    classes = _one_hot(data.y_test)
    device = Data(*(tf.constant(part, tf.float32) for part in data))

    def complete(run: Run) -> None:
        own, state = settings[run.name], run.chain.state()
        batches = order(len(data.x_train), (steps, batch_size), generator(run.seed, "batches"))
        masks = update_masks(run.seed, own.update_probability, (steps, len(chain.blocks)))
        for time in range(0, steps, every):
            now = slice(time, time + every)
            schedule = Schedule(tf.constant(batches[now]), tf.constant(masks[now]), tf.constant(time))
            state, logs = compiled(own.tensors(time, steps), state, device, schedule)
            logs |= test(state, device)
            if not classes:
                del logs["test_accuracy"]
            for name, value in {"step": min(time + every, steps), **logs}.items():
                run.curves.setdefault(name, []).append(float(value))
        run.chain.assign(state)

    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(complete, runs))
    return sorted(runs, key=lambda run: list(settings).index(run.name))


def _untrained(build: Callable[[], Chain], names: Iterable[str], seeds: Sequence[int]) -> list[Run]:
    runs = []
    for seed in seeds:
        for name in names:
            keras.utils.set_random_seed(seed)
            runs.append(Run(name, seed, {}, build()))
    owned = [id(v) for run in runs for block in run.chain.blocks for v in block.variables]
    if len(set(owned)) < len(owned):
        raise InputError("build must make a new network at each call; received the same weights twice.")
    return runs


def _check_sizes(
    data: Data, settings: Mapping[str, Settings], seeds: Sequence[int], steps: int, batch_size: int, every: int
) -> None:
    for name, given in (("settings", settings), ("seeds", seeds)):
        if not len(given):
            raise InputError(f"{name} must be one or more; received none.")
    for name, value, most in [
        ("steps", steps, None),
        ("batch_size", batch_size, len(data.x_train)),
        ("every", every, None),
    ]:
        if value < 1 or (most and value > most):
            raise InputError(f"{name} must be at least 1{f' and at most {most}' if most else ''}; received {value}.")
    for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        if y.ndim != 2:
            raise InputError(f"targets must be vectors, float [n, width], such as labels one-hot; received {y.shape}.")
        if len(x) != len(y):
            raise InputError(f"targets must be as many as inputs; received {len(y)} for {len(x)}.")


def update_masks(seed: int, probability: float, shape: tuple[int, int]) -> np.ndarray:
    """Draw which block updates at which step: 1 with the given probability, each by itself, else 0; float32 [steps, K].

    >>> update_masks(0, 0.5, (2, 4)).tolist()
    [[0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0]]
    """
    return (generator(seed, "updates").random(shape) < probability).astype(np.float32)


def advance(
    chain: Chain, settings: TensorSettings, state: State, data: Data, schedule: Schedule
) -> tuple[State, dict[str, tf.Tensor]]:
    """Take the steps of a schedule; return the state after them, and means of what they logged."""
    step, steps = Step(chain, settings), schedule.batches.shape[0]

    def body(i: tf.Tensor, state: State, sums: list[tf.Tensor]) -> tuple:
        x, y = (tf.gather(part, schedule.batches[i]) for part in (data.x_train, data.y_train))
        state, passes, messages = step(state, x, y, schedule.masks[i], schedule.start + i)
        logs = [passes.blocks[-1].output, *_compare(passes, messages)]
        return i + 1, state, [a + b for a, b in zip(sums, logs, strict=True)]

    interfaces = range(1, len(chain.blocks))
    names = ["train_loss", *(f"{what}_{k}" for k in interfaces for what in ("cosine", "norm_ratio"))]
    start = (tf.constant(0), state, [tf.zeros([]) for _ in names])
    _, state, sums = tf.while_loop(lambda i, *_: i < steps, body, start)
    return state, {name: total / steps for name, total in zip(names, sums, strict=True)}


def _compare(passes: Parts[Pass], messages: Messages) -> Iterator[tf.Tensor]:
    """Yield cosine and ratio of norms, synthetic to true, interface by interface; 0 where there is no true gradient."""
    for predictor, true in zip(passes.gradient_predictors, messages.true, strict=True):
        synthetic = predictor.output
        product, own, other = (
            tf.reduce_sum(a * b) for a, b in [(synthetic, true), (synthetic, synthetic), (true, true)]
        )
        yield tf.math.divide_no_nan(product, tf.sqrt(own) * tf.sqrt(other))
        yield tf.math.divide_no_nan(tf.sqrt(own), tf.sqrt(other))


def _test(chain: Chain, state: State, data: Data) -> dict[str, tf.Tensor]:
    """Measure loss and accuracy on the test data."""
    outputs = chain.outputs(state, data.x_test)[-1]
    right = tf.argmax(outputs, -1) == tf.argmax(data.y_test, -1)
    return {"test_loss": chain.loss(data.y_test, outputs), "test_accuracy": tf.reduce_mean(tf.cast(right, tf.float32))}


def _one_hot(targets: np.ndarray) -> bool:
    return targets.shape[1] > 1 and bool(np.all((targets == 0) | (targets == 1)) and np.all(targets.sum(axis=1) == 1))


def _check_context(chain: Chain, width: int) -> None:
    for interface in chain.interfaces:
        expected = interface.gradient_predictor.context_width
        if expected not in (0, width):
            raise InputError(
                f"context must have the width of the targets, {width}; received {expected} after {interface.after!r}."
            )
