"""Synthetic gradients: many runs in one compiled call, beside a graph session fed by Python with one run a block."""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from gradbook.synthetic.chain import Chain, State
from gradbook.synthetic.images import images, network
from gradbook.synthetic.optimizers import GradientDescent
from gradbook.synthetic.policy import Policy
from gradbook.synthetic.step import Choices, Form, step
from gradbook.synthetic.training import Data, advance_many, cores
from gradbook.training import order

BATCH, EQUAL_STEPS, ROUNDS, STEPS = 16, 20, 5, 100
POLICY = Policy(learning_rate=1e-3)
WIDTHS = (784, 256, 256, 256, 10)


def measure() -> pd.DataFrame:
    """Milliseconds a seed and step at batch 16, in turn, after both sides have computed the same weights.

    The network, 784-256-256-256-10, its predictors and its optimisers are the same; every block updates at every step.
    Compiling is timed apart, as is the load of the machine, for nothing here is worth much on a busy one.
    """
    data, _ = images("mnist", flat=True)
    session = Session(_chain(), partial(tf.compat.v1.train.AdamOptimizer, epsilon=1e-7))
    random = np.random.default_rng(0)
    library = {seeds: Library(data, seeds) for seeds in (1, 10)}
    rows = [{"what": f"difference of weights after {EQUAL_STEPS} steps", "median": f"{_difference(data):.0e}"}]
    rows += [{"what": f"compiling, {n} seeds", "median": f"{side.compiling:.1f} s"} for n, side in library.items()]

    timed: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        sides = {"session, one run a block, 1 seed": partial(session.run, _fed(data, random, STEPS))}
        sides |= {f"library, {seeds} seeds at once": side.run for seeds, side in library.items()}
        for (what, call), seeds in zip(sides.items(), (1, 1, 10), strict=True):
            start = time.perf_counter()
            call()
            timed.setdefault(what, []).append((time.perf_counter() - start) / STEPS / seeds * 1e3)
    slow = statistics.median(next(iter(timed.values())))
    for what, values in timed.items():
        middle, spread = statistics.median(values), f"{min(values):.2f}–{max(values):.2f}"
        rows.append({"what": what, "median": f"{middle:.2f} ms", "range": spread, "times": f"{slow / middle:.1f}"})
    rows.append({"what": "load", "median": f"{os.getloadavg()[0]:.1f}"})
    return pd.DataFrame(rows).fillna("")


class Library:
    """`train`'s inner loop on its own: ``STEPS`` steps a call, one run a core at a time."""

    def __init__(self, data: Data, seeds: int) -> None:
        chains = [_chain() for _ in range(seeds)]
        self.states = [chain.state() for chain in chains]
        self.advance = tf.function(partial(advance_many, chains[0]), jit_compile=True, autograph=False)
        self.data = Data(*(tf.constant(part) for part in data))
        rows = order(len(data.x_train), (STEPS, BATCH), np.random.default_rng(0))
        self.given = (tf.constant(rows), tf.ones([STEPS, len(WIDTHS) - 1]))
        start = time.perf_counter()
        self._one(self.states[0])
        self.compiling = time.perf_counter() - start

    def run(self) -> None:
        """``STEPS`` steps of every seed."""
        with ThreadPoolExecutor(cores()) as pool:
            self.states = list(pool.map(self._one, self.states))

    def _one(self, state: State) -> State:
        return self.advance(state, self.data, *self.given, Choices.of(POLICY), Form.of(POLICY), tf.constant(0))[0]


class Session:
    """The seed's manner: placeholders, an Adam for each block and each predictor, a ``Session.run`` a block.

    Starts from the weights of a `Chain`, so that it can be compared with it.
    """

    def __init__(self, chain: Chain, optimizer: Callable) -> None:
        v1, self.optimizer, state = tf.compat.v1, optimizer, chain.state()
        blocks, predictors = (
            [[w.numpy() for w in one.weights] for one in part] for part in (state.blocks, state.gradients)
        )
        with tf.Graph().as_default():
            self.x, self.y = (v1.placeholder(tf.float32, (None, width)) for width in (WIDTHS[0], WIDTHS[-1]))
            h = self.x
            self.blocks, features = [], []
            for k, values in enumerate(blocks):
                self.blocks.append([_variable(value) for value in values])
                h = _block(self.blocks[k], h, last=k == len(blocks) - 1)
                features.append(h)
            self.predictors = [[_variable(value) for value in values] for values in predictors]
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(self.y, h))
            said = [
                tf.concat([below, self.y], 1) @ kernel + bias
                for below, (kernel, bias) in zip(features, self.predictors, strict=False)
            ]
            self.updates = list(self._updates(features, said, loss))
            self.session = v1.Session()
            self.session.run(v1.global_variables_initializer())

    def _updates(self, features: list[tf.Tensor], said: list[tf.Tensor], loss: tf.Tensor) -> Iterator[list]:
        for k, own in enumerate(self.blocks):
            last = k == len(self.blocks) - 1
            below = [features[k - 1]] if k else []
            found = tf.gradients(loss if last else features[k], below + own, None if last else said[k])
            moves = [(self.optimizer(POLICY.learning_rate), found[len(below) :], own)]
            if k:
                error = tf.reduce_mean(tf.math.squared_difference(said[k - 1], tf.stop_gradient(found[0])))
                error /= tf.stop_gradient(loss)
                predictor = self.predictors[k - 1]
                taught = tf.gradients(error, predictor)
                moves.append((self.optimizer(POLICY.learning_rate), taught, predictor))
            yield [one.apply_gradients(list(zip(gradients, own, strict=True))) for one, gradients, own in moves]

    def run(self, batches: Iterator[tuple[np.ndarray, np.ndarray]], *, together: bool = False) -> None:
        """A step on each batch: a run a block, first block first, each on a forward pass of its own; or one for all."""
        for x, y in batches:
            for update in [self.updates] if together else self.updates:
                self.session.run(update, {self.x: x, self.y: y})

    def weights(self) -> list[np.ndarray]:
        """The blocks' weights, in the order of a chain's."""
        return self.session.run([variable for block in self.blocks for variable in block])


def _variable(value: np.ndarray) -> tf.Variable:
    name = f"v{len(tf.compat.v1.global_variables())}"
    return tf.compat.v1.get_variable(name, initializer=tf.constant(value), use_resource=True)


def _block(weights: list[tf.Variable], h: tf.Tensor, *, last: bool) -> tf.Tensor:
    """Dense, and unless it is the last, batch normalisation by the batch's own statistics and ReLU."""
    z = h @ weights[0] + weights[1]
    if last:
        return z
    mean, variance = tf.nn.moments(z, [0])
    return tf.nn.relu(tf.nn.batch_normalization(z, mean, variance, weights[3], weights[2], 1e-3))


def _fed(data: Data, random: np.random.Generator, steps: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches gathered by Python, one after the other."""
    for _ in range(steps):
        rows = random.integers(0, len(data.x_train), BATCH)
        yield data.x_train[rows], data.y_train[rows]


def _chain() -> Chain:
    keras.utils.set_random_seed(0)
    return network(WIDTHS[:1], WIDTHS[-1], depth=len(WIDTHS) - 2, width=WIDTHS[1])


def _difference(data: Data) -> float:
    """Largest difference between the weights of both sides after some steps of plain descent on the same batches.

    The session runs all blocks together here, on the weights at the step's start, as the library does; Adam is left
    out, which turns the rounding of gradients that should be zero into steps of full length.
    """
    chain, batches = (
        replace(_chain(), optimizer=GradientDescent()),
        list(_fed(data, np.random.default_rng(0), EQUAL_STEPS)),
    )
    session, state = Session(chain, tf.compat.v1.train.GradientDescentOptimizer), chain.state()
    session.run(iter(batches), together=True)
    drawn, time_ = tf.ones(len(chain.blocks)), tf.constant(0)
    for x, y in batches:
        state, *_ = step(
            chain, state, tf.constant(x), tf.constant(y), drawn, Choices.of(POLICY), Form.of(POLICY), time_
        )
    ours = [w.numpy() for learner in state.blocks for w in learner.weights]
    return max(np.abs(a - b).max() for a, b in zip(ours, session.weights(), strict=True))
