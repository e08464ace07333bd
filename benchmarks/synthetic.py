"""Synthetic gradients: many runs in compiled calls, beside a graph session fed by Python with one run a block.

The network, 784-256-256-256-10, its predictors and its optimisers are the same on all sides, and every block updates at
every step; beside the session, idiomatic PyTorch and JAX. What is compared before anything is timed descends plainly,
without Adam, which turns the rounding of gradients that should be zero into steps of full length, and the session then
runs all blocks together, on the weights at the step's start, as the others do.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from itertools import pairwise

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from benchmarks._sides import Side, Together, adam_step, agree, compare
from gradbook.experiments.synthetic import images
from gradbook.optimizers import GradientDescent
from gradbook.seeds import generator
from gradbook.synthetic.chain import Chain
from gradbook.synthetic.networks import classifier
from gradbook.synthetic.settings import Settings
from gradbook.synthetic.training import Data, Schedule, advance
from gradbook.training import order

BATCH, ROUNDS, STEPS, SEEDS = 16, 5, 100, 10
SETTINGS = Settings(learning_rate=1e-3)
WIDTHS = (784, 256, 256, 256, 10)


@cache
def data() -> Data:
    """MNIST."""
    return images("mnist", flat=True)[0]


@cache
def rows() -> np.ndarray:
    """Return the images of each step of a round."""
    return order(len(data().x_train), (STEPS, BATCH), generator(0, "batches"))


def initial(*, plainly: bool) -> Chain:
    """Return the network that all loops start from, with Adam or with plain descent."""
    keras.utils.set_random_seed(0)
    chain = classifier(WIDTHS[:1], WIDTHS[-1], depth=len(WIDTHS) - 2, width=WIDTHS[1])
    return replace(chain, optimizer=GradientDescent()) if plainly else chain


class Run:
    """Ours: `train`'s inner loop on its own, ``STEPS`` steps a call."""

    def __init__(self, *, plainly: bool = False) -> None:
        chain = initial(plainly=plainly)
        self.state, self.advance = chain.state(), compiled(plainly)
        self.schedule = Schedule(tf.constant(rows()), tf.ones([STEPS, len(WIDTHS) - 1]), tf.constant(0))

    def __call__(self, number: int) -> None:
        """Make a round of steps."""
        self.state, _ = self.advance(SETTINGS.tensors(), self.state, on_device(), self.schedule)

    def weights(self) -> list[np.ndarray]:
        """Return the blocks' weights."""
        return [weight.numpy() for learner in self.state.blocks for weight in learner.weights]


@cache
def compiled(plainly: bool) -> Callable:
    """Return the loop that all seeds share."""
    return tf.function(partial(advance, initial(plainly=plainly)), jit_compile=True, autograph=False)


@cache
def on_device() -> Data:
    """MNIST, as tensors."""
    return Data(*map(tf.constant, data()))


class Session:
    """A graph, fed: placeholders, an optimizer for each block and each predictor, a ``Session.run`` a block."""

    def __init__(self, *, plainly: bool = False) -> None:
        v1, self.plainly, state = tf.compat.v1, plainly, initial(plainly=plainly).state()
        adam = partial(v1.train.AdamOptimizer, epsilon=1e-7)
        self.optimizer = v1.train.GradientDescentOptimizer if plainly else adam
        blocks, predictors = (
            [[w.numpy() for w in one.weights] for one in part] for part in (state.blocks, state.gradient_predictors)
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
            synthetic = [
                tf.concat([below, self.y], 1) @ kernel + bias
                for below, (kernel, bias) in zip(features, self.predictors, strict=False)
            ]
            self.updates = list(self._updates(features, synthetic, loss))
            self.session = v1.Session()
            self.session.run(v1.global_variables_initializer())

    def _updates(self, features: list[tf.Tensor], synthetic: list[tf.Tensor], loss: tf.Tensor) -> Iterator[list]:
        for k, own in enumerate(self.blocks):
            last = k == len(self.blocks) - 1
            below = [features[k - 1]] if k else []
            found = tf.gradients(loss if last else features[k], below + own, None if last else synthetic[k])
            moves = [(self.optimizer(SETTINGS.learning_rate), found[len(below) :], own)]
            if k:
                error = tf.reduce_mean(tf.math.squared_difference(synthetic[k - 1], tf.stop_gradient(found[0])))
                error /= tf.stop_gradient(loss)
                predictor = self.predictors[k - 1]
                taught = tf.gradients(error, predictor)
                moves.append((self.optimizer(SETTINGS.learning_rate), taught, predictor))
            yield [one.apply_gradients(list(zip(gradients, own, strict=True))) for one, gradients, own in moves]

    def __call__(self, number: int) -> None:
        """Make a round of steps: one run per block, first block first, on passes of their own; or one for all."""
        for batch in rows():
            fed = {self.x: data().x_train[batch], self.y: data().y_train[batch]}
            for update in [self.updates] if self.plainly else self.updates:
                self.session.run(update, fed)

    def weights(self) -> list[np.ndarray]:
        """Return the blocks' weights."""
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


class TorchLoop:
    """PyTorch: blocks that are detached from one another, each sent the gradient that its predictor gives."""

    def __init__(self, *, plainly: bool = False) -> None:
        import torch
        from torch import nn

        self.torch, state, self.steps = torch, initial(plainly=plainly).state(), 0
        hidden = [
            nn.Sequential(nn.Linear(below, above), nn.BatchNorm1d(above, eps=1e-3), nn.ReLU())
            for below, above in pairwise(WIDTHS[:-1])
        ]
        self.blocks = nn.ModuleList([*hidden, nn.Linear(*WIDTHS[-2:])])
        self.predictors = nn.ModuleList(nn.Linear(width + WIDTHS[-1], width) for width in WIDTHS[1:-1])
        with torch.no_grad():
            for modules, learners in ((self.blocks, state.blocks), (self.predictors, state.gradient_predictors)):
                weights = [weight for learner in learners for weight in learner.weights]
                for parameter, values in zip(modules.parameters(), weights, strict=True):
                    parameter.copy_(torch.from_numpy(values.numpy().T))
        parameters = [*self.blocks.parameters(), *self.predictors.parameters()]
        kind = torch.optim.SGD if plainly else torch.optim.Adam
        self.optimizer, self.plainly = kind(parameters, lr=SETTINGS.learning_rate), plainly
        self.data = tuple(map(torch.from_numpy, data()[:2]))

    def __call__(self, number: int) -> None:
        """Make a round of steps."""
        for batch in self.torch.from_numpy(rows()).long():
            self.step(*(part[batch] for part in self.data))

    def step(self, x, y) -> None:
        """Make a step of all blocks and predictors."""
        functional = self.torch.nn.functional
        inputs, outputs = [], []
        for block in self.blocks:
            inputs.append((outputs[-1] if outputs else x).detach().requires_grad_())
            outputs.append(block(inputs[-1]))
        *features, logits = outputs
        loss = functional.cross_entropy(logits, y)
        synthetic = [
            predictor(self.torch.cat([feature.detach(), y], 1))
            for predictor, feature in zip(self.predictors, features, strict=True)
        ]
        self.optimizer.zero_grad()
        loss.backward()
        for feature, prediction in zip(features, synthetic, strict=True):
            feature.backward(prediction.detach())
        for prediction, above in zip(synthetic, inputs[1:], strict=True):
            (functional.mse_loss(prediction, above.grad) / loss.detach()).backward()
        if self.plainly:
            self.optimizer.step()
        else:
            adam_step(self.optimizer, self.steps, 1e-7)
        self.steps += 1

    def weights(self) -> list[np.ndarray]:
        """Return the blocks' weights."""
        return [parameter.detach().numpy().T for parameter in self.blocks.parameters()]


class JaxLoop:
    """JAX: a round is a scan over steps, each block a vector–Jacobian product of its own, and the state is donated."""

    def __init__(self, *, plainly: bool = False) -> None:
        import jax
        from jax import numpy as jnp

        self.jax, self.plainly, state = jax, plainly, initial(plainly=plainly).state()
        weights, statistics = (
            [[[jnp.asarray(part.numpy()) for part in getattr(one, what)] for one in learners] for learners in state[:2]]
            for what in ("weights", "statistics")
        )
        moments = [jax.tree.map(jnp.zeros_like, weights) for _ in range(2)]
        self.state = weights, statistics[0][:-1], *moments, jnp.zeros(())
        self.data = [*map(jnp.asarray, data()[:2]), jnp.asarray(rows())]
        self.advance = jax.jit(self.steps, donate_argnums=0)

    def __call__(self, number: int) -> None:
        """Make a round of steps."""
        self.state = self.jax.block_until_ready(self.advance(self.state, *self.data))

    def steps(self, state, images, labels, order):
        """Make all steps of a round."""

        def step(state, batch):
            return self.step(state, images[batch], labels[batch]), None

        return self.jax.lax.scan(step, state, order)[0]

    def step(self, state, x, y):
        """Make a step of all blocks and predictors: plain descent, or Adam as Keras has it."""
        jax, jnp, (weights, statistics, means, squares, count) = self.jax, self.jax.numpy, state
        gradients, statistics = self.gradients(*weights, statistics, x, y)
        if self.plainly:
            descend = partial(jax.tree.map, lambda w, g: w - SETTINGS.learning_rate * g)
            return descend(weights, gradients), statistics, means, squares, count
        count = count + 1
        rate = SETTINGS.learning_rate * jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
        means = jax.tree.map(lambda m, g: m + 0.1 * (g - m), means, gradients)
        squares = jax.tree.map(lambda s, g: s + 0.001 * (g * g - s), squares, gradients)
        weights = jax.tree.map(lambda w, m, s: w - rate * m / (jnp.sqrt(s) + 1e-7), weights, means, squares)
        return weights, statistics, means, squares, count

    def gradients(self, blocks, predictors, statistics, x, y):
        """Return those of all weights, and the moving statistics after the batch."""
        jax, jnp = self.jax, self.jax.numpy
        h, features, backward, moved = x, [], [], []
        for weights, moving in zip(blocks[:-1], statistics, strict=True):
            h, vjp, now = jax.vjp(self.hidden, weights, h, has_aux=True)
            features.append(h)
            backward.append(vjp)
            moved.append([0.99 * old + 0.01 * new for old, new in zip(moving, now, strict=True)])
        loss, vjp = jax.vjp(lambda w, h: -(y * jax.nn.log_softmax(h @ w[0] + w[1])).sum(1).mean(), blocks[-1], h)
        contexts = [jnp.concatenate([below, y], 1) for below in features]
        synthetic = [context @ kernel + bias for context, (kernel, bias) in zip(contexts, predictors, strict=True)]
        own, true = zip(*(f(g) for f, g in zip([*backward, vjp], [*synthetic, jnp.ones(())], strict=True)), strict=True)
        errors = [2 * (ours - theirs) / ours.size / loss for ours, theirs in zip(synthetic, true[1:], strict=True)]
        taught = [[context.T @ error, error.sum(0)] for context, error in zip(contexts, errors, strict=True)]
        return [list(own), taught], moved

    def hidden(self, weights, h):
        """Return a hidden block's output, and the batch's statistics."""
        jnp, (kernel, bias, scale, shift) = self.jax.numpy, weights
        z = h @ kernel + bias
        mean, variance = z.mean(0), z.var(0)
        normal = (z - mean) * self.jax.lax.rsqrt(variance + 1e-3)
        return jnp.maximum(normal * scale + shift, 0), (mean, variance)

    def weights(self) -> list[np.ndarray]:
        """Return the blocks' weights."""
        return [np.asarray(weight) for block in self.state[0][0] for weight in block]


def sides(**choices: bool) -> dict[str, Side]:
    """All loops that train one seed."""
    return {
        "session, one run a block": Side(partial(Session, **choices), STEPS),
        "PyTorch": Side(partial(TorchLoop, **choices), STEPS, needs="torch"),
        "JAX, scan": Side(partial(JaxLoop, **choices), STEPS, needs="jax"),
        "gradbook": Side(partial(Run, **choices), STEPS),
    }


SIDES = sides() | {f"gradbook, {SEEDS} seeds": Side(lambda: Together([Run() for _ in range(SEEDS)]), STEPS, SEEDS)}


def measure() -> pd.DataFrame:
    """Return one row per side, after all have moved the same weights alike."""
    agree(sides(plainly=True), 1, 1e-3)
    return compare(__name__, ROUNDS)
